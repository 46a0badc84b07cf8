"""One request through our layer on whichever client is installed, its answer read within bounds of time and size.

Must not know what is asked, nor what an answer means. Nothing is redirected: the key goes where it was sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

from ...callreport import CallReport
from ...config import Resilience
from ...policy.bodies import is_object
from ...policy.rules import Policy
from ...reports import report
from ...runtime import Runtime
from ...tasks.handle import TaskHandle
from ..masking import said_by_client
from ..terminal import Problem

__all__ = ["CLIENTS", "Ask", "Reply", "Sender", "first_client", "sender_for"]

CLIENTS: Final = ("httpx2", "httpx", "requests", "aiohttp")
"""What may be installed, best first."""

_PIECE: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request. ``seconds``: how long it may take in all; ``most``: bytes that are read; ``bare``: past our layer."""

    method: str
    url: str
    seconds: float
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()
    most: int = 1024 * 1024
    bare: bool = False

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else json.dumps(self.body).encode()

    @property
    def named(self) -> dict[str, str]:
        """The headers as they are sent: nothing is to be unpacked, whose size nobody knows."""
        kind = {} if self.body is None else {"content-type": "application/json"}
        return {"accept-encoding": "identity", **kind, **dict(self.headers)}

    @property
    def policy(self) -> Policy:
        """Two attempts at most, and no long waits: a doctor wants to see what is wrong, not to live with it."""
        return Policy(attempts=2, retry_window=min(5.0, self.seconds), max_delay=2.0, deadline=self.seconds)


