"""The retry budget: how many sendings more than calls a key may make at a gateway.

Must not know why something is sent again. Pure steps: (state or None, now) -> (state or None, verdict).

A token is one sending more than there are calls: a retry or a fallback. There is a small reserve, so that a process
which makes few calls can try again, and a share of what has succeeded of late. A large bucket for each process protects
nothing in a fleet: a thousand of them are a thousand times as large.
"""

from __future__ import annotations

from math import exp
from typing import Final

from ..stores.protocol import State

__all__ = ["ELSEWHERE", "RECENT", "REFILL", "SLOW", "SPENT", "earn", "spend"]

RECENT: Final = 10.0
"""Seconds after which a success counts for a third (it fades with 1/e)."""

REFILL: Final = 60.0
"""Seconds in which an empty reserve is full again without any success, for who calls seldom."""


SLOW: Final = 5.0
"""Tokens for one sending more after a time-out: the gateway may be at work on the first one still.

Where its queue is longer than its clients' patience, retries that cost no more than others keep it so for ever.
"""


ELSEWHERE: Final = 0.1
"""Tokens for a fallback: another model is asked, once for each call, and its success earns as much again."""


SPENT: Final = "the retry budget of this key and host is spent (Guards.budget_reserve says how much there is)"
"""Why a sending more is refused, in words."""


def earn(state: State | None, now: float, *, good: int, reserve: float, ratio: float) -> tuple[State | None, float]:
    """Count successes. Verdict: the tokens there are."""
    held = _faded(state, now, reserve, ratio)
    held["good"] += good
    held["tokens"] = min(held["tokens"] + ratio * good, reserve + ratio * held["good"])
    return held, held["tokens"]


def spend(
    state: State | None,
    now: float,
    *,
    good: int,
    reserve: float,
    ratio: float,
    cost: float = 1.0,
    keep: float = 0.0,
) -> tuple[State | None, bool]:
    """Count successes, then take ``cost`` tokens and leave ``keep``. Verdict: whether there were so many."""
    held, tokens = earn(state, now, good=good, reserve=reserve, ratio=ratio)
    if held is None or tokens < cost + keep:
        return held, False
    held["tokens"] = tokens - cost
    return held, True


def _faded(state: State | None, now: float, reserve: float, ratio: float) -> State:
    """Return the state as it is now: successes fade, the reserve comes back. A clock that went back changes nothing."""
    if state is None:
        return {"tokens": float(reserve), "good": 0.0, "at": now}
    passed = max(0.0, now - state["at"])
    good = state["good"] * exp(-passed / RECENT)
    most = reserve + ratio * good
    tokens = state["tokens"]
    if tokens < reserve:
        tokens = min(reserve, tokens + passed * reserve / REFILL)
    return {"tokens": max(0.0, min(tokens, most)), "good": good, "at": now}
