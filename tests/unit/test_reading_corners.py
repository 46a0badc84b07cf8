"""Bodies, words and states where the plain reading is the wrong one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import Action, Cause, Certainty, Decision, Policy
from anyint_resilience.cli import main
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.words import Operation

CHAT, VIDEOS, MESSAGES = "/openai/v1/chat/completions", "/openai/v1/videos", "/anthropic/v1/messages"
GEMINI = "/gemini/v1beta/models/m:generateContent"
KLING = "/transtreams/kling/v1/videos/text2video"
WAN = "/dashscope/v1/services/aigc/video-generation/video-synthesis"
WAN_TASK = "/dashscope/v1/tasks/t1"
FOREIGN = "https://x.example/orders"
CAPACITY = {"@type": "t/google.rpc.ErrorInfo", "reason": "MODEL_CAPACITY_EXHAUSTED"}
PER_DAY = {"@type": "t/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}
SOON = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}


def decide(method: str, path: str, status: int, body: Any = b"", headers: Any = (), **more: Any) -> Decision:
    """Decide about an answer with this document."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Policy().decide_response(method, path, status, headers, raw, now=1_000.0, **more)


def openai(code: Any = None, message: str = "text", kind: str | None = None) -> dict[str, Any]:
    """Return an error in the OpenAI envelope."""
    return {"error": {"message": message, "type": kind, "code": code}}


def google(*details: Any, message: str = "text") -> dict[str, Any]:
    """Return Google's 429."""
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message, "details": list(details)}}


def dashscope(code: str, message: str = "m") -> dict[str, Any]:
    """Return an error in DashScope's envelope."""
    return {"code": code, "message": message, "request_id": "r"}


def suno_task(status: str, response: Any = None, **more: Any) -> dict[str, Any]:
    """Return a Suno answer about a task."""
    return {"code": 200, "msg": "success", "data": {"taskId": "s1", "status": status, "response": response, **more}}


# --- causes


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "cause"),
    [
        # the code speaks where the message does not
        ("POST", CHAT, 403, openai("model_access_denied", "no access"), Cause.MODEL),
        ("POST", CHAT, 401, openai("ip_not_authorized", "no"), Cause.PERMISSION),
        ("POST", CHAT, 401, openai("invalid_api_key", "IP 1.2.3.4 is not authorized"), Cause.PERMISSION),
        # a bad request that is about the model, the content or money
        ("POST", CHAT, 400, openai(None, "The model `x` does not exist"), Cause.MODEL),
        ("POST", CHAT, 400, openai("400", "ContentPolicyViolationError: no"), Cause.POLICY),
        ("POST", CHAT, 400, openai(None, "The field `x` does not exist"), Cause.INVALID),
        ("POST", CHAT, 429, openai("429", "GeminiException - Your prepayment credits are depleted."), Cause.QUOTA),
        ("POST", CHAT, 429, openai("429", "GeminiException RequestsPerDay. Please retry in 3s"), Cause.QUOTA),
        ("POST", CHAT, 429, openai("429", "see your monthly usage page; max 60 requests per minute"), Cause.RATE),
        ("POST", CHAT, 429, openai("429", "usage limit of 60 requests per minute"), Cause.RATE),
        ("POST", CHAT, 402, openai("insufficient_quota", "60 per minute"), Cause.QUOTA),
        ("POST", CHAT, 402, openai("server_is_overloaded"), Cause.QUOTA),
        ("POST", WAN, 403, dashscope("AccessDenied", "make sure your account is in good standing"), Cause.QUOTA),
        ("POST", WAN, 400, dashscope("data_inspection_failed"), Cause.POLICY),
        ("POST", GEMINI, 429, google(CAPACITY, message="limit: 0"), Cause.QUOTA),
        ("POST", GEMINI, 429, google(CAPACITY), Cause.TRANSIENT),
        # Kling's numbers in the envelope of the recommended door
        *(
            ("POST", VIDEOS, 400, openai(code), cause)
            for code, cause in (
                (1101, Cause.QUOTA),
                ("1102", Cause.QUOTA),
                (1304, Cause.PERMISSION),
                (1300, Cause.POLICY),
                (1301, Cause.POLICY),
                (1303, Cause.RATE),
            )
        ),
        # Suno's own numbers as HTTP statuses
        ("POST", "/suno/generate", 501, b"", Cause.SERVER),
        ("POST", "/suno/wav-generate", 409, b"", Cause.INVALID),
        # a query names no model
        ("GET", KLING + "/t1", 404, {"code": 1203, "message": "m", "request_id": "r"}, Cause.INVALID),
        ("POST", KLING, 404, {"code": 1203, "message": "m", "request_id": "r"}, Cause.MODEL),
        # reasons of failed tasks
        ("GET", "/suno/query/task", 200, suno_task("GENERATE_AUDIO_FAILED", errorCode=413), Cause.POLICY),
        (
            "GET",
            "/suno/query/task",
            200,
            suno_task("GENERATE_AUDIO_FAILED", errorMessage="Uploaded audio matches existing work of art"),
            Cause.POLICY,
        ),
    ],
)
def test_causes(method: str, path: str, status: int, body: Any, cause: Cause) -> None:
    """Code, message, status and place together tell why."""
    assert decide(method, path, status, body).cause is cause


