"""Stored things: files, assistants, threads with their messages and runs.

Must not know faults or sockets.
"""

from __future__ import annotations

from typing import Any, Final

from ..messages import Answer, binary, json_answer
from .call import Call, Handler, Handlers
from .videos import batch_output

__all__ = ["HANDLERS"]


def _listing(data: list[dict[str, Any]]) -> Answer:
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return json_answer({"object": "list", "data": data, "has_more": False, **ends})


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what only the emulator needs."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


def _upload(call: Call) -> Answer:
    part = call.document.get("file")
    if not isinstance(part, dict) or not isinstance(part.get("content"), bytes):
        return call.refuse(400, message="Missing required field: file")
    document = {
        "id": call.mint("file-"),
        "object": "file",
        "bytes": len(part["content"]),
        "created_at": call.clock.wall(),
        "filename": part["filename"],
        "purpose": call.document.get("purpose", "user_data"),
        "status": "processed",
        "_content": part["content"],
    }
    call.put("file", document)
    return json_answer(_shown(document))


def _no_file(call: Call) -> Answer:
    return call.refuse(404, message=f"No such File object: {call.params['file_id']}")


def _list_files(call: Call) -> Answer:
    return _listing([_shown(document) for document in call.objects.all("file")])


def _get_file(call: Call) -> Answer:
    document = call.objects.get("file", call.params["file_id"])
    return _no_file(call) if document is None else json_answer(_shown(document))


def _delete_file(call: Call) -> Answer:
    ident = call.params["file_id"]
    gone = call.objects.pop("file", ident) if call.keep else call.objects.get("file", ident)
    return _no_file(call) if gone is None else json_answer({"id": ident, "object": "file", "deleted": True})


def _file_content(call: Call) -> Answer:
    document = call.objects.get("file", call.params["file_id"])
    content = batch_output(call, call.params["file_id"]) if document is None else document["_content"]
    return _no_file(call) if content is None else binary(content, "application/octet-stream")


def _collection(kind: str, prefix: str, defaults: dict[str, Any]) -> Handler:
    """Make the handler of a collection: POST creates, GET lists. Under a thread, only that thread's."""

    def handler(call: Call) -> Answer:
        parent = call.params.get("id")
        if parent is not None and call.objects.get("thread", parent) is None:
            return call.refuse(404, message=f"No thread found with id '{parent}'.")
        if call.seen.method == "POST":
            made = {"id": call.mint(prefix), "object": kind, "created_at": call.clock.wall()}
            above = {} if parent is None else {"thread_id": parent}
            document = {**made, "metadata": {}, **defaults, **call.document, **above}
            call.put(kind, document)
            return json_answer(document)
        if call.seen.method != "GET":
            return call.refuse(405, message=f"{call.seen.method} is not allowed here")
        return _listing([it for it in call.objects.all(kind) if parent is None or it.get("thread_id") == parent])

    return handler


def _one(kind: str) -> Handler:
    """Make the handler of one stored thing: GET reads, POST changes, DELETE removes."""

    def handler(call: Call) -> Answer:
        ident = call.params["id"]
        document = call.objects.get(kind, ident)
        if document is None:
            return call.refuse(404, message=f"No {kind} found with id '{ident}'.")
        if call.seen.method == "DELETE":
            if call.keep:
                call.objects.pop(kind, ident)
            return json_answer({"id": ident, "object": f"{kind}.deleted", "deleted": True})
        if call.seen.method == "POST":
            document = {**document, **call.document, "id": ident}
            call.put(kind, document)
        return json_answer(document)

    return handler


_RUN: Final = {"status": "queued", "assistant_id": "", "model": "emulated-model", "instructions": "", "tools": []}

HANDLERS: Final[Handlers] = {
    "POST /openai/v1/files": _upload,
    "GET /openai/v1/files": _list_files,
    "GET /openai/v1/files/{file_id}": _get_file,
    "DELETE /openai/v1/files/{file_id}": _delete_file,
    "GET /openai/v1/files/{file_id}/content": _file_content,
    "* /openai/v1/assistants": _collection("assistant", "asst_", {"name": None, "tools": []}),
    "* /openai/v1/assistants/{id}": _one("assistant"),
    "* /openai/v1/threads": _collection("thread", "thread_", {"tool_resources": None}),
    "* /openai/v1/threads/{id}": _one("thread"),
    "* /openai/v1/threads/{id}/messages": _collection("thread.message", "msg_", {"role": "user", "content": []}),
    "* /openai/v1/threads/{id}/runs": _collection("thread.run", "run_", _RUN),
}
