"""anyint-resilience for httpx2: a transport, its async twin, and ``wrap`` for clients that exist already.

Must not decide anything: all behaviour is in the core.
"""

from __future__ import annotations

from typing import TypeVar

import httpx2

from anyint_resilience import Resilience
from anyint_resilience import exceptions as ours
from anyint_resilience._httpx.shapes import Kit
from anyint_resilience._httpx.transports import AsyncTransport, SyncTransport
from anyint_resilience._httpx.wrapping import wrap_client
from anyint_resilience.replay import AsyncReplay, SyncReplay
from anyint_resilience.surface import Errors

__all__ = [
    "AsyncResilientTransport",
    "DeadlineExceeded",
    "OutcomeUnknown",
    "OutcomeUnknownTimeout",
    "ResilientTransport",
    "wrap",
]


class OutcomeUnknown(ours.OutcomeUnknown, httpx2.ReadError):
    """A paid create or upload may have been done; also a ``httpx2.ReadError``."""


class OutcomeUnknownTimeout(ours.OutcomeUnknown, httpx2.ReadTimeout):
    """The same after a time-out; also a ``httpx2.ReadTimeout``."""


class DeadlineExceeded(ours.DeadlineExceeded, httpx2.ReadTimeout):
    """The user's deadline has passed; also a ``httpx2.ReadTimeout``."""


class _SyncReplay(SyncReplay, httpx2.SyncByteStream):
    pass


class _AsyncReplay(AsyncReplay, httpx2.AsyncByteStream):
    pass


_KIT = Kit(
    module=httpx2,
    replay_sync=_SyncReplay,
    replay_async=_AsyncReplay,
)
_ERRORS = Errors(
    unknown=OutcomeUnknown,
    unknown_timeout=OutcomeUnknownTimeout,
    late=DeadlineExceeded,
    timeouts=(httpx2.TimeoutException, TimeoutError),
)


class ResilientTransport(SyncTransport[httpx2.Request, httpx2.Response], httpx2.BaseTransport):
    """A transport that makes calls to AnyInt survive; its arguments are those of ``SyncTransport``."""

    kit = _KIT
    errors = _ERRORS


class AsyncResilientTransport(AsyncTransport[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport):
    """The async twin of :class:`ResilientTransport`, on asyncio and trio."""

    kit = _KIT
    errors = _ERRORS


_Client = TypeVar("_Client", bound=httpx2.Client | httpx2.AsyncClient)


def wrap(client: _Client, anyint: Resilience | None = None) -> _Client:
    """Make an existing client resilient, in place, and return it; its settings stay. Idempotent.

    Raises:
        TypeError: if this is no httpx2 client.
    """
    wrap_client(client, anyint, _KIT, ResilientTransport, AsyncResilientTransport)
    return client
