"""Request bodies that can be sent again, and bodies of answers whose start was read.

Must not decide anything.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from typing import Any

import requests
from urllib3 import HTTPResponse

from anyint_resilience.effects import Peeked
from anyint_resilience.exceptions import ResilienceError, StreamInterrupted
from anyint_resilience.peeking import Head, peek_sync
from anyint_resilience.replay import SyncReplay
from anyint_resilience.surface import Body

from ._faults import as_requests

__all__ = ["CHUNK", "Carried", "File", "Stream", "body_of", "peek", "replay_of", "unread"]

CHUNK = 65_536


def body_of(request: requests.PreparedRequest) -> Body:
    """Return the body: text or bytes, or a file that can be rewound; anything else can be read only once."""
    body: Any = request.body
    if body is None or isinstance(body, (str, bytes)):
        return Body(b"" if body is None else body.encode() if isinstance(body, str) else body)
    held: Any = request
    position = held._body_position  # requests keeps there where a file stood, for its own redirects
    if isinstance(position, int) and hasattr(body, "seek") and hasattr(body, "read"):
        return Body(chunks=lambda: _chunks(body, position))
    return Body()


def _chunks(file: Any, position: int) -> Iterator[bytes]:
    """Read a file from where it stood, and put it back there."""
    file.seek(position)
    try:
        while chunk := file.read(CHUNK):
            yield chunk if isinstance(chunk, bytes) else chunk.encode()
    finally:
        file.seek(position)


class Stream:
    """A urllib3 response as undecoded pieces, each as soon as it is there."""

    def __init__(self, raw: HTTPResponse) -> None:
        self.raw = raw

    def __iter__(self) -> Iterator[bytes]:
        raw: Any = self.raw
        wire: Any = getattr(raw, "_fp", None)
        own = type(wire) is http.client.HTTPResponse and hasattr(raw, "_error_catcher")
        if own and (getattr(raw, "chunked", False) or not hasattr(raw, "read1")):
            with raw._error_catcher():  # past what urllib3 does with each piece, as its own read_chunked goes
                if wire.chunked:
                    while chunk := wire.read1(CHUNK):
                        yield chunk
                else:
                    yield from _wire_pieces(wire)
            return
        while chunk := raw.read1(CHUNK, decode_content=False):
            yield chunk

    def close(self) -> None:
        """Close the body on the wire and give its connection back."""
        self.raw.close()
        self.raw.release_conn()


def _wire_pieces(wire: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield what is there of a body, each piece as soon as it is: urllib3 1.26 waits for as much as it asks for."""
    left = wire.length
    while left is None or left > 0:
        chunk = wire.read1(CHUNK if left is None else min(CHUNK, left))
        if not chunk:
            if left is not None:
                raise http.client.IncompleteRead(b"", left)
            return
        left = None if left is None else left - len(chunk)
        yield chunk


class Carried(StreamInterrupted):
    """Carries what a stream ended with through urllib3, which makes its own out of every ``OSError``."""

    def __init__(self, real: ResilienceError) -> None:
        super().__init__(str(real))
        self.__dict__.update(real.__dict__)
        self.real = real


class Replay(SyncReplay):
    """One that urllib3 closes, perhaps within the garbage collector, and whose errors of ours it lets through."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from super().__iter__()
        except ResilienceError as error:
            carried = Carried(error)
        else:
            return
        try:
            raise carried
        finally:
            del carried

    def ending(self, error: Exception | None) -> Exception | None:
        """Tell who follows in requests' own words; return what to raise within urllib3."""
        known = None if error is None or self.following is None else as_requests(error)
        ended = super().ending(error if known is None else known)
        return error if known is not None and ended is known else ended

    def let_go(self) -> None:
        """Tell who follows that nobody reads on; an application closes the response."""
        if self.following is not None:
            self.following.dropped()


class File(io.BufferedIOBase):
    """A replayed body as the file that urllib3 reads. It closes itself at its end, as http.client's does."""

    def __init__(self, replay: SyncReplay) -> None:
        self.replay = replay
        self._chunks = iter(replay)
        self._left, self._at = b"", 0  # a piece, and how far it was given

    def readable(self) -> bool:
        return True

    def read(self, amt: int | None = -1, /) -> bytes:
        """Return up to so many bytes, or all for None; some is enough: an event must not wait for the next one."""
        if self.closed:
            return b""
        if amt is None or amt < 0:
            piece = self._left[self._at :] + b"".join(self._chunks)
            self.close()
            return piece
        if amt and not self._more():
            self.close()
        piece = self._left[self._at : self._at + amt]
        self._at += len(piece)
        return piece

    def _more(self) -> bool:
        """Whether there is more: the piece that was begun, or the next one."""
        if self._at >= len(self._left):
            self._left, self._at = next(self._chunks, b""), 0
        return bool(self._left)

    read1 = read

    def fileno(self) -> int:
        inner: Any = self.replay.inner
        return int(inner.raw.fileno())

    def pieces(self, most: int) -> Iterator[bytes]:
        """Yield what is left in pieces of no more than so many bytes, past all that urllib3 does with each."""
        chunks = self._chunks
        while not self.closed:
            if self._at >= len(self._left):
                left = next(chunks, b"")
                if not left:
                    break
                if len(left) <= most:
                    yield left
                    continue
                self._left, self._at = left, 0
            self._at += most
            yield self._left[self._at - most : self._at]
        self.close()

    def close(self) -> None:
        self.replay.close()
        super().close()


def peek(response: requests.Response, head: Head) -> Peeked:
    """Read the start of a body and put it back."""
    held: Any = response
    if held._content is not False:  # an adapter of the user's own filled it already
        return Peeked(response.content or b"", complete=True)
    if not isinstance(held.raw, HTTPResponse):
        return Peeked()  # not urllib3's: nothing is known of how to put anything back
    stream = Stream(held.raw)
    peeked, rest = peek_sync(stream, head)
    _replayed(response, Replay(stream, head.chunks, rest))
    if peeked.error is not None:
        peeked.error = as_requests(peeked.error)
    return peeked


def _replayed(response: requests.Response, replay: SyncReplay) -> None:
    """Make a response read from ``replay``, through a urllib3 response like the one it had."""
    raw: Any = response.raw
    response.raw = HTTPResponse(
        body=File(replay),
        headers=raw.headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        decode_content=raw.decode_content,
        original_response=raw._original_response,  # cookies are read off it
        retries=raw.retries,
        enforce_content_length=False,  # the one below does
        request_method=response.request.method,
        request_url=response.url,
    )
    if hasattr(raw, "shutdown"):
        response.raw.shutdown = raw.shutdown


def unread(response: requests.Response) -> SyncReplay:
    """Make a response read from a replay of its own unread body, and return that."""
    stream = Stream(response.raw)
    replay = Replay(stream, [], iter(stream))
    _replayed(response, replay)
    return replay


def replay_of(response: requests.Response) -> SyncReplay | None:
    """Return the replay a response reads from, None if it still reads from the wire."""
    file = getattr(response.raw, "_fp", None)
    return file.replay if isinstance(file, File) else None
