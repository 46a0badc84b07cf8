"""Keys: the header each family wants, where a new one comes from, and the hosts they may not reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from anyint_resilience import Cause, report
from anyint_resilience.emulator import FAULT_HEADER, Fault
from tests.conformance.scenario import (
    CHAT,
    DELIVERED,
    GEMINI,
    KLING,
    MESSAGES,
    MODELS,
    SONG,
    WAN,
    Ask,
    Keys,
    Scenario,
    healed,
    refused,
    stops,
)

OWN = {"authorization": "Bearer test-key", "x-api-key": None, "x-goog-api-key": None}
CLAUDES = {"authorization": None, "x-api-key": "test-key", "x-goog-api-key": None, "anthropic-version": "2023-06-01"}
NONE = {"authorization": None, "x-api-key": None, "x-goog-api-key": None}
CALLERS_OWN = {"api_key": None}
BUSY = Fault.error(503)


# --- keys


def says(*words: str) -> Any:
    """Return a check that the last guidance has these words."""

    def check(played: Any) -> None:
        guidance = played.told.decision.guidance
        assert [word for word in words if word not in guidance] == []

    return check


def good_key(name: str, ask: Ask, sent: dict[str, str | None], **more: Any) -> Scenario:
    """Return a scenario of a key that must go out in the header this family wants, on a retry too."""
    return healed(f"{name}: the key in its own header, on a retry too", ask, BUSY, waits=(0.05,), sent=sent, **more)


def bad_key(name: str, ask: Ask, *words: str) -> Scenario:
    """Return a scenario of a key that is refused: once, with words on which header this family wants."""
    made = refused(f"{name}: a refused key, once", ask, Fault(), Cause.AUTH, ("B4.19", "M9"), wire=(401,), ends=(401,))
    return replace(made, anyint={"api_key": "not-a-key"}, check=says(*words))


BEARER = "Authorization: Bearer <ANYINT_API_KEY>"
KEYS = [
    good_key("OpenAI", CHAT, OWN),
    good_key("Anthropic", MESSAGES, CLAUDES),
    good_key("Google", GEMINI, OWN),
    good_key("DashScope", WAN, OWN),
    good_key("Kling", KLING, OWN),
    good_key("Suno", SONG, OWN),
    Scenario(
        name="Google: the caller's own x-goog-api-key is moved",
        asks=(GEMINI.but(headers={"x-goog-api-key": "test-key"}),),
        anyint=CALLERS_OWN,
        sent=OWN,
    ),
    bad_key("Google", GEMINI, BEARER),
    bad_key("DashScope", WAN, BEARER),
    bad_key("Kling", KLING, BEARER),
    Scenario(
        name="a key source is asked once more after a 401",
        lessons=("B4.19",),
        asks=(CHAT,),
        wire=(401, 200),
        decision=DELIVERED,
        anyint={"api_key": Keys(("stale", "test-key"))},
        once=True,
    ),
    Scenario(
        name="a key source with the same key again: no second request",
        lessons=("B4.19",),
        asks=(CHAT,),
        wire=(401,),
        ends=(401,),
        decision=stops(Cause.AUTH),
        anyint={"api_key": Keys(("stale", "stale"))},
    ),
]


# --- other hosts


def hop(name: str, ask: Ask, status: int, found: dict[str, str | None], *lessons: str, **more: Any) -> Scenario:
    """Return a scenario of a redirect to the other host."""
    away = Fault(status=307, headers={"location": "{other}" + ask.path})
    return Scenario(
        name=name,
        lessons=lessons,
        asks=(ask.but(redirects=True, headers={**ask.headers, **more.pop("headers", {})}),),
        faults=(away,),
        wire=(307,),
        ends=(status,),
        found=(found,),
        **more,
    )


def untouched(played: Any) -> None:
    """See that we left nothing on the answer of a host that is none of ours."""
    assert report(played.end.answer) is None
    assert "x-should-retry" not in played.end.answer.headers


HOPS = [
    hop("a redirect to a foreign host takes no key of ours along", MODELS, 401, NONE),
    hop("a redirect to a foreign host takes no x-api-key of ours along", MESSAGES, 401, NONE),
    hop(
        "a redirect to a foreign host takes no x-api-key of the caller's along",
        MESSAGES,
        401,
        NONE,
        anyint=CALLERS_OWN,
        headers={"x-api-key": "test-key"},
    ),
    hop(
        "a redirect to a foreign host takes no Bearer of the caller's along",
        MODELS,
        401,
        NONE,
        anyint=CALLERS_OWN,
        headers={"Authorization": "Bearer test-key"},
    ),
    hop("a redirect to another AnyInt host: the key again", MODELS, 200, OWN, "M6", anyint={"hosts": ("{other}",)}),
    hop(
        "a redirect to another AnyInt host: the key again, in the header of the family",
        MESSAGES,
        200,
        CLAUDES,
        "M6",
        anyint={"hosts": ("{other}",)},
    ),
    Scenario(
        name="a redirect that is not followed is handed over",
        asks=(MODELS,),
        faults=(Fault(status=302, headers={"location": "{other}/openai/v1/models"}),),
        wire=(302,),
        ends=(302,),
    ),
    Scenario(
        name="a foreign host: no retry, no key, nothing on the answer",
        asks=(MODELS.but(path="{other}/openai/v1/models", headers={FAULT_HEADER: '{"status": 503}'}),),
        wire=(),
        ends=(503,),
        found=(NONE,),
        check=untouched,
    ),
    Scenario(
        name="a foreign host gets the caller's own key for it",
        asks=(MODELS.but(path="{other}/openai/v1/models", headers={"Authorization": "Bearer theirs"}),),
        wire=(),
        ends=(401,),
        found=({**NONE, "authorization": "Bearer theirs"},),
        check=untouched,
    ),
]


TOPICS = {
    "keys: in the header each family wants": KEYS,
    "other hosts: no key and no retry, but for AnyInt's own": HOPS,
}
