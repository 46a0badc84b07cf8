"""What a stream's story is, and how one is cut, compressed and fed to a watcher. Must not know any client or story."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from anyint_resilience.contract.streams import STREAMS, StreamEnds
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.frames import event_of
from anyint_resilience.streams.marks import Marks, Verdict
from anyint_resilience.streams.watcher import Watcher

ENDS = {row.name: row for row in STREAMS}
CHAT, RESPONSES, CLAUDE = "openai_chat", "openai_responses", "anthropic_messages"
GEMINI, QWEN = "gemini_generate", "dashscope_native"
NEVER = 10_000
DONE = b"data: [DONE]\n\n"
BEAT = b": keep-alive\n\n"
BOM = b"\xef\xbb\xbf"
FOX = "Grüße, 狐 🦊"  # characters of two, three and four bytes
SPOKEN = {"content": 2, "text": "Hello, " + FOX}
SAID = {**SPOKEN, "finish": "stop"}
LINE_ENDS = (b"\n", b"\r", b"\r\n")
KNOWN = ("content", "text", "usage", "finish", "last_id", "status", "error", "malformed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One stream: ``blocks`` have LF. It is ``verdict`` from the block ``end`` on, SOFT from ``soft`` on, CUT before.

    ``says`` are the marks after the last block; those that are not named are as in a stream that said nothing.
    """

    name: str
    dialect: str
    blocks: tuple[bytes, ...]
    end: int = NEVER
    verdict: Verdict = Verdict.WHOLE
    soft: int = NEVER
    says: dict[str, Any] = field(default_factory=dict)
    array: bool = False

    def __str__(self) -> str:
        return f"{self.dialect}-{self.name}"

    def sent(self, line_end: bytes = b"\n") -> tuple[bytes, ...]:
        """Return the blocks with these ends of lines."""
        return tuple(block.replace(b"\n", line_end) for block in self.blocks)

    def whole(self, line_end: bytes = b"\n") -> bytes:
        """Return all bytes."""
        return b"".join(self.sent(line_end))

    def verdict_after(self, blocks: int) -> Verdict:
        """Return what the stream is after so many whole blocks."""
        if blocks > self.end:
            return self.verdict
        return Verdict.SOFT if blocks > self.soft else Verdict.CUT

    def verdicts(self, line_end: bytes = b"\n", more: int = 0) -> list[Verdict]:
        """Return what the stream is when cut after 0, 1, 2 ... bytes; ``more`` bytes come before the first block."""
        found, size = [self.verdict_after(0)] * more, 0
        for count, block in enumerate(self.sent(line_end)):
            found += [self.verdict_after(count)] * len(block)
            size += len(block)
        return [*found, self.verdict_after(len(self.blocks))]

    def watcher(self, coding: str = "") -> Watcher:
        """Return a new watcher of such a stream."""
        return watcher_for(ENDS[self.dialect], coding, array=self.array)

    @property
    def expected(self) -> dict[str, Any]:
        """All marks after the last block, and the verdict."""
        nothing = {
            "content": 0,
            "text": "",
            "malformed": 0,
            "verdict": self.verdict_after(len(self.blocks)),
        }
        found = {**dict.fromkeys(KNOWN), **nothing, **self.says}
        return found if ENDS[self.dialect].text_paths else {**found, "text": None}


def told(it: Watcher | Marks) -> dict[str, Any]:
    """Return all that a watcher knows."""
    marks = it if isinstance(it, Marks) else it.marks
    return {**{name: getattr(marks, name) for name in KNOWN}, "verdict": it.verdict}


def fed(watcher: Watcher, pieces: Iterable[bytes]) -> Watcher:
    """Feed pieces, and return the watcher."""
    for piece in pieces:
        watcher.feed(piece)
    return watcher


def held(watcher: Watcher) -> int:
    """Return how many bytes a watcher keeps alive; a view of a piece keeps the whole of it."""
    return sum(map(len, watcher._held)) + (held(watcher._inner) if hasattr(watcher, "_inner") else 0)


def cut_up(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Cut data into pieces of these sizes, and a last one."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


def squeezed(data: bytes, coding: str, level: int = 6) -> bytes:
    """Compress data: ``gzip``, ``deflate`` (zlib) or ``raw`` (deflate without its header)."""
    machine = zlib.compressobj(level, wbits={"gzip": 31, "deflate": 15, "raw": -15}[coding])
    return machine.compress(data) + machine.flush()


def text_of(document: Any) -> bytes:
    """Return JSON as the gateway writes it: compact, and nothing escaped that need not be."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def event(document: Any, name: str = "", head: bytes = b"") -> bytes:
    """Return one event; with a ``name`` it has an ``event:`` line."""
    named = b"event: %s\n" % name.encode() if name else b""
    return head + named + b"data: " + text_of(document) + b"\n\n"


def pieces_of(blocks: list[bytes], size: int | None) -> list[bytes]:
    """Return the same bytes in pieces of a size, None for one piece of each block."""
    data = b"".join(blocks)
    return blocks if size is None else [data[at : at + size] for at in range(0, len(data), size)]


def looked_at(watcher: Watcher, pieces: list[bytes]) -> int:
    """Feed pieces as a transport does, which asks until content has come; return the most bytes that were held."""
    most, begun = 0, False
    for piece in pieces:
        watcher.feed(piece)
        begun = begun or watcher.begun
        most = max(most, held(watcher))
    return most


def marks(dialect: str | StreamEnds, *events: bytes) -> Marks:
    """Return what these events have said."""
    found = Marks(ENDS[dialect] if isinstance(dialect, str) else dialect)
    for raw in events:
        event = event_of(raw)
        assert event is not None
        found.take(event)
    return found
