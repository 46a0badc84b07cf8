"""What a store is still to be told: seen until it has it, by whoever looks, and taken once; and its bounds."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

import pytest

from anyint_resilience import Certainty
from anyint_resilience.forking import known_to
from anyint_resilience.tasks import arrears
from anyint_resilience.tasks import books as room
from anyint_resilience.tasks.arrears import Arrears
from tests.unit.books_kit import Desk
from tests.unit.test_ledger import Books


def step(state: Any, now: float, *, name: str) -> tuple[Any, None]:
    return state, None


A, B, C = (partial(step, name=name) for name in "abc")


def filled() -> Arrears:
    it = Arrears()
    for key, one in (("i", A), ("j", B), ("i", C)):
        it.add(key, one)
    return it


class Contended(deque[Any]):
    """Another thread is at it, or was faster."""

    error: type[Exception] = IndexError

    def remove(self, value: Any) -> None:
        raise self.error


def test_steps_come_by_key_and_in_their_order() -> None:
    it = filled()
    assert bool(it)
    assert it.due() == {"i": [A, C], "j": [B]}
    assert it.due("i") == {"i": [A, C]}
    assert it.due("k") == {}
    assert it.keys() == {"i", "j"}
    assert (it.of("i"), it.of("j"), it.of("k")) == ([A, C], [B], [])


def test_what_is_taken_is_seen_until_it_is_told() -> None:
    it = filled()
    taken = it.taken("i", it.due("i")["i"])
    assert list(taken) == [A, C]
    assert (it.due(), it.keys(), it.of("i")) == ({"j": [B]}, {"j"}, [A, C])
    it.told("i", taken.popleft())
    assert it.of("i") == [C]
    it.back("i", taken)
    assert (it.due(), it.of("i")) == ({"j": [B], "i": [C]}, [C])
    assert list(it.taken("j", [B])) == [B]
    it.told("j", B)
    it.told("j", B)  # as a child does of what its parent took
    assert it.of("j") == []


@pytest.mark.parametrize("error", [ValueError, IndexError])
def test_what_another_thread_has_taken_is_neither_mine_nor_seen_twice(error: type[Exception]) -> None:
    it, held = filled(), Contended(maxlen=arrears.MOST)
    held.error = error
    vars(it)["_waiting"] = held
    assert list(it.taken("i", [A, C])) == []
    assert it.of("i") == []
    vars(it)["_telling"] = held
    it.told("i", A)


def test_a_child_of_a_fork_tells_nothing_of_its_parents() -> None:
    it = filled()
    it.taken("i", [A])
    assert it in known_to(Arrears._forked)
    Arrears._forked(it)
    assert (it.of("i"), it.due("i")) == ([C], {"i": [C]})
    it.told("i", A)
    assert list(it.taken("i", [C])) == [C]


def test_of_very_many_the_oldest_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrears, "MOST", 2)
    assert filled().due() == {"j": [B], "i": [C]}
    assert not Arrears()


@pytest.mark.parametrize(("strays", "left"), [(5, 6), (6, 1)])
def test_keys_that_memory_has_forgotten_are_let_go_beyond_a_bound(
    strays: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (arrears, room):
        monkeypatch.setattr(module, "MOST", 3)
    books = Books()
    books.store.dead = True
    known = vars(books.ledger)["_apart"]
    known.update({f"create:{number}": True for number in range(strays)})
    assert books.enter() == "go"
    assert len(known) == left
    assert "create:i" in known


def test_what_waits_for_the_store_is_looked_at_with_what_memory_has_of_the_same_key() -> None:
    """A strict ledger, whose store fails once and then lets in what this process knows to be unknown."""
    books = Books(strict=True)
    books.spare.update("create:i", books.ledger.enter(ident="one"), books.ledger.longest)
    books.spare.update("create:i", books.ledger.leave(Certainty.UNKNOWN, ident="one"), books.ledger.longest)
    books.ledger.later("create:i", books.ledger.leave(Certainty.REJECTED, ident="two"))
    books.store.fails = iter((True, False))
    assert books.enter() == "refuse"
    assert "in_flight" not in [it["fate"] for it in books.stored()]


def test_what_is_entered_again_stands_beside_what_others_have_entered_since() -> None:
    """After a loss: each process enters its own, and takes away nobody's."""
    desk = Desk()
    assert desk.enter() == "go"
    desk.elsewhere.lose()
    other = Books(desk.elsewhere.held)
    other.clock = desk.clock
    assert other.enter() == "go"
    desk.elsewhere.member.beat()
    assert desk.elsewhere.member.release() == ["_restored"]
    assert {it["id"] for it in desk.stored()} == {desk.last, other.last}
