"""What a 2xx answer says about a task: going on, finished, failed, lost; and refusals inside good answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Cause, Certainty
from anyint_resilience.policy.model import Observation
from anyint_resilience.policy.reading import read_response

TABLE = RouteTable(seedance=True)
CHAT = TABLE.match("POST", "/openai/v1/chat/completions")
RESPONSES = TABLE.match("POST", "/openai/v1/responses")
VIDEO = TABLE.match("POST", "/openai/v1/videos")
VIDEO_QUERY = TABLE.match("GET", "/openai/v1/videos/v1")
UPLOAD = TABLE.match("POST", "/openai/v1/files")
MESSAGES = TABLE.match("POST", "/anthropic/v1/messages")
GEMINI = TABLE.match("POST", "/gemini/v1beta/models/m:generateContent")
SONG = TABLE.match("POST", "/suno/generate")
SONG_QUERY = TABLE.match("GET", "/suno/query/task")
COVER = TABLE.match("POST", "/suno/generate-cover")
COVER_QUERY = TABLE.match("GET", "/suno/query/cover")
KLING = TABLE.match("POST", "/transtreams/kling/v1/videos/text2video")
KLING_QUERY = TABLE.match("GET", "/transtreams/kling/v1/videos/text2video/t1")
WAN = TABLE.match("POST", "/dashscope/v1/services/aigc/video-generation/video-synthesis")
WAN_QUERY = TABLE.match("GET", "/dashscope/v1/tasks/t1")
SEEDANCE = TABLE.match("POST", "/doubao/video/generations")


def read(route: Route, status: int, document: Any = None, headers: Any = (), **more: Any) -> Observation:
    body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
    return read_response(route, more.pop("operation", route.operation), status, headers, body, **more)


def openai_error(code: Any = None, kind: Any = None, message: str = "text", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, **more}}


@pytest.mark.parametrize(
    ("route", "document", "task", "state"),
    [
        (VIDEO, {"id": "v1", "status": "queued"}, "v1", "queued"),
        (VIDEO_QUERY, {"id": "v1", "status": "in_progress", "error": None}, "v1", "in_progress"),
        (VIDEO_QUERY, {"id": "v1", "status": "never_seen"}, "v1", "never_seen"),
        (SONG, {"code": 200, "msg": "success", "data": {"taskId": "s1"}}, "s1", None),
        (
            SONG_QUERY,
            {"code": 200, "msg": "ok", "data": {"taskId": "s1", "status": "FIRST_SUCCESS"}},
            "s1",
            "FIRST_SUCCESS",
        ),
        (SONG_QUERY, {"code": 200, "msg": "ok", "data": {"taskId": "s1", "status": "SUCCESS"}}, "s1", "SUCCESS"),
        (SONG_QUERY, {"code": 200, "msg": "ok", "data": None}, None, None),
        (COVER_QUERY, {"code": 200, "msg": "ok", "data": {"taskId": "s1", "successFlag": 0}}, "s1", "0"),
        (KLING, {"code": 0, "message": "ok", "request_id": "r", "data": {"task_id": "k1"}}, "k1", None),
        (KLING_QUERY, {"code": 0, "data": {"task_id": "k1", "task_status": "processing"}}, "k1", "processing"),
        (WAN, {"request_id": "r", "output": {"task_id": "d1", "task_status": "PENDING"}}, "d1", "PENDING"),
        (SEEDANCE, {"id": "x1", "status": "whatever"}, "x1", "whatever"),
        (SEEDANCE, {"task_id": "x2", "id": "no"}, "x2", None),
    ],
)
def test_unfinished_tasks_are_pending(route: Route, document: Any, task: str | None, state: str | None) -> None:
    """A task that was made or goes on is to be polled; its creation is committed."""
    seen = read(route, 200, document)
    assert (seen.pending, seen.cause, seen.certainty) == (True, None, Certainty.COMMITTED)
    assert (seen.task_id, seen.task_state) == (task, state)


@pytest.mark.parametrize(
    ("route", "document"),
    [
        (VIDEO_QUERY, {"id": "v1", "status": "completed"}),
        (
            SONG_QUERY,
            {"code": 200, "data": {"status": "SUCCESS", "response": {"sunoData": [{"audioUrl": "https://a"}]}}},
        ),
        (
            SONG_QUERY,
            {
                "code": 200,
                "data": {"status": "CALLBACK_EXCEPTION", "response": {"sunoData": [{"audioUrl": "https://a"}]}},
            },
        ),
        (COVER_QUERY, {"code": 200, "data": {"successFlag": 1, "response": {"images": ["https://a"]}}}),
        (
            KLING_QUERY,
            {"code": 0, "data": {"task_status": "succeed", "task_result": {"videos": [{"url": "https://a"}]}}},
        ),
        (WAN_QUERY, {"output": {"task_status": "SUCCEEDED", "video_url": "https://a"}}),
        (RESPONSES, {"id": "r", "status": "incomplete", "error": None, "incomplete_details": {"reason": "steered"}}),
    ],
)
def test_finished_tasks_are_delivered(route: Route, document: Any) -> None:
    """Success with an output is a good answer."""
    seen = read(route, 200, document)
    assert (seen.pending, seen.cause, seen.certainty) == (False, None, Certainty.COMMITTED)


@pytest.mark.parametrize(
    ("route", "document", "cause"),
    [
        (VIDEO_QUERY, {"id": "v", "status": "failed", "error": {"code": "server_error", "message": "m"}}, Cause.SERVER),
        (VIDEO_QUERY, {"id": "v", "status": "failed", "error": {"code": "bio_policy", "message": "m"}}, Cause.POLICY),
        (RESPONSES, {"id": "r", "status": "failed", "error": {"code": "rate_limit_exceeded"}}, Cause.RATE),
        (SONG_QUERY, {"code": 200, "data": {"status": "SENSITIVE_WORD_ERROR"}}, Cause.POLICY),
        (SONG_QUERY, {"code": 200, "data": {"status": "GENERATE_AUDIO_FAILED"}}, Cause.SERVER),
        (SONG_QUERY, {"code": 200, "data": {"status": "CALLBACK_EXCEPTION"}}, Cause.SERVER),
        (SONG_QUERY, {"code": 200, "data": {"status": "CREATE_TASK_FAILED", "errorCode": 429}}, Cause.QUOTA),
        (COVER_QUERY, {"code": 200, "data": {"successFlag": 3}}, Cause.SERVER),
        (KLING_QUERY, {"code": 0, "data": {"task_status": "failed", "task_status_msg": "risk control"}}, Cause.POLICY),
        (WAN_QUERY, {"output": {"task_status": "FAILED", "code": "DataInspectionFailed"}}, Cause.POLICY),
        (WAN_QUERY, {"output": {"task_status": "UNKNOWN"}}, Cause.UNKNOWN),
        (WAN_QUERY, {"output": {"task_status": "CANCELED"}}, Cause.UNKNOWN),
    ],
)
def test_failed_tasks_have_a_cause_and_are_never_repeated(route: Route, document: Any, cause: Cause) -> None:
    """A task that ended badly under HTTP 200 was accepted and worked on: a new one is the user's decision."""
    seen = read(route, 200, document)
    assert (seen.cause, seen.certainty, seen.may_repeat) == (cause, Certainty.COMMITTED, False)


