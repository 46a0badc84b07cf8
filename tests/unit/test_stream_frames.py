"""Server-sent events by the letter of their standard: what its lines say, and where one ends."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.streams.frames import Event, event_of, plain
from tests.unit.stream_kit import BOM, cut_up

EVENTS: list[tuple[bytes, Event | None]] = [
    (b"", None),
    (b"\n\n", None),
    (b"data: a", Event("", b"a", None, ())),
    (b"data:a", Event("", b"a", None, ())),
    (b"data:  a ", Event("", b" a ", None, ())),  # one space goes, no more
    (b"data:\ta", Event("", b"\ta", None, ())),
    (b"data", Event("", b"", None, ())),
    (b"data:", Event("", b"", None, ())),
    (b"data:a\ndata", Event("", b"a\n", None, ())),
    (b"data: a\ndata:b\ndata:  c", Event("", b"a\nb\n c", None, ())),
    (b"data: a\nevent: x\ndata: b", Event("x", b"a\nb", None, ())),
    (b"data: a: b", Event("", b"a: b", None, ())),
    (b"event: a\nevent: b\ndata: c", Event("b", b"c", None, ())),
    (b"event:a", Event("a", None, None, ())),
    (b"event: \xff", Event("\ufffd", None, None, ())),
    (b"id: 7", Event("", None, "7", ())),
    (b"id:7\nid: \xe7\x8b\x90", Event("", None, "狐", ())),
    (b"id", Event("", None, "", ())),
    (b"id: 7\0\ndata: a", Event("", b"a", None, ())),  # the standard: ignore it
    (b"id: \xff", Event("", None, "\ufffd", ())),
    (b": one\ndata: a\n:two", Event("", b"a", None, (b": one", b":two"))),
    (b":", Event("", None, None, (b":",))),
    (b"retry: 10", None),
    (b"Data: a", None),
    (b" data: a", None),
    (b"nonsense", None),
    (b"\ndata: a\n", Event("", b"a", None, ())),
]


@pytest.mark.parametrize(("raw", "event"), EVENTS)
def test_what_lines_say(raw: bytes, event: Event | None) -> None:
    """Fields with or without a space, several lines of data, the last of names and ids, comments; no other field."""
    assert event_of(raw) == event


@pytest.mark.parametrize(
    ("block", "first", "found"),
    [
        (b"a\n\nb", True, (b"a\n\nb", b"")),
        (b"a\r\n\r\nb", True, (b"a\n\nb", b"")),
        (b"a\r\rb", True, (b"a\n\nb", b"")),
        (b"a\r\n\rb\n\r", True, (b"a\n\nb\n", b"\r")),
        (b"a\r", True, (b"a", b"\r")),  # an LF may follow
        (b"\r", True, (b"", b"\r")),
        (b"a\r\r", True, (b"a\n\n", b"")),  # whatever follows: a line, and an empty one
        (b"a\r\n", True, (b"a\n", b"")),
        (b"", True, (b"", b"")),
        (BOM + b"a", True, (b"a", b"")),
        (BOM + b"a", False, (BOM + b"a", b"")),
        (BOM[:2], True, (BOM[:2], b"")),  # the rest may follow
        (BOM[:1] + b"a", True, (BOM[:1] + b"a", b"")),
        (b"a" + BOM, True, (b"a" + BOM, b"")),
    ],
)
def test_one_end_of_lines(block: bytes, first: bool, found: tuple[bytes, bytes]) -> None:
    """CR and CRLF become LF, but for the CR whose LF may not have come; one mark goes, at the beginning alone."""
    assert plain(block, first=first) == found


@given(
    text=st.lists(st.sampled_from([b"data: a", b"\n", b"\r", b"\r\n", b"\n", b"\r", BOM, b":"]), max_size=30),
    sizes=st.lists(st.integers(0, 6), max_size=30),
    mark=st.booleans(),
)
def test_lines_in_any_pieces(text: list[bytes], sizes: list[int], mark: bool) -> None:
    """Made plain piece by piece, with what is left over before the next, the lines are those of the whole.

    But for empty ones after an empty one: they end nothing.
    """
    data = (BOM if mark else b"") + b"x" + b"".join(text)
    seen, rest = b"", b""
    for piece in cut_up(data, sizes):
        block, left = plain(rest + piece, first=not seen)
        end = block.rfind(b"\n\n") + 2
        seen, rest = (seen + block[:end], block[end:] + left) if end > 1 else (seen, block + left)
    lines = re.sub(rb"\r\n|\r|\n", b"\n", data.removeprefix(BOM))
    found = re.sub(rb"\r\n|\r|\n", b"\n", seen + rest)
    assert re.sub(rb"\n\n+", b"\n\n", found) == re.sub(rb"\n\n+", b"\n\n", lines)
    assert b"\r" not in seen
    assert b"\n\n" not in rest
