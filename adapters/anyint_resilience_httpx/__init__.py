"""anyint-resilience for httpx: a transport, its async twin, and ``wrap`` for clients that exist already.

Must not decide anything: all behaviour is in the core.
"""

from __future__ import annotations

from typing import TypeVar

import httpx

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


class OutcomeUnknown(ours.OutcomeUnknown, httpx.ReadError):
    """A paid create or upload may have been done; also a ``httpx.ReadError``."""


class OutcomeUnknownTimeout(ours.OutcomeUnknown, httpx.ReadTimeout):
    """The same after a time-out; also a ``httpx.ReadTimeout``."""


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
