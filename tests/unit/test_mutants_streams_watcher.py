"""What is asked of a stream's watcher beside its verdict, and where its bounds are: to the byte, and to the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import Verdict
from anyint_resilience.streams.watcher import Watcher
from tests.unit.stream_kit import CHAT, CLAUDE, DONE, ENDS, GEMINI, QWEN, RESPONSES, event, fed, held, marks, squeezed
from tests.unit.stream_stories import candidate, google, in_array
from tests.unit.stream_stories_openai import FAILURE, STOP, chat, choice

WHOLE, SOFT, FAILED, CUT, UNKNOWN = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT, Verdict.UNKNOWN
SAYS = chat(choice({"content": "never a dull word"}))
FAILS = event({"error": FAILURE})
OTHER = chat(choice({"content": "b"}, index=1))


# --- asked from another thread


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize(
    ("pieces", "failed"),
    [
        ([], False),
        ([SAYS], False),
        ([SAYS, STOP, DONE], False),
        ([SAYS, FAILS], True),
        ([FAILS[:9], FAILS[9:]], True),
        ([FAILS[:-1]], False),  # no blank line ends it yet
    ],
)
def test_whether_it_failed_is_told_without_touching_anything(
    pieces: Sequence[bytes], failed: bool, coding: str
) -> None:
    """What is held stays held, so that who reads can go on meanwhile; and is read when that one asks."""
    sent = [squeezed(b"".join(pieces), coding)] if coding else pieces
    watcher = fed(watcher_for(ENDS[CHAT], coding), sent)
    before = held(watcher)
    assert [watcher.has_failed(), watcher.has_failed()] == [failed, failed]
    assert held(watcher) == before
    assert (watcher.verdict is FAILED) is failed
    assert watcher.has_failed() is failed


@pytest.mark.parametrize("failed", [False, True])
def test_a_failure_in_an_array_is_told_as_one(failed: bool) -> None:
    """It is read as the documents that it is."""
    last = {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}} if failed else google(candidate("b"))
    watcher = fed(watcher_for(ENDS[GEMINI], array=True), in_array([google(candidate("a")), last], pretty=False))
    assert watcher.has_failed() is failed


@pytest.mark.parametrize("failed", [False, True])
def test_a_failure_that_was_seen_stands_where_nothing_more_is_known(
    failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none is made up there."""
    monkeypatch.setattr(watching, "MAX_HELD", 1_000)
    monkeypatch.setattr(watching, "MAX_EVENT", 5_000)
    watcher = fed(watcher_for(ENDS[CHAT]), [SAYS, FAILS if failed else b""])
    assert watcher.verdict is (FAILED if failed else CUT)
    fed(watcher, [b"data: ", *[FAILS[:-2]] * 200])
    assert watcher.opaque
    assert watcher.has_failed() is failed


@pytest.mark.parametrize(
    ("coding", "most", "tail"),
    [("", 4, b"efgh"), ("", 99, b"data: abcdefgh"), ("gzip", 4, b"efgh"), ("gzip", 99, b"data: abcdefgh")],
)
def test_the_end_of_the_last_piece_is_told_as_it_reads(coding: str, most: int, tail: bytes) -> None:
    """Decompressed, if that is how it came."""
    text = b"data: abcdefgh"
    piece = squeezed(text, coding) if coding else text
    watcher = fed(watcher_for(ENDS[CHAT], coding), [piece])
    assert watcher.tail(piece, most) == tail


def test_the_end_of_a_piece_that_the_client_decompressed_is_its_own() -> None:
    """Whatever the header still says."""
    watcher = fed(watcher_for(ENDS[CHAT], "gzip"), [SAYS, b"data: abcdefgh"])
    assert watcher.tail(b"data: abcdefgh", 3) == b"fgh"


@pytest.mark.parametrize(("coding", "coded"), [("", False), ("gzip", True)])
def test_whether_pieces_can_be_cut_where_an_event_begins(coding: str, coded: bool) -> None:
    """Not where they come in a coding: nothing shows in them."""
    text = SAYS + STOP
    watcher = fed(watcher_for(ENDS[CHAT], coding), [squeezed(text, coding) if coding else text])
    assert watcher.coded is coded
    assert fed(watcher_for(ENDS[CHAT], "gzip"), [text]).coded is False


# --- a last event that lacks its end


