"""The virtual clock: waits take no time, several wait together, and nobody who waits holds another up.

What is real here is pauses of half a millisecond, in which others may come to a wait of theirs.
"""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

pytest.importorskip("h11")

from anyint_resilience.emulator import Emulator
from anyint_resilience.runtime import REAL, Bell, Runtime, redirect
from anyint_resilience.testing import NoSleep, VirtualClock
from anyint_resilience.testing.clock import NoTraffic

EARLY = Runtime()  # as a service has it that makes its configuration when it is imported


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """A clock that all of this process go by."""
    made = VirtualClock()
    names = ("monotonic", "wall", "sleep", "asleep", "rest", "arest")
    redirect(**{name: getattr(made, name) for name in names})
    yield made
    redirect(**REAL)


def test_it_begins_at_nought_and_goes_by_advance(clock: VirtualClock) -> None:
    """Both clocks of a runtime that was made before show what was skipped."""
    before, wall = EARLY.monotonic(), EARLY.wall()
    assert clock.now() == 0.0
    clock.advance(600)
    assert clock.now() == 600.0
    assert EARLY.monotonic() - before >= 600
    assert EARLY.wall() - wall >= 600
    assert clock.slept == []


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
def test_it_goes_ahead_only(wrong: float) -> None:
    """Time does not go back."""
    with pytest.raises(ValueError, match="ahead"):
        VirtualClock().advance(wrong)


def test_the_real_world_is_back_afterwards() -> None:
    """Redirected and led back, the defaults are what they were, and the same for all who hold them."""
    redirect(monotonic=lambda: -1.0)
    assert EARLY.monotonic() == -1.0
    redirect(**REAL)
    assert EARLY.monotonic() > 0


@pytest.mark.parametrize("way", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))], ids=["copied", "pickled"])
def test_a_copy_of_the_defaults_is_the_defaults(way: Any) -> None:
    """Configurations with the real clock share their guards, copied or pickled too."""
    assert way(Runtime()) == Runtime()


def test_sleeps_are_written_down_and_move_it(clock: VirtualClock) -> None:
    """Each for as long as was asked."""
    EARLY.sleep(2.5)
    Runtime().sleep(0)
    assert EARLY.rest(Bell(), 1800.0) is False
    assert clock.slept == [2.5, 0, 1800.0]
    assert NoSleep(clock).waits == clock.slept
    assert clock.now() == 1802.5


@pytest.mark.anyio
async def test_awaited_sleeps_too(clock: VirtualClock) -> None:
    """On both event loops."""
    await EARLY.asleep(2.5)
    assert await EARLY.arest(Bell(), 1800.0) is False
    assert clock.slept == [2.5, 1800.0]


@pytest.mark.anyio
async def test_who_is_rung_for_has_not_waited(clock: VirtualClock) -> None:
    """A bell wakes at once, and the clock stays where it is."""
    bell = Bell()
    bell.ring()
    assert await EARLY.arest(bell, 60.0) is True
    bell.ring()
    assert EARLY.rest(bell, 60.0) is True
    assert (clock.now(), clock.slept) == (0.0, [])


@pytest.mark.anyio
async def test_many_wait_together(clock: VirtualClock) -> None:
    """Fifty who wait for two seconds have waited for two, not for a hundred; who waits longer ends later."""
    ends: list[float] = []

    async def waiter(seconds: float) -> None:
        await EARLY.asleep(seconds)
        ends.append(clock.now())

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(waiter, 2.0)
        group.start_soon(waiter, 5.0)
    assert ends == [*[2.0] * 50, 5.0]


def test_threads_wait_together(clock: VirtualClock) -> None:
    """As coroutines do."""
    ready, ends = threading.Barrier(3), []

    def waiter(seconds: float) -> None:
        ready.wait()
        EARLY.sleep(seconds)
        ends.append(seconds)

    threads = [threading.Thread(target=waiter, args=(seconds,)) for seconds in (9.0, 7.0, 9.0)]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    assert sorted(ends) == [7.0, 9.0, 9.0]
    assert 9.0 <= clock.now() < 7.0 + 9.0 + 9.0


def test_nobody_is_late_for_what_is_on_the_wire() -> None:
    """The clock does not move while a call is under way; one that never comes back holds it up for a moment only."""
    looks: list[float] = []

    class Passing(NoTraffic):
        def busy(self) -> bool:
            looks.append(clock.now())
            return len(looks) <= 5

    class Stuck(NoTraffic):
        def busy(self) -> bool:
            return True

    clock, stuck = VirtualClock(Passing()), VirtualClock(Stuck())
    clock.sleep(3.0)
    assert looks == [0.0] * len(looks)
    assert len(looks) > 5
    stuck.sleep(3.0)
    assert stuck.now() == 3.0


def test_a_blocked_loop_holds_nobody_up(clock: VirtualClock) -> None:
    """Who blocks an event loop passes by the end of a wait there, which can't move the clock itself."""

    async def main() -> None:
        other = asyncio.create_task(EARLY.asleep(1.0))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        EARLY.sleep(3.0)
        await other

    asyncio.run(main())
    assert clock.now() == 3.0


def test_a_wait_that_is_cut_off_is_forgotten(clock: VirtualClock) -> None:
    """It was the first to end, and nobody waits for it."""

    async def main() -> None:
        waiting = asyncio.create_task(EARLY.asleep(1.0))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError) as _kept:
            await waiting
        await EARLY.asleep(5.0)

    asyncio.run(main())
    assert (clock.now(), clock.slept) == (5.0, [5.0])


def test_linked_clocks_move_together(clock: VirtualClock) -> None:
    """Whichever is moved, by as much, and each from where it stood."""
    first, second = Emulator().clock, Emulator().clock
    second.advance(100)
    clock.link(first)
    clock.link(second)
    clock.sleep(1.5)
    first.advance(10)
    second.advance(20)
    assert (clock.now(), first.now(), second.now()) == (31.5, 31.5, 131.5)
    with pytest.raises(ValueError, match="runs by itself"):
        clock.link(Emulator(virtual_clock=False).clock)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_copy(clock: VirtualClock) -> None:
    """Its waits take no time either, and move the copy only."""
    clock.advance(5)
    child = os.fork()
    if child == 0:
        try:
            EARLY.sleep(3600)
            os._exit(0 if clock.now() == 3605.0 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert (clock.now(), clock.slept) == (5.0, [])
