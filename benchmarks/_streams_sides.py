"""How each client of streams.py reads a stream that lies in memory, bare and through our layer.

Must not know how anything is measured. What gives the bytes lies as low as it can without a socket, and is the same for
both sides of a client:

- the watcher alone: a loop over the pieces;
- httpx, httpx2: a transport whose body is an iterator over the pieces;
- requests: a connection of urllib3 whose answer is http.client's own, parsed from memory, one HTTP chunk a piece;
- aiohttp: a connection of aiohttp's own protocol and parser, on a transport that has one HTTP chunk more in each round
  of the event loop, as a socket would.
"""

from __future__ import annotations

import asyncio
import http.client
import importlib
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

from _sides import HEADERS
from _streams_chunks import DIALECTS

__all__ = ["READERS", "reader_of"]

HOST = "https://gateway.api.anyint.ai"
KIND = ("content-type", "text/event-stream")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunked(pieces: list[bytes]) -> list[bytes]:
    """The pieces as HTTP chunks, and their end."""
    return [*(b"%x\r\n%b\r\n" % (len(it), it) for it in pieces), b"0\r\n\r\n"]


def ours() -> Any:
    """This library as it is by default."""
    from anyint_resilience import Resilience

    return Resilience(api_key="k")


def _asked(dialect: str) -> tuple[str, dict[str, Any]]:
    """URL and options of a request, for any client."""
    more = {"anthropic-version": "2023-06-01"} if dialect == "anthropic" else {}
    found = DIALECTS[dialect]
    return HOST + found.path, {"json": found.body, "headers": {**HEADERS, **more}}


# httpx and httpx2.


