"""Rate limits, the server's hints about time, quotas, and the codes that stand inside HTTP 200."""

from __future__ import annotations

from email.utils import formatdate

from anyint_resilience import Cause, Certainty, Policy
from anyint_resilience.emulator import Fault
from tests.conformance.scenario import (
    CHAT,
    GEMINI,
    KLING,
    MESSAGES,
    NOW,
    SONG,
    VIDEO,
    WAN,
    Ask,
    Scenario,
    healed,
    refused,
    stops,
)

error = Fault.error
DAY = 86_400
GOOGLE = "type.googleapis.com/google.rpc."
RETRY_INFO = [{"@type": GOOGLE + "RetryInfo", "retryDelay": "36.429760048s"}]
PER_DAY = [
    {"@type": GOOGLE + "QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]},
    *RETRY_INFO,
]
PER_MINUTE = "Requests rate limit exceeded, please try again later or increase your quota limit (per minute)."


def limited(name: str, wait: float, *lessons: str, ask: Ask = CHAT, status: int = 429, **hint: str) -> Scenario:
    """Return a scenario of one limited answer with these headers, and the wait that must follow."""
    headers = {header.replace("_", "-"): value for header, value in hint.items()}
    return healed(name, ask, Fault(status=status, headers=headers), waits=(wait,), lessons=lessons, once=True)


def too_late(name: str, seconds: float, *lessons: str, hint: str | None = None, **more: object) -> Scenario:
    """Return a scenario of a hint that nobody should wait for here."""
    fault = error(429, retry_after=seconds if hint is None else hint)
    return refused(name, CHAT, fault, Cause.RATE, lessons, retry_at=seconds, **more)


HINTS = [
    healed("no hint: 1 s, then 2 s", CHAT, error(429), error(429), waits=(1.0, 2.0), lessons=("B3.13",), once=True),
    limited("Retry-After in seconds: never earlier, a little later", 2.2, "M7", "B3.12", retry_after="2"),
    healed(
        "Retry-After beyond our own longest wait",
        CHAT,
        error(429, retry_after=5),
        waits=(5.5,),
        lessons=("M2",),
        anyint={"policy": Policy(rate_base=0.1, max_delay=0.2)},
    ),
    limited("Retry-After as an HTTP date", 5.5, retry_after=formatdate(NOW + 5, usegmt=True)),
    limited("Retry-After as a date that has passed", 1.0, retry_after=formatdate(NOW - 5, usegmt=True)),
    limited("retry-after-ms wins over Retry-After", 1.65, retry_after_ms="1500", retry_after="9"),
    limited("Retry-After: 9999999999 is no hint", 1.0, "B3.10", retry_after="9999999999"),
    limited("Retry-After: nan is no hint", 1.0, "B3.10", retry_after="nan"),
    limited("RateLimit: the exhausted policy's t", 31.0, RateLimit='"burst";r=0;t=30, "daily";r=9;t=4000'),
    limited(
        "Anthropic's reset of an empty window",
        8.8,
        ask=MESSAGES,
        anthropic_ratelimit_requests_remaining="0",
        anthropic_ratelimit_requests_reset="2027-01-15T08:00:08Z",
    ),
    limited("503 with Retry-After", 4.4, status=503, retry_after="4"),
    healed(
        "Google's RetryInfo in the body",
        GEMINI,
        error(429, family="gemini", details=RETRY_INFO),
        waits=(36.429760048 + 1,),
    ),
    limited("a hint before a paid create", 3.3, "M7", ask=VIDEO, retry_after="3"),
    too_late("an hour is beyond the retry window: handed over", 3600, "B3.9"),
    too_late("a day is beyond the retry window: handed over", DAY, "M18"),
    too_late("a date beyond the retry window: handed over", 7200, "B3.9", hint=formatdate(NOW + 7200, usegmt=True)),
    healed(
        "a day is waited for where the window allows it",
        CHAT,
        error(429, retry_after=DAY),
        waits=(DAY + 1,),
        anyint={"policy": Policy(retry_window=float("inf"))},
    ),
    Scenario(
        name="429 to the end: handed over with its body",
        lessons=("B2.6",),
        asks=(CHAT,),
        faults=(Fault(status=429, body='{"error":{"code":"rate_limit_exceeded","message":"slow"}}'),) * 3,
        wire=(429, 429, 429),
        waits=(1.0, 2.0),
        ends=(429,),
        decision=stops(Cause.RATE),
        body=b'{"error":{"code":"rate_limit_exceeded","message":"slow"}}',
        once=True,
    ),
]

QUOTA = Cause.QUOTA
QUOTAS = [
    refused(
        "OpenAI: insufficient_quota, though a hint is near",
        CHAT,
        error(429, code="insufficient_quota", retry_after=1),
        QUOTA,
        ("M13", "B4.14"),
    ),
    refused("HTTP 402", CHAT, error(402), QUOTA),
    refused("a relay's budget_exceeded", CHAT, error(429, code="budget_exceeded"), QUOTA),
    refused(
        "Anthropic: a spend limit",
        MESSAGES,
        error(429, family="anthropic", details={"error_code": "enforced_spend_limit_reached"}),
        QUOTA,
        ("B4.14",),
    ),
    refused(
        "Google: a quota per day, though a delay is near", GEMINI, error(429, family="gemini", details=PER_DAY), QUOTA
    ),
    refused("Kling 1101 under HTTP 429", KLING, error(429, family="kling", code=1101), QUOTA),
    refused("Kling 1102 under HTTP 200", KLING, error(200, family="kling", code=1102), QUOTA, ("B4.15",)),
    refused("Suno 429 under HTTP 200", SONG, error(200, family="suno", code=429), QUOTA, ("B4.15",)),
    refused("DashScope: Arrearage under HTTP 400", WAN, error(400, family="dashscope", code="Arrearage"), QUOTA),
    healed(
        "insufficient_quota that means tokens a minute",
        CHAT,
        error(429, code="insufficient_quota", message=PER_MINUTE),
        waits=(1.0,),
        lessons=("B4.14",),
    ),
]


def inside(name: str, ask: Ask, family: str, code: int, wait: float) -> Scenario:
    """Return a scenario of a code under HTTP 200 that heals."""
    return healed(name, ask, error(200, family=family, code=code), waits=(wait,), lessons=("B4.15",), once=True)


FAILED_TASK = {"request_id": "r", "output": {"task_id": "t", "task_status": "FAILED", "code": "DataInspectionFailed"}}
SAYS_502 = b'{"error":{"message":"Provider returned error","code":502}}'
INSIDE = [
    inside("Suno 430, too often", SONG, "suno", 430, 1.0),
    inside("Suno 405, too often", SONG, "suno", 405, 1.0),
    inside("Suno 455, maintenance: a long wait", SONG, "suno", 455, 5.05),
    inside("Kling 1302, too often", KLING, "kling", 1302, 1.0),
    inside("Kling 1303, too many tasks at once: a longer wait", KLING, "kling", 1303, 2.0),
    refused(
        "Suno 500: it may have been done",
        SONG,
        error(200, family="suno", code=500),
        Cause.SERVER,
        ("B4.15",),
        decision=stops(Cause.SERVER, Certainty.UNKNOWN),
        unknown=1,
    ),
    refused("Kling 1301, content refused", KLING, error(200, family="kling", code=1301), Cause.POLICY),
    refused(
        "DashScope: a task that failed",
        Ask(method="GET", path="/dashscope/v1/tasks/t"),
        Fault(body=FAILED_TASK),
        Cause.POLICY,
        ("B4.15", "B5.21"),
        decision=stops(Cause.POLICY, Certainty.COMMITTED),
    ),
    refused(
        "an error inside the 200 of a paid create: it may have been done",
        VIDEO,
        Fault(body=SAYS_502),
        Cause.TRANSIENT,
        ("M17", "B4.15"),
        decision=stops(Cause.TRANSIENT, Certainty.UNKNOWN),
        body=SAYS_502,
        unknown=1,
    ),
    Scenario(
        name="an error inside the 200 of a chat is the application's to read",
        lessons=("M17",),
        asks=(CHAT,),
        faults=(Fault(body=SAYS_502),),
        decision=None,
        body=SAYS_502,
    ),
]

TOPICS = {
    "rate limits: as long as the server says, never less": HINTS,
    "quotas: never asked twice": QUOTAS,
    "codes inside HTTP 200: read as what they are": INSIDE,
}
