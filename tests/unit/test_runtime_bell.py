"""``Bell``: wakes a thread or a coroutine from any thread, on both event loops, and no ring is lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from anyint_resilience.runtime import Bell, Runtime

LONG = 600.0  # seconds that no test waits: it would run into its time-out


@contextmanager
def other_thread(*does: Any) -> Iterator[None]:
    thread = threading.Thread(target=lambda: [it() for it in does])
    thread.start()
    try:
        yield
    finally:
        thread.join()


class Watched(threading.Event):
    """An event that says when somebody waits for it, and may be rung at the worst moment."""

    def __init__(self, after: Any = None) -> None:
        super().__init__()
        self.waited = threading.Event()
        self.after = after
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        self.waited.set()
        rang = super().wait(timeout)
        if self.after is not None:
            self.after()
        return rang


def watched(after: Any = None) -> tuple[Bell, Watched]:
    bell = Bell()
    bell._event = event = Watched(after)
    return bell, event


def test_a_ring_before_the_rest_ends_it_at_once() -> None:
    """And is used up by it, however often it rang."""
    bell = Bell()
    bell.ring()
    bell.ring()
    assert bell.rest(LONG) is True
    assert bell.rest(0.0) is False


def test_a_ring_from_another_thread_ends_a_rest() -> None:
    """It comes when the rest has begun."""
    bell, event = watched()
    with other_thread(event.waited.wait, bell.ring):
        assert bell.rest(LONG) is True
    assert bell.rest(0.0) is False


def test_a_ring_just_as_the_time_is_over_is_for_the_next_rest() -> None:
    """The rest says that nothing rang, so the ring must not go down with it."""
    bell = Bell()
    bell._event = event = Watched(bell.ring)
    assert bell.rest(0.0) is False
    event.after = None
    assert bell.rest(LONG) is True


@pytest.mark.parametrize("seconds", [1e10, float("inf")])
def test_a_rest_longer_than_any_clock_is_one(seconds: float) -> None:
    """It rests as long as a thread can, and is woken as any other."""
    bell, event = watched()
    bell.ring()
    assert bell.rest(seconds) is True
    assert event.seconds == [threading.TIMEOUT_MAX]


@pytest.mark.anyio
async def test_a_ring_before_an_awaited_rest_ends_it_at_once() -> None:
    """On both event loops, and is used up by it."""
    bell = Bell()
    bell.ring()
    assert await bell.arest(LONG) is True
    assert await bell.arest(0.0) is False


@pytest.mark.anyio
async def test_a_ring_from_the_loop_or_another_thread_ends_an_awaited_rest() -> None:
    """A coroutine beside it, a callback's thread: both wake it, rest after rest."""
    bell = Bell()

    async def beside() -> None:
        while bell._wake is None:
            await anyio.lowlevel.checkpoint()
        bell.ring()

    def thread() -> None:
        while bell._wake is None:
            time.sleep(0)
        bell.ring()

    for _ in range(20):
        async with anyio.create_task_group() as group:
            group.start_soon(beside)
            assert await bell.arest(LONG) is True
        with other_thread(thread):
            assert await bell.arest(LONG) is True
    assert await bell.arest(0.0) is False


@pytest.mark.anyio
async def test_no_ring_between_two_looks_is_lost() -> None:
    """A thread that rings once for each rest, at any moment of it, wakes every one."""
    bell, rests, go = Bell(), 200, threading.Semaphore(0)

    def ringer() -> None:
        for _ in range(rests):
            go.acquire()
            bell.ring()

    with other_thread(ringer):
        for _ in range(rests):
            go.release()
            assert await bell.arest(LONG) is True


@pytest.mark.anyio
async def test_a_ring_as_an_awaited_rest_is_over_is_for_the_next() -> None:
    """It comes between the look at the bell and the end of the rest."""
    bell = Bell()

    class Late(threading.Event):
        looked = 0

        def is_set(self) -> bool:
            was = super().is_set()
            self.looked += 1
            if self.looked == 2:
                bell.ring()
            return was

    bell._event = Late()
    assert await bell.arest(0.0) is False
    assert await bell.arest(LONG) is True


@pytest.mark.anyio
async def test_a_cancelled_rest_leaves_the_bell_as_it_was() -> None:
    """Nobody is woken who is gone, and what rang meanwhile is for the next rest."""
    bell = Bell()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await bell.arest(LONG)
    assert scope.cancelled_caught
    assert bell._wake is None
    bell.ring()
    assert await bell.arest(LONG) is True


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_that_is_gone_is_no_trouble_to_who_rings(backend: str) -> None:
    """The callback came too late for a program that has ended its loop."""
    bell, kept = Bell(), list[Any]()

    async def rest() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(bell.arest, LONG)
            while bell._wake is None:
                await anyio.lowlevel.checkpoint()
            kept.append(bell._wake)
            group.cancel_scope.cancel()

    anyio.run(rest, backend=backend)
    bell._wake = kept[0]  # as one that read it a moment before
    bell.ring()
    assert bell.rest(LONG) is True


@pytest.mark.anyio
async def test_a_sleep_of_ones_own_is_slept_and_not_woken() -> None:
    """Tests and simulations give their own: the bell has no part in it."""
    slept: list[float] = []

    async def asleep(seconds: float) -> None:
        slept.append(seconds)

    bell = Bell()
    bell.ring()
    runtime = Runtime(sleep=slept.append, asleep=asleep)
    assert runtime.rest(bell, 5.0) is False
    assert await runtime.arest(bell, 6.0) is False
    assert slept == [5.0, 6.0]
    assert Runtime().rest(bell, LONG) is True
    bell.ring()
    assert await Runtime().arest(bell, LONG) is True


def test_asyncio_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no anyio, as with aiohttp by itself."""
    monkeypatch.setitem(__import__("sys").modules, "anyio", None)
    bell = Bell()

    async def rest() -> tuple[bool, bool]:
        asyncio.get_running_loop().call_soon(bell.ring)
        return await bell.arest(LONG), await bell.arest(0.0)

    assert asyncio.run(rest()) == (True, False)
