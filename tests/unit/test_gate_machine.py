"""The gate under any order of events: many tickets, a clock that also steps back, every kind of outcome.

Must not know any client, store or real clock: the steps are run on plain values, and the clock is a number.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from anyint_resilience import Policy
from anyint_resilience.guards import gate
from anyint_resilience.guards.opening import Pace
from anyint_resilience.guards.settings import Guards
from anyint_resilience.policy.backoff import HINT_SPREAD_MAX
from anyint_resilience.policy.hints import MAX_HINT
from tests.brief import examples

HIGHEST = 4096
SHORT = 20.0  # seconds: fifty such steps stay below the lease of a permit
ASKS_IN_A_BURST = 200
RATE = Pace(Policy().rate_base, Policy().factor, Policy().max_delay)
BEYOND = 1e6  # seconds: no pause of our own schedule is as long

units = st.floats(0, 1, exclude_max=True)
spans = st.one_of(st.just(0.0), st.floats(0, SHORT), st.floats(0, 1))
hints = st.one_of(st.none(), st.floats(0.001, 3), st.floats(0.001, 3), st.sampled_from((0.5, 2.0, 30.0, MAX_HINT)))
kinds = st.sampled_from(("good", "good", "good", "rate", "rate", "spent", "down", "down", "other", "quota"))
places = st.integers(0, 20)
patiences = st.one_of(st.just(60.0), st.floats(0, 90))


@dataclass
class Caller:
    """What a call knows of itself: its times are those of the clock as it was when the call began."""

    name: str
    since: float
    bound: float
    began: float | None = None
    at: float = 0.0  # when it looks again; moves with the clock, as a wait that has begun does,
    lapses: float = 0.0  # and so does the time until which it may stand in line
    rung: bool = False
    out: bool = False


class GateMachine(RuleBasedStateMachine):
    """Callers ask, wait, go, tell and leave, in any order; a caller that waits looks again when it said it would."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.state: dict[str, Any] | None = None
        self.known: dict[str, Caller] = {}
        self.count = 0
        self.most: int | None = None

    # the world

    def step(self, change: Callable[..., Any]) -> Any:
        """Run a step as a store would; it leaves what it was given alone, and what it gives is JSON."""
        before = copy.deepcopy(self.state)
        new, verdict = change(self.state, self.now)
        assert self.state == before, "a step must not change the state that it is given"
        as_stored = None if before is None else json.loads(json.dumps(before))
        again, said = change(as_stored, self.now)
        assert (json.loads(json.dumps(again)), said) == (json.loads(json.dumps(new)), verdict), "JSON must do"
        self.state = new
        for name in verdict.ring:
            if name in self.known:
                self.known[name].rung = True
        return verdict

    def those(self, *, out: bool) -> list[Caller]:
        return [caller for caller in self.known.values() if caller.out is out]

    def fresh(self) -> dict[str, Any]:
        return gate.fresh(self.state, self.now)

    def look(self, caller: Caller, u: float) -> None:
        """Ask for a caller, first or again, and do what is said."""
        before, caller.rung = self.fresh(), False
        ask = partial(gate.ask, ticket=caller.name, since=caller.since, bound=caller.bound, most=self.most, u=u)
        passage = self.step(ask)
        if passage.kind == "go":
            self.gone(caller, before)
        elif passage.kind == "refuse":
            assert self.state is None or all(row[1] != caller.name for row in self.state["line"])
            del self.known[caller.name]
        else:
            assert passage.kind == "wait"
            assert math.isfinite(passage.at)
            if all(row[1] != caller.name for row in before["line"]):
                caller.lapses = caller.bound
            caller.at = passage.at

    def gone(self, caller: Caller, before: dict[str, Any]) -> None:
        assert not caller.out, "nobody has two permits"
        caller.out, caller.began = True, self.now
        if before["cause"] == "quota":
            return  # a probe: nobody waits
        waits = [row for row in before["line"] if row[1] != caller.name]
        own = next((row[0] for row in before["line"] if row[1] == caller.name), caller.since)
        assert all((own, caller.name) < (row[0], row[1]) for row in waits), "nobody overtakes the head"
        if before["cause"] != "down" and before["limit"] is not None:
            assert len(before["out"]) + 1 <= max(1.0, before["limit"]), "no more fly than may"

    # what happens

    @rule(many=st.integers(1, 6), ago=st.floats(0, 5), patience=patiences, u=units)
    def ask(self, many: int, ago: float, patience: float, u: float) -> None:
        """New callers come by; their calls may have begun a while ago."""
        for _ in range(many):
            self.count += 1
            caller = Caller(str(self.count), self.now - ago, self.now + patience)
            self.known[caller.name] = caller
            self.look(caller, u)

    @precondition(lambda self: self.those(out=False))
    @rule(which=places, u=units)
    def look_again(self, which: int, u: float) -> None:
        """A caller that waits wakes up, for a reason or for none."""
        waiting = self.those(out=False)
        self.look(waiting[which % len(waiting)], u)

    @precondition(lambda self: self.those(out=True))
    @rule(which=places, kind=kinds, hint=hints, flying=st.integers(0, 50), u=units)
    def tell(self, which: int, kind: str, hint: float | None, flying: int, u: float) -> None:
        """A caller that is out comes back."""
        flew = self.those(out=True)
        self.back(flew[which % len(flew)], kind, hint, flying, u)

    def back(self, caller: Caller, kind: str, hint: float | None, flying: int, u: float) -> None:
        assert caller.began is not None
        del self.known[caller.name]
        self.told(caller.name, kind, caller.began, hint, flying, u)

    @rule(kind=kinds, ago=st.floats(0, 5), hint=hints, flying=st.one_of(st.integers(0, 8), st.just(HIGHEST)), u=units)
    def tell_of_the_fast_lane(self, kind: str, ago: float, hint: float | None, flying: int, u: float) -> None:
        """One that never asked, since all was calm, comes back."""
        self.told("", kind, self.now - ago, hint, flying, u)

    @rule(flying=st.integers(0, 8), u=units)
    def outage(self, flying: int, u: float) -> None:
        """As many failures in a row as close it."""
        for _ in range(Guards().failures):
            self.told("", "down", self.now, None, flying, u)

    def told(self, ticket: str, kind: str, began: float, hint: float | None, flying: int, u: float) -> None:
        step = partial(gate.told, ticket=ticket, kind=kind, began=began, flying=flying, hint=hint, u=u)
        self.step(partial(step, pace=RATE, few=Guards().failures))
        assert self.state is None or ticket not in self.state["out"]

    @rule(seconds=st.floats(0, 2), u=units)
    def all_come_back(self, seconds: float, u: float) -> None:
        """Everybody who is out succeeds; those in line follow."""
        self.advance(seconds, u)
        for caller in self.those(out=True):
            self.back(caller, "good", None, 0, u)
        self.advance(0.0, u)

    @precondition(lambda self: self.known)
    @rule(which=places)
    def leave(self, which: int) -> None:
        """A call is cancelled, in line or while it is out."""
        caller = list(self.known.values())[which % len(self.known)]
        del self.known[caller.name]
        self.step(partial(gate.leave, ticket=caller.name))
        if self.state is not None:
            assert caller.name not in self.state["out"]
            assert all(row[1] != caller.name for row in self.state["line"])

    @rule()
    def settle(self) -> None:
        """Somebody sweeps."""
        self.step(gate.settle)

    @rule(seconds=spans, u=units)
    def advance(self, seconds: float, u: float) -> None:
        """Time passes; whoever is rung, or said that it would look again by then, does."""
        until = self.now + seconds
        for _ in range(ASKS_IN_A_BURST):
            due = [it for it in self.those(out=False) if it.rung or it.at <= until]
            if not due:
                break
            first = min(due, key=lambda it: self.now if it.rung else it.at)
            self.now = self.now if first.rung else max(self.now, first.at)
            self.look(first, u)
        else:
            raise AssertionError("callers wake up and wake up, and get nowhere")
        self.now = until

    @rule(more=st.floats(0, 2), u=units)
    def advance_until_it_opens(self, more: float, u: float) -> None:
        """Time passes until the gate opens, and a little more."""
        self.advance(min(SHORT, max(0.0, self.fresh()["until"] - self.now)) + more, u)

    @rule(seconds=st.floats(0, 500))
    def step_back(self, seconds: float) -> None:
        """The clock is set back; waits that have begun are as long as they were."""
        seconds = min(seconds, self.now)  # no clock goes below zero
        self.now -= seconds
        self.step(gate.settle)
        for caller in self.known.values():
            caller.at -= seconds
            caller.lapses -= seconds

    # what always holds

    @invariant()
    def permits_are_those_of_callers_that_are_out(self) -> None:
        """A permit that nobody has would be lost; a caller in line and out would have two turns."""
        held = self.fresh()
        assert set(held["out"]) <= {it.name for it in self.known.values() if it.out}
        names = [row[1] for row in held["line"]]
        assert len(names) == len(set(names))
        assert not set(names) & set(held["out"])

    @invariant()
    def who_waits_stands_in_line(self) -> None:
        """Until its time is over; and the line is in order."""
        held = self.fresh()
        names = {row[1] for row in held["line"]}
        for caller in self.known.values():
            assert caller.out or caller.lapses < self.now or caller.name in names
        assert held["line"] == sorted(held["line"])

    @invariant()
    def numbers_are_sane(self) -> None:
        """The limit stays within its bounds, and no time is for ever."""
        held = self.fresh()
        assert held["limit"] is None or 1.0 <= held["limit"] <= HIGHEST
        assert held["bad"] >= 0
        assert held["streak"] >= 0
        for name in ("until", "probe", "after"):
            assert held[name] - self.now <= MAX_HINT + BEYOND

    @invariant()
    def it_opens_again(self) -> None:
        """Once all have left and its time is over, whoever comes goes."""
        state, held = copy.deepcopy(self.state), self.fresh()
        for name in [*held["out"], *(row[1] for row in held["line"])]:
            state, _ = gate.leave(state, self.now, ticket=name)
        later = max(self.now, held["until"], held["probe"], held["after"]) + HINT_SPREAD_MAX
        _, passage = gate.ask(state, later, ticket="last", since=later, bound=later, most=self.most, u=0.5)
        assert passage.kind == "go"


TestGate = GateMachine.TestCase
TestGate.settings = settings(max_examples=examples(250), stateful_step_count=50)
