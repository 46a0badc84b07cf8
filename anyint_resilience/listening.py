"""The opening of a stream: what it sends before its first content, where a failure is repeated like any other.

Part of the engine: must not know any client, do any I/O, or read a clock by itself.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from .calls import Call
from .contract.routes import Route
from .contract.words import Cause, Certainty, Operation
from .effects import Outcome, Peek, R
from .policy.model import Fault, FaultKind, Observation
from .policy.reading import read_response
from .streams.marks import Marks, Verdict

__all__ = ["OPENING_BYTES", "listened", "read_failed"]

OPENING_BYTES = 64 * 1024
_SLOW = (FaultKind.READ_TIMEOUT, FaultKind.WRITE_TIMEOUT)


def listened(call: Call, outcome: Outcome[R]) -> Generator[Peek[R], Any, Observation | None]:
    """Hear a stream's opening; return what is wrong with it, None where it has begun well.

    One that breaks, ends or is silent too long in it leaves a fault on the outcome.
    """
    watcher, policy = call.stream, call.policy
    assert watcher is not None
    assert outcome.response is not None
    now, first = call.runtime.monotonic(), None
    if policy.first_byte is not None:
        first = max(0.001, policy.first_byte - (call.elapsed() - call.sent_at))
    peeked = outcome.peeked
    if peeked is None:
        peeked = yield Peek(
            outcome.response,
            OPENING_BYTES,
            now + call.patience(policy.stream_hold),
            call.remaining(),
            watcher=watcher,
            first=first,
            idle=policy.idle,
            content_idle=policy.content_idle_timeout,
            pace=outcome.pace,
        )
    assert peeked is not None
    verdict, content = watcher.verdict, watcher.marks.content
    call.whole, call.peeked = peeked.complete or verdict is Verdict.FAILED, peeked.body  # what follows says no more
    if verdict is Verdict.FAILED and not content:
        return read_failed(call.route, watcher.marks, outcome.status, outcome.headers, call.runtime.wall())
    if content or verdict is not Verdict.CUT or not (peeked.complete or peeked.error is not None):
        return None  # a break in what came together with content is for whoever reads it
    name = "EOF" if peeked.error is None else type(peeked.error).__name__
    slow = peeked.fault is not None and peeked.fault.kind in _SLOW
    kind = FaultKind.READ_TIMEOUT if slow else FaultKind.BODY_ERROR
    outcome.error, outcome.fault = peeked.error, Fault(kind, name, outcome.status)
    return None


def read_failed(route: Route, marks: Marks, status: int, headers: Any, now: float) -> Observation:
    """Return what a stream says that failed, as if it were an answer: it is one, after HTTP 200."""
    try:
        body = json.dumps(marks.error, default=str).encode()
    except RecursionError:  # nested so deeply that it could just be parsed
        body = b""
    said = [(name, value) for name, value in _pairs(headers) if str(name).lower() not in ("content-encoding",)]
    real = marks.status if marks.status is not None and marks.status >= 400 else status
    seen = read_response(route, Operation.GENERATE, real, said, body, now=now)
    if seen.cause is None:  # it says so, in words that no table has
        seen = replace(seen, cause=Cause.SERVER, certainty=Certainty.UNKNOWN)
    return seen


def _pairs(headers: Any) -> list[tuple[str, Any]]:
    items = headers.items() if hasattr(headers, "items") else headers
    return [(name.decode("latin-1") if isinstance(name, bytes) else name, value) for name, value in items]
