"""What calls do for each other on one client, one after the other: the retry budget and the gate.

Must not know any client. What takes threads, tasks or two hosts is in ``test_guards_*.py``.
"""

from __future__ import annotations

from typing import Any

from anyint_resilience import Cause, Certainty, Guards, Policy
from anyint_resilience.emulator import Fault
from anyint_resilience.policy.backoff import above_hint
from tests.conformance.kit import KEY
from tests.conformance.scenario import (
    CHAT,
    DELIVERED,
    GEMINI,
    KLING,
    MESSAGES,
    POLL,
    SONG,
    VIDEO,
    VIDEO_QUERY,
    WAN,
    Ask,
    Raises,
    Scenario,
    stops,
)

error = Fault.error
BUSY = error(503)
RESET = Fault(reset="before_headers")
ONCE = Policy(attempts=1)
LIMITED = error(429, retry_after=2)
IN_LINE = above_hint(2.0, 1.0)
"""Seconds for which the next call stands in line then, the jitter at its longest."""


# --- the retry budget

TWO = {"guards": Guards(budget_reserve=2, budget_ratio=0.5, failures=99)}
"""Two retries; each success earns half a one. The gate stays open, so that nothing else is in the way."""


def spent(played: Any) -> None:
    """The reason stands in the last decision."""
    assert "retry budget" in played.told.decision.reason
    assert len(played.told.attempts) == 1


def unspent(played: Any) -> None:
    """The last call had its retry."""
    assert len(played.told.attempts) == 2


BUDGET = [
    Scenario(
        name="two calls: the second gets its first 503 at once, and why",
        asks=(CHAT, CHAT),
        faults=(BUSY,) * 4,
        wire=(503,) * 4,
        waits=(0.05, 0.1),
        ends=(503,),
        decision=stops(Cause.TRANSIENT),
        anyint=TWO,
        check=spent,
    ),
    Scenario(
        name="two calls: the second gets its first lost connection at once, and why",
        asks=(CHAT, CHAT),
        faults=(RESET,) * 4,
        wire=(None,) * 4,
        waits=(0.05, 0.1),
        ends=(Raises.CLIENTS,),
        decision=stops(Cause.TRANSIENT, Certainty.UNKNOWN),
        anyint=TWO,
        check=spent,
    ),
    Scenario(
        name="a spent budget is one of the key and host: another model has none either",
        asks=(CHAT, MESSAGES),
        faults=(BUSY,) * 4,
        wire=(503,) * 4,
        waits=(0.05, 0.1),
        ends=(503,),
        decision=stops(Cause.TRANSIENT),
        anyint=TWO,
        check=spent,
    ),
    Scenario(
        name="a spent budget holds back no first attempt",
        asks=(CHAT, CHAT, CHAT),
        faults=(BUSY,) * 4,
        wire=(503, 503, 503, 503, 200),
        waits=(0.05, 0.1),
        ends=(503, 503, 200),
        decision=DELIVERED,
        anyint=TWO,
    ),
    Scenario(
        name="successes earn retries",
        asks=(CHAT,) * 4,
        faults=(BUSY, BUSY, BUSY, Fault(), Fault(), BUSY),
        wire=(503, 503, 503, 200, 200, 503, 200),
        waits=(0.05, 0.1, 0.05),
        ends=(503, 200, 200, 200),
        decision=DELIVERED,
        anyint=TWO,
        check=unspent,
    ),
    Scenario(
        name="no budget where it is switched off",
        asks=(CHAT, CHAT),
        faults=(BUSY,) * 6,
        wire=(503,) * 6,
        waits=(0.05, 0.1) * 2,
        ends=(503,),
        decision=stops(Cause.TRANSIENT),
        anyint={"guards": Guards(budget=False, failures=99)},
    ),
]


# --- the gate


def after(
    name: str,
    first: Ask,
    fault: Fault,
    *then: Ask,
    waits: tuple[float, ...] = (IN_LINE,),
    status: int | None = None,
    **more: Any,
) -> Scenario:
    """Return a scenario of a call that meets a fault and ends by it, and of those after it, all good."""
    met = fault.status if status is None else status
    assert met is not None
    return Scenario(
        **{
            "name": name,
            "asks": (first.but(policy=ONCE), *then),
            "faults": (fault,),
            "wire": (met, *(200 for _ in then)),
            "waits": waits,
            "ends": (met, *(200 for _ in then)),
            "decision": DELIVERED,
            **more,
        }
    )