@dataclass(slots=True, kw_only=True)
class Reply:
    """How a request ended. ``status`` 0: no answer came. ``sent_at`` and ``began_at``: Unix seconds around its head."""

    ask: Ask
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False
    error: Exception | None = None
    report: CallReport | None = None
    seconds: float = 0.0
    sent_at: float = 0.0
    began_at: float = 0.0

    @property
    def document(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def member(self) -> Any:
        """The body as a JSON object, an empty one where it is none."""
        found = self.document
        return found if is_object(found) else {}

    @property
    def kind(self) -> str:
        """The content type, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def attempts(self) -> int:
        """How many requests it took; 1 where nobody counted."""
        return 1 if self.report is None else max(1, len(self.report.attempts))


class Sender(Protocol):
    """A client with our layer on it."""

    name: str

    def send(self, ask: Ask) -> Reply:
        """Send a request; never raises for what the network does."""
        ...

    def wait(self, handle: TaskHandle, deadline: float) -> Any:
        """Follow a task to its end and return its last update; raises as ``wait_for_task`` does."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def first_client() -> str | None:
    """Return the best client that is installed, None: none is."""
    return next((it for it in CLIENTS if find_spec(it) is not None), None)


def sender_for(anyint: Resilience, environ: Mapping[str, str], name: str | None = None) -> Sender:
    """Return a sender on the best client there is. ``environ``: whose secrets it may not quote.

    Raises:
        Problem: if there is none, or it can't be made: what the environment says of proxies or certificates.
    """
    chosen = name or first_client()
    if chosen is None:
        raise Problem(f"no HTTP client is installed, of {', '.join(CLIENTS)}: install 'anyint-resilience[httpx]'")
    try:
        if chosen == "requests":
            return _Requests(chosen, anyint)
        return _Aiohttp(chosen, anyint) if chosen == "aiohttp" else _Httpx(chosen, anyint)
    except Exception as error:
        raise Problem(f"no {chosen} client can be made: {said_by_client(error, environ)}") from None


class _Base:
    """What every sender shares: clocks, and how an answer is gathered."""

    def __init__(self, name: str, anyint: Resilience) -> None:
        self.name = name
        self._module: Any = import_module(name)
        self._adapter: Any = import_module(f"anyint_resilience_{name}")
        self._anyint = anyint
        self._runtime: Runtime = anyint.runtime

    def _began(self, ask: Ask) -> tuple[Reply, float]:
        return Reply(ask=ask, sent_at=self._runtime.wall()), self._runtime.monotonic()

    def _head(self, reply: Reply, status: int, headers: Iterable[tuple[str, str]]) -> None:
        reply.status, reply.began_at = status, self._runtime.wall()
        reply.headers = {name.lower(): value for name, value in headers}

    def _take(self, reply: Reply, piece: bytes, until: float) -> bool:
        """Take a piece of the body; return whether that is enough."""
        reply.body += piece
        reply.cut = len(reply.body) > reply.ask.most or self._runtime.monotonic() > until
        return reply.cut

    def _ended(self, reply: Reply, began: float, response: object, error: Exception | None) -> Reply:
        reply.seconds = self._runtime.monotonic() - began
        reply.error = error
        reply.report = report(response if error is None else error) or report(response)
        return reply


class _Blocking(_Base):
    """What the blocking clients share: one that is wrapped, and a bare one."""

    _client: Any
    _bare: Any

    def wait(self, handle: TaskHandle, deadline: float) -> Any:
        """Follow a task to its end."""
        return self._adapter.wait_for_task(self._client, handle, deadline=deadline)

    def close(self) -> None:
        """Close both clients."""
        for client in (self._client, self._bare):
            if client is not None:
                client.close()


class _Httpx(_Blocking):
    """On httpx2 or httpx."""

    def __init__(self, name: str, anyint: Resilience) -> None:
        super().__init__(name, anyint)
        self._client = self._adapter.wrap(self._module.Client(), anyint)
        self._bare = None

    def send(self, ask: Ask) -> Reply:
        """Send a request."""
        if ask.bare and self._bare is None:
            self._bare = self._module.Client()
        client, response, error = self._bare if ask.bare else self._client, None, None
        reply, began = self._began(ask)
        try:
            with (
                self._anyint.override(ask.policy),
                client.stream(
                    ask.method,
                    ask.url,
                    content=ask.content,
                    headers=ask.named,
                    timeout=ask.seconds,
                    follow_redirects=False,
                ) as response,
            ):
                self._head(reply, response.status_code, response.headers.multi_items())
                for piece in response.iter_bytes(_PIECE):
                    if self._take(reply, piece, began + ask.seconds):
                        break
        except Exception as raised:
            error = raised
        return self._ended(reply, began, response, error)


class _Requests(_Blocking):
    """On requests."""

    def __init__(self, name: str, anyint: Resilience) -> None:
        super().__init__(name, anyint)
        self._client = self._adapter.wrap(self._module.Session(), anyint)
        self._bare = self._module.Session()

    def send(self, ask: Ask) -> Reply:
        """Send a request."""
        session, response, error = self._bare if ask.bare else self._client, None, None
        reply, began = self._began(ask)
        send = partial(session.request, stream=True, allow_redirects=False, timeout=ask.seconds)
        try:
            with (
                self._anyint.override(ask.policy),
                send(ask.method, ask.url, data=ask.content, headers=ask.named) as response,
            ):
                self._head(reply, response.status_code, response.headers.items())
                for piece in response.iter_content(_PIECE):
                    if self._take(reply, piece, began + ask.seconds):
                        break
        except Exception as raised:
            error = raised
        return self._ended(reply, began, response, error)


class _Aiohttp(_Base):
    """On aiohttp: a session and an event loop for each request, since there is no program around them."""

    def send(self, ask: Ask) -> Reply:
        """Send a request."""
        return asyncio.run(self._send(ask))

    async def _send(self, ask: Ask) -> Reply:
        response, error = None, None
        reply, began = self._began(ask)
        try:
            async with self._session(ask) as session:
                with self._anyint.override(ask.policy):
                    async with session.request(
                        ask.method, ask.url, data=ask.content, headers=ask.named, allow_redirects=False
                    ) as response:
                        self._head(reply, response.status, response.headers.items())
                        async for piece in response.content.iter_chunked(_PIECE):
                            if self._take(reply, piece, began + ask.seconds):
                                break
        except Exception as raised:
            error = raised
        return self._ended(reply, began, response, error)

    def _session(self, ask: Ask | None) -> Any:
        layers = [] if ask is not None and ask.bare else [self._adapter.ResilientMiddleware(self._anyint)]
        timeout = self._module.ClientTimeout(total=None if ask is None else ask.seconds)
        return self._module.ClientSession(middlewares=layers, timeout=timeout, trust_env=True)

    def wait(self, handle: TaskHandle, deadline: float) -> Any:
        """Follow a task to its end."""
        return asyncio.run(self._wait(handle, deadline))

    async def _wait(self, handle: TaskHandle, deadline: float) -> Any:
        async with self._session(None) as session:
            return await self._adapter.wait_for_task(session, handle, deadline=deadline)

    def close(self) -> None:
        """Do nothing: each request has closed its own session."""
        with suppress(Exception):
            self._anyint.telemetry.flush()
