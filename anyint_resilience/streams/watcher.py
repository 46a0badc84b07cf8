"""The watcher: fed with the raw pieces of a stream, it says at any time whether that is whole. Pure, without a copy.

Must not know any client, nor what is done about it. What comes in is only kept by reference; it is looked at when
somebody asks, or when more than 64 KiB are held: then the older half is counted, and read only where it tells of an
error. So the end of a stream is always read whole, and what a piece costs is next to nothing. The price: of several
choices in one stream, one that both begins and stops for good in what was only counted is not known of.
"""

from __future__ import annotations

from ..contract.streams import StreamEnds
from .frames import event_of, plain
from .marks import Marks, Verdict

__all__ = ["MAX_EVENT", "MAX_HELD", "Watcher"]

MAX_HELD = 65_536
"""Bytes that are held before the older half is counted and let go."""
KEPT = 16_384
"""Bytes at the end that are never only counted."""
MAX_EVENT = 16 * 1024 * 1024
"""Bytes of one event; of a stream with a longer one nothing more is known."""

_STEP = 256 * 1024
"""Bytes of such an event that are held in the pieces they came in: those may be of a byte or two."""

_TELLING = (b'data: {"error"', b'data:{"error"', b'data: {"type":"error"', b'data: {"type": "error"')
_FAILING = (b"event: error", b"event:error")
"""How a line begins that tells of an error."""


_LONG = 4_096
_LAST = 1_024
"""Bytes at the end that are enough to tell that a stream is over."""


