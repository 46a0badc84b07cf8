"""Stories of guards and fallbacks: limits, used-up quotas, outages, spent budgets, open circuits.

Must not know how a guard works.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from anyint_resilience import Fallback, Guards, Policy
from tests.unit.telemetry_kit import CHAT, Clock, ask
from tests.unit.telemetry_stories import Story

__all__ = ["GUARDED", "RETRY_AFTER", "SPARE"]

ANOTHER = (CHAT[0], {**CHAT[1], "user": "another"})
A_THIRD = (CHAT[0], {**CHAT[1], "user": "a third"})
CLOCK = Clock()
ONCE = Policy(attempts=1)
RETRY_AFTER = 2.0
USED_UP = (429, b'{"error":{"code":"insufficient_quota"}}')
COOLDOWN = Guards().cooldown
BREAKER = Guards(breaker=True, min_volume=1, gate=False)
SPARE = Fallback(workload="chat", route=CHAT[0], model="gpt-5", to="gpt-5-mini")


def limited() -> httpx.Response:
    return httpx.Response(429, headers={"retry-after": f"{RETRY_AFTER:g}"})


def now_and_then(client: httpx.Client, what: Any) -> None:
    CLOCK.pass_by(COOLDOWN * 0.6)
    ask(client, what)


GUARDED = [
    Story(
        "a limit, and a call that waits for it",
        (limited, 200),
        ("gate closed", "given up", "gate wait", "gate opened"),
        ("failed", "success"),
        ("anyint.failures", "anyint.gate.closed", "anyint.gate.wait"),
        asks=(CHAT, ANOTHER),
        settings=lambda: {"policy": ONCE},
    ),
    Story(
        "a quota that is used up, and a call that is not sent",
        (USED_UP,),
        ("gate closed", "given up", "refused"),
        ("failed", "limited"),
        ("anyint.failures", "anyint.gate.closed", "anyint.refused"),
        asks=(CHAT, ANOTHER),
    ),
    Story(
        "failures in a row",
        (503, 200),
        ("gate closed", "given up", "gate wait", "gate opened"),
        ("failed", "success"),
        ("anyint.failures", "anyint.gate.closed", "anyint.gate.wait"),
        asks=(CHAT, ANOTHER),
        settings=lambda: {"policy": ONCE, "guards": Guards(failures=1)},
    ),
    Story(
        "a retry budget that is spent",
        (503, 503),
        ("backoff", "refused", "given up"),
        ("failed",),
        ("anyint.failures", "anyint.retries", "anyint.wait.time", "anyint.refused"),
        settings=lambda: {"guards": Guards(budget_reserve=1, gate=False)},
    ),
    Story(
        "a circuit that opens and closes again",
        (503, 200),
        ("circuit opened", "given up", "refused", "circuit closed"),
        ("failed", "limited", "success"),
        ("anyint.failures", "anyint.circuit.changes", "anyint.refused"),
        asks=(CHAT, ANOTHER, A_THIRD),
        how=now_and_then,
        settings=lambda: {"policy": ONCE, "guards": BREAKER, "runtime": CLOCK.runtime},
    ),
    Story(
        "a fallback that serves",
        (503, 503, 200),
        ("backoff", "given up", "fallback", "recovered"),
        ("success",),
        ("anyint.failures", "anyint.retries", "anyint.wait.time", "anyint.fallbacks"),
        settings=lambda: {"fallbacks": [SPARE]},
    ),
    Story(
        "a fallback that needs the user's word",
        (503, 503, 503),
        ("backoff", "backoff", "given up", "fallback refused"),
        ("failed",),
        ("anyint.failures", "anyint.retries", "anyint.wait.time"),
        settings=lambda: {"fallbacks": [replace(SPARE, silent_ok=False)]},
    ),
]
