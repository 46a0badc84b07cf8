"""Request bodies that can be sent again, and bodies of answers whose start was read.

Must not decide anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import requests
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from anyint_resilience.effects import Peeked
from anyint_resilience.replay import Head, SyncReplay, peek_sync
from anyint_resilience.surface import Body

from ._faults import as_requests

__all__ = ["body_of", "peek", "replay_of", "watched"]

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
        read = getattr(self.raw, "read1", self.raw.read)  # urllib3 1.26 has no read1, and waits for a whole piece
        while chunk := read(CHUNK, decode_content=False):
            yield chunk

    def close(self) -> None:
        """Close the body on the wire and give its connection back."""
        self.raw.close()
        self.raw.release_conn()


class _File(io.BufferedIOBase):
    """A replayed body as the file that urllib3 reads. It closes itself at its end, as http.client's does."""

    def __init__(self, replay: SyncReplay) -> None:
        self.replay = replay
        self._chunks = iter(replay)
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, amt: int | None = -1, /) -> bytes:
        """Return up to so many bytes, or all for None; some is enough: an event must not wait for the next one."""
        if amt is None or amt < 0:
            piece, self._left = self._left + b"".join(self._chunks), b""
            self.close()
            return piece
        if not self._left and amt:
            self._left = next(self._chunks, b"")
            if not self._left:
                self.close()
        piece, self._left = self._left[:amt], self._left[amt:]
        return piece

    read1 = read

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
    _replayed(response, SyncReplay(stream, head.chunks, rest))
    if peeked.error is not None:
        peeked.error = as_requests(peeked.error)
    return peeked


def _replayed(response: requests.Response, replay: SyncReplay) -> None:
    """Make a response read from ``replay``, through a urllib3 response like the one it had."""
    raw: Any = response.raw
    response.raw = HTTPResponse(
        body=_File(replay),
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


def replay_of(response: requests.Response) -> SyncReplay | None:
    """Return the replay a response reads from, None if it still reads from the wire."""
    file = getattr(response.raw, "_fp", None)
    return file.replay if isinstance(file, _File) else None


def watched(raw: HTTPResponse, check: Callable[[], None]) -> None:
    """Make every way to read a urllib3 response end with the user's deadline, for which ``check`` raises.

    Its class and the pieces it gives stay: it is done on the object, outside of what urllib3 turns into errors of its
    own (a ``requests`` exception is an ``OSError``), and without a reference cycle, which would keep an unread response
    and its connection from going.
    """
    held, kind = ref(raw), type(raw)

    def checked(it: HTTPResponse) -> None:
        try:
            check()
        except BaseException:
            Stream(it).close()
            raise

    def read(*args: Any, **kwargs: Any) -> bytes:
        it = held()
        assert it is not None  # it is being called
        checked(it)
        try:
            return kind.read(it, *args, **kwargs)
        except Exception:
            checked(it)  # the deadline speaks first
            raise

    def stream(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        it = held()
        assert it is not None
        try:
            for chunk in kind.stream(it, *args, **kwargs):
                checked(it)
                yield chunk
        except (HTTPError, OSError):
            checked(it)
            raise

    raw.read, raw.stream = read, stream  # type: ignore[method-assign, assignment]