def test_a_529_is_a_refusal_only_by_anthropics_word() -> None:
    """Any other code under 529 leaves a paid create open."""
    assert decide("POST", VIDEOS, 529, openai("overloaded_error")).certainty is Certainty.REJECTED
    assert decide("POST", VIDEOS, 529, openai("rate_limit_exceeded")).certainty is Certainty.UNKNOWN


@pytest.mark.parametrize("code", [1303, 1302])
def test_klings_refusals_are_sure_in_any_envelope(code: int) -> None:
    """Contract 6 names them: nothing was done, whatever status and shape carried them."""
    assert decide("POST", VIDEOS, 502, openai(code)).certainty is Certainty.REJECTED


# --- tasks


@pytest.mark.parametrize(
    ("path", "response"),
    [
        ("/suno/query/mp4", {"id": "x", "videoUrl": None}),
        ("/suno/query/vocal-removal", {"id": "x", "vocalUrl": None, "instrumentalUrl": None}),
        ("/suno/query/lyrics", {"taskId": "x"}),
    ],
)
def test_a_success_without_its_product_is_not_ready(path: str, response: Any) -> None:
    """AnyInt: ready only if an output is there; an id in the answer is none."""
    assert decide("GET", path, 200, suno_task("SUCCESS", response)).action is Action.POLL


@pytest.mark.parametrize(
    ("path", "response"),
    [
        ("/suno/query/mp4", {"videoUrl": "https://a"}),
        ("/suno/query/vocal-removal", {"vocalUrl": None, "drumsUrl": "https://a"}),
        ("/suno/query/lyrics", {"data": [{"text": "la"}]}),
    ],
)
def test_a_success_with_its_product_is_ready(path: str, response: Any) -> None:
    """One output is enough."""
    assert decide("GET", path, 200, suno_task("SUCCESS", response)).action is Action.DELIVER


def test_dashscope_parts_that_all_failed_are_a_failed_task() -> None:
    """SUCCEEDED hides failed sub-tasks: with no URL at all nothing succeeded."""
    part = {"code": "DataInspectionFailed", "message": "m"}
    failed = decide("GET", WAN_TASK, 200, {"output": {"task_status": "SUCCEEDED", "results": [part, part]}})
    assert (failed.action, failed.cause) == (Action.NO_RETRY, Cause.POLICY)
    some = decide("GET", WAN_TASK, 200, {"output": {"task_status": "SUCCEEDED", "results": [part, {"url": "https"}]}})
    assert some.action is Action.DELIVER
    assert "sub-tasks failed" in some.guidance


