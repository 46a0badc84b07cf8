"""Every client the tests run on, behind one blocking face.

Must not know any scenario. An async client lives on a portal's event loop, so that a scenario is written once.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from anyint_resilience import Resilience
from anyint_resilience.runtime import Runtime


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

    def param(self) -> Any:
        """Make it a pytest parameter, skipped with its reason where the client can't be installed."""
        absent = importlib.util.find_spec(self.library) is None
        marks = (
            [pytest.mark.skip(reason=f"{self.library} is not installed (httpx2 needs Python 3.11)")] if absent else []
        )
        return pytest.param(self, id=str(self), marks=marks)


SURFACES = [
    Surface(library, backend).param() for library in ("httpx", "httpx2") for backend in (None, "asyncio", "trio")
]
every_surface = pytest.mark.parametrize("surface", SURFACES)


@dataclass
class Waits:
    """Sleeps that only write down how long they were asked for; a clock that moves with them."""

    asked: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)

    async def asleep(self, seconds: float) -> None:
        self.asked.append(seconds)

    def runtime(self, **more: Any) -> Runtime:
        """Return a runtime on these sleeps, its jitter at the longest."""
        return Runtime(sleep=self.sleep, asleep=self.asleep, **{"random": lambda: 1.0, **more})


class Caller:
    """A client with our layer on, or anything else made by ``make``, called and awaited alike."""

    def __init__(self, surface: Surface, client: Any, run: Callable[..., Any]) -> None:
        self.surface = surface
        self.client = client
        self._run = run

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method of the client, awaiting it where that is needed."""
        return self._run(function, *args, **kwargs)

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """Make a request and read the whole answer."""
        return self.call(self.client.request, method, url, **kwargs)

    def stream(self, method: str, url: str, **kwargs: Any) -> tuple[Any, bytes, Exception | None]:
        """Read an answer as it comes; return it, the bytes that came, and the error that ended them."""
        request = self.client.build_request(method, url, **kwargs)
        answer = self.call(self.client.send, request, stream=True)
        chunks: list[bytes] = []

        def read() -> None:
            with contextlib.closing(answer):
                chunks.extend(answer.iter_bytes())

        async def aread() -> None:
            async with contextlib.aclosing(answer):
                async for chunk in answer.aiter_bytes():
                    chunks.append(chunk)

        broken = None
        try:
            self.call(read if self.surface.backend is None else aread)
        except self.surface.module.HTTPError as error:
            broken = error
        return answer, b"".join(chunks), broken

    def error(self, method: str, url: str, **kwargs: Any) -> Exception:
        """Make a request that must raise, and return what it raised."""
        try:
            answer = self.request(method, url, **kwargs)
        except self.surface.module.HTTPError as error:
            return error
        raise AssertionError(f"expected an exception, got {answer}")


@contextmanager
def calling(surface: Surface, anyint: Resilience | None, *, wrap: bool = False, **options: Any) -> Iterator[Caller]:
    """Open a client on a surface: our transport made from ``options``, or ``wrap`` around a client made from them."""
    module, adapter = surface.module, surface.adapter
    with ExitStack() as stack:
        if surface.backend is None:
            run: Callable[..., Any] = lambda function, *a, **k: function(*a, **k)  # noqa: E731
            kind, transport = module.Client, adapter.ResilientTransport
        else:
            portal = stack.enter_context(start_blocking_portal(surface.backend))
            kind, transport = module.AsyncClient, adapter.AsyncResilientTransport

            def run(function: Callable[..., Any], *a: Any, **k: Any) -> Any:
                async def awaited() -> Any:
                    return await function(*a, **k)

                return portal.call(awaited)

        client_options = {"timeout": options.pop("timeout", 5.0), "base_url": options.pop("base_url", "")}
        for name in ("headers", "mounts", "follow_redirects", "event_hooks", "trust_env"):
            if name in options:
                client_options[name] = options.pop(name)
        if anyint is None:
            client = kind(**client_options, **options)
        elif wrap:
            client = adapter.wrap(kind(**client_options, **options), anyint)
        else:
            client = kind(transport=transport(anyint, **options), **client_options)
        caller = Caller(surface, client, run)
        try:
            yield caller
        finally:
            caller.call(client.close if surface.backend is None else client.aclose)
