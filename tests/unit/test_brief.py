"""The shares of the gate's Pythons: together they play everything. Must not know what a test is about."""

from __future__ import annotations

import pytest

from tests.brief import FEW, shared

GROUPS = {f"test_{many}": [(f"test_{many}[{it}]", (many, it)) for it in range(many)] for many in (1, 2, FEW, 5, 9, 100)}
ALL = {it for items in GROUPS.values() for _, it in items}


@pytest.mark.parametrize("of", [1, 2, 3, 4])
def test_each_parameter_is_played_by_some_python_and_each_test_by_all(of: int) -> None:
    mine = [ALL - set(shared(GROUPS, f"{place}/{of}")) for place in range(of)]
    assert set().union(*mine) == ALL
    assert sum(many == 100 for played in mine for many, _ in played) == 100
    for played in mine:
        assert {many for many, _ in played} == {many for many, _ in ALL}
        assert [many for many, _ in sorted(played)][: 3 + FEW] == [1, 2, 2, *[FEW] * FEW]


def test_without_a_share_nothing_is_left_to_others() -> None:
    assert shared(GROUPS, "") == []
