"""How long to wait: the schedule, the jitter, and what still fits. Must not know why, and draws no random number.

Two rules. Without a hint: full jitter, ``u * ceiling``, with ceilings from the ``backoff`` package's exponential
generator. With a hint from the server: never earlier, and a little later by ``u`` so that a fleet told the same
second does not come back in the same second: up to 10 % of the hint and at most one second.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import Final

from backoff import expo

__all__ = ["HINT_SPREAD", "HINT_SPREAD_MAX", "above_hint", "broken_limit", "ceilings", "remaining", "scheduled"]

HINT_SPREAD: Final = 0.1
"""The share of a hint that jitter may add to it."""

HINT_SPREAD_MAX: Final = 1.0
"""Seconds: the most that jitter adds to a hint, so that a long hint is not made much longer."""

_LONGEST: Final = 64  # ceilings kept; a schedule that still grows after 64 doublings has no use


@lru_cache(maxsize=64)
def ceilings(base: float, factor: float, cap: float) -> tuple[float, ...]:
    """Return the upper ends of the waits after attempts 1, 2, 3 ...; the last one holds for all that follow."""
    if base <= 0:
        return (0.0,)
    rising: list[float] = []
    try:
        # The generator's first value only advances it past the send() its own loop begins with.
        for ceiling in islice(expo(base=factor, factor=base, max_value=cap), 1, _LONGEST + 1):
            rising.append(float(ceiling))
            if ceiling >= cap:
                break
    except OverflowError:
        # factor ** n left the floats before base * factor ** n was compared with the cap
        rising.append(cap)
    return tuple(rising)


def scheduled(base: float, factor: float, cap: float, *, attempt: int, u: float) -> float:
    """Return the wait after this attempt (1 is the first) with full jitter: ``u`` in [0, 1) of the ceiling."""
    steps = ceilings(base, factor, cap)
    return u * steps[min(max(attempt, 1), len(steps)) - 1]


def above_hint(hint: float, u: float) -> float:
    """Return a wait that is never below the hint and spreads callers just above it."""
    return hint + u * min(hint * HINT_SPREAD, HINT_SPREAD_MAX)


def broken_limit(delay: float, *, elapsed: float, retry_window: float, deadline: float | None) -> str | None:
    """Name the limit that an attempt started after this delay would break, or None if it fits.

    An attempt may start exactly at the end of the window; at the deadline there is no time left to make one.
    """
    start = elapsed + delay
    if deadline is not None and start >= deadline:
        return "deadline"
    return "retry_window" if start > retry_window else None


def remaining(elapsed: float, deadline: float | None) -> float | None:
    """Return the seconds left until the deadline, never negative; None without one."""
    return None if deadline is None else max(0.0, deadline - elapsed)
