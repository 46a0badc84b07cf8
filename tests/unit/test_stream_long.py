"""Streams longer than what is held of them: exact where it counts, bounded, and no worse when they are cut."""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_kit import (
    BEAT,
    BOM,
    CHAT,
    CLAUDE,
    DONE,
    ENDS,
    FOX,
    GEMINI,
    LINE_ENDS,
    QWEN,
    RESPONSES,
    Story,
    event,
    fed,
    held,
    looked_at,
    pieces_of,
    text_of,
    told,
)
from tests.unit.stream_stories import OVERLOADED, PING, STORIES, THROTTLED, candidate, google
from tests.unit.stream_stories_openai import FAILURE, FLAT, STOP, chat, choice

WHOLE, SOFT, FAILED, CUT, UNKNOWN = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT, Verdict.UNKNOWN
NAMED = {str(it): it for it in STORIES}
SAYS = chat(choice({"content": "never a dull word"}))
MANY = 1500

LONG = [
    # a story, which of its events goes on and on, and what comes between
    (NAMED[f"{CHAT}-text"], 2, BEAT),
    (NAMED[f"{CHAT}-no-done"], 2, BEAT),
    (NAMED[f"{CHAT}-silent"], 2, BEAT),
    (NAMED[f"{CHAT}-tools"], 2, BEAT),
    (NAMED[f"{CHAT}-error-named"], 2, BEAT),
    (NAMED[f"{RESPONSES}-text"], 4, BEAT),
    (NAMED[f"{CLAUDE}-text"], 3, PING),
    (NAMED[f"{CLAUDE}-text"], 3, PING.replace(b": ", b":")),
    (NAMED[f"{CLAUDE}-error-late"], 3, PING),
    (NAMED[f"{CLAUDE}-no-stop"], 3, b"data: {}\nevent: ping\n\n"),
    (NAMED[f"{GEMINI}-text"], 1, BEAT),
    (NAMED[f"{GEMINI}-silent"], 1, BEAT),
    (NAMED[f"{GEMINI}-error"], 1, BEAT),
    (NAMED[f"{QWEN}-text"], 1, BEAT),
    (NAMED[f"{QWEN}-silent"], 1, BEAT),
    (NAMED[f"{QWEN}-error"], 1, BEAT),
]
SIZES = {"events": None, "small": 700, "large": 5_000, "huge": 90_000, "one": 10**9}


def lengthened(story: Story, which: int, between: bytes, line_end: bytes = b"\n") -> list[bytes]:
    """Return the blocks of a story one event of which comes many times."""
    again = [story.blocks[which], between] * MANY
    blocks = [*story.blocks[: which + 1], *again, *story.blocks[which + 1 :]]
    return [it.replace(b"\n", line_end) for it in blocks]


# --- long ones


@pytest.mark.parametrize(("story", "which", "between"), LONG, ids=[f"{it[0]}-{n}" for n, it in enumerate(LONG)])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("line_end", LINE_ENDS, ids=["lf", "cr", "crlf"])
def test_a_long_stream(story: Story, which: int, between: bytes, size: int | None, line_end: bytes) -> None:
    """Of one longer than is held all is known but its text; content is counted exactly, keep-alives are not."""
    blocks = lengthened(story, which, between, line_end)
    pieces = pieces_of(blocks, size)
    watcher = story.watcher()
    most, total = looked_at(watcher, pieces), sum(map(len, pieces))
    assert total > 2 * watching.MAX_HELD
    assert most <= max(watching.MAX_HELD, 2 * (watching.KEPT + max(map(len, pieces)) + max(map(len, blocks))))
    found, expected = told(watcher), {**story.expected, "content": story.expected["content"] + MANY}
    text = found.pop("text"), expected.pop("text")
    assert found == expected
    assert text[0] is None or max(map(len, pieces)) > watching.MAX_HELD
    assert watcher.size == total
    assert watcher.begun


