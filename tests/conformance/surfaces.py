"""Every client the tests run on, behind one blocking face.

Must not know any scenario. An async client lives on a portal's event loop, so that a scenario is written once.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from anyint_resilience import Resilience
from anyint_resilience.runtime import Runtime
from tests.brief import one_each
from tests.conformance.callers import (
    AiohttpCaller,
    Answer,
    AsyncHttpxCaller,
    Caller,
    HttpxCaller,
    RequestsCaller,
    Setup,
)
from tests.conformance.options import aiohttp_timeout, httpx_timeout

__all__ = [
    "HTTPX",
    "SURFACES",
    "Answer",
    "Caller",
    "Surface",
    "Waits",
    "calling",
    "every_httpx",
    "every_surface",
    "sends",
    "surfaces",
]


@dataclass(frozen=True)
class Surface:
    """One client library, sync or on one event loop."""

    library: str
    backend: str | None = None

    def __str__(self) -> str:
        return f"{self.library}-{'sync' if self.backend is None else self.backend}"

    @property
    def module(self) -> Any:
        """The client library."""
        return importlib.import_module(self.library)

    @property
    def adapter(self) -> Any:
        """Our package for it."""
        return importlib.import_module(f"anyint_resilience_{self.library}")

    @property
    def is_async(self) -> bool:
        """Whether its calls are awaited."""
        return self.backend is not None

    @property
    def is_httpx(self) -> bool:
        """Whether it is httpx or httpx2."""
        return self.library in HTTPX

    @property
    def error(self) -> Any:
        """What everything that the client raises for a failed call derives from: a class, or several."""
        module = self.module
        if self.library == "aiohttp":
            return (module.ClientError, asyncio_timeout())
        return module.HTTPError if self.is_httpx else module.RequestException

    @property
    def transport_error(self) -> Any:
        """What code that survives lost connections catches."""
        module = self.module
        if self.library == "aiohttp":
            return module.ClientConnectionError
        return module.TransportError if self.is_httpx else module.ConnectionError

    @property
    def body_error(self) -> Any:
        """What the client raises when the connection is lost in the middle of a body: a class, or several."""
        module = self.module
        if self.library == "aiohttp":
            return (module.ClientConnectionError, module.ClientPayloadError)
        if self.library == "requests":
            return (module.ConnectionError, module.exceptions.ChunkedEncodingError)
        return module.TransportError

    @property
    def timeout_error(self) -> Any:
        """What code that survives time-outs catches."""
        if self.library == "aiohttp":
            return asyncio_timeout()
        return self.module.TimeoutException if self.is_httpx else self.module.Timeout

    def param(self) -> Any:
        """Make it a pytest parameter, skipped with its reason where the client can't be installed."""
        absent = importlib.util.find_spec(self.library) is None
        why = " (httpx2 needs Python 3.11)" if self.library == "httpx2" else ""
        marks = [pytest.mark.skip(reason=f"{self.library} is not installed{why}")] if absent else []
        return pytest.param(self, id=str(self), marks=marks)


def asyncio_timeout() -> Any:
    """Return ``asyncio.TimeoutError``, which is the builtin one from Python 3.11 on."""
    import asyncio

    return asyncio.TimeoutError


HTTPX = ("httpx", "httpx2")
EVERY = [
    *(Surface(library, backend) for library in HTTPX for backend in (None, "asyncio", "trio")),
    Surface("requests"),
    Surface("aiohttp", "asyncio"),
]
SURFACES = [surface.param() for surface in EVERY if one_each(surface)]
every_surface = pytest.mark.parametrize("surface", SURFACES)


def surfaces(wanted: Callable[[Surface], bool]) -> Any:
    """Make the mark that runs a test on some of the surfaces."""
    found = [surface for surface in EVERY if wanted(surface)]
    return pytest.mark.parametrize("surface", [it.param() for it in found if one_each(it)] or [found[0].param()])


every_httpx = surfaces(lambda surface: surface.is_httpx)
"""For what only httpx and httpx2 have."""


@dataclass
class Waits:
    """Sleeps that only write down how long they were asked for; a clock that moves with them, and maybe another."""

    asked: list[float] = field(default_factory=list)
    moves: Callable[[float], object] = lambda seconds: None
    slept: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.slept += seconds
        self.moves(seconds)

    def monotonic(self) -> float:
        """Return the real time, as if all that was asked for had passed."""
        return time.monotonic() + self.slept

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def runtime(self, **more: Any) -> Runtime:
        """Return a runtime on these sleeps, its jitter at the longest."""
        given = {"random": lambda: 1.0, "monotonic": self.monotonic, **more}
        return Runtime(sleep=self.sleep, asleep=self.asleep, **given)


