"""What the events of one stream have said so far: content, the end, a failure, tokens used. Pure.

Must not know how events are told apart in the bytes, nor any dialect by name: a row of ``contract.streams`` says all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice
from typing import Any

from ..contract.streams import DONE, StreamEnds
from ..contract.tasks import Path
from ..contract.words import Family
from ..policy.bodies import has_leaf, is_object, values_at
from .frames import Event

__all__ = ["MAX_ID", "MAX_TEXT", "Marks", "Verdict"]

_DONE = DONE.encode()
_NO_ERROR = frozenset({"0", "200", "ok", "success"})
_MOST = 256  # parts, and words on usage, that are told apart

MAX_TEXT = 262_144
"""Characters of text that are kept; of a longer one nothing is."""

MAX_ID = 1024
"""Characters of an event's id; a longer one is none."""


class Verdict(str, Enum):
    """What a stream is, as far as it has come.

    ``whole``: its end was seen. ``soft``: the reason for the end was, the last event was not. ``failed``: it says so
    itself. ``cut``: none of these. ``unknown``: in a coding, or of a size, that is not read here.
    """

    WHOLE = "whole"
    SOFT = "soft"
    FAILED = "failed"
    CUT = "cut"
    UNKNOWN = "unknown"

    __str__ = str.__str__


