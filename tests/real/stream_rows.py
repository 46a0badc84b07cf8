"""The ways a streamed answer can end, as faults of the gateway, and what an application must see of each through us.

Must not know any SDK, nor how a row is played (``stream_table.py`` does).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyint_resilience import Policy
from anyint_resilience.emulator import Fault

__all__ = ["ASKED", "READ", "ROWS", "TEXT", "Row", "Whole"]

TEXT = "Hello from the AnyInt emulator."
READ = 0.25
"""Seconds that a client waits for the next piece, where that never comes."""
HI: Any = [{"role": "user", "content": "hi"}]
STREAM = {"content-type": "text/event-stream"}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/openai/v1/chat/completions", {"model": "gpt-5", "messages": HI}),
    "responses": ("/openai/v1/responses", {"model": "gpt-5", "input": "hi"}),
    "messages": ("/anthropic/v1/messages", {"model": "claude-test", "max_tokens": 9, "messages": HI}),
}
"""What each dialect is asked by: path and body."""


# --- what goes wrong


@dataclass(frozen=True)
class Whole:
    """One dialect's whole stream: its events, and how many of them come before its first content."""

    events: list[bytes]
    opening: int

    @property
    def begun(self) -> list[bytes]:
        """The events up to the second with content."""
        return self.events[: self.opening + 2]


@dataclass(frozen=True)
class Row:
    """One way to end: the gateway's faults, made of a dialect's whole stream, and what must come of it through us.

    ``why``: that of the StreamInterrupted that is raised, or lies behind what is. ``fails``: what the gateway says
    makes the SDK raise, which may be all there is. Neither: the answer comes whole, whatever happened on the way.
    ``warned``: it does, and a warning says what its end lacks. ``requests``: how many the wire sees: more than one only
    where no content came. ``silent``: something never comes, and the client waits ``READ`` seconds.
    """

    name: str
    faults: Callable[[Whole], list[Fault]]
    why: str | None = None
    fails: bool = False
    warned: bool = False
    requests: int = 1
    dialects: tuple[str, ...] = tuple(ASKED)
    policy: Policy | None = None
    silent: bool = False

    def __str__(self) -> str:
        return self.name


def told(*events: bytes, **more: Any) -> Fault:
    """Answer with these events, and a clean end but for what ``more`` says."""
    return Fault(status=200, body=b"".join(events), headers=STREAM, **more)


def event(document: dict[str, Any]) -> bytes:
    """Make an event of the Responses API."""
    return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()


def dies(events: list[bytes]) -> Fault:
    """Answer with these events, then be silent: half of the body is never sent."""
    body = b"".join(events)
    return Fault(status=200, body=body + b" " * len(body), headers=STREAM, stall="mid_body")


def bare(events: list[bytes]) -> Fault:
    """Answer with these events, the last without the empty line that would end it."""
    *before, last = events
    return told(*before, last.removesuffix(b"\n"))


def reasoned(whole: Whole) -> list[Fault]:
    """End a chat with its last content and the reason for its end, both in an event that no empty line ends."""
    *before, last, _, _ = whole.events
    return [bare([*before, last.replace(b'"finish_reason":null', b'"finish_reason":"stop"')])]


def broken(whole: Whole) -> list[Fault]:
    """Put an event that is no JSON in the middle of a stream."""
    first, rest = whole.begun, whole.events[len(whole.begun) :]
    name = rest[0].partition(b"data:")[0]
    return [told(*first, name + b'data: {"broken": \n\n', *rest)]


FLAT = {"type": "error", "code": "server_error", "message": "The model fell over", "param": None, "sequence_number": 9}
NESTED = {"type": "error", "error": {"type": "server_error", "code": "server_error", "message": "The model fell over"}}
NAMELESS = b"data: " + json.dumps(NESTED).encode() + b"\n\n"
DONE = b"data: [DONE]\n\n"
CHAT, RESPONSES, MESSAGES = (("chat",), ("responses",), ("messages",))
LATE = Policy(first_byte_timeout=0.2)


