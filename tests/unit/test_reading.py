"""What an answer or a fault means: every code row once through a body made from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience.contract.errors import CODE_ROWS, STATUS_ROWS, CodeRow, Envelope
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Cause, Certainty
from anyint_resilience.policy.model import Fault, FaultKind, Observation
from anyint_resilience.policy.reading import needs_body, read_fault, read_response

TABLE = RouteTable(seedance=True)
CHAT = TABLE.match("POST", "/openai/v1/chat/completions")
VIDEO = TABLE.match("POST", "/openai/v1/videos")
VIDEO_QUERY = TABLE.match("GET", "/openai/v1/videos/v1")
UPLOAD = TABLE.match("POST", "/openai/v1/files")
MESSAGES = TABLE.match("POST", "/anthropic/v1/messages")
GEMINI = TABLE.match("POST", "/gemini/v1beta/models/m:generateContent")
SONG = TABLE.match("POST", "/suno/generate")
SONG_QUERY = TABLE.match("GET", "/suno/query/task")
KLING = TABLE.match("POST", "/transtreams/kling/v1/videos/text2video")
KLING_QUERY = TABLE.match("GET", "/transtreams/kling/v1/videos/text2video/t1")
WAN = TABLE.match("POST", "/dashscope/v1/services/aigc/video-generation/video-synthesis")
WAN_QUERY = TABLE.match("GET", "/dashscope/v1/tasks/t1")
FOREIGN = TABLE.match("POST", "/somewhere/else")

ROUTE_OF = {
    Envelope.OPENAI: CHAT,
    Envelope.ANTHROPIC: MESSAGES,
    Envelope.GOOGLE: GEMINI,
    Envelope.SUNO: SONG,
    Envelope.KLING: KLING,
    Envelope.DASHSCOPE: WAN,
    Envelope.PROBLEM: CHAT,
}


def read(route: Route, status: int, document: Any = None, headers: Any = (), **more: Any) -> Observation:
    body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
    return read_response(route, more.pop("operation", route.operation), status, headers, body, **more)


def openai_error(code: Any = None, kind: Any = None, message: str = "text", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, **more}}


def google_error(status: str, code: int, details: Any = (), message: str = "text") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def body_of(row: CodeRow) -> Any:
    """The body in which a row's code comes."""
    code = (row.code or "").replace("*", "thing")
    made: dict[Envelope | None, Any] = {
        Envelope.OPENAI: openai_error(code),
        Envelope.ANTHROPIC: {"type": "error", "error": {"type": code or "odd_error", "message": "text"}},
        Envelope.GOOGLE: google_error(code.upper(), row.status or 400),
        Envelope.SUNO: {"code": int(code) if code.isdigit() else 0, "msg": "text", "data": None},
        Envelope.KLING: {"code": int(code) if code.isdigit() else 0, "message": "text", "request_id": "r"},
        Envelope.DASHSCOPE: {"code": code, "message": "text", "request_id": "r"},
        Envelope.PROBLEM: {"type": f"https://example.test/types#{code}", "title": "text"},
    }
    return made[row.envelope]


def name(row: CodeRow) -> str:
    return f"{row.envelope or 'http'}-{row.status}-{row.code}"


READABLE = [row for row in CODE_ROWS if row.code is None or ":" not in row.code]


@pytest.mark.parametrize("row", READABLE, ids=name)
def test_every_code_row_is_read_from_its_body(row: CodeRow) -> None:
    """A body made from a row gives that row's cause, certainty and origin."""
    assert row.envelope is not None
    seen = read(ROUTE_OF[row.envelope], row.status or 200, body_of(row))
    assert (seen.cause, seen.certainty, seen.source) == (row.cause, row.certainty, row.origin.value)
    assert seen.envelope == row.envelope.value


