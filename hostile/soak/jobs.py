"""The calls of the soak: what is asked, under which name, and whether what came is whole; must not know any client.

A user draws one job after the other from its own seed. A create's prompt is its name, so that the gateway's log tells
how often it was made.
"""

from __future__ import annotations

import json
import random
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from .setting import BROWN, CHAT, SLOT

__all__ = ["CALL_HEADER", "Drawer", "Job", "whole"]

CALL_HEADER = "x-soak-call"
VIDEOS, SUNO, KLING = "/openai/v1/videos", "/suno/generate", "/transtreams/kling/v1/videos/text2video"
FRESH = 8.0
"""Seconds within which a create is asked for again: well within what the ledger remembers."""
WEIGHTS = {
    "chat": 26,
    "stream": 14,
    "claude": 8,
    "closed": 5,
    "models": 6,
    "brown": 10,
    "create": 4,
    "keyed": 8,
    "again": 8,
    "shared": 5,
    "cancelled": 4,
    "wait": 2,
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One call.

    ``name`` is the call's own, ``what`` the create it is for. ``streamed``: read piece by piece, ``most`` pieces at
    most. ``within``: cancelled after so many seconds, on an event loop. ``fails``: its task is to end badly.
    """

    kind: str
    name: str
    method: str = "POST"
    path: str = CHAT
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    what: str = ""
    streamed: bool = False
    most: int | None = None
    within: float | None = None
    fails: bool = False


def _chat(model: str, name: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": name}], **more}


class Drawer:
    """One user's calls; ``place`` is whose it is (process kind, pid, user), ``store`` who shares creates with it."""

    def __init__(self, seed: int, place: str, store: str, *, cancels: bool = False) -> None:
        self.chance = random.Random(f"{seed} {place}")
        self.place, self.store, self.cancels = place, store, cancels
        self.count = 0
        self._made: deque[tuple[float, Job]] = deque(maxlen=8)

    def draw(self, kind: str | None = None) -> Job:
        """Draw the next call, of this kind if it is given."""
        self.count += 1
        name = f"{self.place}:{self.count}"
        if kind is None:
            (kind,) = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if kind == "cancelled" and not self.cancels:
            kind = "chat"
        if kind == "again":
            return self.again(name)
        made: Job = getattr(self, f"_{kind}")(name)
        job = replace(made, kind=kind, name=name, headers={**made.headers, CALL_HEADER: name})
        if kind == "keyed":
            self._made.append((time.monotonic(), job))
        return job

    def again(self, name: str) -> Job:
        """Draw a create that was made some seconds ago, by its key; a new one where there is none."""
        fresh = [job for at, job in self._made if time.monotonic() - at < FRESH]
        if not fresh:
            return self.draw("keyed")
        job = self.chance.choice(fresh)
        return replace(job, kind="again", name=name, headers={**job.headers, CALL_HEADER: name})

    def _chat(self, name: str) -> Job:
        return Job(kind="", name=name, body=_chat(self.chance.choice(("gpt-5", "gpt-5-mini", "gpt-5-nano")), name))

    def _brown(self, name: str) -> Job:
        return Job(kind="", name=name, body=_chat(BROWN, name))

    def _stream(self, name: str) -> Job:
        return Job(kind="", name=name, body=_chat("gpt-5", name, stream=True), streamed=True)

    def _closed(self, name: str) -> Job:
        return replace(self._stream(name), most=1)

    def _cancelled(self, name: str) -> Job:
        made = self.chance.choice((self._chat, self._stream, self._create))(name)
        return replace(made, within=self.chance.uniform(0.0, 0.03))

    def _claude(self, name: str) -> Job:
        body = {**_chat("claude-sonnet-4-5", name, max_tokens=9), "stream": self.chance.random() < 0.5}
        headers = {"anthropic-version": "2023-06-01"}
        return Job(
            kind="", name=name, path="/anthropic/v1/messages", body=body, headers=headers, streamed=body["stream"]
        )

    def _models(self, name: str) -> Job:
        return Job(kind="", name=name, method="GET", path="/openai/v1/models")

    def _create(self, name: str) -> Job:
        path = self.chance.choice((VIDEOS, SUNO, KLING))
        body = {
            VIDEOS: {"model": "kling-3.0", "prompt": name},
            SUNO: {"model": "V5", "prompt": name, "callBackUrl": "https://example.com/hooks/suno"},
            KLING: {"model_name": "kling-v2-master", "prompt": name},
        }[path]
        return Job(kind="", name=name, path=path, body=body, what=name)

    def _keyed(self, name: str) -> Job:
        made = self._create(name)
        return replace(made, headers={"idempotency-key": name})

    def _shared(self, name: str) -> Job:
        what = f"shared:{self.store}:{int(time.time() / SLOT)}"
        return self.order(what, name)

    def order(self, what: str, name: str) -> Job:
        """Return the create of this name, by a key that is the same for all who make it."""
        body = {"model": "kling-3.0", "prompt": what}
        headers = {"idempotency-key": what, CALL_HEADER: name}
        return Job(kind="shared", name=name, path=VIDEOS, body=body, headers=headers, what=what)

    def _wait(self, name: str) -> Job:
        made = self._create(name)
        fails = self.chance.random() < 0.2
        return replace(made, headers={"x-emulator-task": "failed" if fails else "success"}, fails=fails)


def whole(job: Job, status: int, content: bytes) -> bool:
    """Whether a good answer is all that was asked for; any other is taken as it is."""
    if status >= 300 or job.most is not None:
        return True
    if job.streamed:
        return b"[DONE]" in content or b"message_stop" in content
    try:
        document = json.loads(content)
    except ValueError:
        return False
    return any(name in document for name in ("choices", "content", "data", "id"))
