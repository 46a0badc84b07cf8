"""The shares of the gate's Pythons: each test is played by all of them. Must not know what a test is about."""

from __future__ import annotations

import pytest

from tests.brief import FEW, shared

GROUPS = {f"test_{many}": [(f"test_{many}[{it}]", (many, it)) for it in range(many)] for many in (1, FEW, 3, 5, 9, 100)}
ALL = {it for items in GROUPS.values() for _, it in items}


@pytest.mark.parametrize("of", [1, 2, 3, 4])
def test_each_test_is_played_by_all_and_half_of_many_parameters_by_somebody(of: int) -> None:
    mine = [ALL - set(shared(GROUPS, f"{place}/{of}")) for place in range(of)]
    for played in mine:
        counts = {many: sum(it == many for it, _ in played) for many in (1, FEW, 3, 5, 9, 100)}
        assert {name: counts[name] for name in (1, FEW, 3)} == {1: 1, FEW: FEW, 3: 2}
        assert counts[100] == -(-100 // (2 * of))
    together = set().union(*mine)
    assert [sum(it == many for it, _ in together) for many in (1, FEW, 100)] == [1, FEW, min(100, of * counts[100])]
    assert sum(many == 5 for many, _ in together) == min(5, of * max(FEW, -(-5 // (2 * of))))


def test_without_a_share_nothing_is_left_to_others() -> None:
    assert shared(GROUPS, "") == []
