"""The clients of the leak count of streams.py: how each opens a stream, and reads, closes or drops it, or is stopped.

Must not know what is counted. Each opener takes a job and says how the stream ended: ``end`` or an exception's name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, NamedTuple

import anyio
from _leak_surfaces import SURFACES
from _streams_clients import request_of

__all__ = ["POOL", "Job", "opener_of"]

POOL = 3
PATIENCE = 10.0  # seconds for a connection of the pool: a kept one would never come
SILENCE = 0.02  # seconds between pieces, for who does not wait longer
STOP = 0.01  # seconds after which a task is cancelled

Made = tuple[Callable[["Job"], Any], Callable[[], Any], Callable[[], int]]
"""How a stream is opened and read, how the client is closed, and how many connections are in use."""


class Job(NamedTuple):
    """One stream. ``how``: it is read, silent, half read and closed, dropped, or its task is cancelled."""

    name: str
    wanted: str
    how: str
    dialect: str


def opener_of(surface: str, url: str, anyint: Any) -> Made:
    """Return how a surface goes about it; what it returns is awaited where there is a loop."""
    library, backend = SURFACES[surface]
    client, adapter = importlib.import_module(library), importlib.import_module(f"anyint_resilience_{library}")
    build = {"requests": _requests, "aiohttp": _aiohttp}.get(library, _httpx if backend is None else _httpx_async)
    return build(client, adapter, url, anyint)


def _busy(session: Any) -> int:
    """Connections of an httpx client that are not idle."""
    return sum(not it.is_idle() and not it.is_closed() for it in session._transport.inner._pool.connections)


def _settings(client: Any) -> dict[str, Any]:
    limits = client.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    return {"limits": limits, "timeout": PATIENCE, "trust_env": False}


def _httpx(client: Any, adapter: Any, url: str, anyint: Any) -> Made:
    session = adapter.wrap(client.Client(**_settings(client)), anyint)
    silent = client.Timeout(PATIENCE, read=SILENCE)

    def opened(job: Job) -> str:
        where, options = request_of(url, job.dialect, job.wanted)
        more = {"timeout": silent} if job.how == "silent" else {}
        try:
            answer = session.send(session.build_request("POST", where, **options, **more), stream=True)
            try:
                for _ in answer.iter_bytes():
                    if job.how not in ("read", "silent"):
                        break
            finally:
                if job.how != "dropped":
                    answer.close()
        except client.HTTPError as error:
            return type(error).__name__
        return "end"

    return opened, session.close, lambda: _busy(session)


def _httpx_async(client: Any, adapter: Any, url: str, anyint: Any) -> Made:
    session = adapter.wrap(client.AsyncClient(**_settings(client)), anyint)
    silent = client.Timeout(PATIENCE, read=SILENCE)

    async def dropped(answer: Any) -> None:
        async for _ in answer.aiter_bytes():
            break

    async def read(answer: Any, job: Job) -> None:
        async with aclosing(answer.aiter_bytes()) as pieces:
            async for _ in pieces:
                if job.how == "half":
                    break

    async def opened(job: Job) -> str:
        where, options = request_of(url, job.dialect, job.wanted)
        more = {"timeout": silent} if job.how == "silent" else {}
        try:
            answer = await session.send(session.build_request("POST", where, **options, **more), stream=True)
            if job.how == "dropped":
                await dropped(answer)
                return "end"
            try:
                with anyio.move_on_after(STOP if job.how == "cancelled" else None):
                    await read(answer, job)
            finally:
                await answer.aclose()
        except client.HTTPError as error:
            return type(error).__name__
        return "end"

    return opened, session.aclose, lambda: _busy(session)


def _requests(client: Any, adapter: Any, url: str, anyint: Any) -> Made:
    session = client.Session()
    session.trust_env = False
    inner = client.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=POOL)  # one that blocks lacks what is dropped
    session.mount("http://", inner)
    adapter.wrap(session, anyint)

    def opened(job: Job) -> str:
        where, options = request_of(url, job.dialect, job.wanted)
        seconds = SILENCE if job.how == "silent" else PATIENCE
        try:
            answer = session.post(where, stream=True, timeout=(PATIENCE, seconds), **options)
            try:
                for _ in answer.iter_content(None):
                    if job.how not in ("read", "silent"):
                        break
            finally:
                if job.how != "dropped":
                    answer.close()
        except client.RequestException as error:
            return type(error).__name__
        return "end"

    return opened, session.close, lambda: 0  # urllib3 forgets those that are out: the sockets tell


def _aiohttp(client: Any, adapter: Any, url: str, anyint: Any) -> Made:
    connector = client.TCPConnector(limit=POOL)
    timeout = client.ClientTimeout(total=None, connect=PATIENCE, sock_read=PATIENCE)
    session = adapter.wrap(client.ClientSession(connector=connector, timeout=timeout), anyint)
    silent = client.ClientTimeout(total=None, connect=PATIENCE, sock_read=SILENCE)

    async def read(answer: Any, job: Job) -> None:
        async for _ in answer.content.iter_any():
            if job.how in ("half", "dropped"):
                break

    async def opened(job: Job) -> str:
        where, options = request_of(url, job.dialect, job.wanted)
        more = {"timeout": silent} if job.how == "silent" else {}
        try:
            answer = await session.post(where, **options, **more)
            try:
                with anyio.move_on_after(STOP if job.how == "cancelled" else None):
                    await read(answer, job)
            finally:
                if job.how != "dropped":
                    answer.close()
        except (client.ClientError, TimeoutError) as error:
            return type(error).__name__
        return "end"

    return opened, session.close, lambda: len(connector._acquired)
