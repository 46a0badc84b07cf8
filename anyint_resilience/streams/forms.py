"""Other forms in which a stream comes: an array of documents, and in a content coding. Pure.

Must not know any client, nor what is done about it.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from ..contract.streams import StreamEnds
from .marks import Marks, Verdict
from .watcher import Watcher

__all__ = ["GZIP", "ArrayWatcher", "CodedWatcher"]

_BETWEEN = re.compile(r"[ \t\r\n,]*")
GZIP = ("gzip", "x-gzip")
_PIECE = 65_536
_PLAIN = (b"\xef\xbb\xbf", b"data:", b"event:", b"id:", b"retry:", b":", b"\r", b"\n", b"[", b"{")
"""How a stream begins whose coding the client has undone already."""


class ArrayWatcher(Watcher):
    """One that is a JSON array of documents (Gemini without ``alt=sse``), or a single document."""

    __slots__ = ("_closed", "_left", "_opened")

    def __init__(self, ends: StreamEnds) -> None:
        super().__init__(ends)
        self._opened = self._closed = False
        self._left = 0  # how long what no document ends was, when it was looked at last

    @property
    def verdict(self) -> Verdict:
        """What it is, if this was all: an array that is not closed is not whole."""
        verdict = super().verdict
        return verdict if self._closed or verdict is not Verdict.WHOLE else Verdict.CUT

    def mend(self) -> bytes:
        """Return nothing: what is not closed is not whole."""
        return b""

    def _look(self) -> None:
        if self._size <= self._seen or self.opaque or not self._ending(b"}"):
            return
        block, at = b"".join(self._held), 0
        try:
            text, left = block.decode("utf-8"), b""
        except UnicodeDecodeError as error:  # perhaps in the middle of a character
            text, left = block[: error.start].decode("utf-8"), block[error.start :]
            self.opaque = len(left) > 3
        while not self.opaque:
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
            mark = text[at : at + 1]
            if mark == "[" and not self._opened:
                self._opened, at = True, at + 1
            elif mark == "]" and self._opened:
                self._closed, at = True, at + 1
            elif mark == "{":
                try:
                    document, at = json.JSONDecoder().raw_decode(text, at)
                except ValueError:  # its end has not come
                    break
                except RecursionError:
                    self.opaque = True
                else:
                    self._marks.read(document)
                    self._closed = self._closed or not self._opened
            else:
                self.opaque = bool(mark)
                break
        self._keep([text[at:].encode() + left])
        self._seen = self._left = self._size

    def _let_go(self) -> None:
        if self.opaque:
            self._keep([])
            return
        if self._size >= 2 * self._left:
            self._look()
        if self._size > self._limit:
            ending = self._ending(b"}")
            self._keep([b"".join(self._held)])
            self._seen = 0 if ending else self._size  # not looked at yet, or no document ends in what came


class CodedWatcher(Watcher):
    """One in a content coding: gzip and deflate are undone, unless the client did; of others nothing is known."""

    __slots__ = ("_came", "_coding", "_inner", "_last", "_machine", "_plain", "_start")

    def __init__(self, ends: StreamEnds, inner: Watcher, coding: str) -> None:
        super().__init__(ends)
        self._inner = inner
        self._coding = coding
        self._machine: Any = None
        self._came = 0
        self._plain: bool | None = None
        self._start = self._last = b""

    def feed(self, chunk: bytes) -> None:
        """Take a piece as it came."""
        self._came += len(chunk)
        if self._plain is None and chunk:
            chunk = self._start + chunk
            if not chunk.startswith(_PLAIN) and any(it.startswith(chunk) for it in _PLAIN):
                self._start = chunk  # too little to tell
                return
            self._plain = chunk.startswith(_PLAIN)
            self.coded = not self._plain
            self.opaque = not self._plain and self._coding not in (*GZIP, "deflate")
        if self._plain:
            self._inner.feed(chunk)
            return
        full = False
        while (chunk or full) and not (self.opaque or self._inner.opaque):
            if self._machine is None or self._machine.eof:  # another member may follow
                self._machine = zlib.decompressobj(self._window(chunk))
            try:
                piece = self._machine.decompress(chunk, _PIECE)
            except zlib.error:
                self.opaque = True
                return
            full = len(piece) == _PIECE and not self._machine.eof
            chunk = self._machine.unused_data or self._machine.unconsumed_tail
            if piece:
                self._last = piece
                self._inner.feed(piece)
            elif self._machine.eof and not any(chunk):
                return  # padding

    def _window(self, chunk: bytes) -> int:
        """Return the window: what is called deflate may come without its header (RFC 9110 8.4.1.2)."""
        if self._coding in GZIP:
            return 16 + zlib.MAX_WBITS
        return zlib.MAX_WBITS if chunk[0] & 0x0F == 8 else -zlib.MAX_WBITS

    @property
    def marks(self) -> Marks:
        """What all whole events have said so far."""
        return self._inner.marks

    @property
    def begun(self) -> bool:
        """Whether any content has come, or so much that nobody would wait for it."""
        return self.opaque or self._inner.begun

    @property
    def verdict(self) -> Verdict:
        """What it is, if this was all."""
        verdict = self._inner.verdict
        return Verdict.UNKNOWN if self.opaque and verdict is Verdict.CUT else verdict

    def tail(self, chunk: bytes, most: int) -> bytes:
        """Return the end of what the piece says that was fed last."""
        return (chunk if self._plain else self._last)[-most:]

    def has_failed(self) -> bool:
        """Whether it says that it failed."""
        return self._inner.has_failed()

    def mend(self) -> bytes:
        """Return the end of a last event that lacks no more than that, where it can be given as it is."""
        return self._inner.mend() if self._plain else b""

    @property
    def size(self) -> int:
        """How many bytes came, before they were decompressed."""
        return self._came
