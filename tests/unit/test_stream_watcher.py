"""The watcher of what is too long, coded, an array, odd or no stream: bounded, and it never raises."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.choosing import streams, watcher_for, watcher_of
from anyint_resilience.streams.forms import ArrayWatcher, CodedWatcher
from anyint_resilience.streams.marks import Verdict
from anyint_resilience.streams.watcher import Watcher
from tests.unit.stream_kit import (
    BEAT,
    BOM,
    CHAT,
    CLAUDE,
    DONE,
    ENDS,
    GEMINI,
    QWEN,
    RESPONSES,
    cut_up,
    event,
    fed,
    held,
    looked_at,
    pieces_of,
    squeezed,
    told,
)
from tests.unit.stream_stories import candidate, google, in_array
from tests.unit.stream_stories_openai import FAILURE, ROLE, STOP, chat, choice

WHOLE, SOFT, FAILED, CUT, UNKNOWN = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT, Verdict.UNKNOWN
SAYS = chat(choice({"content": "never a dull word"}))
MANY = 1500


# --- too long, or in another coding


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_HELD", 1_000)
    monkeypatch.setattr(watching, "KEPT", 300)
    monkeypatch.setattr(watching, "MAX_EVENT", 5_000)


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("size", [60, 90, 4_000, 10**6])
@pytest.mark.parametrize("length", [3_000, 50_000])
def test_an_event_that_is_too_long(array: bool, size: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stream with one nothing more is known; a shorter one, or a document that came at once, is read."""
    small(monkeypatch)
    documents = [google(candidate("a")), google(candidate("y" * length, "STOP"))]
    pieces = pieces_of([*(in_array(documents, pretty=False) if array else map(event, documents))], size)
    watcher = watcher_for(ENDS[GEMINI], array=array)
    most = looked_at(watcher, pieces)
    read = length < 5_000 or (array and size > length)
    assert watcher.begun
    assert watcher.verdict is (WHOLE if read else UNKNOWN)
    assert watcher.opaque is not read
    if size <= 90:
        assert watcher.marks.content == 1 + read
        assert array or most <= 10_000 + size
    assert watcher.size == sum(map(len, pieces))


@pytest.mark.parametrize(
    "array",
    [
        False,
        True,
    ],
)
def test_nothing_is_held_where_nothing_is_known(array: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once something was too long, or no stream at all, what comes is let go."""
    small(monkeypatch)
    watcher = fed(watcher_for(ENDS[GEMINI], array=array), [b"[7]"] if array else [b"data: ", *[b"x" * 90] * 200])
    for number in range(200):
        watcher.feed(b"z" * 90)
        assert held(watcher) <= 2 * (1_000 + 90)
        assert number < 100 or watcher.verdict is UNKNOWN


def test_nobody_waits_for_what_is_long() -> None:
    """A stream has begun with its first content, or once more has come than is held while that is awaited."""
    watcher = fed(watcher_for(ENDS[CHAT]), [ROLE, BEAT, b"data: ", b"x" * 65_000])
    assert not watcher.begun
    watcher.feed(b"x" * 1_000)
    assert (watcher.begun, watcher.marks.content, watcher.opaque) == (True, 0, False)


def test_what_was_known_before_stays_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure or an end that was seen stands when something too long comes after it."""
    small(monkeypatch)
    for last, verdict in ((STOP + DONE, WHOLE), (event({"error": FAILURE}), FAILED), (STOP, SOFT), (b"", UNKNOWN)):
        watcher = fed(watcher_for(ENDS[CHAT]), [SAYS, last])
        assert watcher.verdict is (CUT if verdict is UNKNOWN else verdict)
        assert not watcher.opaque
        fed(watcher, [b"data: ", *[b"x" * 100] * 200])
        assert watcher.verdict is verdict
        assert watcher.opaque


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "compress", "unheard-of", "gzip", "deflate"])
def test_a_coding_that_cannot_be_read(coding: str) -> None:
    """Nothing is known, nobody waits for content, and nothing is held."""
    watcher = watcher_for(ENDS[CHAT], coding)
    assert (watcher.verdict, watcher.begun, watcher.opaque) == (CUT, False, False)
    watcher.feed(b"")
    assert (watcher.verdict, watcher.begun, watcher.opaque) == (CUT, False, False)
    for number in range(1, 100):
        watcher.feed(b"\x1b\x99\x00\xff" * 1000)
        assert (watcher.verdict, watcher.begun, watcher.opaque) == (UNKNOWN, True, True)
        assert (held(watcher), watcher.size, watcher.marks.content) == (0, 4000 * number, 0)


