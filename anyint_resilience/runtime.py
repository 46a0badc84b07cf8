"""Everything impure, in one injectable value: clocks, random numbers and sleeping.

Must not know what it is used for.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["Runtime"]


async def _asleep(seconds: float) -> None:
    # anyio is there wherever httpx is and knows asyncio from trio; without it only asyncio can be running.
    try:
        from anyio import sleep
    except ImportError:
        from asyncio import sleep
    await sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The outside world: ``monotonic`` and ``wall`` in seconds, ``random`` in [0, 1), two ways to sleep."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    sleep: Callable[[float], object] = time.sleep
    asleep: Callable[[float], Awaitable[object]] = _asleep
