"""Everything impure, in one injectable value: clocks, random numbers and sleeping.

Must not know what it is used for.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

__all__ = ["REAL", "Bell", "Runtime", "in_time", "later", "on_asyncio", "redirect", "shielded"]

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


def shielded() -> AbstractContextManager[object]:
    """Let what is awaited inside come to its end though who awaits it has been cancelled; needs anyio."""
    from anyio import CancelScope

    return CancelScope(shield=True)


def on_asyncio() -> bool:
    """Whether an asyncio loop runs in this thread."""
    from asyncio import get_running_loop

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


def later(seconds: float, call: Callable[[], object]) -> Callable[[], object]:
    """Have something called on the running asyncio loop after so many seconds; return what calls that off."""
    from asyncio import get_running_loop

    return get_running_loop().call_later(seconds, call).cancel


class Bell:
    """Wakes who rests, be it a thread or a coroutine, from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._wake: Callable[[], object] | None = None

    def ring(self) -> bool:
        """Wake whoever rests now, or rests next; False if who rested there is gone with its event loop."""
        self._event.set()
        wake = self._wake
        try:
            if wake is not None:
                wake()
        except RuntimeError:
            return False
        return True

    def rest(self, seconds: float) -> bool:
        """Rest for so many seconds, or until it rings; return whether it did."""
        rang = self._event.wait(min(seconds, threading.TIMEOUT_MAX))
        if rang:  # else it may ring just now: that is for whoever rests next
            self._event.clear()
        return rang

    async def arest(self, seconds: float) -> bool:
        """Do as :meth:`rest`, awaiting; on asyncio and trio."""
        waker, self._wake = _waker()
        try:
            if not self._event.is_set():
                with suppress(*_timeouts()):
                    await in_time(seconds, waker())
            rang = self._event.is_set()
        finally:
            self._wake = None
        if rang:
            self._event.clear()
        return rang


def _timeouts() -> tuple[type[BaseException], ...]:
    from asyncio import TimeoutError as AsyncTimeout  # the built-in one from Python 3.11 on

    return TimeoutError, AsyncTimeout


def _waker() -> tuple[Callable[[], Awaitable[object]], Callable[[], object]]:
    """Return what waits on the running event loop until it is woken, and what wakes it from any thread."""
    try:
        from asyncio import Event, get_running_loop

        loop, event = get_running_loop(), Event()
    except RuntimeError:  # not asyncio
        import trio

        token, told = trio.lowlevel.current_trio_token(), trio.Event()
        return told.wait, lambda: token.run_sync_soon(told.set)
    return event.wait, lambda: loop.call_soon_threadsafe(event.set)


class _Way(partial[Any]):
    """Leads to the real thing, or for all who hold it already to another; at C's speed, since a good call goes it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _way, (next(name for name, it in _WAYS.items() if it is self),)


def _way(name: str) -> _Way:
    return _WAYS[name]


REAL: Final[dict[str, Callable[..., Any]]] = {
    "monotonic": time.monotonic,
    "wall": time.time,
    "random": random.random,
    "sleep": time.sleep,
    "asleep": _asleep,
    "rest": Bell.rest,
    "arest": Bell.arest,
}
"""Where the defaults of :class:`Runtime` lead, and its rests at a bell."""

_WAYS: Final = {name: _Way(real) for name, real in REAL.items()}


def redirect(**ways: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """For tests: lead some of the defaults elsewhere, in each ``Runtime()`` of this process.

    Returns where they led before: ``redirect(**before)`` leads back.
    """
    before: dict[str, Callable[..., Any]] = {name: _WAYS[name].func for name in ways}
    for name, way in ways.items():
        _WAYS[name].__setstate__((way, (), {}, {}))  # type: ignore[attr-defined]  # what unpickling calls
    return before


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The outside world: ``monotonic`` and ``wall`` in seconds, ``random`` in [0, 1), two ways to sleep."""

    monotonic: Callable[[], float] = _WAYS["monotonic"]
    wall: Callable[[], float] = _WAYS["wall"]
    random: Callable[[], float] = _WAYS["random"]
    sleep: Callable[[float], object] = _WAYS["sleep"]
    asleep: Callable[[float], Awaitable[object]] = _WAYS["asleep"]

    def rest(self, bell: Bell, seconds: float) -> bool:
        """Rest until the time is over or the bell rings; return whether it rang. A sleep of others is not woken."""
        if self.sleep is _WAYS["sleep"]:
            return bool(_WAYS["rest"](bell, seconds))
        if self.sleep is time.sleep:  # given by hand: in tests too it is the real one
            return bell.rest(seconds)
        self.sleep(seconds)
        return False

    async def arest(self, bell: Bell, seconds: float) -> bool:
        """Do as :meth:`rest`, awaiting."""
        if self.asleep is _WAYS["asleep"]:
            return bool(await _WAYS["arest"](bell, seconds))
        await self.asleep(seconds)
        return False
