"""Suno: song, lyrics, wav, mp4, stem and cover tasks, each with its own words for states.

Must not know faults or sockets. Suno puts its codes in the body, under HTTP 200.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...contract.routes import ROUTES
from ...contract.words import Family, Operation
from ..messages import Answer, json_answer
from ..tasks_state import Phase, Task
from .call import REPLY, Call, Handlers

__all__ = ["HANDLERS"]

_FLAGGED: Final = frozenset({"suno_stems", "suno_mp4", "suno_cover"})
"""Tasks whose state is called successFlag."""

_ONCE: Final = {"suno_cover": 400, "suno_wav": 409}
"""Tasks there can be one of per source task, and the code of the second."""


def _said(code: int, msg: str, data: object) -> Answer:
    return json_answer({"code": code, "msg": msg, "data": data})


def _state(task: Task) -> str | int:
    if task.phase is Phase.FAILED and task.outcome == "policy" and task.kind != "suno_cover":
        return "SENSITIVE_WORD_ERROR"  # cover art has no word for it
    return task.word


def _song(call: Call, task: Task) -> dict[str, Any]:
    song = {
        "id": f"{task.id}-1",
        "audioUrl": call.result_url(task.id, ".mp3"),
        "streamAudioUrl": call.result_url(task.id, ".stream.mp3"),
        "imageUrl": call.result_url(task.id, ".png"),
        "title": str(task.body.get("title", "Emulated")),
        "tags": "",
        "duration": 120.0,
    }
    return {"taskId": task.id, "sunoData": [song]}


def _lyrics(call: Call, task: Task) -> dict[str, Any]:
    text = {"text": "".join(REPLY), "title": "Emulated", "status": "complete", "errorMessage": ""}
    return {"taskId": task.id, "data": [text]}


def _stems(call: Call, task: Task) -> dict[str, Any]:
    voice = {name: call.result_url(task.id, f".{name}.mp3") for name in ("vocalUrl", "instrumentalUrl")}
    return {**voice, "drumsUrl": None, "originUrl": None, "id": task.id}


_RESULTS: Final[dict[str, Callable[[Call, Task], dict[str, Any]]]] = {
    "suno_song": _song,
    "suno_lyrics": _lyrics,
    "suno_wav": lambda call, task: {"audio_wav_url": call.result_url(task.id, ".wav")},
    "suno_mp4": lambda call, task: {"videoUrl": call.result_url(task.id, ".mp4")},
    "suno_stems": _stems,
    "suno_cover": lambda call, task: {"images": [call.result_url(task.id, ".png")]},
}


def _create(call: Call) -> Answer:
    kind, source = call.route.tasks or "", call.document.get("taskId")
    if kind in _ONCE and source is not None:
        for task in call.store.all():
            if task.kind == kind and task.body.get("taskId") == source:
                return _said(_ONCE[kind], "already generated", {"taskId": task.id})
    return _said(200, "success", {"taskId": call.new_task("", 32).id})


def _get(call: Call) -> Answer:
    task = call.find_task(call.seen.argument("taskId"))
    if task is None:
        return _said(404, "task not found", None)
    failed = task.phase is Phase.FAILED
    data: dict[str, Any] = {
        "taskId": task.id,
        "response": _RESULTS[task.kind](call, task) if task.done or task.phase is Phase.NEARLY else None,
        "errorCode": (400 if task.outcome == "policy" else 500) if failed else None,
        "errorMessage": "The generation failed" if failed else None,
    }
    data["successFlag" if task.kind in _FLAGGED else "status"] = _state(task)
    return _said(200, "success", data)


def _direct(call: Call) -> Answer:
    """Answer the routes that work at once."""
    name = call.seen.path.rstrip("/").rpartition("/")[2]
    data: dict[str, Any] = {
        "timestamped-lyrics": {"alignedWords": [{"word": "Hello", "success": True, "startS": 0.0, "endS": 0.4}]},
        "style-generate": {"result": "warm, slow, acoustic", "creditsConsumed": 1, "successFlag": "1"},
        "generate-persona": {"personaId": call.mint(), "name": "Emulated", "description": ""},
    }
    return _said(200, "success", data.get(name))


_BY_OPERATION: Final = {Operation.CREATE: _create, Operation.QUERY: _get, Operation.GENERATE: _direct}
HANDLERS: Final[Handlers] = {
    route.name: _BY_OPERATION[route.operation] for route in ROUTES if route.family is Family.SUNO
}
