"""What streams.py measures on a real socket: the time to the first byte, and the memory of many streams at once.

Must not know any client. Sides take turns, request by request; the gateway is another process.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import time
import tracemalloc
from contextlib import AsyncExitStack
from typing import Any

from _leak_worker import memory
from _streams_chunks import DIALECTS
from _streams_clients import CLIENTS, client_of

__all__ = ["SIDES", "first_bytes", "memory_of"]

SIDES = ("bare", "ours")
WARM_UP = 20


def _first_sync(opened: Any, dialect: str, wanted: str, content: bytes) -> float:
    """Seconds from the request to the first piece (or the first with this in it); the rest is read."""
    begun, took = time.perf_counter(), 0.0
    with opened(dialect, wanted) as pieces:
        for piece in pieces:
            if not took and content in piece:
                took = time.perf_counter() - begun
    return took


async def _first_async(opened: Any, dialect: str, wanted: str, content: bytes) -> float:
    """Do as :func:`_first_sync`, awaiting."""
    begun, took = time.perf_counter(), 0.0
    async with opened(dialect, wanted) as pieces:
        async for piece in pieces:
            if not took and content in piece:
                took = time.perf_counter() - begun
    return took


async def first_bytes(name: str, url: str, times: int, wanted: str, content: bytes) -> dict[str, dict[str, float]]:
    """Microseconds to the first byte for each side, median and quartiles, and of the difference of each pair."""
    awaiting, chance = CLIENTS[name][1], random.Random(times)
    made = {side: client_of(name, side, url, 2) for side in SIDES}
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(-WARM_UP, times):
        for side in chance.sample(SIDES, len(SIDES)):
            opened, dialect = made[side][0], "openai chat"
            if awaiting:
                took = await _first_async(opened, dialect, wanted, content)
            else:
                took = _first_sync(opened, dialect, wanted, content)
            if number >= 0:
                taken[side].append(took * 1e6)
    for _, close in made.values():
        closed = close()
        if awaiting:
            await closed
    taken["added"] = [mine - bare for mine, bare in zip(taken["ours"], taken["bare"], strict=True)]
    return {side: _spread(them) for side, them in taken.items()}


def _spread(taken: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(taken, n=4)
    return {"median_us": round(middle, 1), "quartile_low_us": round(low, 1), "quartile_high_us": round(high, 1)}


async def memory_of(name: str, side: str, url: str, count: int, size: int, *, traced: bool) -> dict[str, float]:
    """KiB for each of so many streams that are open at once, with so many bytes read of each.

    ``traced``: what Python has allocated; otherwise what is resident.
    """
    opened, close = client_of(name, side, url, count)
    wanted, whole = f"hold {size}", asyncio.Event()
    out: list[asyncio.Task[None]] = []
    for _ in range(2):  # whatever is loaded late is loaded now
        await _hold(opened, wanted, size, [0], 1, asyncio.Event(), once=True)
    gc.collect()
    if traced:
        tracemalloc.start()
    before, came = (tracemalloc.get_traced_memory()[0] / 2**20 if traced else memory()), [0]
    out = [asyncio.create_task(_hold(opened, wanted, size, came, count, whole)) for _ in range(count)]
    await asyncio.wait_for(whole.wait(), 120)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0] / 2**20 if traced else memory()
    tracemalloc.stop()
    for task in out:
        task.cancel()
    await asyncio.gather(*out, return_exceptions=True)
    await close()
    return {"streams": came[0], "kib_per_stream": round((after - before) * 1024 / count, 2)}


async def _hold(
    opened: Any, wanted: str, size: int, came: list[int], count: int, whole: asyncio.Event, *, once: bool = False
) -> None:
    """Read so many bytes of a stream, and then wait for more."""
    async with AsyncExitStack() as closing:
        pieces = await closing.enter_async_context(opened("openai chat", wanted))
        read, told = 0, False
        async for piece in pieces:
            read += len(piece)
            if not told and read >= size * 0.95:
                told = True
                came[0] += 1
                if came[0] == count:
                    whole.set()
                if once:
                    return


CONTENT = b'"content"'
assert CONTENT in DIALECTS["openai chat"].content("x")
