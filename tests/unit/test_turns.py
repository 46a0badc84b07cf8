"""Whose turn it is in a process: the oldest call's, and nobody is waited for who does not look any more."""

from __future__ import annotations

import threading

import pytest

from anyint_resilience.guards.turns import Turns

KEY = "gate:a"
LONG = 46.0  # seconds: whoever waits looks again before that


def stood(*tickets: str) -> Turns:
    """Return a line of calls, each a second younger than the one before."""
    turns = Turns()
    for age, ticket in enumerate(tickets):
        turns.first(KEY, ticket, float(age), 0.0)
    return turns


def test_the_oldest_call_is_first() -> None:
    """Whenever it came by; to look again changes nothing."""
    turns = Turns()
    assert turns.first(KEY, "b", 2.0, 10.0)
    assert not turns.first(KEY, "c", 3.0, 10.0)
    assert turns.first(KEY, "a", 1.0, 11.0)
    assert not turns.first(KEY, "b", 2.0, 12.0)
    assert turns.head(KEY) == "a"


def test_each_gate_has_a_line_of_its_own() -> None:
    """The first of one is nobody at another."""
    turns = stood("a", "b")
    assert turns.first("gate:b", "c", 9.0, 0.0)
    assert turns.head("gate:b") == "c"
    assert turns.lines_of("c") == ["gate:b"]
    assert turns.lines_of("b") == [KEY]
    assert turns.lines_of("nobody") == []
    assert turns.head("gate:c") is None


@pytest.mark.parametrize(
    ("who", "then", "head"),
    [("a", "b", "b"), ("b", None, "a"), ("c", None, "a"), ("nobody", None, "a")],
)
def test_whose_turn_it_is_when_one_has_left(who: str, then: str | None, head: str) -> None:
    """Told once, to who is rung; and only if it is another's now."""
    turns = stood("a", "b", "c")
    assert turns.leave(KEY, who) == then
    assert turns.head(KEY) == head
    assert turns.leave(KEY, who) is None


def test_the_last_one_leaves_nothing() -> None:
    """And is no stranger if it comes again."""
    turns = stood("a")
    assert turns.leave(KEY, "a") is None
    assert turns.head(KEY) is None
    assert turns.first(KEY, "a", 5.0, 1.0)


def test_whoever_leaves_a_line_that_is_not_there_rings_nobody() -> None:
    """It stood elsewhere."""
    assert stood("a", "b").leave("gate:b", "a") is None


@pytest.mark.parametrize(("passed", "first"), [(44.0, False), (LONG, True)])
def test_one_that_looks_no_more_is_not_waited_for(passed: float, first: bool) -> None:
    """However many there are of them."""
    turns = stood("gone", "gone too", "c")
    assert turns.first(KEY, "c", 2.0, passed) is first
    assert turns.head(KEY) == ("c" if first else "gone")


def test_one_that_looks_now_and_then_keeps_its_turn() -> None:
    """Of those behind it, too."""
    turns = stood("a", "b")
    for now in (40.0, 80.0, 120.0):
        assert turns.first(KEY, "a", 0.0, now)
        assert not turns.first(KEY, "b", 1.0, now)


def test_whoever_was_passed_over_may_stand_in_line_again() -> None:
    """At the place of its age."""
    turns = stood("late", "b")
    assert turns.first(KEY, "b", 1.0, LONG)
    assert turns.first(KEY, "late", 0.0, LONG)
    assert turns.leave(KEY, "late") == "b"


def test_all_can_be_sent_away() -> None:
    """They are named, each once, so that they can be woken."""
    turns = stood("a", "b")
    turns.first("gate:b", "c", 0.0, 0.0)
    assert sorted(turns.clear()) == ["a", "b", "c"]
    assert turns.clear() == []
    assert turns.head(KEY) is None


def test_a_forked_child_has_a_lock_of_its_own() -> None:
    """A thread of the parent that held the other is not there to let go of it."""
    turns = Turns()
    turns.first("k", "a", 1.0, 0.0)
    turns._lock.acquire()
    turns.forked()
    assert turns.head("k") is None


def test_many_threads_have_one_first() -> None:
    """Each that leaves names the next, and nobody is left over."""
    turns, went, lock = Turns(), list[str](), threading.Lock()

    def run(number: int) -> None:
        ticket = str(number)
        for _ in range(50):
            turns.first(KEY, ticket, float(number), 0.0)
            if turns.head(KEY) == ticket:
                with lock:
                    went.append(ticket)
            turns.leave(KEY, ticket)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for it in threads:
        it.start()
    for it in threads:
        it.join(20)
    assert turns.head(KEY) is None
    assert turns.clear() == []
    assert went