class Marks:
    """Fed with events or documents in their order.

    ``content``: how many of them were content. ``error``: what a failure said, as the family's error envelope.
    ``stopped``: the ``[DONE]`` came at which SDKs stop to read, whether or not it is an end by itself.
    ``usage`` and ``finish``: the last word on tokens and on the reason for the end. ``last_id``: the last event's id.
    """

    __slots__ = (
        *("content", "done", "error", "finish", "last_id", "malformed", "status", "stopped", "usage", "_closed"),
        "_ends",
        *("_length", "_named_events", "_open", "_texts"),
    )

    def __init__(self, ends: StreamEnds) -> None:
        self._ends = ends
        self._named_events = ends.done_events | ends.failed_events | ends.empty_events
        self.content = self.malformed = 0
        self.done = self.stopped = False
        self.error: dict[str, Any] | None = None
        self.usage: dict[str, Any] | None = None
        self.finish: str | None = None
        self.last_id: str | None = None
        self.status: int | None = None
        self._open: set[int] = set()  # parts (choices, candidates) that were seen and have not ended
        self._closed: set[int] = set()
        self._texts: list[str] | None = [] if ends.text_paths else None
        self._length = 0

    @property
    def verdict(self) -> Verdict:
        """What it is so far."""
        if self.error is not None:
            return Verdict.FAILED
        if self.done:  # without the reason for its end it may be a relay's, which ends all it sends like that
            if self._ends.done_data is None or (self._closed and not self._open):
                return Verdict.WHOLE
            return Verdict.SOFT if self.content else Verdict.CUT
        if self._closed and not self._open:
            return Verdict.WHOLE if self._ends.done_paths else Verdict.SOFT
        return Verdict.CUT

    @property
    def text(self) -> str | None:
        """The text for people so far, of the first part; None where not all of it was kept."""
        return None if self._texts is None else "".join(self._texts)

    @property
    def many(self) -> bool:
        """Whether several parts are open, each of which has an end of its own."""
        return len(self._open | self._closed) > 1

    def skipped(self, content: int, last_id: str | None) -> None:
        """Take note of events that were only counted."""
        self.content += content
        self._named(last_id)
        self._texts = None
        self._open.clear()  # one that goes on will be seen again

    def _named(self, ident: str | None) -> None:
        if ident is not None:
            self.last_id = ident if len(ident) <= MAX_ID else None

    def take(self, event: Event) -> None:
        """Read one event."""
        ends, data = self._ends, event.data
        self._named(event.id)
        for comment in event.comments if ends.comment_status is not None else ():
            self._heard(comment.decode("latin-1"))
        if data is None or event.name in ends.ignored_events:
            return
        if data.strip() == _DONE:
            self.done, self.stopped = ends.done_data is not None or self.done, True
            return
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = None
        if type(document) is dict:
            self.read(document, event.name)
            return
        self.malformed += 1
        if event.name in ends.failed_events:
            self._fail({"error": {"message": data[:1024].decode("utf-8", "replace")}})

    def read(self, document: Any, name: str = "") -> None:
        """Read one document: an event's data, or an item of an array."""
        try:
            self._read(document, name)
        except RecursionError:  # nested so deeply that it could just be parsed: to look into it takes more
            self.malformed += 1

    def _read(self, document: Any, name: str) -> None:
        ends = self._ends
        kind = document.get("type")
        kind = name if not isinstance(kind, str) or name in self._named_events else kind
        self._note(document)
        if kind in ends.failed_events or document.get("object") == "error" or self._says_error(document):
            self._fail(self._envelope(document))
            self.done = self.done or kind in ends.done_events
        elif kind in ends.done_events:
            self.done = True
        elif self._is_content(document, kind):
            self.content += 1
            self._say(document, kind)
        for path in (*ends.done_paths, *ends.soft_paths):
            self._finished(document, path)

    def _says_error(self, document: Any) -> bool:
        return any(_says(it) for path in self._ends.error_paths for it in _at(document, path))

    def _heard(self, comment: str) -> None:
        """Read the status that a comment carries."""
        before = self._ends.comment_status or ""
        digits = comment.removeprefix(before)[:3]
        if comment.startswith(before) and digits.isascii() and digits.isdigit():
            self.status = int(digits)
            if self.status >= 400:
                self._fail({"code": digits, "message": "", "request_id": ""})

    def _note(self, document: Any) -> None:
        for path in self._ends.usage_paths:
            for found in _at(document, path):
                if is_object(found):
                    self.usage = dict(islice({**(self.usage or {}), **found}.items(), _MOST))
        for path in self._ends.finish_paths:
            for found in _at(document, path):
                if isinstance(found, str) and found and found not in self._ends.not_done:
                    self.finish = found[:64]
                    if found in self._ends.failed_finishes:
                        self._fail({"error": {"type": self.finish, "message": f"finish reason {self.finish}"}})
                    return

    def _is_content(self, document: Any, kind: str) -> bool:
        ends = self._ends
        if not ends.content_paths:
            return kind not in ends.empty_events and kind not in ends.ignored_events
        return any(_holds(it, ends.not_content) for path in ends.content_paths for it in _at(document, path))

    def _say(self, document: Any, kind: str) -> None:
        texts, ends = self._texts, self._ends
        if texts is None or (ends.text_events and kind not in ends.text_events):
            return
        for path in ends.text_paths:
            for found in _texts_at(document, path):
                texts.append(found)
                self._length += len(found)
        if self._length > MAX_TEXT:
            self._texts = None

    def _finished(self, document: Any, path: Path) -> None:
        """Note which parts are there, and which of them end with this."""
        ended = self._ends.not_done
        if "[]" not in path:
            if any(isinstance(it, str) and it and it not in ended for it in values_at(document, path)):
                self.done = True
            return
        for part in _at(document, path[:-1]):
            if not is_object(part):
                continue
            index, word = self._part(part.get("index", 0)), part.get(path[-1])
            if isinstance(word, str) and word and word not in ended:
                self._closed.add(index)
                self._open.discard(index)
            elif index not in self._closed:
                self._open.add(index)

    def _part(self, index: object) -> int:
        """Return which part this is: one more than are told apart is taken for the first, as one that is not named."""
        if not isinstance(index, int):
            return 0
        known = index in self._open or index in self._closed
        return index if known or len(self._open | self._closed) < _MOST else 0

    def _fail(self, error: dict[str, Any]) -> None:
        if self.error is None or self.error.get("request_id") == "":  # a comment's status says less than its data
            self.error = error

    def _envelope(self, document: Any) -> dict[str, Any]:
        """Return what a failure says as the envelope that the family's errors come in."""
        error, within = document.get("error"), document.get("response")
        if not has_leaf(error) and is_object(within):
            error = within.get("error")
        if is_object(error):
            return dict(document) if self._ends.family is Family.ANTHROPIC else {"error": dict(error)}
        if has_leaf(error):
            return {"error": {"message": str(error)[:1024]}}
        if ("error",) not in self._ends.error_paths:  # flat by nature
            return dict(document)
        flat = {key: document.get(key) for key in ("code", "message", "param") if document.get(key) is not None}
        return {"error": {**flat, "type": flat.get("code")}}


def _at(document: Any, path: Path) -> Iterable[object]:
    """Yield what stands at a path; mostly there is nothing, and that is quickly seen."""
    return () if document.get(path[0]) is None else values_at(document, path)


def _says(error: object) -> bool:
    """Whether what stands in an error's place says that there is one."""
    if is_object(error):
        return any(has_leaf(it) and it != 0 for it in error.values())
    return has_leaf(error) and str(error).lower() not in _NO_ERROR


def _holds(value: object, but: frozenset[str]) -> bool:
    if is_object(value):
        return any(key not in but and ((it and type(it) is str) or has_leaf(it)) for key, it in value.items())
    return has_leaf(value)


def _texts_at(document: object, path: Path) -> Iterator[str]:
    """Yield the texts at a path, of first choices and candidates alone, and none that a model only thinks."""
    if not path:
        if isinstance(document, str):
            yield document
    elif path[0] == "[]":
        for item in document if isinstance(document, list) else ():
            if is_object(item) and item.get("index", 0) == 0 and item.get("thought") is not True:
                yield from _texts_at(item, path[1:])
    elif is_object(document):
        yield from _texts_at(document.get(path[0]), path[1:])
