"""Events of a stream that are only counted: exactly, with their ids, and with failures seen among them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_bounds_kit import NAMED, OTHERS, REST, bounded, one, says
from tests.unit.stream_kit import CHAT, CLAUDE, ENDS, GEMINI, event
from tests.unit.stream_stories import candidate, google

WHOLE, SOFT, FAILED, CUT, UNKNOWN = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT, Verdict.UNKNOWN

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COUNTED: list[tuple[str, Sequence[bytes], int, str | None, Verdict]] = [
    # what comes among events that are only counted; how many of it are content, the id, and what the stream is
    (CHAT, [], 0, None, CUT),
    (CHAT, [says(60)], 1, None, CUT),
    (CHAT, [one(says(60), says(61))], 2, None, CUT),
    (CHAT, [b"\n" + says(60), b"\n\n" + says(61)], 2, None, CUT),
    (CHAT, [b"data: {\ndata: }\n\n"], 1, None, CUT),
    (CHAT, [b": a\n" + says(60), b"retry: 9\n\n"], 1, None, CUT),
    (CHAT, [says(60, head=NAMED), says(61, head=b"event:x\n")], 2, None, CUT),
    (CHAT, [one(says(60, head=NAMED), says(61, head=NAMED))], 2, None, CUT),
    (CHAT, [b"event: x\n\n"], 0, None, CUT),
    (CHAT, [b"event: x\n: y\n\n"], 0, None, CUT),
    (CHAT, [b"event: x\nid: y\n\n"], 0, "y", CUT),
    (CHAT, [b"event: x\nid: y\n" + says(60)], 1, "y", CUT),
    (CHAT, [b"id:7\n" + says(60), b"id: 8\n" + says(61), says(62)], 3, "8", CUT),
    (CHAT, [says(60)[:-1] + b"id: 9\n\n"], 1, "9", CUT),
    (CHAT, [b"id:7\n" + says(60)], 1, "7", CUT),
    (CHAT, ["id: 狐\n".encode() + says(60)], 1, "狐", CUT),
    (CHAT, [b"id: \xff\n" + says(60)], 1, "\ufffd", CUT),
    (CHAT, [b"ID: 7\n" + says(60)], 1, None, CUT),
    (CHAT, [one(says(60), b"id: 5\n\n", says(61))], 2, "5", CUT),
    (CHAT, [b'data: {"error":{"message":"m"}}\n\n'], 0, None, FAILED),
    (CHAT, [b'data:{"error":{"message":"m"}}\n\n'], 0, None, FAILED),
    (CHAT, [one(says(60), b'data: {"error":{"message":"m"}}\n\n')], 1, None, FAILED),
    (CHAT, [b'event: x\ndata: {"error":{"message":"m"}}\n\n'], 0, None, FAILED),
    (CHAT, [b'event: x\ndata:{"error":{"message":"m"}}\n\n'], 0, None, FAILED),
    (CHAT, [b'event: error\ndata: {"message":"m"}\n\n'], 0, None, FAILED),
    (CHAT, [b'event:error\ndata: {"message":"m"}\n\n'], 0, None, FAILED),
    (CHAT, [one(says(60), b'event: error\ndata: {"message":"m"}\n\n')], 1, None, FAILED),
    (CHAT, [one(says(60), b'id: 7\nevent:error\ndata: {"message":"m"}\n\n')], 1, "7", FAILED),
    (CLAUDE, [b'data: {"type":"error","error":{"message":"m"}}\n\n'], 0, None, FAILED),
    (CLAUDE, [b'data: {"type": "error","error":{"message":"m"}}\n\n'], 0, None, FAILED),
    (CHAT, [b": keep-alive\n\n"], 0, None, CUT),
    (CHAT, [says(60)[:-1] + b"d", says(61)], 1, None, CUT),  # which is one event
    (CLAUDE, [PING], 0, None, CUT),
    (CLAUDE, [PING.replace(b": ", b":", 1)], 0, None, CUT),
    (CLAUDE, [one(says(60), PING, says(61))], 2, None, CUT),
    (CLAUDE, [one(says(60), PING.replace(b": ", b":", 1), says(61))], 2, None, CUT),
    (CLAUDE, [b"data: {}\nevent: ping\n\n"], 0, None, CUT),
    (CLAUDE, [b"event: ping\n\n" + says(60)], 1, None, CUT),
    (CLAUDE, [b"event: pinned\ndata: {}\n\n"], 1, None, CUT),
]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(("dialect", "odd", "content", "ident", "verdict"), COUNTED)
def test_what_is_only_counted_is_counted_exactly(
    dialect: str,
    odd: Sequence[bytes],
    content: int,
    ident: str | None,
    verdict: Verdict,
    joined: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An id and a failure are seen there, keep-alives are none; in pieces of one event each, and of several."""
    bounded(monkeypatch)
    among = [*OTHERS[:4], *odd, *OTHERS[4:], *REST]
    watcher = watcher_for(ENDS[dialect])
    watcher.feed(says(0))
    assert watcher.marks.content == 1
    for piece in [one(*among)] if joined else among:
        watcher.feed(piece)
    assert watcher.marks.content == 12 + content
    assert (watcher.marks.last_id, watcher.verdict) == (ident, verdict)
    assert verdict is FAILED or watcher.marks.text is None, "nothing was only counted"


@pytest.mark.parametrize(
    ("dialect", "piece", "content", "ident"),
    [
        (CHAT, b": keep-alive\n\n", 0, None),
        (CHAT, b"xdata: y\n\n", 0, None),
        (CHAT, b"event: x\n data: y\n\n", 0, None),
        (CHAT, b"event: x\n" + says(5), 1, None),
        (CHAT, one(says(5), says(6)), 2, None),
        (CHAT, b"data: \n" + says(5), 1, None),
        (CHAT, b"retry: 7\n" + says(5), 1, None),
        (CHAT, b"id: 7\n" + says(5), 1, "7"),
        (CLAUDE, PING, 0, None),
        (CLAUDE, b"event: x\n" + says(5), 1, None),
    ],
)
def test_all_that_is_counted_may_be_the_same(
    dialect: str, piece: bytes, content: int, ident: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many streams are so: whichever way is short for one event in a piece, the count is that of its events."""
    bounded(monkeypatch)
    watcher = watcher_for(ENDS[dialect])
    watcher.feed(says(0))
    assert watcher.marks.content == 1
    times = 1_000 // len(piece)
    for it in [*[piece] * times, *REST]:
        watcher.feed(it)
    assert (watcher.marks.content, watcher.marks.last_id) == (4 + times * content, ident)


def test_a_part_among_the_last_that_is_open_is_seen_where_there_is_no_last_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There a reason for the end is no end, as long as another part may go on: so all is read."""
    bounded(monkeypatch)
    said, other = event(google(candidate("a" * 60))), event(google(candidate("b", index=1)))
    watcher = watcher_for(ENDS[GEMINI])
    watcher.feed(said)
    assert watcher.verdict is CUT
    watcher.feed(one(other, *[said] * 4, event(google(candidate("a", "STOP")))))
    assert watcher.verdict is CUT
