"""What the fast lane counts. Must not know any guard or clock."""

from __future__ import annotations

from sysconfig import get_config_var
from threading import Lock, local
from typing import Any, Final

from ..forking import after_fork

__all__ = ["RECENT", "Exact", "Tally"]

RECENT: Final = 10.0
"""Seconds for which a success says that a gateway is up."""


class Tally:
    """What the fast lane counts of one host, without any lock where Python has a GIL: an estimate, never a promise.

    ``good``: successes that the budget has not been told of; ``out``: requests that are out now; ``last``: when the
    last one that succeeded began, on the runtime's clock, and ``flew``: how many were out when it came back, itself
    among them. (When a gateway hangs ever more are out, which says nothing of how many it bears.)
    """

    __slots__ = ("flew", "good", "last", "out")

    def __init__(self) -> None:
        self.good = 0
        self.out = self.flew = 0
        self.last = float("-inf")

    def lives(self, now: float) -> bool:
        """Whether anything has succeeded of late."""
        return 0.0 <= now - self.last < RECENT

    def take(self) -> int:
        """Return the successes counted, and begin anew."""
        good, self.good = self.good, 0
        return good


class Exact:
    """Stands in the place of a slot that is a number: what is set there is what it changes by since it was read.

    ``tally.out += 1`` reads and writes; a thread that comes in between, as it can without a GIL, must not undo that.
    """

    def __init__(self, slot: Any) -> None:
        self._slot = slot
        self._lock = Lock()
        self._read = local()
        after_fork(self, Exact._forked)

    def _forked(self) -> None:
        self._lock = Lock()

    def swap(self, tally: Tally) -> int:
        """Return the number, and set it to 0."""
        with self._lock:
            value = int(self._slot.__get__(tally, Tally))
            self._slot.__set__(tally, 0)
        return value

    def __get__(self, tally: Tally | None, owner: type[Tally]) -> Any:
        """Return the number, and remember which it was."""
        if tally is None:
            return self
        value = self._slot.__get__(tally, owner)
        self._read.value = (tally, value)
        return value

    def __set__(self, tally: Tally, value: int) -> None:
        """Change the number by as much as this thread means to."""
        read, before = getattr(self._read, "value", (None, 0))
        self._read.value = (None, 0)
        with self._lock:
            if read is tally:
                value += self._slot.__get__(tally, Tally) - before
            self._slot.__set__(tally, value)


if get_config_var("Py_GIL_DISABLED"):
    _GOOD, _OUT = Exact(vars(Tally)["good"]), Exact(vars(Tally)["out"])

    def _taken(tally: Tally) -> int:
        return _GOOD.swap(tally)

    for _name, _it in (("good", _GOOD), ("out", _OUT), ("take", _taken)):
        setattr(Tally, _name, _it)
