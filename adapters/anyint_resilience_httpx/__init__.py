"""anyint-resilience for httpx: a transport, its async twin, and ``wrap`` for clients that exist already.

Must not decide anything: all behaviour is in the core.
"""

from __future__ import annotations

from typing import Any, TypeVar

import httpx

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
    unknown=OutcomeUnknown,
    unknown_timeout=OutcomeUnknownTimeout,
    late=DeadlineExceeded,
)


class ResilientTransport(SyncTransport[httpx.Request, httpx.Response], httpx.BaseTransport):
    """A transport that makes calls to AnyInt survive.

    Args:
        anyint: the configuration; None reads ``ANYINT_API_KEY`` and ``ANYINT_BASE_URL``.
        transport: the transport to wrap. Without one an ``httpx.HTTPTransport`` is made of the other
            keywords (``http2``, ``verify``, ``proxy``, ``limits``, ...). Give them here: a client that is
            given a transport ignores its own, and the proxies of the environment. ``wrap`` keeps all that.
    """

    kit = _KIT

    def __init__(
        self, anyint: Resilience | None = None, *, transport: httpx.BaseTransport | None = None, **more: Any
    ) -> None:
        if transport is not None and more:
            raise TypeError(f"these belong to the transport you pass, and would be lost: {', '.join(sorted(more))}")
        super().__init__(anyint, httpx.HTTPTransport(**more) if transport is None else transport)


class AsyncResilientTransport(AsyncTransport[httpx.Request, httpx.Response], httpx.AsyncBaseTransport):
    """The async twin of :class:`ResilientTransport`, on asyncio and trio."""

    kit = _KIT

    def __init__(
        self, anyint: Resilience | None = None, *, transport: httpx.AsyncBaseTransport | None = None, **more: Any
    ) -> None:
        if transport is not None and more:
            raise TypeError(f"these belong to the transport you pass, and would be lost: {', '.join(sorted(more))}")
        super().__init__(anyint, httpx.AsyncHTTPTransport(**more) if transport is None else transport)


_Client = TypeVar("_Client", bound=httpx.Client | httpx.AsyncClient)


def wrap(client: _Client, anyint: Resilience | None = None) -> _Client:
    """Make an existing client resilient, in place, and return it.

    Its transport, proxies and mounts are wrapped with their settings as they were. Idempotent.

    Raises:
        TypeError: if this is no httpx client.
    """
    if isinstance(client, httpx.AsyncClient):
        wrap_client(client, anyint, lambda settled, inner: AsyncResilientTransport(settled, transport=inner))
    elif isinstance(client, httpx.Client):
        wrap_client(client, anyint, lambda settled, inner: ResilientTransport(settled, transport=inner))
    else:
        raise TypeError(f"wrap takes an httpx.Client or httpx.AsyncClient, not {type(client).__name__}")
    return client
