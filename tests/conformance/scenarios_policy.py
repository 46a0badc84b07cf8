"""Who decides how often and how long: the policy, the server's word, the layers above."""

from __future__ import annotations

from typing import Any

from anyint_resilience import Cause, Certainty, Guards, Policy
from anyint_resilience.emulator import Fault
from tests.conformance.scenario import (
    CHAT,
    DELIVERED,
    MESSAGES,
    VIDEO,
    Raises,
    Scenario,
    healed,
    refused,
    stops,
)

error = Fault.error
BUSY = error(503)
RESET = Fault(reset="before_headers")
LOST = stops(Cause.TRANSIENT, Certainty.UNKNOWN)
TRANSIENT = stops(Cause.TRANSIENT)
SCHEDULE = {"guards": Guards.off()}
"""The policy's attempts and waits alone: more than a new process's retry budget has."""


def told(status: int, word: str) -> Fault:
    """Return an answer that says whether to retry."""
    return Fault(status=status, headers={"x-should-retry": word})


SAID = [
    refused("403 that asks for a retry", CHAT, told(403, "true"), Cause.PERMISSION, ("M16",)),
    refused("401 that asks for a retry", CHAT, told(401, "true"), Cause.AUTH, ("M16", "B4.19")),
    refused("400 that asks for a retry", CHAT, told(400, "true"), Cause.INVALID, ("M16",)),
    refused(
        "a quota that asks for a retry",
        CHAT,
        error(429, code="insufficient_quota", headers={"x-should-retry": "true"}),
        Cause.QUOTA,
        ("M16", "M13"),
    ),
    refused("503 that forbids a retry", CHAT, told(503, "false"), Cause.TRANSIENT),
    refused(
        "500 to a paid create that asks for a retry",
        VIDEO,
        told(500, "true"),
        Cause.SERVER,
        ("M16", "B5.20"),
        decision=stops(Cause.SERVER, Certainty.UNKNOWN),
        unknown=1,
    ),
    healed("503 that asks for a retry", CHAT, told(503, "true"), waits=(0.05,)),
]


# --- layers above


def again(times: int) -> Any:
    """Return the chat as a layer above sends it again and again, with the SDKs' count of its own retries."""
    return tuple(CHAT.but(headers={"x-stainless-retry-count": str(number)}) for number in range(times))


def noted(played: Any) -> None:
    """See that the report tells of the layer above."""
    assert played.told.outer_retries == len(played.scenario.asks) - 1
    assert any("a retry layer above" in note for note in played.told.notes)


def by_policy(name: str, policy: Policy, attempts: int, *lessons: str, **more: Any) -> Scenario:
    """Return a scenario of a 503 that lasts and a policy that says how often to try."""
    waits = tuple(0.05 * 2**number for number in range(attempts - 1))
    return Scenario(
        name=name,
        lessons=lessons,
        **{
            "asks": (CHAT.but(policy=policy),),
            "faults": (BUSY,) * attempts,
            "wire": (503,) * attempts,
            "waits": waits,
            "ends": (503,),
            "decision": TRANSIENT,
            **more,
        },
    )


LAYERS = [
    Scenario(
        name="three tries above, three here: 6 requests, not 9",
        lessons=("M20", "B7.32"),
        asks=again(3),
        faults=(RESET,) * 6,
        wire=(None,) * 6,
        waits=(0.05, 0.1, 0.05),
        ends=(Raises.CLIENTS,),
        decision=LOST,
        anyint=SCHEDULE,
        check=noted,
    ),
    Scenario(
        name="a tenth try above is one request here",
        lessons=("M20", "B7.32"),
        asks=(CHAT.but(headers={"x-stainless-retry-count": "9"}),),
        faults=(BUSY,),
        wire=(503,),
        ends=(503,),
        decision=TRANSIENT,
    ),
    Scenario(
        name="a paid create is sent once, however often a layer above tries",
        lessons=("M15", "M20", "B5.20"),
        asks=tuple(VIDEO.but(headers={"x-stainless-retry-count": str(number)}) for number in range(3)),
        faults=(Fault(reset="before_headers", process=True),),
        wire=(None,),
        ends=(Raises.UNKNOWN,),
        decision=stops(Cause.UNKNOWN, Certainty.UNKNOWN),
        tasks=1,
        unknown=1,
    ),
]


