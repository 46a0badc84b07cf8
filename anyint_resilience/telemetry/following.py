"""A streamed answer, followed to its end: only then is its call over. Must not know any client, nor touch the stream.

What it sees is the transport's: a body that came to its end, broke, or was closed before. Whether what came is a whole
answer is for the dialect to say, and only looked at where an SDK stops reading once it has seen the last event.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from ..contract.routes import Route
from ..contract.streams import ends_of
from ..exceptions import DeadlineExceeded
from .watch import Watch

__all__ = ["Following"]

_TAIL = 4096


class Following:
    """Told of each piece of a body and how it ended; closes the call's watch, once. ``then`` is told the outcome."""

    __slots__ = ("_before", "_last", "_route", "_then", "_watch")

    def __init__(self, watch: Watch, then: Callable[[str], object] | None = None) -> None:
        self._watch: Watch | None = watch
        self._then = then
        self._route = watch.plan.route
        self._before = self._last = b""

    def piece(self, chunk: bytes) -> None:
        """Take note of a piece; the two last ones tell whether the stream was over when it was closed."""
        if chunk is not self._last:  # the same one, told of by another layer
            self._before, self._last = self._last, chunk

    def over(self, error: BaseException | None) -> None:
        """Say that the body came to its end, or broke."""
        if isinstance(error, DeadlineExceeded):
            self._close("late", error)
        elif error is not None:
            self._close("interrupted", error)
        else:
            self._close("failed" if self._sofar() == "failed" else "success", None)

    def closed(self) -> None:
        """Say that nobody reads on: the end, if the last event was seen."""
        self._close(self._sofar(), None)

    def dropped(self, error: BaseException | None = None) -> None:
        """Say so from where nothing can be told at once: an object's end, perhaps within the garbage collector."""
        watch, self._watch = self._watch, None
        if watch is not None:
            outcome = self._sofar() if error is None else "interrupted"
            self._tell(outcome)
            watch.dropped(outcome, None if error is None else type(error).__name__)

    def _sofar(self) -> str:
        marks = _marks(self._route)
        if marks is None:
            return "abandoned"
        tail = (self._before + self._last)[-_TAIL:]
        if marks[1] is not None and marks[1].search(tail):
            return "failed"
        return "success" if marks[0].search(tail) else "abandoned"

    def _close(self, outcome: str, error: BaseException | None) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            self._tell(outcome)
            watch.stream_over(outcome, None if error is None else type(error).__name__)

    def _tell(self, outcome: str) -> None:
        then, self._then = self._then, None
        if then is not None:
            then(outcome)

    def __del__(self) -> None:
        if self._watch is not None:  # dropped without being closed
            self.dropped()


@lru_cache(maxsize=256)
def _marks(route: Route) -> tuple[re.Pattern[bytes], re.Pattern[bytes] | None] | None:
    """Return what the last event of a route's streams looks like, and one that says that it failed.

    At the head of a line, or as a value of JSON, whose quotes are never those of a text inside it.
    """
    ends = ends_of(route.family, route.template)
    if ends is None:
        return None
    done = [rb"^data:\s*" + re.escape(ends.done_data.encode())] if ends.done_data is not None else []
    done += [_event(name) for name in sorted(ends.done_events)]
    empty = "|".join(["null", *sorted(ends.not_done)])
    done += [
        rb'"' + str(path[-1]).encode() + rb'"\s*:\s*"(?!(?:' + empty.encode() + rb')")' for path in ends.done_paths
    ]
    failed = [_event(name) for name in sorted(ends.failed_events)]
    failed += [rb'^data:\s*\{\s*"error"\s*:\s*(?!null)'] if ("error",) in ends.error_paths else []
    over = re.compile(b"|".join(done), re.MULTILINE)
    return over, re.compile(b"|".join(failed), re.MULTILINE) if failed else None


def _event(name: str) -> bytes:
    word = re.escape(name.encode())
    return rb"^event:\s*" + word + rb"\s*$|\"type\"\s*:\s*\"" + word + rb"\""
