"""Whoever may go is never forgotten, and never more fly than may: on the machine of the gate's own test.

Must not know how the gate works.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant

from anyint_resilience.guards import gate
from anyint_resilience.policy.backoff import HINT_SPREAD_MAX
from tests.unit.test_gate_machine import GateMachine

LONG = settings(max_examples=50, stateful_step_count=30)


class Heads(GateMachine):
    @invariant()
    def the_head_is_never_lost(self) -> None:
        """Where it could go it has been rung, or looks again soon by itself."""
        line = self.fresh()["line"]
        if not line:
            return
        since, name, bound = line[0]
        _, passage = gate.ask(self.state, self.now, ticket=name, since=since, bound=bound, most=self.most, u=0.0)
        caller = self.known[name]
        if passage.kind != "wait":
            assert caller.rung or caller.at <= self.now + HINT_SPREAD_MAX + 1e-6


class Bounded(GateMachine):
    @initialize(most=st.sampled_from((None, 1, 2, 5)))
    def begins(self, most: Any) -> None:
        self.most = most

    @invariant()
    def never_more_than_most(self) -> None:
        if self.most is not None:
            assert sum(it.out for it in self.known.values()) <= self.most


TestHeads = Heads.TestCase
TestHeads.settings = LONG
TestBounded = Bounded.TestCase
TestBounded.settings = LONG
