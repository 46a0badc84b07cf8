"""``resume_stream``: left in the middle, cancelled, wrongly used, and what is left of it. Must not know any client."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from anyint_resilience import Resilience, StreamInterrupted, resume_stream
from anyint_resilience.runtime import Runtime
from tests.unit.resuming_kit import World, broken
from tests.unit.resuming_sources import SHAPES, Source, every_way, play, resumed

# --- left, closed, cancelled


def test_left_in_the_middle_it_closes_the_stream() -> None:
    """At the end of the block, whatever ends it."""
    for leave in (None, ValueError("mine"), broken(), KeyboardInterrupt()):
        source = Source(["a", "b"], ["a"])
        with contextlib.suppress(BaseException):
            with resumed(source, World(), "sync") as items:
                for _ in items:
                    if leave is not None:
                        raise leave
                    break
                assert not source.closed
        assert (source.made, len(source.closed)) == (1, 1), leave


@pytest.mark.anyio
@pytest.mark.parametrize("shape", [shape for way, shape in SHAPES if way == "trio"])
async def test_left_in_the_middle_it_closes_the_stream_awaiting(shape: str) -> None:
    """The same, whatever the shape."""
    for leave in (None, ValueError("mine"), broken()):
        source = Source(["a", "b"], ["a"])
        with contextlib.suppress(Exception):
            async with resume_stream(getattr(source, shape), anyint=World().anyint()) as items:
                async for _ in items:
                    if leave is not None:
                        raise leave
                    break
                assert not source.closed
        assert (source.made, len(source.closed)) == (1, 1), leave


@pytest.mark.parametrize("shape", ["generator", "stream", "manager"])
def test_left_without_a_block_it_closes_the_stream_at_once(shape: str) -> None:
    """As a generator does when its loop is left; not some time later, when the cycle collector comes by."""
    source = Source(["a", "b"])
    gc.disable()
    try:
        for _ in resume_stream(getattr(source, shape), anyint=World().anyint()):
            break
        assert len(source.closed) == 1
    finally:
        gc.enable()


@pytest.mark.anyio
async def test_cancelled_it_closes_the_stream_and_asks_no_more() -> None:
    """In the middle of a stream, and in the wait before a new one."""
    for where in ("item", "wait"):
        source = Source(["a", broken()], ["a"])
        scope = anyio.CancelScope()

        async def asleep(seconds: float, scope: anyio.CancelScope = scope) -> None:
            scope.cancel()
            await anyio.lowlevel.checkpoint()

        anyint = Resilience(api_key="key", runtime=Runtime(asleep=asleep))
        with scope:
            async with resume_stream(source.agenerator, anyint=anyint) as items:
                async for _ in items:
                    if where == "item":
                        scope.cancel()
        assert scope.cancelled_caught
        assert (source.made, len(source.closed)) == (1, 1), where


class Fresh:
    """A stream that makes its iterator when it is asked for one, and has nothing to close itself."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Iterator[Any]:
        return self.source.generator()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.source.agenerator()


@pytest.mark.anyio
async def test_an_iterator_made_of_a_stream_is_closed_too() -> None:
    """Left in the middle: where the stream has an ``__iter__`` that is a generator, that one holds the connection."""
    source, kept = Source(["a", "b"], ["a", "b"]), []

    def make() -> Fresh:
        kept.append(Fresh(source))
        return kept[-1]

    async with resume_stream(make, anyint=World().anyint()) as items:
        async for _ in items:
            break
    assert len(source.closed) == 1
    with resume_stream(make, anyint=World().anyint()) as again:
        for _ in again:
            break
    assert len(source.closed) == 2


# --- wrong use


def test_it_is_iterated_over_once() -> None:
    """A second time would ask anew without saying so."""
    source = Source(["a"], ["b"])
    once = resumed(source, World(), "sync")
    assert list(once) == ["a"]
    with pytest.raises(TypeError, match="call resume_stream again"):
        iter(once)
    with pytest.raises(TypeError, match="call resume_stream again"):
        aiter(once)
    assert source.made == 1


def test_nothing_is_asked_for_before_the_first_item() -> None:
    """Neither when it is made, nor entered, nor when an iterator is taken of it."""
    source = Source(["a"])
    with resumed(source, World(), "sync"):
        pass
    with resumed(source, World(), "sync") as items:
        iter(items)
    assert source.made == 0


async def _coroutine() -> list[str]:
    return ["a"]


class Response:
    """A bare client's response: closed, but nothing to iterate over."""

    closed = 0

    def close(self) -> None:
        Response.closed += 1