# --- the policy

SLOW = Fault(stall="before_headers")
OFF = Policy(enabled=False)
POLICIES = [
    by_policy("attempts=1", Policy(attempts=1), 1),
    by_policy("attempts=5", Policy(attempts=5), 5, anyint=SCHEDULE),
    by_policy(
        "one call with its own policy, the next without",
        Policy(attempts=1),
        1,
        "B5.26",
        asks=(CHAT.but(policy=Policy(attempts=1)), CHAT),
        faults=(BUSY, BUSY),
        wire=(503, 503, 200),
        waits=(0.05,),
        ends=(503, 200),
        decision=DELIVERED,
    ),
    by_policy("enabled=False: as if we were not there", OFF, 1, "B5.25", decision=None),
    by_policy(
        "enabled=False, and the key in its header all the same",
        OFF,
        1,
        asks=(MESSAGES.but(policy=OFF),),
        decision=None,
        sent={"x-api-key": "test-key", "authorization": None},
    ),
    by_policy(
        "enabled=False: a lost create raises the client's own exception",
        OFF,
        1,
        "B5.25",
        asks=(VIDEO.but(policy=OFF),),
        faults=(RESET,),
        wire=(None,),
        ends=(Raises.CLIENTS,),
        decision=None,
    ),
    by_policy("our own, slower waits", Policy(transient_base=2, factor=3, max_delay=5), 3, waits=(2.0, 5.0)),
]
WINDOWS = [
    by_policy("no attempt begins after the retry window", Policy(attempts=9, retry_window=0.2), 3, "B6.28"),
    by_policy("a deadline ends the waits before it", Policy(attempts=9, deadline=0.2), 3, "B6.27", "B6.28"),
    by_policy(
        "a hint beyond the deadline: handed over at once",
        Policy(deadline=4),
        1,
        "B3.9",
        "B3.13",
        "B6.27",
        faults=(error(429, retry_after=5),),
        wire=(429,),
        ends=(429,),
        decision=stops(Cause.RATE),
        retry_at=5,
    ),
    by_policy(
        "a hint that fits into the deadline only without its jitter",
        Policy(deadline=5.2),
        1,
        "B3.12",
        faults=(error(429, retry_after=5),),
        wire=(429, 200),
        ends=(200,),
        waits=(5.0,),
        decision=DELIVERED,
    ),
    by_policy(
        "a deadline ends an attempt that hangs",
        Policy(deadline=0.4),
        1,
        "B6.27",
        "B6.28",
        faults=(SLOW,),
        wire=(None,),
        ends=(Raises.LATE,),
        client={"timeout": 10},
        real_clock=True,
        decision=LOST,
    ),
    by_policy(
        "a deadline ends a body that hangs",
        Policy(deadline=0.4),
        1,
        "B6.27",
        faults=(Fault(body=b"x" * 200_000, stall="mid_body"),),
        wire=(200,),
        ends=(Raises.LATE,),
        client={"timeout": 10},
        real_clock=True,
        decision=None,
    ),
    by_policy(
        "a deadline ends a paid create that hangs: unknown",
        Policy(deadline=0.4),
        1,
        "B6.27",
        "M15",
        asks=(VIDEO.but(policy=Policy(deadline=0.4)),),
        faults=(Fault(stall="before_headers", process=True),),
        wire=(None,),
        ends=(Raises.UNKNOWN_TIMEOUT,),
        client={"timeout": 10},
        real_clock=True,
        decision=LOST,
        tasks=1,
        unknown=1,
    ),
    by_policy(
        "without a deadline each attempt has the client's own time-out",
        Policy(attempts=2),
        2,
        "B6.28",
        faults=(SLOW, SLOW),
        wire=(None, None),
        ends=(Raises.TIMEOUT,),
        asks=(CHAT.but(policy=Policy(attempts=2), timeout=(5, 0.05)),),
        decision=LOST,
    ),
]

TOPICS = {
    "x-should-retry: never against the table": SAID,
    "retry layers above: attempts do not multiply": LAYERS,
    "policies: for one call and for all": POLICIES,
    "retry window and deadline: kept": WINDOWS,
}
