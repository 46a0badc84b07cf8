"""What must hold where a guard's state stands that we did not write, and of what others say of one.

Must not know how the fuzzer works, nor the ledger.
"""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Any, Final

from anyint_resilience.guards import breaker, budget, gate, twins
from anyint_resilience.guards.states import is_whole
from anyint_resilience.guards.view import Brief, View
from anyint_resilience.policy.times import MAX_HINT
from anyint_resilience.stores.flows import Pending
from anyint_resilience.stores.roles import Op

from .stored import NOBODY, NOW, file, run
from .stored_entries import Found, copied

__all__ = ["KEYS", "STEPS", "guard", "news", "verdict_read"]

KEYS: Final = {
    "gate": "gate:acct0001:host:m",
    "breaker": "breaker:acct0001:host:POST /x:m",
    "budget": "budget:acct0001:host",
}


def guard(found: Found) -> None:
    """Through the file that a machine's processes share: every step gives a sound verdict, nobody stays away."""
    key = KEYS[found.kind]
    store, backend = file().guards, file().backend
    file().write(key, found.text, found.expires, guards=True)
    for step in STEPS[found.kind]:
        pending = Pending("SQLite", 1.0)
        run(backend.run([Op(key, step, 60.0, pending)], NOBODY))
        assert pending.done
        assert pending.error is None, repr(pending.error)
        _sound(found.kind, pending.value)
        run(backend.look(NOBODY))
        held = dict(store.scan(key))
        assert all(is_whole(name, it) for name, it in held.items()), "a step wrote what it could not read"
    file().write(key, found.text, found.expires, guards=True)
    view = run(backend.look(NOBODY))
    for name, said in view.briefs.items():
        assert twins.is_news(said, None)
        assert name != KEYS["gate"] or Brief.of(said) is not None


def _steps() -> dict[str, tuple[Any, ...]]:
    ask = partial(gate.ask, ticket="me.1", since=NOW - 1, bound=NOW + 60, u=0.5, most=None)
    told = partial(gate.told, ticket="me.1", began=NOW - 1, flying=1, u=0.5)
    more: dict[str, Any] = {"window": 10.0, "failure_rate": 0.5, "least": 1, "cooldown": 5.0, "u": 0.5}
    outcome = partial(breaker.told, ticket="me.1", began=NOW - 1, **more)
    tokens: dict[str, Any] = {"good": 1, "reserve": 3.0, "ratio": 0.1}
    return {
        "gate": (
            *(ask, partial(gate.renew, tickets=("me.1",), lease=30.0)),
            *(partial(told, kind=kind, hint=hint, few=2) for kind in _OUTCOMES for hint in (None, 3.0)),
            *(partial(gate.leave, ticket="me.1"), ask, gate.settle),
        ),
        "breaker": (
            partial(breaker.ask, ticket="me.1", probes=1),
            partial(outcome, good=False),
            partial(outcome, good=True),
            partial(breaker.leave, ticket="me.1"),
            breaker.settle,
        ),
        "budget": (partial(budget.earn, **tokens), partial(budget.spend, **tokens)),
    }


_OUTCOMES: Final = ("good", "rate", "quota", "down", "other", "spent")
STEPS: Final = _steps()


def _sound(kind: str, verdict: Any) -> None:
    if isinstance(verdict, gate.Passage):
        assert verdict.kind in ("go", "wait", "refuse")
        assert not math.isnan(verdict.at)
        assert verdict.kind == "go" or verdict.at <= NOW + 10**9 + 3 * MAX_HINT or verdict.why == "full"
        assert isinstance(verdict.why, str)
    elif isinstance(verdict, breaker.Passage):
        assert isinstance(verdict.go, bool)
        assert not math.isnan(verdict.at)
    elif kind == "budget":
        assert isinstance(verdict, (bool, float, int))
        assert math.isfinite(verdict)
    assert all(isinstance(it, str) for it in getattr(verdict, "ring", ()))


def news(found: Found) -> None:
    """What others say on a channel is news if it can be, else nothing: no gate is shut for longer than a month."""
    try:
        said = json.loads(found.text)
    except (ValueError, RecursionError):
        return
    told = said if isinstance(said, dict) else None
    view = View()
    for key in KEYS.values():
        view.note(key, told, found.now)
        brief = view.gate(key)
        passage = None if brief is None else brief.refuses(found.now, found.now + 1.0)
        assert passage is None or found.now < passage.at < math.inf
        assert passage is None or isinstance(passage.why, str)
        assert brief is None or brief.free in (True, False)
        way = view.circuit(key, found.now)
        assert way is None or way.go or found.now < way.at
        if brief is not None:
            words = {name: getattr(brief, name) for name in ("cause", "until", "shut", "probe", "named", "limit")}
            state, _ = gate.inherit(None, found.now, **words)
            _still_whole(KEYS["gate"], state, found.now)
        if way is not None and not way.go:
            state, _ = breaker.inherit(None, found.now, until=way.at, window=10.0)
            assert state is None or breaker.ask(state, found.now, ticket="t", probes=1)
        assert view.knows(key) == (told is not None)


def _still_whole(key: str, state: Any, now: float) -> None:
    if state is None:
        return
    for kind in _OUTCOMES:
        gate.told(copied(state), now, ticket="t", kind=kind, began=now - 1, u=0.5)
    assert gate.ask(copied(state), now, ticket="t", since=now, bound=now + 1)[1].kind in ("go", "wait", "refuse")


def verdict_read(found: Found) -> None:
    """What a script on a server says of garbage that stands there: a verdict, or what is told as trouble."""
    try:
        raw = json.loads(found.text)
    except (ValueError, RecursionError):
        return
    for name in ("gate.ask", "gate.told", "breaker.ask", "budget.spend"):
        try:
            verdict = twins.verdict_of(name, raw)
        except (LookupError, TypeError, ValueError):
            continue
        assert all(isinstance(it, str) for it in getattr(verdict, "ring", ()))
