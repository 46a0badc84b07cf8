"""anyint-resilience for httpx2: a transport, its async twin, and ``wrap`` for clients that exist already.

Must not decide anything: all behaviour is in the core.
"""

from __future__ import annotations

from typing import Any, TypeVar

import httpx2

from anyint_resilience import Resilience
from anyint_resilience import exceptions as ours
from anyint_resilience._httpx.shapes import Kit
from anyint_resilience._httpx.streams import AsyncReplay, SyncReplay
from anyint_resilience._httpx.surface import AsyncTransport, SyncTransport
from anyint_resilience._httpx.wrapping import wrap_client

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
    unknown=OutcomeUnknown,
    unknown_timeout=OutcomeUnknownTimeout,
    late=DeadlineExceeded,
)


class ResilientTransport(SyncTransport[httpx2.Request, httpx2.Response], httpx2.BaseTransport):
    """A transport that makes calls to AnyInt survive.

    Args:
        anyint: the configuration; None reads ``ANYINT_API_KEY`` and ``ANYINT_BASE_URL``.
        transport: the transport to wrap. Without one an ``httpx2.HTTPTransport`` is made of the other
            keywords (``http2``, ``verify``, ``proxy``, ``limits``, ...). Give them here: a client that is
            given a transport ignores its own, and the proxies of the environment. ``wrap`` keeps all that.
    """

    kit = _KIT

    def __init__(
        self, anyint: Resilience | None = None, *, transport: httpx2.BaseTransport | None = None, **more: Any
    ) -> None:
        if transport is not None and more:
            raise TypeError(f"these belong to the transport you pass, and would be lost: {', '.join(sorted(more))}")
        super().__init__(anyint, httpx2.HTTPTransport(**more) if transport is None else transport)


class AsyncResilientTransport(AsyncTransport[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport):
    """The async twin of :class:`ResilientTransport`, on asyncio and trio."""

    kit = _KIT

    def __init__(
        self, anyint: Resilience | None = None, *, transport: httpx2.AsyncBaseTransport | None = None, **more: Any
    ) -> None:
        if transport is not None and more:
            raise TypeError(f"these belong to the transport you pass, and would be lost: {', '.join(sorted(more))}")
        super().__init__(anyint, httpx2.AsyncHTTPTransport(**more) if transport is None else transport)


_Client = TypeVar("_Client", bound=httpx2.Client | httpx2.AsyncClient)


def wrap(client: _Client, anyint: Resilience | None = None) -> _Client:
    """Make an existing client resilient, in place, and return it.

    Its transport, proxies and mounts are wrapped with their settings as they were. Idempotent.

    Raises:
        TypeError: if this is no httpx2 client.
    """
    if isinstance(client, httpx2.AsyncClient):
        wrap_client(client, anyint, lambda settled, inner: AsyncResilientTransport(settled, transport=inner))
    elif isinstance(client, httpx2.Client):
        wrap_client(client, anyint, lambda settled, inner: ResilientTransport(settled, transport=inner))
    else:
        raise TypeError(f"wrap takes an httpx2.Client or httpx2.AsyncClient, not {type(client).__name__}")
    return client