@pytest.mark.parametrize(
    ("pieces", "added", "after"),
    [
        ([], b"", CUT),
        ([SAYS], b"", CUT),
        ([SAYS, STOP, DONE], b"", WHOLE),
        ([SAYS, STOP, DONE[:-1]], b"\n\n", WHOLE),
        ([SAYS, STOP, DONE[:-2]], b"\n\n", WHOLE),
        ([SAYS, STOP[:-2]], b"\n\n", SOFT),
        ([SAYS, STOP[:-9]], b"", CUT),
        ([SAYS, STOP, b": keep-alive"], b"", SOFT),
        ([SAYS, FAILS], b"", FAILED),
        ([SAYS, FAILS[:-2]], b"", CUT),
        ([SAYS, STOP, DONE, DONE[:-2]], b"", WHOLE),  # it was whole before
        ([SAYS, FAILS, DONE[:-2]], b"", FAILED),
        ([SAYS, OTHER, STOP[:-2]], b"", CUT),  # another part goes on
    ],
)
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_last_event_is_given_its_end_where_it_lacks_no_more(
    pieces: Sequence[bytes], added: bytes, after: Verdict, coding: str
) -> None:
    """A client that decompressed it gets it too; within a coding nothing can be added."""
    plain = fed(watcher_for(ENDS[CHAT], coding), pieces)
    assert plain.mend() == added
    assert plain.verdict is after
    if coding:
        coded = fed(watcher_for(ENDS[CHAT], coding), [squeezed(b"".join(pieces), coding)])
        assert coded.mend() == b""


def test_a_long_last_event_is_given_its_end_too() -> None:
    """It is held in the pieces in which it came, since none of them ends an event."""
    last = chat(choice({"content": "x" * 5_000}, "stop"))
    watcher = fed(watcher_for(ENDS[CHAT]), [SAYS, last[:4_500]])
    assert watcher.verdict is CUT
    assert fed(watcher, [last[4_500:-3], last[-3:-2]]).mend() == b"\n\n"
    assert watcher.verdict is SOFT


