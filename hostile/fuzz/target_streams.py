"""Watching a stream in every dialect, form and coding, its bytes cut anywhere: however it comes, it says the same.

Must not know how the fuzzer works. An input: ``DIALECT FORM CODING MODE CUTS``, and the bytes of a stream. ``FORM`` is
``sse`` or ``array``; ``CODING`` is the one it is sent in, ``as-gzip`` for one that is named and not used;
``MODE`` ``json`` makes JSON of each event's data; ``CUTS`` the sizes of pieces, with commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.streams import STREAMS, StreamEnds, ends_of
from anyint_resilience.contract.words import Operation
from anyint_resilience.listening import read_failed
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.frames import Event
from anyint_resilience.streams.marks import MAX_TEXT, Marks, Verdict
from anyint_resilience.streams.watcher import Watcher

from .shapes import dumped, loose, message, number, pick, squeezed, written
from .sound import sound_observation

__all__ = ["check", "seeds", "words"]

_BY_NAME: Final = {row.name: row for row in STREAMS}
_CODINGS: Final = {it: it for it in ("", "gzip", "deflate", "raw", "as-gzip", "as-br")}
_MARKS: Final = ("content", "text", "usage", "finish", "last_id", "status", "error", "malformed", "done", "stopped")
_EXACT: Final = 2048
"""Bytes of a stream of which every mark is compared; of the older part of a longer one content is only counted."""
_GOOD: Final = (Verdict.WHOLE, Verdict.SOFT)
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class Stream(NamedTuple):
    """One stream as it goes over the wire."""

    ends: StreamEnds
    array: bool
    coding: str
    plain: bytes
    sent: bytes
    cuts: list[int]

    def watcher(self) -> Watcher:
        """Return a new watcher of it."""
        named = {"raw": "deflate", "as-gzip": "gzip", "as-br": "br"}.get(self.coding, self.coding)
        return watcher_for(self.ends, named, array=self.array)


def stream_of(data: bytes) -> Stream:
    """Return the stream that an input stands for."""
    said = message(data)
    ends = pick(STREAMS, said.word(0), _BY_NAME)
    array, coding = said.word(1) == "array", pick(tuple(_CODINGS), said.word(2), _CODINGS)
    plain = said.body if said.word(3) == "raw" else _with_json(said.body, array=array)
    cuts = [number(it, 4096, 1) for it in said.word(4).split(",")[:64]]
    return Stream(ends, array, coding, plain, squeezed(plain, coding), cuts)


def _with_json(body: bytes, *, array: bool) -> bytes:
    if array:
        return dumped(loose(body.decode("utf-8", "replace")))
    lines = body.split(b"\n")
    for at, line in enumerate(lines):
        field, colon, value = line.partition(b":")
        if field == b"data" and colon and value.strip() != b"[DONE]":
            lines[at] = b"data: " + dumped(loose(value.decode("utf-8", "replace")))
    return b"\n".join(lines)


def check(data: bytes) -> None:
    """In one piece, in any pieces, byte by byte, with any ends of lines, asked at any time: the same marks."""
    it = stream_of(data)
    whole = _fed(it, [it.sent])
    _sound(it, whole)
    _same(it, whole, _fed(it, _pieces(it.sent, it.cuts), ask=True))
    if len(it.sent) <= 1024:
        _same(it, whole, _fed(it, [it.sent[at : at + 1] for at in range(len(it.sent))]))
    if not it.array and it.coding == "":
        _as_the_standard_says(it, whole)
        if b"\r" not in it.plain:
            for line_end in (b"\r\n", b"\r"):
                sent = it.plain.replace(b"\n", line_end)
                if not sent.endswith(b"\r"):  # which may be the half of a CRLF
                    _same(it, whole, _fed(it, _pieces(sent, it.cuts), ask=True))
    _mended(it)


def _pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in cuts:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


def _fed(it: Stream, pieces: list[bytes], *, ask: bool = False) -> Watcher:
    watcher, total = it.watcher(), 0
    for piece in pieces:
        watcher.feed(piece)
        total += len(piece)
        assert watcher.size == total
        if ask:
            assert watcher.verdict in Verdict
            assert watcher.begun in (True, False)
            assert watcher.size == total
    return watcher


def _told(watcher: Watcher) -> dict[str, Any]:
    return {**{name: getattr(watcher.marks, name) for name in _MARKS}, "verdict": watcher.verdict}


def _same(it: Stream, whole: Watcher, other: Watcher) -> None:
    """However it came, it says the same; of a coding that breaks, more may have been read before it does."""
    one, two = _told(whole), _told(other)
    if whole.opaque or other.opaque or _inner(whole).opaque or _inner(other).opaque:
        return
    if len(it.plain) > _EXACT:
        one, two = {"verdict": one["verdict"]}, {"verdict": two["verdict"]}
    assert one == two, (one, two)


def _inner(watcher: Watcher) -> Watcher:
    return getattr(watcher, "_inner", watcher)


def _sound(it: Stream, watcher: Watcher) -> None:
    """What is kept of it is bounded, it knows its own failure, and a failure reads as an answer that failed."""
    marks, verdict = watcher.marks, watcher.verdict
    assert marks.text is None or len(marks.text) <= MAX_TEXT + len(it.plain)
    assert marks.usage is None or len(marks.usage) <= 256
    assert marks.finish is None or len(marks.finish) <= 64
    assert marks.status is None or 0 <= marks.status <= 999
    assert 0 <= marks.content <= len(it.plain)
    assert watcher.has_failed() == (verdict is Verdict.FAILED)
    assert (marks.error is not None) == (verdict is Verdict.FAILED)
    if verdict is Verdict.FAILED:
        seen = read_failed(_ROUTE_OF[it.ends.name], marks, 200, {"content-encoding": "gzip"}, 1.8e9)
        assert seen.cause is not None
        sound_observation(seen, status=200)


def _mended(it: Stream) -> None:
    """Only a blank line is ever made up, once, and then the stream is one that ended well."""
    watcher = _fed(it, [it.sent])
    before = watcher.verdict
    added = watcher.mend()
    assert added in (b"", b"\n\n")
    if added:
        assert before not in (Verdict.WHOLE, Verdict.FAILED)
        assert watcher.verdict in _GOOD
        assert watcher.mend() == b""


def _as_the_standard_says(it: Stream, watcher: Watcher) -> None:
    """The marks are those of the events that WHATWG's rules give, read line by line (HTML 9.2.6)."""
    if len(it.plain) > _EXACT or watcher.opaque:
        return
    marks, half = Marks(it.ends), it.plain.endswith(b"\r") and not it.plain.endswith(b"\r\r")
    for event in _events(it.plain[:-1] if half else it.plain):  # it may be the half of a CRLF, and is waited for
        marks.take(event)
    for name in _MARKS:
        assert getattr(marks, name) == getattr(watcher.marks, name), name