def free(name: str, first: Ask, then: Ask, **more: Any) -> Scenario:
    """Return a scenario of a limit that is none for the call after it."""
    return after(name, first, LIMITED, then, **{"waits": (), **more})


def another(ask: Ask) -> Ask:
    """Return the same call for another thing, so that nobody takes it for the same create."""
    return ask.but(json={**ask.json, "prompt": "another"})


GATE = [
    after("429 with Retry-After: the next call stands in line", CHAT, LIMITED, CHAT),
    after("429 with Retry-After: the next paid create, too", VIDEO, LIMITED, another(VIDEO), decision=POLL, tasks=1),
    after("429 with Retry-After: the next upload of bytes, too", GEMINI, LIMITED, GEMINI),
    after(
        "the gate is shut once: those after it go at once",
        CHAT,
        LIMITED,
        CHAT,
        CHAT,
        CHAT,
        waits=(IN_LINE,),
    ),
    free("a limit of one model is none of another's", CHAT, CHAT.but(json={**CHAT.json, "model": "gpt-5-mini"})),
    free("a limit of one family is none of another's", CHAT, MESSAGES.but(json={**MESSAGES.json, "model": "gpt-5"})),
    Scenario(
        name="a limit on making tasks is none on asking for them",
        asks=(VIDEO, another(VIDEO).but(policy=ONCE), VIDEO_QUERY),
        faults=(Fault(), LIMITED),
        wire=(200, 429, 200),
        ends=(200, 429, 200),
        decision=POLL,
        tasks=1,
    ),
    Scenario(
        name="no gate where it is switched off",
        asks=(CHAT.but(policy=ONCE), CHAT),
        faults=(LIMITED,),
        wire=(429, 200),
        ends=(429, 200),
        anyint={"guards": Guards(gate=False)},
    ),
]


def inside(name: str, ask: Ask, fault: Fault, wait: float = 1.0) -> Scenario:
    """Return a scenario of a limit in its family's own words, without a hint: the schedule's first wait and jitter."""
    made = {"decision": POLL, "tasks": 1}
    return after(name, ask, fault, another(ask), waits=(above_hint(wait, 1.0),), **made)


SAID = [
    inside("Suno 430 under HTTP 200", SONG, error(200, family="suno", code=430)),
    inside("Suno 405 under HTTP 200", SONG, error(200, family="suno", code=405)),
    inside("Kling 1302 under HTTP 200", KLING, error(200, family="kling", code=1302)),
    inside("Kling 1303 under HTTP 200", KLING, error(200, family="kling", code=1303), 2.0),
    inside("DashScope Throttling", WAN, error(429, family="dashscope", code="Throttling")),
]

# OpenAI's reset is the time to a full refill, so it is no longer than that: 1 s by the schedule.
LAST_ONE = Fault(headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"})
LEFT = Fault(headers={"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "2s"})
NEVER_NAMED = Fault(headers={"x-ratelimit-remaining-requests": "0"})
GOOD = [
    after(
        "the last one of a window: the next call stands in line",
        CHAT,
        LAST_ONE,
        CHAT,
        status=200,
        waits=(above_hint(1.0, 1.0),),
    ),
    Scenario(
        name="the last one of a window, seen on the fast lane, too",
        asks=(CHAT, CHAT, CHAT, CHAT),
        faults=(Fault(), Fault(), LAST_ONE),
        wire=(200,) * 4,
        waits=(above_hint(1.0, 1.0),),
        decision=DELIVERED,
        client={"headers": {"Authorization": f"Bearer {KEY}"}},
    ),
    Scenario(name="some are left: nobody waits", asks=(CHAT, CHAT), faults=(LEFT,), wire=(200, 200)),
    Scenario(
        name="none is left, and no moment named: nobody waits",
        asks=(CHAT, CHAT),
        faults=(NEVER_NAMED,),
        wire=(200, 200),
    ),
]

TOPICS: dict[str, list[Scenario]] = {
    "the retry budget of a key and host": BUDGET,
    "the gate of a key and model": GATE,
    "the gate, in each family's words": SAID,
    "the gate, by a good answer": GOOD,
}
