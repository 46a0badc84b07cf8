"""Which bytes of a stream are looked at, which events are read, and which are only counted: to the byte.

The bounds are small here. Each event says on its usage which one it is: what was read has left its number there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.frames import plain
from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_kit import CHAT, CLAUDE, DONE, ENDS, held

WHOLE, SOFT, FAILED, CUT, UNKNOWN = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT, Verdict.UNKNOWN
BOUNDS = {"MAX_HELD": 1_000, "KEPT": 300, "MAX_EVENT": 5_000, "_STEP": 1_500, "_LONG": 400, "_LAST": 250}
ASK = None
"""Here somebody asks what the watcher knows."""


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How long each block was that was looked at, with bounds that are soon reached."""
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


ID, NAMED, STOP = b"id: %d\n", b"event: message\n", says(90, 120, stop=True)
OTHERS = several(1, 8)  # what comes first, and is only counted if it can be
REST = several(9, 11)  # what is read in any case


def among(*odd: bytes) -> list[bytes | None]:
    """A stream that has begun, and has some odd events among those that are counted."""
    return [says(0), ASK, *OTHERS[:4], *odd, *OTHERS[4:], *REST]


def numbers(*spans: int | tuple[int, int]) -> set[int]:
    return {it for span in spans for it in ([span] if isinstance(span, int) else range(span[0], span[1] + 1))}


