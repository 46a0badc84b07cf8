"""An outcome -> a decision: reads as much of a body as that takes.

Must not know any client, do any I/O, or read a clock by itself: it yields the effect, as the engine does.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from .calls import Call
from .contract.routes import Route
from .contract.words import Certainty, Operation
from .effects import Outcome, Peek, Peeked, R
from .listening import listened
from .policy.bodies import plain, slim
from .policy.hints import normal_headers
from .policy.model import Decision, Fault, FaultKind, HeaderPairs, Observation
from .policy.reading import needs_body, read_response
from .streams.choosing import watcher_of
from .tasks.answers import kept

__all__ = ["Aim", "judge", "judge_fault", "judge_read"]

PEEK_BYTES = 64 * 1024  # of a body are read for classification; the caller still gets all of it
PEEK_SECONDS = 10.0  # after which no further piece is read; of an error, none is waited for longer
PAID_BYTES = 1024 * 1024  # of the answer to a paid create: until it is whole nobody knows whether its task's id is lost
PAID_SECONDS = 60.0


class Aim(NamedTuple):
    """What an attempt went out as: the call's own request, or a query in its place."""

    route: Route
    operation: Operation
    method: str


def judge(
    call: Call, outcome: Outcome[R], number: int, aim: Aim | None = None
) -> Generator[Peek[R], Any, tuple[Decision, Observation | None]]:
    """Turn an outcome into a decision, and note on the call what was seen."""
    own, aim = aim is None, Aim(call.route, call.operation, call.method) if aim is None else aim
    wall, body, cut, operation = call.runtime.wall(), b"", False, aim.operation
    call.seen, call.answer, call.whole, call.peeked, call.stream = None, None, False, b"", None
    if own and outcome.response is not None:
        known = outcome.watcher
        call.stream = watcher_of(aim.route, outcome.status, outcome.headers) if known is None else known
    if call.stream is not None:
        operation = Operation.STREAM  # its body is no document
        failed = None if call.paid else (yield from listened(call, outcome))
        if failed is not None:
            return judge_read(call, failed, number, aim)
    elif outcome.response is not None and needs_body(aim.route, operation, outcome.status, outcome.headers):
        paid = call.paid and outcome.status < 300
        seconds, remaining = PAID_SECONDS if paid else PEEK_SECONDS, call.remaining()
        until = call.runtime.monotonic() + call.patience(seconds)
        peek = Peek(outcome.response, PAID_BYTES if paid else PEEK_BYTES, until, remaining)
        if outcome.status >= 400:
            peek.first, peek.idle, peek.pace = PEEK_SECONDS, PEEK_SECONDS, outcome.pace
        if paid and remaining is not None and remaining < seconds:
            # What the caller does not get is not committed, even if its beginning names a task.
            peek.strict, peek.length = True, _length(outcome.headers)
        peeked: Peeked = yield peek
        body, cut = peeked.body, not peeked.complete and peeked.error is None
        call.whole, call.peeked = peeked.complete, body
        if peeked.error is not None and outcome.status < 400:
            outcome.error = peeked.error
            outcome.fault = Fault(FaultKind.BODY_ERROR, type(peeked.error).__name__, outcome.status)
        elif peeked.error is not None:
            call.notes.append(f"the body of the {outcome.status} broke after {len(body)} bytes")
    elif outcome.status < 300:
        operation = Operation.STREAM  # not looked at: its body says nothing, its status is all there is
    if outcome.fault is not None or outcome.response is None:
        fault = Fault(FaultKind.UNKNOWN) if outcome.fault is None else outcome.fault
        return judge_fault(call, fault, number, aim), None
    seen = read_response(aim.route, operation, outcome.status, outcome.headers, slim(body), now=wall)
    long = cut if not call.paid else call.whole and len(body) > PEEK_BYTES  # a paid one that is cut may yet break
    if long and outcome.status < 300 and seen.certainty is Certainty.UNKNOWN:
        # Not broken, only longer than what we look at: the caller gets all of it.
        seen = read_response(aim.route, Operation.STREAM, outcome.status, outcome.headers, now=wall)
    if call.paid and call.whole and outcome.status < 300:
        call.answer = _kept(call, outcome.status, outcome.headers, body)
    return judge_read(call, seen, number, aim)


def _length(headers: HeaderPairs) -> int | None:
    """Return how long a body will be, where its headers say so and it comes as it is."""
    named = normal_headers(headers)
    said = named.get("content-length", [""])[0]
    return int(said) if said.isascii() and said.isdigit() and "content-encoding" not in named else None


def judge_read(call: Call, seen: Observation, number: int, aim: Aim) -> tuple[Decision, Observation]:
    """Decide about an answer that was read."""
    call.seen = seen = call.without_keys(seen)
    decision = call.policy.on_response(
        aim.route,
        aim.operation,
        seen,
        method=aim.method,
        attempt=number,
        elapsed=call.elapsed(),
        now=call.runtime.wall(),
        u=call.runtime.random(),
    )
    return decision, seen


def judge_fault(call: Call, fault: Fault, number: int, aim: Aim | None = None) -> Decision:
    """Decide about an attempt that gave no (whole) answer."""
    aim = Aim(call.route, call.operation, call.method) if aim is None else aim
    return call.policy.on_fault(
        aim.route,
        aim.operation,
        fault,
        method=aim.method,
        attempt=number,
        elapsed=call.elapsed(),
        now=call.runtime.wall(),
        u=call.runtime.random(),
    )


def _kept(call: Call, status: int, headers: HeaderPairs, body: bytes) -> dict[str, Any] | None:
    """Return an answer as the ledger keeps it: short, plain, and without any key in it; None for any other."""
    named = normal_headers(headers)
    bare = plain(body, named.get("content-encoding", []))
    if bare is None or call.credentials.holds(bare.decode("utf-8", "replace")):
        return None
    return kept(status, named.get("content-type", ["application/json"])[0], bare, call.paper.content)
