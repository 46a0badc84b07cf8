"""Reading the start of a body without taking it away from the caller.

Must not import any client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

from .effects import Peek, Peeked
from .exceptions import ResilienceError
from .telemetry.following import Following

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

    ``check`` is called before each further chunk and raises when the user's deadline has passed. ``lenient``
    bodies are those of errors: where one breaks, it ends, since its status says more than the break. ``following``
    is told of each piece and of the end.
    """

    def __init__(self, inner: Any, chunks: list[bytes], rest: Any, check: Callable[[], None] | None = None) -> None:
        self.inner = inner
        self.chunks = chunks
        self.rest: Any = rest
        self.check = check
        self.lenient = False
        self.following: Following | None = None

    def forgives(self, error: Exception) -> bool:
        """Whether a break ends the body quietly; the user's deadline never does, and it speaks first."""
        if not isinstance(error, ResilienceError):
            self.checked()
        return self.lenient and not isinstance(error, ResilienceError)

    def checked(self) -> None:
        """Raise if the deadline has passed."""
        if self.check is not None:
            self.check()

    def over(self, error: BaseException | None) -> None:
        """Tell who follows that the body came to its end, or broke."""
        if self.following is not None:
            self.following.over(error)

    def broke(self, error: Exception) -> bool:
        """Tell of a break, or of the deadline if it comes from that; return whether it ends the body quietly."""
        try:
            forgiven = self.forgives(error)
        except ResilienceError as late:
            self.over(late)
            raise
        self.over(error)
        return forgiven

    def let_go(self) -> None:
        """Tell who follows that nobody reads on."""
        if self.following is not None:
            self.following.closed()


class SyncReplay(Replay):
    """See :class:`Replay`; each adapter adds its client's stream class."""

    def __iter__(self) -> Iterator[bytes]:
        following = self.following
        for chunk in self.chunks:
            if following is not None:
                following.piece(chunk)
            yield chunk
        try:
            for chunk in () if self.rest is None else self.rest:
                self.checked()
                if following is not None:
                    following.piece(chunk)
                yield chunk
        except Exception as error:
            if not self.broke(error):
                raise
        else:
            self.over(None)

    def close(self) -> None:
        """Close the body on the wire."""
        self.let_go()
        self.inner.close()


class AsyncReplay(Replay):
    """See :class:`Replay`; each adapter adds its client's stream class.

    ``drains``: reading on after the body was closed ends at once (HTTP/1).
    """

    drains = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        following = self.following
        for chunk in self.chunks:
            if following is not None:
                following.piece(chunk)
            yield chunk
        if self.rest is None:
            self.over(None)
            return
        try:
            async for chunk in self.rest:
                self.checked()
                if following is not None:
                    following.piece(chunk)
                yield chunk
        except Exception as error:
            if not self.broke(error):
                raise
        else:
            self.over(None)

    async def aclose(self) -> None:
        """Close the body on the wire, then end the client's own generators, which httpx nests.

        One that is dropped in the middle is a ResourceWarning on trio. Over HTTP/1 the closed connection ends
        both; an HTTP/2 connection lives on, and waiting for its next frame could take until the time-out.
        """
        self.let_go()
        rest: Any = self.rest
        self.rest = None
        await self.inner.aclose()
        if rest is None:
            return
        with suppress(Exception):
            for _ in range(_MAX_BUFFERED if self.drains else 0):
                await rest.__anext__()
            await rest.aclose()


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
