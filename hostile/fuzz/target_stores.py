"""What stands in a store and was not written by us: entries of the ledger, states of guards, news, rows of a file.

Must not know how the fuzzer works. An input: ``KIND STEP NOW MODE EXPIRES``, headers that nobody reads, and the text
that stands there. ``KIND``: ``ledger``, ``gate``, ``breaker``, ``budget``, ``news`` or ``verdict``. ``MODE`` ``json``
makes a JSON document of any text, ``raw`` leaves it as it is. No server is needed: what one runs is in other tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from anyint_resilience.contract.words import Certainty
from anyint_resilience.guards import gate
from anyint_resilience.tasks import entries, recorded
from anyint_resilience.tasks.handle import TaskHandle

from .shapes import dumped, loose, message, number, pick, written
from .stored import NOW
from .stored_entries import Found, copied, gone, ledger, on_redis, rows
from .stored_guards import KEYS, STEPS, guard, news, verdict_read

__all__ = ["check", "seeds", "words"]

_KINDS: Final = ("ledger", "gate", "breaker", "budget", "news", "verdict")


def check(data: bytes) -> None:
    """It is read as it was written, or as nothing, or as trouble that is told; no create is made twice by it."""
    said = message(data)
    kind = pick(_KINDS, said.word(0), {it: it for it in _KINDS})
    text = said.body if said.word(3) == "raw" else dumped(loose(said.body.decode("utf-8", "replace")))
    expires = {"": 1e300, "none": None, "text": "soon", "past": 1.0, "bytes": b"\xff", "whole": 5}.get(
        said.word(4), 1e300
    )
    found = Found(kind, said.word(1), NOW + number(said.word(2), 10**9), text, expires)
    if kind == "ledger":
        ledger(found)
        rows(found)
        on_redis(found)
    elif kind in KEYS:
        guard(found)
    elif kind == "news":
        news(found)
    else:
        verdict_read(found)


# --- where the fuzzer begins


def words() -> Iterator[str]:
    """Names of fields and fates, and numbers that are none."""
    yield from sorted(
        {f'"{name}":' for name in (*gate._OPEN, "out", "line", "cut", "heard", "at", "slots", "window", "open")}
    )
    yield from sorted(
        {f'"{name}":' for name in ("since", "probes", "tokens", "good", "seen", "creates", "keep", "busy")}
    )
    yield from sorted({f'"{name}":' for name, _ in recorded._FIELDS})
    yield from (
        *recorded.FATES,
        "dead",
        "me.1",
        '"$request":["prompt"]',
        '"document":',
        '"status":',
        '"type":',
        '"task_id":',
    )
    yield from ("NaN", "1e999", "-1e999", "1e308", "9" * 400, "null", "true", "1800000000.0", "1e300\n", "raw", "json")
    yield from (*_KINDS, "replay", "poll", "retry", "past", "text", "bytes", "whole")


def seeds() -> Iterator[bytes]:
    """States as steps make them, one of each kind and fate, and each with something amiss."""
    for kind, states in _made().items():
        for state in states:
            for step in ("", "replay", "poll") if kind == "ledger" else ("",):
                yield written([kind, step, 1, "json"], body=json.dumps(state))
        for text in (*_GARBAGE, json.dumps(states[0])[:60], json.dumps(states[0]).replace(":", ":1e999", 1)):
            for expires in ("", "text", "past"):
                yield written([kind, "", 1, "raw", expires], body=text)
    yield written(
        ["verdict", "", 1, "json"], body='{"kind":"go","at":1,"why":"","ring":["a.1"],"go":true,"probe":false}'
    )
    yield written(["verdict", "", 1, "json"], body='{"shut":"rate","opened":false,"ring":[7],"at":1e300}')
    for said in ({"open": NOW + 9}, _brief(NOW + 5), _brief(1e300), {**_brief(NOW), "probe": NOW + 9, "limit": 2}):
        yield written(["news", "", 1, "json"], body=json.dumps(said))


_GARBAGE: Final = ("", "garbage", "[]", "7", "null", '"x"', "{}", '{"open":NaN}', "[" * 300, '{"a":' + "9" * 400 + "}")


def _brief(until: float) -> dict[str, Any]:
    return {"cause": "rate", "until": until, "shut": NOW, "probe": 0.0, "named": False, "limited": True, "limit": 1}


def _made() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"gate": [], "breaker": [], "budget": [], "ledger": []}
    for kind, steps in STEPS.items():
        state: Any = None
        for step in steps:
            state = step(state, NOW)[0]
            if state is not None and state not in found[kind]:
                found[kind].append(copied(state))
    begin: Any = entries.begin
    state, _ = begin(None, NOW, window=60.0, owner="dead", gone=gone, ident="one", mark="acct-1", body="b", facts={})
    found["ledger"].append(copied(state))
    task = TaskHandle(family="suno", route="POST /suno/generate", task_id="t", gateway="https://h", created_at=1.0)  # type: ignore[arg-type]
    for certainty in Certainty:
        more: dict[str, Any] = {"task": task.as_dict()} if certainty is Certainty.COMMITTED else {}
        answer = {
            "status": 200,
            "type": "application/json",
            "document": {"id": "t", "prompt": {"$request": ["prompt"]}},
        }
        made, _ = entries.settle(copied(state), NOW, ident="one", certainty=certainty, answer=answer, **more)
        found["ledger"].append(made)
    return found
