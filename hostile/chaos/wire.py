"""An answer's bytes: where its head, framing, data and trailer stand, and what a fault makes of them.

Pure: must not know sockets, plans of calls or clients.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from .plan import CUTS, Fault

__all__ = ["Act", "Reply", "Span", "Tampered", "tampered"]

JUNK: Final = b"\x00\xff\x16\x03 no HTTP"  # without an end of line, for it must not end a head
_SETTLE: Final = 0.02  # seconds to read what was sent: an RST may overtake data
_TRAILER: Final = b"x-chaos-trailer: set\r\n"
_MOST_DRIPPED: Final = 4096
_DRIPS: Final = 12

Act = tuple[Literal["send"], bytes] | tuple[Literal["rest"], float] | tuple[Literal["end"], str]
"""Send bytes, let seconds pass, or end the connection in one of the ways of ``CUTS``."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a part of an answer stands: ``head``, ``size``, ``data``, ``crlf``, ``last`` or ``trailer``."""

    part: str
    start: int
    end: int


@dataclass(slots=True)
class Reply:
    """An answer, read as it comes."""

    raw: bytearray = field(default_factory=bytearray)
    spans: list[Span] = field(default_factory=list)
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    broken: bool = False
    _at: int = 0
    _left: int | None = None
    _next: str = "head"

    def feed(self, data: bytes) -> None:
        """Take more bytes."""
        self.raw += data
        while not (self.complete or self.broken) and self._step():
            pass

    @property
    def chunked(self) -> bool:
        """Whether its body comes in chunks."""
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    def _step(self) -> bool:
        if self._next == "head":
            return self._head()
        if self._next == "data":
            return self._data()
        line = self.raw.find(b"\n", self._at)
        if line < 0:
            return False
        return self._line(line + 1)

    def _head(self) -> bool:
        end = self.raw.find(b"\r\n\r\n", self._at)
        if end < 0:
            return False
        lines = bytes(self.raw[self._at : end]).decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdigit():
            self.broken = True
            return False
        status, self._at = int(words[1]), end + 4
        if status < 200:  # another head follows
            return True
        self.status = status
        self.headers = {
            name.strip().lower(): value.strip() for name, _, value in (it.partition(":") for it in lines[1:])
        }
        self.spans.append(Span("head", 0, self._at))
        if self.chunked:
            self._next = "size"
        else:
            length = self.headers.get("content-length")
            self._left = 0 if status in (204, 304) else None if length is None else int(length)
            self._next = "data"
            self.complete = self._left == 0
        return True

    def _data(self) -> bool:
        come = len(self.raw) - self._at
        if come <= 0:
            return False
        taken = come if self._left is None else min(come, self._left)
        start, self._at = self._at, self._at + taken
        self.body += self.raw[start : self._at]
        if self.spans[-1].part == "data":
            start = self.spans.pop().start
        self.spans.append(Span("data", start, self._at))
        if self._left is not None:
            self._left -= taken
            if self._left == 0:
                self.complete = not self.chunked
                self._next = "crlf"
        return True

    def _line(self, end: int) -> bool:
        start, line, self._at = self._at, bytes(self.raw[self._at : end]).strip(), end
        part = self._next
        if part == "size":
            self._left = int(line, 16)
            part, self._next = ("size", "data") if self._left else ("last", "trailer")
        elif part == "crlf":
            self._next = "size"
            self.broken = end - start != len(b"\r\n") or bool(line)
        else:
            self.complete = not line
        self.spans.append(Span(part, start, end))
        return True


@dataclass(frozen=True, slots=True)
class Tampered:
    """What is sent in the place of an answer; ``whole``: all of it still arrives, as it was, if nothing is lost."""

    acts: list[Act]
    phase: str
    kind: str
    whole: bool = False


def tampered(reply: Reply, fault: Fault) -> Tampered:
    """Return what a fault makes of a complete answer. A place that it has not is taken for the nearest it has."""
    phase, kind, raw = fault.phase, fault.kind, bytes(reply.raw)
    if phase == "trailer" and not reply.chunked:
        phase, kind = "after", kind if kind in (*CUTS[:3], "garbage") else "fin"
    if phase == "data" and not reply.body:
        phase = "framing"
    if phase == "after":
        return Tampered(_after(raw, kind, settled=fault.settled), phase, kind, whole=True)
    if phase == "trailer":
        last = next(it for it in reply.spans if it.part == "last")
        raw, span = raw[: last.end] + _TRAILER + raw[last.end :], Span("trailer", last.end, len(raw) + len(_TRAILER))
    else:
        span = _span(reply, phase, fault.pick)
    if kind == "clean":
        return Tampered([("send", raw)], phase, kind, whole=True)
    if kind == "drip":
        return Tampered(_dripped(raw), phase, kind, whole=True)
    place = span.start + min(int(fault.at * (span.end - span.start)), span.end - span.start - 1)
    if kind in CUTS:
        return Tampered(_cut(raw[:place], kind, settled=fault.settled), phase, kind)
    if phase == "trailer":
        return Tampered([("send", raw[: span.start] + JUNK), ("end", "fin")], phase, kind)
    changed = _garbled(reply, raw, span, place, fault, phase)
    if changed is None:  # no client could see it: no Content-Length says so, or a shorter one
        return Tampered(_cut(raw[:place], "fin", settled=True), phase, "fin")
    return Tampered([("send", changed), ("end", "fin")], phase, kind)


