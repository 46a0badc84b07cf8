"""What a driver works on: a client's surface, and a request that is ready but for its header.

Must not know any client or any rule, nor in which order things are done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from .calls import Call
from .credentials import HeaderEdit
from .effects import Answer, Outcome, Peek, Peeked, Result, Send
from .policy.model import Fault, HeaderPairs
from .router import Plan
from .telemetry.watch import Watch

__all__ = [
    "FALLBACK_HEADER",
    "MARK_HEADER",
    "NOT_ASKED",
    "OF_LENGTH",
    "OF_PLACE",
    "AsyncSurface",
    "Keyed",
    "Surface",
    "SyncSurface",
]

MARK_HEADER = "x-anyint-resilience"
"""On an answer that is not the create's own: ``replayed``, ``polled`` or ``found``."""
FALLBACK_HEADER = "x-anyint-resilience-fallback"
"""On an answer that another model or host gave: ``from=..., to=..., cause=...``."""
NOT_ASKED = frozenset(
    (
        *("content-type", "content-length", "content-encoding", "transfer-encoding", "expect", "idempotency-key"),
        *("x-dashscope-async", "x-stainless-retry-count"),
    )
)
"""Headers that belong to a create and not to a query that goes out in its place."""
OF_LENGTH = frozenset(("content-length", "transfer-encoding"))
"""Headers that say how long a body is."""
OF_PLACE = OF_LENGTH | {"host"}
"""The same, and the header that says which host is asked."""

Q = TypeVar("Q")
R = TypeVar("R")


class Keyed(Generic[Q]):
    """A request that takes the fast lane once its header is right: its plan, the edit, and what goes on the wire."""

    __slots__ = ("edit", "plan", "request")

    def __init__(self, plan: Plan, edit: HeaderEdit, request: Q) -> None:
        self.plan = plan
        self.edit = edit
        self.request = request


class Surface(Protocol[Q, R]):
    """What an adapter supplies whether it is sync or async. No decision stands in it."""

    monotonic: Callable[[], float]
    times_silence: bool
    """Whether ``rewrite`` bounds the time until an answer begins, and ``paced`` takes that off again."""

    def ticket(self, request: Q, /) -> Plan | Keyed[Q] | Call | None:
        """None: not ours. A plan: take the fast lane; keyed: take it with this request. A call: drive it."""
        ...

    def watch(self, request: Q, plan: Plan, /) -> Watch | None:
        """Begin to watch a call on the fast lane, None if nobody looks."""
        ...

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
        """Make the state of a call; ``sent``: it leaves the fast lane after a first attempt that had this edit."""
        ...

    def stranger(self, request: Q, /) -> Q:
        """Return the request for a foreign host: as it is, less any key of AnyInt's."""
        ...

    def status(self, response: R, /) -> int:
        """Return the HTTP status."""
        ...

    def headers(self, response: R, /) -> HeaderPairs:
        """Return the response's headers."""
        ...

    def fault(self, error: Exception, /) -> Fault:
        """Tell an exception of the client apart."""
        ...

    def rewrite(self, request: Q, effect: Send, /) -> Q:
        """Return the request for one attempt: edited headers or body, a query in its place, time-outs."""
        ...

    def made(self, request: Q, answer: Answer, /) -> R:
        """Return an answer given before as a response of the client's."""
        ...

    def paced(self, request: Q, response: R, effect: Send, seconds: float | None, /) -> None:
        """Bound each further read of an answer that has begun; None: as the caller has it."""
        ...

    def silence(self, seconds: float | None, /) -> Exception:
        """Return the client's own exception for an answer that did not begin in time."""
        ...

    def clean(self, response: R, plan: Plan, /) -> bool:
        """Whether a first answer is good (below 400, no limit spent, no stream); if so, note the plan for a report."""
        ...

    def opening(self, plan: Plan, first: Outcome[R], /) -> Peek[R] | None:
        """Return what is to be read of a first answer that is a stream, before it can be handed over as it is."""
        ...

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
        /,
    ) -> bool:
        """Whether a stream has begun well, and is followed."""
        ...

    def watched(self, response: R, watch: Watch, /) -> None:
        """Say that a first answer was good, and follow it to its end if it is a stream."""
        ...

    def closed(self, call: Call, result: Result[R], response: R | None, /) -> None:
        """Say to who looks on how a call ended, and follow what is delivered to its end if it is a stream."""
        ...

    def deliver(self, response: R, call: Call, result: Result[R], /) -> R:
        """Hand over the last real response: body readable, report attached, outer retries told off."""
        ...

    def ended(self, call: Call, result: Result[R], /) -> None:
        """Take note of how a call ended."""
        ...

    def unrecorded(self, call: Call, error: Exception, /) -> Exception:
        """Return what to raise where a strict ledger could not enter a create."""
        ...

    def failure(self, call: Call, result: Result[R], /) -> Exception:
        """Return what to raise: the original exception, or one of ours that is also the client's."""
        ...


class SyncSurface(Surface[Q, R], Protocol[Q, R]):
    """A surface that blocks."""

    @property
    def send(self) -> Callable[[Q], R]:
        """Put a request on the wire."""
        ...

    def peek(self, response: R, effect: Peek[R], /) -> Peeked:
        """Read the start of the body; the caller will still get all of it."""
        ...

    def discard(self, response: R, /) -> None:
        """Close a response."""
        ...


class AsyncSurface(Surface[Q, R], Protocol[Q, R]):
    """A surface that awaits."""

    @property
    def send(self) -> Callable[[Q], Awaitable[R]]:
        """Put a request on the wire."""
        ...

    def peek(self, response: R, effect: Peek[R], /) -> Awaitable[Peeked]:
        """Read the start of the body; the caller will still get all of it."""
        ...

    def discard(self, response: R, /) -> Awaitable[None]:
        """Close a response."""
        ...

    def cut(self, request: Q, effect: Send, error: Exception, /) -> Exception:
        """Return what an attempt ended with: for a time-out of ours the client's own that says the same, if any."""
        ...