@pytest.mark.parametrize(
    "row", [row for row in READABLE if row.status is not None and row.code is not None and not row.coarse], ids=name
)
def test_a_telling_code_means_the_same_inside_http_200(row: CodeRow) -> None:
    """A gateway may hide an error in a 200; its code keeps its cause."""
    assert row.envelope is not None
    seen = read(ROUTE_OF[row.envelope], 200, body_of(row))
    if row.code not in ("resource_exhausted", "internalerror.algo"):  # these need their status
        assert seen.cause is row.cause
    assert seen.cause is not None


@pytest.mark.parametrize("row", STATUS_ROWS.values(), ids=name)
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}"], ids=["empty", "html", "object"])
def test_every_status_is_read_without_a_body_that_helps(row: CodeRow, body: bytes) -> None:
    """Where the body says nothing, the HTTP status decides."""
    assert row.status is not None
    seen = read(CHAT, row.status, body)
    assert (seen.cause, seen.certainty) == (row.cause, row.certainty)


# --- the seed page's three envelopes


def test_the_three_published_samples() -> None:
    """AnyInt's own error samples are read to the letter."""
    auth = {"message": "Invalid or missing API key", "type": "authentication_error", "code": "invalid_api_key"}
    rate = {"message": "Rate limit exceeded", "type": "rate_limit_error", "code": "rate_limit_exceeded"}
    invalid = {"message": "Missing required field: model", "type": "invalid_request_error", "param": "model"}
    assert read(CHAT, 401, {"error": auth}).cause is Cause.AUTH
    limit = read(CHAT, 429, {"error": rate})
    assert (limit.cause, limit.certainty, limit.source) == (Cause.RATE, Certainty.REJECTED, "AnyInt")
    assert "which limit" in limit.note
    assert read(CHAT, 400, {"error": invalid}).cause is Cause.INVALID


# --- ambiguous rows

BALANCE = "Your credit balance is too low"
PER_DAY = {"@type": "t/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}
PER_MINUTE = {"@type": "t/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinute"}]}