def test_a_state_without_an_id_is_a_lost_create() -> None:
    """A create that says queued and names no task cannot be polled: its outcome is unknown."""
    decision = decide("POST", VIDEOS, 200, {"status": "queued"})
    assert (decision.action, decision.certainty) == (Action.NO_RETRY, Certainty.UNKNOWN)


def test_an_ended_task_is_told_without_notes_on_other_states() -> None:
    """A lost DashScope task may have ended well; a cancelled one has nothing to do with that."""
    lost = decide("GET", WAN_TASK, 200, {"output": {"task_status": "UNKNOWN"}}).guidance
    assert "its state is lost" in lost
    assert "ended without a result" not in lost
    assert "UNKNOWN means" not in decide("GET", WAN_TASK, 200, {"output": {"task_status": "CANCELED"}}).guidance
    expired = decide("GET", "/doubao/videos/x", 200, {"status": "expired"}, table=RouteTable(seedance=True))
    assert "every other state" not in expired.guidance


def test_a_task_made_beside_a_rate_code_is_queried() -> None:
    """It was not a failed task: it is there and can be asked for."""
    body = {"code": 1303, "message": "m", "request_id": "r", "data": {"task_id": "t9"}}
    decision = decide("POST", KLING, 200, body)
    assert f"GET {KLING}/t9" in decision.guidance
    assert "could not be produced" not in decision.user_message


def test_a_throttled_create_that_names_a_task_is_told_as_a_throttle() -> None:
    """Only a refusal for good says that the thing exists."""
    decision = decide("POST", "/suno/generate", 429, {"code": 430, "msg": "m", "data": {"taskId": "t"}})
    assert "exists already" not in decision.guidance


# --- words


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        (CHAT, {"choices": [{"finish_reason": "content_filter"}]}, "declined"),
        (MESSAGES, {"type": "message", "stop_reason": "refusal"}, "declined"),
        (GEMINI, {"promptFeedback": {"blockReason": "SAFETY"}}, "declined"),
        (GEMINI, {"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, "declined"),
        (GEMINI, {"candidates": [{"finishReason": "NO_IMAGE"}]}, "incomplete"),
        ("/openai/v1/responses", {"id": "r", "status": "incomplete"}, "incomplete"),
        (CHAT, {"choices": [{"finish_reason": "stop"}]}, "was completed"),
    ],
)
def test_a_refusal_inside_a_good_answer_is_not_told_as_completed(path: str, body: Any, word: str) -> None:
    """The answer is delivered, and the user is told what it is."""
    decision = decide("POST", path, 200, body)
    assert (decision.action, decision.cause) == (Action.DELIVER, None)
    assert word in decision.user_message
    assert ("Nothing to do" in decision.guidance) == (word == "was completed")


@pytest.mark.parametrize("status", [401, 429, 504])
def test_a_foreign_answer_carries_no_note_of_anyints(status: int) -> None:
    """What AnyInt's limits and keys mean says nothing about another server."""
    assert "Note:" not in decide("POST", FOREIGN, status).guidance


def test_a_forbidden_repeat_is_no_advice_to_repeat() -> None:
    """The reason names the contract too, and the guidance does not ask for backoff."""
    for decision in (
        decide("POST", GEMINI, 429, google(CAPACITY)),
        decide("POST", CHAT, 429, {"type": "https://x.test/t#abnormal-usage-detected", "title": "t"}),
        decide("POST", CHAT, 503, b"", {"x-should-retry": "false"}),
    ):
        assert decision.action is Action.NO_RETRY
        assert "contract" in decision.reason
        assert "backoff" not in decision.guidance.lower()
        assert "back off" not in decision.guidance.lower()


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [(CHAT, openai("insufficient_quota"), {"Retry-After": "1"}), (GEMINI, google(PER_DAY, SOON), ())],
)
def test_a_quota_does_not_reopen_in_seconds(path: str, body: Any, headers: Any) -> None:
    """A hint of seconds beside a quota is a throttle's habit, not the day on which the quota opens."""
    decision = decide("POST", path, 429, body, headers)
    assert (decision.cause, decision.retry_at) == (Cause.QUOTA, None)


