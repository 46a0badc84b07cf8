"""Moments of a gate that seldom come: who is rung, who goes at once, and what was there before it closed."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from anyint_resilience.guards import gate


class Gate:
    """A gate, its clock, and what it says."""

    def __init__(self, now: float = 1000.0) -> None:
        self.state: Any = None
        self.now = now

    def do(self, step: Any) -> Any:
        self.state, verdict = step(self.state, self.now)
        return verdict

    def ask(self, ticket: str, *, ago: float = 0.0, **how: Any) -> gate.Passage:
        how = {"since": self.now - ago, "bound": self.now + 500.0, **how}
        passage: gate.Passage = self.do(partial(gate.ask, ticket=ticket, **how))
        return passage

    def told(self, kind: str, ticket: str = "", **how: Any) -> gate.Told:
        found: gate.Told = self.do(partial(gate.told, ticket=ticket, kind=kind, **{"began": self.now, **how}))
        return found

    def leave(self, ticket: str) -> gate.Told:
        found: gate.Told = self.do(partial(gate.leave, ticket=ticket))
        return found


def opened(*tickets: str) -> Gate:
    """Return a gate whose line is let go of, a second apart."""
    it = Gate()
    it.told("rate", hint=40.0, flying=40)
    for number, ticket in enumerate(tickets):
        assert it.ask(ticket, ago=20.0 - number).kind == "wait"
    it.now += 40.0
    assert it.ask(tickets[0], ago=60.0).kind == "go"
    return it


def test_who_comes_when_the_line_is_empty_is_held_up_by_nobody() -> None:
    """The pause after the last one that went was for those who stood there."""
    it = opened("a", "b")
    assert it.ask("b", ago=59.0).kind == "wait"
    it.leave("b")
    assert it.ask("c").kind == "go"


def test_an_older_call_than_all_in_line_goes_at_the_very_moment() -> None:
    """It comes in when the next may go: it is the next."""
    it = opened("a", "b", "c")
    it.now = it.state["after"]
    assert it.ask("older", ago=100.0).kind == "go"


def test_the_pauses_end_with_the_time_over_which_the_line_is_let_go() -> None:
    """At that very moment too."""
    it = opened("a", "b", "c")
    it.now = it.state["spaced"]
    assert it.ask("b", ago=100.0).kind == "go"
    assert it.state["after"] == 0.0


def test_one_that_finds_out_about_a_quota_rings_the_first_in_line() -> None:
    """Who stood there before it was used up is told so."""
    it = Gate()
    it.told("rate", hint=40.0)
    assert it.ask("a").kind == "wait"
    it.told("quota")
    it.now = it.state["probe"]
    passage = it.ask("b")
    assert (passage.kind, passage.ring) == ("go", ("a",))


@pytest.mark.parametrize("began", [0.25, 1000.0])
def test_one_that_serves_is_not_closed_for_a_limit_without_a_hint(began: float) -> None:
    """Fewer fly, and nobody waits; also when the program has only just begun, by its clock."""
    it = Gate(began)
    it.told("rate", flying=40, u=0.9)
    it.now += 10.0
    it.told("good")
    it.now += 0.25
    it.told("rate", flying=40, u=0.9)
    assert it.ask("a").kind == "go"


def test_a_first_limit_closes_though_there_were_successes() -> None:
    """It says how many are too many: none has said so before."""
    it = Gate()
    assert it.ask("a", most=5).kind == "go"
    assert it.ask("b", most=5).kind == "go"
    it.told("good", "a")
    it.told("rate", "b", flying=40, u=0.9)
    assert it.ask("c").kind == "wait"


def resumed() -> Gate:
    """Return a gate after an outage, one that was left by others: two fly, and four flew before."""
    it = Gate()
    left: dict[str, Any] = {"cause": "down", "until": 1001.0, "shut": 999.0, "probe": 0.0, "named": False, "limit": 4.0}
    it.do(partial(gate.inherit, **left))
    it.now += 2.0
    it.told("good")
    return it


@pytest.mark.parametrize("since_the_line", [0.75, 1.0])
def test_a_limit_is_lifted_a_second_after_the_last_one_stood_in_line(since_the_line: float) -> None:
    """Not before: whoever waits is to be served first."""
    it = resumed()
    it.state["queued"] = it.now
    it.now += since_the_line
    for ticket in "ab":
        it.ask(ticket)
    for _ in range(3):
        it.told("good")
    assert (it.state is None or it.state["limit"] is None) is (since_the_line >= 1.0)


def test_a_limit_that_has_doubled_grows_slowly_from_there() -> None:
    """By one for as many successes as fly."""
    it = resumed()
    for number in range(9):
        it.ask(f"t{number}")
    for _ in range(9):
        if it.state["limit"] >= 4.0:
            break
        it.told("good")
    before = it.state["limit"]
    assert before == 4.0
    it.told("good")
    assert it.state["limit"] == 4.25
