"""OpenAI chat completions, plain and streamed.

Must not know faults or sockets.
"""

from __future__ import annotations

from typing import Any, Final

from ..envelopes import envelope
from ..messages import Answer, json_answer, sse, sse_stream
from .call import REPLY, Call, Handlers, tokens

__all__ = ["HANDLERS"]

_DONE: Final = sse("[DONE]")


def _usage(call: Call) -> dict[str, int]:
    asked = tokens(call.document.get("messages"))
    return {"prompt_tokens": asked, "completion_tokens": len(REPLY), "total_tokens": asked + len(REPLY)}


def _chat(call: Call) -> Answer:
    head = {"id": call.mint("chatcmpl-"), "created": call.clock.wall(), "model": call.model}
    if call.streams:
        return _chat_stream(call, {**head, "object": "chat.completion.chunk"})
    message = {"role": "assistant", "content": "".join(REPLY), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return json_answer({**head, "object": "chat.completion", "choices": [choice], "usage": _usage(call)})


def _chat_stream(call: Call, head: dict[str, Any]) -> Answer:
    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        return sse({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    events = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in REPLY)]
    events.append(chunk({}, "stop"))
    options = call.document.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is True:
        events.append(sse({**head, "choices": [], "usage": _usage(call)}))
    return sse_stream([*events, _DONE], error_event=sse(envelope(call.route.family, 503)))


HANDLERS: Final[Handlers] = {"POST /openai/v1/chat/completions": _chat}
