"""A document of an array that is long: when it is looked at, and how often; and a coding's corners."""

from __future__ import annotations

import re

import pytest

from anyint_resilience.streams import forms
from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_kit import CHAT, ENDS, GEMINI, event, fed, held, squeezed

LONG = b'[{"candidates": [{"content": {"parts": [{"text": "'
END = b'"}]}}]}'


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        (500, 1_600),  # as much as may come before it is thought of
        (1_099, 2_199),
        (1_100, 0),  # twice as long: it is looked at, and was whole
        (1_101, 0),
    ],
)
def test_a_document_is_looked_at_when_it_is_twice_as_long(
    more: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each piece of a long one would cost as much as all of it."""
    for name, value in {"MAX_HELD": 1_000, "KEPT": 300, "_STEP": 500}.items():
        monkeypatch.setattr(watching, name, value)
    watcher = watcher_for(ENDS[GEMINI], array=True)
    start, end = b'[{"a": "', b'"}'
    fed(watcher, [start + b"x" * (1_101 - len(start))])  # the bracket is read
    assert held(watcher) == 1_100
    fed(watcher, [b"x" * (more - len(end)) + end])
    assert held(watcher) == kept
    assert watcher.marks.malformed == 0
    assert held(watcher) == 0, "who asks is told of it"
    assert fed(watcher, [b"]"]).opaque is False


class Looks:
    """The pattern that every look begins with, and how often it was asked for a document's beginning."""

    def __init__(self) -> None:
        self.many = 0

    def match(self, text: str, at: int) -> re.Match[str] | None:
        self.many += at == 0
        return re.compile(r"[ \t\r\n,]*").match(text, at)


@pytest.mark.parametrize(
    ("pieces", "content", "looks"),
    [
        ([], 0, 1),
        ([b"x"], 0, 1),  # in which no document can end
        ([END], 1, 2),
        ([b"x" * 600], 0, 1),  # more than is held in pieces, and still it does not end
        ([END, b" " * 600], 1, 2),  # it ended in what was held, and nobody had asked
        ([b"}", b"x" * 600], 0, 2),
    ],
    ids=["nothing more", "no end", "its end", "much and no end", "its end and much more", "half an end and much more"],
)
def test_a_long_document_is_looked_at_where_it_may_have_ended(
    pieces: list[bytes], content: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often somebody asks: what was looked at once is looked at again with an end alone."""
    for name, value in {"MAX_HELD": 1_000, "KEPT": 300, "_STEP": 500, "_LONG": 400}.items():
        monkeypatch.setattr(watching, name, value)
    watcher = watcher_for(ENDS[GEMINI], array=True)
    fed(watcher, [LONG[:1], LONG[1:], b"x" * 1_200])
    assert watcher.marks.content == 0
    seen = Looks()
    monkeypatch.setattr(forms, "_BETWEEN", seen)
    fed(watcher, pieces)
    assert watcher.marks.content == content
    assert (watcher.marks.content, seen.many) == (content, looks - 1)


def test_what_follows_an_endless_event_is_not_decompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb is left alone as soon as nothing can be known of it."""
    monkeypatch.setattr(watching, "MAX_EVENT", 2_000)
    monkeypatch.setattr(watching, "MAX_HELD", 1_000)
    monkeypatch.setattr(forms, "_PIECE", 500)
    watcher = fed(watcher_for(ENDS[CHAT], "gzip"), [squeezed(b"data: " + b"x" * 50_000 + b"y", "gzip")])
    assert (watcher.begun, watcher.verdict) == (True, Verdict.UNKNOWN)
    assert watcher.tail(b"", 1) == b"x"


def test_a_coding_that_is_not_read_here_is_not_guessed_at() -> None:
    """Not even where it could be another one."""
    whole = event({"choices": [{"index": 0, "finish_reason": "stop", "delta": {"content": "a"}}]})
    assert fed(watcher_for(ENDS[CHAT], "deflate"), [squeezed(whole, "deflate")]).verdict is Verdict.SOFT
    assert fed(watcher_for(ENDS[CHAT], "br"), [squeezed(whole, "deflate")]).verdict is Verdict.UNKNOWN
