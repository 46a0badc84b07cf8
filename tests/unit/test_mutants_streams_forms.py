"""A document of an array that is long, and that nobody asks for: it is looked at when it is twice as long as before."""

from __future__ import annotations

import pytest

from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.choosing import watcher_for
from tests.unit.stream_kit import ENDS, GEMINI, fed, held


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
