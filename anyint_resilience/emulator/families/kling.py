"""Kling (Transtreams) tasks: image and video, each asked for under the path that created it.

Must not know faults or sockets.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from ...contract.routes import ROUTES
from ...contract.words import Family, Operation
from ..envelopes import envelope
from ..messages import Answer, json_answer
from ..tasks_state import Phase, Task
from .call import Call, Handlers

__all__ = ["HANDLERS"]

_FAILURES: Final = {
    "policy": "Failure to pass the risk control system",
    "cancelled": "The task was cancelled",
}


def _data(call: Call, task: Task) -> dict[str, Any]:
    stamp = task.wall * 1000
    data: dict[str, Any] = {
        "task_id": task.id,
        "task_status": task.word,
        "task_info": {"external_task_id": task.external_id or ""},
        "created_at": stamp,
        "updated_at": stamp + int(task.age * 1000),
    }
    if task.phase is Phase.FAILED:
        data["task_status_msg"] = _FAILURES.get(task.outcome, "The generation failed")
    if task.done and "/images/" in task.path:
        data["task_result"] = {"images": [{"index": 0, "url": call.result_url(task.id, ".png")}]}
    elif task.done:
        video = {"id": f"v{task.id}", "url": call.result_url(task.id, ".mp4"), "duration": "5"}
        data["task_result"] = {"videos": [video]}
    return data


def _answer(call: Call, task: Task) -> Answer:
    document = {"code": 0, "message": "SUCCEED", "request_id": call.mint(), "data": _data(call, task)}
    return json_answer(document)


def _create(call: Call) -> Answer:
    given = call.document.get("external_task_id")
    if given and _by_external_id(call, given) is not None:
        return call.refuse(400, code=1201, message=f"external_task_id {given} already exists")
    return _answer(call, call.new_task("", 18))


def _by_external_id(call: Call, ident: object) -> Task | None:
    """Return the task with this id of its creator's, whether queries find it or not: it is unique in an account."""
    return next((it for it in call.store.all() if it.family is Family.KLING and it.external_id == ident), None)


def _get(call: Call) -> Answer:
    ident = unquote(call.params["task_id"])
    task = call.find_task(ident)
    if task is None:
        named = _by_external_id(call, ident)
        task = None if named is None else call.find_task(named.id)
    if task is None or not call.seen.path.startswith(f"{task.path}/"):
        return json_answer(envelope(Family.KLING, 404, message="Task not found"), status=404)
    return _answer(call, task)


HANDLERS: Final[Handlers] = {
    route.name: _create if route.operation is Operation.CREATE else _get
    for route in ROUTES
    if route.family is Family.KLING
}
