"""A streamed answer, followed to its end: only then is its call over. Must not know any client, nor touch the stream.

What it sees is the transport's: a body that came to its end, broke, or was closed before. Whether what came is a whole
answer is for the dialect to say, and only looked at where an SDK stops reading once it has seen the last event.
"""

from __future__ import annotations

from ..contract.routes import Route
from ..contract.streams import ends_of
from .watch import Watch

__all__ = ["Following"]

_TAIL = 4096


class Following:
    """Told of each piece of a body and how it ended; closes the call's watch, once."""

    __slots__ = ("_before", "_ends", "_last", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch: Watch | None = watch
        self._ends = _last_words(watch.plan.route)
        self._before = self._last = b""

    def piece(self, chunk: bytes) -> None:
        """Take note of a piece; the two last ones tell whether the stream was over when it was closed."""
        if chunk is not self._last:  # the same one, told of by another layer
            self._before, self._last = self._last, chunk

    def over(self, error: BaseException | None) -> None:
        """Say that the body came to its end, or broke."""
        self._close("success" if error is None else "interrupted", error)

    def closed(self) -> None:
        """Say that nobody reads on: the end, if the last event was seen."""
        self._close(self._sofar(), None)

    def dropped(self) -> None:
        """Say so from where nothing can be told at once: an object's end, perhaps within the garbage collector."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.dropped(self._sofar())

    def _sofar(self) -> str:
        tail = (self._before + self._last)[-_TAIL:]
        return "success" if any(it in tail for it in self._ends) else "abandoned"

    def _close(self, outcome: str, error: BaseException | None) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stream_over(outcome, None if error is None else type(error).__name__)

    def __del__(self) -> None:
        if self._watch is not None:  # dropped without being closed
            self.dropped()


def _last_words(route: Route) -> tuple[bytes, ...]:
    """Return what the last event of a route's streams has in it."""
    ends = ends_of(route.family, route.template)
    if ends is None:
        return ()
    words = [*ends.done_events, *(path[-1] for path in ends.done_paths)]
    if ends.done_data is not None:
        words.append(ends.done_data)
    return tuple(str(word).encode() for word in words)
