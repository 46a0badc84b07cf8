"""The circuit breaker of one route and model: after many failures it lets nothing through, then a few probes.

Must not know what a failure is. Pure steps: (state or None, now) -> (state or None, verdict). None: closed, and no
failure within the window. The window begins with the first failure, so that a good call leaves no state behind.

Shape after Nygard's pattern (Release It!): closed, open, half-open. Half-open lets a fixed number of probes through;
each is a lease that lapses by itself, so that a probe which never comes back can't keep it open.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ..stores.protocol import State

__all__ = ["LEASE", "SLOTS", "Passage", "ask", "inherit", "leave", "settle", "told"]

SLOTS: Final = 10
"""Pieces that the sliding window is counted in."""

LEASE: Final = 60.0
"""Seconds after which a probe that has not come back no longer counts as one."""


class Passage(NamedTuple):
    """May this attempt pass? ``at``: when to ask again, on the store's clock. ``probe``: it finds out for all."""

    go: bool
    at: float = 0.0
    probe: bool = False


def ask(state: State | None, now: float, *, ticket: str, probes: int) -> tuple[State | None, Passage]:
    """Ask whether an attempt may go out."""
    if state is None or not state["open"]:
        return state, Passage(True)
    held = _shifted(state, now)
    if now < held["open"]:
        return held, Passage(False, held["open"])
    out = {name: until for name, until in held["probes"].items() if until > now}
    if ticket not in out and len(out) >= probes:
        return {**held, "probes": out}, Passage(False, min(out.values()))
    return {**held, "probes": {**out, ticket: now + LEASE}}, Passage(True, probe=True)


def told(
    state: State | None,
    now: float,
    *,
    ticket: str,
    good: bool,
    began: float,
    window: float,
    failure_rate: float,
    least: int,
    cooldown: float,
    u: float,
    more: int = 0,
) -> tuple[State | None, str]:
    """Say how an attempt went that ``began`` then, and that ``more`` were good besides.

    Verdict: ``opened``, ``closed``, or nothing.
    """
    if state is None and good:
        return None, ""
    fresh: State = {"slots": [], "window": window, "open": 0.0, "since": 0.0, "probes": {}, "at": now}
    held = fresh if state is None else _shifted(state, now)
    if held["open"]:
        return _told_open(held, now, ticket=ticket, good=good, began=began, cooldown=cooldown, u=u)
    slots = _counted(held["slots"], now, window, good=good, more=more)
    bad = sum(it[2] for it in slots)
    if not bad:
        return None, ""
    total = bad + sum(it[1] for it in slots)
    if total >= least and bad >= failure_rate * total:
        until = now + cooldown * (1 + 0.1 * u)
        return {**held, "slots": [], "open": until, "since": now, "probes": {}}, "opened"
    return {**held, "slots": slots, "window": window}, ""


def leave(state: State | None, now: float, *, ticket: str) -> tuple[State | None, str]:
    """Give a probe back that was never sent, or of which nothing is known."""
    if state is None or ticket not in state["probes"]:
        return state, ""
    held = _shifted(state, now)
    return {**held, "probes": {name: it for name, it in held["probes"].items() if name != ticket}}, ""


def inherit(state: State | None, now: float, *, until: float, window: float) -> tuple[State | None, None]:
    """Begin with the circuit that others have opened, where nothing is known of it here."""
    if state is not None or until <= now:
        return state, None
    return {"slots": [], "window": window, "open": until, "since": now, "probes": {}, "at": now}, None


def settle(state: State | None, now: float) -> tuple[State | None, str]:
    """Forget a closed circuit whose failures are too old to count, and an open one that nobody has asked for long."""
    if state is None:
        return None, ""
    if state["open"]:
        probing = any(until > now for until in state["probes"].values())
        return (None if now > state["open"] + LEASE and not probing else state), ""
    kept = _in_window(state["slots"], now, state["window"])
    return (state, "") if any(it[2] for it in kept) else (None, "")


def _told_open(
    held: State, now: float, *, ticket: str, good: bool, began: float, cooldown: float, u: float
) -> tuple[State | None, str]:
    """An attempt of before it opened says nothing new; one success of after it closes it, one failure opens it anew."""
    rest = {name: it for name, it in held["probes"].items() if name != ticket}
    if began < held["since"]:
        return {**held, "probes": rest}, ""
    if good:
        return None, "closed"
    until = max(held["open"], now + cooldown * (1 + 0.1 * u))
    return {**held, "open": until, "since": now, "probes": {}}, ""


def _counted(slots: list[list[float]], now: float, window: float, *, good: bool, more: int) -> list[list[float]]:
    """Return the window's slots with one outcome, and so many good ones more; those that are too old are left out."""
    number, kept = now // (window / SLOTS), _in_window(slots, now, window)
    if not kept or kept[-1][0] != number:
        kept.append([number, 0, 0])
    kept[-1][1 if good else 2] += 1
    kept[-1][1] += more
    return kept


def _in_window(slots: list[list[float]], now: float, window: float) -> list[list[float]]:
    """Return copies of the slots that count still."""
    number = now // (window / SLOTS)
    return [list(it) for it in slots if number - SLOTS < it[0] <= number]


def _shifted(state: State, now: float) -> dict[str, Any]:
    """Return the state for now. Where the clock went back, so do the times in it: nothing waits for a time long past.

    Slots of a clock that was ahead are left out when they are counted.
    """
    back = min(0.0, now - state["at"])
    held: dict[str, Any] = {**state, "at": now}
    if back:
        held["open"] = state["open"] + back if state["open"] else 0.0
        held["since"] = state["since"] + back
        held["probes"] = {name: until + back for name, until in state["probes"].items()}
    return held
