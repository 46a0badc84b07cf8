"""One face for each client library: requests made, answers read, errors caught alike.

Must not know any scenario, nor our adapters: only how the clients are called.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from anyint_resilience import Resilience
from tests.conformance.options import Timeout, aiohttp_form, aiohttp_timeout, async_body, httpx_timeout

__all__ = ["AiohttpCaller", "Answer", "AsyncHttpxCaller", "Caller", "HttpxCaller", "RequestsCaller", "Setup"]

Read = tuple["Answer", bytes, Exception | None]
"""An answer that was read as it came, what came of it, and the error that ended it."""


@dataclass(frozen=True)
class Answer:
    """A response of any client, read whole; ``report(answer)`` finds the client's own by ``response``."""

    response: Any
    content: bytes = b""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(getattr(self.response, "status_code", None) or self.response.status)

    status_code = status

    @property
    def headers(self) -> Any:
        """The client's own mapping, whatever the case of the names."""
        return self.response.headers

    @property
    def url(self) -> str:
        """Where it came from."""
        return str(self.response.url)

    @property
    def history(self) -> list[Answer]:
        """The redirects before it."""
        return [Answer(response) for response in self.response.history]

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode()

    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Setup:
    """What a client is made with besides our layer."""

    anyint: Resilience | None
    base_url: str = ""
    timeout: Timeout = 5.0
    headers: dict[str, str] | None = None
    follow_redirects: bool = False


class Caller:
    """A client, called and awaited alike.

    ``run`` calls a function, on the client's event loop if it has one; ``client`` is the client itself.
    """

    def __init__(self, surface: Any, client: Any, run: Callable[..., Any], setup: Setup) -> None:
        self.surface = surface
        self.client = client
        self.setup = setup
        self._run = run

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function, awaiting it on the client's event loop where it has one."""
        return self._run(function, *args, **kwargs)

    def request(self, method: str, url: str, **options: Any) -> Answer:
        """Make a request and read the whole answer; see :meth:`direct`."""
        answer: Answer = self.call(self.direct, method, url, **options)
        return answer

    def stream(
        self, method: str, url: str, *, chunks: int | None = None, size: int | None = None, **options: Any
    ) -> Read:
        """Read an answer as it comes, so many chunks (of that size) at most, and close it; see :meth:`direct`."""
        told: Read = self.call(self.along, method, url, chunks, size, **options)
        return told

    def error(self, method: str, url: str, **options: Any) -> Exception:
        """Make a request that must raise, and return what it raised; see :meth:`direct`."""
        try:
            answer = self.request(method, url, **options)
        except self.surface.error as error:
            return error
        raise AssertionError(f"expected an exception, got {answer}")

    def direct(self, method: str, url: str, **options: Any) -> Any:
        """Make a request without leaving the client's thread or event loop: an answer, or a coroutine that gives one.

        ``params``, ``json``, ``headers``, ``data`` and ``files`` as httpx has them; ``content`` is bytes or
        an iterator; ``timeout``, ``follow_redirects`` and ``policy`` hold for this request only.
        """
        raise NotImplementedError

    def along(self, method: str, url: str, chunks: int | None, size: int | None, **options: Any) -> Any:
        """Do as :meth:`stream` without leaving the client's thread or event loop."""
        raise NotImplementedError

    def in_use(self) -> int:
        """Return how many connections the client has not got back."""
        return int(self.call(self.held) if not self.surface.is_async else self.call(_awaited, self.held))

    def held(self) -> int:
        """Do as :meth:`in_use` without leaving the client's thread or event loop."""
        raise NotImplementedError

    def overriding(self, policy: Any) -> contextlib.AbstractContextManager[None]:
        """Give the calls inside another policy, where a client can't take one with a request."""
        if policy is None or self.setup.anyint is None:
            return contextlib.nullcontext()
        return self.setup.anyint.override(policy)


async def _awaited(function: Callable[[], Any]) -> Any:
    return function()