def _events(data: bytes) -> Iterator[Event]:
    name, ident, values, comments = "", None, list[bytes](), list[bytes]()
    lines = _LINE_END.split(data.removeprefix(b"\xef\xbb\xbf"))
    for line in lines[:-1]:
        if not line:
            if values or name or comments or ident is not None:
                yield Event(name, b"\n".join(values) if values else None, ident, tuple(comments))
            name, ident, values, comments = "", None, list[bytes](), list[bytes]()
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if line[:1] == b":":
            comments.append(line)
        elif field == b"data":
            values.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            ident = value.decode("utf-8", "replace")


def _route_of(ends: StreamEnds) -> Route:
    rows = RouteTable().routes
    streams = (it for it in rows if it.operation in (Operation.GENERATE, Operation.STREAM, Operation.CREATE))
    return next(it for it in streams if ends_of(it.family, it.template) is ends)


_ROUTE_OF: Final = {row.name: _route_of(row) for row in STREAMS}


# --- where the fuzzer begins


def words() -> Iterator[str]:
    """Names of events and fields of every dialect, and what stands between events."""
    yield from ("\n\n", "\r\n\r\n", "\r", "data: ", "data:", "event: ", "id: ", "retry: 9", ": keep-alive", "[DONE]")
    yield from ("\ufeff", " raw ", " json ", " sse ", " array ", " gzip ", " deflate ", ":HTTP_STATUS/429")
    for row in STREAMS:
        yield row.name
        yield from (f"event: {it}\n" for it in sorted(row.done_events | row.failed_events | row.ignored_events))
        yield from (f'"type":"{it}"' for it in sorted(row.done_events | row.failed_events | row.empty_events))
        yield from sorted(row.failed_finishes | row.not_done)
        paths = (*row.content_paths, *row.text_paths, *row.usage_paths, *row.finish_paths, *row.error_paths)
        yield from sorted({f'"{key}":' for path in paths for key in path if key != "[]"})
    yield from ('"index":', '"error":{', '"code":', '"message":', "null", '"stop"', '"STOP"', '"thought":true')


