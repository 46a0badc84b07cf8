"""The default store: a bounded dictionary in this process, under one lock.

Must not know what the states mean. The clock is injected.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import Any

from .protocol import State, Step

__all__ = ["MemoryStore"]


class MemoryStore:
    """State of one process, at most ``max_entries`` keys: the one least recently updated goes first.

    Safe to use from many threads.
    """

    def __init__(self, clock: Callable[[], float], *, max_entries: int = 10_000) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._lock = Lock()
        self._entries: OrderedDict[str, tuple[float, State]] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled store is an empty one: another process shares none of this one's memory."""
        return partial(MemoryStore, max_entries=self._max_entries), (self._clock,)

    def update(self, key: str, step: Step, ttl: float) -> Any:
        """Run ``step`` under the lock; see :class:`~anyint_resilience.stores.protocol.Store`."""
        with self._lock:
            now = self._clock()
            expires, state = self._entries.get(key, (now, None))
            new, verdict = step(state if now < expires else None, now)
            if new is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = (now + ttl, new)
                self._entries.move_to_end(key)
                while len(self._entries) > self._max_entries:
                    self._entries.popitem(last=False)
            return verdict

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
