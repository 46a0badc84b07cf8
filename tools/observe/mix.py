"""What the load is made of: calls that go well and calls that meet every fault an on-call has a panel for.

Must not know any client. A fault stands in a header of its request, where the emulator reads it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from anyint_resilience.emulator import FAULT_HEADER, TASK_HEADER, Fault

__all__ = ["KINDS", "PHASES", "Made", "Phase", "Wish", "chat", "prepared", "video", "wishes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One call an application makes. ``times``: so often the very same request, one after the other."""

    kind: str
    path: str
    body: dict[str, Any] | None = None  # None: a GET
    headers: dict[str, str] = field(default_factory=dict)
    account: str = "shop"
    reading: str = "whole"  # "stream": read to its end; "leave": closed early
    times: int = 1
    deadline: float | None = None
    patience: float | None = None  # cancelled from outside after so many seconds, where the client can be
    wait: float | None = None  # its task is waited for, so many seconds at most; None: nobody waits
    keyed: bool = False  # with an Idempotency-Key of its own

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "GET" if self.body is None else "POST"


Made = tuple[Wish, "tuple[Fault, ...]"]
"""A call and the faults its requests meet, in order; after them the answers are good."""


def chat(kind: str, *faults: Fault, model: str = "gpt-5", stream: bool = False, **more: Any) -> Made:
    """Make a chat, of which nothing is kept."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hello"}], "user": kind}
    if stream:
        body["stream"] = True
    return Wish(kind=kind, path="/openai/v1/chat/completions", body=body, **more), faults


def _claude(kind: str, *faults: Fault, model: str = "claude-sonnet-5-5", **more: Any) -> Made:
    body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
    return Wish(kind=kind, path="/anthropic/v1/messages", body=body, **more), faults


def _gemini(kind: str, *faults: Fault) -> Made:
    body = {"contents": [{"parts": [{"text": "hello"}]}]}
    return Wish(kind=kind, path="/gemini/v1beta/models/gemini-3-pro:generateContent", body=body), faults


def _song(kind: str, *faults: Fault, **more: Any) -> Made:
    body = {"model": "V5", "prompt": "rain", "callBackUrl": "https://example.com/hook"}
    return Wish(kind=kind, path="/suno/generate", body=body, **more), faults


def video(kind: str, *faults: Fault, **more: Any) -> Made:
    """Make a paid create."""
    body = {"model": "kling-3.0", "prompt": "a fox in the snow"}
    return Wish(kind=kind, path="/openai/v1/videos", body=body, **more), faults


_BUSY: Final = Fault(status=503)
_RESET: Final = Fault(reset="before_headers")
_LOST: Final = Fault(reset="before_headers", process=True)
_NO_QUOTA: Final = Fault.error(429, code="insufficient_quota")
_SLOW: Final = Fault(delay_headers=1.0)
_STAINLESS: Final = "x-stainless-retry-count"
_WAIT: Final = 0.5  # seconds: tasks are done before, and those that are stuck are given up then


def _throttled(seconds: float) -> Fault:
    return Fault.error(429, retry_after=seconds)


KINDS: Final[dict[str, Callable[[], Made]]] = {
    "chat": lambda: chat("chat"),
    "small chat": lambda: chat("small chat", model="gpt-5-mini", account="blog"),
    "claude": lambda: _claude("claude"),
    "gemini": lambda: _gemini("gemini"),
    "models": lambda: (Wish(kind="models", path="/openai/v1/models"), ()),
    "stream": lambda: chat("stream", stream=True, reading="stream"),
    "song": lambda: _song("song"),
    "video": lambda: video("video"),
    "429 once": lambda: chat("429 once", _throttled(0.4)),
    "429 twice": lambda: _gemini("429 twice", _throttled(0.5), _throttled(0.8)),
    "429 lasts": lambda: _gemini("429 lasts", *(_throttled(0.3),) * 3),
    "429, no hint": lambda: _claude("429, no hint", Fault(status=429)),
    "503 once": lambda: _claude("503 once", _BUSY),
    "503 lasts": lambda: chat("503 lasts", *(_BUSY,) * 3, account="blog"),
    "500": lambda: chat("500", Fault(status=500), model="gpt-5-mini"),
    "reset once": lambda: chat("reset once", _RESET),
    "reset lasts": lambda: _claude("reset lasts", *(_RESET,) * 3),
    "no quota": lambda: chat("no quota", _NO_QUOTA, account="blog"),
    "no quota, 200": lambda: _song("no quota, 200", Fault.error(200, family="suno", code=429)),
    "wrong key": lambda: _claude("wrong key", account="revoked"),
    "forbidden": lambda: chat("forbidden", Fault(status=403)),
    "no such model": lambda: chat("no such model", model="gpt-missing"),
    "bad request": lambda: chat("bad request", Fault(status=400)),
    "stream cut": lambda: chat("stream cut", Fault(cut_stream_after=3), stream=True, reading="stream"),
    "stream left": lambda: chat("stream left", stream=True, reading="leave"),
    "lost create": lambda: video("lost create", _LOST, times=2),
    "nested layer": lambda: chat("nested layer", _BUSY, headers={_STAINLESS: "2"}),
    "silent layer": lambda: chat("silent layer", *(_BUSY,) * 6, times=2),
    "same key": lambda: video("same key", keyed=True, times=2),
    "video done": lambda: video("video done", wait=_WAIT),
    "video failed": lambda: video("video failed", headers={TASK_HEADER: "failed"}, wait=_WAIT),
    "video stuck": lambda: video("video stuck", headers={TASK_HEADER: "stuck"}, wait=_WAIT),
    "song done": lambda: _song("song done", wait=_WAIT),
    "store down": lambda: video("store down", account="store down"),
    "late": lambda: chat("late", _SLOW, deadline=0.3),
    "cancelled": lambda: chat("cancelled", _SLOW, patience=0.3),
}
"""Every kind of call, by a name for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of the load: its share of the time, how fast answers come, and how often what goes wrong."""

    name: str
    share: float
    seconds: float  # a good answer takes, about
    wrong: dict[str, int]  # kind: weight, beside 100 for what goes well


_GOOD: Final = {
    "chat": 40,
    "small chat": 14,
    "claude": 16,
    "gemini": 6,
    "models": 8,
    "stream": 10,
    "song": 3,
    "video": 3,
}
_RARE: Final = (
    "lost create",
    "same key",
    "video done",
    "video failed",
    "video stuck",
    "song done",
    "nested layer",
    "silent layer",
    "store down",
    "no quota",
    "no quota, 200",
    "forbidden",
    "wrong key",
    "no such model",
    "bad request",
    "stream cut",
    "stream left",
    "late",
    "cancelled",
)
"""Comes once on each worker in each phase, as far as its time goes, whatever chance says."""

PHASES: Final = (
    Phase(name="calm", share=0.25, seconds=0.08, wrong={"429 once": 3, "503 once": 2, "reset once": 1}),
    Phase(
        name="throttled",
        share=0.25,
        seconds=0.12,
        wrong={"429 once": 40, "429 twice": 40, "429 lasts": 12, "429, no hint": 10, "nested layer": 4},
    ),
    Phase(
        name="outage",
        share=0.25,
        seconds=0.25,
        wrong={
            "503 once": 45,
            "503 lasts": 40,
            "500": 15,
            "reset once": 25,
            "reset lasts": 12,
            "stream cut": 12,
            "video stuck": 9,
        },
    ),
    Phase(name="recovering", share=0.25, seconds=0.1, wrong={"429 once": 8, "503 once": 6, "wrong key": 3}),
)


def wishes(phase: Phase, worker: str, chance: random.Random) -> Iterator[Wish]:
    """Yield calls without end, each with its faults in its header and a body of its own."""
    weights = {**_GOOD, **phase.wrong}
    rare = list(_RARE)
    chance.shuffle(rare)
    number = 0
    while True:
        number += 1
        turn = rare.pop() if rare and number % 4 == 0 else None
        kind = turn or chance.choices(list(weights), list(weights.values()))[0]
        yield prepared(*KINDS[kind](), phase, f"{worker}-{phase.name}-{number}", chance)


def prepared(wish: Wish, faults: tuple[Fault, ...], phase: Phase, name: str, chance: random.Random) -> Wish:
    """Put the faults into the header, each answer's time with them, and make the call one of its kind."""
    usual = Fault(delay_headers=round(chance.lognormvariate(0, 0.5) * phase.seconds, 3))
    late = tuple(replace(it, delay_headers=it.delay_headers or usual.delay_headers / 2) for it in faults)
    listed = [it.to_json() for it in (*late, *(usual,) * 3)]
    listed[0].setdefault("headers", []).append(["x-observed-call", name])  # the emulator counts by the header's text
    headers = {**wish.headers, FAULT_HEADER: json.dumps(listed)}
    if wish.keyed:
        headers["Idempotency-Key"] = name
    body = None if wish.body is None else {**wish.body, "metadata": {"call": name}}
    return replace(wish, headers=headers, body=body)
