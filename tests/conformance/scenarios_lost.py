"""Connections that break: under a generation, which may be repeated, and under a paid create, which may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from anyint_resilience import Cause, Certainty, Policy, report
from anyint_resilience.emulator import Fault
from tests.conformance.scenario import (
    CHAT,
    CREATES,
    MODELS,
    POLL,
    UPLOAD,
    VIDEO,
    VIDEO_QUERY,
    Ask,
    Raises,
    Scenario,
    answered,
    healed,
    refused,
    stops,
)

error = Fault.error
LOST = stops(Cause.TRANSIENT, Certainty.UNKNOWN)
RESET = Fault(reset="before_headers")
SLOW = 0.05  # seconds a client waits for a server that says nothing
CAREFUL = {"policy": Policy(repeat_generation=False)}

BREAKS = {
    "reset": RESET,
    "hung up": Fault(half_close=True),
    "no HTTP": Fault(garbage="not_http"),
    "reset after its headers": Fault(reset="after_headers"),
}
"""What ends an attempt before its answer could be read."""


def gives_up(name: str, fault: Fault, end: Raises, times: int = 1, *lessons: str, **more: Any) -> Scenario:
    """Return a scenario of a generation that ends with the client's own exception."""
    waits = tuple(0.05 * 2**number for number in range(times - 1))
    return Scenario(
        name=name,
        lessons=lessons,
        **{
            "asks": (CHAT,),
            "faults": (fault,) * times,
            "wire": (answered(fault),) * times,
            "waits": waits,
            "ends": (end,),
            "decision": LOST,
            **more,
        },
    )


GENERATION = [
    *(healed(f"{how}: once more", CHAT, fault, waits=(0.05,)) for how, fault in list(BREAKS.items())[:3]),
    healed(
        "slower than the time-out: once more", CHAT.but(timeout=(5, 0.4)), Fault(stall="before_headers"), waits=(0.05,)
    ),
    healed("reset, hung up, then well", CHAT, RESET, Fault(half_close=True), waits=(0.05, 0.1)),
    gives_up("reset to the end: the client's own exception", RESET, Raises.CLIENTS, 3, "M21", "B2.6", "B8.36"),
    gives_up("hung up to the end: the client's own exception", Fault(half_close=True), Raises.CLIENTS, 3, "M21"),
    gives_up("no HTTP to the end: the client's own exception", Fault(garbage="not_http"), Raises.CLIENTS, 3, "M21"),
    gives_up(
        "slower than the time-out to the end: the client's own time-out",
        Fault(stall="before_headers"),
        Raises.TIMEOUT,
        3,
        "M21",
        asks=(CHAT.but(timeout=(5, SLOW)),),
    ),
    gives_up(
        "slower than the time-out, repeat_generation=False: once",
        Fault(stall="before_headers", process=True),
        Raises.TIMEOUT,
        1,
        "M14",
        asks=(CHAT.but(timeout=(5, SLOW)),),
        anyint=CAREFUL,
        sent={"idempotency-key": None},
    ),
    gives_up("reset, repeat_generation=False: once", RESET, Raises.CLIENTS, 1, "M14", anyint=CAREFUL),
    gives_up(
        "a good answer that breaks off: the application decides",
        Fault(truncate=40),
        Raises.BROKEN,
        1,
        "B8.35",
        decision=None,
    ),
    gives_up(
        "a good answer that is reset in the middle: the application decides",
        Fault(reset="mid_body"),
        Raises.BROKEN,
        1,
        "B8.35",
        decision=None,
    ),
    Scenario(
        name="broken JSON in a good answer is handed over",
        asks=(CHAT,),
        faults=(Fault(garbage="json"),),
        body=b'{"id": "x", "choices": [{',
    ),
    Scenario(
        name="nobody listens: three attempts, then the client's own exception",
        lessons=("M21",),
        asks=(CHAT.but(path="{closed}" + CHAT.path),),
        wire=(),
        waits=(0.05, 0.1),
        ends=(Raises.CLIENTS,),
        decision=stops(Cause.TRANSIENT, Certainty.NOT_SENT),
        anyint={"hosts": ("{closed}",)},
    ),
]


# --- paid creates


def told_to_look(played: Any) -> None:
    """See that nothing invites the application to create again."""
    text = str(played.end.error)
    assert "billed" in text
    assert "try again" not in text.lower()
    told = report(played.end.error)
    assert told is not None
    assert told.intent is not None


def lost(name: str, ask: Ask, fault: Fault, *lessons: str, **more: Any) -> Scenario:
    """Return a scenario of a create whose answer was lost: sent once, and unknown from then on."""
    return Scenario(
        name=name,
        lessons=lessons,
        **{
            "asks": (ask,),
            "faults": (fault,),
            "wire": (answered(fault),),
            "ends": (Raises.UNKNOWN,),
            "decision": LOST,
            "tasks": 1,
            "unknown": 1,
            "check": told_to_look,
            **more,
        },
    )


def unsure(status: int, cause: Cause, *lessons: str) -> Scenario:
    """Return a scenario of a create that was answered, and not by what became of it."""
    ends = refused(f"{status}: handed over, not sent again", VIDEO, error(status, process=True), cause, lessons)
    return replace(ends, decision=stops(cause, Certainty.UNKNOWN), tasks=1, unknown=1)


