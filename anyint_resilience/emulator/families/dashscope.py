"""DashScope: one synchronous image route and video tasks.

Must not know faults or sockets.
"""

from __future__ import annotations

import time
from typing import Any, Final

from ..messages import Answer, json_answer
from ..tasks_state import Phase, Task
from .call import Call, Handlers

__all__ = ["HANDLERS"]

_FAILURES: Final = {"policy": ("DataInspectionFailed", "The content was refused by inspection")}
_FAILED: Final = ("InternalError.Algo", "The generation failed")
_ENDS: Final = frozenset({Phase.SUCCESS, Phase.PARTIAL, Phase.FAILED, Phase.CANCELLED})


def _time(wall: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(wall))


def _generation(call: Call) -> Answer:
    content = [{"image": call.result_url(call.mint("img_"), ".png")}]
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    usage = {"image_count": 1, "width": 1, "height": 1}
    return json_answer({"output": {"choices": [choice]}, "usage": usage, "request_id": call.mint()})


def _create(call: Call) -> Answer:
    task = call.new_task()
    output = {"task_status": task.word, "task_id": task.id}
    return json_answer({"output": output, "request_id": call.mint()})


def _output(call: Call, task: Task) -> dict[str, Any]:
    output: dict[str, Any] = {"task_id": task.id, "task_status": task.word, "submit_time": _time(task.wall)}
    if task.phase is not Phase.PENDING:
        output["scheduled_time"] = _time(task.wall + 5)
    if task.phase in _ENDS:
        output["end_time"] = _time(task.wall + 10)
    if task.phase is Phase.PARTIAL:
        output |= _parts(call, task)
    elif task.done:
        output["video_url"] = call.result_url(task.id, ".mp4")
    if task.phase is Phase.FAILED:
        output["code"], output["message"] = _FAILURES.get(task.outcome, _FAILED)
    return output


def _parts(call: Call, task: Task) -> dict[str, Any]:
    """Return two results: one that is there, and one that failed behind the task's success."""
    code, message = _FAILED
    parts = [{"url": call.result_url(task.id, ".mp4")}, {"code": code, "message": message}]
    return {"results": parts, "task_metrics": {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1}}


def _get(call: Call) -> Answer:
    ident = call.params["task_id"]
    task = call.find_task(ident)
    if task is None:
        # Upstream has no error for this: the state is UNKNOWN.
        return json_answer({"request_id": call.mint(), "output": {"task_id": ident, "task_status": "UNKNOWN"}})
    document: dict[str, Any] = {"request_id": call.mint(), "output": _output(call, task)}
    if task.done:
        document["usage"] = {"video_count": 1, "video_duration": 5}
    return json_answer(document)


HANDLERS: Final[Handlers] = {
    "POST /dashscope/v1/services/aigc/multimodal-generation/generation": _generation,
    "POST /dashscope/v1/services/aigc/video-generation/video-synthesis": _create,
    "GET /dashscope/v1/tasks/{task_id}": _get,
}
