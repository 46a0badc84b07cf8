"""Request bodies that can be sent again, and the start of an answer's body read without taking it away.

Must not decide anything.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

import aiohttp
from aiohttp import payload as payloads

from anyint_resilience.effects import Peek, Peeked
from anyint_resilience.peeking import Head, peek_async
from anyint_resilience.runtime import in_time
from anyint_resilience.surface import Body

from ._streams import watched

__all__ = ["body_of", "peek"]

CHUNK = 65_536


def body_of(request: aiohttp.ClientRequest) -> Body:
    """Return the body: bytes, or files and forms that can be rewound. A generator is gone once it was sent."""
    held: Any = request.body
    if not held or isinstance(held, bytes):
        return Body(held or b"")
    if isinstance(held, payloads.BytesPayload):  # text and JSON are too
        return Body(bytes(_value(held)))
    return Body(chunks=_again(held))


def _value(payload: Any) -> Any:
    """Return what a payload was made of; aiohttp has no public name for it that does not copy or wait."""
    return payload._value


def _again(held: Any) -> Callable[[], Iterable[bytes]] | None:
    """Return what reads a payload's bytes without using it up, None for one that can be read only once."""
    if getattr(held, "consumed", False):
        return None
    if isinstance(held, payloads.BytesPayload):
        return lambda: (bytes(_value(held)),)
    if isinstance(held, payloads.IOBasePayload) and hasattr(held, "consumed"):  # the first 3.12s close what they sent
        file = _value(held)
        return (lambda: _read(file)) if _rewinds(file) else None
    if isinstance(held, aiohttp.MultipartWriter):
        parts = [(part, _again(part)) for part, _, _ in held]
        if all(read is not None for _, read in parts):
            return lambda: _form(parts)
    return None


def _rewinds(file: Any) -> bool:
    try:
        return bool(file.seekable())
    except (AttributeError, ValueError):  # no such method, or the file is closed
        return False


def _read(file: Any) -> Iterator[bytes]:
    """Yield what tells a file from another: which one it is on the disk, or (in memory) all that follows in it.

    A file on the disk is not read: that would hold up the event loop.
    """
    position = file.tell()
    try:
        it = os.fstat(file.fileno())
        yield f"{it.st_dev} {it.st_ino} {it.st_size} {it.st_mtime_ns} {position}".encode()
        return
    except (AttributeError, OSError, ValueError):  # no file of the system's
        pass
    try:
        while chunk := file.read(CHUNK):
            yield chunk if isinstance(chunk, bytes) else chunk.encode()
    finally:
        file.seek(position)


def _form(parts: list[Any]) -> Iterator[bytes]:
    """Yield a form's parts, each after its headers; the boundary, which is another one each time, is no part of it."""
    for part, read in parts:
        yield str(sorted(part.headers.items())).encode()
        yield from read()


class _Pieces:
    """A response's body as it comes, for so many seconds; closing is the response's own affair."""

    def __init__(self, content: aiohttp.StreamReader, seconds: float | None, clock: Callable[[], float]) -> None:
        self._content = content
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._next()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def _next(self) -> Awaitable[bytes]:
        coming = self._content.readany()
        return coming if self._end is None else in_time(max(0.0, self._end - self._clock()), coming)

    async def aclose(self) -> None:
        """Do nothing."""


class _Lenient(aiohttp.StreamReader):
    """The body of an error: where it breaks, it ends, since its status says more than the break."""

    __slots__ = ()

    def set_exception(self, exc: Any, *args: Any, **kwargs: Any) -> None:
        held: Any = self
        wire = held._protocol.transport
        if isinstance(exc, aiohttp.ClientPayloadError) and (wire is None or wire.is_closing()):
            held._eof_callbacks.clear()  # they would give a connection back that is gone
            self.feed_eof()
        else:
            super().set_exception(exc, *args, **kwargs)


def forgive(content: aiohttp.StreamReader) -> None:
    """Let what is still to come of an error's body end quietly where it breaks."""
    if type(content) is aiohttp.StreamReader:
        content.__class__ = _Lenient


async def peek(response: aiohttp.ClientResponse, effect: Peek[Any], clock: Callable[[], float]) -> Peeked:
    """Read the start of a body and put it back. aiohttp has undone the content coding already."""
    content = response.content
    if effect.watcher is not None:
        return await _opening(response, effect, clock)
    if response.status >= 400:
        forgive(content)
    try:
        peeked, _ = await peek_async(_Pieces(content, effect.remaining, clock), Head(effect, clock))
    except BaseException:  # cancelled: nobody will see the response
        response.close()
        raise
    if peeked.error is not None and response.status >= 400:
        response.close()
        content.set_exception(None)  # type: ignore[arg-type]  # what came is all there is
        content.feed_eof()
    if peeked.body:
        _put_back(content, peeked.body)
    return peeked


async def _opening(response: aiohttp.ClientResponse, effect: Peek[Any], clock: Callable[[], float]) -> Peeked:
    """Read the opening of a stream, and put it before the rest."""
    content, head = watched(response), Head(effect, clock)
    try:
        peeked, _ = await peek_async(_Pieces(content.inner, effect.remaining, clock), head)
    except BaseException:
        response.close()
        raise
    if peeked.error is not None:
        response.close()
    content.opening(peeked.body)
    return peeked


def _put_back(content: Any, data: bytes) -> None:
    """Put bytes back to the front of a stream: ``StreamReader.unread_data`` without its warning, if that is possible.

    aiohttp has deprecated that method since 2018 and offers no other. To silence a warning for a moment is not safe
    with threads, so the same is done by hand where the reader is built as we know it.
    """
    known = ("_buffer", "_buffer_offset", "_size", "_cursor")
    if not all(hasattr(content, name) for name in known):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            content.unread_data(data)
        return
    if content._buffer_offset:
        content._buffer[0] = content._buffer[0][content._buffer_offset :]
        content._buffer_offset = 0
    content._size += len(data)
    content._cursor -= len(data)
    content._buffer.appendleft(data)
    content._eof_counter = 0
