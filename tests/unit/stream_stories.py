"""Streams of Anthropic, Gemini and DashScope, event by event, and all stories there are.

Names and shapes of fields are those of contract section 5; what models say is made up. Must not know any client.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_kit import CLAUDE, FOX, GEMINI, NEVER, QWEN, SAID, SPOKEN, Story, event, text_of
from tests.unit.stream_stories_openai import CHATS, RESPONDED

# --- Anthropic


def block(kind: str, **more: Any) -> bytes:
    return event({"type": kind, **more}, kind)


def delta(index: int, kind: str, **more: Any) -> bytes:
    return block("content_block_delta", index=index, delta={"type": kind, **more})


PING = block("ping")
MESSAGE = (
    block("message_start", message={"id": "m1", "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}),
    PING,
    block("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    delta(0, "text_delta", text="Hello, "),
    PING,
    delta(0, "text_delta", text=FOX),
    block("content_block_stop", index=0),
)
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "q1"}
COUNTED = {"input_tokens": 9, "output_tokens": 1}
TOTAL = {"input_tokens": 9, "output_tokens": 15}


def stopped(why: str) -> tuple[bytes, bytes]:
    end = {"stop_reason": why, "stop_sequence": None}
    return block("message_delta", delta=end, usage={"output_tokens": 15}), block("message_stop")


CLAUDES = (
    Story(
        name="text",
        dialect=CLAUDE,
        blocks=(*MESSAGE, *stopped("end_turn"), PING),
        end=8,
        says={**SPOKEN, "finish": "end_turn", "usage": TOTAL},
    ),
    Story(
        name="thinking-tool",
        dialect=CLAUDE,
        blocks=(
            MESSAGE[0],
            block("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
            delta(0, "thinking_delta", thinking="Which city?"),
            delta(0, "signature_delta", signature="c2ln"),
            block("content_block_stop", index=0),
            block("content_block_start", index=1, content_block={"type": "tool_use", "id": "t1", "input": {}}),
            delta(1, "input_json_delta", partial_json='{"city":"Köln"}'),
            block("content_block_stop", index=1),
            *stopped("tool_use"),
        ),
        end=9,
        says={"content": 3, "finish": "tool_use", "usage": TOTAL},
    ),
    Story(
        name="error-first",
        dialect=CLAUDE,
        blocks=(event(OVERLOADED, "error"),),
        end=0,
        verdict=Verdict.FAILED,
        says={"error": OVERLOADED},
    ),
    Story(
        name="error-late",
        dialect=CLAUDE,
        blocks=(*MESSAGE, event(OVERLOADED)),
        end=7,
        verdict=Verdict.FAILED,
        says={**SPOKEN, "usage": COUNTED, "error": OVERLOADED},
    ),
    Story(
        name="error-text",
        dialect=CLAUDE,
        blocks=(*MESSAGE, b"event: error\ndata: upstream is gone\n\n"),
        end=7,
        verdict=Verdict.FAILED,
        says={**SPOKEN, "usage": COUNTED, "malformed": 1, "error": {"error": {"message": "upstream is gone"}}},
    ),
    Story(
        name="no-stop",
        dialect=CLAUDE,
        blocks=(*MESSAGE, stopped("end_turn")[0]),
        says={**SPOKEN, "finish": "end_turn", "usage": TOTAL},
    ),
)

# --- Gemini


def candidate(text: str | None = None, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    content = {"content": {"role": "model", "parts": [{"text": text, **more}]}} if text is not None else {}
    return {**content, **({"finishReason": finish} if finish else {}), "index": index}


def google(*candidates: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": list(candidates), "modelVersion": "m", **more}


NOTED = {"promptTokenCount": 9, "totalTokenCount": 13}
ANSWERS = (
    google(candidate("Hmm", thought=True)),
    google(candidate("Hello, ")),
    google(candidate(FOX)),
    google(candidate("", "STOP"), usageMetadata=NOTED),
)
PAIR = (
    google(candidate("one"), candidate("two", index=1)),
    google(candidate("", "STOP")),
    google(candidate(" two", index=1)),
    google(candidate(None, "MAX_TOKENS", index=1)),
)
BLOCKED = ({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": NOTED},)
GONE = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}}
ANSWERED = {"content": 3, "text": "Hello, " + FOX, "finish": "STOP", "usage": NOTED}
PAIRED = {"content": 2, "text": "one", "finish": "MAX_TOKENS"}
LOST = {"content": 3, "text": "Hello, " + FOX, "error": GONE}


def in_array(documents: Iterable[Any], *, pretty: bool) -> tuple[bytes, ...]:
    """Return the pieces of an array as Google writes it, or without a space; each ends with its document."""
    indent = 2 if pretty else None
    gap = b",\n" if pretty else b","
    texts = [json.dumps(it, indent=indent, ensure_ascii=False).encode() for it in documents]
    return (b"[" + texts[0], *(gap + it for it in texts[1:]), b"\n]" if pretty else b"]")


def _gemini(
    name: str, documents: tuple[Any, ...], says: dict[str, Any], *, end: int, failed: bool = False
) -> list[Story]:
    """Return one answer as events, as an array for people, and as a compact one."""
    verdict = Verdict.FAILED if failed else Verdict.WHOLE
    events = Story(name=name, dialect=GEMINI, blocks=tuple(map(event, documents)), end=end, verdict=verdict, says=says)
    pretty, compact = (in_array(documents, pretty=it) for it in (True, False))
    last = end if failed or end == NEVER else len(documents)
    array = replace(events, name=f"{name}-array", blocks=pretty, end=last, array=True)
    return [events, array, replace(array, name=f"{name}-compact", blocks=compact)]


GEMINIS = (
    *_gemini("text", ANSWERS, ANSWERED, end=3),
    *_gemini("candidates", PAIR, PAIRED, end=3),
    *_gemini("blocked", BLOCKED, {"finish": "SAFETY", "usage": NOTED}, end=0),
    *_gemini("error", (*ANSWERS[:3], GONE), LOST, end=3, failed=True),
    *_gemini("silent", ANSWERS[:3], {"content": 3, "text": "Hello, " + FOX}, end=NEVER),
    Story(
        name="document",
        dialect=GEMINI,
        blocks=(json.dumps(google(candidate(FOX, "STOP")), indent=2).encode(), b"\n"),
        end=0,
        says={"content": 1, "text": FOX, "finish": "STOP"},
        array=True,
    ),
)

# --- DashScope


def result(ident: int, output: Any, status: int = 200, **more: Any) -> bytes:
    head = b"id:%d\nevent:result\n:HTTP_STATUS/%d\n" % (ident, status)
    return head + b"data:" + text_of({"output": output, "request_id": "q1", **more}) + b"\n\n"


def message(content: Any, finish: str | None = "null") -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]}


THROTTLED = {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded", "request_id": "q1"}
SPENT = {"input_tokens": 9, "output_tokens": 4}
BROUGHT = (result(1, message("Hello, ")), result(2, message(FOX, None)))

QWENS = (
    Story(
        name="text",
        dialect=QWEN,
        blocks=(*BROUGHT, result(3, message("", "stop"), usage=SPENT)),
        end=2,
        says={**SAID, "last_id": "3", "status": 200, "usage": SPENT},
    ),
    Story(
        name="plain-text",
        dialect=QWEN,
        blocks=(
            result(1, {"text": "Hello, ", "finish_reason": "null"}),
            result(2, {"text": FOX, "finish_reason": "stop"}),
        ),
        end=1,
        says={**SAID, "last_id": "2", "status": 200},
    ),
    Story(
        name="error",
        dialect=QWEN,
        blocks=(*BROUGHT, b"id:3\nevent:error\n:HTTP_STATUS/429\ndata:" + text_of(THROTTLED) + b"\n\n"),
        end=2,
        verdict=Verdict.FAILED,
        says={**SPOKEN, "last_id": "3", "status": 429, "error": THROTTLED},
    ),
    Story(
        name="error-first",
        dialect=QWEN,
        blocks=(b":HTTP_STATUS/429\n\n", b"data:" + text_of(THROTTLED) + b"\n\n"),
        end=0,  # its status says so before its data does
        verdict=Verdict.FAILED,
        says={"status": 429, "error": THROTTLED},
    ),
    Story(name="silent", dialect=QWEN, blocks=BROUGHT, says={**SPOKEN, "last_id": "2", "status": 200}),
)

STORIES: tuple[Story, ...] = (*CHATS, *RESPONDED, *CLAUDES, *GEMINIS, *QWENS)
"""Every story of every dialect."""
EVENTS = tuple(it for it in STORIES if not it.array)
ARRAYS = tuple(it for it in STORIES if it.array)
