"""Other forms of a stream than one plain event a piece, in all five dialects, and what those cost: for streams.py.

Must not know any client. What is measured is what stands on the way of every piece whatever the client: the watcher,
and what follows a stream to its end with it. Every stream is whole, and it is an error if it does not look so.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from _streams_chunks import DIALECTS, LARGEST, SMALLEST, Dialect, data_of

from anyint_resilience.contract.streams import STREAMS
from anyint_resilience.following import Following
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import Verdict

__all__ = ["ALL", "FORMS", "Form", "reader_of", "stream_of"]

SEED = 20_260_301
DIFFERENT = 100
CUT = 4_096
SMALL = 200
CHOICES = 4
IDLE = 3_600.0  # seconds, which never pass
_GZIP = 16 + zlib.MAX_WBITS


# The dialects that the clients are not measured with, and choices.


def _chat(index: int, text: str, finish: str | None) -> bytes:
    return data_of({"choices": [{"index": index, "delta": {"content": text} if text else {}, "finish_reason": finish}]})


def _gemini(index: int, text: str, finish: str | None) -> bytes:
    content: dict[str, Any] = {"index": index, "content": {"parts": [{"text": text}] if text else [], "role": "model"}}
    return data_of({"candidates": [content if finish is None else {**content, "finishReason": finish.upper()}]})


def _dashscope(index: int, text: str, finish: str | None) -> bytes:
    choice = {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": finish or "null"}
    return b"id:1\nevent:result\n:HTTP_STATUS/200\n" + data_of({"output": {"choices": [choice]}})


PARTS: dict[str, Callable[[int, str, str | None], bytes]] = {
    "openai chat": _chat,
    "gemini": _gemini,
    "dashscope": _dashscope,
}
"""One event of a choice, by its number, its text and the reason for its end: the dialects that have several."""
ALL = {
    **DIALECTS,
    **{
        name: Dialect("", {}, (), lambda text, part=part: part(0, text, None), (part(0, "", "stop"),))
        for name, part in PARTS.items()
        if name not in DIALECTS
    },
}


# The forms.


@dataclass(frozen=True)
class Form:
    """One form: what becomes of the events, the coding, whether content is waited for, how large events are."""

    dress: Callable[[list[bytes]], list[bytes]] = list
    coding: str = ""
    content_idle: float | None = None
    largest: int = LARGEST
    choices: int = 1
    native: tuple[str, ...] = ()
    """Dialects that come so anyway: they have no figure of their own."""


def _cut(events: list[bytes]) -> list[bytes]:
    """Cut where nothing ends."""
    whole = b"".join(events)
    return [whole[at : at + CUT] for at in range(0, len(whole), CUT)]


def _crlf(events: list[bytes]) -> list[bytes]:
    return [it.replace(b"\n", b"\r\n") for it in events]


def _identified(events: list[bytes]) -> list[bytes]:
    return [b"id: %d\n%b" % (number, it) for number, it in enumerate(events)]


def _together(events: list[bytes]) -> list[bytes]:
    """All choices are in the first piece: it is known from the beginning that there are several."""
    return [b"".join(events[: 2 * CHOICES]), *events[2 * CHOICES :]]


def _gzipped(events: list[bytes]) -> list[bytes]:
    """Each event so that it can be read at once."""
    machine = zlib.compressobj(wbits=_GZIP)
    pieces = [machine.compress(it) + machine.flush(zlib.Z_SYNC_FLUSH) for it in events]
    return [*pieces[:-1], pieces[-1] + machine.flush()]


FORMS = {
    "one event a piece, LF": Form(),
    "cut every 4 KiB, wherever that is": Form(_cut),
    f"events of {SMALL} bytes, cut every 4 KiB": Form(_cut, largest=SMALL),
    "with id lines": Form(_identified, native=("dashscope",)),
    "CRLF": Form(_crlf),
    "content_idle_timeout": Form(content_idle=IDLE),
    f"{CHOICES} choices": Form(choices=CHOICES),
    f"{CHOICES} choices, all in the first piece": Form(_together, choices=CHOICES),
    "gzip": Form(_gzipped, coding="gzip"),
}
"""By the names of the table. All but those that are cut have one event a piece."""


def stream_of(dialect: str, form: Form, count: int) -> list[bytes]:
    """Return a whole stream of so many events in a form; nothing where the dialect has none."""
    if dialect in form.native or (form.choices > 1 and dialect not in PARTS):
        return []
    found, chance, part = ALL[dialect], random.Random(SEED), PARTS.get(dialect)
    smallest = SMALLEST if form.largest == LARGEST else form.largest
    sizes = [smallest + (form.largest - smallest) * at // (DIFFERENT - 1) for at in range(DIFFERENT)]
    closing, contents = found.closing, [found.content]
    if form.choices > 1 and part is not None:
        contents = [lambda text, index=index: part(index, text, None) for index in range(form.choices)]
        closing = (*(part(index, "", "stop") for index in range(1, form.choices)), *closing)
    made = [
        contents[at % len(contents)](_text(chance, size - len(contents[0](""))))
        for at, size in enumerate(chance.sample(sizes, DIFFERENT))
    ]
    middle = count - len(found.opening) - len(closing)
    return form.dress([*found.opening, *(made[at % DIFFERENT] for at in range(middle)), *closing])


def _text(chance: random.Random, length: int) -> str:
    """Return text that does not compress to nothing."""
    return "".join(chance.choices("etaoin shrdlu", k=max(1, length)))


# Reading.


def reader_of(dialect: str, form: Form, pieces: list[bytes], side: str) -> Callable[[], int]:
    """Return what reads a whole stream; ``bare`` gives pieces to nobody, ``inflate`` to zlib alone."""
    if side == "ours":
        return _ours(dialect, form, pieces)

    def read() -> int:
        count, feed = 0, zlib.decompressobj(_GZIP).decompress if side == "inflate" else None
        for piece in pieces:
            if feed is not None:
                feed(piece)
            count += 1
        return count

    return read


def _ours(dialect: str, form: Form, pieces: list[bytes]) -> Callable[[], int]:
    """The opening is listened to piece by piece; what comes then is followed, as with any client."""
    name = dialect.replace(" ", "_")
    (ends,) = (row for row in STREAMS if row.name.startswith(name) or row.name.endswith(name))

    def read() -> int:
        count, given, watcher = 0, iter(pieces), watcher_for(ends, form.coding)
        for piece in given:
            watcher.feed(piece)
            count += 1
            if watcher.begun or watcher.verdict is not Verdict.CUT:
                break
        following = Following(None, watcher, make=_no, clock=time.monotonic, content_idle=form.content_idle)
        feed: Any = following.feed
        for piece in given:
            feed(piece)
            count += 1
        if following.mend() or following.over(None) is not None or watcher.verdict is not Verdict.WHOLE:
            raise RuntimeError(f"{dialect}: a whole stream was not seen to be whole")
        return count

    return read


def _no(why: str, watcher: Any, error: Exception | None) -> Any:
    raise RuntimeError(f"a whole stream was taken for one that is {why}")