def test_what_goes_bad_within_a_coding() -> None:
    """What was read before stands: an end is an end, and without one nothing is known."""
    for blocks, verdict in (([SAYS], UNKNOWN), ([SAYS, STOP], SOFT), ([SAYS, STOP, DONE], WHOLE)):
        watcher = fed(watcher_for(ENDS[CHAT], "gzip"), [squeezed(b"".join(blocks), "gzip"), b"no gzip"])
        assert (watcher.verdict, watcher.marks.content, watcher.opaque) == (verdict, 1, True)
        fed(watcher, [b"more", squeezed(DONE, "gzip")])
        assert watcher.verdict is verdict


@pytest.mark.parametrize("gap", [b"", b"\0" * 9])
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_gzip_of_several_members(gap: bytes, size: int) -> None:
    """Each event may be one of its own (RFC 1952 2.2), and zeros may follow the last; what is whole is."""
    data = b"".join(squeezed(it, "gzip") for it in (b"", ROLE, SAYS, STOP, DONE, b"")) + gap
    watcher = fed(watcher_for(ENDS[CHAT], "gzip"), pieces_of([data], size))
    assert (watcher.verdict, watcher.marks.content, watcher.size) == (WHOLE, 1, len(data))


def test_nothing_is_left_within_the_decompressor() -> None:
    """A last byte that zlib holds back, since as much as was asked for is there, is read too."""
    data = b"data: " + b"a" * 65_529 + b"\n\n"  # a byte more than is asked for at once
    watcher = fed(watcher_for(ENDS[CHAT], "deflate"), [squeezed(data, "raw", 9)])
    assert isinstance(watcher, CodedWatcher)
    assert watcher._inner.size == len(data)