def test_a_quota_with_a_long_hint_is_dated() -> None:
    """Hours are what a quota takes."""
    decision = decide("POST", CHAT, 429, openai("insufficient_quota"), {"Retry-After": "7200"})
    assert decision.retry_at == 8_200.0


@pytest.mark.parametrize("kind", ["tls_certificate", "local_error"])
def test_users_are_not_blamed_for_a_broken_configuration(kind: str) -> None:
    """A certificate or a header that cannot be sent is nothing a user typed."""
    message = Policy().decide_exception("POST", CHAT, kind).user_message
    assert "configuration" in message
    assert "you entered" not in message


def test_an_unknown_outcome_that_is_repeated_is_not_told_to_wait_for_a_look() -> None:
    """Guidance and action agree."""
    decision = Policy().decide_exception("POST", CHAT, "unknown")
    assert decision.action is Action.BACKOFF
    assert "before sending" not in decision.guidance


def test_each_advice_is_given_once_and_fits() -> None:
    """Header advice once, punctuation once, and X-DashScope-Async only where it is missing."""
    assert decide("POST", MESSAGES, 401).guidance.count("anthropic-version") == 1
    region = {"error": {"code": 400, "status": "FAILED_PRECONDITION", "message": "no"}}
    assert "?." not in decide("POST", GEMINI, 400, region).guidance
    denied = dashscope("AccessDenied", "current user api does not support synchronous calls.")
    assert "needs X-DashScope-Async" in decide("POST", WAN, 403, denied).guidance
    denied["message"] = "current user api does not support asynchronous calls."
    assert "without X-DashScope-Async" in decide("POST", WAN, 403, denied).guidance
    assert "after completion" in decide("GET", VIDEOS + "/v/content", 404).guidance


# --- time


@pytest.mark.parametrize("value", ['"a";t=5', "default;r=0;t=6", '"a";r=0;t=5, junk'])
def test_a_malformed_rate_limit_is_ignored(value: str) -> None:
    """Names are strings and ``r`` is required: anything else voids the field (contract 4)."""
    assert decide("POST", CHAT, 429, openai("rate_limit_exceeded"), {"RateLimit": value}).delay == 1.0


# --- the operation that the request's body chose


@pytest.mark.parametrize("operation", [Operation.CREATE, "create"])
def test_the_operation_can_be_given(operation: Any) -> None:
    """A background response is a create, which the path alone does not tell."""
    path = "/openai/v1/responses"
    lost = decide("POST", path, 502, operation=operation)
    assert (lost.action, lost.operation) == (Action.NO_RETRY, Operation.CREATE)
    broken = Policy().decide_exception("POST", path, "read_timeout", operation=operation)
    assert (broken.action, broken.operation) == (Action.NO_RETRY, Operation.CREATE)


@pytest.mark.parametrize("operation", [None, "brew", "", 5, [], b"create"])
def test_an_operation_nobody_knows_is_the_routes(operation: Any) -> None:
    """Deciding is total: a word that means nothing changes nothing."""
    assert decide("POST", CHAT, 502, operation=operation) == decide("POST", CHAT, 502)


def test_explain_takes_an_operation(capsys: pytest.CaptureFixture[str]) -> None:
    """``explain --operation create`` asks about a background response, for answers and exceptions."""
    for asked in (["--status", "502"], ["--exception", "read_timeout"]):
        assert main(["explain", "--url", "/openai/v1/responses", *asked, "--operation", "create", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["action"], found["operation"]) == ("no_retry", "create")
