"""Lives of a gate, a circuit and a budget, step by step: each verdict, and all that changes in the state.

A row of ``mutants_guards_lives.jsonl`` is one step: which life, when, which step with which words, its verdict, and
what is new in the state (``-`` names what went). The steps' twins in Lua agree with them on any such walk
(``test_twins_random.py``); here a number that moves shows itself without a server. Whoever moves one on purpose runs
this module with ``python -m`` and reads the difference.
"""

from __future__ import annotations

import json
import random
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.guards import breaker, budget, gate
from anyint_resilience.guards.opening import Pace

FILE = Path(__file__).with_name("mutants_guards_lives.jsonl")
STEPS: dict[str, Any] = {
    **{f"gate.{name}": getattr(gate, name) for name in ("ask", "told", "leave", "renew", "inherit", "settle")},
    **{f"breaker.{name}": getattr(breaker, name) for name in ("ask", "told", "leave", "inherit", "settle")},
    **{f"budget.{name}": getattr(budget, name) for name in ("earn", "spend")},
}


def words(given: dict[str, Any]) -> dict[str, Any]:
    """Return a row's words with the types that JSON does not have."""
    made = {"pace": lambda it: Pace(*it), "tickets": tuple}
    return {name: made.get(name, lambda it: it)(value) for name, value in given.items()}


def read(text: str) -> Any:
    return json.loads(text, parse_float=lambda it: round(float(it), 9))  # the last digits are a platform's own


def plain(value: Any) -> Any:
    return read(json.dumps(value))


