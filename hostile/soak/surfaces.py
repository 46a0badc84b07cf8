"""Every client, called alike: a job goes in, its end goes into the journal; must not know which jobs there are.

A blocking surface is used from one thread or several, an awaiting one from the tasks of one event loop.
"""

from __future__ import annotations

import importlib
from contextlib import aclosing, closing
from typing import Any

import anyio

from anyint_resilience import Resilience, TaskFailed, report

from .jobs import Job, whole
from .journal import Journal, kind_of

__all__ = ["BLOCKING", "ON_ASYNCIO", "ON_TRIO", "Awaiting", "Blocking", "awaiting", "blocking"]

BLOCKING = ("httpx", "httpx2", "requests")
ON_ASYNCIO = ("httpx", "httpx2", "aiohttp")
ON_TRIO = ("httpx", "httpx2")
PATIENCE = 20.0
"""Seconds after which a client gives up reading: longer than a stall of a machine that others use too."""
LATEST = 120.0
"""Seconds that a task of ten may take."""


def _end(job: Job, journal: Journal, result: Any) -> Any:
    """Write down how a call ended, and hand its end back."""
    if isinstance(result, TaskFailed) and job.fails:
        journal.ended(job, "failed as told")
    elif isinstance(result, BaseException):
        told = report(result)
        words = "" if told is None else f"{len(told.attempts)} attempts"
        journal.ended(job, kind_of(result), str(getattr(result, "why", "")), f"{words} {str(result)[:120]}")
    else:
        status, content = result
        told_as = str(status) if whole(job, status, content) else "short"
        journal.ended(job, told_as, "", content[:120].decode(errors="replace") if told_as == "short" else "")
    return result


class Blocking:
    """A client of httpx, httpx2 or requests."""

    def __init__(self, library: str, url: str, anyint: Resilience, journal: Journal) -> None:
        self.library, self.url, self.journal = library, url, journal
        module = importlib.import_module(library)
        self.adapter: Any = importlib.import_module(f"anyint_resilience_{library}")
        self.client: Any = module.Session() if library == "requests" else module.Client(**_settings())
        if library == "requests":
            self.client.trust_env = False
        self.adapter.wrap(self.client, anyint)

    def make(self, job: Job) -> Any:
        """Make a call to its end: the status and the content, or the exception."""
        self.journal.begun(job)
        try:
            result = self._wait(job) if job.kind == "wait" else self._call(job)
        except Exception as error:
            result = error
        return _end(job, self.journal, result)

    def _call(self, job: Job) -> tuple[int, bytes]:
        answer = self._send(job)
        try:
            if not job.streamed:
                return answer.status_code, answer.content
            pieces = answer.iter_content(64) if self.library == "requests" else answer.iter_bytes()
            return answer.status_code, _taken(pieces, job.most)
        finally:
            answer.close()

    def _send(self, job: Job) -> Any:
        if self.library == "requests":
            return self.client.request(
                job.method,
                self.url + job.path,
                json=job.body,
                headers=job.headers,
                stream=job.streamed,
                timeout=PATIENCE,
            )
        request = self.client.build_request(job.method, self.url + job.path, json=job.body, headers=job.headers)
        return self.client.send(request, stream=job.streamed)

    def _wait(self, job: Job) -> tuple[int, bytes]:
        answer = self._send(job)
        if answer.status_code >= 300:
            return answer.status_code, answer.content
        done = self.adapter.wait_for_task(self.client, answer, deadline=LATEST)
        return (200 if done.results else 599), answer.content

    def close(self) -> None:
        """Close the client."""
        self.client.close()


def _taken(pieces: Any, most: int | None) -> bytes:
    found: list[bytes] = []
    with closing(pieces):
        for piece in pieces:
            found.append(piece)
            if most is not None and len(found) >= most:
                break
    return b"".join(found)


class Awaiting:
    """A client of httpx, httpx2 or aiohttp, in the running event loop."""

    def __init__(self, library: str, url: str, anyint: Resilience, journal: Journal) -> None:
        self.library, self.url, self.journal = library, url, journal
        module = importlib.import_module(library)
        self.adapter: Any = importlib.import_module(f"anyint_resilience_{library}")
        if library == "aiohttp":
            self.client: Any = module.ClientSession(timeout=module.ClientTimeout(total=None, sock_read=PATIENCE))
        else:
            self.client = module.AsyncClient(**_settings())
        self.adapter.wrap(self.client, anyint)

    async def make(self, job: Job) -> Any:
        """Make a call to its end: the status and the content, or the exception; None if it was cancelled."""
        self.journal.begun(job)
        if job.within is not None:
            with anyio.move_on_after(job.within) as scope:
                return await self._made(job)
            if scope.cancelled_caught:
                self.journal.ended(job, "cancelled")
            return None
        return await self._made(job)

    async def _made(self, job: Job) -> Any:
        try:
            result = await (self._wait(job) if job.kind == "wait" else self._call(job))
        except Exception as error:
            result = error
        return _end(job, self.journal, result)

    async def _call(self, job: Job) -> tuple[int, bytes]:
        if self.library == "aiohttp":
            async with self.client.request(
                job.method, self.url + job.path, json=job.body, headers=job.headers
            ) as answer:
                if not job.streamed:
                    return answer.status, await answer.read()
                return answer.status, await _taken_async(answer.content.iter_any(), job.most)
        request = self.client.build_request(job.method, self.url + job.path, json=job.body, headers=job.headers)
        answer = await self.client.send(request, stream=job.streamed)
        try:
            if not job.streamed:
                return answer.status_code, answer.content
            async with aclosing(answer.aiter_bytes()) as pieces:
                return answer.status_code, await _taken_async(pieces, job.most)
        finally:
            await answer.aclose()

    async def _wait(self, job: Job) -> tuple[int, bytes]:
        target = {"json": job.body, "headers": job.headers}
        answer = await self.client.request(job.method, self.url + job.path, **target)
        content = await answer.read() if self.library == "aiohttp" else answer.content
        status = answer.status if self.library == "aiohttp" else answer.status_code
        if status >= 300:
            return status, content
        done = await self.adapter.wait_for_task(self.client, answer, deadline=LATEST)
        return (200 if done.results else 599), content

    async def close(self) -> None:
        """Close the client."""
        await (self.client.close() if self.library == "aiohttp" else self.client.aclose())


async def _taken_async(pieces: Any, most: int | None) -> bytes:
    found: list[bytes] = []
    async for piece in pieces:
        found.append(piece)
        if most is not None and len(found) >= most:
            break
    return b"".join(found)


def _settings() -> dict[str, Any]:
    """Return the settings of a client of httpx or httpx2; without TLS, whose certificates take long to load."""
    return {"timeout": PATIENCE, "trust_env": False, "verify": False}


def blocking(names: tuple[str, ...], url: str, anyint: Resilience, journal: Journal) -> list[Blocking]:
    """Make some blocking surfaces on one configuration."""
    return [Blocking(name, url, anyint, journal) for name in names]


def awaiting(names: tuple[str, ...], url: str, anyint: Resilience, journal: Journal) -> list[Awaiting]:
    """Make some awaiting surfaces on one configuration, in the running loop."""
    return [Awaiting(name, url, anyint, journal) for name in names]
