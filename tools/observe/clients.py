"""Three clients that make the calls of the load, each as an application has it: wrapped, and otherwise its usual self.

Must not know faults or phases. What a call raises is for the application; here it is only counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol

import aiohttp
import requests
from mix import Wish

import anyint_resilience_aiohttp
import anyint_resilience_requests
from anyint_resilience import Policy, Resilience

__all__ = ["HTTPX", "SYNC", "AiohttpCaller", "SyncCaller"]

HTTPX = "httpx" if find_spec("httpx2") is None else "httpx2"  # there is none on Python 3.10
httpx = import_module(HTTPX)
ours = import_module(f"anyint_resilience_{HTTPX}")
TIMEOUT = 10.0
Accounts = Mapping[str, Resilience]


class SyncCaller(Protocol):
    """Makes calls, one after the other."""

    def call(self, wish: Wish, /) -> None:
        """Make one call, read what it asks for, wait for its task where it says so; raises what the client raises."""

    def close(self) -> None:
        """Close every connection."""


def _bounds(accounts: Accounts, wish: Wish) -> AbstractContextManager[None]:
    if wish.deadline is None:
        return nullcontext()
    return accounts[wish.account].override(Policy(deadline=wish.deadline))


class HttpxCaller:
    """httpx2, or httpx where that is missing; one client for each account."""

    def __init__(self, accounts: Accounts, url: str) -> None:
        self._accounts = accounts
        plain = {name: httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False) for name in accounts}
        self._clients: dict[str, Any] = {name: ours.wrap(it, accounts[name]) for name, it in plain.items()}

    def call(self, wish: Wish) -> None:
        """Make one call."""
        client = self._clients[wish.account]
        more: dict[str, Any] = {"json": wish.body, "headers": wish.headers}
        with _bounds(self._accounts, wish), client.stream(wish.method, wish.path, **more) as answer:
            for number, _ in enumerate(answer.iter_lines()):
                if wish.reading == "leave" and number > 1:
                    return
            if wish.wait is not None:
                ours.wait_for_task(client, answer, deadline=wish.wait)

    def close(self) -> None:
        """Close every client."""
        for client in self._clients.values():
            client.close()


class RequestsCaller:
    """requests; one session for each account."""

    def __init__(self, accounts: Accounts, url: str) -> None:
        self._accounts = accounts
        self._url = url
        self._sessions = {name: requests.Session() for name in accounts}
        for name, session in self._sessions.items():
            session.trust_env = False
            anyint_resilience_requests.wrap(session, accounts[name])

    def call(self, wish: Wish) -> None:
        """Make one call."""
        session = self._sessions[wish.account]
        streamed = wish.reading != "whole"
        more: dict[str, Any] = {"json": wish.body, "headers": wish.headers, "timeout": TIMEOUT, "stream": streamed}
        with _bounds(self._accounts, wish), session.request(wish.method, self._url + wish.path, **more) as answer:
            for number, _ in enumerate(answer.iter_lines() if streamed else ()):
                if wish.reading == "leave" and number > 1:
                    return
            if wish.wait is not None:
                anyint_resilience_requests.wait_for_task(session, answer, deadline=wish.wait)

    def close(self) -> None:
        """Close every session."""
        for session in self._sessions.values():
            session.close()


SYNC: dict[str, Callable[[Accounts, str], SyncCaller]] = {HTTPX: HttpxCaller, "requests": RequestsCaller}
"""The blocking clients by name."""


class AiohttpCaller:
    """aiohttp; one session for each account. The only one whose calls can be cancelled from outside."""

    def __init__(self, accounts: Accounts, url: str) -> None:
        self._accounts = accounts
        self._url = url
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> AiohttpCaller:
        for name, anyint in self._accounts.items():
            middleware = anyint_resilience_aiohttp.ResilientMiddleware(anyint)
            timeout = aiohttp.ClientTimeout(total=60, sock_read=TIMEOUT)
            self._sessions[name] = aiohttp.ClientSession(self._url, middlewares=[middleware], timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    async def call(self, wish: Wish) -> None:
        """Make one call; raises what the client raises."""
        if wish.patience is None:
            await self._call(wish)
        else:
            await asyncio.wait_for(self._call(wish), wish.patience)

    async def _call(self, wish: Wish) -> None:
        session = self._sessions[wish.account]
        with _bounds(self._accounts, wish):
            async with session.request(wish.method, wish.path, json=wish.body, headers=wish.headers) as answer:
                number = 0
                async for _ in answer.content:
                    number += 1
                    if wish.reading == "leave" and number > 2:
                        return
                if wish.wait is not None:
                    await anyint_resilience_aiohttp.wait_for_task(session, answer, deadline=wish.wait)
