"""What the guards are told of a call whose answer is a stream: its permit and its fate end with that.

Must not know any client, nor how a stream is followed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .calls import Call
from .guards import breaker, gate

__all__ = ["counted", "stream_told"]


def counted(call: Call) -> bool:
    """Whether a circuit breaker wants to know how its stream ends."""
    course = call.course
    return call.stream is not None and course.guarded and course.guarding.breaks(course.fallback())


def stream_told(call: Call, outcome: str, *, later: bool) -> None:
    """Give the permit of its stream back and tell the circuit breaker how that ended.

    ``later``: this may be within the garbage collector, where no guard can be told at once.
    """
    course, guarding = call.course, call.course.guarding
    change = guarding.shared.later if later else guarding.shared.tell
    ticket, permit, course.permit = course.ticket, course.permit, None
    if permit is not None:
        change(course.gate_key(call.key_id(), call.operation), partial(gate.leave, ticket=permit))
    if not counted(call) or (outcome == "success" and ticket is None and guarding.shared.calm):
        return
    course.ticket, course.probes = None, False
    name, good = "" if ticket is None else ticket, outcome == "success"
    step: Any = partial(breaker.leave, ticket=name)  # closed before its end: nothing is known
    if good or outcome in ("interrupted", "failed"):
        step = guarding.tell_breaker(name, good=good, began=call.started + call.sent_at, u=0.0)
    change(course.breaker_key(call.key_id()), step)
