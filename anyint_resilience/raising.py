"""What a surface raises and adds to answers: exceptions of the client's kind and ours, words for layers above.

Must not import any client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from .callreport import CallReport
from .calls import Call
from .contract.words import Certainty
from .driven import FALLBACK_HEADER, MARK_HEADER
from .effects import Refusal, Result, Send, is_own
from .exceptions import (
    HELD_BACK,
    REFUSED,
    CircuitOpen,
    DeadlineExceeded,
    GateClosed,
    NotRecorded,
    OutcomeUnknown,
    ResilienceError,
    StreamInterrupted,
)
from .following import Following
from .interrupting import interrupted
from .repeating import INTERRUPTED
from .reports import attach
from .stores.protocol import StoreError
from .streamed import stream_told
from .streams.watcher import Watcher
from .telemetry.watch import Watch
from .watched import WatchedSurface, tells_off

__all__ = ["Errors", "RaisingSurface"]

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Errors:
    """A client's exceptions: ours that are also its own, and those it raises when time runs out."""

    unknown: type[OutcomeUnknown]
    unknown_timeout: type[OutcomeUnknown]
    unrecorded: type[NotRecorded]
    closed: type[GateClosed]
    circuit: type[CircuitOpen]
    silent: Callable[[str], Exception]
    interrupted: type[StreamInterrupted]
    interrupted_timeout: type[StreamInterrupted]
    late: type[DeadlineExceeded]
    timeouts: tuple[type[BaseException], ...]


class RaisingSurface(WatchedSurface[Q, R]):
    """The part of every surface that makes exceptions; ``errors`` are its client's."""

    errors: Errors

    def failure(self, call: Call, result: Result[R]) -> Exception:
        """Return what to raise: the original exception unless ours says more, and then it is the cause."""
        error = result.error
        if result.closed is not None:
            return self.not_let_out(call, result, result.closed)
        if result.unknown:
            timed_out = isinstance(error, self.errors.timeouts)
            kind = self.errors.unknown_timeout if timed_out else self.errors.unknown
            said = result.said
            if said is None:
                said = REFUSED if result.decision is None else result.decision.guidance
            unknown = kind(f"{call.route.name}: {said}" + ("" if call.intent is None else f" (intent {call.intent})"))
            unknown.intent, unknown.why = call.intent, HELD_BACK.get(said, "unknown")
            unknown.__cause__ = error
            attach(unknown, result.report)
            return unknown
        if result.late or error is None:
            return self.late(call, error, result.report)
        attach(error, result.report)
        return error

    def not_let_out(self, call: Call, result: Result[R], refusal: Refusal) -> Exception:
        """Return what is raised where a guard did not let a call out and there is no answer to hand over."""
        kind = self.errors.circuit if refusal.why == "circuit" else self.errors.closed
        made = kind(f"{call.route.name}: {refusal.reason}")
        made.why, made.retry_at = refusal.why, refusal.retry_at
        attach(made, result.report)
        return made

    def paced(self, request: Q, response: R, effect: Send, seconds: float | None, /) -> None:
        """Bound each further read of a body, for a client that can be told so."""

    def silence(self, seconds: float | None) -> Exception:
        """Return the client's own exception for an answer that did not begin, or go on, in time."""
        said = "in time" if seconds is None else f"within {seconds:.3g} s"
        return self.errors.silent(f"nothing came {said}: Policy.first_byte_timeout, or a time-out of the client's own")

    def cut(self, request: Q, effect: Send, error: Exception) -> Exception:
        """Return what an attempt ended with, the end of ``silent`` as an exception of the client's."""
        return self.silence(effect.silent) if effect.cut_short(error) else error

    def making(
        self, call: Call, why: str, watcher: Watcher, error: Exception | None, *, request: object = None
    ) -> StreamInterrupted:
        """Make the exception for a stream that is not whole; its report is found from the ``request`` too."""
        request = call.watch.request if request is None else request
        if why == "idle" and is_own(error):
            error = self.silence(call.policy.idle)  # in the client's words
        made = interrupted(call, why, watcher, error, self.errors)
        if request is not None and made.anyint_report is not None:
            attach(request, made.anyint_report)  # all that openai's exception for an error event leads to
            with suppress(AttributeError):
                setattr(request, INTERRUPTED, made)
        return made

    def following_of(self, call: Call, watch: Watch | None, broken: Exception | None) -> Following:
        """Return what follows the stream of a call; ``watch``: who is told of its end; ``broken``: what broke it."""
        policy = call.policy
        return Following(
            watch,
            call.stream,
            then=partial(stream_told, call),
            make=partial(self.making, call, request=call.watch.request),
            clock=call.runtime.monotonic,
            idle=None if call.paid else policy.stream_idle_timeout,
            content_idle=None if call.paid else policy.content_idle_timeout,
            timeouts=self.errors.timeouts,
            broken=broken,
        )

    def unrecorded(self, call: Call, error: Exception) -> Exception:
        """Return what is raised where a strict ledger could not enter a create."""
        known = getattr(error, "why", "") if isinstance(error, StoreError) else ""
        why = f": {known}" if known else ""
        made = self.errors.unrecorded(
            f"{call.route.name}: not sent: the ledger could not record it ({type(error).__name__}{why})"
        )
        made.__cause__ = error
        attach(made, call.report())
        return made

    def told_on(self, call: Call, result: Result[R]) -> list[tuple[str, str]]:
        """Return the headers to add to an answer: for layers above, and where it is not the request's own."""
        told = [("x-should-retry", "false")] if tells_off(result) else []
        if call.course.fallen is not None:
            told.append((FALLBACK_HEADER, str(call.course.fallen)))
        return told if result.instead is None else [*told, (MARK_HEADER, result.instead)]

    def late(self, call: Call, cause: Exception | None, report: CallReport | None = None) -> ResilienceError:
        """Return what is raised when the user's deadline has passed."""
        late = self.errors.late(f"the deadline of {call.deadline} s has passed")
        late.__cause__ = cause
        attach(late, call.report() if report is None else report)
        return late

    def in_time(self, call: Call, result: Result[R]) -> bool:
        """Whether the rest of an answer must come before the user's deadline.

        Not that of a create which was made: without it nobody would know of its task, and the same is asked for anew.
        """
        made = call.paid and result.decision is not None and result.decision.certainty is Certainty.COMMITTED
        return call.deadline is not None and not made

    def checker(self, call: Call) -> Callable[[], None]:
        """Return what to call between the pieces of a body: it raises when the user's deadline has passed."""

        def check() -> None:
            remaining = call.remaining()
            if remaining is not None and remaining <= 0:
                raise self.late(call, None)

        return check