@pytest.mark.parametrize(
    "array",
    [
        False,
        True,
    ],
)
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb(array: bool, coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a thousand times as long when decompressed is never held as such: in steps, and up to one event."""
    small(monkeypatch)
    machine = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    start = b'[{"a":"' if array else b"data: "
    sent = machine.compress(start + b"x" * 3_000_000) + machine.flush()
    watcher, most = watcher_for(ENDS[GEMINI], coding, array=array), 0
    for piece in pieces_of([sent], 500):
        watcher.feed(piece)
        most = max(most, held(watcher))
    assert isinstance(watcher, CodedWatcher)
    assert most <= 70_000
    assert watcher._inner.size <= 3_000_000 + len(start)
    assert (watcher.verdict, watcher.begun) == (UNKNOWN, True)
    assert watcher.size == len(sent)


def test_a_bomb_comes_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """No piece that is fed on is longer than 64 KiB."""
    sizes: list[int] = []
    feed = Watcher.feed
    monkeypatch.setattr(Watcher, "feed", lambda self, it: (sizes.append(len(it)), feed(self, it))[1])
    fed(watcher_for(ENDS[CHAT], "gzip"), [squeezed(b": " + b"x" * 1_000_000 + b"\n\n", "gzip")])
    assert sum(sizes) == 1_000_004
    assert max(sizes) <= 65_536


# --- arrays


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"", CUT),
        (b" \r\n\t", CUT),
        (b"[", CUT),
        (b"[]", CUT),  # nobody said why
        (b"[{}", CUT),
        (b'[{"candidates":[{"finishReason":"STOP"}]}', CUT),
        (b'[{"candidates":[{"finishReason":"STOP"}]},', CUT),
        (b'[{"candidates":[{"finishReason":"STOP"}]}]', WHOLE),
        (b' [ {"candidates":[{"finishReason":"STOP"}]} ,\n {} ] \r\n', WHOLE),
        (b'[{"error":{"code":500}}', FAILED),
        (b'[{"error":{"code":500}}]', FAILED),
        (b'{"error":{"code":500}}', FAILED),
        (b'{"candidates":[{"finishReason":"STOP"}]}', WHOLE),
        (b'{"candidates":[{"finishReason":"STOP"}]', CUT),
        (b"[7]", UNKNOWN),
        (b"[[{}]]", UNKNOWN),
        (b'["a"]', UNKNOWN),
        (b"null", UNKNOWN),
        (b"]", UNKNOWN),
        (b"data: {}\n\n", UNKNOWN),
        (b'[{"a":"\xff\xff\xff\xff"}]', UNKNOWN),
        (b'[{"a":"\xf0\x9f', CUT),
        (b'[{"a":' + b"[" * 100_000, UNKNOWN),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 10**6])
def test_arrays(data: bytes, verdict: Verdict, size: int) -> None:
    """One that is closed and said why is whole, and one document too; what is none of both is unknown."""
    if len(data) > 1000 and size < 10**6:
        pytest.skip("a document is looked at anew with each piece")
    watcher = watcher_for(ENDS[GEMINI], array=True)
    for piece in pieces_of([data], size):
        watcher.feed(piece)
        assert isinstance(watcher.verdict, Verdict)
    assert watcher.verdict is verdict
    assert watcher.opaque is (verdict is UNKNOWN)
    assert fed(watcher_for(ENDS[GEMINI], array=True), pieces_of([data], size)).verdict is verdict


@pytest.mark.parametrize("size", [700, 70_000])
@pytest.mark.parametrize("pretty", [True, False])
def test_a_long_array(size: int, pretty: bool) -> None:
    """Each item is read: all is known, text too, and no more is held than about one of them."""
    blocks = list(in_array([google(candidate("狐" * 20))] * MANY + [google(candidate("", "STOP"))], pretty=pretty))
    watcher, most = watcher_for(ENDS[GEMINI], array=True), 0
    for piece in pieces_of(blocks, size):
        watcher.feed(piece)
        most = max(most, held(watcher))
    assert most <= watching.MAX_HELD
    assert (watcher.verdict, watcher.marks.content) == (WHOLE, MANY)
    assert watcher.marks.text == "狐" * 20 * MANY


# --- anything at all


@given(
    dialect=st.sampled_from(sorted(ENDS)),
    coding=st.sampled_from(["", "gzip", "deflate", "br", "identity", " GZIP "]),
    array=st.booleans(),
    pieces=st.lists(
        st.binary(max_size=12)
        | st.sampled_from(
            [b"data: ", b"event: error", b"\n\n", b"\r", b"{", b"}", b"[", b'"', BOM, b"id:", DONE, b":\n"]
        ),
        max_size=30,
    ),
    asked=st.integers(1, 5),
    tiny=st.booleans(),
)
def test_any_bytes(dialect: str, coding: str, array: bool, pieces: list[bytes], asked: int, tiny: bool) -> None:
    """No bytes make it raise, and how they are cut into pieces changes nothing of what is known."""
    with pytest.MonkeyPatch.context() as patch:
        if tiny:
            patch.setattr(watching, "MAX_HELD", 40)
            patch.setattr(watching, "KEPT", 8)
            patch.setattr(watching, "MAX_EVENT", 90)
        watcher = watcher_for(ENDS[dialect], coding, array=array)
        for number, piece in enumerate(pieces):
            watcher.feed(piece)
            if number % asked == 0:
                assert isinstance(watcher.begun, bool)
        found = told(watcher)
        assert watcher.size == sum(map(len, pieces))
    if not tiny and coding in ("", "identity"):
        data = b"".join(pieces)
        assert told(fed(watcher_for(ENDS[dialect], array=array), [data])) == found
        assert told(fed(watcher_for(ENDS[dialect], array=array), cut_up(data, [1] * len(data)))) == found


# --- which answers are watched

TABLE = RouteTable()
SSE, JSON = (("Content-Type", "text/event-stream; charset=utf-8"),), (("content-type", "application/json"),)
ROUTES = [
    # path, status, headers, what watches it, in which dialect
    ("/openai/v1/chat/completions", 200, SSE, Watcher, CHAT),
    ("/openai/v1/chat/completions", 200, ((b"content-type", b"Text/Event-Stream"),), Watcher, CHAT),
    ("/openai/v1/chat/completions", 201, SSE, Watcher, CHAT),
    ("/openai/v1/chat/completions", 204, SSE, None, None),
    ("/openai/v1/chat/completions", 199, SSE, None, None),
    ("/openai/v1/chat/completions", 300, SSE, None, None),
    ("/openai/v1/chat/completions", 503, SSE, None, None),
    ("/openai/v1/chat/completions", 200, JSON, None, None),
    ("/openai/v1/chat/completions", 200, (), None, None),
    ("/openai/v1/chat/completions", 200, None, None, None),
    ("/openai/v1/chat/completions", 200, (*SSE, ("Content-Encoding", "gzip")), CodedWatcher, CHAT),
    ("/openai/v1/chat/completions", 200, (*SSE, ("Content-Encoding", " Identity ")), Watcher, CHAT),
    ("/openai/v1/chat/completions", 200, (*SSE, ("Content-Encoding", "")), Watcher, CHAT),
    ("/openai/v1/responses", 200, SSE, Watcher, RESPONSES),
    ("/openai/v1/embeddings", 200, SSE, None, None),
    ("/anthropic/v1/messages", 200, SSE, Watcher, CLAUDE),
    ("/anthropic/v1/messages", 200, JSON, None, None),
    ("/gemini/v1beta/models/m:streamGenerateContent", 200, SSE, Watcher, GEMINI),
    ("/gemini/v1beta/models/m:streamGenerateContent", 200, JSON, ArrayWatcher, GEMINI),
    ("/gemini/v1beta/models/m:streamGenerateContent", 200, (("content-type", "text/plain"),), None, None),
    ("/gemini/v1beta/models/m:generateContent", 200, JSON, None, None),
    ("/dashscope/v1/services/aigc/multimodal-generation/generation", 200, SSE, Watcher, QWEN),
    ("/suno/generate", 200, SSE, None, None),
    ("/elsewhere", 200, SSE, None, None),
]


@pytest.mark.parametrize(("path", "status", "headers", "kind", "dialect"), ROUTES)
def test_which_answers_are_watched(path: str, status: int, headers: Any, kind: Any, dialect: str | None) -> None:
    """Good answers of a route that has a dialect, which say that they are a stream of events, or of documents."""
    watcher = watcher_of(TABLE.match("POST", path), status, headers)
    assert (None if watcher is None else type(watcher)) is kind
    assert watcher is None or watcher._ends is ENDS[str(dialect)]


def test_an_array_in_a_coding() -> None:
    """It is an array still; two headers of a coding are two codings, which are not read."""
    route = TABLE.match("POST", "/gemini/v1beta/models/m:streamGenerateContent")
    data = squeezed(b'[{"candidates":[{"finishReason":"STOP"}]}]', "gzip")
    once = watcher_of(route, 200, (*JSON, ("content-encoding", "gzip")))
    twice = watcher_of(route, 200, (*JSON, ("content-encoding", "gzip"), ("content-encoding", "br")))
    assert once is not None
    assert twice is not None
    assert fed(once, [data]).verdict is WHOLE
    assert fed(twice, [data]).verdict is UNKNOWN


@pytest.mark.parametrize(
    ("headers", "found"), [(SSE, True), (JSON, False), (None, False), ((("content-type", " TEXT/event-stream"),), True)]
)
def test_which_headers_are_those_of_a_stream(headers: Any, found: bool) -> None:
    """Those whose kind is a stream of events."""
    assert streams(headers) is found


@pytest.mark.parametrize("array", [False, True])
def test_nothing_is_copied_before_it_must_be(array: bool) -> None:
    """Pieces are held as they are until somebody asks."""
    watcher, pieces = watcher_for(ENDS[GEMINI], array=array), [b"[{", b"}", b"]"]
    fed(watcher, pieces)
    assert [id(it) for it in watcher._held] == [id(it) for it in pieces]