def sends(surface: Surface, answer: Callable[[Any], tuple[int, dict[str, str]]]) -> Any:
    """Make what a blocking client sends by, without a wire: ``answer`` takes its request, and returns or raises."""
    module = surface.module
    if surface.library == "requests":
        urllib3 = importlib.import_module("urllib3")
        base, built = module.adapters.HTTPAdapter, module.adapters.HTTPAdapter().build_response

        class Sender(base):  # type: ignore[misc, valid-type]
            def send(self, request: Any, *args: Any, **settings: Any) -> Any:
                status, headers = answer(request)
                raw = urllib3.HTTPResponse(io.BytesIO(), headers, status, preload_content=False)
                return built(request, raw)

        return Sender()

    class Transport(module.BaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            status, headers = answer(request)
            return module.Response(status, headers=headers)

    return Transport()


@contextmanager
def calling(
    surface: Surface,
    anyint: Resilience | None,
    *,
    wrap: bool = False,
    base_url: str = "",
    timeout: Any = 5.0,
    headers: dict[str, str] | None = None,
    follow_redirects: bool = False,
    pool: int | None = None,
    inner: Any = None,
    **options: Any,
) -> Iterator[Caller]:
    """Open a client on a surface, with our layer made for it, or with ``wrap`` around it, or (None) without.

    ``timeout`` is seconds, or a pair of those to connect and those to read; ``pool`` is how many connections it may
    have; ``inner`` (see ``sends``) stands for the wire. Other ``options`` are the client's own: those of an httpx
    transport, a requests adapter or an aiohttp session.
    """
    setup = Setup(anyint, base_url, timeout, headers, follow_redirects)
    make, kind = MAKERS[surface.library, surface.is_async]
    if inner is not None:
        options["adapter" if surface.library == "requests" else "transport"] = inner
    with ExitStack() as stack:
        run = blocking
        if surface.backend is not None:
            run = awaiting(stack.enter_context(start_blocking_portal(surface.backend)))
        if not surface.is_async:
            client = make(surface, setup, wrap, pool, options)
        else:

            async def made() -> Any:  # aiohttp's sessions need the running loop
                return make(surface, setup, wrap, pool, options)

            client = run(made)
        caller = kind(surface, client, run, setup)
        try:
            yield caller
        finally:
            caller.call(client.aclose if hasattr(client, "aclose") else client.close)


def blocking(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function."""
    return function(*args, **kwargs)


def awaiting(portal: Any) -> Callable[..., Any]:
    """Return what calls and awaits a function on a portal's event loop."""

    def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def awaited() -> Any:
            return await function(*args, **kwargs)

        return portal.call(awaited)

    return run


@cache
def tls() -> ssl.SSLContext:
    """Make the one TLS context of all tests: to read the CA bundle takes longer than most of them."""
    return ssl.create_default_context()


def make_httpx(surface: Surface, setup: Setup, wrap: bool, pool: int | None, options: dict[str, Any]) -> Any:
    """Make a client of httpx or httpx2."""
    module, adapter = surface.module, surface.adapter
    client_options = {
        "base_url": setup.base_url,
        "timeout": httpx_timeout(module, setup.timeout),
        "headers": setup.headers,
        "follow_redirects": setup.follow_redirects,
        **{name: options.pop(name) for name in ("mounts", "event_hooks", "trust_env") if name in options},
    }
    if pool is not None:
        options["limits"] = module.Limits(max_connections=pool, max_keepalive_connections=pool)
    if "transport" not in options:
        options.setdefault("verify", tls())
    kind = module.AsyncClient if surface.is_async else module.Client
    if setup.anyint is None:
        return kind(**client_options, **options)
    if wrap:
        return adapter.wrap(kind(**client_options, **options), setup.anyint)
    transport = adapter.AsyncResilientTransport if surface.is_async else adapter.ResilientTransport
    return kind(transport=transport(setup.anyint, **options), **client_options)


def make_requests(surface: Surface, setup: Setup, wrap: bool, pool: int | None, options: dict[str, Any]) -> Any:
    """Make a session of requests."""
    module, adapter = surface.module, surface.adapter
    session = module.Session()
    session.trust_env = options.pop("trust_env", True)
    session.headers.update(setup.headers or {})
    if pool is not None:
        options.update(pool_connections=1, pool_maxsize=pool, pool_block=True)
    plain = setup.anyint is None or wrap
    kind = module.adapters.HTTPAdapter if plain else adapter.ResilientAdapter
    for prefix in ("http://", "https://"):
        session.mount(prefix, kind(**options) if plain else kind(setup.anyint, **options))
    return adapter.wrap(session, setup.anyint) if wrap and setup.anyint is not None else session


def make_aiohttp(surface: Surface, setup: Setup, wrap: bool, pool: int | None, options: dict[str, Any]) -> Any:
    """Make a session of aiohttp; the event loop must be running."""
    module, adapter = surface.module, surface.adapter
    if pool is not None:
        options["connector"] = module.TCPConnector(limit=pool)
    if setup.anyint is not None and not wrap:
        options["middlewares"] = (*options.get("middlewares", ()), adapter.ResilientMiddleware(setup.anyint))
    session = module.ClientSession(timeout=aiohttp_timeout(setup.timeout), headers=setup.headers, **options)
    return adapter.wrap(session, setup.anyint) if wrap and setup.anyint is not None else session


MAKERS: dict[tuple[str, bool], tuple[Callable[..., Any], type[Caller]]] = {
    **{(library, False): (make_httpx, HttpxCaller) for library in HTTPX},
    **{(library, True): (make_httpx, AsyncHttpxCaller) for library in HTTPX},
    ("requests", False): (make_requests, RequestsCaller),
    ("aiohttp", True): (make_aiohttp, AiohttpCaller),
}