@pytest.mark.parametrize("line_end", LINE_ENDS, ids=["lf", "cr", "crlf"])
def test_pieces_that_break_within_the_end_of_an_event(line_end: bytes) -> None:
    """Where a piece has all of an event but its very last byte, that byte is not lost with what is let go."""
    story, which, between = LONG[0]
    pieces = [part for it in lengthened(story, which, between, line_end) for part in (it[:-1], it[-1:])]
    watcher = story.watcher()
    looked_at(watcher, pieces)
    assert (watcher.verdict, watcher.marks.content) == (WHOLE, story.expected["content"] + MANY)


@pytest.mark.parametrize("story", [NAMED[f"{CHAT}-text"], NAMED[f"{CLAUDE}-text"]], ids=str)
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_long_stream_that_is_asked_all_the_time(story: Story, size: int | None) -> None:
    """Nothing is only counted then: text too is known, and no more is held than the event that comes."""
    blocks = lengthened(story, 3, PING if story.dialect == CLAUDE else BEAT)
    watcher, pieces = story.watcher(), pieces_of(blocks, size)
    for piece in pieces:
        watcher.feed(piece)
        assert watcher.verdict is not FAILED
        assert held(watcher) <= max(map(len, blocks))
    assert told(watcher)["verdict"] is WHOLE
    if max(map(len, pieces)) <= 2 * watching._LAST:  # else the last of a stream that is over is only counted
        again = FOX if story.dialect == CHAT else "Hello, "
        assert watcher.marks.text == "Hello, " + (again * MANY + FOX)


def test_a_mark_before_a_long_first_piece() -> None:
    """A whole stream with a byte order mark is whole, however long its first event is."""
    watcher = watcher_for(ENDS[GEMINI])
    watcher.feed(BOM + event(google(candidate("x" * 100_000, "STOP"))))
    assert (watcher.verdict, watcher.marks.content) == (WHOLE, 1)


def test_text_of_one_long_piece() -> None:
    """A stream that comes in one piece longer than is held is read as it is: its text is there."""
    said = FOX * 8_000
    watcher = fed(watcher_for(ENDS[CHAT]), [chat(choice({"content": said})) + STOP + DONE])
    assert told(watcher)["text"] == said


def test_a_mark_before_what_is_only_counted() -> None:
    """Never asked before its end, a stream with a byte order mark has its first event counted too."""
    watcher = fed(watcher_for(ENDS[CHAT]), [BOM + SAYS, *[SAYS] * MANY, DONE])
    assert watcher.marks.content == MANY + 1


@pytest.mark.parametrize("story", [it for it in STORIES if not it.array and FOX in it.says.get("text", "")], ids=str)
@pytest.mark.parametrize("size", [100, 1_000, 65_536, 10**7])
def test_one_long_event(story: Story, size: int) -> None:
    """One event that is longer than all that is held, in pieces of any size, is read as any other."""
    blocks, long = list(story.blocks), b"y" * 200_000
    at = next(n for n, it in enumerate(blocks) if FOX.encode() in it)
    blocks[at] = blocks[at].replace(FOX.encode(), long)
    watcher = story.watcher()
    most = looked_at(watcher, pieces_of(blocks, size))
    found, expected = told(watcher), story.expected
    found.pop("text")
    expected.pop("text")
    assert found == expected
    assert most <= 2 * (len(long) + len(story.whole()) + watching.KEPT)


@pytest.mark.parametrize(
    ("dialect", "failure", "error"),
    [
        (CHAT, event({"error": FAILURE}), {"error": FAILURE}),
        (CHAT, event({"error": FAILURE}).replace(b": ", b":", 1), {"error": FAILURE}),
        (CHAT, event({"error": FAILURE}, "error"), {"error": FAILURE}),
        (CHAT, event({"error": FAILURE}, "error").replace(b": ", b":", 1), {"error": FAILURE}),
        (RESPONSES, event(FLAT), None),
        (RESPONSES, event(FLAT, "error"), None),
        (CLAUDE, event(OVERLOADED), OVERLOADED),
        (CLAUDE, event(OVERLOADED, "error"), OVERLOADED),
        (GEMINI, event({"error": {"code": 500}}), {"error": {"code": 500}}),
        (QWEN, b"id:9\nevent:error\n:HTTP_STATUS/429\ndata:" + text_of(THROTTLED) + b"\n\n", THROTTLED),
    ],
)
@pytest.mark.parametrize("size", [None, 3_000])
@pytest.mark.parametrize("line_end", LINE_ENDS, ids=["lf", "cr", "crlf"])
def test_a_failure_far_before_the_end(
    dialect: str, failure: bytes, error: Any, size: int | None, line_end: bytes
) -> None:
    """What says that it failed has, however much comes after it; all before and after that was content is counted."""
    story = NAMED[f"{dialect}-{'trailing-done' if dialect == RESPONSES else 'text'}"]
    content = next(it for it in story.blocks if b"Hello" in it)
    blocks = [it.replace(b"\n", line_end) for it in (*[content] * 300, failure, *[content] * MANY)]
    watcher = story.watcher()
    looked_at(watcher, pieces_of(blocks, size))
    assert watcher.verdict is FAILED
    assert watcher.marks.content == 300 + MANY
    assert error is None or watcher.marks.error == error


