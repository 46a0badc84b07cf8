"""A body whose start was read, given again from its beginning, and told of to who follows it.

Must not import any client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from .exceptions import ResilienceError
from .following import Ended, Following
from .runtime import in_time, on_asyncio

_MAX_BUFFERED = 64  # chunks a closed connection may still hold; it then raises or ends

__all__ = ["AsyncReplay", "Replay", "SyncReplay"]


class Replay:
    """A body whose start was read: gives that again, then the rest.

    ``check`` is called before each further chunk and raises when the user's deadline has passed. ``lenient``
    bodies are those of errors: where one breaks, it ends, since its status says more than the break. ``following``
    is told of each further piece and of the end, and says what that is for who reads.
    """

    def __init__(self, inner: Any, chunks: list[bytes], rest: Any, check: Callable[[], None] | None = None) -> None:
        self.inner = inner
        self.chunks = chunks
        self.rest: Any = rest
        self.check = check
        self.lenient = False
        self.following: Following | None = None
        self.before: Any = None  # an iterator that was left in the middle: it goes when this does
        self.shut = False

    def forgives(self, error: Exception) -> bool:
        """Whether a break ends the body quietly; the user's deadline never does, and it speaks first."""
        if not isinstance(error, ResilienceError):
            self.checked()
        return self.lenient and not isinstance(error, ResilienceError)

    def checked(self) -> None:
        """Raise if the deadline has passed."""
        if self.check is not None:
            self.check()

    def took(self) -> Callable[[bytes], object] | None:
        """Return what each further piece is told to before it is given, None for nothing."""
        feed = None if self.following is None else self.following.feed
        check = self.check
        if check is None or feed is None:
            return feed if check is None else lambda chunk: check()

        def both(chunk: bytes) -> None:
            check()
            feed(chunk)

        return both

    def head(self) -> Iterable[bytes]:
        """Return the pieces that were read, up to where the stream ends for who reads it."""
        following = self.following
        return _heard(self.chunks, None if following is None or not following.strict else following)

    def mended(self) -> bytes:
        """Return what a body lacks that came to its end."""
        return b"" if self.following is None else self.following.mend()

    def ending(self, error: Exception | None) -> Exception | None:
        """Tell who follows that the body came to its end, or broke; return what to raise, None to end quietly."""
        try:
            if error is not None and self.forgives(error):
                error = None
        except ResilienceError as late:
            error = late
        return error if self.following is None else self.following.over(error)

    def let_go(self) -> None:
        """Tell who follows that nobody reads on."""
        if self.following is not None:
            self.following.closed()


class SyncReplay(Replay):
    """See :class:`Replay`; each adapter adds its client's stream class."""

    def __iter__(self) -> Iterator[bytes]:
        took, last = self.took(), b""
        error: Exception | None = None
        try:
            yield from self.head()
            if took is None:
                yield from () if self.rest is None else self.rest
            else:
                for chunk in () if self.rest is None else self.rest:
                    took(chunk)
                    yield chunk
            last = self.mended()
        except GeneratorExit:
            self.left()
            raise
        except Ended as end:
            last = end.before
        except Exception as broken:
            error = broken
        if last:
            yield last
        error = self.ending(error)
        if error is not None:
            if self.following is not None:
                self.close()  # its connection is of no more use
            try:
                raise error
            finally:
                del error

    def left(self) -> None:
        """End the rest where nobody reads on, as a client's own generators do: each ends the one below it.

        It is held here as well, and httpx holds this in a reference cycle.
        """
        if self.following is not None:
            self.following.left()
        left, self.rest = self.rest, None
        close = getattr(left, "close", None)
        if close is not None:
            close()

    def close(self) -> None:
        """Close the body on the wire."""
        self.let_go()
        if not self.shut:
            self.shut = True
            self.inner.close()


class AsyncReplay(Replay):
    """See :class:`Replay`; each adapter adds its client's stream class.

    ``drains``: reading on after the body was closed ends at once (HTTP/1).
    """

    drains = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces(self)

    async def aclose(self) -> None:
        """Close the body on the wire, then end the client's own generators, which httpx nests.

        One that is dropped in the middle is a ResourceWarning on trio. Over HTTP/1 the closed connection ends
        both; an HTTP/2 connection lives on, and waiting for its next frame could take until the time-out.
        """
        self.let_go()
        rest: Any = self.rest
        self.rest = None
        if not self.shut:
            self.shut = True
            await self.inner.aclose()
        if rest is None:
            return
        with suppress(Exception):
            for _ in range(_MAX_BUFFERED if self.drains else 0):
                await rest.__anext__()
            await rest.aclose()


def _heard(chunks: list[bytes], following: Following | None) -> Iterator[bytes]:
    while chunks:  # once: what was given is not given again
        chunk = chunks.pop(0)
        if following is not None:
            following.heard(chunk)
        yield chunk


class _Pieces:
    """Iterates over an :class:`AsyncReplay`. No generator: one that is left in the middle is a warning on trio."""

    __slots__ = ("_error", "_head", "_last", "_next", "_over", "_replay", "_took")

    def __init__(self, replay: AsyncReplay) -> None:
        self._replay = replay
        self._head: Iterator[bytes] | None = iter(replay.head())
        self._took = replay.took()
        self._last, self._over = b"", False
        self._error: Exception | None = None
        rest, following = replay.rest, replay.following
        if rest is not None and following is not None and following.patience() is not None:
            rest = _InTime(rest, following)
        self._next: Callable[[], Awaitable[bytes]] | None = None if rest is None else rest.__anext__

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __del__(self) -> None:
        """Let go of the rest where nobody reads on, so that asyncio ends it; trio would only warn."""
        replay = self._replay
        if self._over or replay.rest is None:
            return
        if replay.following is not None:
            replay.following.left()
        if on_asyncio():
            replay.rest = None

    async def __anext__(self) -> bytes:
        if not self._over:
            try:
                if self._head is not None:
                    for chunk in self._head:
                        return chunk
                    self._head = None
                if self._next is not None:
                    chunk = await self._next()
                    if self._took is not None:
                        self._took(chunk)
                    return chunk
                self._last = self._replay.mended()
            except StopAsyncIteration:
                self._last = self._replay.mended()
            except Ended as end:
                self._last = end.before
            except Exception as broken:
                self._error = broken
            self._over, self._next = True, None
        if self._last:
            last, self._last = self._last, b""
            return last
        error, self._error = self._replay.ending(self._error), None
        if error is None:
            raise StopAsyncIteration
        if self._replay.following is not None:
            await self._replay.aclose()
        try:
            raise error
        finally:
            del error


class _InTime:
    """The chunks of a stream, each of which must come in time. No generator: one that is left is a warning on trio."""

    def __init__(self, rest: AsyncIterator[bytes], following: Following) -> None:
        self._rest = rest
        self._following = following

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        seconds, coming = self._following.patience(), self._rest.__anext__()
        return await (coming if seconds is None else in_time(seconds, coming))
