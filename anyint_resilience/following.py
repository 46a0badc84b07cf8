"""A streamed answer, followed to its end: only then is its call over, and only a whole one is a success.

Must not know any client, nor touch the stream: it is told of the pieces and of how the body ended, and says what that
is for who reads: the end, or an exception.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

from .callreport import CallReport
from .contract.streams import DONE
from .exceptions import DeadlineExceeded, StreamInterrupted
from .streams.marks import Verdict
from .streams.watcher import Watcher

__all__ = ["FAILED", "Ended", "Following"]

Make: TypeAlias = Callable[[str, Watcher, "Exception | None"], StreamInterrupted]
"""Makes the exception for a stream that is not whole, of why and the client's own."""
Heard: TypeAlias = "list[tuple[StreamInterrupted, BaseException | None]]"
FAILED: ContextVar[Heard | None] = ContextVar("anyint_failed_streams", default=None)
"""Where who listens hears of streams that said themselves that they failed, whatever an SDK raises for that."""

_LEAST = 0.001
_HOLLOW, _TAIL = DONE.encode(), 256  # and how near the end of a piece it is looked for
_GOOD = (Verdict.WHOLE, Verdict.SOFT)
_UNENDED = "the blank line after its last event did not come, and was made up for"
_UNTERMINATED = "the reason for its end came, its last event did not: handed over as whole"
_REASONLESS = "[DONE] came without the reason for its end: handed over as whole, though a relay may have cut it before"
_BAD = (Verdict.CUT, Verdict.FAILED)


class Teller(Protocol):
    """Who is told how a stream ended: a call's watch."""

    def stream_over(self, outcome: str, error: str | None, at: Any = None, *, why: str = "", soft: str = "") -> None:
        """Say how it ended."""
        ...

    def dropped(self, outcome: str, error: str | None = None) -> None:
        """Say so where nothing can be told at once."""
        ...


class Ended(Exception):
    """A stream ends here for who reads it, before its body does; ``before``: what of the last piece is still given."""

    def __init__(self, before: bytes) -> None:
        super().__init__()
        self.before = before


