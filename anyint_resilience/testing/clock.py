"""A clock that waits move: whoever sleeps is woken at once, and finds that the time has passed.

Must not know what waits for what, nor the gateway: only its clock, which moves along.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, nullcontext
from threading import RLock
from typing import Protocol

from ..runtime import REAL, Bell

__all__ = ["NoSleep", "VirtualClock"]

_PAUSE = 0.0005  # real seconds between two looks
_LOOKS = 2  # in a row that must find nothing under way
_PATIENCE = 0.2  # real seconds after which who does not come back holds nobody up
_AT_A_BELL = 1.0  # the same for who waits for a bell: what is on the wire may be about to ring it


class Movable(Protocol):
    """Another clock, such as an emulator's."""

    @property
    def virtual(self) -> bool:
        """Whether it moves by ``advance`` alone."""
        ...

    def now(self) -> float:
        """Return its seconds."""
        ...

    def advance(self, seconds: float) -> None:
        """Move it ahead."""

    def watch(self, watcher: Callable[[], object]) -> None:
        """Call this after every ``advance``."""


class Traffic(Protocol):
    """Who may be on the way to a wait of its own."""

    def busy(self) -> bool:
        """Whether anybody is."""
        ...

    def resting(self) -> AbstractContextManager[None]:
        """Return a block in which whoever calls this is not."""
        ...


class NoTraffic:
    """Nobody is."""

    def busy(self) -> bool:
        """Return False."""
        return False

    def resting(self) -> AbstractContextManager[None]:
        """Return a block that does nothing."""
        return nullcontext()


class VirtualClock:
    """The clock of one test. It stands still but for ``advance``, and for waits of our layer: they move it, and take no
    time.

    For time-outs and deadlines the real milliseconds of requests count as always. Several who wait at once wait
    together, as in life: the clock goes to the first of their ends, once all calls under way are waiting.
    """

    def __init__(self, traffic: Traffic | None = None) -> None:
        self._traffic: Traffic = NoTraffic() if traffic is None else traffic
        self._lock = RLock()
        self._now = 0.0
        self._ends: list[float] = []
        self._slept: list[float] = []
        self._linked: list[tuple[Movable, list[float]]] = []

    def __repr__(self) -> str:
        return f"VirtualClock(now={self._now:.3f}, slept={self.slept!r})"

    def now(self) -> float:
        """Return the seconds that were waited or skipped since the test began: 0.0 at first."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock ahead, those linked to it too; raises ValueError for a step that is not >= 0."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"the clock moves ahead by a number of seconds >= 0, not {seconds!r}")
        with self._lock:
            self._move_to(self._now + seconds)

    @property
    def slept(self) -> list[float]:
        """The seconds of each wait that was waited to its end, in order: retries, turns in line, task polls."""
        return list(self._slept)

    def link(self, clock: Movable) -> None:
        """Let another clock move with this one, and this one with it: ``anyint_clock.link(second_emulator.clock)``.

        Raises:
            ValueError: if it runs by itself.
        """
        if not clock.virtual:
            raise ValueError("only a virtual clock can be linked: this one runs by itself")
        seen = [clock.now()]
        with self._lock:
            self._linked.append((clock, seen))

        def moved() -> None:
            with self._lock:
                ahead, seen[0] = clock.now() - seen[0], clock.now()
                if ahead > 0:
                    self._move_to(self._now + ahead, mover=clock)

        clock.watch(moved)

    def _move_to(self, at: float, mover: Movable | None = None) -> None:
        ahead, self._now = at - self._now, at
        for clock, seen in self._linked:
            if clock is not mover:
                seen[0] = clock.now() + ahead  # so that it does not move us in its turn
                clock.advance(ahead)

    # what takes the place of the real thing

    def monotonic(self) -> float:
        """Return real seconds and those that were skipped."""
        return float(REAL["monotonic"]()) + self._now

    def wall(self) -> float:
        """Return the Unix time, with the seconds that were skipped."""
        return float(REAL["wall"]()) + self._now

    def sleep(self, seconds: float) -> None:
        """Wait without taking time."""
        with closing(self._pauses(seconds)) as pauses:
            for pause in pauses:
                REAL["sleep"](pause)

    async def asleep(self, seconds: float) -> None:
        """Do the same, awaiting."""
        with closing(self._pauses(seconds)) as pauses:
            for pause in pauses:
                await REAL["asleep"](pause)

    def rest(self, bell: Bell, seconds: float) -> bool:
        """Wait without taking time, or until the bell rings; return whether it did."""
        with closing(self._pauses(seconds, _AT_A_BELL)) as pauses:
            return any(REAL["rest"](bell, pause) for pause in pauses)

    async def arest(self, bell: Bell, seconds: float) -> bool:
        """Do the same, awaiting."""
        with closing(self._pauses(seconds, _AT_A_BELL)) as pauses:
            for pause in pauses:
                if await REAL["arest"](bell, pause):
                    return True
        return False

    def _pauses(self, seconds: float, patience: float = _PATIENCE) -> Generator[float, None, None]:
        """Yield real pauses until the time has come: others have that long to do what they are about."""
        with self._lock:
            end = self._now + seconds
            self._ends.append(end)
        quiet, paused = 0, 0.0
        try:
            with self._traffic.resting():
                while self._now < end:
                    quiet = quiet + 1 if self._idle() else 0
                    if quiet >= _LOOKS or paused >= patience:
                        quiet, paused = 0, 0.0
                        self._move_on()
                    if self._now < end:
                        yield _PAUSE
                        paused += _PAUSE
        finally:
            with self._lock:
                self._ends.remove(end)
        self._slept.append(seconds)

    def _idle(self) -> bool:
        """Whether no call is under way but such as wait, and everybody whose time has come is gone."""
        with self._lock:
            return not self._traffic.busy() and all(end > self._now for end in self._ends)

    def _move_on(self) -> None:
        """Move to the next end of a wait, whoever's it is: that one's event loop may be held up."""
        with self._lock:
            ahead = [end for end in self._ends if end > self._now]
            if ahead:
                self._move_to(min(ahead))


class NoSleep:
    """What ``anyint_no_sleep`` is: the waits that were asked for, and took no time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    @property
    def waits(self) -> list[float]:
        """The seconds of each, in order."""
        return self._clock.slept

    def __repr__(self) -> str:
        return f"NoSleep(waits={self.waits!r})"