def seeds() -> Iterator[bytes]:
    """One whole stream of each dialect, one that fails, in each coding and form, cut at some places."""
    for name, text in _TALES.items():
        dialect, _, form = name.partition(" ")
        for coding in _CODINGS:
            yield written([dialect, form.split("-")[0], coding, "json", "7,1,40"], body=text)
        yield written([dialect, form.split("-")[0], "", "raw", "1,2,3,100"], body=text)
    for depth in (50, 900, 985):
        for name in _BY_NAME:
            deep = 'data: {"error":' + "[" * depth + "1" + "]" * depth + "}\n\n"
            yield written([name, "sse", "", "raw", "1"], body=deep)


_TALES: Final = {
    "openai_chat sse": 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}\n\n'
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    'data: {"choices":[],"usage":{"total_tokens":3}}\n\ndata: [DONE]\n\n',
    "openai_chat sse-two": 'data: {"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}'
    '\n\ndata: {"choices":[{"index":1,"finish_reason":"length"}]}\n\n: keep-alive\n\n',
    "openai_chat sse-failed": 'data: {"error":{"message":"overloaded","code":503}}\n\n',
    "openai_responses sse": 'event: response.created\ndata: {"type":"response.created","response":{"status":'
    '"queued"}}\n\n'
    'event: response.output_text.delta\nid: 7\ndata: {"type":"response.output_text.delta","delta":"Hi"}\n\n'
    'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"total_tokens":3}}}\n\n',
    "openai_responses sse-failed": 'event: response.failed\ndata: {"type":"response.failed","response":{"error":'
    '{"code":"server_error","message":"x"}}}\n\n',
    "anthropic_messages sse": 'event: message_start\ndata: {"type":"message_start","message":{"usage":{'
    '"input_tokens":9}}}\n\nevent: ping\ndata: {"type":"ping"}\n\n'
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    '"text":"Hi"}}\n\nevent: message_delta\ndata: {"type":"message_delta","delta":'
    '{"stop_reason":"end_turn"}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
    "anthropic_messages sse-failed": 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',
    "gemini_generate sse": 'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"index":0}]}\n\n'
    'data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":3}}\n\n',
    "gemini_generate array": '[{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}\n,\r\n{"candidates":'
    '[{"finishReason":"STOP"}]}]',
    "gemini_generate array-failed": '[{"error":{"code":503,"status":"UNAVAILABLE","message":"x"}}]',
    "dashscope_native sse": "id:1\nevent:result\n:HTTP_STATUS/200\n"
    'data:{"output":{"choices":[{"message":{"content":"Hi"},"finish_reason":"null"}]}}\n\n'
    'id:2\nevent:result\ndata:{"output":{"text":"Hi","finish_reason":"stop"},"usage":{"total_tokens":3}}\n\n',
    "dashscope_native sse-failed": 'id:1\nevent:error\n:HTTP_STATUS/429\ndata:{"code":"Throttling","message":"x",'
    '"request_id":"r"}\n\n',
}
