"""Streams of OpenAI's two dialects, event by event, and what a watcher should say of each.

Names and shapes of fields are those of contract section 5; what models say is made up. Must not know any client.
"""

from __future__ import annotations

from typing import Any

from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_kit import BEAT, CHAT, DONE, FOX, RESPONSES, SAID, SPOKEN, Story, event

# --- OpenAI chat


def chat(*choices: Any, **more: Any) -> bytes:
    return event({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": list(choices), **more})


def choice(delta: Any, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def calls(**function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "function": function}]}


ROLE = chat(choice({"role": "assistant", "content": ""}))
STOP = chat(choice({}, "stop"))
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
HELLO = (ROLE, BEAT, chat(choice({"content": "Hello, "})), chat(choice({"content": FOX})))
FAILURE = {"message": "The server had an error", "type": "server_error", "code": "server_error", "param": None}
BROKEN = b'data: {"choices":[{"index":0,"del\n\n'

CHATS = (
    Story(
        name="text",
        dialect=CHAT,
        blocks=(*HELLO, STOP, chat(usage=USAGE), DONE),
        soft=4,
        end=6,
        says={**SAID, "usage": USAGE},
    ),
    Story(
        name="after-done",
        dialect=CHAT,
        blocks=(BEAT, *HELLO, BEAT, STOP, DONE, BEAT, b"\n"),
        soft=6,
        end=7,
        says=SAID,
    ),
    Story(
        name="tools",
        dialect=CHAT,
        blocks=(
            ROLE,
            chat(choice({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "sky", "arguments": ""}}]})),
            chat(choice(calls(arguments='{"city":'))),
            chat(choice(calls(arguments='"Köln"}'))),
            chat(choice({}, "tool_calls")),
            DONE,
        ),
        soft=4,
        end=5,
        says={"content": 3, "finish": "tool_calls"},
    ),
    Story(
        name="two-choices",
        dialect=CHAT,
        blocks=(
            chat(choice({"role": "assistant"}), choice({"role": "assistant"}, index=1)),
            chat(choice({"content": "one"})),
            chat(choice({"content": "two"}, index=1)),
            chat(choice({}, "stop")),
            chat(choice({"content": " two"}, index=1)),
            chat(choice({}, "length", index=1)),
            DONE,
        ),
        soft=5,
        end=6,
        says={"content": 3, "text": "one", "finish": "length"},
    ),
    Story(
        name="refusal",
        dialect=CHAT,
        blocks=(ROLE, chat(choice({"refusal": "I can't"})), chat(choice({}, "content_filter")), DONE),
        soft=2,
        end=3,
        says={"content": 1, "finish": "content_filter"},
    ),
    Story(name="no-done", dialect=CHAT, blocks=(*HELLO, STOP), soft=4, says=SAID),
    Story(name="silent", dialect=CHAT, blocks=HELLO, says=SPOKEN),
    Story(
        name="error-first",
        dialect=CHAT,
        blocks=(event({"error": FAILURE}),),
        end=0,
        verdict=Verdict.FAILED,
        says={"error": {"error": FAILURE}},
    ),
    Story(
        name="error-named",
        dialect=CHAT,
        blocks=(*HELLO, event({"error": FAILURE}, "error"), DONE),
        end=4,
        verdict=Verdict.FAILED,
        says={**SPOKEN, "error": {"error": FAILURE}},
    ),
    Story(
        name="malformed",
        dialect=CHAT,
        blocks=(ROLE, BROKEN, *HELLO[1:], b"data\n\n", STOP, b"data: 7\n\n", DONE),
        soft=6,
        end=8,
        says={**SAID, "malformed": 3},
    ),
    Story(
        name="many-lines",
        dialect=CHAT,
        blocks=(
            b'data:{"choices":\ndata: [{"index":0,"delta":\ndata:  {"content":"a"},"finish_reason":null}]}\n\n',
            b'id: 7\ndata:{"choices":[{"index":0,\nretry: 5\ndata:"delta":{},"finish_reason":"stop"}]}\n\n',
            b": x\ndata:[DONE]\n\n",
        ),
        soft=1,
        end=2,
        says={"content": 1, "text": "a", "finish": "stop", "last_id": "7"},
    ),
)

