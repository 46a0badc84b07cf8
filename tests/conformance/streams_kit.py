"""What the tests of streams share: a stream of each dialect, and what it says.

Must not know any scenario.
"""

from __future__ import annotations

from anyint_resilience.emulator.families.call import REPLY
from tests.conformance.scenario import MESSAGES, STREAM, TALK, Ask

__all__ = [
    "ARRAY",
    "CHAT",
    "CLAUDE",
    "DIALECTS",
    "EVENTS",
    "FIRST",
    "GEMINI",
    "LAST_WORDS",
    "RESPONSES",
    "TEXT",
    "TOLD",
    "WAN",
    "dialect_of",
    "is_whole",
]

TEXT = "".join(REPLY)
"""What every model says."""

CHAT = STREAM
RESPONSES = Ask(path="/openai/v1/responses", json={"model": "gpt-5", "input": "hi", "stream": True}, streamed=True)
CLAUDE = MESSAGES.but(json={**MESSAGES.json, "stream": True}, streamed=True)
ARRAY = Ask(
    path="/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent",
    json={"contents": [{"parts": [{"text": "hi"}]}]},
    streamed=True,
)
GEMINI = ARRAY.but(path=f"{ARRAY.path}?alt=sse")
WAN = Ask(
    path="/dashscope/v1/services/aigc/multimodal-generation/generation",
    json={"model": "qwen-vl-max", "input": {"messages": TALK}},
    headers={"X-DashScope-SSE": "enable"},
    streamed=True,
)

DIALECTS = {
    "openai chat": CHAT,
    "openai responses": RESPONSES,
    "anthropic": CLAUDE,
    "gemini sse": GEMINI,
    "gemini array": ARRAY,
    "dashscope": WAN,
}
TOLD = tuple(DIALECTS.values())
EVENTS = tuple(ask for ask in TOLD if ask is not ARRAY)
"""Those that are streams of events."""

FIRST = {
    "openai chat": 1,
    "openai responses": 4,
    "anthropic": 3,
    "gemini sse": 0,
    "gemini array": 0,
    "dashscope": 0,
}
"""Events that come before the first with content."""

LAST_WORDS = {
    "openai chat": b"data: [DONE]",
    "openai responses": b"event: response.completed",
    "anthropic": b"event: message_stop",
    "gemini sse": b'"finishReason":"STOP"',
    "gemini array": b"}\n]",
    "dashscope": b'"finish_reason":"stop"',
}
"""What only the last event has."""


def dialect_of(ask: Ask) -> str:
    """Return the name of the dialect that a call is answered in."""
    return next(name for name, it in DIALECTS.items() if it.path == ask.path)


def is_whole(ask: Ask, body: bytes) -> None:
    """See that all of a stream came, in its order."""
    at = 0
    for piece in REPLY:
        at = body.index(piece.encode(), at) + 1
    assert body.count(LAST_WORDS[dialect_of(ask)]) == 1
    assert body.index(LAST_WORDS[dialect_of(ask)]) + 600 > at, "the last event is the last"
