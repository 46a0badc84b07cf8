"""The provider's failures, refusals that never heal, and the bodies errors come with."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

from anyint_resilience import Cause, Certainty, Guards, Policy
from anyint_resilience.emulator import Fault
from tests.conformance.scenario import (
    CHAT,
    GEMINI,
    MESSAGES,
    MODELS,
    Ask,
    Scenario,
    Sees,
    answered,
    healed,
    refused,
    stops,
)

error = Fault.error
UNKNOWN = Certainty.UNKNOWN
HTML = b"<html><h1>502 Bad Gateway</h1></html>"
HUGE = b"<html>" + b"x" * 3_000_000
NESTED = json.dumps(
    {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "prompt too long: 9 > 8"}}}
).encode()
USED_UP = b'{"error":{"message":"no","type":"insufficient_quota","code":"insufficient_quota"}}'
PATIENT = {"policy": Policy(attempts=10), "guards": Guards.off()}
"""The schedule alone: nothing but the policy says when to stop."""


def lasting(name: str, fault: Fault, times: int, last: Sees, *lessons: str, ask: Ask = CHAT, **more: Any) -> Scenario:
    """Return a scenario of a failure that lasts: so many attempts, and the last answer handed over."""
    status = answered(fault)
    assert status is not None
    waits = tuple(0.05 * 2**number for number in range(times - 1))
    return Scenario(
        name=name,
        lessons=lessons,
        asks=(ask,),
        faults=(fault,) * times,
        **{"wire": (status,) * times, "waits": waits, "ends": (status,), "decision": last, **more},
    )


TRANSIENT, MAYBE = stops(Cause.TRANSIENT), stops(Cause.TRANSIENT, UNKNOWN)
FAILURES = [
    lasting(
        "503 that lasts: three attempts, layers above are told to stop",
        error(503),
        3,
        TRANSIENT,
        "M1",
        "M20",
        once=True,
    ),
    lasting("503 that lasts, ten attempts allowed: the waits double", error(503), 10, TRANSIENT, "M1", anyint=PATIENT),
    lasting("500 that lasts, ten attempts allowed: three", error(500), 3, stops(Cause.SERVER, UNKNOWN), anyint=PATIENT),
    lasting("502 of a relay that lasts: two", error(502), 2, MAYBE),
    lasting("504 that lasts", error(504), 3, MAYBE),
    lasting("524 that lasts", Fault(status=524), 3, MAYBE, "B4.17"),
    lasting("598, which nobody documents: three", Fault(status=598), 3, stops(Cause.SERVER, UNKNOWN), "B4.17"),
    lasting("Anthropic's 529 that lasts", error(529, family="anthropic"), 3, TRANSIENT, "B4.17", ask=MESSAGES),
    healed("Google's 503", GEMINI, error(503, family="gemini"), waits=(0.05,), once=True),
    healed("408", CHAT, error(408), waits=(0.05,)),
    healed("409, a lock", CHAT, error(409), waits=(0.05,)),
    healed("425", CHAT, Fault(status=425), waits=(0.05,)),
    healed("a read meets 500, 502 and 503", MODELS, error(500), error(503), waits=(0.05, 0.1)),
]


# --- refusals

MISNAMED = CHAT.but(json={**CHAT.json, "model": "gpt5"})
NO_MODEL = error(404, code="model_not_found")


def like(*names: str, asked: int = 2) -> Any:
    """Return a check that the report names these models, and says by how many requests it was found out."""

    def check(played: Any) -> None:
        told = played.told
        assert told.nearest_models[: len(names)] == names
        assert bool(told.nearest_models) == bool(names)
        assert [name for name in names if not any(name in note for note in told.notes)] == []
        assert [it.asked for it in told.attempts] == [None, "GET /openai/v1/models"][:asked]

    return check


def misnamed(name: str, *faults: Fault, **more: Any) -> Scenario:
    """Return a scenario of a model that the gateway does not know: sent once, and its list asked for like names."""
    row = refused(f"404 of an unknown model{name}", MISNAMED, NO_MODEL, Cause.MODEL, ("B4.18",))
    return replace(row, **{"faults": (NO_MODEL, *faults), "wire": (404, 200), "once": True, **more})


GUARDS = Guards()
ONCE = CHAT.but(policy=Policy(attempts=1))
OUTAGES = [
    Scenario(
        name="failures in a row, and nothing has succeeded: the gate takes it for an outage one failure sooner",
        asks=(ONCE,) * max(1, GUARDS.failures - 1),
        faults=(error(503),) * max(1, GUARDS.failures - 1),
        wire=(503,) * max(1, GUARDS.failures - 1),
        ends=(503,),
        decision=TRANSIENT,
        anyint={"guards": GUARDS},
    ),
    Scenario(
        name="a success, then failures in a row: as many as the settings say",
        asks=(CHAT, *[ONCE] * GUARDS.failures),
        faults=(Fault(), *[error(503)] * GUARDS.failures),
        wire=(200, *[503] * GUARDS.failures),
        ends=(200, *[503] * GUARDS.failures),
        decision=TRANSIENT,
        anyint={"guards": GUARDS},
    ),
]
REFUSED = [
    refused("400", CHAT, error(400), Cause.INVALID, ("B4.18",)),
    refused("401", CHAT, error(401), Cause.AUTH, ("B4.18", "B4.19")),
    refused("403", CHAT, error(403), Cause.PERMISSION, ("B4.18",)),
    misnamed(": names like it from the list of models", check=like("gpt-5")),
    misnamed(
        ": the list is asked for once",
        Fault(),
        NO_MODEL,
        asks=(MISNAMED,) * 2,
        wire=(404, 200, 404),
        check=like("gpt-5", asked=1),
    ),
    misnamed(", and no list to be had", error(503), wire=(404, 503), check=like()),
    misnamed(", and a list that breaks off", Fault(reset="mid_body"), check=like(), once=False),
    refused("404 of a missing object", MODELS.but(path="/openai/v1/files/f"), error(404), Cause.INVALID, ("B4.18",)),
    refused("413", CHAT, error(413), Cause.INVALID),
    refused("422", CHAT, error(422), Cause.INVALID),
    refused("content refused", CHAT, error(400, code="content_policy_violation"), Cause.POLICY),
    refused("501", CHAT, Fault(status=501), Cause.INVALID),
    refused(
        "a Google key that is not valid, under HTTP 400",
        GEMINI,
        Fault(
            status=400,
            body={
                "error": {
                    "code": 400,
                    "message": "API key not valid",
                    "status": "INVALID_ARGUMENT",
                    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
                }
            },
        ),
        Cause.AUTH,
    ),
]


def kept(name: str, fault: Fault, body: bytes, *lessons: str, **more: Any) -> Scenario:
    """Return a scenario of an error body that the application gets whole after the last attempt."""
    return lasting(name, fault, 3, TRANSIENT, *lessons, body=body, **more)


BODIES = [
    healed(
        "3 MB of error before each retry",
        CHAT,
        Fault(status=503, body=HUGE),
        Fault(status=503, body=HUGE),
        waits=(0.05, 0.1),
        lessons=("M5", "B1.1", "B1.2", "B1.4", "B1.5"),
    ),
    refused(
        "3 MB with a 401",
        CHAT,
        Fault(status=401, body=HUGE),
        Cause.AUTH,
        ("M9", "B1.4"),
        body=HUGE,
    ),
    kept("3 MB with the last 503", Fault(status=503, body=HUGE), HUGE, "M5", "M8", "B1.5", "B2.6"),
    kept("an HTML page with 503", Fault(status=503, body=HTML), HTML, "M8", "B2.6", once=True),
    kept("nothing at all with 503", Fault(status=503, body=b""), b"", once=True),
    refused(
        "the upstream's own reason, nested", CHAT, Fault(status=400, body=NESTED), Cause.INVALID, ("B2.7",), body=NESTED
    ),
    refused(
        "a quota told in gzip is read, and comes back readable",
        CHAT,
        Fault(status=429, body=gzip.compress(USED_UP), headers={"content-encoding": "gzip"}),
        Cause.QUOTA,
        ("B2.6",),
        body=USED_UP,
    ),
    kept(
        "a gzip page with the last 503",
        Fault(status=503, body=gzip.compress(HTML, mtime=0), headers={"content-encoding": "gzip"}),
        HTML,
        "B2.6",
    ),
    healed(
        "503 whose body breaks off",
        CHAT,
        Fault(status=503, body=HTML, truncate=9),
        Fault(status=503, body=HTML * 9000, reset="mid_body"),
        waits=(0.05, 0.1),
        lessons=("B1.1",),
    ),
    kept("the last 503 breaks off: what came of it", Fault(status=503, body=HTML, truncate=9), HTML[:9], "B2.6"),
]

TOPICS = {
    "a provider that fails: few attempts, growing waits": FAILURES,
    "an outage: noticed by what all calls see": OUTAGES,
    "refusals: never repeated": REFUSED,
    "bodies of errors: whole, and their connections given back": BODIES,
}
