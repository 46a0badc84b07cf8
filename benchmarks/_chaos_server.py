"""What is read of the server that chaos.py's fleet shares: permits that are out, tokens, creates on their way.

Must not know the fleet's code for it: keys and states are read as they stand there. Only what a token bucket holds now
is asked of the library's own step.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from anyint_resilience.guards import budget
from anyint_resilience.guards.settings import Guards

__all__ = ["Tokens", "flying_creates", "now_of", "permits", "tokens_of", "where_tokens"]

EPOCH = 1_700_000_000.0  # the store's clock counts from here


def now_of(server: Any) -> float:
    """Return the time on the server's clock, as the states there have it."""
    seconds, micros = server.cli("TIME")
    return int(seconds) - EPOCH + int(micros) / 1e6


def _states(server: Any, what: str) -> dict[str, Any]:
    """Return the live states of a kind, by key: a value is when it expires, a new line, and JSON."""
    found = {}
    for key in server.cli("KEYS", f"anyint:1:*:{what}:*"):
        text = server.cli("GET", key)
        if text is not None:
            found[key] = json.loads(text.partition("\n")[2])
    return found


def permits(server: Any) -> dict[str, list[str]]:
    """Return the tickets of the permits that are out and whose lease has not lapsed, by ``chat`` and ``create``."""
    out: dict[str, list[str]] = {"chat": [], "create": []}
    now = now_of(server)
    for key, state in _states(server, "gate").items():
        kind = "chat" if key.endswith(":gpt-5") else "create" if key.endswith(":sora-2") else "other"
        out.setdefault(kind, []).extend(ticket for ticket, until in state["out"].items() if until > now)
    return out


def flying_creates(server: Any) -> dict[str, str]:
    """Return the creates that are on their way by the ledger: their keys, and the process that sent them."""
    states = _states(server, "create")
    return {key: it["owner"] for key, state in states.items() for it in state["creates"] if it["fate"] == "in_flight"}


class Tokens(NamedTuple):
    """What a token bucket holds on the server and at the most; ``pure``: what Python makes of the state before."""

    held: float
    most: float
    pure: float

    @property
    def sound(self) -> bool:
        """Whether it is within its bounds, and what it should be."""
        return -1e-9 <= self.held <= self.most + 1e-6 and abs(self.held - self.pure) < 1e-4


def where_tokens(server: Any) -> dict[str, Any]:
    """Return the states of all token buckets, by key, without what stands before the library's own."""
    return {"budget:" + key.partition(":budget:")[2]: state for key, state in _states(server, "budget").items()}


def tokens_of(store: Any, server: Any, settings: Guards) -> list[Tokens]:
    """Have the server count nothing, and compare with what the pure step makes of the state that was there."""
    from functools import partial

    words = {"good": 0, "reserve": settings.budget_reserve, "ratio": settings.budget_ratio}
    found = []
    for key, state in where_tokens(server).items():
        store.update(key, partial(budget.earn, **words), 3600.0)
        after = where_tokens(server)[key]
        _, pure = budget.earn(state, after["at"], **words)
        found.append(Tokens(after["tokens"], settings.budget_reserve + settings.budget_ratio * after["good"], pure))
    return found
