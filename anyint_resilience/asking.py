"""A query in the place of a call's own request: what a create became, which models there are. Part of the engine.

Must not know any client, nor why it is asked. It goes out once, and what is known of the call itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, NamedTuple

from .calls import Call
from .contract.matching import route_table
from .contract.words import Certainty, Operation
from .effects import Ask, Discard, Outcome, Send
from .judging import Aim, judge
from .policy.model import Action, Decision, Observation
from .router import Plan

__all__ = ["Asked", "ask"]

_SECONDS = 10.0  # that a query in the place of another request may take


class Asked(NamedTuple):
    """What a query that went out in the place of a call's own request came back with."""

    outcome: Outcome[Any]
    decision: Decision
    seen: Observation | None

    @property
    def answered(self) -> bool:
        """Whether it told of the task, whatever it told."""
        return self.seen is not None and self.seen.certainty is Certainty.COMMITTED and self.seen.task_id is not None


def ask(
    call: Call, path: bytes, *, operation: Operation = Operation.QUERY, decides: bool = True
) -> Generator[Any, Any, Asked]:
    """Send a GET to the gateway of a call, once; what became of its own request stays as it was known.

    ``decides``: what is decided about it is the call's affair.
    """
    number = len(call.attempts) + 1
    route = route_table(seedance=True).match("GET", path.partition(b"?")[0].decode("latin-1"))
    fate, own = call.certainty, (call.seen, call.answer, call.whole, call.peeked)
    began = call.begin()
    call.certainty = fate
    edit = call.edit
    target = Ask(call.mount() + path, Plan(route, secure=call.plan.secure))
    outcome: Outcome[Any] = yield Send(number, edit, call.patience(_SECONDS), ask=target)
    decision, seen = yield from judge(call, outcome, 1, Aim(route, operation, "GET"))
    if decision.action is Action.BACKOFF:
        decision = replace(decision, action=Action.NO_RETRY, delay=None)
    took = call.over(outcome, decision, began)
    told = decision if decides else None
    call.record(number, began, took, outcome, edit, decision=told, seen=seen if decides else None, asked=route.name)
    call.certainty, (call.seen, call.answer, call.whole, call.peeked) = fate, own
    if outcome.response is not None and outcome.error is not None:
        yield Discard(outcome.response)
    return Asked(outcome, decision, seen)
