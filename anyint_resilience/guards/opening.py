"""How a gate closes and opens, and how many it lets fly at once: the arithmetic of ``gate``.

Must not know tickets or lines. It changes the state that it is given, which is a copy.

Additive increase, multiplicative decrease (Chiu and Jain 1989), off until the first rate answer. After an outage the
limit doubles with each round of successes (slow start, RFC 5681) up to what flew before.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ..policy.backoff import HINT_SPREAD, HINT_SPREAD_MAX, scheduled

__all__ = ["CALM", "CUT", "LINGER", "MORE", "RESUME", "Pace", "grown", "probing", "quiet", "shut"]

CUT: Final = 0.7
"""What a rate answer leaves of the limit (as in CUBIC, RFC 9438)."""

LONG: Final = 300.0
"""Seconds: a hint beyond a few minutes is none to wait for (contract 4)."""

RESUME: Final = 0.5
"""The share of what flew before an outage that flies when it is over; it doubles from there."""

MORE: Final = 1.25
"""Up to how many times that it doubles: whoever waited is to be served besides those who come."""

CALM: Final = 60.0
"""Seconds without a rate answer after which a limit that nobody reaches is dropped."""

LINGER: Final = 1.0
"""Seconds without a line after which nobody waits any more: of a fleet only the first of each process stands in it."""

_FORGET: Final = 60.0  # seconds after which a failure says nothing any more
_HIGHEST: Final = 4096.0
_SOONEST, _LATEST = 0.25, 6.0  # seconds until the first probe after an outage was noticed


class Pace(NamedTuple):
    """For how long to close, in seconds: ``base`` and then ``factor`` times that, up to ``most``.

    ``spread``: the share of it that chance takes away at the most. ``least`` is added.
    """

    base: float
    factor: float
    most: float
    spread: float = 1.0
    least: float = 0.0

    def at(self, streak: int, u: float) -> float:
        """Return the seconds to close after so many closings in a row; ``u`` is a random number of [0, 1)."""
        share = 1.0 - self.spread * (1.0 - u)
        return self.least + scheduled(self.base, self.factor, self.most, attempt=streak + 1, u=share)


def probing(goal: float) -> Pace:
    """Return when the next probe goes after failures in a row; ``goal``: how many requests were out before.

    Who makes many calls finds out soon, which costs next to nothing of what it sends; who makes few waits longer, for
    there may be thousands like it: after 3 to 6 s, and then twice that.
    """
    base = max(_SOONEST, _LATEST / max(1.0, goal) ** 2)
    return Pace(base, 2.0, 2 * base, spread=0.5)


def grown(held: dict[str, Any], now: float, began: float) -> None:
    """Count a success: it opens what failures or an empty quota closed, and lets more fly."""
    held["bad"], held["heard"], held["won"] = 0, now, now
    if held["cause"] in ("down", "quota") and began >= held["shut"]:
        if held["cause"] == "down":
            held["limit"] = max(1.0, (held["goal"] or 1.0) * RESUME)
        held.update(until=now, cause="", streak=0, spread=0.0, probe=0.0, named=False)
    elif held["cause"] == "rate" and (now >= held["until"] or held["probe"]) and began >= held["shut"]:
        held["until"] = min(held["until"], now)
        held.update(cause="", streak=0, probe=0.0, named=False)
    limit = held["limit"]
    if limit is None or now < held["until"]:
        return
    slow = held["goal"] is not None and limit < held["goal"]
    if held["line"] or len(held["out"]) + 1 >= limit / 2:  # else nobody has tried so many
        limit = min(_HIGHEST, limit + (1.0 if slow else 1.0 / limit))
    waits = held["line"] or now - held["queued"] < LINGER
    over = held["goal"] is not None and limit >= held["goal"] and not waits
    held["limit"] = None if over or _unused(held, now, limit) else limit
    held["goal"] = None if held["limit"] is None else held["goal"]


def shut(
    held: dict[str, Any],
    now: float,
    kind: str,
    began: float,
    *,
    flying: int,
    hint: float | None,
    pace: Pace,
    few: int,
    u: float,
) -> None:
    """Count a refusal or a failure. One that was out when the gate closed says nothing new, but for its hint."""
    held["heard"] = now
    if kind == "spent":
        grown(held, now, began)
    old = bool(held["cause"]) and began < held["shut"]
    pause = pace.at(held["streak"], u) if hint is None else hint
    if kind == "down":
        held["bad"] += 1
        free = not held["cause"] or (held["cause"] == "rate" and now >= held["until"])
        if free and held["bad"] >= few:
            most = max(len(held["out"]) + 1, flying, held["limit"] or 0)
            until = now + probing(most).at(0, u)
            held.update(cause="down", shut=now, streak=1, goal=most * MORE, until=until, spread=0.0)
    elif kind == "quota":
        until = now + pause
        held.update(cause="quota", shut=now, until=until, named=hint is not None, spread=0.0)
        held["probe"] = min(until, now + CALM)
    elif kind == "spent":  # a good answer that says it was the last one for now
        if not held["cause"]:
            held.update(cause="rate", shut=now, spread=min(HINT_SPREAD * pause, HINT_SPREAD_MAX), named=False)
        if held["cause"] == "rate":
            held["until"] = max(held["until"], now + min(pause, LONG))
    elif old and held["cause"] != "down":
        if hint is not None and held["cause"] == "rate":
            held["until"] = max(held["until"], now + hint)
    else:
        if held["limit"] is None or held["cut"] <= began:
            most = held["limit"] if held["limit"] is not None else max(len(held["out"]) + 1, flying)
            held["limit"], held["cut"], held["goal"] = min(_HIGHEST, max(1.0, most * CUT)), now, None
        if hint is None and not pace.least and held["won"] > held["shut"] > 0.0:
            held.update(cause="rate", shut=now)  # it serves, only not so many: fewer fly, and nobody waits for nothing
            return
        held.update(cause="rate", shut=now, streak=held["streak"] + 1, named=False)
        held["spread"] = min(HINT_SPREAD * pause, HINT_SPREAD_MAX)
        held["until"] = max(held["until"], now + pause)
        if pause > LONG:  # nobody waits for that, and it may be over before: one call at a time finds out
            held.update(probe=now + CALM, named=True)
        else:
            held["probe"] = 0.0


def quiet(held: dict[str, Any], now: float) -> bool:
    """Whether there is nothing left to remember."""
    if held["line"] or now < held["until"] or (held["counts"] and held["out"]):
        return False
    stale = now - held["heard"] >= _FORGET
    if held["cause"] == "rate" and held["limit"] is None and now >= held["until"]:
        return True
    if stale and not held["out"]:
        return True
    return held["limit"] is None and not held["cause"] and not held["bad"]


def _unused(held: dict[str, Any], now: float, limit: float) -> bool:
    """Whether a limit has not been reached for long."""
    return not held["line"] and now - held["cut"] >= CALM and (len(held["out"]) + 1) * 2 <= limit