def news(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Any:
    """Return what is new in a state, None for one that is forgotten."""
    if after is None:
        return None
    known = before or {}
    gone = sorted(known.keys() - after.keys())
    return {**{k: v for k, v in after.items() if k not in known or known[k] != v}, **({"-": gone} if gone else {})}


def played(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of one life as they are today."""
    state: dict[str, Any] | None = None
    found = []
    for row in rows:
        before = plain(state)
        state, verdict = STEPS[row["does"]](state, row["at"], **words(row["with"]))
        assert before is None or plain(before) == before
        found.append({**row, "says": plain(verdict), "new": plain(news(before, plain(state)))})
        state = plain(state)
    return found


def lives() -> list[list[dict[str, Any]]]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [list(life) for _, life in groupby(map(read, lines), key=lambda row: row["life"])]


@pytest.mark.parametrize("life", lives(), ids=lambda life: life[0]["life"])
def test_a_life_goes_as_it_went(life: list[dict[str, Any]]) -> None:
    """Every verdict and every number of the state."""
    for row, found in zip(life, played(life), strict=True):
        assert found == row


# --- how the lives were made up


def gate_step(chance: random.Random, now: float, tickets: list[str]) -> tuple[str, dict[str, Any]]:
    name, u, ago = (
        chance.choice(tickets),
        chance.choice([0.0, 0.25, 0.5, 0.75]),
        chance.choice([0.0, 0.0, 0.5, 2.0, 30.0]),
    )
    pick = chance.random()
    if pick < 0.4:
        more = chance.choice([{}, {}, {"most": 2}, {"most": 1}, {"keep": 3.0}, {"lease": 15.0}])
        bound = now + chance.choice([0.0, 0.0, 5.0, 60.0, 600.0])
        return "gate.ask", {"ticket": name, "since": now - ago, "bound": bound, "u": u, **more}
    if pick < 0.85:
        kinds = ["good", "good", "good", "rate", "rate", "spent", "down", "down", "down", "quota", "other"]
        hint = chance.choice([None, None, None, 2.0, 30.0, 400.0])
        pace = chance.choice([None, None, [1.0, 2.0, 20.0, 1.0, 0.5], [400.0, 2.0, 800.0]])
        more = {} if pace is None else {"pace": pace}
        how = {
            "kind": chance.choice(kinds),
            "began": now - ago,
            "hint": hint,
            "u": u,
            "flying": chance.choice([0, 0, 6]),
        }
        return "gate.told", {
            "ticket": name,
            **how,
            "few": chance.choice([1, 2, 3]),
            "stays": chance.random() < 0.2,
            **more,
        }
    if pick < 0.91:
        return "gate.leave", {"ticket": name}
    if pick < 0.95:
        return "gate.renew", {"tickets": tickets[:3], "lease": 20.0}
    if pick < 0.97:
        cause = chance.choice(["", "rate", "down", "quota"])
        times = {"until": now + 4.0, "shut": now - 6.0, "probe": now + 1.0 if cause == "quota" else 0.0}
        return "gate.inherit", {
            "cause": cause,
            **times,
            "named": chance.random() < 0.5,
            "limit": chance.choice([0.0, 0.5, 3.5]),
        }
    return "gate.settle", {}


def breaker_step(chance: random.Random, now: float, tickets: list[str]) -> tuple[str, dict[str, Any]]:
    name, pick = chance.choice(tickets), chance.random()
    if pick < 0.3:
        return "breaker.ask", {"ticket": name, "probes": chance.choice([1, 2])}
    if pick < 0.85:
        how = {
            "good": chance.random() < 0.5,
            "began": now - chance.choice([0.0, 0.5, 30.0]),
            "u": chance.choice([0.0, 0.5]),
        }
        bounds = {"window": 10.0, "failure_rate": 0.5, "least": 4, "cooldown": 5.0, "more": chance.choice([0, 0, 2])}
        return "breaker.told", {"ticket": name, **how, **bounds}
    if pick < 0.92:
        return "breaker.leave", {"ticket": name}
    if pick < 0.95:
        return "breaker.inherit", {"until": now + chance.choice([-1.0, 0.0, 7.0]), "window": 10.0}
    return "breaker.settle", {}


def budget_step(chance: random.Random, now: float, tickets: list[str]) -> tuple[str, dict[str, Any]]:
    good = chance.choice([0, 1, 5, 40])
    if chance.random() < 0.3:
        return "budget.earn", {"good": good, "reserve": 4.0, "ratio": 0.125}
    more = chance.choice([{}, {"cost": 2.5}, {"keep": 1.0}])
    return "budget.spend", {"good": good, "reserve": 4.0, "ratio": 0.125, **more}


BORDERS = {"cut": 60.0, "heard": 60.0, "queued": 1.0, "open": breaker.LEASE}
"""Moments of a state after which something is over, and how long after."""


def borders(state: Any, now: float) -> list[float]:
    """Return the moments at which something in a state begins or ends, exactly."""
    held = state or {}
    moments = [held.get(name) for name in ("until", "probe", "spaced", "after", "shut", "open", "since")]
    moments += [held[name] + more for name, more in BORDERS.items() if name in held]
    moments += [*held.get("out", {}).values(), *held.get("probes", {}).values()]
    moments += [it[2] for it in held.get("line", ())]
    return [it for it in moments if it and now - 1.0 <= it < now + 2000.0]


def edges(room: str, number: int) -> list[dict[str, Any]]:
    """Make up a life that goes along the borders: steps at the very moment, of attempts that began at it."""
    chance, now, rows, state = random.Random(f"{room} edge {number}"), 1000.0, list[dict[str, Any]](), None
    tickets = list("abc")
    for index in range(30):
        there = borders(state, now)
        if there and chance.random() < 0.4:
            now = chance.choice(there)
        else:
            now += chance.choice([0.0, 0.0, 0.0, 0.25, 1.0, 3.0, 61.0, -0.5])
        if room == "heir" and not index:
            cause = chance.choice(["", "rate", "down", "quota"])
            times = {"until": now + chance.choice([-3.0, 0.25, 9.0]), "shut": now + chance.choice([0.0, -6.0])}
            limit, probe = chance.choice([0.0, 0.5, 2.0, 4.0]), now + 3.0 if cause == "quota" else 0.0
            more = {"cause": cause, **times, "probe": probe, "named": chance.random() < 0.5, "limit": limit}
            does, given = "gate.inherit", more
        else:
            make = {"gate": gate_step, "heir": gate_step, "breaker": breaker_step, "budget": budget_step}[room]
            does, given = make(chance, now, tickets)
        held: dict[str, Any] = state or {}
        for name in ("began", "since", "bound", "until"):
            near = [it for it in (held.get("shut"), held.get("cut"), held.get("until"), held.get("since"), now) if it]
            if name in given and does != "gate.inherit" and near and chance.random() < 0.4:
                given[name] = chance.choice(near)
        for name in ("u", "few", "flying", "hint", "pace"):
            if does in ("gate.told", "gate.ask") and name in given and chance.random() < 0.3:
                del given[name]
        rows.append({"life": f"{room} edge {number}", "at": now, "does": does, "with": given})
        state = stepped(state, rows[-1])
    return rows


def stepped(state: Any, row: dict[str, Any]) -> Any:
    return plain(STEPS[row["does"]](state, row["at"], **words(row["with"]))[0])


EDGES = {"gate": [4], "heir": [2, 11, 27, 28, 38, 52, 63], "breaker": [12, 38, 67, 72], "budget": [1]}
"""Lives that show what no other does: found by playing many against changed steps."""

KINDS = {
    "gate": (gate_step, 16, 45),
    "heir": (gate_step, 4, 15),
    "breaker": (breaker_step, 6, 40),
    "budget": (budget_step, 2, 40),
}

if __name__ == "__main__":
    written = []
    for kind, (make, count, length) in KINDS.items():
        for number in range(count):
            chance, now, rows = random.Random(f"{kind} {number}"), 1000.0, []
            tickets = list("abcdef")[: chance.choice([2, 4, 6])]
            if kind == "heir":  # of a gate that others have closed
                cause, named = ["rate", "rate", "down", "quota"][number], number % 2 == 0
                left = {"cause": cause, "until": now + 9.0, "shut": now - 6.0, "named": named, "limit": number * 1.5}
                probe = 0.0 if cause in ("rate", "down") else now + 3.0
                rows.append(
                    {"life": f"heir {number}", "at": now, "does": "gate.inherit", "with": {**left, "probe": probe}}
                )
            for _ in range(length):
                now += chance.choice([0.0, 0.0, 0.25, 1.0, 3.0, 20.0, 61.0, -0.5])
                does, given = make(chance, now, tickets)
                rows.append({"life": f"{kind} {number}", "at": now, "does": does, "with": given})
            written += played(rows)
    for kind, numbers in EDGES.items():
        for number in numbers:
            written += played(edges(kind, number))
    FILE.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in written), encoding="utf-8")