def retry_info(delay: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def reason(word: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word}


@pytest.mark.parametrize(
    ("route", "status", "document", "cause"),
    [
        # 403 and 404: does it name the model?
        (CHAT, 403, openai_error(message="the plan does not cover model x"), Cause.MODEL),
        (CHAT, 403, openai_error(message="blocked by policy"), Cause.PERMISSION),
        (CHAT, 404, openai_error(message="gone", param="model"), Cause.MODEL),
        (CHAT, 404, openai_error(message="Unknown request URL: /v1/modelz"), Cause.INVALID),
        (CHAT, 404, openai_error(message="no file"), Cause.INVALID),
        (CHAT, 400, openai_error(message="Invalid model name passed in model=x", code="400"), Cause.MODEL),
        (MESSAGES, 404, {"type": "error", "error": {"type": "not_found_error", "message": "model: c"}}, Cause.MODEL),
        (CHAT, 401, openai_error("invalid_api_key", message="Your IP is not on the list"), Cause.PERMISSION),
        (CHAT, 403, {"message": "model not enabled"}, Cause.MODEL),
        # quota is not rate
        (CHAT, 429, openai_error("insufficient_quota", message="You exceeded your current quota"), Cause.QUOTA),
        (CHAT, 429, openai_error(None, "insufficient_quota"), Cause.QUOTA),
        (CHAT, 429, openai_error("insufficient_quota", message="please increase your quota limit"), Cause.RATE),
        (CHAT, 429, openai_error("insufficient_quota", message="free allocated quota exceeded"), Cause.QUOTA),
        (CHAT, 429, openai_error(message=BALANCE), Cause.QUOTA),
        (CHAT, 429, openai_error("429", "budget_exceeded"), Cause.QUOTA),
        (CHAT, 400, openai_error("400", "budget_exceeded"), Cause.QUOTA),
        (MESSAGES, 400, {"type": "error", "error": {"type": "invalid_request_error", "message": BALANCE}}, Cause.QUOTA),
        (WAN, 429, {"code": "Throttling.AllocationQuota", "message": "m", "request_id": "r"}, Cause.RATE),
        (
            WAN,
            429,
            {"code": "Throttling.AllocationQuota", "message": "free allocated quota exceeded", "request_id": "r"},
            Cause.QUOTA,
        ),
        (WAN, 500, {"code": "InternalError.Algo", "message": "m", "request_id": "r"}, Cause.SERVER),
        # LiteLLM: the status as a string, the type null
        (CHAT, 500, openai_error("429"), Cause.RATE),
        (CHAT, 500, openai_error("500", message="AnthropicException - Overloaded"), Cause.TRANSIENT),
        (CHAT, 200, openai_error(502), Cause.TRANSIENT),
        (CHAT, 503, openai_error(None, "server_error"), Cause.TRANSIENT),
        # Google's 429
        (GEMINI, 429, google_error("RESOURCE_EXHAUSTED", 429, [PER_DAY, retry_info("3s")]), Cause.QUOTA),
        (GEMINI, 429, google_error("RESOURCE_EXHAUSTED", 429, [PER_MINUTE, retry_info("36.4s")]), Cause.RATE),
        (GEMINI, 429, google_error("RESOURCE_EXHAUSTED", 429, [retry_info("301s")]), Cause.QUOTA),
        (GEMINI, 429, google_error("RESOURCE_EXHAUSTED", 429, message="Quota ... limit: 0, model: m"), Cause.QUOTA),
        (GEMINI, 429, google_error("RESOURCE_EXHAUSTED", 429, message="prepayment credits are depleted"), Cause.QUOTA),
        (GEMINI, 429, google_error("RESOURCE_EXHAUSTED", 429, [reason("QUOTA_EXHAUSTED")]), Cause.QUOTA),
        (GEMINI, 429, google_error("RESOURCE_EXHAUSTED", 429, [reason("RATE_LIMIT_EXCEEDED")]), Cause.RATE),
        (GEMINI, 429, [google_error("RESOURCE_EXHAUSTED", 429)], Cause.RATE),
        (GEMINI, 402, google_error("RESOURCE_EXHAUSTED", 402), Cause.QUOTA),
        (GEMINI, 400, google_error("INVALID_ARGUMENT", 400, [reason("API_KEY_INVALID")]), Cause.AUTH),
        # Suno and Kling: the number means another thing than the same HTTP status
        (SONG, 200, {"code": 429, "msg": "m"}, Cause.QUOTA),
        (SONG, 429, {"code": 430, "msg": "m"}, Cause.RATE),
        (SONG, 429, b"", Cause.RATE),
        (SONG, 430, b"", Cause.RATE),
        (SONG, 455, b"", Cause.TRANSIENT),
        (SONG, 200, {"code": 455, "msg": "m"}, Cause.TRANSIENT),
        (KLING, 429, {"code": 1101, "message": "m", "request_id": "r"}, Cause.QUOTA),
        (KLING, 429, {"code": 1304, "message": "m", "request_id": "r"}, Cause.PERMISSION),
        # look-alikes: the family decides only what the shape leaves open
        (KLING, 200, {"code": 1303, "msg": "m"}, Cause.RATE),
        (KLING, 200, {"code": 1302}, Cause.RATE),
        (SONG, 200, {"code": "430", "message": "m"}, Cause.RATE),
        (WAN, 200, {"code": "Arrearage"}, Cause.QUOTA),
        (SONG, 429, {"code": 429, "message": "m", "request_id": "r"}, Cause.QUOTA),
        # the gateway's own envelope, on any family
        (SONG, 401, openai_error("invalid_api_key"), Cause.AUTH),
        (MESSAGES, 429, openai_error("rate_limit_exceeded", "rate_limit_error"), Cause.RATE),
        (KLING, 200, openai_error("insufficient_quota"), Cause.QUOTA),
        # codes nobody knows
        (SONG, 200, {"code": 999, "msg": "m"}, Cause.UNKNOWN),
        (KLING, 500, {"code": 9999, "message": "m", "request_id": "r"}, Cause.SERVER),
        (CHAT, 503, openai_error("never_seen", "never_seen"), Cause.TRANSIENT),
    ],
)
def test_ambiguous_answers(route: Route, status: int, document: Any, cause: Cause) -> None:
    """Body, status and family together decide, the body's own code first."""
    assert read(route, status, document).cause is cause


def test_a_retry_time_turns_current_quota_into_a_throttle() -> None:
    """Google's words for both kinds are the same; with a time to come back it is a throttle."""
    told = openai_error("429", message="You exceeded your current quota. Please retry in 36.4s.")
    seen = read(CHAT, 429, told)
    assert seen.cause is Cause.RATE
    assert seen.hint is not None
    assert seen.hint.seconds == pytest.approx(36.4)


def test_anthropic_429_without_retry_after_gets_one_retry() -> None:
    """A spend cap sends no retry-after, but behind a relay its absence proves nothing."""
    document = {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}, "request_id": "req_b"}
    bare = read(MESSAGES, 429, document)
    assert (bare.cause, bare.few, bare.request_id) == (Cause.RATE, True, "req_b")
    assert "retry-after" in bare.note
    timed = read(MESSAGES, 429, document, {"Retry-After": "3"})
    assert (timed.few, timed.hint and timed.hint.seconds) == (False, 3.0)


