"""How a surface has its calls watched: from the first attempt to the end, that of a stream included.

Must not import any client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .callreport import CallReport
from .calls import Call
from .config import Resilience
from .contract.words import Certainty, Operation
from .effects import Result
from .exceptions import REFUSED
from .following import Following
from .policy.model import HeaderPairs
from .policy.request import glance
from .router import Plan
from .streams.choosing import watcher_of
from .telemetry.watch import Watch

__all__ = ["Body", "Place", "WatchedSurface", "outcome_of", "tells_off"]

Q = TypeVar("Q")
R = TypeVar("R")


Place = tuple[str, str, "int | None", bytes]
"""Where a request goes: scheme, host, port (None: the scheme's own), path with query."""


@dataclass(slots=True)
class Body:
    """A request's body: ``content`` where it is bytes in memory, ``chunks`` where it can be read more than once."""

    content: bytes | None = field(default=None, repr=False)
    chunks: Callable[[], Iterable[bytes]] | None = None

    @property
    def replayable(self) -> bool:
        """Whether it can be sent again."""
        return self.content is not None or self.chunks is not None


class WatchedSurface(Generic[Q, R]):
    """The part of every surface that tells of its calls to those who look on."""

    def __init__(self, anyint: Resilience) -> None:
        self.anyint = anyint
        self.looked_at = anyint.telemetry.active

    # what an adapter says of its client's requests and responses

    def method_of(self, request: Q, /) -> str:
        """Return the method."""
        raise NotImplementedError

    def place_of(self, request: Q, /) -> Place:
        """Return where it goes."""
        raise NotImplementedError

    def body_of(self, request: Q, /) -> Body:
        """Return its body."""
        raise NotImplementedError

    def status(self, response: R, /) -> int:
        """Return the HTTP status."""
        raise NotImplementedError

    def headers(self, response: R, /) -> HeaderPairs:
        """Return the response's headers."""
        raise NotImplementedError

    def around(self, request: Q, /) -> Iterable[object]:
        """Return the spans that instrumentations of the client have begun around a request, besides the current one."""
        return ()

    def follow(self, response: R, following: Following, /) -> bool:
        """Have a response tell how its body ends; False if it has no body, or none that could."""
        return False

    def following_of(self, call: Call, watch: Watch | None, broken: Exception | None, /) -> Following:
        """Return what follows the stream of a call; ``watch``: who is told of its end; ``broken``: what broke it."""
        raise NotImplementedError

    # what follows from it

    def watch(self, request: Q, plan: Plan, /) -> Watch | None:
        """Begin to watch a call on the fast lane, None if nobody looks."""
        if not self.looked_at():
            return None
        body = self.body_of(request).content
        return self.begin_watch(request, plan, glance(plan.route, body), body)

    def begin_watch(self, request: Q, plan: Plan, operation: Operation, body: bytes | None) -> Watch:
        """Begin to watch a call: its spans, if anybody looks, and in any case its log."""
        hub = self.anyint.telemetry
        watch = Watch(hub, self, request, plan, operation)
        if self.looked_at():
            if hub.dropped:
                hub.flush()
            watch.begin(body)
        return watch

    def watched(self, response: R, watch: Watch, /) -> None:
        """Say that a first answer was good, and follow it to its end if it is a stream."""
        watch.over(self.status(response), None, self.headers(response) if watch.spans is not None else ())
        if watch.follows:
            self._follow(response, Following(watch))
        else:
            watch.ended("success")

    def noting(self, response: R, /) -> Callable[[CallReport], object]:
        """Return what puts another report on a response."""
        raise NotImplementedError

    def _follow(self, response: R, following: Following) -> None:
        try:
            if following.watcher is not None:
                following.noted = self.noting(response)
            followed = self.follow(response, following)
        except Exception as error:
            self.anyint.telemetry.broke("following a stream", error)
            followed = False
        if not followed:
            following.over(None)

    def closed(self, call: Call, result: Result[R], response: R | None, /) -> None:
        """Say to who looks on how a call ended, and follow what is delivered to its end if it is a stream."""
        watch, decision = call.watch, result.decision
        lost = call.paid and call.certainty is Certainty.UNKNOWN
        outcome = outcome_of(result, 0 if response is None else self.status(response), lost=lost)
        watch.settled(
            None if decision is None or result.refused else decision.cause,
            certainty=None if decision is None else decision.certainty.value,
            outer_retries=call.outer_retries,
            repeats=call.repeats,
            intent=call.intent if lost or result.refused else None,
        )
        good = outcome == "success"
        if response is not None and call.stream is not None:
            self._follow(response, self.following_of(call, watch if good else None, result.error))
        elif response is not None and good and watch.follows:
            status, headers = self.status(response), self.headers(response)
            watcher = watcher_of(call.route, status, headers)
            self._follow(response, Following(watch, watcher))
        if good and response is not None and (call.stream is not None or watch.follows):
            if watch.hub.dropped:
                watch.hub.flush()
            return
        if result.instead is not None:
            watch.told(f"create {result.instead}", reason="" if decision is None else decision.reason)
        if outcome == "held_back":
            watch.held_back(REFUSED if result.said is None else result.said, call.intent)
        elif outcome == "late":
            watch.told("deadline exceeded", reason=f"the deadline of {call.deadline} s has passed")
        watch.ended(outcome)
        if watch.hub.dropped:
            watch.hub.flush()


def outcome_of(result: Result[Any], status: int, *, lost: bool) -> str:
    """Return how a call ended: a row of ``telemetry.words.OUTCOMES``.

    ``status`` is the answer's, 0 without one; ``lost``: paid work of unknown outcome.
    """
    if result.refused:
        return "held_back"
    if result.closed is not None:
        return "limited"
    if result.instead is not None and not result.sent:
        return "replayed"
    if lost and result.decision is not None and result.decision.cause is not None:
        return "unknown"
    if result.late:
        return "late"
    if result.error is not None:
        return "error"
    if result.decision is None:  # switched off: nothing was looked at but the status
        return "failed" if status >= 400 else "success"
    if result.decision.cause is None:
        return "success"
    return "task_failed" if result.decision.certainty is Certainty.COMMITTED and status < 400 else "failed"


def tells_off(result: Result[Any]) -> bool:
    """Whether layers above are to be told not to retry (``x-should-retry``, the SDKs' own word)."""
    return result.decision is not None and result.decision.cause is not None
