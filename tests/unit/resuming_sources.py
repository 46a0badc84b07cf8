"""Streams of every shape that ``make_request`` can return, played from lists, and an application that reads them.

Must not know any client, nor when a stream is asked for anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from anyint_resilience import Policy, Restarted, Resumed, resume_stream
from tests.unit.resuming_kit import World

__all__ = ["SHAPES", "WAYS", "Seen", "Source", "every_way", "play", "resumed"]

WAYS = ["sync", "asyncio", "trio"]
every_way = pytest.mark.parametrize("way", WAYS)


class Streamed:
    """What an SDK returns: iterated over, closed, a context manager."""

    def __init__(self, source: Source, run: list[Any]) -> None:
        self.source, self._iterator = source, iter(run)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return told(next(self._iterator))

    def __enter__(self) -> Streamed:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self.source.closed.add(id(self))


class Awaited(Streamed):
    """Its counterpart for ``async for``."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        await anyio.lowlevel.checkpoint()
        try:
            return self.__next__()
        except StopIteration:
            raise StopAsyncIteration from None

    __iter__ = None  # type: ignore[assignment]
    __enter__ = __exit__ = None  # type: ignore[assignment]

    async def __aenter__(self) -> Awaited:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self.close()


class Source:
    """Plays runs, each a list of what is given, raised, or done; knows how many were made, and which are closed."""

    def __init__(self, *runs: list[Any]) -> None:
        self.runs = list(runs)
        self.made = 0
        self.closed: set[int] = set()

    def next(self) -> list[Any]:
        self.made += 1
        return self.runs.pop(0)

    # shapes of make_request for ``for``

    def generator(self) -> Iterator[Any]:
        run, number = self.next(), self.made
        try:
            for it in run:
                yield told(it)
        finally:
            self.closed.add(number)

    def stream(self) -> Streamed:
        return Streamed(self, self.next())

    @contextlib.contextmanager
    def manager(self) -> Iterator[Iterator[Any]]:
        run, number = self.next(), self.made
        try:
            yield map(told, run)
        finally:
            self.closed.add(number)

    # and for ``async for``

    async def agenerator(self) -> AsyncIterator[Any]:
        run, number = self.next(), self.made
        try:
            for it in run:
                await anyio.lowlevel.checkpoint()
                yield told(it)
        finally:
            self.closed.add(number)

    def astream(self) -> Awaited:
        return Awaited(self, self.next())

    async def awaitable(self) -> Awaited:
        await anyio.lowlevel.checkpoint()
        return self.astream()

    async def awaitable_generator(self) -> AsyncIterator[Any]:
        return self.agenerator()

    @contextlib.asynccontextmanager
    async def amanager(self) -> AsyncIterator[AsyncIterator[Any]]:
        async with contextlib.aclosing(self.agenerator()) as made:  # type: ignore[type-var]
            yield made

    def of(self, way: str) -> Callable[[], Any]:
        """Return the plainest shape for this way."""
        return self.generator if way == "sync" else self.agenerator


SHAPES = [("sync", it) for it in ("generator", "stream", "manager")] + [
    (way, it)
    for way in ("asyncio", "trio")
    for it in ("agenerator", "astream", "awaitable", "awaitable_generator", "amanager")
]


def told(it: Any) -> Any:
    """Give, raise, or do what a run says."""
    if isinstance(it, BaseException):
        raise it
    return it() if callable(it) else it


class Seen:
    """What an application saw of a resumed stream: what was given, and what was raised."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.error: BaseException | None = None

    @property
    def restarts(self) -> list[Restarted]:
        return [it for it in self.items if isinstance(it, Restarted)]

    @property
    def plain(self) -> list[Any]:
        return ["again" if isinstance(it, Restarted) else it for it in self.items]


def play(resumed: Resumed[Any], way: str, each: Callable[[Any], object] = lambda item: None) -> Seen:
    """Iterate over a resumed stream to its end, ``each`` being the application."""
    seen = Seen()

    def take(item: Any) -> None:
        seen.items.append(item)
        each(item)

    async def iterate() -> None:
        async for item in resumed:
            take(item)

    try:
        if way == "sync":
            for item in resumed:
                take(item)
        else:
            anyio.run(iterate, backend=way)
    except BaseException as error:
        seen.error = error
    return seen


def resumed(source: Source, world: World, way: str, policy: Policy | None = None) -> Resumed[Any]:
    return resume_stream(source.of(way), anyint=world.anyint(), policy=policy)
