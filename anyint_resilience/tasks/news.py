"""News of tasks: who waits for them in this process, and which phases were told before.

Must not know any store, client or clock, nor believe anything.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from ..forking import after_fork
from ..stores.protocol import State
from .callbacks import PHASES

__all__ = ["News", "note_phase"]

_SHELF = 64  # tasks whose callbacks are remembered under one key, and there are 256 keys: nobody knows who posts them
_MOST_WORDS = 16  # phases kept of one task; one that is documented is kept beside any number of others


class News:
    """Who is to be woken when there is news of a task. Safe to use from many threads."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Callable[[], object]]] = {}
        after_fork(self, News._forked)
        self._lock = RLock()  # a wait that is garbage ends wherever the collector runs

    def _forked(self) -> None:
        self._lock = RLock()

    def ring(self, task_id: str) -> None:
        """Let whoever waits for a task look at it now."""
        with self._lock:
            rings = list(self._waiting.get(task_id, ()))
        for ring in rings:
            ring()

    def listen(self, task_id: str, ring: Callable[[], object]) -> Callable[[], object]:
        """Have something called when there is news of a task; return what ends that."""
        with self._lock:
            self._waiting.setdefault(task_id, []).append(ring)

        def end() -> None:
            with self._lock:
                held = self._waiting.get(task_id, [])
                if ring in held:
                    held.remove(ring)
                if not held:
                    self._waiting.pop(task_id, None)

        return end


def note_phase(state: State | None, now: float, *, task: str, phase: str) -> tuple[State, bool]:
    """Note a phase of a task, on a shelf that has room for so many tasks: the one told of last comes last."""
    shelf = {} if state is None else {name: it for name, it in state.items() if isinstance(it, dict)}
    known = shelf.pop(task, {})
    if phase in known or (len(known) >= _MOST_WORDS and phase not in PHASES):
        return {**shelf, task: known}, False
    kept = list(shelf.items())[-(_SHELF - 1) :]
    return {**dict(kept), task: {**known, phase: now}}, True
