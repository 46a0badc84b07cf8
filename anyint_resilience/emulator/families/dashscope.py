"""DashScope: one synchronous route (an image; text where a stream is asked for) and video tasks.

Must not know faults or sockets.
"""

from __future__ import annotations

import time
from typing import Any, Final

from ..envelopes import envelope
from ..messages import Answer, json_answer, sse, sse_stream
from ..tasks_state import Phase, Task
from .call import REPLY, Call, Handlers, tokens

__all__ = ["HANDLERS"]

_FAILURES: Final = {"policy": ("DataInspectionFailed", "The content was refused by inspection")}
_FAILED: Final = ("InternalError.Algo", "The generation failed")
_ENDS: Final = frozenset({Phase.SUCCESS, Phase.PARTIAL, Phase.FAILED, Phase.CANCELLED})


def _time(wall: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(wall))


def _generation(call: Call) -> Answer:
    if call.seen.headers.get("x-dashscope-sse", "").strip().lower() == "enable":
        return _stream(call)
    content = [{"image": call.result_url(call.mint("img_"), ".png")}]
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    usage = {"image_count": 1, "width": 1, "height": 1}
    return json_answer({"output": {"choices": [choice]}, "usage": usage, "request_id": call.mint()})


def _stream(call: Call) -> Answer:
    """Answer with text as it comes, each event with what is new (``incremental_output``)."""
    ident, asked = call.mint(), tokens(call.document.get("input"))

    def piece(number: int, text: str, finish: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": [{"text": text}] if text else []}
        usage = {"input_tokens": asked, "output_tokens": number, "total_tokens": asked + number}
        return {"output": {"choices": [{"message": message, "finish_reason": finish}]}, "usage": usage}

    told = [piece(number, text, "null") for number, text in enumerate(REPLY, 1)]
    told.append(piece(len(REPLY), "", "stop"))
    events = [_event(number, "result", 200, {**it, "request_id": ident}) for number, it in enumerate(told, 1)]
    failure = {**envelope(call.route.family, 503), "request_id": ident}
    return sse_stream(events, error_event=_event(len(events) + 1, "error", 503, failure))


def _event(number: int, name: str, status: int, document: dict[str, Any]) -> bytes:
    """Write an event as DashScope does: no blank after a colon, and the real status in a comment."""
    data = sse(document).removeprefix(b"data: ")
    return f"id:{number}\nevent:{name}\n:HTTP_STATUS/{status}\ndata:".encode() + data


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
