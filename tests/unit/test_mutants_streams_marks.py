"""What events say, in the corners that only one of their words tells: each row is one stream and all it says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from anyint_resilience.streams.marks import MAX_ID, Marks, Verdict
from tests.unit.stream_kit import CHAT, CLAUDE, ENDS, GEMINI, QWEN, marks

WHOLE, SOFT, FAILED, CUT = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT
SAYS = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}'
OTHER = b'data: {"choices": [{"index": 1, "delta": {"content": "b"}}]}'
STOP = b'data: {"choices": [{"index": 0, "finish_reason": "stop"}]}'
DONE = b"data: [DONE]"


@pytest.mark.parametrize(
    ("dialect", "events", "says"),
    [
        (CHAT, [DONE], {"verdict": CUT, "stopped": True, "done": True}),
        (CHAT, [SAYS, DONE], {"verdict": SOFT}),
        (CHAT, [SAYS, STOP, DONE], {"verdict": WHOLE, "stopped": True}),
        (CHAT, [SAYS, OTHER, STOP, DONE], {"verdict": SOFT}),  # the other part has not ended
        (CHAT, [SAYS, STOP], {"verdict": SOFT, "stopped": False}),
        (CHAT, [b"id: " + b"7" * MAX_ID], {"last_id": "7" * MAX_ID}),
        (CHAT, [b"id: 7", b"id: " + b"7" * (MAX_ID + 1)], {"last_id": None}),
        (CHAT, [b'data: {"object": "error", "code": 4, "message": "m"}'], {"verdict": FAILED}),
        (CHAT, [b'data: {"object": "Error", "code": 4, "message": "m"}'], {"verdict": CUT}),
        (
            CHAT,
            [b'data: {"choices": [{"finish_reason": "network_error"}]}'],
            {"error": {"error": {"type": "network_error", "message": "finish reason network_error"}}},
        ),
        (CHAT, [b'data: {"choices": [{"delta": {"tool_calls": [{}]}}]}'], {"content": 0}),
        (CHAT, [b'data: {"choices": [{"delta": {"tool_calls": [{"id": "x"}]}}]}'], {"content": 1}),
        (CLAUDE, [b'event: message_delta\ndata: {"type": "unheard of"}'], {"content": 0}),
        (CLAUDE, [b'event: unheard of\ndata: {"type": "message_delta"}'], {"content": 0}),
        (CLAUDE, [b'event: unheard of\ndata: {"type": "unheard of"}'], {"content": 1}),
        (GEMINI, [b'data: {"candidates": [{"content": {"parts": 7}}]}'], {"content": 1, "text": ""}),
        (QWEN, [b'data: {"code": "Success"}', b'data: {"code": 200}', b'data: {"code": "OK"}'], {"error": None}),
        (
            QWEN,
            [b':HTTP_STATUS/429\ndata: {"code": "Throttling", "message": "m"}'],
            {"error": {"code": "Throttling", "message": "m"}, "status": 429},
        ),
    ],
)
def test_what_a_stream_says(dialect: str, events: list[bytes], says: dict[str, Any]) -> None:
    """Of itself: no word more, and no word less."""
    found = marks(dialect, *events)
    assert {name: getattr(found, name) for name in says} == says


@pytest.mark.parametrize(
    ("parts", "ended", "verdict"),
    [
        (256, range(255), CUT),
        (256, range(256), SOFT),
        (257, range(256), SOFT),
        (257, range(1, 257), SOFT),
        (257, [0, *range(2, 257)], CUT),
    ],
    ids=["one goes on", "all end", "one more goes on", "one more ends for the first", "and for no other"],
)
def test_256_parts_are_told_apart(parts: int, ended: Iterable[int], verdict: Verdict) -> None:
    """Each of which has an end of its own; one more is taken for the first."""
    found = Marks(ENDS[CHAT])
    for index in range(parts):
        found.read({"choices": [{"index": index}]})
    for index in ended:
        found.read({"choices": [{"index": index, "finish_reason": "stop"}]})
    assert found.verdict is verdict


def test_what_is_nested_too_deeply_is_counted_as_malformed() -> None:
    """Each such document once."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    found = Marks(ENDS[CHAT])
    for times in (1, 2):
        found.read({"error": deep})
        assert (found.malformed, found.verdict) == (times, CUT)
