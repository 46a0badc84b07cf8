"""What the calls ask for: a row for each operation, with the call's number where the gateway's log shows it.

Must not know clients' words, faults or time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["CREATES", "NOBODY", "Job", "job_of", "made_by"]

CREATES: Final = ("video", "kling", "suno", "dashscope", "upload")
NOBODY: Final = -1_000_000
_SAID: Final = re.compile(r"chaos call (-?\d+)\.")
_BIG: Final = 300_000


@dataclass(frozen=True, slots=True)
class Job:
    """One request."""

    method: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)


def _said(number: int) -> str:
    return f"chaos call {number}."


def _asked(number: int, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": _said(number)}]
    return {"json": {"model": f"model-{number % 64}", "messages": messages, **more}}


def _chat(number: int, ids: Mapping[str, str]) -> Job:
    # A model of its own: who is told to wait for minutes stands alone in line.
    return Job("POST", "/openai/v1/chat/completions", _asked(number, model=f"chat-{number % 4096}"))


def _stream(number: int, ids: Mapping[str, str]) -> Job:
    asked = _asked(number, model=f"chat-{number % 4096}", stream=True)
    return Job("POST", "/openai/v1/chat/completions", asked)


def _messages(number: int, ids: Mapping[str, str]) -> Job:
    return Job("POST", "/anthropic/v1/messages", _asked(number, max_tokens=64))


def _messages_stream(number: int, ids: Mapping[str, str]) -> Job:
    return Job("POST", "/anthropic/v1/messages", _asked(number, max_tokens=64, stream=True))


def _gemini_stream(number: int, ids: Mapping[str, str]) -> Job:
    path = f"/gemini/v1beta/models/gemini-{number % 64}:streamGenerateContent?alt=sse"
    return Job("POST", path, {"json": {"contents": [{"parts": [{"text": _said(number)}]}]}})


def _video(number: int, ids: Mapping[str, str]) -> Job:
    return Job("POST", "/openai/v1/videos", {"json": {"model": f"film-{number % 64}", "prompt": _said(number)}})


def _kling(number: int, ids: Mapping[str, str]) -> Job:
    path = "/transtreams/kling/v1/videos/text2video"
    return Job("POST", path, {"json": {"model_name": f"kling-{number % 64}", "prompt": _said(number)}})


def _suno(number: int, ids: Mapping[str, str]) -> Job:
    return Job("POST", "/suno/generate", {"json": {"prompt": _said(number), "customMode": False, "model": "V4"}})


def _dashscope(number: int, ids: Mapping[str, str]) -> Job:
    path = "/dashscope/v1/services/aigc/video-generation/video-synthesis"
    return Job("POST", path, {"json": {"model": f"wan-{number % 64}", "input": {"prompt": _said(number)}}})


def _upload(number: int, ids: Mapping[str, str]) -> Job:
    size = _BIG if number % 5 == 0 else 2000
    file = (f"call-{number}.txt", b"x" * size, "text/plain")
    return Job("POST", "/openai/v1/files", {"files": {"file": file}, "data": {"purpose": _said(number)}})


def _get(path: str, name: str = "") -> Callable[[int, Mapping[str, str]], Job]:
    return lambda number, ids: Job("GET", path.replace("{id}", ids[name] if name else ""))


JOBS: Final[dict[str, Callable[[int, Mapping[str, str]], Job]]] = {
    "chat": _chat,
    "stream": _stream,
    "messages": _messages,
    "messages_stream": _messages_stream,
    "gemini_stream": _gemini_stream,
    "models": _get("/openai/v1/models"),
    "download": _get("/openai/v1/files/{id}/content", "upload"),
    "video": _video,
    "kling": _kling,
    "suno": _suno,
    "dashscope": _dashscope,
    "upload": _upload,
    "query_video": _get("/openai/v1/videos/{id}", "video"),
    "query_kling": _get("/transtreams/kling/v1/videos/text2video/{id}", "kling"),
    "query_suno": _get("/suno/query/task?taskId={id}", "suno"),
    "query_dashscope": _get("/dashscope/v1/tasks/{id}", "dashscope"),
}


def job_of(operation: str, number: int, ids: Mapping[str, str]) -> Job:
    """Return the request of a call; ``ids`` are those of tasks and a file that are there, by the create's name."""
    return JOBS[operation](number, ids)


def made_by(said: str) -> int:
    """Return the number of the call that asked for a task or a file, ``NOBODY`` for none of ours."""
    found = _SAID.search(said)
    return NOBODY if found is None else int(found[1])