class Following:
    """Told of each piece of a body after those its ``watcher`` knows, and how it ended; closes the call, once.

    ``watch``: who looks on. ``then``: what is told the outcome. ``make``: makes the exception for a stream that is not
    whole, of why and the client's own (None: what a stream is changes nothing for who reads it). ``idle`` and
    ``content_idle``: seconds that may pass without a piece, or without content. ``broken``: what has broken it already.
    """

    __slots__ = (
        *("_broken", "_clock", "_content", "_content_idle", "_last", "_make", "_mended", "_open", "_then", "_timeouts"),
        *("__weakref__", "_watch", "idle", "noted", "watcher"),
    )

    def __init__(
        self,
        watch: Teller | None,
        watcher: Watcher | None = None,
        *,
        then: Callable[..., object] | None = None,
        make: Make | None = None,
        clock: Callable[[], float] | None = None,
        idle: float | None = None,
        content_idle: float | None = None,
        timeouts: tuple[type[BaseException], ...] = (),
        broken: Exception | None = None,
    ) -> None:
        self.watcher = watcher
        self._open = True
        self._broken = broken
        self._mended = False
        self.noted: Callable[[CallReport], object] | None = None
        """Puts a report where the application finds it, though an SDK raises an exception of its own."""
        self._timeouts = timeouts
        self._watch = watch
        self._then = then
        self._make = make
        self._clock = clock
        self._content_idle = content_idle
        self._content = 0 if watcher is None or content_idle is None else watcher.marks.content
        self._last = 0.0 if clock is None else clock()
        self.idle = idle

    @property
    def feed(self) -> Callable[[bytes], object] | None:
        """What each piece is told to; None: nobody wants to know."""
        if self.watcher is None:
            return None
        if self._content_idle is not None:
            return self._measured
        return self.passed if self.strict else self.watcher.feed

    @property
    def strict(self) -> bool:
        """Whether each piece must be looked at before it is given."""
        return self.watcher is not None and self.watcher.strict and self._make is not None

    def passed(self, chunk: bytes) -> None:
        """Take a piece, which may be the last that anybody reads, though the stream is not whole.

        Raises:
            Ended: with what of it stands before that.
        """
        watcher = self.watcher
        assert watcher is not None
        watcher.feed(chunk)
        if chunk[-3:] != b"}\n\n":  # as most end, and never the last
            self.heard(chunk)

    def heard(self, chunk: bytes) -> None:
        """Do as :meth:`passed` for a piece that the watcher knows already."""
        watcher = self.watcher
        assert watcher is not None
        tail = watcher.tail(chunk, _TAIL)
        at = tail.rfind(_HOLLOW)
        if at < 0 and (rest := tail.rstrip()) and rest[-1:] != b"]":
            return  # nor the second half of one
        if watcher.marks.stopped and watcher.verdict in _BAD:
            at = -1 if at < 0 or watcher.coded else chunk.rfind(b"data:", 0, len(chunk) - len(tail) + at)
            raise Ended(chunk[: max(0, at)])

    def mend(self) -> bytes:
        """Return what a body lacks that came to its end: no more than the end of its last event."""
        found = b"" if self.watcher is None or self._make is None or not self._open else self.watcher.mend()
        self._mended = self._mended or bool(found)
        return found

    def _measured(self, chunk: bytes) -> None:
        """Take a piece where keep-alives are no progress.

        Raises:
            TimeoutError: if there was no content for too long.
        """
        watcher, clock, most = self.watcher, self._clock, self._content_idle
        assert watcher is not None
        assert clock is not None
        assert most is not None
        if self.strict:
            self.passed(chunk)
        else:
            watcher.feed(chunk)
        content = watcher.marks.content
        if content > self._content or watcher.verdict is not Verdict.CUT:
            self._content, self._last = content, clock()
        elif clock() - self._last >= most:
            raise TimeoutError(f"no content came within the content_idle_timeout of {most:g} s")

    def patience(self) -> float | None:
        """Return how many seconds the next piece may take, None for any time."""
        if self._content_idle is None or self._clock is None:
            return self.idle
        left = max(_LEAST, self._content_idle - (self._clock() - self._last))
        return left if self.idle is None else min(left, self.idle)

    def over(self, error: Exception | None) -> Exception | None:
        """Say that the body came to its end, or broke; return what that is for who reads: None, or what to raise."""
        watcher, make = self.watcher, self._make
        error, self._broken = self._broken if error is None else error, None
        if isinstance(error, DeadlineExceeded):
            self._close("late", error)
            return error
        verdict = Verdict.UNKNOWN if watcher is None else watcher.verdict
        if verdict in _GOOD or (error is None and verdict is Verdict.UNKNOWN):
            self._close("success", None, soft=self._flaw(verdict))
            return None if make is not None else error
        failed = verdict is Verdict.FAILED
        why = "failed" if failed else "cut" if error is None else "broken"
        if why == "broken" and error is not None:
            silent = isinstance(error, self._timeouts) or isinstance(error.__cause__, self._timeouts)
            why = "idle" if silent else why
        fresh = self._close("failed" if failed else "interrupted", error, why)
        return self._made(make, why, error) if fresh else error

    def closed(self) -> None:
        """Say that nobody reads on: the end, if the last event was seen."""
        outcome, heard, make = self._sofar(), FAILED.get(), self._make
        soft = self._flaw(self.watcher.verdict) if self.watcher is not None and outcome == "success" else ""
        if self._close(outcome, None, soft=soft) and outcome == "failed":
            made = self._made(make, "failed", None)  # an SDK raises its own for an event that says so
            if heard is not None and isinstance(made, StreamInterrupted):
                heard.append((made, sys.exc_info()[1]))

    def left(self) -> None:
        """Say that who read it stopped: others need not wait for it. Perhaps within the garbage collector.

        The call closes when its response does, or when that is garbage.
        """
        if self._open:
            self._tell(self._sofar(), later=True)

    def dropped(self, error: BaseException | None = None) -> None:
        """Say so from where nothing can be told at once: an object's end, perhaps within the garbage collector."""
        if not self._open:
            return
        self._open = False
        watch, self._watch = self._watch, None
        outcome = self._sofar() if error is None else "interrupted"
        self._tell(outcome, later=True)
        if watch is not None:
            watch.dropped(outcome, None if error is None else type(error).__name__)

    def now(self) -> CallReport | None:
        """Return the report of a stream that has said that it failed, before anybody has closed it."""
        watcher, make = self.watcher, self._make  # perhaps from another thread than the one that reads
        if not self._open or make is None or watcher is None or not watcher.has_failed():
            return None
        return make("failed", watcher, None).anyint_report

    def _flaw(self, verdict: Verdict) -> str:
        """Return what is not as it should be of a stream that is whole, for those who look on; nothing, mostly."""
        if self._mended:
            return _UNENDED
        if verdict is not Verdict.SOFT or self.watcher is None:
            return ""
        return _REASONLESS if self.watcher.marks.done else _UNTERMINATED

    def _made(self, make: Make | None, why: str, error: Exception | None) -> Exception | None:
        """Make the exception, and leave its report where an SDK's own leads to."""
        if make is None or self.watcher is None:
            return error
        made = make(why, self.watcher, error)
        if self.noted is not None and made.anyint_report is not None:
            self.noted(made.anyint_report)
        return made

    def _sofar(self) -> str:
        verdict = Verdict.UNKNOWN if self.watcher is None else self.watcher.verdict
        return "success" if verdict in _GOOD else "failed" if verdict is Verdict.FAILED else "abandoned"

    def _close(self, outcome: str, error: BaseException | None, why: str = "", *, soft: str = "") -> bool:
        """Close the call; False if that was done before."""
        was, self._open = self._open, False
        watch, self._watch = self._watch, None
        self._make = None  # it holds the request, which may hold the response, and that this
        self._tell(outcome, later=False)
        if watch is not None:
            watch.stream_over(outcome, None if error is None else type(error).__name__, why=why, soft=soft)
        return was

    def _tell(self, outcome: str, *, later: bool) -> None:
        then, self._then = self._then, None
        if then is not None:
            then(outcome, later=later)

    def __del__(self) -> None:
        self.dropped()  # without being closed
