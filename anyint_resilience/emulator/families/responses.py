"""OpenAI responses: plain, streamed, and in the background as a task.

Must not know faults or sockets.
"""

from __future__ import annotations

from typing import Any, Final

from ..messages import Answer, json_answer, sse, sse_stream
from ..tasks_state import Phase, Task
from .call import REPLY, Call, Handlers, tokens

__all__ = ["HANDLERS"]

_STORED: Final = "responses"


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(ident: str, text: str | None) -> dict[str, Any]:
    content = [] if text is None else [_part(text)]
    status = "in_progress" if text is None else "completed"
    return {"id": f"msg_{ident[5:]}", "type": "message", "role": "assistant", "status": status, "content": content}


def _response(
    ident: str, model: str, created: int, status: str, document: dict[str, Any], *, done: bool
) -> dict[str, Any]:
    asked = tokens(document.get("input"))
    usage = {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": len(REPLY),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked + len(REPLY),
    }
    return {
        "id": ident,
        "object": "response",
        "created_at": created,
        "status": status,
        "background": document.get("background") is True,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [_item(ident, "".join(REPLY))] if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if done else None,
    }


def _of_task(task: Task) -> dict[str, Any]:
    document = _response(task.id, str(task.body.get("model")), task.wall, str(task.word), task.body, done=task.done)
    if task.phase is Phase.PARTIAL:
        document["incomplete_details"] = {"reason": "max_output_tokens"}
        document["output"][0]["status"] = "incomplete"
    if task.phase is Phase.FAILED:
        code = "image_content_policy_violation" if task.outcome == "policy" else "server_error"
        document["error"] = {"code": code, "message": "The background response failed"}
    return document


def _create(call: Call) -> Answer:
    if call.document.get("background") is True:
        return json_answer(_of_task(call.new_task("resp_")))
    ident, created = call.mint("resp_"), call.clock.wall()
    document = _response(ident, call.model, created, "completed", call.document, done=True)
    call.put(_STORED, document)
    if not call.streams:
        return json_answer(document)
    return _stream(ident, _response(ident, call.model, created, "in_progress", call.document, done=False), document)


def _stream(ident: str, started: dict[str, Any], finished: dict[str, Any]) -> Answer:
    text = "".join(REPLY)
    place = {"item_id": _item(ident, None)["id"], "output_index": 0, "content_index": 0}
    told: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": started}),
        ("response.in_progress", {"response": started}),
        ("response.output_item.added", {"output_index": 0, "item": _item(ident, None)}),
        ("response.content_part.added", {**place, "part": _part("")}),
        *(("response.output_text.delta", {**place, "delta": piece, "logprobs": []}) for piece in REPLY),
        ("response.output_text.done", {**place, "text": text, "logprobs": []}),
        ("response.content_part.done", {**place, "part": _part(text)}),
        ("response.output_item.done", {"output_index": 0, "item": _item(ident, text)}),
        ("response.completed", {"response": finished}),
    ]
    events = [sse({"type": kind, "sequence_number": n, **more}, event=kind) for n, (kind, more) in enumerate(told)]
    failure = {"type": "error", "code": "server_error", "message": "The stream failed", "param": None}
    return sse_stream(events, error_event=sse({**failure, "sequence_number": len(told)}, event="error"))


def _get(call: Call) -> Answer:
    ident = call.params["response_id"]
    task = call.find_task(ident)
    if task is not None:
        return json_answer(_of_task(task))
    document = call.objects.get(_STORED, ident)
    if document is not None:
        return json_answer(document)
    return call.refuse(404, message=f"Response with id '{ident}' not found.")


HANDLERS: Final[Handlers] = {
    "POST /openai/v1/responses": _create,
    "GET /openai/v1/responses/{response_id}": _get,
}
