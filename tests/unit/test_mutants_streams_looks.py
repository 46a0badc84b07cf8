"""When a stream is looked at, and how much of it: by who asks, near its end, and in a long event. Small bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_bounds_kit import ASK, NAMED, OTHERS, REST, STOP, among, looked, numbers, one, says, several
from tests.unit.stream_kit import DONE

WHOLE, SOFT, FAILED, CUT, UNKNOWN = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT, Verdict.UNKNOWN

ROWS: dict[str, tuple[Sequence[bytes | None], Sequence[int], int, set[int], int, Verdict]] = {
    # what came; blocks that were looked at and bytes held until it is asked at the end; which were read; content
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
def test_who_asks_pays_for_no_more_than_is_new(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is not looked at again, nor what cannot end an event."""
    sent, *expected = row
    assert looked(sent, monkeypatch) == tuple(expected)
