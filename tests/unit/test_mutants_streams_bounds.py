"""Which bytes of a stream are looked at, which events are read, and which are only counted: to the byte.

The bounds are small here. Each event says on its usage which one it is: what was read has left its number there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_bounds_kit import ASK, BOUNDS, OTHERS, REST, bounded, looked, numbers, one, says, several
from tests.unit.stream_kit import BOM, CHAT, ENDS, fed, held

WHOLE, SOFT, FAILED, CUT, UNKNOWN = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT, Verdict.UNKNOWN

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
    "a mark first": ([BOM + says(0), *OTHERS, *REST], [1003], 500, numbers(0, (1, 11)), 12, CUT),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_is_looked_at_and_held_and_read(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream costs no more than is promised, and no less of it is read."""
    sent, *expected = row
    assert looked(sent, monkeypatch) == tuple(expected)


@pytest.mark.parametrize(("size", "opaque"), [(5_000, False), (5_001, True)])
def test_an_event_that_is_longer_than_the_bound_is_not_held(
    size: int, opaque: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is just as long is."""
    bounded(monkeypatch)
    watcher = fed(watcher_for(ENDS[CHAT]), [b"data: ", b"y" * (size - 6)])
    assert watcher.marks.content == 0
    assert (watcher.opaque, held(watcher)) == (opaque, 0 if opaque else size)


def test_a_stream_that_comes_at_once_is_read_and_not_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is known, which nobody can tell who has only counted."""
    bounded(monkeypatch)
    whole = one(*OTHERS, says(90, 120, stop=True), b"data: [DONE]\n\n")
    assert len(whole) > 2 * BOUNDS["_LAST"]
    watcher = fed(watcher_for(ENDS[CHAT]), [whole])
    assert (watcher.verdict, watcher.marks.text is None) == (WHOLE, False)


@pytest.mark.parametrize(("size", "read"), [(500, True), (501, False), (750, False)])
def test_an_end_that_comes_with_little_before_it_is_read_whole(
    size: int, read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes with more is only counted, so that its text is not known."""
    bounded(monkeypatch)
    end = one(says(90, 120, stop=True), b"data: [DONE]\n\n")
    watcher = fed(watcher_for(ENDS[CHAT]), [says(0)])
    assert watcher.marks.content == 1
    fed(watcher, [one(*several(1, 2), says(3, size - 200 - len(end)), end)])
    assert (watcher.verdict, watcher.marks.text is not None) == (WHOLE, read)
