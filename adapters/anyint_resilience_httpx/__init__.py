"""anyint-resilience for httpx: a transport, its async twin, and ``wrap`` for clients that exist already.

Must not decide anything: all behaviour is in the core.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar, overload

import httpx

from anyint_resilience import Resilience
from anyint_resilience import exceptions as ours
from anyint_resilience._httpx.shapes import Kit
from anyint_resilience._httpx.transports import AsyncTransport, SyncTransport
from anyint_resilience._httpx.waiting import updates, wait
from anyint_resilience._httpx.wrapping import wrap_client
from anyint_resilience.replay import AsyncReplay, SyncReplay
from anyint_resilience.surface import Errors
from anyint_resilience.tasks.updates import TaskUpdate

__all__ = [
    "AsyncResilientTransport",
    "CircuitOpen",
    "DeadlineExceeded",
    "GateClosed",
    "NotRecorded",
    "OutcomeUnknown",
    "OutcomeUnknownTimeout",
    "ResilientTransport",
    "StreamInterrupted",
    "StreamInterruptedTimeout",
    "task_updates",
    "wait_for_task",
    "wrap",
]


class OutcomeUnknown(ours.OutcomeUnknown, httpx.ReadError):
    """A paid create or upload may have been done; also a ``httpx.ReadError``."""


class OutcomeUnknownTimeout(ours.OutcomeUnknown, httpx.ReadTimeout):
    """The same after a time-out; also a ``httpx.ReadTimeout``."""


class NotRecorded(ours.NotRecorded, httpx.ConnectError):
    """A strict ledger could not record a paid create, which was not sent; also a ``httpx.ConnectError``."""


class GateClosed(ours.GateClosed, httpx.ConnectError):
    """A guard did not let a call out, which was not sent; also a ``httpx.ConnectError``."""


class CircuitOpen(ours.CircuitOpen, GateClosed):
    """A circuit is open, and the call was not sent; also a ``httpx.ConnectError``."""


class StreamInterrupted(ours.StreamInterrupted, httpx.ReadError, httpx.RemoteProtocolError):
    """A streamed answer is not whole; also what httpx raises for a broken body and for one that ends early."""


class StreamInterruptedTimeout(ours.StreamInterrupted, httpx.ReadTimeout):
    """The same where it fell silent; also a ``httpx.ReadTimeout``."""


class DeadlineExceeded(ours.DeadlineExceeded, httpx.ReadTimeout):
    """The user's deadline has passed; also a ``httpx.ReadTimeout``."""


class _SyncReplay(SyncReplay, httpx.SyncByteStream):
    pass


class _AsyncReplay(AsyncReplay, httpx.AsyncByteStream):
    pass


_KIT = Kit(
    module=httpx,
    replay_sync=_SyncReplay,
    replay_async=_AsyncReplay,
)
_ERRORS = Errors(
    unknown=OutcomeUnknown,
    unknown_timeout=OutcomeUnknownTimeout,
    unrecorded=NotRecorded,
    closed=GateClosed,
    circuit=CircuitOpen,
    silent=httpx.ReadTimeout,
    interrupted=StreamInterrupted,
    interrupted_timeout=StreamInterruptedTimeout,
    late=DeadlineExceeded,
    timeouts=(httpx.TimeoutException, TimeoutError),
)


class ResilientTransport(SyncTransport[httpx.Request, httpx.Response], httpx.BaseTransport):
    """A transport that makes calls to AnyInt survive; its arguments are those of ``SyncTransport``."""

    kit = _KIT
    errors = _ERRORS


class AsyncResilientTransport(AsyncTransport[httpx.Request, httpx.Response], httpx.AsyncBaseTransport):
    """The async twin of :class:`ResilientTransport`, on asyncio and trio."""

    kit = _KIT
    errors = _ERRORS


_Client = TypeVar("_Client", bound=httpx.Client | httpx.AsyncClient)


def wrap(client: _Client, anyint: Resilience | None = None) -> _Client:
    """Make an existing client resilient, in place, and return it; its settings stay. Idempotent.

    Raises:
        TypeError: if this is no httpx client.
    """
    wrap_client(client, anyint, _KIT, ResilientTransport, AsyncResilientTransport)
    return client


_OnUpdate = Callable[[TaskUpdate], object]


@overload
def wait_for_task(
    client: httpx.Client, task: object, on_update: _OnUpdate | None = None, deadline: float | None = None
) -> TaskUpdate: ...
@overload
def wait_for_task(
    client: httpx.AsyncClient, task: object, on_update: _OnUpdate | None = None, deadline: float | None = None
) -> Awaitable[TaskUpdate]: ...
def wait_for_task(
    client: Any, task: object, on_update: _OnUpdate | None = None, deadline: float | None = None
) -> TaskUpdate | Awaitable[TaskUpdate]:
    """Wait for a task to its end and return its last update; with an ``AsyncClient`` it is awaited.

    Args:
        client: the one it was made with, or any other that is wrapped: any process, any client library.
        task: a :class:`TaskHandle`, its JSON, or what the create came back with.
        on_update: called with each :class:`TaskUpdate`, the one that failed too; what it raises ends the wait.
        deadline: seconds from now; 30 minutes by default. The last query may take 10 s beyond it.

    Raises:
        TaskFailed, QueryRefused, TaskTimeout: each a ``TaskError``, with the handle. No end of a wait ends the task.
        ValueError: if there is no task, or it is at a gateway that is none of the configuration's, or on plain http.
        TypeError: if the client is not wrapped.
    """
    return wait(client, task, on_update, deadline, _KIT)


@overload
def task_updates(client: httpx.Client, task: object, deadline: float | None = None) -> Iterator[TaskUpdate]: ...
@overload
def task_updates(
    client: httpx.AsyncClient, task: object, deadline: float | None = None
) -> AsyncIterator[TaskUpdate]: ...
def task_updates(
    client: Any, task: object, deadline: float | None = None
) -> Iterator[TaskUpdate] | AsyncIterator[TaskUpdate]:
    """Iterate over the updates of a task until it is done; with an ``AsyncClient`` by ``async for``.

    Arguments and errors are those of :func:`wait_for_task`.
    """
    return updates(client, task, deadline, _KIT)
