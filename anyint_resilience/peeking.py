"""Reading the start of a body without taking it away from the caller.

Must not import any client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from .effects import Peek, Peeked
from .runtime import in_time
from .streams.marks import Verdict

__all__ = ["Head", "aiter_of", "peek_async", "peek_sync"]


class Head:
    """The chunks read so far, up to the bounds of a peek; of a stream also up to its content, or its end."""

    def __init__(self, effect: Peek[Any], clock: Callable[[], float]) -> None:
        self.chunks: list[bytes] = []
        self.before: Any = None  # an iterator that was left in the middle: its end would close the body
        self.first = effect.first
        self._left = effect.max_bytes
        self._until = effect.until
        self._clock = clock
        self._watcher = effect.watcher
        self._pace = effect.pace
        self._idle = effect.idle
        self._content_idle = effect.content_idle
        self._strict = effect.strict
        self._lacks = effect.length
        self._began = False
        self._barren: float | None = None  # until when there must be content

    @property
    def patience(self) -> float | None:
        """Seconds in which the next chunk must come, None for any time."""
        if not self._began:
            return self.first
        if self._barren is None:
            return self._idle
        left = max(0.001, self._barren - self._clock())
        return left if self._idle is None else min(left, self._idle)

    def paced(self) -> None:
        """Bound each further read, where the client can be told."""
        if self._pace is not None:
            self._pace(self.patience)

    def eased(self) -> None:
        """Let further reads of what is no stream take as long as the caller has it."""
        if self._pace is not None and self._watcher is None:
            self._pace(None)

    def begun(self) -> bool:
        """Say that the first chunk has come; True if the next ones have another time than that had."""
        if self._began:
            return False
        self._began = True
        if self._content_idle is not None:
            self._barren = self._clock() + self._content_idle
        changed = self._pace is not None and self.first != self.patience
        if changed:
            self.paced()
        return changed

    def feed(self, chunk: bytes) -> bool:
        """Take a chunk; True when enough has been read.

        Raises:
            TimeoutError: if there was no content for too long, or no end of what must be whole.
        """
        self.chunks.append(chunk)
        self._left -= len(chunk)
        if self._lacks is not None:
            self._lacks -= len(chunk)
        watcher = self._watcher
        if watcher is not None:
            watcher.feed(chunk)
            if watcher.begun or watcher.verdict is not Verdict.CUT:
                return True
            if self._barren is not None and self._clock() >= self._barren:
                raise TimeoutError("no content came within the content_idle_timeout")
        if self._left <= 0 or self._clock() < self._until:
            return self._left <= 0
        if not self._strict:
            return True
        if self._lacks is not None and self._lacks <= 0:
            return False  # it is whole, and its end is there without any waiting
        raise TimeoutError("the answer did not come to its end within the deadline")

    def seen(self, *, complete: bool, error: Exception | None) -> Peeked:
        """Return what the engine is told."""
        return Peeked(body=b"".join(self.chunks), complete=complete, error=error)


def peek_sync(stream: Any, head: Head, *, anew: bool = False) -> tuple[Peeked, Any]:
    """Read the head of a stream; return what was seen and the iterator of the rest (None: there is none).

    ``anew``: how long a read may take is only heard of when an iterator begins.
    """
    head.paced()
    try:
        return _read_sync(stream, head, anew=anew)
    finally:
        head.eased()


def _read_sync(stream: Any, head: Head, *, anew: bool) -> tuple[Peeked, Any]:
    rest = iter(stream)
    try:
        while True:
            chunk = next(rest, None)
            if chunk is None:
                break
            if head.begun() and anew:
                head.before, rest = rest, iter(stream)
            if head.feed(chunk):
                return head.seen(complete=False, error=None), rest
    except Exception as error:
        stream.close()
        return head.seen(complete=False, error=error), None
    except BaseException:
        stream.close()
        raise
    stream.close()  # wholly read: its connection can serve others at once
    return head.seen(complete=True, error=None), None


async def peek_async(stream: Any, head: Head) -> tuple[Peeked, Any]:
    """Do as :func:`peek_sync`, awaiting; how long a chunk may take is seen to here: it can change at any time."""
    rest = aiter_of(stream)
    try:
        while True:
            coming = anext_of(rest)
            chunk = await (coming if head.patience is None else in_time(head.patience, coming))
            if chunk is None:
                break
            head.begun()
            if head.feed(chunk):
                return head.seen(complete=False, error=None), rest
    except Exception as error:
        await stream.aclose()
        return head.seen(complete=False, error=error), rest  # which may be left in the middle
    except BaseException:
        await stream.aclose()
        raise
    await stream.aclose()
    return head.seen(complete=True, error=None), None


def aiter_of(stream: Any) -> AsyncIterator[bytes]:
    """Return a stream's iterator, so that the rest of it can be read later."""
    iterator: AsyncIterator[bytes] = stream.__aiter__()
    return iterator


async def anext_of(iterator: AsyncIterator[bytes]) -> bytes | None:
    """Return the next chunk, None at the end."""
    try:
        return await iterator.__anext__()
    except StopAsyncIteration:
        return None
