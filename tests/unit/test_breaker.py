"""The circuit breaker as a pure step: a table of when it opens, whom it lets through, and what closes it."""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import Any

import pytest

from anyint_resilience.guards import breaker
from anyint_resilience.guards.settings import Guards

SET = Guards()
START = 1000.0
OPENED = START + 1.0
NUMBERS = {"window": SET.window, "failure_rate": SET.failure_rate, "least": SET.min_volume, "cooldown": SET.cooldown}


def told(state: Any, now: float, good: bool, *, began: float | None = None, ticket: str = "", u: float = 0.0) -> Any:
    return breaker.told(state, now, ticket=ticket, good=good, began=now if began is None else began, u=u, **NUMBERS)


def ask(state: Any, now: float, ticket: str = "p") -> Any:
    return breaker.ask(state, now, ticket=ticket, probes=SET.probes)


def after(outcomes: str, now: float = START) -> tuple[Any, str]:
    """Return the state after outcomes at one moment (``+`` good, ``-`` bad), and the last word."""
    state, word = None, ""
    for it in outcomes:
        state, word = told(state, now, it == "+")
    return state, word


def opened() -> Any:
    """Return the state of a circuit that opened at ``OPENED``."""
    state, word = after("-" * SET.min_volume, OPENED)
    assert word == "opened"
    return state


LEAST, RATE = SET.min_volume, SET.failure_rate
BESIDE = ceil(RATE * LEAST / (1 - RATE))  # so many failures beside LEAST successes are just the share


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        ("-" * (LEAST - 1), ""),  # too few to say anything
        ("-" * LEAST, "opened"),
        ("-" + "+" * LEAST + "-" * (BESIDE - 2), ""),  # just below the share
        ("-" + "+" * LEAST + "-" * (BESIDE - 1), "opened"),  # just at it
        ("-" * (LEAST - 1) + "+", "opened"),  # a success that makes the volume whole
        ("+" * LEAST * 5, ""),
    ],
)
def test_it_opens_on_a_share_of_failures_of_enough_outcomes(outcomes: str, word: str) -> None:
    """Good ones before the first failure are not counted: a window begins with a failure."""
    assert after(outcomes)[1] == word


def test_failures_further_apart_than_the_window_never_open_it() -> None:
    """Stale slots leave."""
    state, now = None, START
    for _ in range(5 * LEAST):
        state, word = told(state, now, False)
        assert word == ""
        assert len(state["slots"]) <= breaker.SLOTS
        now += SET.window / (LEAST - 1) * 1.2
    state, _ = told(state, now + 2 * SET.window, True)
    assert state is None, "nothing is left to remember"


def test_good_calls_leave_no_state() -> None:
    """The good path costs nothing to remember."""
    assert after("+" * 100) == (None, "")


def test_an_open_circuit_lets_nothing_through_then_its_probes() -> None:
    """Never more than that at a time, and whoever is refused is told when to ask again."""
    state, passage = ask(opened(), OPENED)
    assert (passage.go, passage.at) == (False, OPENED + SET.cooldown)
    now = OPENED + SET.cooldown
    for number in range(SET.probes):
        state, passage = ask(state, now, str(number))
        assert passage == breaker.Passage(True, probe=True)
    state, passage = ask(state, now, "one more")
    assert (passage.go, passage.at) == (False, now + breaker.LEASE)
    assert ask(state, now, "0")[1].go, "a probe that asks again is still that probe"


@pytest.mark.parametrize("gives_back", [True, False])
def test_a_probe_that_never_comes_back_does_not_keep_it_open(gives_back: bool) -> None:
    """It gives its place back, or its lease lapses."""
    state, now = opened(), OPENED + SET.cooldown
    for number in range(SET.probes):
        state, _ = ask(state, now, str(number))
    if gives_back:
        state, _ = breaker.leave(state, now, ticket="0")
    else:
        now += breaker.LEASE
    assert ask(state, now, "next")[1].go


@pytest.mark.parametrize(
    ("began", "at", "good", "word", "open_then"),
    [
        (OPENED - 0.5, OPENED + 1, True, "", True),  # from before: says nothing new
        (OPENED - 0.5, OPENED + 1, False, "", True),
        (OPENED, OPENED + SET.cooldown + 1, True, "closed", False),
        (OPENED + 1, OPENED + 100 * SET.cooldown, True, "closed", False),  # although the cooldown lapsed long ago
        (OPENED + SET.cooldown, OPENED + SET.cooldown + 1, False, "", True),
    ],
)
def test_what_closes_it(began: float, at: float, good: bool, word: str, open_then: bool) -> None:
    """One success that began after it opened; a failure opens it for a whole cooldown more."""
    state, said = told(opened(), at, good, began=began)
    assert said == word
    assert (state is not None and bool(state["open"])) is open_then
    if open_then and began >= OPENED:
        assert not ask(state, at + SET.cooldown / 2)[1].go
        assert ask(state, at + SET.cooldown)[1].go


def test_chance_spreads_the_probes_of_a_fleet() -> None:
    """Processes that opened together do not come back together."""
    state = None
    for _ in range(LEAST):
        state, _ = told(state, OPENED, False, u=0.9)
    assert ask(state, OPENED)[1].at > OPENED + SET.cooldown


@pytest.mark.parametrize("back", [0.0, 5.0, 800.0])
def test_a_clock_that_steps_back_makes_nobody_wait_longer(back: float) -> None:
    """The cooldown is as long as it was."""
    state, passage = ask(opened(), OPENED - back)
    assert passage.at == pytest.approx(OPENED - back + SET.cooldown)
    assert ask(state, OPENED - back + SET.cooldown)[1].go


@pytest.mark.parametrize("step", [partial(breaker.leave, ticket="x")])
def test_leaving_what_was_never_asked_changes_nothing(step: Any) -> None:
    """Nor does it invent a state."""
    assert step(None, START) == (None, "")
    state = opened()
    assert step(state, OPENED) == (state, "")
