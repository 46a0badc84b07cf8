"""Rows of the contract where two readings meet; each was once read the wrong way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import Action, Cause, Certainty, Decision, Policy
from anyint_resilience.policy.reading import needs_body
from anyint_resilience.policy.rules import DEFAULT_TABLE

VIDEOS, SUNO, KLING = "/openai/v1/videos", "/suno/generate", "/transtreams/kling/v1/videos/text2video"
CHAT = "/openai/v1/chat/completions"


def decide(method: str, path: str, status: int, body: Any = b"", headers: Any = (), **more: Any) -> Decision:
    """Decide about an answer with this document."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Policy().decide_response(method, path, status, headers, raw, now=1_000.0, **more)


def openai(code: str) -> dict[str, Any]:
    """Return an error in the OpenAI envelope."""
    return {"error": {"message": "text", "type": "error", "code": code}}


@pytest.mark.parametrize("status", [408, 500, 502, 504, 524])
@pytest.mark.parametrize("code", ["rate_limit_exceeded", "slow_down", "server_is_overloaded"])
def test_a_create_is_not_sent_again_after_a_5xx_whatever_its_code_says(status: int, code: str) -> None:
    """Contract 6: after 500, 502, 504 and 52x the work may be done, though the body sounds like a refusal."""
    decision = decide("POST", VIDEOS, status, openai(code))
    assert (decision.action, decision.certainty) == (Action.NO_RETRY, Certainty.UNKNOWN)
    assert decide("POST", CHAT, status, openai(code)).action is Action.BACKOFF


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (KLING, 502, {"code": 1303, "message": "m", "request_id": "r"}),
        (SUNO, 502, {"code": 430, "msg": "m", "data": None}),
        (VIDEOS, 503, openai("server_is_overloaded")),
    ],
)
def test_a_code_the_contract_calls_a_refusal_lets_a_create_go_out_again(path: str, status: int, body: Any) -> None:
    """Kling's and Suno's own rate codes say that nothing was done, whatever carried them."""
    decision = decide("POST", path, status, body)
    assert (decision.action, decision.certainty) == (Action.BACKOFF, Certainty.REJECTED)


@pytest.mark.parametrize("path", [VIDEOS, SUNO, KLING])
@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"", b'{"code":200,"msg":"ok","data":null}', b'{"code":0,"message":"ok"}']
)
def test_a_create_answered_without_a_task_is_unknown(path: str, body: bytes) -> None:
    """A yes that names no task may have made one: it is handed over as unknown, never as done."""
    decision = decide("POST", path, 200, body)
    assert (decision.action, decision.certainty) == (Action.NO_RETRY, Certainty.UNKNOWN)
    assert "billed" in decision.guidance
    assert "do not submit it twice" in decision.user_message


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>"])
def test_a_task_query_without_an_answer_says_nothing_about_the_task(body: bytes) -> None:
    """It is asked again; nobody is told that the work is complete."""
    decision = decide("GET", VIDEOS + "/v1", 200, body)
    assert (decision.cause, decision.action) == (Cause.TRANSIENT, Action.BACKOFF)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429])
def test_no_failed_query_invites_to_make_the_task_again(status: int) -> None:
    """What is wrong with a query says nothing about the task, for the developer and for the user."""
    decision = decide("GET", VIDEOS + "/v1", status, openai("x"))
    assert "do not create the task again" in decision.guidance
    assert "try again" not in decision.user_message
    assert "choose another" not in decision.user_message


def test_a_missing_task_is_looked_for_on_the_right_path() -> None:
    """Kling's 1203 on a query is no missing model."""
    decision = decide("GET", KLING + "/t1", 404, {"code": 1203, "message": "m", "request_id": "r"})
    assert "path is that of the create" in decision.guidance


@pytest.mark.parametrize(("reset", "delay"), [("6m0s", 1.0), ("200ms", 0.2)])
def test_openais_reset_is_an_upper_bound_only(reset: str, delay: float) -> None:
    """It tells when the window is full again, so it shortens a wait and never ends a call (contract 4)."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    decision = decide("POST", CHAT, 429, openai("rate_limit_exceeded"), headers)
    assert (decision.action, decision.delay) == (Action.BACKOFF, pytest.approx(delay))


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [(SUNO, 200, {"code": 455, "msg": "m"}), (KLING, 503, {"code": 5001, "message": "m", "request_id": "r"})],
)
def test_maintenance_is_given_seconds(path: str, status: int, body: Any) -> None:
    """Contract 3.6 and 3.7: maintenance wants a long backoff, not milliseconds."""
    decision = decide("POST", path, status, body, u=0.0)
    assert decision.delay is not None
    assert decision.delay >= 5


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "429", "anything"])
def test_402_is_about_money(code: str) -> None:
    """Contract 3.2: any 402 is a quota matter."""
    assert decide("POST", CHAT, 402, openai(code)).cause is Cause.QUOTA


def test_a_daily_cap_is_no_throttle() -> None:
    """A limit per day does not pass in a minute."""
    body = {"error": {"message": "Rate limit reached: requests per day (RPD): 200", "code": "rate_limit_exceeded"}}
    assert decide("POST", CHAT, 429, body).cause is Cause.QUOTA


def test_a_poll_hint_is_bounded() -> None:
    """A task is not left alone for a day because of one header."""
    decision = decide("GET", VIDEOS + "/v", 200, {"id": "v", "status": "queued"}, {"openai-poll-after-ms": "99999999"})
    assert (decision.action, decision.delay) == (Action.POLL, 300.0)


def test_an_existing_task_is_named_instead_of_made_again() -> None:
    """Contract 3.7: a cover that exists already comes with the id of its task."""
    decision = decide("POST", "/suno/generate-cover", 200, {"code": 400, "msg": "exists", "data": {"taskId": "t-old"}})
    assert "GET /suno/query/cover?taskId=t-old" in decision.guidance
    assert "instead of creating it again" in decision.guidance


@pytest.mark.parametrize(
    ("kind", "wanted"), [("application/json", True), ("", True), ("text/event-stream; x", False), ("video/mp4", False)]
)
def test_streams_and_files_are_never_looked_at(kind: str, wanted: bool) -> None:
    """A good answer that streams would be held up by a look at its body."""
    route = DEFAULT_TABLE.match("POST", KLING)
    assert needs_body(route, route.operation, 200, {"Content-Type": kind}) is wanted


def test_what_is_said_of_a_foreign_server_names_nothing_of_anyints() -> None:
    """A lost POST to somebody else has no usage records of an AnyInt key."""
    assert "usage records" not in Policy().decide_exception("POST", "https://x.example/orders", "read_timeout").guidance


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (VIDEOS, {"id": "video_1", "object": "video", "error": {"code": "rate_limit_exceeded", "message": "m"}}),
        (
            KLING,
            {"code": 1303, "message": "m", "request_id": "r", "data": {"task_id": "t", "task_status": "submitted"}},
        ),
        (SUNO, {"code": 430, "msg": "m", "data": {"taskId": "t"}}),
        (
            "/dashscope/v1/services/aigc/video-generation/video-synthesis",
            {"code": "Throttling", "message": "m", "request_id": "r", "output": {"task_id": "t"}},
        ),
    ],
)
def test_a_yes_that_names_a_task_made_it_whatever_else_it_says(path: str, body: Any) -> None:
    """A 2xx with a task id beside a rate code is never a reason to create once more."""
    decision = decide("POST", path, 200, body)
    assert (decision.action, decision.certainty) == (Action.NO_RETRY, Certainty.COMMITTED)