def failed(whole: Whole) -> bytes:
    """Make the event by which this response of the Responses API fails."""
    response = json.loads(whole.events[0].partition(b"data: ")[2])["response"]
    gone = {**response, "status": "failed", "error": {"code": "server_error", "message": "The model fell over"}}
    return event({"type": "response.failed", "sequence_number": 9, "response": gone})


def mid(whole: Whole, **more: Any) -> list[Fault]:
    """Let the emulator end a stream after its second event with content."""
    return [Fault(cut_stream_after=len(whole.begun), **more)]


ROWS = [
    Row("whole", lambda it: []),
    Row("whole, the first token is slow", lambda it: [Fault(delay_body=0.05)]),
    Row("cut: connection lost after content", mid, "broken"),
    Row("cut: reset after content", lambda it: [Fault(reset="mid_body")], "broken"),
    Row("stall: read time-out after content", lambda it: [dies(it.begun)], "idle", silent=True),
    Row("missing terminator: clean EOF after content", partial(mid, drop_terminator=True), "cut"),
    Row("missing terminator: all but the last event", lambda it: [told(*it.events[:-1])], "cut",
        dialects=RESPONSES + MESSAGES),
    Row("no [DONE], but a finish reason", lambda it: [told(*it.events[:-1])], warned=True, dialects=CHAT),
    Row("[DONE], but no finish reason", lambda it: [told(*it.events[:-2], DONE)], warned=True, dialects=CHAT),
    Row("[DONE] without a terminal event", lambda it: [told(*it.begun, DONE)], "cut", dialects=RESPONSES),
    Row("[DONE] without a terminal event, then a comment", lambda it: [told(*it.begun, DONE, b": bye\n\n")], "cut",
        dialects=RESPONSES),
    Row("[DONE] without a terminal event, gzip", lambda it: [told(*it.begun, DONE, gzip=True)], "cut",
        dialects=RESPONSES),
    Row("last event without its blank line", lambda it: [bare(it.events)], warned=True),
    Row("content and finish reason without their blank line", reasoned, warned=True, dialects=CHAT),
    Row("content without its blank line", lambda it: [bare(it.begun)], "cut"),
    Row("malformed event", broken, fails=True),
    Row("error event first, once", lambda it: [Fault(error_event=True)], requests=2),
    Row("error event first, each time", lambda it: [Fault(error_event=True)] * 9, fails=True, requests=3),
    Row("error event mid-stream", partial(mid, error_event=True), fails=True),
    Row("nested error mid-stream", lambda it: [told(*it.begun, event(NESTED))], fails=True, dialects=RESPONSES),
    Row("response.failed mid-stream", lambda it: [told(*it.begun, failed(it))], fails=True, dialects=RESPONSES),
    Row("flat error mid-stream, then [DONE]", lambda it: [told(*it.begun, event(FLAT), DONE)], fails=True,
        dialects=RESPONSES),
    Row("response.failed mid-stream, then [DONE]", lambda it: [told(*it.begun, failed(it), DONE)], fails=True,
        dialects=RESPONSES),
    Row("error event without an event name", lambda it: [told(*it.begun, NAMELESS)],
        fails=True, dialects=MESSAGES),
    Row("slow first token, once", lambda it: [Fault(delay_body=2.0)], requests=2, policy=LATE, silent=True),
    Row("silence before content, once", lambda it: [dies(it.events[: it.opening])], requests=2, silent=True),
    Row("silence before content, each time", lambda it: [dies(it.events[: it.opening])] * 9, "idle", requests=3,
        dialects=CHAT, silent=True),
    Row("reset after headers, once", lambda it: [Fault(reset="after_headers")], requests=2),
    Row("reset after headers, each time", lambda it: [Fault(reset="after_headers")] * 9, "broken", requests=3),
    Row("clean EOF before content, once", lambda it: [told(*it.events[: it.opening])], requests=2),
    Row("clean EOF before content, each time", lambda it: [told(*it.events[: it.opening])] * 9, "cut", requests=3),
]  # fmt: skip