def test_anthropic_details_name_the_cause() -> None:
    """``details.error_code`` is read before the type; an unknown one is passed over."""

    def seen(code: str) -> Observation:
        error = {"type": "rate_limit_error", "message": "m", "details": {"error_code": code}}
        return read(MESSAGES, 429, {"type": "error", "error": error})

    assert seen("enforced_spend_limit_reached").cause is Cause.QUOTA
    assert seen("compaction_unavailable").cause is Cause.RATE


def test_a_missing_version_header_is_named() -> None:
    """A 400 about anthropic-version says so to the developer."""
    document = {"type": "error", "error": {"type": "invalid_request_error", "message": "anthropic-version: required"}}
    seen = read(MESSAGES, 400, document)
    assert seen.cause is Cause.INVALID
    assert "anthropic-version" in seen.note


def test_529_is_a_refusal_only_with_the_overloaded_body() -> None:
    """Without Anthropic's word for it nobody knows how far the request came."""
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}
    assert read(MESSAGES, 529, overloaded).certainty is Certainty.REJECTED
    assert read(MESSAGES, 529, b"").certainty is Certainty.UNKNOWN


def test_a_model_without_capacity_is_not_asked_again() -> None:
    """Google's MODEL_CAPACITY_EXHAUSTED may trigger a fallback, not a retry."""
    seen = read(GEMINI, 429, google_error("RESOURCE_EXHAUSTED", 429, [reason("MODEL_CAPACITY_EXHAUSTED")]))
    assert (seen.cause, seen.may_repeat) == (Cause.TRANSIENT, False)


def test_a_numeric_code_under_a_doubtful_status_stays_doubtful() -> None:
    """LiteLLM's "429" inside a 502 tells the cause, not that nothing was done."""
    seen = read(VIDEO, 502, openai_error("429"))
    assert (seen.cause, seen.certainty) == (Cause.RATE, Certainty.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "said", "may_repeat"),
    [(503, "true", True), (429, "false", False), (401, "true", None), (403, "TRUE", None), (503, "maybe", None)],
)
def test_should_retry_never_heals_what_fails_again(status: int, said: str, may_repeat: bool | None) -> None:
    """``x-should-retry: true`` counts only for causes that may pass."""
    assert read(CHAT, status, b"", {"X-Should-Retry": said}).may_repeat is may_repeat


