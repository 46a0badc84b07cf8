"""Reading the start of a body without taking it away from the caller.

Must not import either client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

from ..effects import Peek, Peeked

_MAX_BUFFERED = 64  # chunks a closed connection may still hold; it then raises or ends

__all__ = ["AsyncReplay", "Head", "Replay", "SyncReplay", "peek_async", "peek_sync"]


class Head:
    """The chunks read so far, up to the bounds of a peek."""

    def __init__(self, effect: Peek[Any], clock: Callable[[], float]) -> None:
        self.chunks: list[bytes] = []
        self._left = effect.max_bytes
        self._until = effect.until
        self._clock = clock

    def feed(self, chunk: bytes) -> bool:
        """Take a chunk; True when enough has been read."""
        self.chunks.append(chunk)
        self._left -= len(chunk)
        return self._left <= 0 or self._clock() >= self._until

    def seen(self, *, complete: bool, error: Exception | None) -> Peeked:
        """Return what the engine is told."""
        return Peeked(body=b"".join(self.chunks), complete=complete, error=error)


class Replay:
    """A body whose start was read: gives that again, then the rest.

    ``check`` is called before each further chunk and raises when the user's deadline has passed.
    """

    def __init__(self, inner: Any, chunks: list[bytes], rest: Any, check: Callable[[], None] | None = None) -> None:
        self.inner = inner
        self.chunks = chunks
        self.rest: Any = rest
        self.check = check

    def checked(self) -> None:
        """Raise if the deadline has passed."""
        if self.check is not None:
            self.check()


class SyncReplay(Replay):
    """See :class:`Replay`; each adapter adds its client's stream class."""

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.rest is not None:
            for chunk in self.rest:
                self.checked()
                yield chunk

    def close(self) -> None:
        """Close the body on the wire."""
        self.inner.close()


class AsyncReplay(Replay):
    """See :class:`Replay`; each adapter adds its client's stream class."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.rest is not None:
            async for chunk in self.rest:
                self.checked()
                yield chunk

    async def aclose(self) -> None:
        """Close the body on the wire, then let the client's own generators see that it is closed.

        One that is dropped in the middle is a ResourceWarning on trio, and httpx nests two of them.
        """
        rest: Any = self.rest
        self.rest = None
        await self.inner.aclose()
        if rest is None:
            return
        with suppress(Exception):
            for _ in range(_MAX_BUFFERED):
                await rest.__anext__()


def peek_sync(stream: Any, head: Head) -> tuple[Peeked, Any]:
    """Read the head of a stream; return what was seen and the iterator of the rest (None: there is none)."""
    rest = iter(stream)
    try:
        for chunk in rest:
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
    """Do as :func:`peek_sync`, awaiting."""
    rest = aiter_of(stream)
    try:
        async for chunk in rest:
            if head.feed(chunk):
                return head.seen(complete=False, error=None), rest
    except Exception as error:
        await stream.aclose()
        return head.seen(complete=False, error=error), None
    except BaseException:
        await stream.aclose()
        raise
    await stream.aclose()
    return head.seen(complete=True, error=None), None


def aiter_of(stream: Any) -> AsyncIterator[bytes]:
    """Return a stream's iterator, so that the rest of it can be read later."""
    iterator: AsyncIterator[bytes] = stream.__aiter__()
    return iterator