def test_nothing_is_added_where_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it taken for bytes that came."""
    monkeypatch.setattr(watching, "MAX_HELD", 1_000)
    monkeypatch.setattr(watching, "MAX_EVENT", 5_000)
    watcher = fed(watcher_for(ENDS[CHAT]), [SAYS, b"data: " + b"x" * 6_000, STOP + DONE[:-2]])
    before = watcher.size
    assert (watcher.mend(), watcher.opaque, watcher.size) == (b"", True, before)


@pytest.mark.parametrize(("dialect", "strict"), [(CHAT, True), (RESPONSES, True), (CLAUDE, False), (QWEN, False)])
def test_whether_an_sdk_may_stop_to_read_before_the_end(dialect: str, strict: bool) -> None:
    """Those of OpenAI do, at a last word that others send too."""
    assert watcher_for(ENDS[dialect]).strict is strict


def test_nothing_is_added_to_an_array() -> None:
    """What is not closed is not whole."""
    assert fed(watcher_for(ENDS[GEMINI], array=True), [b'[{"candidates": []}']).mend() == b""


# --- what only a bound tells


@pytest.mark.parametrize(("length", "begun"), [(65_536, False), (65_537, True)])
def test_nobody_waits_for_content_of_more_than_64_kib(length: int, begun: bool) -> None:
    """One event that has not ended yet, and that nobody knows."""
    assert fed(watcher_for(ENDS[CHAT]), [b"data: " + b"x" * (length - 6)]).begun is begun


def test_one_piece_of_content_is_a_beginning() -> None:
    """And none is not."""
    assert fed(watcher_for(ENDS[CHAT]), [SAYS]).begun
    assert not fed(watcher_for(ENDS[CHAT]), [b": keep-alive\n\n"]).begun


@pytest.mark.parametrize(
    ("end", "opaque"),
    [
        (b"", False),
        ("🦊".encode()[:3], False),  # three of four bytes
        ("🦊".encode(), False),
        (b"\xff\xff\xff", False),  # which may still be one, to who does not look closer
        (b"\xff\xff\xff\xff", True),
    ],
)
def test_an_array_may_be_cut_within_a_character(end: bytes, opaque: bool) -> None:
    """No character has more than four bytes: what cannot be read of more is no text."""
    watcher = fed(watcher_for(ENDS[GEMINI], array=True), [b'[{"a": "', end])
    assert (watcher.verdict, watcher.opaque) == (UNKNOWN if opaque else CUT, opaque)


@pytest.mark.parametrize(("end", "opaque"), [(b"]", False), (b"] \n", False), (b"]x", True), (b"]]", False)])
def test_what_comes_after_an_arrays_end(end: bytes, opaque: bool) -> None:
    """Spaces are nothing; a letter is no JSON."""
    watcher = fed(watcher_for(ENDS[GEMINI], array=True), [b'[{"candidates": []}', end])
    assert watcher.marks.content == 0
    assert watcher.opaque is opaque


def test_a_long_document_counts_as_soon_as_it_is_closed() -> None:
    """Also where that is seen in the last of many pieces, and the array goes on."""
    watcher = watcher_for(ENDS[GEMINI], array=True)
    text = b"".join(in_array([google(candidate("y" * 9_000))], pretty=False)).rstrip(b"]")
    for at in range(0, len(text), 500):
        watcher.feed(text[at : at + 500])
        assert watcher.marks.content == (at + 500 >= len(text))


def test_the_first_byte_of_deflate_tells_whether_it_has_a_header() -> None:
    """Both are called deflate."""
    for coding in ("deflate", "raw"):
        watcher = fed(watcher_for(ENDS[CHAT], "deflate"), [squeezed(SAYS + STOP + DONE, coding)])
        assert (watcher.verdict, watcher.marks.content) == (WHOLE, 1)


def test_what_is_called_gzip_and_is_not_is_not_read() -> None:
    """Deflate under that name is no stream that a client could read."""
    watcher = fed(watcher_for(ENDS[CHAT], "gzip"), [squeezed(SAYS + STOP + DONE, "deflate")])
    assert (watcher.verdict, watcher.opaque) == (UNKNOWN, True)


# --- what an event says


@pytest.mark.parametrize(
    ("dialect", "events", "error"),
    [
        (CLAUDE, [b"event: error\ndata: overloaded"], {"error": {"message": "overloaded"}}),
        (CLAUDE, [b"event: error\ndata: " + b"m" * 2_000], {"error": {"message": "m" * 1024}}),
        (QWEN, [b":HTTP_STATUS/503"], {"code": "503", "message": "", "request_id": ""}),
        (
            RESPONSES,
            [b'data: {"type": "error", "code": "C", "message": "m", "param": "p", "sequence_number": 3}'],
            {"error": {"code": "C", "message": "m", "param": "p", "type": "C"}},
        ),
        (CHAT, [b'data: {"error": "gone"}'], {"error": {"message": "gone"}}),
        (CHAT, [b'data: {"error": {"code": 1}}'], {"error": {"code": 1}}),
        (CHAT, [b'data: {"error": {"code": 0}}'], None),
    ],
)
def test_a_failure_is_told_in_its_familys_envelope(dialect: str, events: list[bytes], error: Any) -> None:
    """Word for word, and no longer than somebody will read."""
    assert marks(dialect, *events).error == error


def test_what_a_stream_said_last_of_itself() -> None:
    """An event without an id leaves the id, data that is none is counted, a fresh one has said nothing."""
    assert (marks(CHAT).last_id, marks(CHAT).malformed) == (None, 0)
    seen = marks(CHAT, b"id: 7\ndata: {}", b"data: {}", b"data: no", b"data: JSON")
    assert (seen.last_id, seen.malformed) == ("7", 2)


@pytest.mark.parametrize(("parts", "many"), [((), False), ((0,), False), ((0, 1), True), ((0, 1, 2), True)])
def test_whether_several_parts_are_open(parts: tuple[int, ...], many: bool) -> None:
    """Two are several."""
    events = [b'data: {"choices": [{"index": %d, "delta": {"content": "x"}}]}' % part for part in parts]
    assert marks(CHAT, *events).many is many


@pytest.mark.parametrize(
    ("choices", "verdict"),
    [
        (b'{"finish_reason": "stop"}', SOFT),  # a part that names no place is the first
        (b'{"index": 0}, {"finish_reason": "stop"}', SOFT),
        (b'{"index": 0}, {"index": 1, "finish_reason": "stop"}', CUT),
        (b'7, {"index": 0, "finish_reason": "stop"}', SOFT),  # what is no part is passed over
        (b'{"index": "0"}, {"index": 0, "finish_reason": "stop"}', SOFT),
    ],
)
def test_parts_end_one_by_one(choices: bytes, verdict: Verdict) -> None:
    """Only a stream whose parts all ended may be over."""
    assert marks(CHAT, b'data: {"choices": [' + choices + b"]}").verdict is verdict


def test_a_comments_status_is_asked_for_only_where_a_dialect_has_one() -> None:
    """Elsewhere three digits are just a comment."""
    assert marks(CHAT, b":503 and more").verdict is CUT
    assert marks(QWEN, b":503 and more").verdict is CUT


def test_words_on_usage_are_bounded() -> None:
    """256 of them."""
    usage = ", ".join(f'"{index}": {index}' for index in range(300))
    seen = marks(CHAT, b'data: {"usage": {%s}}' % usage.encode())
    assert seen.usage == {str(index): index for index in range(256)}


@pytest.mark.parametrize("name", ["ping", "content_block_delta"])
def test_a_quiet_event_is_no_content_though_it_is_only_counted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dialect ignores is ignored in the middle of a long stream too."""
    monkeypatch.setattr(watching, "MAX_HELD", 1_000)
    monkeypatch.setattr(watching, "KEPT", 300)
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}}
    pieces = [event(delta, "content_block_delta")] * 50 + [event({**delta, "type": name}, name)] * 50
    watcher: Watcher = fed(watcher_for(ENDS[CLAUDE]), pieces)
    assert watcher.marks.content == (50 if name == "ping" else 100)
