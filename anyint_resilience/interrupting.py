"""What is raised where a stream is not whole: of the client's kind and ours, with all that is known of it.

Must not know any client, nor how the stream was watched.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from .attempts import final
from .calls import Call
from .contract.words import Cause, Certainty
from .exceptions import StreamInterrupted
from .guards.budget import SPENT
from .judging import judge_fault
from .listening import read_failed
from .policy.model import Decision, Fault, FaultKind, Observation
from .policy.reading import read_fault
from .policy.verdicts import is_unsafe, refusal
from .reports import attach
from .stores.flows import Flow, waited
from .streams.watcher import Watcher

__all__ = ["interrupted"]

_BEGUN = "a stream that has begun is never sent again by itself"
_WORDS = {
    "cut": "ended without its last event",
    "broken": "broke off",
    "idle": "fell silent",
    "failed": "says that it failed",
}
_KINDS = {"cut": FaultKind.BODY_ERROR, "broken": FaultKind.BODY_ERROR, "idle": FaultKind.READ_TIMEOUT}


class _Kinds(Protocol):
    """A client's exceptions for a stream: for any reason, and for silence."""

    @property
    def interrupted(self) -> type[StreamInterrupted]: ...
    @property
    def interrupted_timeout(self) -> type[StreamInterrupted]: ...


def interrupted(call: Call, why: str, watcher: Watcher, error: Exception | None, kinds: _Kinds) -> StreamInterrupted:
    """Make the exception for a stream that ended so, with the client's own where there was one."""
    decision, safe = _decided(call, why, watcher, error)
    marks = watcher.marks
    kind = kinds.interrupted_timeout if why == "idle" else kinds.interrupted
    so_far = f"after {marks.content} event(s) with content, {watcher.size} bytes"
    made = kind(f"{call.route.name}: the stream {_WORDS[why]} {so_far}")
    made.why, made.safe_to_repeat, made.retried = why, safe, _failed_before(call, watcher) is not None
    made.events, made.bytes, made.text = marks.content, watcher.size, marks.text
    made.last_event_id, made.usage, made.finish_reason = marks.last_id, marks.usage, marks.finish
    made.spending = partial(_spending, call)
    made.spend = lambda: bool(waited(_spending(call)))
    made.__cause__ = error
    told = call.report(decision)
    attach(made, replace(told, notes=(*told.notes, f"the stream {_WORDS[why]} {so_far}")))
    return made


def _spending(call: Call) -> Flow:
    """Take a token of the retry budget, as a retry within the call would."""
    guarding, course = call.course.guarding, call.course
    if not course.guarded or not guarding.settings.budget:
        return True
    step = guarding.spend(call.plan.tally.take(), cost=1.0)
    may = yield from guarding.shared.changing(course.budget_key(call.key_id()), step, call.store_said)
    if not may:
        call.watch.refused("budget", SPENT, None)
    return bool(may)


def _decided(call: Call, why: str, watcher: Watcher, error: Exception | None) -> tuple[Decision, bool]:
    """Return what is decided about it, and whether the application may ask anew."""
    marks, policy = watcher.marks, call.policy
    last = _failed_before(call, watcher)
    if last is not None and last.cause is not None:
        seen = Observation(cause=last.cause, certainty=last.certainty, source=last.source)
        unsafe = is_unsafe(call.operation, call.method, repeat_generation=policy.repeat_generation)
        return last, refusal(seen, last.cause, unsafe=unsafe) is None
    status = call.attempts[-1].status if call.attempts else 200
    if why == "failed":
        seen = call.without_keys(read_failed(call.route, marks, status or 200, (), call.runtime.wall()))
        decision = _of_answer(call, seen)
    else:
        fault = Fault(_KINDS[why], "EOF" if error is None else type(error).__name__, status)
        seen, decision = read_fault(call.route, fault), judge_fault(call, fault, 1)
    if marks.content or call.paid:  # part of the work was done, or the task was made, whatever is said of the rest
        seen = replace(seen, certainty=Certainty.UNKNOWN)
    unsafe = is_unsafe(call.operation, call.method, repeat_generation=policy.repeat_generation)
    cause = Cause.UNKNOWN if seen.cause is None else seen.cause
    safe = refusal(seen, cause, unsafe=unsafe) is None
    advice = "Nothing was sent again, and what arrived is not the whole answer. "
    if safe:
        advice += "Ask anew from the application (resume_stream does) and drop what you have: two answers never fit."
    else:
        advice += decision.guidance
    retry_at = decision.retry_at if decision.retry_at is not None and seen.hint is not None else None
    ended = replace(final(decision, _BEGUN), certainty=seen.certainty, guidance=advice, retry_at=retry_at)
    return ended, safe


def _failed_before(call: Call, watcher: Watcher) -> Decision | None:
    """Return what was decided where its opening failed on the last attempt there was."""
    last = call.attempts[-1].decision if call.attempts else None
    return None if watcher.marks.content or last is None or last.cause is None else last


def _of_answer(call: Call, seen: Observation) -> Decision:
    more: dict[str, Any] = {"method": call.method, "attempt": 1, "elapsed": 0.0}
    now = call.runtime.wall()
    return call.policy.on_response(call.route, call.operation, seen, now=now, u=1.0, **more)
