"""Every stream cut at every byte: never whole before its end, never cut or failed once it is whole."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.streams import STREAMS
from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.marks import Verdict
from tests.unit.stream_kit import BOM, LINE_ENDS, Story, cut_up, fed, squeezed, told
from tests.unit.stream_stories import ARRAYS, EVENTS, STORIES

GOOD = (Verdict.WHOLE, Verdict.SOFT)
NOISE = (b": keep-alive\n\n", b"\n", b"data: {]\n\n", b"data\n\n", b"nonsense\n\n", b"data: [7]\n\n", b"retry: 9\n\n")

ENDS = pytest.mark.parametrize("line_end", LINE_ENDS, ids=["lf", "cr", "crlf"])
EVERY = pytest.mark.parametrize("story", STORIES, ids=str)


def at_each_byte(story: Story, data: bytes, coding: str = "") -> list[Verdict]:
    """Return what a stream is as each byte comes in, before the first one too."""
    watcher = story.watcher(coding)
    found = [watcher.verdict]
    for at in range(len(data)):
        watcher.feed(data[at : at + 1])
        found.append(watcher.verdict)
    return found


def test_each_dialect_has_its_stories() -> None:
    """There is a stream that ends well, one that fails (where it can) and one that is cut, of each dialect."""
    kinds = {(it.dialect, it.verdict_after(len(it.blocks))) for it in STORIES}
    assert kinds >= {(row.name, kind) for row in STREAMS for kind in (Verdict.WHOLE, Verdict.FAILED, Verdict.CUT)}


@EVERY
@ENDS
def test_as_each_byte_comes(story: Story, line_end: bytes) -> None:
    """Asked after each byte: cut before the end, soft from the last reason for the end on, whole or failed after it."""
    assert at_each_byte(story, story.whole(line_end)) == story.verdicts(line_end)


@EVERY
def test_cut_at_each_byte(story: Story) -> None:
    """The same of a stream that comes in one piece, cut after each of its bytes, and is asked once."""
    data, expected = story.whole(), story.verdicts()
    assert [fed(story.watcher(), [data[:at]]).verdict for at in range(len(data) + 1)] == expected


@pytest.mark.parametrize("story", EVENTS, ids=str)
@ENDS
def test_with_a_byte_order_mark(story: Story, line_end: bytes) -> None:
    """A mark before the first line changes nothing, in pieces of a byte as in one."""
    data = BOM + story.whole(line_end)
    assert at_each_byte(story, data) == story.verdicts(line_end, more=len(BOM))
    assert told(fed(story.watcher(), [data])) == story.expected


@pytest.mark.parametrize("story", ARRAYS, ids=str)
def test_an_array_with_a_byte_order_mark_is_never_misjudged(story: Story) -> None:
    """It is what it is without one, or unknown: JSON must not begin with one (RFC 8259 8.1)."""
    for found, expected in zip(at_each_byte(story, BOM + story.whole()), story.verdicts(more=3), strict=True):
        assert found in (expected, Verdict.UNKNOWN)


@pytest.mark.parametrize("story", EVENTS, ids=str)
@ENDS
def test_mended_at_each_byte(story: Story, line_end: bytes) -> None:
    """Only where nothing but the end of the last event's lines is missing is a blank line made up, and it is whole."""
    data = story.whole(line_end)
    for at, before in enumerate(story.verdicts(line_end)):
        watcher = fed(story.watcher(), [data[:at]])
        added = watcher.mend()
        if before in (Verdict.WHOLE, Verdict.FAILED) or added == b"":
            assert added == b""
        else:
            assert added == b"\n\n"
            assert watcher.verdict in GOOD
            assert data.startswith(data[:at].rstrip(b"\r\n") + line_end * 2)
        if added == b"" and before is Verdict.CUT:
            assert watcher.verdict in (Verdict.CUT, Verdict.FAILED)
    last = story.whole().rstrip(b"\n")
    if story.end == len(story.blocks) - 1 and story.verdict is Verdict.WHOLE:
        assert fed(story.watcher(), [last]).mend() == b"\n\n"


@EVERY
@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw"])
def test_compressed_and_cut_at_each_byte(story: Story, coding: str) -> None:
    """What is compressed is as whole as that of it which can be decompressed, by zlib's own word."""
    data = story.whole()
    sent, machine = squeezed(data, coding), zlib.decompressobj({"gzip": 31, "deflate": 15, "raw": -15}[coding])
    verdicts, size = story.verdicts(), 0
    expected = [verdicts[0]]
    for at in range(len(sent)):
        size += len(machine.decompress(sent[at : at + 1]))
        expected.append(verdicts[size])
    assert size == len(data)
    assert at_each_byte(story, sent, "gzip" if coding == "gzip" else "deflate") == expected
    assert told(fed(story.watcher("X-GZIP" if coding == "gzip" else "Deflate"), [sent])) == story.expected