def test_a_proxys_407_is_not_anyints() -> None:
    """A 407 names the proxy as the one who said no."""
    seen = read(CHAT, 407, b"")
    assert seen.cause is Cause.AUTH
    assert "proxy" in seen.note


@pytest.mark.parametrize("status", [100, 103, 199, 300, 301, 304, 307, 399])
def test_informational_and_redirect_answers_are_handed_over(status: int) -> None:
    """1xx and 3xx are nobody's error here."""
    seen = read(CHAT, status, b"{}")
    assert (seen.cause, seen.certainty) == (None, Certainty.REJECTED)


# --- request ids


@pytest.mark.parametrize(
    ("headers", "body", "wanted"),
    [
        ({"X-Request-Id": "a", "Request-Id": "b"}, {"request_id": "c"}, "a"),
        ({"Request-Id": "b", "CF-Ray": "d"}, {"request_id": "c"}, "b"),
        ({"CF-Ray": "d"}, {"request_id": "c"}, "c"),
        ({"CF-Ray": "d", "X-LiteLLM-Call-Id": "e"}, {}, "e"),
        ([(b"cf-ray", b"d")], {}, "d"),
        ((), {}, None),
    ],
)
def test_request_id_order(headers: Any, body: Any, wanted: str | None) -> None:
    """The first known name wins, the body's own stands between the headers (contract 4)."""
    assert read(CHAT, 500, body, headers).request_id == wanted


@pytest.mark.parametrize("document", [{"id": "c", "choices": [], "error": None}, {"error": {}}, [], [1], {"code": 200}])
def test_good_answers_stay_good(document: Any) -> None:
    """A 200 is only an error where its body really says so."""
    assert read(CHAT, 200, document).cause is None


def test_a_download_is_never_read() -> None:
    """A file may hold anything, an error envelope too."""
    route = TABLE.match("GET", "/openai/v1/files/f/content")
    assert read(route, 200, openai_error("server_error")).cause is None
    assert read(route, 404, openai_error("model_not_found")).cause is Cause.MODEL


@pytest.mark.parametrize(
    ("route", "status", "wanted"),
    [
        (CHAT, 200, False),
        (CHAT, 400, True),
        (CHAT, 304, False),
        (VIDEO, 200, True),
        (UPLOAD, 201, True),
        (SONG_QUERY, 200, True),
        (KLING_QUERY, 200, True),
        (WAN_QUERY, 200, True),
        (VIDEO_QUERY, 200, True),
        (FOREIGN, 503, True),
    ],
)
def test_needs_body(route: Route, status: int, wanted: bool) -> None:
    """Good answers of families without in-body codes are left alone."""
    assert needs_body(route, route.operation, status) is wanted


# --- faults


@pytest.mark.parametrize("kind", list(FaultKind))
def test_faults(kind: FaultKind) -> None:
    """Before the request left nothing happened; afterwards nobody knows."""
    seen = read_fault(CHAT, Fault(kind, "SomeError"))
    early = {"connect_error", "connect_timeout", "tls_error", "tls_certificate", "pool_timeout", "proxy_error"}
    not_sent = kind.value in early | {"local_error"}
    causes = {"local_error": Cause.INVALID, "tls_certificate": Cause.INVALID, "unknown": Cause.UNKNOWN}
    assert seen.certainty is (Certainty.NOT_SENT if not_sent else Certainty.UNKNOWN)
    assert seen.cause is causes.get(kind.value, Cause.TRANSIENT)


def test_a_broken_error_body_leaves_its_status_in_force() -> None:
    """A 401 whose body broke is still a 401."""
    seen = read_fault(CHAT, Fault(FaultKind.BODY_ERROR, "E", 401))
    assert (seen.cause, seen.certainty) == (Cause.AUTH, Certainty.REJECTED)
    assert read_fault(CHAT, Fault(FaultKind.BODY_ERROR, "E", 200)).certainty is Certainty.UNKNOWN
