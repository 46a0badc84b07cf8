"""Which calls of this process are under way, so that a clock does not run away from them.

Must not know tests or clocks. It is told by what it puts in the place of the core's own while a test runs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock, local
from typing import Any

from .. import drive
from ..guards.tally import Tally

__all__ = ["Traffic"]

# Whose calls these are: one that outlives its test was counted by another, in whose time it began.
_CALLING: ContextVar[object] = ContextVar("anyint_resilience_testing_calling", default=None)
_OUT: ContextVar[tuple[object, int]] = ContextVar("anyint_resilience_testing_out", default=(None, 0))

Patch = Callable[[Any, str, Any], object]


class Traffic:
    """How many requests are on the wire, how many calls go on after their first attempt, and how many of these rest."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._mark = object()
        self._out = _Out(Tally.__dict__["out"], self._went)
        self._busy = 0

    def watch(self, patch: Patch) -> None:
        """Begin: ``patch(owner, name, value)`` puts a value in the place of an attribute."""
        patch(Tally, "out", self._out)
        sync: Any = drive._flow_sync  # pyright: ignore[reportPrivateUsage]
        awaiting: Any = drive._flow_async  # pyright: ignore[reportPrivateUsage]

        def flow_sync(*given: Any) -> Any:
            with self._calling():
                return sync(*given)

        async def flow_async(*given: Any) -> Any:
            with self._calling():
                return await awaiting(*given)

        patch(drive, "_flow_sync", flow_sync)
        patch(drive, "_flow_async", flow_async)

    def busy(self) -> bool:
        """Whether any call is under way that does not rest."""
        return self._busy > 0

    @contextmanager
    def resting(self) -> Generator[None]:
        """Do not count the call of this context for as long as this block goes."""
        mine = int(_CALLING.get() is self._mark)
        self._count(-mine)
        try:
            yield
        finally:
            self._count(mine)

    def forget(self) -> None:
        """Let every tally that was seen begin anew: successes of one test earn no retries for the next."""
        for tally in self._out.seen():
            tally.good = tally.flew = 0
            tally.last = float("-inf")

    @contextmanager
    def _calling(self) -> Generator[None]:
        token = _CALLING.set(self._mark)
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)
            _CALLING.reset(token)

    def _went(self, change: int) -> None:
        """Count a request that goes out, and the return of one that was counted."""
        mark, out = _OUT.get()
        out = change + (out if mark is self._mark else 0)
        if out >= 0:
            _OUT.set((self._mark, out))
            self._count(change)

    def _count(self, change: int) -> None:
        with self._lock:
            self._busy += change


class _Out:
    """Stands in the place of ``Tally.out``: it goes on counting there, and tells of each change.

    ``tally.out += 1`` reads and writes; a thread that comes in between, which here it can, must not undo that.
    """

    def __init__(self, slot: Any, changed: Callable[[int], object]) -> None:
        self._slot = slot
        self._changed = changed
        self._lock = Lock()
        self._read = local()
        self._seen: dict[int, Tally] = {}

    def __get__(self, tally: Tally | None, owner: type[Tally]) -> Any:
        if tally is None:
            return self
        self._read.value = value = self._slot.__get__(tally, owner)
        return value

    def __set__(self, tally: Tally, value: int) -> None:
        with self._lock:
            self._seen[id(tally)] = tally
            try:
                change = value - self._read.value
                self._slot.__set__(tally, self._slot.__get__(tally, Tally) + change)
            except AttributeError:  # it is just being made
                self._slot.__set__(tally, value)
                return
        self._changed(change)

    def seen(self) -> list[Tally]:
        """Return every tally that changed."""
        return list(self._seen.values())
