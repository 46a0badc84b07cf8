"""Everything impure, in one injectable value: clocks, random numbers and sleeping.

Must not know what it is used for.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Runtime", "in_time", "later"]

T = TypeVar("T")


async def _asleep(seconds: float) -> None:
    # anyio is there wherever httpx is and knows asyncio from trio; without it only asyncio can be running.
    try:
        from anyio import sleep
    except ImportError:
        from asyncio import sleep
    await sleep(seconds)


async def in_time(seconds: float, awaitable: Awaitable[T]) -> T:
    """Await something for so many seconds at the most, then cancel it; on asyncio and trio.

    Raises:
        TimeoutError: (on Python 3.10 without anyio ``asyncio.TimeoutError``) if that was not enough.
    """
    try:
        from anyio import fail_after
    except ImportError:
        if sys.version_info >= (3, 11):
            from asyncio import timeout
        else:
            from async_timeout import timeout  # aiohttp brings it where asyncio has none
        async with timeout(seconds):
            return await awaitable
    with fail_after(seconds):
        return await awaitable


def later(seconds: float, call: Callable[[], object]) -> Callable[[], object]:
    """Have something called on the running asyncio loop after so many seconds; return what calls that off."""
    from asyncio import get_running_loop

    return get_running_loop().call_later(seconds, call).cancel


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The outside world: ``monotonic`` and ``wall`` in seconds, ``random`` in [0, 1), two ways to sleep."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    sleep: Callable[[float], object] = time.sleep
    asleep: Callable[[float], Awaitable[object]] = _asleep
