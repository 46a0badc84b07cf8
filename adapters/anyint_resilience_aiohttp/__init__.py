"""anyint-resilience for aiohttp: a client middleware, and ``wrap`` for sessions that exist already.

Must not decide anything: all behaviour is in the core.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeVar

import aiohttp
from aiohttp import hdrs
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from anyint_resilience import Resilience, report
from anyint_resilience import exceptions as ours
from anyint_resilience.config import OVERRIDES
from anyint_resilience.drive import answered, drive_async, failed, resume_async
from anyint_resilience.router import Plan
from anyint_resilience.runtime import later
from anyint_resilience.surface import Errors
from anyint_resilience.tasks.updates import TaskUpdate
from anyint_resilience.tasks.waiting import Looked
from anyint_resilience.waits import Gathered, awaited, unwrapped, updates_async

from ._faults import AsyncTimeout
from ._surface import GOOGLE, IDEMPOTENT, KEY, RETRIES, Hop, Surface, spent

__all__ = [
    "CircuitOpen",
    "DeadlineExceeded",
    "GateClosed",
    "NotRecorded",
    "OutcomeUnknown",
    "OutcomeUnknownTimeout",
    "ResilientMiddleware",
    "StreamInterrupted",
    "StreamInterruptedTimeout",
    "task_updates",
    "wait_for_task",
    "wrap",
]


class OutcomeUnknown(ours.OutcomeUnknown, aiohttp.ClientConnectionError):
    """A paid create or upload may have been done; also an ``aiohttp.ClientConnectionError``."""


class OutcomeUnknownTimeout(ours.OutcomeUnknown, aiohttp.ServerTimeoutError):
    """The same after a time-out; also an ``aiohttp.ServerTimeoutError`` and an ``asyncio.TimeoutError``."""


class NotRecorded(ours.NotRecorded, aiohttp.ClientConnectionError):
    """A strict ledger could not record a paid create, which was not sent; also an ``aiohttp.ClientConnectionError``."""


class GateClosed(ours.GateClosed, aiohttp.ClientConnectionError):
    """A guard did not let a call out, which was not sent; also an ``aiohttp.ClientConnectionError``."""


class CircuitOpen(ours.CircuitOpen, GateClosed):
    """A circuit is open, and the call was not sent; also an ``aiohttp.ClientConnectionError``."""


class StreamInterrupted(ours.StreamInterrupted, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
    """A streamed answer is not whole; also what aiohttp raises for a broken body and for one that ends early."""


class StreamInterruptedTimeout(ours.StreamInterrupted, aiohttp.SocketTimeoutError):
    """The same where it fell silent; also an ``aiohttp.SocketTimeoutError`` and an ``asyncio.TimeoutError``."""


class DeadlineExceeded(ours.DeadlineExceeded, aiohttp.ServerTimeoutError):
    """The user's deadline has passed; also an ``aiohttp.ServerTimeoutError`` and an ``asyncio.TimeoutError``."""