def test_no_failure_is_invented_where_one_could_be() -> None:
    """What begins as one that failed, and did not, is read and found to be content, and counted once."""
    says = event({"error": None, "choices": [choice({"content": "a"})]})
    watcher = fed(watcher_for(ENDS[CHAT]), [*[SAYS] * 100, says, *[SAYS] * MANY])
    assert told(watcher)["verdict"] is CUT
    assert watcher.marks.content == 101 + MANY


def test_the_last_id_of_what_is_only_counted() -> None:
    """An event's id is known when the event was not read, and it stays when those after it have none."""
    ids = [b"id: %d\n" % n + SAYS for n in range(50)]
    watcher = fed(watcher_for(ENDS[CHAT]), [*ids, *[SAYS] * MANY])
    assert (watcher.marks.last_id, watcher.marks.content) == ("49", 50 + MANY)


# --- several parts, each with an end of its own

FIRST, SECOND = chat(choice({"content": "a" * 60})), chat(choice({"content": "b" * 60}, index=1))
ENDED, ENDED_TOO = chat(choice({}, "stop")), chat(choice({}, "stop", index=1))
SOME = 1000


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        ((FIRST, SECOND, *[FIRST] * SOME, ENDED), CUT),
        ((FIRST, SECOND, *[FIRST] * SOME, ENDED, *[SECOND] * SOME), CUT),
        ((FIRST, SECOND, *[FIRST, SECOND] * SOME, ENDED, SECOND), CUT),
        ((FIRST, SECOND, *[FIRST, SECOND] * SOME, ENDED, SECOND, ENDED_TOO), SOFT),
        ((FIRST, SECOND, ENDED, *[SECOND] * SOME, ENDED_TOO), SOFT),
        ((FIRST, SECOND, *[FIRST] * SOME, ENDED, *[SECOND] * SOME, ENDED_TOO, DONE), WHOLE),
    ],
)
def test_long_streams_of_two_choices(events: tuple[bytes, ...], verdict: Verdict) -> None:
    """With both seen at the beginning, one that has ended does not make the other one's cut good."""
    watcher = fed(watcher_for(ENDS[CHAT]), events[:2])
    assert watcher.verdict is CUT
    assert fed(watcher, events[2:]).verdict is verdict


@pytest.mark.parametrize(
    ("asked", "events"),
    [
        (3, (FIRST, SECOND, ENDED, *[BEAT] * 6000)),  # keep-alives alone, for more than is held
        (3, (FIRST, SECOND, ENDED, SECOND.replace(b"b" * 60, b"b" * 90_000)[:80_000])),  # in a long event
        pytest.param(  # the second began where it was only counted
            *(1, (FIRST, SECOND, *[FIRST] * SOME, ENDED)),
            marks=pytest.mark.xfail(strict=True, reason="the price of not looking at each byte; the watcher says so"),
        ),
    ],
    ids=["keep-alives", "long-event", "counted"],
)
def test_two_choices_one_of_which_goes_unseen(asked: int, events: tuple[bytes, ...]) -> None:
    """A choice that has not ended is missed, however long nothing was heard of it, and whenever it began."""
    watcher = fed(watcher_for(ENDS[CHAT]), events[:asked])
    assert watcher.verdict is CUT
    assert fed(watcher, events[asked:]).verdict is CUT
