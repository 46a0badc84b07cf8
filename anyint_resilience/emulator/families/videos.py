"""OpenAI-style tasks: videos and batches.

Must not know faults or sockets.
"""

from __future__ import annotations

import json
from typing import Any, Final

from ..messages import Answer, binary, json_answer
from ..tasks_state import Phase, Task
from .call import Call, Handlers

__all__ = ["HANDLERS", "batch_output"]

_PROGRESS: Final = {Phase.PENDING: 0, Phase.SUCCESS: 100}
"""Per cent; every other phase is half way."""

_DAY: Final = 86_400
_LINES: Final[dict[str, dict[str, Any]]] = {
    # prefix of a batch file's id: its one line
    "file-out-": {"id": "batch_req_1", "custom_id": "1", "response": {"status_code": 200}, "error": None},
    "file-err-": {"id": "batch_req_2", "custom_id": "2", "response": {"status_code": 500}, "error": None},
}
_FAILURES: Final = {"policy": ("moderation_blocked", "The request was refused by content policy")}
_FAILED: Final = ("server_error", "The generation failed")


def _video(task: Task) -> dict[str, Any]:
    ended = task.phase is Phase.SUCCESS
    document: dict[str, Any] = {
        "id": task.id,
        "object": "video",
        "model": task.body.get("model"),
        "status": task.word,
        "progress": _PROGRESS.get(task.phase, 50),
        "created_at": task.wall,
        "completed_at": task.wall + 10 if ended else None,
        "expires_at": task.wall + _DAY if ended else None,
        "prompt": task.body.get("prompt"),
        "seconds": str(task.body.get("seconds", "4")),
        "size": task.body.get("size", "720x1280"),
        "remixed_from_video_id": None,
        "error": None,
    }
    if task.phase is Phase.FAILED:
        code, message = _FAILURES.get(task.outcome, _FAILED)
        document["error"] = {"code": code, "message": message}
    return document


def _create_video(call: Call) -> Answer:
    return json_answer(_video(call.new_task("video_")))


def _remix_video(call: Call) -> Answer:
    source = call.store.get(call.params["video_id"], "openai_video")
    return _no_video(call) if source is None else json_answer(_video(call.new_task("video_")))


def _get_video(call: Call) -> Answer:
    task = call.find_task(call.params["video_id"])
    return _no_video(call) if task is None else json_answer(_video(task))


def _no_video(call: Call) -> Answer:
    return call.refuse(404, message=f"Video with id '{call.params['video_id']}' not found.")


def _video_content(call: Call) -> Answer:
    task = call.store.get(call.params["video_id"], "openai_video")
    if task is None:
        return _no_video(call)
    if not task.done:
        return call.refuse(400, code="video_not_ready", message=f"Video is not ready: {task.word}")
    return binary(b"\x00\x00\x00\x18ftypmp42" + task.id.encode() * 64, "video/mp4")


def _batch(task: Task) -> dict[str, Any]:
    ended, failed = task.phase in (Phase.SUCCESS, Phase.PARTIAL), int(task.phase is Phase.PARTIAL)
    document: dict[str, Any] = {
        "id": task.id,
        "object": "batch",
        "endpoint": task.body.get("endpoint", "/v1/chat/completions"),
        "input_file_id": task.body.get("input_file_id", ""),
        "completion_window": task.body.get("completion_window", "24h"),
        "status": task.word,
        "created_at": task.wall,
        "expires_at": task.wall + _DAY,
        "errors": None,
        "request_counts": {"total": 1 + failed, "completed": int(ended), "failed": failed},
    }
    if task.done:
        document["output_file_id"] = f"file-out-{task.id}"
    if failed:
        document["error_file_id"] = f"file-err-{task.id}"
    if task.phase is Phase.FAILED:
        document["errors"] = {"object": "list", "data": [{"code": "server_error", "message": "The batch failed"}]}
    return document


def batch_output(call: Call, file_id: str) -> bytes | None:
    """Return the content of a finished batch's output or error file, or None if the id is no such file."""
    kind, ident = file_id[: len("file-out-")], file_id[len("file-out-") :]
    task = call.store.get(ident, "openai_batch")
    if task is None or not task.done or kind not in _LINES or (kind == "file-err-" and task.phase is not Phase.PARTIAL):
        return None
    return json.dumps(_LINES[kind]).encode()


def _create_batch(call: Call) -> Answer:
    return json_answer(_batch(call.new_task("batch_")))


def _list_batches(call: Call) -> Answer:
    data = [_batch(task) for task in call.store.all() if task.kind == "openai_batch" and task.visible]
    return json_answer({"object": "list", "data": data, "has_more": False})


def _get_batch(call: Call) -> Answer:
    ident = call.params["batch_id"]
    task = call.store.get(ident, "openai_batch")
    if task is None:
        return call.refuse(404, message=f"No batch found with id '{ident}'.")
    return json_answer(_batch(task))


def _cancel_batch(call: Call) -> Answer:
    task = call.store.get(call.params["batch_id"], "openai_batch")
    if task is not None and call.keep and not task.done:
        task.settle("cancelled", now=True)
    return _get_batch(call)


HANDLERS: Final[Handlers] = {
    "POST /openai/v1/videos": _create_video,
    "POST /openai/v1/videos/{video_id}/remix": _remix_video,
    "GET /openai/v1/videos/{video_id}": _get_video,
    "GET /openai/v1/videos/{video_id}/content": _video_content,
    "POST /openai/v1/batches": _create_batch,
    "GET /openai/v1/batches": _list_batches,
    "GET /openai/v1/batches/{batch_id}": _get_batch,
    "POST /openai/v1/batches/{batch_id}/cancel": _cancel_batch,
}
