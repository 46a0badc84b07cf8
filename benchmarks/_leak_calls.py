"""The calls of leaks.py: what is asked, which faults it meets, how the answer is read.

Must not know any client, nor what is measured. Every call meets at least one fault that is retried.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anyint_resilience.emulator import Fault

__all__ = ["CALL_HEADER", "FAULTS", "FAULTS_HEADER", "Job", "filling", "plan"]

CALL_HEADER = "x-leak-call"
FAULTS_HEADER = "x-leak-faults"
LARGE = "<html>" + "x" * 300_000  # more than we look at, so it is dropped unread
SEED = 20_260_101

FAULTS = {
    "503": Fault(status=503),
    "429": Fault.error(429, retry_after=1),
    "large": Fault(status=503, body=LARGE),
    "cut": Fault(status=503, body="x" * 2000, truncate=1000),
    "reset": Fault(reset="before_headers"),
    "lost": Fault(reset="before_headers", process=True),
    "half": Fault(half_close=True),
    "garbage": Fault(garbage="not_http"),
    "slow": Fault(delay_headers=0.2),
}
"""The faults by the names that travel in a header; ``slow`` is a good answer that takes its time."""

REJECTED = ("503", "429", "large", "cut")
FAILED = (*REJECTED, "reset", "lost", "half", "garbage")
CHAT = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
CLAUDE = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": CHAT["messages"]}
SHAPES: list[tuple[int, str, str, dict[str, Any] | None]] = [
    (8, "POST", "/openai/v1/chat/completions", CHAT),
    (4, "POST", "/openai/v1/chat/completions", {**CHAT, "stream": True}),
    (3, "POST", "/anthropic/v1/messages", CLAUDE),
    (3, "GET", "/openai/v1/models", None),
    (2, "POST", "/openai/v1/videos", {"model": "kling-3.0"}),
]
"""Weight, method, path, body. The last is a paid create: it is repeated only after a clear no."""


@dataclass(frozen=True)
class Job:
    """One call; ``whole``: the answer is read to its end, else closed after its first piece."""

    method: str
    path: str
    body: dict[str, Any] | None
    headers: dict[str, str]
    whole: bool


def _faults(chance: random.Random, path: str) -> tuple[str, ...]:
    """Draw the faults of a call: one or two and then a good answer; one call in twenty never gets one."""
    if path.endswith("/videos"):
        if chance.random() < 0.1:
            return ("429", "lost")  # rejected, sent again, and then nobody knows: OutcomeUnknown
        return tuple(chance.choices(REJECTED, k=chance.choice((1, 2))))
    if chance.random() < 0.05:
        return tuple(chance.choices(FAILED, k=3))
    return tuple(chance.choices(FAILED, k=chance.choice((1, 2))))


def plan(name: str, calls: int) -> Iterator[Job]:
    """Draw calls, the same ones for every client; ``name`` tells them from other plans at the gateway."""
    chance = random.Random(SEED)
    weights = [shape[0] for shape in SHAPES]
    for number in range(calls):
        ((_, method, path, body),) = chance.choices(SHAPES, weights)
        named = None if body is None else {**body, "prompt": f"{name} {number}"}  # each create is another one
        headers = {CALL_HEADER: f"{name}-{number}", FAULTS_HEADER: ",".join(_faults(chance, path))}
        if "anthropic" in path:
            headers["anthropic-version"] = "2023-06-01"
        yield Job(method, path, named, headers, whole=chance.random() < 0.8)


def filling(name: str, connections: int) -> list[Job]:
    """Return slow good calls which, made at once, leave that many idle connections in a pool."""
    return [
        Job("GET", "/openai/v1/models", None, {CALL_HEADER: f"{name}-{at}", FAULTS_HEADER: "slow"}, whole=True)
        for at in range(connections)
    ]