@EVERY
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, br"])
def test_decompressed_already(story: Story, coding: str) -> None:
    """Where the client has undone the coding that the header names, the stream is read as it is."""
    data, expected = story.whole(), story.verdicts()
    head = 6  # enough to tell
    watcher = fed(story.watcher(coding), [data[:head]])
    for at in range(head, len(data)):
        assert watcher.verdict == expected[at]
        watcher.feed(data[at : at + 1])
    assert told(watcher) == story.expected


@pytest.mark.parametrize("first", [1, 2, 4])
def test_decompressed_already_in_small_pieces(first: int) -> None:
    """So it is where the first piece is too short to tell."""
    for story in STORIES:
        data = story.whole()
        assert told(fed(story.watcher("gzip"), cut_up(data, [first]))) == story.expected


@EVERY
@ENDS
def test_cut_at_each_byte_where_little_is_held(story: Story, line_end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the older part is only counted: never good before the end, and never worse than soft after it.

    As much is kept as is at the end of a stream after its last content; what is long here is what is held, not the
    stream. Asked after each byte, and not before the last one.
    """
    monkeypatch.setattr(watching, "MAX_HELD", 700)
    monkeypatch.setattr(watching, "KEPT", 500)
    data, expected = story.whole(line_end), story.verdicts(line_end)
    assert at_each_byte(story, data) == expected
    if "two" in story.name or "candidates" in story.name:
        return  # test_stream_watcher.py: parts that are only counted
    pieces = story.sent(line_end)
    for count in range(len(pieces) + 1):
        assert fed(story.watcher(), pieces[:count]).verdict == story.verdict_after(count)


@given(story=st.sampled_from(STORIES), line_end=st.sampled_from(LINE_ENDS), data=st.data())
def test_in_any_pieces(story: Story, line_end: bytes, data: Any) -> None:
    """However a stream is cut into pieces, empty ones too, and whenever it is asked, it says the same."""
    sent, verdicts = story.whole(line_end), story.verdicts(line_end)
    watcher, size = story.watcher(), 0
    for piece in cut_up(sent, data.draw(st.lists(st.integers(0, 90), max_size=40))):
        watcher.feed(piece)
        size += len(piece)
        assert watcher.size == size
        if data.draw(st.booleans()):
            assert watcher.verdict == verdicts[size]
            assert watcher.size == size
    assert told(watcher) == story.expected


@given(story=st.sampled_from(STORIES), coding=st.sampled_from(["gzip", "deflate", "raw"]), data=st.data())
def test_compressed_in_any_pieces(story: Story, coding: str, data: Any) -> None:
    """So does one that is compressed, at any level, in any pieces, flushed after each event or not."""
    machine = zlib.compressobj(data.draw(st.integers(0, 9)), wbits={"gzip": 31, "deflate": 15, "raw": -15}[coding])
    flush = data.draw(st.sampled_from([zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]))
    sent = b"".join(machine.compress(it) + machine.flush(flush) for it in story.blocks) + machine.flush()
    pieces = cut_up(sent, data.draw(st.lists(st.integers(0, 90), max_size=40)))
    watcher = fed(story.watcher("gzip" if coding == "gzip" else "deflate"), pieces)
    assert watcher.size == len(sent)
    assert told(watcher) == story.expected


@given(
    story=st.sampled_from(EVENTS),
    line_ends=st.lists(st.sampled_from(LINE_ENDS), min_size=1, max_size=4),
    noise=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(NOISE)), max_size=6),
    cut=st.integers(0, 4000),
)
def test_with_noise_and_mixed_line_ends(
    story: Story, line_ends: list[bytes], noise: list[tuple[int, bytes]], cut: int
) -> None:
    """What is malformed, empty or a comment between events, and ends of lines that change, change no verdict."""
    blocks = [(it, count) for count, it in enumerate(story.blocks, start=1)]
    for place, line in noise:
        at = min(place, len(blocks))
        blocks.insert(at, (line, blocks[at - 1][1] if at else 0))
    sent, expected = b"", [story.verdict_after(0)]
    for number, (block, count) in enumerate(blocks):
        piece = block.replace(b"\n", line_ends[number % len(line_ends)])
        if sent.endswith(b"\r") and piece.startswith(b"\n"):
            piece = b"\n" + piece  # a CRLF would be made of the two
        expected += [expected[-1]] * (len(piece) - 1) + [story.verdict_after(count)] if piece else []
        sent += piece
    cut = min(cut, len(sent))
    found = fed(story.watcher(), [sent[:cut]]).verdict
    assert found == expected[cut] or (sent[:cut].endswith(b"\r") and found == expected[cut - 1])
    assert fed(story.watcher(), [sent + b"\n"]).verdict == expected[-1]
