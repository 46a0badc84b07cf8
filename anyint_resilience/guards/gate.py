"""The gate that all calls of one key, family and model go through: how many may fly, and from when on.

Must not know any client or clock. Pure steps: (state or None, now) -> (state or None, verdict). None: wide open, and
nobody counts. What closes it is a word: ``rate`` (a limit, with or without a hint), ``quota`` (used up), ``down``
(several failures in a row and no success between). While it is closed callers stand in line, the oldest call first;
when it opens they go one after the other, a little apart, and no more at a time than the limit allows. A waiter goes
when it is at the head; whoever goes or leaves rings the next, so that no place and no permit is ever lost. Permits and
places are leases: those of a call that vanished lapse.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any, Final, NamedTuple

from ..policy.backoff import HINT_SPREAD, HINT_SPREAD_MAX
from ..policy.times import MAX_HINT
from ..stores.protocol import State
from .opening import MORE, Pace, grown, probing, quiet, shut

__all__ = ["LEASE", "RATES", "USED_UP", "Passage", "Told", "ask", "inherit", "leave", "renew", "settle", "told"]

LEASE: Final = 1200.0
"""Seconds after which a permit that was not given back is free: longer than any client waits for an answer."""

_OPEN: Final[dict[str, Any]] = {
    "cause": "",  # what closed it
    "until": 0.0,  # when it opens, or when the next probe goes
    "shut": 0.0,  # when it closed last
    "won": 0.0,  # when a call succeeded last
    "streak": 0,  # how often in a row
    "bad": 0,  # failures in a row
    "limit": None,  # how many may fly
    "goal": None,  # up to where the limit doubles
    "counts": False,  # those that are out must be counted, whatever the limit
    "named": False,  # the server named the moment
    "probe": 0.0,  # when the next call may find out about a quota, or a limit that is for long; 0: none does
    "prober": "",  # which call that is,
    "probed": 0.0,  # and since when
    "spread": 0.0,  # the seconds over which the line is let go, then
    "gap": 0.0,  # between two of them,
    "spaced": 0.0,  # until when there is one,
    "after": 0.0,  # and when the next may go
    "queued": 0.0,  # when somebody stood in line last
}

_MOMENTS: Final = ("until", "shut", "after", "spaced", "queued", "cut", "heard", "won", "probed")

_FAR: Final = MAX_HINT
"""Seconds: nobody waits longer than the longest hint there is."""

PROBE_LEASE: Final = 60.0
"""Seconds after which a call that finds out about a quota, and has not come back, is waited for no longer."""

RATES: Final = Pace(1.0, 2.0, 20.0)
"""For how long a rate answer without a hint closes, where nobody says otherwise."""

USED_UP: Final = Pace(5.0, 2.0, 60.0, spread=0.5)
"""When the next call finds out whether an account was topped up, where the server names no moment."""


class Passage(NamedTuple):
    """May this attempt go? ``go``, ``wait`` (and look again ``at``, or when rung) or ``refuse`` (not before ``at``).

    ``why``: what closed the gate, or ``full``. ``ring``: whose turn it may be now.
    """

    kind: str
    at: float = 0.0
    why: str = ""
    ring: tuple[str, ...] = ()


class Told(NamedTuple):
    """What an outcome did to the gate: ``shut`` names what closed it now, ``opened`` says that it is open again."""

    shut: str = ""
    opened: bool = False
    ring: tuple[str, ...] = ()


def ask(
    state: State | None,
    now: float,
    *,
    ticket: str,
    since: float,
    bound: float,
    most: int | None = None,
    u: float = 0.0,
    lease: float = LEASE,
    keep: float | None = None,
) -> tuple[State | None, Passage]:
    """Ask whether an attempt may go out.

    ``since``: when its call began, which is its place in the line; ``bound``: until when it can wait. ``most``: how
    many may ever fly. ``u`` is a random number of [0, 1). ``lease``: seconds after which its permit lapses; ``keep``:
    seconds after which its place does, unless it asks again (None: when it can't wait any longer).
    """
    if state is None and most is None:
        return None, Passage("go")
    held = fresh(state, now)
    bound = min(bound, now + _FAR)
    held["counts"] = held["counts"] or most is not None
    if held["probe"]:
        refused = _ask_used_up(held, now, ticket, u, most, lease)
        if refused is not None:
            return refused
    if now < held["until"] and held["until"] > bound:
        return _without(held, ticket), Passage("refuse", held["until"], held["cause"], _head(held))
    at, why = _when(held, now, since, ticket, most, u)
    if at <= now:
        return _gone(held, now, ticket, u, lease)
    if bound <= now:
        return _without(held, ticket), Passage("refuse", at, why, _head(held))
    place, until = _place(held["line"], since, ticket), bound if keep is None else min(bound, now + keep)
    if place is not None:
        held["line"][place] = [held["line"][place][0], ticket, until]
    else:
        insort(held["line"], [since, ticket, until])
        at, why = _when(held, now, since, ticket, most, u)  # it may be the head now
        if at <= now:
            return _gone(held, now, ticket, u, lease)
    held["queued"] = now
    return held, Passage("wait", min(at, bound), why)


def told(
    state: State | None,
    now: float,
    *,
    ticket: str,
    kind: str,
    began: float,
    flying: int = 0,
    hint: float | None = None,
    pace: Pace = RATES,
    few: int = 2,
    u: float = 0.0,
    stays: bool = False,
    lease: float = LEASE,
) -> tuple[State | None, Told]:
    """Say how an attempt went that ``began`` then: ``good``, ``rate``, ``quota``, ``down`` or ``other``.

    ``flying``: how many were out at the least, for the first limit. ``hint``: for how many seconds the server says to
    close; else ``pace`` does. ``few``: how many failures in a row close it. ``stays``: its answer is a stream, which
    keeps the permit until it ends, or for ``lease`` seconds.
    """
    if state is None and kind in ("good", "other"):
        return None, Told()
    held = fresh(state, now)
    if held["out"].pop(ticket, None) is not None and stays:
        held["out"][ticket] = now + lease
    was = held["cause"]
    if kind == "good":
        grown(held, now, began)
    elif kind == "other":
        if held["cause"] == "down":
            held["until"] = min(held["until"], now)  # it answers: who comes next may find out more
    else:
        shut(held, now, kind, began, flying=flying, hint=hint, pace=USED_UP if kind == "quota" else pace, few=few, u=u)
    closed = held["cause"] if held["cause"] and held["shut"] == now and kind != "good" else ""
    opened = bool(was) and not held["cause"]
    ring = _head(held)  # a closed gate is news too: to whoever waits for a place
    return (None if quiet(held, now) else held), Told(closed, opened, ring)


def leave(state: State | None, now: float, *, ticket: str) -> tuple[State | None, Told]:
    """Give back the permit or the place of a call that does not go on, and of whose outcome nothing is known."""
    if state is None:
        return None, Told()
    held = _without(fresh(state, now), ticket)
    held["out"].pop(ticket, None)
    return (None if quiet(held, now) else held), Told(ring=_head(held))


def renew(state: State | None, now: float, *, tickets: tuple[str, ...], lease: float) -> tuple[State | None, int]:
    """Let the permits of calls that are out still not lapse. Verdict: how many of them there were."""
    if state is None:
        return None, 0
    held = fresh(state, now)
    there = [it for it in tickets if held["out"].pop(it, None) is not None]
    held["out"].update((it, now + lease) for it in there)
    return held, len(there)


def inherit(
    state: State | None, now: float, *, cause: str, until: float, shut: float, probe: float, named: bool, limit: float
) -> tuple[State | None, None]:
    """Begin as others have left a gate, where nothing is known of it here. ``limit``: this one's share; 0: no limit."""
    if state is not None:
        return state, None
    held = fresh(None, now)
    held.update(cause=cause, until=until, shut=shut, probe=probe, named=named, streak=1 if cause == "down" else 0)
    if cause == "rate":
        held["spread"] = min(HINT_SPREAD * max(0.0, until - shut), HINT_SPREAD_MAX)
    if limit or cause == "down":
        held["limit" if cause != "down" else "goal"] = max(1.0, limit)
    return (None if quiet(held, now) else held), None


def settle(state: State | None, now: float) -> tuple[State | None, Told]:
    """Forget what is over. Verdict: whose turn it may be now."""
    if state is None:
        return None, Told()
    held = fresh(state, now)
    return (None if quiet(held, now) else held), Told(ring=_head(held))


# --- the parts


def fresh(state: State | None, now: float) -> dict[str, Any]:
    """Return the state for now, to be changed: without leases that lapsed; where the clock went back its times too."""
    if state is None:
        return {**_OPEN, "out": {}, "line": [], "cut": now, "heard": now, "at": now}
    back = min(0.0, now - state["at"])
    held: dict[str, Any] = {**state, "at": now}
    for name in (*_MOMENTS, *(("probe",) if state["probe"] else ())):
        held[name] = state[name] + back
    out = {name: until + back for name, until in state["out"].items() if until + back > now}
    line = list(state["line"])  # copied whole: it may be long
    if back:
        line = [[since + back, name, bound + back] for since, name, bound in line]
    while line and line[0][2] < now:  # whoever is behind goes when it is the head
        del line[0]
    held["out"], held["line"] = out, line
    return held


def _when(held: dict[str, Any], now: float, since: float, ticket: str, most: int | None, u: float) -> tuple[float, str]:
    """Return from when on this ticket may go, as far as that stands, and what it waits for."""
    line, limit = held["line"], held["limit"]
    room = float("inf") if limit is None or held["cause"] == "down" else max(1.0, limit)
    room = min(room, float("inf") if most is None else most)
    ahead = line[0][1] != ticket if line else False
    if now < held["until"] and not (ahead and held["cause"] == "down"):
        found = _place(line, since, ticket)
        place = len(line) if found is None else found
        spread = held["spread"] / max(1, len(line))
        return held["until"] + (place + u) * spread, held["cause"]
    if ahead or len(held["out"]) + 1 > room:
        return float("inf"), "full" if not held["cause"] else held["cause"]
    return (held["after"] if line else now), held["cause"]


def _gone(held: dict[str, Any], now: float, ticket: str, u: float, lease: float) -> tuple[State, Passage]:
    """Let an attempt go: it has a permit; the next in line comes a little later."""
    was = len(held["line"])
    held["queued"] = now if was else held["queued"]
    held = _without(held, ticket)
    held["out"][ticket] = now + lease
    if held["cause"] == "down":  # it is the probe; the next one follows whether or not this one has come back
        before = (held["goal"] or 1.0) / MORE
        held["until"], held["streak"] = now + probing(before).at(held["streak"], u), held["streak"] + 1
    if held["spread"] and was:
        held["gap"], held["spaced"], held["spread"] = held["spread"] / was, now + held["spread"], 0.0
    if held["line"] and now < held["spaced"]:  # whoever came meanwhile is held up by the limit alone
        held["after"] = now + held["gap"] * (0.5 + u)
    else:
        held["gap"] = held["after"] = 0.0
    return held, Passage("go", now, held["cause"], _head(held))


def _ask_used_up(
    held: dict[str, Any], now: float, ticket: str, u: float, most: int | None, lease: float
) -> tuple[State | None, Passage] | None:
    """While the quota is used up, or a limit is for long, nobody waits; now and then one call finds out if it is so.

    None: the moment that was named has come, and the gate is open.
    """
    if held["named"] and now >= held["until"]:
        held.update(cause="" if held["cause"] == "quota" else held["cause"], streak=0, named=False, probe=0.0)
        return None
    held = _without(held, ticket)
    out = held["prober"] in held["out"] and now < held["probed"] + PROBE_LEASE
    if now < held["probe"] or out or (most is not None and len(held["out"]) >= most):
        at = held["until"] if held["named"] else max(now, held["probe"])
        return held, Passage("refuse", at, held["cause"], _head(held))
    held["probe"], held["streak"] = now + USED_UP.at(held["streak"], u), held["streak"] + 1
    held.update(prober=ticket, probed=now)
    held["out"][ticket] = now + lease
    return held, Passage("go", now, held["cause"], _head(held))


def _without(held: dict[str, Any], ticket: str) -> dict[str, Any]:
    line = held["line"]
    if line and line[0][1] == ticket:
        del line[0]
    elif line:
        held["line"] = [it for it in line if it[1] != ticket]
    return held


def _place(line: list[list[Any]], since: float, ticket: str) -> int | None:
    """Return where a ticket stands: where its call's age says, or wherever that is if the clock has gone back."""
    found = bisect_left(line, [since, ticket])
    if found < len(line) and line[found][1] == ticket:
        return found
    return next((index for index, it in enumerate(line) if it[1] == ticket), None)


def _head(held: dict[str, Any]) -> tuple[str, ...]:
    """Return who is at the head of the line; no name is nobody's."""
    return next(((it[1],) for it in held["line"] if it[1]), ())
