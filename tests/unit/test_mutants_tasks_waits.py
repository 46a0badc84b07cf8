"""Whole waits: when is asked, what is told after each answer, and with which words it ends; handles word for word.

A row of ``mutants_tasks_waits.jsonl`` is one wait: its task, the answers that come, and all that came of it. Whoever
changes that on purpose runs this module with ``python -m`` and reads the difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import TaskHandle
from anyint_resilience.exceptions import TaskError
from anyint_resilience.tasks.waiting import Looked
from tests.unit.task_kit import RESULT, answer, encoded, handle_of
from tests.unit.test_waiting import Player

FILE = Path(__file__).with_name("mutants_tasks_waits.jsonl")
V, K, S, C, D, B = "openai_video", "kling", "suno_song", "suno_cover", "dashscope", "openai_batch"
FAILS = {"id": "t1", "status": "failed", "error": {"code": "server_error", "message": "boom"}}
HALF = b'{"code": 0, "data": {"task_id": "t1", "task_status": "succeed"'
GONE = {"code": 404, "message": "m", "request_id": "r"}

# what, vocabulary, answers as (state or document, status, headers), and what the wait is like
WAITS: list[tuple[str, str, list[tuple[Any, int, dict[str, str]]], dict[str, Any]]] = [
    ("a video", V, [("queued", 200, {}), ("in_progress", 200, {}), ("completed", 200, {})], {"age": 0.0}),
    ("a video, slowly", V, [("queued", 200, {})] * 4 + [("completed", 200, {})], {"age": 2.0, "u": 0.0, "takes": 1.0}),
    ("a song", S, [("PENDING", 200, {}), ("TEXT_SUCCESS", 200, {}), ("SUCCESS", 200, {})], {"age": 1.0, "u": 1.0}),
    ("a cover", C, [(0, 200, {}), (1, 200, {})], {"age": 0.0}),
    ("a clip", K, [("submitted", 200, {}), ("processing", 200, {}), ("submitted", 200, {}), ("succeed", 200, {})], {}),
    ("a batch", B, [("validating", 200, {}), ("completed", 200, {})], {"age": 0.0}),
    ("a word nobody knows", V, [("paused", 200, {}), ("completed", 200, {})], {}),
    ("a word not shaped like one", K, [("processing", 200, {}), ("a b", 200, {}), ("succeed", 200, {})], {}),
    ("told when to come", V, [("queued", 200, {"retry-after": "40"}), ("completed", 200, {})], {}),
    ("told to come in an hour", V, [("queued", 200, {"retry-after": "3600"}), ("completed", 200, {})], {}),
    ("a failure", V, [(FAILS, 200, {})], {}),
    ("refused content", S, [("SENSITIVE_WORD_ERROR", 200, {})], {}),
    ("queries that fail", V, [({}, 500, {}), ({}, 503, {"retry-after": "9"}), ("completed", 200, {})], {}),
    ("no such task yet", K, [(GONE, 404, {}), ("succeed", 200, {})], {"age": 5.0}),
    ("no such task", K, [(GONE, 404, {})], {}),
    ("a wrong question", K, [({**GONE, "code": 1201}, 400, {})], {}),
    ("a wrong key", V, [({"error": {"message": "m", "code": "invalid_api_key"}}, 401, {})], {}),
    ("forgotten", D, [("UNKNOWN", 200, {})], {}),
    ("not known yet", D, [("UNKNOWN", 200, {}), ("SUCCEEDED", 200, {})], {"age": 0.0}),
    ("an answer cut off", K, [(HALF, 200, {}), ("succeed", 200, {})], {}),
    ("another task's answer", V, [({"id": "t2", "status": "completed"}, 200, {}), ("completed", 200, {})], {}),
    ("never done", V, [("in_progress", 200, {})], {"deadline": 30.0}),
    ("no word of it", V, [({}, 500, {})], {"deadline": 30.0}),
    ("no state of it", V, [({"id": "t1"}, 200, {})], {"deadline": 12.0}),
]  # fmt: skip


def looked(vocabulary: str, said: tuple[Any, int, dict[str, str]]) -> Looked:
    state, status, headers = said
    done = state in ("SUCCESS", "succeed", "SUCCEEDED", 1, "TEXT_SUCCESS")
    document = answer(vocabulary, state, result=[RESULT] if vocabulary == C else RESULT if done else None)
    body = state if isinstance(state, bytes) else encoded(state if isinstance(state, dict) else document)
    return Looked(status, tuple(headers.items()), body)


def played(vocabulary: str, answers: list[Any], how: dict[str, Any]) -> dict[str, Any]:
    more = {name: it for name, it in how.items() if name != "age"}
    player = Player(
        handle_of(vocabulary, age=how.get("age", 3600.0)), *(looked(vocabulary, it) for it in answers), **more
    )
    error: TaskError | None = None
    try:
        player.play()
    except TaskError as caught:
        error = caught
    updates = [*player.updates] if error is None or error.update is None else [*player.updates, error.update]
    found: dict[str, Any] = {
        "rests": [round(it, 6) for it in player.rests],
        "asks": [[it.url, round(it.left, 6)] for it in player.asks],
        "updates": [
            {
                "is": [it.phase, it.state, it.progress, it.note, it.reason, it.polls, round(it.elapsed, 6)],
                "made": list(it.results),
                "problem": None
                if it.problem is None
                else [it.problem.action.value, it.problem.reason, it.problem.retry_at],
            }
            for it in updates
        ],
    }
    if error is not None:
        decision = error.decision
        found["ends"] = [type(error).__name__, str(error), None if decision is None else decision.as_dict()]
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


KEPT: dict[str, Any] = {row["what"]: row for row in map(json.loads, FILE.read_text(encoding="utf-8").splitlines())}


@pytest.mark.parametrize("wait", WAITS, ids=lambda it: it[0])
def test_all_that_comes_of_a_wait(wait: tuple[str, str, list[Any], dict[str, Any]]) -> None:
    """Every rest, every question, every update and the words at its end."""
    what, vocabulary, answers, how = wait
    assert {"what": what, **played(vocabulary, answers, how)} == KEPT[what]


def test_every_wait_is_kept() -> None:
    """No more and no fewer."""
    assert [it[0] for it in WAITS] == list(KEPT)


# --- handles

TEXT = (
    '{"family":"kling","route":"POST /transtreams/kling/v1/videos/text2video","task_id":"t1",'
    '"gateway":"https://x","created_at":1.0}'
)
NO = "invalid TaskHandle: "
GATEWAY = "gateway must be a URL such as https://gateway.api.anyint.ai"
HEX = "trace_id must be hexadecimal; span_id must be hexadecimal"
ROUTE = "route is no row of the contract that makes a task (a newer version may know it)"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (7, "JSON text of at most 8 KiB is needed"),
        (TEXT.ljust(8193), "JSON text of at most 8 KiB is needed"),
        ("{", "it is not JSON"),
        ("null", "a JSON object is needed, not NoneType"),
        ("[]", "a JSON object is needed, not list"),
        ('{"family": "kling"}', "route, task_id, gateway, created_at missing"),
        (TEXT.replace("1.0", "1e11"), None),
        (TEXT.replace("1.0", "0"), None),
        (TEXT.replace("1.0", "100000000001"), "created_at must be Unix seconds"),
        (TEXT.replace("1.0", "-1"), "created_at must be Unix seconds"),
        (TEXT.replace("1.0", "true"), "created_at must be Unix seconds"),
        (TEXT.replace('"t1"', '" t1"'), "task_id must be an id as a gateway gives it"),
        (TEXT.replace("https://x", "https://:1"), GATEWAY),
        (TEXT.replace("https://x", "ftp://x"), GATEWAY),
        (TEXT.replace("https://x", "https://u@x"), GATEWAY),
        (TEXT.replace("https://x", "https:/x"), GATEWAY),
        (TEXT.replace("https://x", "https://" + "x" * 504), None),
        (TEXT.replace("https://x", "https://" + "x" * 505), GATEWAY),
        (TEXT.replace("}", ',"key_id":"0f"}'), None),
        (TEXT.replace("}", ',"key_id":"' + "a" * 65 + '"}'), "key_id must be hexadecimal"),
        (TEXT.replace("}", ',"trace_id":"xyz","span_id":""}'), HEX),
        (TEXT.replace("}", ',"request_id":""}'), "request_id must be text"),
        (TEXT.replace('"kling"', '"suno"'), "family must be kling, the route's"),
        (TEXT.replace("text2video", "x"), ROUTE),
        (TEXT.replace("}", ',"newer":1}'), None),
        (TEXT.ljust(8192), None),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_handle_word_for_word(text: Any, problem: str | None) -> None:
    """Every problem, and never the text itself, also not as what the error came from."""
    if problem is None:
        assert TaskHandle.from_json(text).task_id == "t1"
        return
    with pytest.raises(ValueError) as caught:
        TaskHandle.from_json(text)
    assert str(caught.value) == NO + problem
    assert caught.value.__context__ is None


def test_a_handle_is_one_line_and_names_its_task() -> None:
    """As short as JSON can be; its id stays in its place in the URL."""
    handle = TaskHandle.from_json(TEXT)
    assert handle.to_json() == TEXT
    assert str(handle) == "kling task t1 of POST /transtreams/kling/v1/videos/text2video"
    odd = TaskHandle.from_json(TEXT.replace('"t1"', '"a/b?c"'))
    assert odd.url == "https://x/transtreams/kling/v1/videos/text2video/a%2Fb%3Fc"


if __name__ == "__main__":
    rows = [{"what": what, **played(vocabulary, answers, how)} for what, vocabulary, answers, how in WAITS]
    FILE.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
