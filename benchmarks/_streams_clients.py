"""The clients of streams.py on a real socket, bare and with our layer: one stream, read as far as is asked.

Must not know what is measured, nor what is wrong with a stream.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

from _sides import HEADERS
from _streams_chunks import DIALECTS
from _streams_server import WANTED

__all__ = ["CLIENTS", "Opened", "client_of", "request_of"]

CLIENTS = {
    "httpx sync": ("httpx", False),
    "httpx asyncio": ("httpx", True),
    "httpx2 sync": ("httpx2", False),
    "httpx2 asyncio": ("httpx2", True),
    "requests": ("requests", False),
    "aiohttp": ("aiohttp", True),
}
"""Name in the tables: client library, whether it runs on an event loop."""

Opened = Callable[
    [str, str], AbstractContextManager[Iterator[bytes]] | AbstractAsyncContextManager[AsyncIterator[bytes]]
]
"""Opens a stream, of a dialect and as the server is asked; gives the pieces of its body."""


def request_of(url: str, dialect: str, wanted: str) -> tuple[str, dict[str, Any]]:
    """URL and options of a request, for any client."""
    more = {"anthropic-version": "2023-06-01"} if dialect == "anthropic" else {}
    found = DIALECTS[dialect]
    return url + found.path, {"json": found.body, "headers": {**HEADERS, **more, WANTED: wanted}}


def client_of(name: str, side: str, url: str, connections: int, anyint: Any = None) -> tuple[Opened, Any]:
    """Return how a client opens streams, and how it is closed; with ``side`` ``ours`` it has our layer."""
    library, awaiting = CLIENTS[name]
    client = importlib.import_module(library)
    adapter = importlib.import_module(f"anyint_resilience_{library}") if side == "ours" else None
    build = {"requests": _requests, "aiohttp": _aiohttp}.get(library, _httpx_async if awaiting else _httpx)
    session, opened, close = build(client, url, connections)
    if adapter is not None:
        from anyint_resilience import Resilience

        adapter.wrap(session, Resilience(api_key="k", base_url=url) if anyint is None else anyint)
    return opened, close


def _httpx_settings(client: Any, connections: int) -> dict[str, Any]:
    limits = client.Limits(max_connections=connections, max_keepalive_connections=connections)
    return {"limits": limits, "timeout": 30.0, "trust_env": False}


def _httpx(client: Any, url: str, connections: int) -> tuple[Any, Opened, Any]:
    session = client.Client(**_httpx_settings(client, connections))

    @contextmanager
    def opened(dialect: str, wanted: str) -> Iterator[Iterator[bytes]]:
        where, options = request_of(url, dialect, wanted)
        with session.stream("POST", where, **options) as answer:
            yield answer.iter_bytes()

    return session, opened, session.close


def _httpx_async(client: Any, url: str, connections: int) -> tuple[Any, Opened, Any]:
    session = client.AsyncClient(**_httpx_settings(client, connections))

    @asynccontextmanager
    async def opened(dialect: str, wanted: str) -> AsyncIterator[AsyncIterator[bytes]]:
        where, options = request_of(url, dialect, wanted)
        async with session.stream("POST", where, **options) as answer:
            yield answer.aiter_bytes()

    return session, opened, session.aclose


def _requests(client: Any, url: str, connections: int) -> tuple[Any, Opened, Any]:
    session = client.Session()
    session.trust_env = False
    session.mount("http://", client.adapters.HTTPAdapter(pool_maxsize=connections))

    @contextmanager
    def opened(dialect: str, wanted: str) -> Iterator[Iterator[bytes]]:
        where, options = request_of(url, dialect, wanted)
        with session.post(where, stream=True, **options) as answer:
            yield answer.iter_content(None)

    return session, opened, session.close


def _aiohttp(client: Any, url: str, connections: int) -> tuple[Any, Opened, Any]:
    session = client.ClientSession(connector=client.TCPConnector(limit=connections))

    @asynccontextmanager
    async def opened(dialect: str, wanted: str) -> AsyncIterator[AsyncIterator[bytes]]:
        where, options = request_of(url, dialect, wanted)
        async with session.post(where, **options) as answer:
            yield answer.content.iter_any()

    return session, opened, session.close
