"""Who of many waiters asks when: so many queries a second and no more, first come, first served.

Must not know what is asked, nor sleep: it gives out times, in seconds of the clock that its callers read.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from threading import RLock

from ..forking import after_fork

__all__ = ["Timetable", "shared_timetable"]

_MOST_KINDS = 256


class _Line:
    """The slots of one kind, one after the other. Those given back are given out first."""

    __slots__ = ("free", "next")

    def __init__(self) -> None:
        self.next = -inf
        self.free: list[float] = []

    def slot(self, now: float, gap: float) -> float:
        while self.free:
            found = heappop(self.free)
            if found >= now:
                return found
        at = max(now, self.next)
        self.next = at + gap
        return at


class Timetable:
    """The slots of every kind of query of a process. Safe to use from many threads.

    A slot is taken when a query is due, not before, so that a wait of an hour holds nothing up; one that is given back
    (its wait was cancelled) goes to the next who comes.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        after_fork(self, Timetable._forked)
        self._lock = RLock()  # a wait that is garbage gives its slot back wherever the collector runs

    def _forked(self) -> None:
        self._lock = RLock()

    def take(self, kind: str, now: float, rate: float) -> float:
        """Return when a query of this kind may go out: now, or as soon as no more than ``rate`` go out in a second."""
        with self._lock:
            line = self._lines.get(kind)
            if line is None:
                if len(self._lines) >= _MOST_KINDS:
                    self._lines = {name: it for name, it in self._lines.items() if it.next > now}
                line = self._lines[kind] = _Line()
            return line.slot(now, 1 / rate)

    def give_back(self, kind: str, at: float) -> None:
        """Give a slot back that was not used."""
        with self._lock:
            line = self._lines.get(kind)
            if line is not None:
                heappush(line.free, at)


_SHARED = Timetable()


def shared_timetable() -> Timetable:
    """Return the timetable of this process, which all configurations with the real clock share."""
    return _SHARED
