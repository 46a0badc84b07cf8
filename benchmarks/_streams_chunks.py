"""The streams of streams.py: 10,000 events of 64 bytes to 4 KiB in three dialects, and what is asked for them.

Must not know any client, nor what is measured. One piece is one event; sizes are spread evenly. There
are some hundred different ones, used over and over, which a processor's cache holds: so it would hold what a socket has
just been read into, but not 20 MB that nobody has touched for a while.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["DIALECTS", "LARGEST", "SMALLEST", "Dialect", "data_of", "pieces_of"]

SMALLEST, LARGEST = 64, 4096
SEED = 20_260_201
DIFFERENT = 100
_ASKED = {"model": "m", "stream": True}
_SAID = [{"role": "user", "content": "Say much."}]


@dataclass(frozen=True)
class Dialect:
    """One way to stream: where it is asked for, the events around the content, and one of content by its text."""

    path: str
    body: dict[str, Any]
    opening: tuple[bytes, ...]
    content: Callable[[str], bytes]
    closing: tuple[bytes, ...]


def data_of(document: dict[str, Any], name: str = "") -> bytes:
    """One event."""
    before = f"event: {name}\n" if name else ""
    return f"{before}data: {json.dumps(document, separators=(',', ':'))}\n\n".encode()


def _typed(name: str, **more: Any) -> bytes:
    """One event that says its name twice, as Responses and Anthropic do."""
    return data_of({"type": name, **more}, name)


def _choice(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return data_of({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


DIALECTS = {
    "openai chat": Dialect(
        path="/openai/v1/chat/completions",
        body={**_ASKED, "messages": _SAID},
        opening=(_choice({"role": "assistant"}),),
        content=lambda text: data_of({"choices": [{"index": 0, "delta": {"content": text}}]}),
        closing=(_choice({}, "stop"), b"data: [DONE]\n\n"),
    ),
    "responses": Dialect(
        path="/openai/v1/responses",
        body={**_ASKED, "input": "Say much."},
        opening=(_typed("response.created", response={"id": "r", "status": "in_progress"}),),
        content=lambda text: _typed("response.output_text.delta", delta=text),
        closing=(_typed("response.completed", response={"id": "r", "status": "completed"}),),
    ),
    "anthropic": Dialect(
        path="/anthropic/v1/messages",
        body={**_ASKED, "max_tokens": 9, "messages": _SAID},
        opening=(_typed("message_start", message={"id": "m", "usage": {"input_tokens": 9}}), _typed("ping")),
        content=lambda text: _typed("content_block_delta", index=0, delta={"type": "text_delta", "text": text}),
        closing=(
            _typed("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9}),
            _typed("message_stop"),
        ),
    ),
}
"""The dialects by the names of the table. OpenAI's chat has the least around its content."""


def pieces_of(dialect: Dialect, count: int) -> list[bytes]:
    """Return a whole stream in so many pieces; those of content are of the smallest size to the largest."""
    chance, bare = random.Random(SEED), len(dialect.content(""))
    middle = count - len(dialect.opening) - len(dialect.closing)
    sizes = [SMALLEST + (LARGEST - SMALLEST) * at // (DIFFERENT - 1) for at in range(DIFFERENT)]
    made = [dialect.content("x" * max(1, size - bare)) for size in chance.sample(sizes, DIFFERENT)]
    return [*dialect.opening, *(made[at % DIFFERENT] for at in range(middle)), *dialect.closing]
