"""A streamed answer followed to its end: told once how that was, and the last event known in every dialect."""

from __future__ import annotations

from typing import Any

import pytest
from anyint_resilience.telemetry.following import Following

from anyint_resilience import DeadlineExceeded
from anyint_resilience.router import Router

CHAT, RESPONSES = "/openai/v1/chat/completions", "/openai/v1/responses"
CLAUDE, GEMINI = "/anthropic/v1/messages", "/gemini/v1beta/models/g:streamGenerateContent"
DASHSCOPE = "/dashscope/v1/services/aigc/text-generation/generation"


class Told:
    """Stands for a call's watch: notes what it is told."""

    def __init__(self, path: str) -> None:
        plan = Router().plan("https", "gateway.api.anyint.ai", None, "POST", path.encode())
        assert plan is not None
        self.plan = plan
        self.ends: list[Any] = []

    def stream_over(self, outcome: str, error: str | None) -> None:
        self.ends.append((outcome, error))

    def dropped(self, outcome: str, error: str | None) -> None:
        self.ends.append((outcome, "dropped" if error is None else error))


def following(path: str = CHAT, *pieces: bytes) -> tuple[Following, Told]:
    told: Any = Told(path)
    made = Following(told)
    for piece in pieces:
        made.piece(piece)
    return made, told


def test_an_end_is_a_success() -> None:
    """The transport says that this was all; whether it is a whole answer is another question."""
    made, told = following(CHAT, b"data: {}\n\n")
    made.over(None)
    assert told.ends == [("success", None)]


def test_a_break_is_told_by_its_class() -> None:
    """Never by its text, which may hold a URL."""
    made, told = following()
    made.over(ConnectionResetError("https://host/?key=secret"))
    assert told.ends == [("interrupted", "ConnectionResetError")]


def test_only_the_first_end_counts() -> None:
    """Clients close a body after its end, and again, and let it go."""
    made, told = following()
    made.over(None)
    made.over(OSError())
    made.closed()
    made.dropped()
    del made
    assert told.ends == [("success", None)]


@pytest.mark.parametrize(
    ("path", "last"),
    [
        (CHAT, b"data: [DONE]\n\n"),
        (RESPONSES, b'event: response.completed\ndata: {"type":"response.completed"}\n\n'),
        (RESPONSES, b'event: response.incomplete\ndata: {"type":"response.incomplete"}\n\n'),
        (CLAUDE, b'event: message_stop\ndata: {"type":"message_stop"}\n\n'),
        (GEMINI, b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n'),
        (DASHSCOPE, b'data: {"output":{"choices":[{"finish_reason":"stop"}]}}\n\n'),
    ],
)
def test_closed_after_the_last_event_is_a_success(path: str, last: bytes) -> None:
    """SDKs stop reading there; before it nobody wanted the rest."""
    made, told = following(path, b"data: {}\n\n", last)
    made.closed()
    assert told.ends == [("success", None)]
    made, told = following(path, b"data: {}\n\n", b'data: {"delta":"x"}\n\n')
    made.closed()
    assert told.ends == [("abandoned", None)]


def test_the_last_event_may_come_in_two_pieces_or_with_others() -> None:
    """What is told of is what came off the wire, and a piece of nothing but its end may follow."""
    for pieces in ((b"data: [DO", b"NE]\n\n"), (b"data: [DONE]", b"\n\n"), (b"x" * 9000 + b"\ndata: [DONE]\n\n",)):
        made, told = following(CHAT, b"data: {}\n\n", *pieces)
        made.closed()
        assert told.ends == [("success", None)], pieces


@pytest.mark.parametrize(
    ("path", "piece"),
    [
        (CHAT, b'data: {"choices":[{"delta":{"content":"write [DONE] or data: [DONE]"}}]}\n\n'),
        (
            CLAUDE,
            b'data: {"delta":{"text":"\\"type\\":\\"message_stop\\" event: message_stop"}}\n\n',
        ),
        (RESPONSES, b'data: {"type":"response.output_text.delta","delta":"response.completed"}\n\n'),
    ],
)
def test_a_text_about_the_last_event_is_none(path: str, piece: bytes) -> None:
    """What a model writes can say anything."""
    made, told = following(path, piece)
    made.closed()
    assert told.ends == [("abandoned", None)]


@pytest.mark.parametrize(
    ("path", "piece"),
    [
        (RESPONSES, b'event: response.failed\ndata: {"type":"response.failed"}\n\n'),
        (CHAT, b'data: {"error":{"message":"overloaded"}}\n\ndata: [DONE]\n\n'),
        (CLAUDE, b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'),
    ],
)
def test_a_last_event_that_says_it_failed_is_a_failure(path: str, piece: bytes) -> None:
    """However the body ends after it."""
    for end in ("over", "closed"):
        made, told = following(path, b"data: {}\n\n", piece)
        made.over(None) if end == "over" else made.closed()
        assert told.ends == [("failed", None)]


def test_our_own_deadline_is_late_and_no_break() -> None:
    """The application asked for it."""
    made, told = following()
    made.over(DeadlineExceeded("the deadline has passed"))
    assert told.ends == [("late", "DeadlineExceeded")]


def test_a_word_far_back_is_no_end() -> None:
    """Only the end of what came is looked at."""
    made, told = following(CHAT, b"data: [DONE]\n\n" + b"x" * 9000)
    made.closed()
    assert told.ends == [("abandoned", None)]


def test_a_piece_told_of_twice_counts_once() -> None:
    """Two layers may tell of the same piece; the one before it is not forgotten."""
    made, told = following(CHAT, b"data: [DO")
    piece = b"NE]\n\n"
    made.piece(piece)
    made.piece(piece)
    made.closed()
    assert told.ends == [("success", None)]


def test_a_route_without_streams_of_its_own_is_only_over_when_it_is() -> None:
    """Nothing is known of its last event."""
    made, told = following("/openai/v1/embeddings", b"data: [DONE]\n\n")
    made.closed()
    assert told.ends == [("abandoned", None)]


def test_what_is_let_go_of_is_told_as_dropped() -> None:
    """It is for the watch to say when; nothing is told within the garbage collector."""
    made, told = following(CHAT, b"data: {}\n\n")
    del made
    assert told.ends == [("abandoned", "dropped")]
    made, told = following(CHAT, b"data: [DONE]\n\n")
    del made
    assert told.ends == [("success", "dropped")]