# --- OpenAI responses


def part(kind: str, **more: Any) -> bytes:
    return event({"type": kind, "sequence_number": 1, **more}, kind)


def response(kind: str, status: str, **more: Any) -> bytes:
    return part(kind, response={"id": "r1", "status": status, "error": None, "incomplete_details": None, **more})


BEGUN = (
    response("response.created", "queued", usage=None),
    response("response.in_progress", "in_progress"),
    part("response.output_item.added", output_index=0, item={"type": "message", "id": "m1"}),
)
DELTAS = (
    part("response.content_part.added", part={"type": "output_text", "text": ""}),
    part("response.output_text.delta", delta="Hello, "),
    part("response.output_text.delta", delta=FOX),
)
TOKENS = {"input_tokens": 9, "output_tokens": 4}
FLAT = {"type": "error", "code": "server_error", "message": "The stream failed", "param": None, "sequence_number": 5}
LIMITED = {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Slow down"}

RESPONDED = (
    Story(
        name="text",
        dialect=RESPONSES,
        blocks=(
            *(*BEGUN, *DELTAS),
            part("response.output_text.done", text="Hello, " + FOX),
            part("response.content_part.done", part={"type": "output_text"}),
            response("response.completed", "completed", usage=TOKENS),
        ),
        end=8,
        says={**SPOKEN, "finish": "completed", "usage": TOKENS},
    ),
    Story(
        name="trailing-done",
        dialect=RESPONSES,
        blocks=(*BEGUN, *DELTAS, response("response.completed", "completed"), DONE),
        end=6,
        says={**SPOKEN, "finish": "completed"},
    ),
    Story(
        name="unnamed",
        dialect=RESPONSES,
        blocks=tuple(it.partition(b"\n")[2] for it in (*BEGUN, *DELTAS, response("response.completed", "completed"))),
        end=6,
        says={**SPOKEN, "finish": "completed"},
    ),
    Story(
        name="function",
        dialect=RESPONSES,
        blocks=(
            *BEGUN,
            part("response.function_call_arguments.delta", delta='{"city":'),
            part("response.function_call_arguments.delta", delta='"Köln"}'),
            response("response.completed", "completed"),
        ),
        end=5,
        says={"content": 2, "finish": "completed"},
    ),
    Story(
        name="incomplete",
        dialect=RESPONSES,
        blocks=(
            *(*BEGUN, *DELTAS),
            response("response.incomplete", "incomplete", incomplete_details={"reason": "max_output_tokens"}),
        ),
        end=6,
        says={**SPOKEN, "finish": "max_output_tokens"},
    ),
    Story(
        name="failed",
        dialect=RESPONSES,
        blocks=(*BEGUN, response("response.failed", "failed", error=LIMITED)),
        end=3,
        verdict=Verdict.FAILED,
        says={"finish": "failed", "error": {"error": LIMITED}},
    ),
    Story(
        name="error-flat",
        dialect=RESPONSES,
        blocks=(*BEGUN, *DELTAS, event(FLAT, "error")),
        end=6,
        verdict=Verdict.FAILED,
        says={
            **SPOKEN,
            "error": {"error": {"code": "server_error", "message": "The stream failed", "type": "server_error"}},
        },
    ),
    Story(
        name="error-nested",
        dialect=RESPONSES,
        blocks=(*BEGUN, *DELTAS, event({"type": "error", "error": LIMITED})),
        end=6,
        verdict=Verdict.FAILED,
        says={**SPOKEN, "error": {"error": LIMITED}},
    ),
    Story(name="silent", dialect=RESPONSES, blocks=BEGUN),
    Story(name="done-alone", dialect=RESPONSES, blocks=(*BEGUN, *DELTAS, DONE), says={**SPOKEN}),
)
