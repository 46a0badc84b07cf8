"""The circuit breaker under any order of events. Must not know any client, store or real clock."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from anyint_resilience.guards import breaker
from anyint_resilience.guards.settings import Guards

SET = Guards()
units = st.floats(0, 1, exclude_max=True)


class BreakerMachine(RuleBasedStateMachine):
    """Attempts ask, go, come back well or badly, are cancelled or never heard of again; the clock also steps back."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.state: dict[str, Any] | None = None
        self.count = 0
        self.told_of = 0
        self.failed = 0

    def step(self, what: Any, **how: Any) -> Any:
        """Run a step as a store would; it leaves what it was given alone, and what it gives is JSON."""
        before = copy.deepcopy(self.state)
        new, verdict = what(self.state, self.now, **how)
        assert self.state == before, "a step must not change the state that it is given"
        assert what(None if before is None else json.loads(json.dumps(before)), self.now, **how) == (new, verdict)
        self.state = new
        return verdict

    @property
    def is_open(self) -> bool:
        return self.state is not None and self.state["open"] != 0

    @rule(target=tickets)
    def ask(self) -> Any:
        """An attempt asks."""
        self.count += 1
        was_open, name = self.is_open, str(self.count)
        passage = self.step(breaker.ask, ticket=name, probes=SET.probes)
        assert passage.go or (was_open and passage.at > self.now)
        assert passage.probe == (passage.go and was_open)
        return (name, self.now) if passage.go else multiple()

    @rule(ticket=consumes(tickets), good=st.booleans(), u=units)
    def tell(self, ticket: tuple[str, float], good: bool, u: float) -> None:
        """It comes back."""
        self.told(*ticket, good, u)

    @rule(ago=st.floats(0, 2 * SET.window), good=st.booleans(), u=units, times=st.integers(1, SET.min_volume))
    def tell_of_the_fast_lane(self, ago: float, good: bool, u: float, times: int) -> None:
        """Some that never asked come back."""
        for _ in range(times):
            self.told("", self.now - ago, good, u)

    def told(self, ticket: str, began: float, good: bool, u: float) -> None:
        was, since = self.is_open, None if self.state is None else self.state["since"]
        at = self.now if self.state is None else self.state["at"]
        moved = min(0.0, self.now - at)
        numbers = {"window": SET.window, "failure_rate": SET.failure_rate, "least": SET.min_volume}
        word = self.step(breaker.told, ticket=ticket, good=good, began=began, cooldown=SET.cooldown, u=u, **numbers)
        self.told_of, self.failed = (0, 0) if was else (self.told_of + 1, self.failed + (not good))
        if word == "opened":
            assert not was
            assert self.told_of >= SET.min_volume
            assert self.failed >= SET.failure_rate * SET.min_volume
        if was:
            assert since is not None
            assert (word == "closed") == (good and began >= since + moved)
            assert self.is_open == (word != "closed")
        if word:
            self.told_of = self.failed = 0

    @rule(ticket=consumes(tickets))
    def leave(self, ticket: tuple[str, float]) -> None:
        """An attempt is cancelled."""
        self.step(breaker.leave, ticket=ticket[0])
        assert self.state is None or ticket[0] not in self.state["probes"]

    @rule(ticket=consumes(tickets))
    def vanish(self, ticket: tuple[str, float]) -> None:
        """An attempt is never heard of again."""

    @rule(seconds=st.one_of(st.floats(0, SET.window), st.floats(0, breaker.LEASE)))
    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(seconds=st.floats(0, 500))
    def step_back(self, seconds: float) -> None:
        """The clock is set back."""
        self.now = max(1.0, self.now - seconds)

    @invariant()
    def probes_and_slots_are_bounded(self) -> None:
        """At most so many probes at a time, and a window of so many slots."""
        if self.state is not None:
            assert len(self.state["probes"]) <= SET.probes
            assert len(self.state["slots"]) <= breaker.SLOTS
            assert self.is_open or not self.state["probes"]

    @invariant()
    def it_is_never_stuck_open(self) -> None:
        """After the cooldown, or when the probes' leases have lapsed, somebody gets through."""
        wait = SET.cooldown * 1.1 + breaker.LEASE
        later = max(self.now, 0 if self.state is None else min(self.state["at"], self.now)) + wait
        state, passage = breaker.ask(self.state, self.now, ticket="last", probes=SET.probes)
        if not passage.go:
            _, passage = breaker.ask(state, later, ticket="last", probes=SET.probes)
        assert passage.go


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=150, stateful_step_count=50)