DONE = Fault(reset="before_headers", process=True)
THREE = (VIDEO,) * 3
CREATE = [
    *(
        lost(f"{family}: its answer lost", ask, DONE, "M15", "B5.20", "B5.22", sent={"idempotency-key": None})
        for family, ask in CREATES.items()
    ),
    lost("hung up", VIDEO, Fault(half_close=True, process=True), "B5.20"),
    lost("no HTTP", VIDEO, Fault(garbage="not_http", process=True), "B5.20"),
    lost("the answer reset after its headers", VIDEO, Fault(reset="after_headers", process=True), "M15", "B5.20"),
    lost("the answer reset in the middle", VIDEO, Fault(reset="mid_body", process=True), "M15", "B5.20"),
    lost("the answer cut short", VIDEO, Fault(truncate=20), "M15", "B5.20"),
    lost(
        "slower than the time-out",
        VIDEO.but(timeout=(5, SLOW)),
        Fault(stall="before_headers", process=True),
        "M14",
        "M15",
        "B5.25",
        ends=(Raises.UNKNOWN_TIMEOUT,),
    ),
    lost(
        "a background response",
        Ask(path="/openai/v1/responses", json={"model": "gpt-5", "input": "x", "background": True}),
        DONE,
        "B5.20",
    ),
    lost("an upload", UPLOAD, DONE, "B5.20", tasks=0),
    unsure(500, Cause.SERVER, "M4", "B5.20"),
    unsure(502, Cause.TRANSIENT, "M4", "B5.20"),
    unsure(504, Cause.TRANSIENT, "B5.20"),
    healed("503, then well: one task", VIDEO, error(503), error(503), waits=(0.05, 0.1), lessons=("B5.20",), once=True),
    Scenario(
        name="nobody listens: three attempts, since none was sent",
        lessons=("B5.20", "B5.26"),
        asks=(VIDEO.but(path="{closed}" + VIDEO.path),),
        wire=(),
        waits=(0.05, 0.1),
        ends=(Raises.CLIENTS,),
        decision=stops(Cause.TRANSIENT, Certainty.NOT_SENT),
        anyint={"hosts": ("{closed}",)},
    ),
    lost(
        "asked for three times by an impatient layer: one request, one task",
        VIDEO,
        DONE,
        "M15",
        "B5.20",
        "B5.21",
        "B5.22",
        "B5.25",
        asks=THREE,
        decision=stops(Cause.UNKNOWN, Certainty.UNKNOWN),
    ),
    lost(
        "a form built anew, with another boundary, is the same create",
        VIDEO.but(json=None, data=VIDEO.json, files={"input_reference": ("a.png", b"png")}),
        DONE,
        "B5.23",
        asks=(VIDEO.but(json=None, data=VIDEO.json, files={"input_reference": ("a.png", b"png")}),) * 2,
        decision=stops(Cause.UNKNOWN, Certainty.UNKNOWN),
    ),
    Scenario(
        name="another Idempotency-Key is another create",
        lessons=("B5.23",),
        asks=(VIDEO, VIDEO.but(headers={"Idempotency-Key": "mine"})),
        faults=(DONE,),
        wire=(None, 200),
        ends=(Raises.UNKNOWN, 200),
        decision=POLL,
        tasks=2,
        unknown=1,
    ),
    healed(
        "one Idempotency-Key for all attempts",
        VIDEO.but(headers={"Idempotency-Key": "mine"}),
        error(503),
        error(429),
        waits=(0.05, 2.0),
        lessons=("B5.23", "B5.24"),
        sent={"idempotency-key": "mine"},
    ),
    Scenario(
        name="two creates that went well are two tasks",
        asks=(VIDEO, VIDEO),
        wire=(200, 200),
        decision=POLL,
        tasks=2,
        once=True,
    ),
]


# --- tasks

GOOD = Fault()
QUERIES = [
    Scenario(
        name="a query meets 503 and a reset: asked again, nothing created again",
        lessons=("B5.20", "B5.21", "M15"),
        asks=(VIDEO, VIDEO_QUERY),
        faults=(GOOD, error(503), RESET),
        wire=(200, 503, None, 200),
        waits=(0.05, 0.1),
        decision=POLL,
        tasks=1,
    ),
    Scenario(
        name="a query that is lost to the end leaves its task alone",
        lessons=("B5.21",),
        asks=(VIDEO, VIDEO_QUERY),
        faults=(GOOD, error(503), error(503), error(503)),
        wire=(200, 503, 503, 503),
        waits=(0.05, 0.1),
        ends=(200, 503),
        decision=stops(Cause.TRANSIENT),
        tasks=1,
    ),
    refused("a query for a task nobody knows", VIDEO_QUERY, GOOD, Cause.INVALID, wire=(404,), ends=(404,), faults=()),
    healed("a list of models meets a reset", MODELS, RESET, waits=(0.05,), lessons=("B5.26",)),
    healed(
        "a deletion meets a reset",
        Ask(method="DELETE", path="/openai/v1/files/f"),
        RESET,
        waits=(0.05,),
        wire=(None, 404),
        ends=(404,),
        decision=stops(Cause.INVALID),
    ),
]

TOPICS = {
    "a generation that is lost: sent again within the policy, then the client's own exception": GENERATION,
    "a paid create that is lost: never sent twice": CREATE,
    "tasks and reads: asked again, nothing created again": QUERIES,
}