class HttpxCaller(Caller):
    """httpx and httpx2, blocking."""

    def direct(self, method: str, url: str, **options: Any) -> Any:
        follow, more = self._read(options)
        answer = self.client.request(method, url, **follow, **more)
        return Answer(answer, answer.content)

    def along(self, method: str, url: str, chunks: int | None, size: int | None, **options: Any) -> Any:
        follow, more = self._read(options)
        answer = self.client.send(self.client.build_request(method, url, **more), stream=True, **follow)
        came: list[bytes] = []
        broken = None
        try:
            with contextlib.closing(answer):
                body = answer.iter_bytes(size)
                while chunks is None or len(came) < chunks:
                    came.append(next(body))
        except StopIteration:
            pass
        except self.surface.error as error:
            broken = error
        return Answer(answer), b"".join(came), broken

    def held(self) -> int:
        """Look into every transport's pool."""
        transports = [self.client._transport, *self.client._mounts.values()]
        pools = {
            id(pool): pool
            for pool in (getattr(getattr(it, "inner", it), "_pool", None) for it in transports if it is not None)
            if pool is not None
        }
        return sum(not connection.is_idle() for pool in pools.values() for connection in pool.connections)

    def _read(self, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what follows redirects, and what makes a request."""
        more = dict(options)
        follow = {"follow_redirects": more.pop("follow_redirects")} if "follow_redirects" in more else {}
        policy = more.pop("policy", None)
        if policy is not None:
            more["extensions"] = {**more.get("extensions", {}), "anyint_resilience": policy}
        if "timeout" in more:
            more["timeout"] = httpx_timeout(self.surface.module, more["timeout"])
        if self.surface.is_async and more.get("content") is not None:
            more["content"] = async_body(more["content"])
        return follow, more


class AsyncHttpxCaller(HttpxCaller):
    """httpx and httpx2 on asyncio and trio."""

    async def direct(self, method: str, url: str, **options: Any) -> Any:
        follow, more = self._read(options)
        answer = await self.client.request(method, url, **follow, **more)
        return Answer(answer, answer.content)

    async def along(self, method: str, url: str, chunks: int | None, size: int | None, **options: Any) -> Any:
        follow, more = self._read(options)
        answer = await self.client.send(self.client.build_request(method, url, **more), stream=True, **follow)
        came: list[bytes] = []
        broken = None
        try:
            async with contextlib.aclosing(answer), contextlib.aclosing(answer.aiter_bytes(size)) as body:
                while chunks is None or len(came) < chunks:
                    came.append(await anext(body))
        except StopAsyncIteration:
            pass
        except self.surface.error as error:
            broken = error
        return Answer(answer), b"".join(came), broken


class RequestsCaller(Caller):
    """requests."""

    def direct(self, method: str, url: str, **options: Any) -> Any:
        policy, more = self._read(options)
        with self.overriding(policy):
            answer = self.client.request(method, urljoin(self.setup.base_url, url), **more)
        return Answer(answer, answer.content)

    def along(self, method: str, url: str, chunks: int | None, size: int | None, **options: Any) -> Any:
        policy, more = self._read(options)
        with self.overriding(policy):
            answer = self.client.request(method, urljoin(self.setup.base_url, url), stream=True, **more)
        came: list[bytes] = []
        broken = None
        try:
            with contextlib.closing(answer):
                body = answer.iter_content(size)
                while chunks is None or len(came) < chunks:
                    came.append(next(body))
        except StopIteration:
            pass
        except self.surface.error as error:
            broken = error
        return Answer(answer), b"".join(came), broken

    def held(self) -> int:
        """Count what is missing from urllib3's queues."""
        managers = {id(it.poolmanager): it.poolmanager for it in self.client.adapters.values()}
        pools = [manager.pools[key] for manager in managers.values() for key in manager.pools.keys()]  # noqa: SIM118
        return sum(pool.pool.maxsize - pool.pool.qsize() for pool in pools if pool.pool is not None)

    def _read(self, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the policy, and what requests calls the rest."""
        more = {"timeout": self.setup.timeout, **options}
        policy = more.pop("policy", None)
        more["allow_redirects"] = more.pop("follow_redirects", self.setup.follow_redirects)
        if "content" in more:
            more["data"] = more.pop("content")
        return policy, more


class AiohttpCaller(Caller):
    """aiohttp."""

    async def direct(self, method: str, url: str, **options: Any) -> Any:
        policy, more = self._read(options)
        with self.overriding(policy):
            async with self.client.request(method, urljoin(self.setup.base_url, url), **more) as answer:
                return Answer(answer, await answer.read())

    async def along(self, method: str, url: str, chunks: int | None, size: int | None, **options: Any) -> Any:
        policy, more = self._read(options)
        came: list[bytes] = []
        broken = None
        with self.overriding(policy):
            answer = await self.client.request(method, urljoin(self.setup.base_url, url), **more)
        try:
            async with answer:
                body = answer.content.iter_any() if size is None else answer.content.iter_chunked(size)
                while chunks is None or len(came) < chunks:
                    came.append(await anext(body))
        except StopAsyncIteration:
            pass
        except self.surface.error as error:
            broken = error
        return Answer(answer), b"".join(came), broken

    def held(self) -> int:
        """Look at the connector."""
        return len(self.client.connector._acquired)

    def _read(self, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the policy, and what aiohttp calls the rest."""
        more = dict(options)
        policy = more.pop("policy", None)
        more["allow_redirects"] = more.pop("follow_redirects", self.setup.follow_redirects)
        if "timeout" in more:
            more["timeout"] = aiohttp_timeout(more["timeout"])
        if more.get("content") is not None:
            more["data"] = async_body(more.pop("content"))
        more.pop("content", None)
        files = more.pop("files", None)
        if files is not None:
            more["data"] = aiohttp_form(files, more.get("data"))
        return policy, more
