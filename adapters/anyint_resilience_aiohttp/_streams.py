"""A body that is followed to its end, and that raises where it is not whole.

Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import aiohttp
from aiohttp.base_protocol import BaseProtocol

from anyint_resilience.exceptions import DeadlineExceeded
from anyint_resilience.following import Ended, Following
from anyint_resilience.runtime import in_time

__all__ = ["Watched", "watched"]


class Watched(aiohttp.StreamReader):
    """Reads from the reader that aiohttp feeds, piece by piece and only when somebody reads from this one.

    aiohttp has no way to look at a body as it comes: a response's ``content`` is replaced by this.
    """

    def __init__(self, inner: aiohttp.StreamReader, response: aiohttp.ClientResponse) -> None:
        held: Any = response
        loop = held._loop
        limit: int = getattr(inner, "_low_water", 2**16)  # a line may be twice as long
        super().__init__(BaseProtocol(loop=loop), limit, loop=loop)
        self.inner = inner
        self.following: Following | None = None
        self._feed: Callable[[bytes], object] | None = None
        self._head = b""
        self._last = False
        self._response = ref(response)

    def opening(self, head: bytes) -> None:
        """Keep what was read of it already."""
        self._head = head

    def follow(self, following: Following) -> None:
        """Have its end, and each further piece, told."""
        self.following, head = following, self._head
        self._feed = following.feed if following.patience() is None else None
        if self._exception is not None:  # closed because its opening broke: whoever follows it says so
            self._exception, self._last = None, True
        try:
            if following.strict and head:
                following.heard(head)
        except Ended as end:
            self._last, head = True, end.before
        self.feed_data(head)

    async def readany(self) -> bytes:
        """Read what is there, as aiohttp does, without a detour through a buffer."""
        if self._buffer or self._eof or self._exception is not None:
            return await super().readany()
        if self._feed is None or self._last:
            return await self._next()
        error: Exception | None = None
        try:  # as _next does where no time is bounded, with a coroutine less for each piece
            piece = await self.inner.readany()
            if piece:
                self._feed(piece)
                return piece
            piece, self._last = self._mended(), True
        except Ended as end:
            piece, self._last = end.before, True
        except Exception as broken:
            piece, error = b"", broken
        if not piece:
            self._over(error)
        return piece

    async def readchunk(self) -> tuple[bytes, bool]:
        """Read a piece and whether an HTTP chunk ends with it, as aiohttp does."""
        if self._buffer or self._eof or self._exception is not None:
            return await super().readchunk()
        ends: list[bool] = []
        piece = await self._next(ends)
        return piece, bool(ends and ends[0])

    def read_nowait(self, n: int = -1) -> bytes:
        """Read what is there, as aiohttp does."""
        if not self._buffer and self._exception is None:
            piece = b"" if self._last else self.inner.read_nowait(-1)
            try:
                if piece:
                    self._seen(piece)
                elif self.inner.at_eof() and not self._last and not self._eof:
                    piece, self._last = self._mended(), True
            except Ended as end:
                piece, self._last = end.before, True
            if piece:
                self.feed_data(piece)
            elif self._last and not self._eof:
                self._over(None)
        return super().read_nowait(n)

    async def wait_eof(self) -> None:
        """Wait until all has come."""
        await self.inner.wait_eof()

    def _mended(self) -> bytes:
        return b"" if self.following is None else self.following.mend()

    async def _wait(self, func_name: str) -> None:
        piece = await self.readany()  # nothing is left, or nobody would wait
        if piece:  # feed_data, without anybody to wake or to hold up
            self._size += len(piece)
            self.total_bytes += len(piece)
            self._buffer.append(piece)

    async def _next(self, ends: list[bool] | None = None) -> bytes:
        """Return the next piece, nothing at the end; raise where that is not the end of a whole stream."""
        following, error = self.following, None
        if self._last:
            self._over(None)
            return b""
        try:
            coming: Any = self.inner.readany() if ends is None else self.inner.readchunk()
            seconds = None if following is None else following.patience()
            piece: Any = await (coming if seconds is None else in_time(seconds, coming))
            if ends is not None:
                piece, end = piece
                ends.append(end)
            if piece or (ends and ends[0]):
                self._seen(piece)
                return bytes(piece)
            piece, self._last = b"" if following is None else following.mend(), True
        except Ended as end:
            piece, self._last = end.before, True
        except Exception as broken:
            piece, error = b"", broken
        if piece:
            return bytes(piece)
        self._over(error)
        return b""

    def _seen(self, piece: bytes) -> None:
        feed = None if self.following is None else self.following.feed
        if feed is not None and piece:
            feed(piece)

    def _over(self, error: Exception | None) -> None:
        """Say that the body came to its end, or broke, and raise what that is."""
        held: Any = self._exception
        if held is not None:  # closed, or late, while it was waited for
            try:
                raise held
            finally:
                del held, error
        error = error if self.following is None else self.following.over(error)
        if error is None:
            self.feed_eof()
            return
        super().set_exception(error)
        response = self._response()
        if response is not None:
            response.close()
        try:
            raise error
        finally:
            del error

    def set_exception(self, exc: Any, *args: Any, **kwargs: Any) -> None:
        """Take what a response says that is closed, or whose time is over."""
        if self.following is not None:
            if isinstance(exc, DeadlineExceeded):
                self.following.over(exc)
            else:
                self.following.closed()
        super().set_exception(exc, *args, **kwargs)
        if self.inner.exception() is None:
            self.inner.set_exception(exc, *args, **kwargs)  # where somebody waits for more


def watched(response: aiohttp.ClientResponse) -> Watched:
    """Make a response read through a reader that can be followed, and return that."""
    if not isinstance(response.content, Watched):
        response.content = Watched(response.content, response)
    return response.content
