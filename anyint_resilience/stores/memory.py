"""The default store: a bounded dictionary in this process, under one lock.

Must not know what the states mean. The clock is injected.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import Any

from ..forking import after_fork
from .protocol import State, Step, kept_for

__all__ = ["MemoryStore"]

_LEAST = 64  # updates from one tidying to the next


class MemoryStore:
    """State of one process, at most ``max_entries`` keys: the one least recently updated goes first.

    States with ``"keep": True`` go only when there are no others. Safe to use from many threads.
    """

    owner = ""
    """Nobody shares this memory, so nobody needs a name."""

    def __init__(self, clock: Callable[[], float], *, max_entries: int = 10_000) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._lock = Lock()
        self._entries: dict[str, tuple[float, State]] = {}
        self._left = _LEAST
        # Keys, least recently updated first. Ordered dicts: the first of a plain one is slow to find after many left.
        self._passing: OrderedDict[str, None] = OrderedDict()
        self._kept: OrderedDict[str, None] = OrderedDict()
        after_fork(self, MemoryStore._forked)

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled store is an empty one: another process shares none of this one's memory."""
        return partial(MemoryStore, max_entries=self._max_entries), (self._clock,)

    def anew(self) -> MemoryStore:
        """Return an empty store like this one, with a lock of its own."""
        return MemoryStore(self._clock, max_entries=self._max_entries)

    def _forked(self) -> None:
        self._lock = Lock()

    def gone(self, owner: str) -> bool:
        """Return False: whoever can read this memory lives."""
        return False

    def update(self, key: str, step: Step, ttl: float) -> Any:
        """Run ``step`` under the lock; see :class:`~anyint_resilience.stores.protocol.Store`."""
        with self._lock:
            now = self._clock()
            expires, state = self._entries.get(key, (now, None))
            new, verdict = step(state if now < expires else None, now)
            self._passing.pop(key, None)
            self._kept.pop(key, None)
            if new is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = (now + kept_for(ttl, new), new)
                (self._kept if new.get("keep") is True else self._passing)[key] = None
                while len(self._entries) > self._max_entries:
                    first, _ = (self._passing if self._passing else self._kept).popitem(last=False)
                    del self._entries[first]
                self._left -= 1
                if self._left <= 0:
                    self._tidy(now)
            return verdict

    def _tidy(self, now: float) -> None:
        """Let go of what has expired; not before as many updates as there are entries: it looks at each of them."""
        for key in [key for key, (expires, _) in self._entries.items() if expires <= now]:
            del self._entries[key]
            self._passing.pop(key, None)
            self._kept.pop(key, None)
        self._left = max(_LEAST, len(self._entries))

    def scan(self, prefix: str) -> Iterator[tuple[str, State]]:
        """Yield a snapshot of the live entries under ``prefix``."""
        with self._lock:
            now = self._clock()
            found = [
                (k, dict(s)) for k, (expires, s) in self._entries.items() if k.startswith(prefix) and now < expires
            ]
        return iter(found)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._passing.clear()
            self._kept.clear()
