"""Small bounds for a stream's watcher, and events that say which one they are. Must not judge one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.frames import plain
from tests.unit.stream_kit import CHAT, ENDS, held

BOUNDS = {"MAX_HELD": 1_000, "KEPT": 300, "MAX_EVENT": 5_000, "_STEP": 1_500, "_LONG": 400, "_LAST": 250}
ASK = None
"""Here somebody asks what the watcher knows."""


def bounded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Set bounds that are soon reached; return a list of how long each block is that is looked at from now on."""
    for name, value in BOUNDS.items():
        monkeypatch.setattr(watching, name, value)
    found: list[int] = []

    def counted(block: bytes, *, first: bool) -> tuple[bytes, bytes]:
        found.append(len(block))
        return plain(block, first=first)

    monkeypatch.setattr(watching, "plain", counted)
    return found


def says(number: int, size: int = 100, *, part: int = 0, head: bytes = b"", stop: bool = False) -> bytes:
    """One event of content of exactly this size, which says its number."""
    end = b',"finish_reason":"stop"' if stop else b""
    start = head + b'data: {"usage":{"%d":1},"choices":[{"index":%d%s,"delta":{"content":"' % (number, part, end)
    return start + b"x" * (size - len(start) - 7) + b'"}}]}\n\n'


def several(first: int, last: int, **others: Any) -> list[bytes]:
    return [says(number, **others) for number in range(first, last + 1)]


def one(*events: bytes) -> bytes:
    """All in one piece."""
    return b"".join(events)


NAMED, STOP = b"event: message\n", says(90, 120, stop=True)
OTHERS = several(1, 8)  # what comes first, and is only counted if it can be
REST = several(9, 11)  # what is read in any case


def among(*odd: bytes) -> list[bytes | None]:
    """A stream that has begun, and has some odd events among those that are counted."""
    return [says(0), ASK, *OTHERS[:4], *odd, *OTHERS[4:], *REST]


def numbers(*spans: int | tuple[int, int]) -> set[int]:
    return {it for span in spans for it in ([span] if isinstance(span, int) else range(span[0], span[1] + 1))}


def looked(sent: Sequence[bytes | None], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """Which blocks were looked at and how much is held, then which events were read, content and verdict."""
    blocks = bounded(monkeypatch)
    watcher = watcher_for(ENDS[CHAT])
    for piece in sent:
        if piece is ASK:
            assert watcher.marks is not None
        else:
            watcher.feed(piece)
    before = (list(blocks), held(watcher))
    assert watcher.size == sum(map(len, filter(None, sent)))
    usage, content = watcher.marks.usage or {}, watcher.marks.content
    return *before, {int(number) for number in usage}, content, watcher.verdict
