"""Requests that ended without success a moment ago and come again: a retry layer above that says nothing of itself.

Must not know any client or clock, nor hold anything of a request but a hash. It only tells; nothing is refused.
"""

from __future__ import annotations

from typing import Any

from .stores.protocol import State, Store

__all__ = ["MULTIPLY", "WINDOW", "Repeats"]

WINDOW = 60.0
"""Seconds after its end in which the same request counts as sent again."""

MULTIPLY = (
    "the same request came again after it had failed, and failed again: if a retry layer above sends it, attempts "
    "multiply; let one layer retry (report(x).repeats counts)"
)
_PREFIX = "ended:"


def end(state: State | None, now: float) -> tuple[State | None, int]:
    """Count one more call that ended without success. Verdict: how many there were before it."""
    _, before = look(state, now)
    return {"count": before + 1, "at": now}, before


def look(state: State | None, now: float) -> tuple[State | None, int]:
    """Change nothing. Verdict: how many calls of this kind ended without success within the window."""
    return state, 0 if state is None or now - state["at"] >= WINDOW else int(state["count"])


class Repeats:
    """The failed requests of one :class:`~anyint_resilience.Resilience`, by what makes each the same one.

    Bounded and forgetful like its store, which is this process's memory: a retry layer lives in the process.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._any = False  # so that no request need be named for as long as none has failed

    @property
    def any(self) -> bool:
        """Whether any request has ended without success yet."""
        return self._any

    def before(self, name: str) -> int:
        """Return how often this request has ended without success within the last minute."""
        found: int = self._store.update(_PREFIX + name, look, WINDOW)
        return found

    def ended(self, name: str) -> bool:
        """Note that it has ended without success; True if it has now done so for the second time."""
        self._any = True
        before: Any = self._store.update(_PREFIX + name, end, WINDOW)
        return bool(before == 1)