class Watcher:
    """One stream of server-sent events. ``marks`` is what is known once it was asked for; ``size`` how much came."""

    __slots__ = (
        *("_ends", "_first", "_held", "_limit", "_marks", "_quiet", "_rest", "_seen", "_size", "_total"),
        *("_scanned", "_strange", "coded", "opaque", "strict"),
    )

    def __init__(self, ends: StreamEnds) -> None:
        self._ends = ends
        self.strict = ends.hollow_done
        """Whether SDKs may stop to read before its end."""
        self.coded = False
        """Whether its pieces come in a coding, so that nothing in them shows."""
        self._marks = Marks(ends)
        self._held: list[bytes] = []
        self._size = self._rest = self._seen = self._total = 0
        self._scanned = 0
        self._limit = MAX_HELD
        self._first = True
        self._quiet = tuple(b"event:" + gap + it.encode() for it in ends.ignored_events for gap in (b"", b" "))
        self._strange = (*self._quiet, *_FAILING)
        self.opaque = False
        """In a coding that is not read here, or with an event that is too long: nothing is known."""

    def feed(self, chunk: bytes) -> None:
        """Take a piece of any size. On the way of every piece: it is looked at later."""
        self._held.append(chunk)
        size = self._size = self._size + len(chunk)
        if size > self._limit:
            self._let_go()

    @property
    def size(self) -> int:
        """How many bytes came."""
        return self._total + self._size - self._rest

    @property
    def marks(self) -> Marks:
        """What all whole events have said so far."""
        self._look()
        return self._marks

    @property
    def begun(self) -> bool:
        """Whether any content has come, or so much that nobody would wait for it."""
        return self.opaque or self.marks.content > 0 or self._size > MAX_HELD

    @property
    def verdict(self) -> Verdict:
        """What it is, if this was all."""
        verdict = self.marks.verdict
        return Verdict.UNKNOWN if self.opaque and verdict is Verdict.CUT else verdict

    def tail(self, chunk: bytes, most: int) -> bytes:
        """Return the end of what the piece says that was fed last."""
        return chunk[-most:]

    def has_failed(self) -> bool:
        """Whether it says that it failed; asked without touching anything, from any thread."""
        if self._marks.error is not None or self.opaque:
            return self._marks.error is not None
        alone = type(self)(self._ends)
        alone.feed(b"".join(list(self._held)))
        return alone.verdict is Verdict.FAILED

    def mend(self) -> bytes:
        """Take note that this was all; return the end of a last event that lacks no more than that, or nothing.

        A server may leave the last blank line out, and what no blank line ends is no event to a reader.
        """
        before = self.verdict
        if before in (Verdict.WHOLE, Verdict.FAILED) or not self._size or self.opaque:
            return b""
        alone = Watcher(self._ends)
        alone.feed(b"".join(self._held) + b"\n\n")
        if alone.verdict not in (Verdict.WHOLE, Verdict.SOFT) and not alone.marks.done:
            return b""
        self.feed(b"\n\n")
        after = self.verdict
        return b"\n\n" if after is Verdict.WHOLE or (after is Verdict.SOFT and before is Verdict.CUT) else b""

    def _look(self) -> None:
        """Read every whole event that is held."""
        if self._size > self._seen and not self.opaque and self._ending(b"\n", b"\r"):
            block, left = self._block()
            end = block.rfind(b"\n\n") + 2
            if end > 1:
                if end <= 2 * _LAST or self._first or self._marks.many or not self._ended(block, end):
                    self._read(block[:end])
                block = block[end:]
            self._keep([block + left])
            self._seen = self._size

    def _ending(self, *marks: bytes) -> bool:
        """Whether an event may end in what is new: one that is long is not looked at anew for each of its pieces."""
        if self._seen <= _LONG:
            return True
        fresh, self._scanned = self._held[1 + self._scanned :], len(self._held) - 1
        return any(mark in it for it in fresh for mark in marks)

    def _ended(self, block: bytes, end: int) -> bool:
        """Whether its last events say that it is over well: those are read, and all before them is only counted."""
        cut, last = block.rfind(b"\n\n", 0, end - _LAST) + 2, Marks(self._ends)
        if cut < 2:  # it is one event
            return False
        for raw in block[cut:end].split(b"\n\n"):
            event = event_of(raw)
            if event is not None:
                last.take(event)
        if not last.done or last.verdict is not Verdict.WHOLE or not self._counted([block[:cut]]):
            return False
        self._read(block[cut:end])
        return True

    def _let_go(self) -> None:
        """Count the older part of what is held, and read it only where it may tell of more than content."""
        if self.opaque:
            self._keep([])
            return
        index, kept, held = len(self._held), 0, self._held
        while index and kept < KEPT:
            index -= 1
            kept += len(held[index])
        older, rest = held[:index], held[index:]
        if older and not self._first and not self._marks.many and self._simple(older):
            self._marks.skipped(index, None)
            self._keep(rest)
            return
        if not older or self._first or not all(it[-2:] == b"\n\n" for it in older):  # no whole events: so that they are
            block, left = self._block()
            end = block.rfind(b"\n\n", 0, max(0, len(block) - KEPT)) + 2
            older, rest = ([block[:end]], [block[end:] + left]) if end > 1 else ([], [block + left])
        if older and (self._first or self._marks.many or not self._counted(older)):
            for it in older:
                self._read(it)
        self._keep(rest)

    def _simple(self, pieces: list[bytes]) -> bool:
        """Whether each piece is one event of content, its data in one line: as most are, and quickly told."""
        for piece in pieces:
            at = 0
            if piece[:6] == b"event:":
                if piece.startswith(self._strange):
                    return False
                at = piece.find(b"\n") + 1
            if piece.find(b"\n", at) != len(piece) - 2 or piece[at : at + 5] != b"data:" or piece[-1] != 10:
                return False
            if piece.startswith(_TELLING, at):
                return False
        return True

    def _block(self) -> tuple[bytes, bytes]:
        block = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        return plain(block, first=self._first)

    def _keep(self, rest: list[bytes]) -> None:
        """Hold on to what was not looked at yet."""
        self._total += self._size - self._rest
        size = sum(map(len, rest))
        if size > MAX_EVENT:
            self.opaque, rest, size = True, [], 0
        self._held = rest if size else []
        self._size, self._rest, self._seen, self._scanned = size, size, 0, 0
        self._limit = MAX_HELD if size <= 2 * KEPT else size + min(size, _STEP)

    def _read(self, whole: bytes) -> None:
        self._first = False
        for raw in whole.split(b"\n\n"):
            event = event_of(raw)
            if event is not None:
                self._marks.take(event)

    def _counted(self, whole: list[bytes]) -> bool:
        """Count the events that have data, but for keep-alives; False where one may tell of an error."""
        count, ident = 0, None
        for piece in whole:
            find, begins, at, filled = piece.find, piece.startswith, 0, 0
            while (end := find(b"\n", at)) >= 0:  # to look for more would be to look at each byte
                if end == at:
                    count, filled = count + (filled == 1), 0
                elif begins(b"data:", at):
                    if begins(_TELLING, at):
                        return False
                    filled |= 1
                elif begins(self._quiet, at):
                    filled = 2
                elif begins(b"id:", at):
                    ident = piece[at + 3 : end]
                elif begins(_FAILING, at):
                    return False
                at = end + 1
        self._first = False
        self._marks.skipped(count, None if ident is None else ident.strip().decode("utf-8", "replace"))
        return True
