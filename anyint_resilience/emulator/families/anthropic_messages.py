"""Anthropic messages, plain and streamed, and token counting.

Must not know faults or sockets.
"""

from __future__ import annotations

from typing import Any, Final

from ..envelopes import envelope
from ..messages import Answer, json_answer, sse, sse_stream
from .call import REPLY, Call, Handlers, tokens

__all__ = ["HANDLERS"]


def _message(call: Call, content: list[dict[str, Any]], stop: str | None, told: int) -> dict[str, Any]:
    return {
        "id": call.mint("msg_"),
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": tokens(call.document.get("messages")), "output_tokens": told},
    }


def _messages(call: Call) -> Answer:
    if call.streams:
        return _stream(call)
    block = {"type": "text", "text": "".join(REPLY)}
    return json_answer(_message(call, [block], "end_turn", len(REPLY)))


def _stream(call: Call) -> Answer:
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": _message(call, [], None, 1)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in REPLY
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": len(REPLY)},
        },
        {"type": "message_stop"},
    ]
    events = [sse(document, event=document["type"]) for document in told]
    failure = sse(envelope(call.route.family, 529), event="error")
    return sse_stream(events, error_event=failure, keep_alive=sse({"type": "ping"}, event="ping"))


def _count(call: Call) -> Answer:
    return json_answer({"input_tokens": tokens(call.document.get("messages"))})


HANDLERS: Final[Handlers] = {
    "POST /anthropic/v1/messages": _messages,
    "POST /anthropic/v1/messages/count_tokens": _count,
}