def _httpx_transport(client: Any, mode: str, pieces: list[bytes]) -> Any:
    """The transport below both sides: a stream, at once."""
    headers = [(KIND[0].encode(), KIND[1].encode())]

    class Body(client.SyncByteStream, client.AsyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            yield from pieces

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

    class Null(client.BaseTransport, client.AsyncBaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return client.Response(200, headers=headers, stream=Body())

        async def handle_async_request(self, request: Any) -> Any:
            return client.Response(200, headers=headers, stream=Body())

    return Null()


def _httpx(name: str, mode: str, side: str, dialect: str, pieces: list[bytes], closing: AsyncExitStack) -> Any:
    client = importlib.import_module(name)
    transport = _httpx_transport(client, mode, pieces)
    if side == "ours":
        adapter = importlib.import_module(f"anyint_resilience_{name}")
        kind = adapter.ResilientTransport if mode == "sync" else adapter.AsyncResilientTransport
        transport = kind(ours(), transport=transport)
    url, options = _asked(dialect)
    if mode == "sync":
        session = client.Client(transport=transport)
        closing.callback(session.close)

        def read() -> int:
            count = 0
            with session.stream("POST", url, **options) as answer:
                for _ in answer.iter_bytes():
                    count += 1
            return count

        return read
    asession = client.AsyncClient(transport=transport)
    closing.push_async_callback(asession.aclose)

    async def aread() -> int:
        count = 0
        async with asession.stream("POST", url, **options) as answer:
            async for _ in answer.aiter_bytes():
                count += 1
        return count

    return aread


# requests.


class _Socket:
    """As much of a socket as http.client reads an answer from."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *args: Any, **kwargs: Any) -> io.BytesIO:
        """Return the answer."""
        return io.BytesIO(self._raw)


def _requests_adapter(pieces: list[bytes]) -> Any:
    """The client's own adapter and pool, on connections that have a stream at once."""
    from _sides_requests import NullConnection, NullPool
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPResponse
    from urllib3._collections import HTTPHeaderDict

    raw = HEAD + b"".join(chunked(pieces))

    class Connection(NullConnection):
        def getresponse(self) -> HTTPResponse:
            answer: Any = http.client.HTTPResponse(_Socket(raw), method="POST")  # type: ignore[arg-type]
            answer.begin()
            return HTTPResponse(
                answer,
                HTTPHeaderDict(answer.msg.items()),
                200,
                version=11,
                version_string="HTTP/1.1",
                reason="OK",
                preload_content=False,
                decode_content=False,
                original_response=answer,
                request_method="POST",
            )

    class Pool(NullPool):
        ConnectionCls = Connection

    adapter = HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = {"https": Pool}
    return adapter


def _requests(name: str, mode: str, side: str, dialect: str, pieces: list[bytes], closing: AsyncExitStack) -> Any:
    import requests

    session = requests.Session()
    closing.callback(session.close)
    session.trust_env = False
    adapter: Any = _requests_adapter(pieces)
    if side == "ours":
        from anyint_resilience_requests import ResilientAdapter

        adapter = ResilientAdapter(ours(), adapter=adapter)
    session.mount("https://", adapter)
    url, options = _asked(dialect)

    def read() -> int:
        count = 0
        with session.post(url, stream=True, **options) as answer:
            for _ in answer.iter_content(None):
                count += 1
        return count

    return read


# aiohttp.


def _aiohttp_connector(wires: list[bytes], last: bytes) -> Any:
    """aiohttp's own pool, its connections on a transport that has a piece more in each round of the loop."""
    from _sides_aiohttp import NullConnector, NullTransport

    class Feeding(NullTransport):
        def write(self, data: Any) -> None:
            if data[-len(last) :] == last:
                self._protocol.data_received(HEAD)  # type: ignore[attr-defined]
                self._left = iter(wires)
                asyncio.get_running_loop().call_soon(self._feed)

        def _feed(self) -> None:
            piece = next(self._left, None)
            if piece is not None:
                self._protocol.data_received(piece)  # type: ignore[attr-defined]
                asyncio.get_running_loop().call_soon(self._feed)  # after whoever reads

    class Connector(NullConnector):
        async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
            protocol = self._factory()
            protocol.connection_made(Feeding(protocol))
            return protocol

    return Connector()


def _aiohttp(name: str, mode: str, side: str, dialect: str, pieces: list[bytes], closing: AsyncExitStack) -> Any:
    import aiohttp

    url, options = _asked(dialect)
    middlewares: tuple[Any, ...] = ()
    if side == "ours":
        from anyint_resilience_aiohttp import ResilientMiddleware

        middlewares = (ResilientMiddleware(ours()),)
    connector = _aiohttp_connector(chunked(pieces), json.dumps(options["json"]).encode()[-8:])
    session = aiohttp.ClientSession(connector=connector, middlewares=middlewares)
    closing.push_async_callback(session.close)

    async def read() -> int:
        count = 0
        async with session.post(url, **options) as answer:
            if mode == "lines":
                async for line in answer.content:
                    count += line == b"\n"
            else:
                async for _ in answer.content.iter_any():
                    count += 1
        return count

    return read


# No client at all.


def _watcher(name: str, mode: str, side: str, dialect: str, pieces: list[bytes], closing: AsyncExitStack) -> Any:
    from anyint_resilience.contract.streams import STREAMS
    from anyint_resilience.streams.choosing import watcher_for

    (ends,) = (row for row in STREAMS if row.name.startswith(dialect.replace(" ", "_")) or row.name.endswith(dialect))

    def read() -> int:
        count = 0
        feed = None if side == "bare" else watcher_for(ends).feed
        for piece in pieces:
            if feed is not None:
                feed(piece)
            count += 1
        return count

    return read


READERS: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "watcher alone": ("", "sync", _watcher),
    "httpx sync": ("httpx", "sync", _httpx),
    "httpx asyncio": ("httpx", "async", _httpx),
    "httpx2 sync": ("httpx2", "sync", _httpx),
    "httpx2 asyncio": ("httpx2", "async", _httpx),
    "requests": ("requests", "sync", _requests),
    "aiohttp": ("aiohttp", "async", _aiohttp),
    "aiohttp by lines": ("aiohttp", "lines", _aiohttp),
}
"""Name in the table: client, how it reads, who builds it. All but the last read by pieces, as soon as each is there."""


def reader_of(name: str, side: str, dialect: str, pieces: list[bytes], closing: AsyncExitStack) -> Callable[[], Any]:
    """Return what reads a whole stream and says in how many pieces; it is awaited where there is a loop."""
    client, mode, build = READERS[name]
    made: Callable[[], Any] = build(client, mode, side, dialect, pieces, closing)
    return made