def _span(reply: Reply, phase: str, pick: int) -> Span:
    parts = {"response_head": ("head",), "framing": ("size", "crlf", "last"), "data": ("data",)}[phase]
    found = [it for it in reply.spans if it.part in parts]
    if found:
        return found[pick % len(found)]
    start = bytes(reply.raw).lower().find(b"content-length:")
    if start < 0:
        return reply.spans[0]
    return Span("length", start, reply.raw.find(b"\r\n", start) + 2)


def _cut(sent: bytes, how: str, *, settled: bool) -> list[Act]:
    acts: list[Act] = [("send", sent)] if sent else []
    return [*acts, *([("rest", _SETTLE)] if settled and how == "rst" else []), ("end", how)]  # type: ignore[list-item]


def _after(raw: bytes, kind: str, *, settled: bool) -> list[Act]:
    if kind == "garbage":
        return [("send", raw), *([("rest", _SETTLE)] if settled else []), ("send", JUNK)]  # type: ignore[list-item]
    if kind in ("idle_rst", "idle_fin"):  # when the next request has come: see proxy
        return [("send", raw)]
    return _cut(raw, kind, settled=settled)


def _dripped(raw: bytes) -> list[Act]:
    if len(raw) > _MOST_DRIPPED:
        return [("send", raw)]
    size = max(1, len(raw) // _DRIPS)
    acts: list[Act] = []
    for start in range(0, len(raw), size):
        acts += [("send", raw[start : start + size]), ("rest", 0.001)]
    return acts


def _garbled(reply: Reply, raw: bytes, span: Span, place: int, fault: Fault, phase: str) -> bytes | None:
    """Return the bytes changed so that HTTP's own framing can show it; None where it can't."""
    if fault.kind == "garbage":
        return None if span.part == "data" and not reply.chunked else raw[:place] + JUNK
    if phase == "response_head":
        return _in_head(reply, raw, span, fault)
    if span.part == "length":
        return _in_length(raw, span, fault)
    if span.part == "data" and not reply.chunked:
        return raw[:place] + raw[place + fault.size :] if fault.kind == "truncate" else None
    if fault.kind == "truncate":
        return _without(raw, span, place)
    if fault.kind == "duplicate":
        return raw[: place + 1] + raw[place : place + fault.size] + raw[place + 1 :]
    return _in_framing(raw, span, place, fault) if span.part != "data" else None


def _in_head(reply: Reply, raw: bytes, span: Span, fault: Fault) -> bytes | None:
    """Change the word HTTP/1.1 or the blank line: of a status or a header another good one could come."""
    blank = span.end - 2
    place = blank + fault.pick % 2 if fault.pick % 3 == 0 else fault.pick % 5
    if fault.kind == "flip":
        return raw[:place] + bytes([raw[place] ^ (1 << (fault.pick % 7))]) + raw[place + 1 :]
    if fault.kind == "truncate":
        return raw[:place] + raw[place + 1 :]
    if reply.chunked or place >= blank:
        return raw[: min(place, 5)] + raw
    longer = b"content-length: %d\r\n" % (len(reply.body) + fault.size)
    return raw[:blank] + longer + raw[blank:]


def _in_length(raw: bytes, span: Span, fault: Fault) -> bytes:
    """Change a Content-Length into a longer one, or into none."""
    last = span.end - 3
    wrong = b"x" if fault.kind == "flip" else raw[last : last + 1] * 2
    return raw[:last] + wrong + raw[last + 1 :]


def _without(raw: bytes, span: Span, place: int) -> bytes | None:
    """Take a byte out; never so that a chunk's size says it is the last one."""
    made = raw[:place] + raw[place + 1 :]
    return made if span.part != "size" or made[span.start : span.end - 1].strip().strip(b"0") else None


def _in_framing(raw: bytes, span: Span, place: int, fault: Fault) -> bytes:
    """Flip a bit of a chunk's size or of a line's end; never so that the size says it is the last one."""
    for turn in range(7):
        bit = 1 << ((fault.pick + turn) % 7)
        flipped = raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :]
        told = flipped[span.start : span.end].strip()
        if span.part == "crlf" or told.strip(b"0; \r\n"):
            return flipped
    return raw[:place] + b"?" + raw[place + 1 :]
