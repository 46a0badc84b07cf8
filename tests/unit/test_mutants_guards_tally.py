"""What is counted of a host: who is alive, and that no change between a read and a write is lost without a GIL."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from anyint_resilience.forking import known_to
from anyint_resilience.guards.tally import RECENT, Exact, Tally

NOW = 1000.0


def elsewhere(change: Callable[[], object]) -> None:
    """Have another thread do something now."""
    thread = Thread(target=change)
    thread.start()
    thread.join()


class Plain:
    """Something with slots that are numbers."""

    __slots__ = ("good", "out")

    def __init__(self) -> None:
        self.good = self.out = 0


def counted() -> type[Any]:
    """Return that with numbers as a tally has them where Python has no GIL."""
    slots = {name: Exact(vars(Plain)[name]) for name in ("good", "out")}
    return type("Counted", (Plain,), {"__slots__": (), **slots})


def test_a_tally_begins_with_nothing() -> None:
    """Nothing is out, nothing has ever succeeded."""
    tally = Tally()
    assert (tally.good, tally.out, tally.flew, tally.take()) == (0, 0, 0, 0)
    assert not tally.lives(0.0)
    assert not tally.lives(NOW)


@pytest.mark.parametrize(
    ("ago", "lives"), [(0.0, True), (0.5, True), (RECENT - 0.5, True), (RECENT, False), (60.0, False), (-0.5, False)]
)
def test_what_has_succeeded_of_late_lives(ago: float, lives: bool) -> None:
    """Of a moment that is yet to come nothing is known: the clock was put back."""
    tally = Tally()
    tally.last = NOW - ago
    assert tally.lives(NOW) is lives


def test_what_was_counted_is_taken_once() -> None:
    tally = Tally()
    tally.good += 3
    assert (tally.take(), tally.take()) == (3, 0)


def test_an_exact_number_is_set_and_read_as_any_other() -> None:
    """Each object has its own, and each of its numbers is one."""
    kind = counted()
    one, other = kind(), kind()
    one.out = 5
    one.out = 4
    one.out += 1
    one.good -= 2
    other.out += 7
    assert (one.out, one.good, other.out, other.good) == (5, -2, 7, 0)
    assert isinstance(kind.out, Exact)
    assert kind.out is not kind.good


def test_what_another_thread_changes_in_between_stays() -> None:
    """A thread says by how much, whatever the number is by now."""
    one = counted()()
    one.out = 10

    def change() -> None:
        one.out += 4
        one.out -= 1

    value = one.out
    elsewhere(change)
    one.out = value + 2
    assert one.out == 15
    value = one.out
    elsewhere(change)
    one.out = value - 15
    assert one.out == 3


def test_what_was_read_counts_for_the_next_change_of_the_same_alone() -> None:
    """Not for another object's, nor for what is set later, as it is."""
    kind = counted()
    one, other = kind(), kind()
    one.out, other.out = 10, 20
    assert one.out == 10
    other.out = 3
    assert other.out == 3
    one.out = 1
    elsewhere(lambda: setattr(one, "out", 8))
    one.out = 2
    assert one.out == 2
    elsewhere(lambda: setattr(other, "out", 9))  # a thread that never read any
    assert other.out == 9


def test_a_number_is_taken_once() -> None:
    """And what comes between is of the next time."""
    kind = counted()
    one = kind()
    one.good = 6
    value = one.good
    assert kind.good.swap(one) == 6
    one.good = value + 1
    assert (kind.good.swap(one), kind.good.swap(one), one.good) == (1, 0, 0)


def test_a_forked_child_counts_although_another_thread_was_counting() -> None:
    """The lock is made anew there: nobody is left who would let go of it."""
    kind = counted()
    one = kind()
    assert kind.out in known_to(Exact._forked)
    assert kind.out._lock.acquire()
    Exact._forked(kind.out)
    elsewhere(lambda: setattr(one, "out", 3))
    assert one.out == 3
