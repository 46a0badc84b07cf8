"""A stream that begins well on the fast lane: handed over at once, its call made only when there is something to say.

Must not import any client, nor decide anything: what is not plainly good goes the way of every other call.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .calls import Call
from .contract.words import Certainty, Operation
from .credentials import HeaderEdit
from .effects import Outcome, Peek, Peeked
from .exceptions import StreamInterrupted
from .following import Following
from .judging import Aim, judge_read
from .listening import OPENING_BYTES
from .policy.hints import SPENT, normal_headers
from .policy.model import Attempt
from .policy.reading import read_response
from .raising import RaisingSurface
from .router import Plan
from .streams.choosing import watcher_from
from .streams.marks import Verdict
from .streams.watcher import Watcher
from .telemetry.watch import Watch

__all__ = ["OpeningSurface"]

Q = TypeVar("Q")
R = TypeVar("R")

_NOTHING = ("success", "abandoned")


class OpeningSurface(RaisingSurface[Q, R]):
    """The part of every surface that hands such streams over."""

    counts = False
    """Whether circuit breakers want to know how streams end: then each has a call from its beginning."""

    def open_call(
        self,
        request: Q,
        plan: Plan,
        started: float,
        /,
        *,
        sent: bool = False,
        edit: HeaderEdit | None = None,
        watch: Watch | None = None,
    ) -> Call:
        """Make the state of one call."""
        raise NotImplementedError

    def mark(self, response: R, plan: Plan, /) -> None:
        """Put just enough on a good first answer to make a report of."""
        raise NotImplementedError

    def opening(self, plan: Plan, first: Outcome[R]) -> Peek[R] | None:
        """Return what is to be read of a first answer that is a stream; None for any other, and where guards look."""
        if first.response is None or first.status >= 300 or self.counts:
            return None
        named = normal_headers(first.headers)
        watcher = None if SPENT & named.keys() else watcher_from(plan.route, first.status, named)
        if watcher is None:
            return None
        runtime, hold = self.anyint.runtime, self.anyint.policy.stream_hold
        return Peek(first.response, OPENING_BYTES, runtime.monotonic() + hold, watcher=watcher)

    def opened(
        self,
        request: Q,
        plan: Plan,
        started: float,
        edit: HeaderEdit | None,
        first: Outcome[R],
        peek: Peek[R],
        peeked: Peeked,
        watch: Watch | None,
    ) -> bool:
        """Whether a stream has begun well; if so it is followed, and its response is ready to be handed over."""
        watcher = peek.watcher
        assert watcher is not None
        verdict, ended = watcher.verdict, peeked.complete or peeked.error is not None
        if not watcher.begun and (verdict is Verdict.FAILED or (verdict is Verdict.CUT and ended)):
            first.watcher, first.peeked = watcher, peeked
            return False
        plan.tally.good += 1
        plan.tally.last = started
        plan.tally.flew = plan.tally.out + 1  # this one is back already
        self.mark(peek.response, plan)
        late = _LateCall(self, request, plan, started, edit, first.status, watcher, watch)
        if watch is not None:
            watch.over(first.status, None, first.headers if watch.spans is not None else ())
        self._follow(peek.response, Following(late, watcher, make=late.made, timeouts=self.errors.timeouts))
        return True


class _LateCall:
    """Stands for the call of such a stream; made for the first thing that is to be told or raised."""

    __slots__ = ("_call", "_edit", "_plan", "_request", "_started", "_status", "_surface", "_watch", "_watcher")

    def __init__(
        self,
        surface: OpeningSurface[Any, Any],
        request: Any,
        plan: Plan,
        started: float,
        edit: HeaderEdit | None,
        status: int,
        watcher: Watcher,
        watch: Watch | None,
    ) -> None:
        self._surface = surface
        self._request = request
        self._plan = plan
        self._started = started
        self._edit = edit
        self._status = status
        self._watcher = watcher
        self._watch = watch
        self._call: Call | None = None

    def call(self) -> Call:
        """Return the call, with its one attempt."""
        if self._call is None:
            call = self._surface.open_call(
                self._request, self._plan, self._started, sent=True, edit=self._edit, watch=self._watch
            )
            seen = read_response(self._plan.route, Operation.STREAM, self._status)
            decision, _ = judge_read(call, seen, 1, Aim(call.route, call.operation, call.method))
            call.stream = self._watcher
            call.attempts.append(
                Attempt(number=1, started=0.0, duration=0.0, status=self._status, fault=None, decision=decision)
            )
            self._call = call
        return self._call

    def made(self, why: str, watcher: Watcher, error: Exception | None) -> StreamInterrupted:
        """Make the exception for a stream that is not whole."""
        return self._surface.making(self.call(), why, watcher, error, request=self._request)

    # as a call's watch

    def stream_over(self, outcome: str, error: str | None, at: Any = None, *, why: str = "", soft: str = "") -> None:
        """Say how it ended; of a good end there is nothing to say, where nobody looked on when it began."""
        if self._watch is None and outcome in _NOTHING and not soft:
            return
        watch = self.call().watch if self._watch is None else self._watch
        if outcome not in _NOTHING:  # its headers said yes
            watch.settled(None, certainty=Certainty.COMMITTED.value)
        watch.stream_over(outcome, error, at, why=why, soft=soft)

    def dropped(self, outcome: str, error: str | None = None) -> None:
        """Say so with the next call."""
        if self._watch is not None:
            self._watch.dropped(outcome, error)
        elif outcome not in _NOTHING:
            self._surface.anyint.telemetry.dropped.append(lambda: self.stream_over(outcome, error))