WRONG: list[tuple[str, Callable[[], Any], str, str]] = [
    ("sync", lambda: None, "'for'", "NoneType"),
    ("sync", lambda: 3, "'for'", "int"),
    ("sync", _coroutine, "'for'", "coroutine"),
    ("sync", lambda: Source(["a"]).agenerator(), "'for'", "async_generator"),
    ("sync", lambda: Response(), "'for'", "Response"),
    ("asyncio", lambda: None, "'async for'", "NoneType"),
    ("asyncio", lambda: ["a"], "'async for'", "list"),
    ("asyncio", _coroutine, "'async for'", "list"),
    ("trio", lambda: Response(), "'async for'", "Response"),
]


@pytest.mark.parametrize(("way", "make", "how", "what"), WRONG)
def test_what_can_not_be_iterated_over_is_said(way: str, make: Callable[[], Any], how: str, what: str) -> None:
    """With what is wanted and what was returned; it is closed, and not asked for again."""
    Response.closed = 0
    asked: list[int] = []
    seen = play(resume_stream(lambda: asked.append(1) or make(), anyint=World().anyint()), way)
    assert isinstance(seen.error, TypeError)
    assert f"iterated over with {how}, not {what}" in str(seen.error)
    assert (len(asked), Response.closed) == (1, int(what == "Response"))


# --- the application's own exceptions


@every_way
def test_the_applications_exception_is_not_the_streams(way: str) -> None:
    """Raised in the loop's body it leaves the loop, even if it looks like an interrupted stream."""
    source, mine = Source(["a", "b"], ["a"]), broken()

    def raises(item: Any) -> None:
        raise mine

    seen = play(resumed(source, World(), way), way, raises)
    assert (seen.error, seen.plain, source.made) == (mine, ["a"], 1)


def test_an_exception_thrown_in_comes_out() -> None:
    """By a generator that hands on what it is thrown."""
    source, mine = Source(["a", "b"], ["a"]), ValueError("mine")
    running: Any = iter(resumed(source, World(), "sync"))
    next(running)
    with pytest.raises(ValueError, match="mine") as caught:
        running.throw(mine)
    assert caught.value is mine
    assert (source.made, len(source.closed)) == (1, 1)


# --- what is left in memory


class Marked(StreamInterrupted):
    """An exception that can be told from others."""


class Breaking:
    """Breaks off each run but the last, and keeps nothing of what it raises."""

    def __init__(self, cuts: int) -> None:
        self.cuts = cuts
        self.raised: list[weakref.ref[Any]] = []

    def run(self) -> Iterator[str]:
        yield "a"
        self._end()
        yield "b"

    async def arun(self) -> AsyncIterator[str]:
        yield "a"
        self._end()
        yield "b"

    def _end(self) -> None:
        if len(self.raised) < self.cuts:
            self._raise()

    def _raise(self) -> None:
        error = broken(kind=Marked)
        self.raised.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Let only what nothing refers to be freed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


ENDS = pytest.mark.parametrize(
    ("cuts", "items"), [(2, 9), (3, 9), (2, 5), (1, 2)], ids=["whole", "raised", "left", "told"]
)


@ENDS
def test_nothing_is_left_to_the_cycle_collector(cuts: int, items: int) -> None:
    """Neither the exceptions, whose tracebacks hold frames and what is in them, nor the resumed stream."""
    source = Breaking(cuts)

    def reads() -> weakref.ref[Any]:
        with contextlib.suppress(Marked):
            with resume_stream(source.run, anyint=World().anyint()) as running:
                kept, taken = weakref.ref(running), 0
                for item in running:
                    del item  # or this frame would hold what holds this frame
                    taken += 1  # noqa: SIM113
                    if taken == items:
                        break
        return kept

    with no_collector():
        kept = reads()
        assert len(source.raised) == cuts
        assert [it() for it in (*source.raised, kept)] == [None] * (cuts + 1)


@pytest.mark.anyio
@ENDS
async def test_nothing_is_left_to_the_cycle_collector_awaiting(cuts: int, items: int) -> None:
    """The same."""
    source = Breaking(cuts)

    async def reads() -> weakref.ref[Any]:
        with contextlib.suppress(Marked):
            async with resume_stream(source.arun, anyint=World().anyint()) as running:
                kept, taken = weakref.ref(running), 0
                async for item in running:
                    del item
                    taken += 1
                    if taken == items:
                        break
        return kept

    with no_collector():
        kept = await reads()
        assert len(source.raised) == cuts
        assert [it() for it in (*source.raised, kept)] == [None] * (cuts + 1)