ROWS: dict[str, tuple[Sequence[bytes | None], Sequence[int], int, set[int], int, Verdict]] = {
    # what came; blocks that were looked at and bytes held until it is asked at the end; which were read; content
    "as much as is held": ([says(0), ASK, *several(1, 10)], [100], 1000, numbers((0, 10)), 11, CUT),
    "one byte more": ([says(0), ASK, *several(1, 9), says(10, 101)], [100], 301, numbers(0, (8, 10)), 11, CUT),
    "the end in pieces: exactly what is kept": (
        [says(0), ASK, *OTHERS, *REST],
        [100],
        300,
        numbers(0, (9, 11)),
        12,
        CUT,
    ),
    "the end in pieces: a byte less": (
        [says(0), ASK, *OTHERS, *REST[:2], says(11, 99)],
        [100],
        399,
        numbers(0, (8, 11)),
        12,
        CUT,
    ),
    "never asked": ([*OTHERS, *REST], [1100], 300, numbers((1, 11)), 11, CUT),
    "never asked, in one piece": ([one(*OTHERS, *REST)], [1100], 300, numbers((1, 11)), 11, CUT),
    "in one piece": ([says(0), ASK, one(*OTHERS, *REST)], [100, 1100], 300, numbers(0, (9, 11)), 12, CUT),
    "in one piece: a byte less": (
        [says(0), ASK, one(*OTHERS, *REST[:2], says(11, 99))],
        [100, 1099],
        399,
        numbers(0, (8, 11)),
        12,
        CUT,
    ),
    "in one piece: a byte more": (
        [says(0), ASK, one(*OTHERS, *REST[:2], says(11, 101))],
        [100, 1101],
        301,
        numbers(0, (9, 11)),
        12,
        CUT,
    ),
    "in halves": (
        [says(0), ASK, *[p for it in OTHERS + REST for p in (it[:50], it[50:])]],
        [100, 1050],
        400,
        numbers(0, (8, 11)),
        12,
        CUT,
    ),
    "a bit off": (
        [says(0), ASK, *[p for it in OTHERS + REST for p in (it[:-1], it[-1:])]],
        [100, 1099],
        400,
        numbers(0, (8, 11)),
        12,
        CUT,
    ),
    "one long event": ([says(0), ASK, says(1, 900), *several(2, 4)], [100, 1100], 1200, numbers((0, 4)), 5, CUT),
    "one event longer than all": (
        [says(0), ASK, says(1, 1100), *several(2, 4)],
        [100, 1100],
        1400,
        numbers((0, 4)),
        5,
        CUT,
    ),
    "first event longer than all": ([says(1, 1100), *several(2, 14)], [1100, 2300], 400, numbers((1, 14)), 14, CUT),
    "several parts": ([says(0), says(50, part=1), ASK, *OTHERS, *REST], [200], 300, numbers((0, 11), 50), 13, CUT),
    "long unended": (
        [says(0), ASK, *[b"data: " + b"y" * 94, *[b"y" * 100] * 48]],
        [100, 1100, 2300, 3900],
        4900,
        numbers(0),
        1,
        CUT,
    ),
    "long unended then ended": (
        [says(0), ASK, *[says(1, 3000)[at : at + 100] for at in range(0, 3000, 100)], *several(2, 14)],
        [100, 1100, 2300, 3900],
        700,
        numbers(0, (8, 14)),
        15,
        CUT,
    ),
    "left as much as twice what is kept": (
        [says(0), ASK, one(*several(1, 4), says(5, 601)[:-1]), ASK, says(5, 601)[-1:], *several(6, 9)],
        [100, 1000, 1001],
        300,
        numbers((0, 4), (7, 9)),
        10,
        CUT,
    ),
    "left a byte more": (
        [
            says(0),
            ASK,
            one(*several(1, 4), says(5, 602)[:-1]),
            ASK,
            says(5, 602)[-1:],
            *several(6, 9),
            *several(10, 12),
        ],
        [100, 1001, 601, 1302],
        300,
        numbers(0, (10, 12)),
        13,
        CUT,
    ),
    "asked while long": (
        [says(0), ASK, *[x for at in range(0, 900, 100) for x in (says(1, 900)[at : at + 100], ASK)]],
        [100, 100, 200, 300, 400, 500, 900],
        0,
        numbers((0, 1)),
        2,
        CUT,
    ),
    "asked while 400 long": (
        [says(0), ASK, says(1, 900)[:400], ASK, b"y", ASK, b"y", ASK],
        [100, 400, 401],
        402,
        numbers(0),
        1,
        CUT,
    ),
    "asked while 401 long": (
        [says(0), ASK, says(1, 900)[:401], ASK, b"y", ASK, b"y", ASK],
        [100, 401],
        403,
        numbers(0),
        1,
        CUT,
    ),
    "over, 500": (
        [says(0), ASK, one(*several(1, 3), says(90, 186, stop=True), DONE)],
        [100],
        500,
        numbers((0, 3), 90),
        5,
        WHOLE,
    ),
    "over, 501": (
        [says(0), ASK, one(*several(1, 3), says(90, 187, stop=True), DONE)],
        [100],
        501,
        numbers(0, 3, 90),
        5,
        WHOLE,
    ),
    "over, last 250": (
        [says(0), ASK, one(*several(1, 4), says(90, 236, stop=True), DONE)],
        [100],
        650,
        numbers(0, 90),
        6,
        WHOLE,
    ),
    "over, last 251": (
        [says(0), ASK, one(*several(1, 4), says(90, 237, stop=True), DONE)],
        [100],
        651,
        numbers(0, 90),
        6,
        WHOLE,
    ),
    "over, last 249": (
        [says(0), ASK, one(*several(1, 4), says(90, 235, stop=True), DONE)],
        [100],
        649,
        numbers(0, 4, 90),
        6,
        WHOLE,
    ),
    "not over": ([says(0), ASK, one(*several(1, 6))], [100], 600, numbers((0, 6)), 7, CUT),
    "soft": ([says(0), ASK, one(*several(1, 6), STOP)], [100], 720, numbers((0, 6), 90), 8, SOFT),
    "over, first": ([one(*several(1, 6), STOP, DONE)], [], 734, numbers((1, 6), 90), 7, WHOLE),
    "over, many": (
        [says(0), says(50, part=1), ASK, one(*several(1, 6), STOP, DONE)],
        [200],
        734,
        numbers((0, 6), 50, 90),
        9,
        SOFT,
    ),
    "over, more to come": (
        [says(0), ASK, one(*several(1, 6), STOP, DONE, b"data: ")],
        [100],
        740,
        numbers(0, (5, 6), 90),
        8,
        WHOLE,
    ),
    "over, one event": ([says(0), ASK, one(says(1, 700, stop=True), DONE)], [100], 714, numbers((0, 1)), 2, WHOLE),
    "over, failed before": (
        [says(0), ASK, one(*several(1, 5), b'data: {"error":{"message":"m"}}\n\n', *several(6, 9), STOP, DONE)],
        [100, 1067],
        334,
        numbers((0, 9), 90),
        11,
        FAILED,
    ),
    "named": (among(says(60, 110, head=NAMED)), [100], 500, numbers(0, (7, 11)), 13, CUT),
    "two in a piece": (among(one(says(60), says(61))), [100], 500, numbers(0, (7, 11)), 14, CUT),
    "CRs": (
        [says(0), ASK, *[it.replace(b"\n", b"\r\n") for it in OTHERS + REST]],
        [100, 1020],
        402,
        numbers(0, (8, 11)),
        12,
        CUT,
    ),
    "blank lines": (among(b"\n" + says(60, 99)), [100], 400, numbers(0, (8, 11)), 13, CUT),
    "no data": (among(b": keep-alive\n\n", b"retry: 7\n\n"), [100], 400, numbers(0, (8, 11)), 12, CUT),
    "asked after each": (
        [x for it in several(1, 12) for x in (it, ASK)],
        [100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100],
        0,
        numbers((1, 12)),
        12,
        CUT,
    ),
    "failure in what is older": (
        among(b'data: {"error":{"message":"m"}}\n\n'),
        [100],
        400,
        numbers((0, 11)),
        12,
        FAILED,
    ),
    "failure in one piece": (
        [says(0), ASK, one(*several(1, 5), b'data: {"error":{"message":"m"}}\n\n', *several(6, 12))],
        [100, 1233],
        300,
        numbers((0, 12)),
        13,
        FAILED,
    ),
    "as long as an event may be": ([says(0), ASK, b"data: " + b"y" * 4_994], [100, 5000], 5000, numbers(0), 1, CUT),
    "longer than an event may be": ([says(0), ASK, b"data: " + b"y" * 4_995], [100, 5001], 0, numbers(0), 1, UNKNOWN),
    "after one that was too long: as much as is held": (
        [says(0), ASK, b"data: " + b"y" * 4_995, b"y" * 1_000],
        [100, 5001],
        1000,
        numbers(0),
        1,
        UNKNOWN,
    ),
    "after one that was too long: a byte more": (
        [says(0), ASK, b"data: " + b"y" * 4_995, b"y" * 1_001],
        [100, 5001],
        0,
        numbers(0),
        1,
        UNKNOWN,
    ),
    "blank lines first": ([says(0), ASK, b"\n\n", ASK, *several(1, 3)], [100, 2], 300, numbers((0, 3)), 4, CUT),
    "one byte before the end": (
        [says(0), ASK, b"\n" + one(*OTHERS, *REST)],
        [100, 1101],
        300,
        numbers(0, (9, 11)),
        12,
        CUT,
    ),
    "cut within its last event": (
        [says(0), ASK, one(*several(1, 12))[:-1], b"\n"],
        [100, 1199],
        400,
        numbers(0, (9, 12)),
        13,
        CUT,
    ),
    "long, with CR at the end": (
        [
            says(0),
            ASK,
            says(1, 900).replace(b"\n", b"\r")[:500],
            ASK,
            says(1, 900).replace(b"\n", b"\r")[500:-1],
            b"\r",
            ASK,
        ],
        [100, 500, 900],
        0,
        numbers((0, 1)),
        2,
        CUT,
    ),
    "long, with LF in an earlier piece": (
        [says(0), ASK, says(1, 900)[:500], ASK, says(1, 900)[500:-1], says(1, 900)[-1:], says(2), b"data", ASK],
        [100, 500, 1004, 1004],
        4,
        numbers((0, 2)),
        3,
        CUT,
    ),
    "a long one is asked for in several pieces": (
        [
            says(0),
            ASK,
            says(1, 900)[:500],
            ASK,
            *[says(1, 900)[500:][at : at + 50] for at in range(0, 350, 50)],
            ASK,
            says(1, 900)[850:],
            ASK,
            says(2),
            ASK,
        ],
        [100, 500, 900, 100],
        0,
        numbers((0, 2)),
        3,
        CUT,
    ),
    "twice let go": ([says(0), ASK, *several(1, 30)], [100], 600, numbers(0, (25, 30)), 31, CUT),
    "twice let go, in one piece each": (
        [says(0), ASK, one(*several(1, 11)), one(*several(12, 22))],
        [100, 1100],
        1100,
        numbers(0, (12, 22)),
        23,
        CUT,
    ),
    "nothing new": (
        [says(0), ASK, ASK, says(1)[:50], ASK, ASK, says(1)[50:], ASK, ASK],
        [100, 50, 100],
        0,
        numbers((0, 1)),
        2,
        CUT,
    ),
    "named, in order": ([says(0), ASK, *several(1, 11, head=NAMED)], [100], 300, numbers(0, (9, 11)), 12, CUT),
    "with ids": ([says(0), ASK, *several(1, 11, head=b"id: 7\n")], [100], 300, numbers(0, (9, 11)), 12, CUT),
    "error named": (among(b"event: error\n" + says(60, 110)), [100], 500, numbers((0, 11), 60), 12, FAILED),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_is_looked_at_and_held_and_read(row: Any, blocks: list[int]) -> None:
    """A stream costs no more than is promised, and no less of it is read."""
    sent, looked, kept, read, content, verdict = row
    watcher = watcher_for(ENDS[CHAT])
    for piece in sent:
        if piece is ASK:
            assert watcher.marks is not None
        else:
            watcher.feed(piece)
    assert (blocks, held(watcher)) == (looked, kept)
    usage = watcher.marks.usage or {}
    assert ({int(number) for number in usage}, watcher.marks.content) == (read, content)
    assert watcher.verdict is verdict
    assert watcher.size == sum(map(len, filter(None, sent)))


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
    dialect: str, odd: Sequence[bytes], content: int, ident: str | None, verdict: Verdict, joined: bool, blocks: Any
) -> None:
    """An id and a failure are seen there, keep-alives are none; in pieces of one event each, and of several."""
    among = [*OTHERS[:4], *odd, *OTHERS[4:], *REST]
    watcher = watcher_for(ENDS[dialect])
    watcher.feed(says(0))
    assert watcher.marks.content == 1
    for piece in [one(*among)] if joined else among:
        watcher.feed(piece)
    assert watcher.marks.content == 12 + content
    assert (watcher.marks.last_id, watcher.verdict) == (ident, verdict)
    assert verdict is FAILED or watcher.marks.text is None, "nothing was only counted"
