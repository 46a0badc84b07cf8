"""Callbacks of music tasks: which phases a task tells of, when, and the bodies that tell it.

Pure. Must not know threads or sockets; ``postman.py`` sends them. AnyInt prints a flat body; upstream wraps it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from .families.call import REPLY
from .tasks_state import Task
from .turns import Phase, Turn

__all__ = ["FORMS", "Form", "body", "moments", "receiver"]

Form = Literal["flat", "wrapped"]
FORMS: Final = ("flat", "wrapped")

_TOLD: Final = {
    Phase.RUNNING: "text",
    Phase.NEARLY: "first",
    Phase.SUCCESS: "complete",
    Phase.PARTIAL: "complete",
    Phase.FAILED: "error",
}
"""Phase a task turns to -> phase its callback names. An undelivered one is never told, that is what went wrong."""

_KINDS: Final = {
    "suno_song": ("text", "first", "complete", "error"),
    **dict.fromkeys(("suno_lyrics", "suno_wav", "suno_mp4", "suno_stems", "suno_cover"), ("complete", "error")),
}
"""Task kind -> the phases there are callbacks of (for other kinds than songs: upstream)."""

_MESSAGES: Final = {
    "text": (200, "Text generation completed."),
    "first": (200, "First track generated."),
    "complete": (200, "All generated successfully."),
    "error": (501, "Audio generation failed."),
}
_REFUSED: Final = (400, "Your prompt contains sensitive words.")


def moments(task: Task) -> list[tuple[float, str]]:
    """Return the ages at which a task calls back and the phases it then names, each once, in order."""
    told: dict[str, float] = {}
    for turn in task.turns:
        phase = _phase_of(task, turn)
        if phase is not None:
            told.setdefault(phase, turn.age)
    return [(age, phase) for phase, age in told.items()]


def _phase_of(task: Task, turn: Turn) -> str | None:
    phase = _TOLD.get(turn.phase)
    if phase not in _KINDS.get(task.kind, ()) or (phase == "complete" and not turn.result):
        return None
    return phase


def body(task: Task, phase: str, form: str) -> dict[str, Any]:
    """Return what a callback says; raises ValueError for a phase its kind of task has none of, or an unknown form."""
    phases = _KINDS.get(task.kind, ())
    if phase not in phases or form not in FORMS:
        known = ", ".join(phases) if phases else "none"
        raise ValueError(f"callbacks of {task.kind}: {known}; forms: {', '.join(FORMS)}; not {phase!r}, {form!r}")
    told = _error(task) if phase == "error" else _RESULTS[task.kind](task, phase)
    if form == "flat":
        return told
    code, msg = _REFUSED if phase == "error" and task.outcome == "policy" else _MESSAGES[phase]
    return {"code": code, "msg": msg, "data": told}


def _url(task: Task, suffix: str) -> str:
    return f"{task.base}/__emulator__/results/{task.id}{suffix}"


def _typed(task: Task, phase: str, data: object) -> dict[str, Any]:
    return {"callbackType": phase, "task_id": task.id, "data": data}


def _error(task: Task) -> dict[str, Any]:
    if task.kind == "suno_cover":
        return {"taskId": task.id, "images": None}
    if task.kind in ("suno_song", "suno_lyrics"):
        return _typed(task, "error", None)
    return {"callbackType": "error", "task_id": task.id}


def _song(task: Task, phase: str) -> dict[str, Any]:
    heard = phase != "text"
    song = {
        "id": f"{task.id}-1",
        "audio_url": _url(task, ".mp3") if heard else "",
        "stream_audio_url": _url(task, ".stream.mp3") if heard else "",
        "image_url": _url(task, ".png"),
        "title": str(task.body.get("title", "Emulated")),
        "tags": "",
        "duration": 120.0 if heard else None,
    }
    return _typed(task, phase, [song])


def _lyrics(task: Task, phase: str) -> dict[str, Any]:
    text = {"text": "".join(REPLY), "title": "Emulated", "status": "complete", "errorMessage": ""}
    return _typed(task, phase, [text])


def _stems(task: Task, _: str) -> dict[str, Any]:
    voice = {f"{name}_url": _url(task, f".{name}Url.mp3") for name in ("vocal", "instrumental")}
    return {"task_id": task.id, "vocal_removal_info": {**voice, "origin_url": None}}


_RESULTS: Final[dict[str, Callable[[Task, str], dict[str, Any]]]] = {
    "suno_song": _song,
    "suno_lyrics": _lyrics,
    "suno_wav": lambda task, _: {"task_id": task.id, "audioWavUrl": _url(task, ".wav")},
    "suno_mp4": lambda task, _: {"task_id": task.id, "video_url": _url(task, ".mp4")},
    "suno_stems": _stems,
    "suno_cover": lambda task, _: {"taskId": task.id, "images": [_url(task, ".png")]},
}


def receiver(task: Task) -> str | None:
    """Return the address a task calls back to if it is on this machine: nothing goes further."""
    url = task.body.get("callBackUrl")
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is none raises
        near = host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return None
    return url if parts.scheme == "http" and near else None