def test_a_refused_create_is_not_a_failed_task() -> None:
    """An error envelope without a task state is a refusal, also under HTTP 200."""
    seen = read(VIDEO, 200, openai_error("rate_limit_exceeded", status="error"))
    assert (seen.cause, seen.certainty) == (Cause.RATE, Certainty.REJECTED)


def test_a_second_cover_names_the_first() -> None:
    """Suno refuses a cover that exists and says which task made it."""
    seen = read(COVER, 200, {"code": 400, "msg": "exists", "data": {"taskId": "s1"}})
    assert (seen.cause, seen.task_id) == (Cause.INVALID, "s1")


def test_poll_hint_of_a_pending_task() -> None:
    """A server's poll header goes with the pending task."""
    seen = read(VIDEO_QUERY, 200, {"id": "v", "status": "queued"}, {"openai-poll-after-ms": "7000"})
    assert seen.hint is not None
    assert seen.hint.seconds == 7.0


@pytest.mark.parametrize("body", [b"", b"<html>ok</html>", b'{"id', b"null", b"\xff\xfe"])
@pytest.mark.parametrize("route", [VIDEO, SONG, KLING, WAN, UPLOAD], ids=lambda route: route.template)
def test_a_create_whose_answer_cannot_be_read_is_of_unknown_outcome(route: Route, body: bytes) -> None:
    """The id of what was made stood in that body: nobody may make it again by himself."""
    seen = read(route, 200, body)
    assert (seen.cause, seen.certainty) == (Cause.UNKNOWN, Certainty.UNKNOWN)


def test_a_cut_create_answer_still_names_its_task() -> None:
    """What stands before the cut is used; a value the cut went through is not."""
    seen = read(VIDEO, 200, b'{"id":"v1","object":"video","status":"que')
    assert (seen.pending, seen.task_id, seen.task_state) == (True, "v1", None)
    assert read(VIDEO, 200, b'{"id":"v1').certainty is Certainty.UNKNOWN


@pytest.mark.parametrize(
    ("route", "document"),
    [
        (CHAT, {"choices": [{"finish_reason": "content_filter"}]}),
        (MESSAGES, {"type": "message", "stop_reason": "refusal"}),
        (GEMINI, {"promptFeedback": {"blockReason": "SAFETY"}}),
        (GEMINI, {"candidates": [{"finishReason": "NO_IMAGE"}]}),
    ],
)
def test_a_refusal_inside_a_good_answer_is_a_note(route: Route, document: Any) -> None:
    """A content refusal under HTTP 200 is delivered, and said."""
    seen = read(route, 200, document)
    assert seen.cause is None
    assert seen.note
