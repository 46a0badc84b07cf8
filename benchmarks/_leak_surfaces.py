"""The clients of leaks.py, each with our layer on and a pool of two connections.

Must not know which calls are made, nor what is measured. A caller takes a job and returns the answer, read or closed,
or the client's exception.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from _leak_calls import Job

from anyint_resilience import Resilience

__all__ = ["POOL", "SURFACES", "caller_of"]

POOL = 2
PATIENCE = 20.0  # seconds a connection of the pool may be waited for: a kept one would never come
READ_PATIENCE = 2.0  # httpcore 1.0 closes a connection now and then that another thread has just begun to use (its
# issue 1110); on Linux that thread then waits in vain until its read times out. httpx without our layer does the same.
SURFACES: dict[str, tuple[str, str | None]] = {
    **{
        f"{client} {backend or 'sync'}": (client, backend)
        for client in ("httpx", "httpx2")
        for backend in (None, "asyncio", "trio")
    },
    "requests": ("requests", None),
    "aiohttp": ("aiohttp", "asyncio"),
}
"""Name: client library, event loop (None: threads)."""

Made = tuple[Callable[[Job], Any], Callable[[], Any]]


def caller_of(surface: str, url: str, anyint: Resilience) -> Made:
    """Return how a surface makes a call, and how it is closed; both are awaited where there is a loop."""
    library, backend = SURFACES[surface]
    client = importlib.import_module(library)
    adapter = importlib.import_module(f"anyint_resilience_{library}")
    if library == "requests":
        return _requests(client, adapter, url, anyint)
    if library == "aiohttp":
        return _aiohttp(client, adapter, url, anyint)
    return (_httpx if backend is None else _httpx_async)(client, adapter, url, anyint)


def _httpx_settings(client: Any, url: str) -> dict[str, Any]:
    """Return the settings of both kinds of client."""
    return {
        "base_url": url,
        "limits": client.Limits(max_connections=POOL, max_keepalive_connections=POOL),
        "timeout": client.Timeout(PATIENCE, read=READ_PATIENCE),
    }


def _httpx(client: Any, adapter: Any, url: str, anyint: Resilience) -> Made:
    """Make a blocking client of httpx or httpx2."""
    session = adapter.wrap(client.Client(**_httpx_settings(client, url)), anyint)

    def call(job: Job) -> Any:
        try:
            with session.stream(job.method, job.path, json=job.body, headers=job.headers) as answer:
                for _ in answer.iter_bytes():
                    if not job.whole:
                        break
        except client.HTTPError as error:
            return error
        return answer

    return call, session.close


def _httpx_async(client: Any, adapter: Any, url: str, anyint: Resilience) -> Made:
    """Make an awaiting client of httpx or httpx2."""
    session = adapter.wrap(client.AsyncClient(**_httpx_settings(client, url)), anyint)

    async def call(job: Job) -> Any:
        try:
            async with (
                session.stream(job.method, job.path, json=job.body, headers=job.headers) as answer,
                aclosing(answer.aiter_bytes()) as pieces,
            ):
                async for _ in pieces:
                    if not job.whole:
                        break
        except client.HTTPError as error:
            return error
        return answer

    return call, session.aclose


def _requests(client: Any, adapter: Any, url: str, anyint: Resilience) -> Made:
    """Make a session of requests whose pool blocks."""
    session = client.Session()
    inner = client.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=POOL, pool_block=True)
    session.mount("http://", inner)
    times = (PATIENCE, READ_PATIENCE)
    adapter.wrap(session, anyint)

    def call(job: Job) -> Any:
        try:
            with session.request(
                job.method, url + job.path, json=job.body, headers=job.headers, stream=True, timeout=times
            ) as answer:
                for _ in answer.iter_content(4096):
                    if not job.whole:
                        break
        except client.RequestException as error:
            return error
        return answer

    return call, session.close


def _aiohttp(client: Any, adapter: Any, url: str, anyint: Resilience) -> Made:
    """Make a session of aiohttp, in the running loop."""
    timeout = client.ClientTimeout(total=None, connect=PATIENCE, sock_read=READ_PATIENCE)
    connector = client.TCPConnector(limit=POOL)
    session = adapter.wrap(client.ClientSession(connector=connector, timeout=timeout), anyint)

    async def call(job: Job) -> Any:
        try:
            async with session.request(job.method, url + job.path, json=job.body, headers=job.headers) as answer:
                async for _ in answer.content.iter_any():
                    if not job.whole:
                        break
        except (client.ClientError, TimeoutError) as error:
            return error
        return answer

    return call, session.close
