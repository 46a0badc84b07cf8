"""When to ask for a task: one schedule for a decision's ``delay`` and for whoever waits. Must not know who asks.

Origin: contract section 2.1 (assumed where AnyInt says nothing). Draws no random number and reads no clock.
"""

from __future__ import annotations

from typing import Final

from ..contract.tasks import POLL_GROWTH, POLL_JITTER, TaskStates
from .backoff import above_hint

__all__ = ["LONGEST_POLL", "SHORTEST_POLL", "first_wait", "interval", "next_wait"]

LONGEST_POLL: Final = 300.0
"""Seconds: a poll hint beyond this is a mistake (contract 4: a few minutes), and a task is not left alone for it."""

SHORTEST_POLL: Final = 0.5
"""Seconds: a hint below this would make a poll of a loop."""

_UNNAMED: Final = (5.0, 15.0)  # seconds before the first poll, and the longest interval, where no row says them


def interval(row: TaskStates | None, polls: int) -> float:
    """Return the seconds between two polls when so many were made: 0 for the wait before the first."""
    first, cap = _UNNAMED if row is None else (row.first_poll, row.cap)
    grown = first
    for _ in range(min(polls, 64)):
        grown *= POLL_GROWTH
    return min(grown, cap)


def first_wait(row: TaskStates | None, age: float, u: float) -> float:
    """Return the seconds until the first poll of a task that is so old; 0 for one that is older than that wait."""
    return max(0.0, _spread(interval(row, 0), u) - max(0.0, age))


def next_wait(row: TaskStates | None, polls: int, u: float, hint: float | None = None) -> float:
    """Return the seconds until the next poll when so many were made. A server's hint wins; nobody comes before it."""
    return _spread(interval(row, polls), u) if hint is None else above_hint(max(hint, SHORTEST_POLL), u)


def _spread(seconds: float, u: float) -> float:
    """Spread a wait by up to the share of the jitter, so that many waiters do not ask together."""
    return seconds * (1 + POLL_JITTER * (2 * u - 1))