_ERRORS = Errors(
    unknown=OutcomeUnknown,
    unknown_timeout=OutcomeUnknownTimeout,
    unrecorded=NotRecorded,
    closed=GateClosed,
    circuit=CircuitOpen,
    silent=aiohttp.ServerTimeoutError,
    interrupted=StreamInterrupted,
    interrupted_timeout=StreamInterruptedTimeout,
    late=DeadlineExceeded,
    timeouts=(AsyncTimeout, TimeoutError),
)
_NEVER_AGAIN = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Lost connections that aiohttp does not send a request again for."""

_FAILURES = (aiohttp.ClientError, AsyncTimeout, OSError)
_REMEMBERED = 1.0  # seconds: aiohttp comes again at once
_MOST = 1000


class ResilientMiddleware:
    """A middleware that makes calls to AnyInt survive: ``ClientSession(middlewares=[..., ResilientMiddleware()])``.

    Put it last: those before it then see a call, not its attempts. One given with a single request
    (``session.get(..., middlewares=...)``) replaces the session's, as aiohttp has it; give ours there too.

    Args:
        anyint: the configuration; None reads ``ANYINT_API_KEY`` and ``ANYINT_BASE_URL``.
    """

    def __init__(self, anyint: Resilience | None = None) -> None:
        self.surface = Surface(anyint, _ERRORS)
        # The calls we gave up, by the timer aiohttp has for each: that, the request, and what it ended with.
        self._gave_up: dict[int, tuple[object, object, Exception]] = {}

    @property
    def anyint(self) -> Resilience:
        """The configuration; ``anyint.ledger`` is where an intent can be forgotten."""
        return self.surface.anyint

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    async def __call__(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Send a request; see ``aiohttp.ClientMiddlewareType``.

        One that is in order goes out from here: each call more would be a good part of what that costs.
        """
        surface = self.surface
        headers: Any = getattr(request, "headers", None)
        try:
            request.anyint_seen = True  # type: ignore[attr-defined]
            key = (request.method, request.url, headers.get(hdrs.HOST), *headers.getall(hdrs.AUTHORIZATION, ()))
            plan = surface.lane.get(key)
        except (AttributeError, TypeError):
            return await handler(request)  # made by a request_class that makes no requests, as tests do
        if plan is None or self._is_special(request, plan):
            if request.method in IDEMPOTENT:
                return await self._idempotent(request, handler)
            return await drive_async(surface, Hop(request, handler))
        started, tally = surface.monotonic(), plan.tally
        tally.out += 1
        try:
            response = await handler(request)
        except Exception as error:
            first = failed(surface, error)
        else:
            if response.status < 400 and not spent(response):
                tally.good += 1
                tally.last, tally.flew = started, tally.out
                response.anyint_report = plan  # type: ignore[attr-defined]
                return response
            first = answered(surface, response)
            del response
        finally:
            tally.out -= 1
        try:
            return await resume_async(surface, Hop(request, handler), plan, started, first)
        finally:
            del first  # it may hold the error, whose traceback holds this frame

    def _is_special(self, request: aiohttp.ClientRequest, plan: Plan) -> bool:
        """Whether a request like one that was in order has something about it that takes a closer look."""
        headers = request.headers
        return (
            (plan.local and request.proxy is not None)
            or request.server_hostname is not None
            or request.ssl is not True
            or not self.surface.shared.calm
            or KEY in headers
            or GOOGLE in headers
            or RETRIES in headers
            or OVERRIDES.get() is not None
            or self.surface.looked_at()
        )

    async def _idempotent(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Send what aiohttp would send once more by itself after we gave it up; give it up once for all."""
        if hdrs.UPGRADE in request.headers:
            return await self.surface.send(self.surface.passing(Hop(request, handler)))
        timer = getattr(request, "_timer", None)  # one for all that aiohttp does for one call
        gave_up = self._gave_up.pop(id(timer), None)
        if gave_up is not None and gave_up[0] is timer and gave_up[1] is not request:
            raise gave_up[2]  # aiohttp makes a request of its own out of it; a middleware above sends the same one
        try:
            return await drive_async(self.surface, Hop(request, handler))
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            told = report(error)
            if told is not None and told.decision is not None and not isinstance(error, _NEVER_AGAIN):
                if len(self._gave_up) >= _MOST:
                    self._gave_up.clear()
                self._gave_up[id(timer)] = (timer, request, error)
                later(_REMEMBERED, partial(self._gave_up.pop, id(timer), None))
            raise


_Session = TypeVar("_Session", bound=aiohttp.ClientSession)


def wrap(session: _Session, anyint: Resilience | None = None) -> _Session:
    """Make an existing session resilient, in place, and return it; connector, middlewares and time-outs stay.

    Ours becomes the last, innermost middleware. Idempotent. A request to AnyInt that brings ``middlewares=`` of its own
    and so goes past ours is still sent, with a ``UserWarning``. aiohttp has no public way to a session's middlewares,
    hence the private attributes.

    Raises:
        TypeError: if this is no aiohttp session, or aiohttp is older than 3.12.
    """
    if not isinstance(session, aiohttp.ClientSession):
        raise TypeError(f"wrap takes an aiohttp.ClientSession, not {type(session).__name__}")
    held: Any = session
    if not isinstance(getattr(held, "_middlewares", None), (tuple, list)):
        raise TypeError("this session keeps no middlewares where we know them: aiohttp 3.12 or later is needed")
    ours_now = ResilientMiddleware(anyint)
    others = [it for it in held._middlewares if not isinstance(it, ResilientMiddleware)]
    held._middlewares = (*others, ours_now)
    bare = getattr(held._request_class, "anyint_bare", held._request_class)
    if isinstance(bare, type):  # it need not be
        held._request_class = _watched(bare, ours_now.surface)
    return session


def _watched(bare: Any, surface: Surface) -> Any:
    """Return a request class that tells when a request to AnyInt has gone past our middleware."""

    class WatchedRequest(bare):  # type: ignore[misc]
        anyint_bare = bare
        anyint_seen = False

        async def send(self, conn: Any) -> Any:
            if (
                not self.anyint_seen
                and hdrs.UPGRADE not in self.headers
                and surface.plan_of(Hop(self, super().send)) is not None
            ):
                warnings.warn(
                    f"{self.method} {self.url.path}: the middlewares= of this request replaced the session's, "
                    "anyint-resilience among them: it is sent without retries and without the session's key. "
                    "Add a ResilientMiddleware(anyint) to them, as the last",
                    UserWarning,
                    stacklevel=2,
                )
            return await super().send(conn)

    WatchedRequest.__name__, WatchedRequest.__qualname__ = bare.__name__, bare.__qualname__
    return WatchedRequest


async def wait_for_task(
    session: aiohttp.ClientSession,
    task: object,
    on_update: Callable[[TaskUpdate], object] | None = None,
    deadline: float | None = None,
) -> TaskUpdate:
    """Wait for a task to its end and return its last update; see :func:`task_updates` for each.

    Args:
        session: the one it was made with, or any other that is wrapped: any process, any client library.
        task: a :class:`TaskHandle`, its JSON, or what the create came back with.
        on_update: called with each :class:`TaskUpdate`, the one that failed too; what it raises ends the wait.
        deadline: seconds from now; 30 minutes by default. The last query may take 10 s beyond it.

    Raises:
        TaskFailed, QueryRefused, TaskTimeout: each a ``TaskError``, with the handle. No end of a wait ends the task.
        ValueError: if there is no task, or it is at a gateway that is none of the configuration's, or on plain http.
        TypeError: if the client is not wrapped.
    """
    return await awaited(
        updates_async(_anyint_of(session), task, deadline, partial(_look, session), _FAILURES), on_update
    )


def task_updates(
    session: aiohttp.ClientSession, task: object, deadline: float | None = None
) -> AsyncIterator[TaskUpdate]:
    """Iterate over the updates of a task until it is done. Arguments and errors are those of :func:`wait_for_task`."""
    return updates_async(_anyint_of(session), task, deadline, partial(_look, session), _FAILURES)


def _anyint_of(session: object) -> Resilience:
    held: Any = session
    for middleware in getattr(held, "_middlewares", None) or () if isinstance(session, aiohttp.ClientSession) else ():
        if isinstance(middleware, ResilientMiddleware):
            return middleware.anyint
    raise unwrapped(session, "an aiohttp session")


async def _look(session: aiohttp.ClientSession, url: str) -> Looked:
    body = Gathered()
    async with session.get(URL(url, encoded=True), allow_redirects=False) as response:
        async for piece in response.content.iter_any():
            if body.full(piece):
                break
    return body.looked(response.status, list(response.raw_headers))
