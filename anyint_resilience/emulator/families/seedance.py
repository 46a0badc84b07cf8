"""Seedance as two code bases call it through AnyInt (on no AnyInt page).

Must not know faults or sockets.
"""

from __future__ import annotations

from typing import Any, Final

from ..messages import Answer, json_answer
from ..tasks_state import Phase, Task
from .call import Call, Handlers

__all__ = ["HANDLERS"]

_FAILURES: Final = {"policy": ("content_policy_violation", "The content was refused")}
_FAILED: Final = ("server_error", "The generation failed")


def _document(call: Call, task: Task) -> dict[str, Any]:
    document: dict[str, Any] = {"id": task.id, "task_id": task.id, "status": task.word, "model": call.model}
    if task.done:
        document["metadata"] = {"url": call.result_url(task.id, ".mp4")}
    if task.phase is Phase.FAILED:
        code, message = _FAILURES.get(task.outcome, _FAILED)
        document["error"] = {"code": code, "message": message}
    return document


def _create(call: Call) -> Answer:
    return json_answer(_document(call, call.new_task("cgt-")))


def _get(call: Call) -> Answer:
    task = call.find_task(call.params["task_id"])
    if task is None:
        return call.refuse(404, message=f"Task {call.params['task_id']} not found")
    return json_answer(_document(call, task))


def _upload(call: Call) -> Answer:
    part = call.document.get("file")
    if not isinstance(part, dict):
        return call.refuse(400, message="Missing required field: file")
    ident = call.mint("upload_")
    call.put("seedance_file", {"id": ident, "filename": part["filename"], "bytes": len(part["content"])})
    return json_answer({"id": ident, "url": call.result_url(ident, ".bin"), "filename": part["filename"]})


HANDLERS: Final[Handlers] = {
    "POST /doubao/video/generations": _create,
    "GET /doubao/videos/{task_id}": _get,
    "POST /files/upload": _upload,
}
