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


NOW = 1000.0


@pytest.mark.parametrize(
    ("held", "forgotten"),
    [
        ({"cause": "rate", "until": NOW}, True),  # its time has come
        ({"cause": "rate", "until": NOW + 0.1}, False),
        ({"cause": "rate", "until": NOW, "limit": 3.0}, False),
        ({"cause": "down", "until": NOW, "goal": 3.0}, False),
        ({"cause": "down", "until": NOW, "goal": 3.0, "heard": NOW - 60.0}, True),  # a minute says nothing any more
        ({"cause": "down", "until": NOW, "goal": 3.0, "heard": NOW - 59.9}, False),
    ],
)
def test_what_there_is_nothing_left_of_to_remember_is_forgotten(held: dict[str, Any], forgotten: bool) -> None:
    """A gate whose time has come, as soon as it has; a failure after a minute."""
    whole = {**gate.fresh(None, NOW), "shut": NOW - 80.0, **held}
    left, _ = gate.settle(whole, NOW)
    assert (left is None) is forgotten


def test_who_waits_until_now_is_still_in_line_and_no_name_is_nobodys() -> None:
    """And is the one who is rung."""
    line = [[1.0, "", NOW + 9.0], [2.0, "a", NOW], [3.0, "b", NOW + 9.0]]
    left, told = gate.settle({**gate.fresh(None, NOW), "line": line}, NOW)
    assert left is not None
    assert told.ring == ("a",)
    assert [it[1] for it in gate.fresh({**gate.fresh(None, NOW), "line": line[1:]}, NOW)["line"]] == ["a", "b"]
    assert [it[1] for it in gate.fresh({**gate.fresh(None, NOW), "line": line[1:]}, NOW + 0.1)["line"]] == ["b"]
