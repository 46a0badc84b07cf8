"""Request bodies that can be sent again, and the start of an answer's body read without taking it away.

Must not decide anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import requests
from urllib3 import HTTPResponse

from anyint_resilience.effects import Peek, Peeked
from anyint_resilience.exceptions import ResilienceError
from anyint_resilience.surface import Body

from ._faults import as_requests

__all__ = ["Tail", "body_of", "peek", "replayed"]

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


class Tail(io.BufferedIOBase):
    """A body of which a part was read: gives that again, then the rest. urllib3 reads it like a socket's file.

    ``check`` is called before each further piece and raises when the user's deadline has passed. A ``lenient`` body
    is an error's: where it breaks, it ends, since its status says more than the break.
    """

    def __init__(self, head: bytes, rest: HTTPResponse | None) -> None:
        self.head = head
        self.rest = rest
        self.check: Callable[[], None] | None = None
        self.lenient = False

    def readable(self) -> bool:
        """Whether there may be something to read."""
        return True

    def read(self, amt: int | None = -1, /) -> bytes:
        """Return up to so many bytes, all that is left for None; nothing at the end."""
        if amt is None or amt < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if self.head:
            piece, self.head = self.head[:amt], self.head[amt:]
            return piece
        if self.rest is None or amt == 0:
            return b""
        if self.check is not None:
            self.check()
        try:
            return some_of(self.rest, amt)
        except Exception as error:
            if self.check is not None:
                self.check()  # the deadline speaks first
            if self.lenient and not isinstance(error, ResilienceError):
                self.close()
                return b""
            raise

    read1 = read  # some is enough: an event must not wait for the next one

    def close(self) -> None:
        """Close the body on the wire and give its connection back."""
        rest, self.rest = self.rest, None
        if rest is not None:
            rest.close()
            rest.release_conn()
        super().close()


def some_of(raw: HTTPResponse, amt: int) -> bytes:
    """Read what there is, undecoded, waiting only for the first byte where urllib3 can (2.x)."""
    read = getattr(raw, "read1", None)
    return raw.read(amt, decode_content=False) if read is None else read(amt, decode_content=False)


def peek(response: requests.Response, effect: Peek[Any], clock: Callable[[], float]) -> Peeked:
    """Read the start of a body and put it back."""
    held: Any = response
    if held._content is not False:  # an adapter of the user's own filled it already
        return Peeked(response.content or b"", complete=True)
    raw: Any = held.raw
    if not isinstance(raw, HTTPResponse):
        return Peeked()  # not urllib3's: nothing is known of how to put anything back
    chunks: list[bytes] = []
    left = effect.max_bytes
    rest: HTTPResponse | None = raw
    error: Exception | None = None
    try:
        while left > 0 and clock() < effect.until:
            chunk = some_of(raw, left)
            if not chunk:
                rest = None
                break
            chunks.append(chunk)
            left -= len(chunk)
    except Exception as broken:
        raw.close()
        raw.release_conn()
        rest, error = None, as_requests(broken)
    head = b"".join(chunks)
    replayed(response, Tail(head, rest))
    return Peeked(head, complete=rest is None and error is None, error=error)


def replayed(response: requests.Response, tail: Tail) -> Tail:
    """Make a response read from ``tail``, through a urllib3 response like the one it had."""
    raw: Any = response.raw
    response.raw = HTTPResponse(
        body=tail,
        headers=raw.headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        decode_content=raw.decode_content,
        original_response=raw._original_response,  # cookies are read off it
        retries=raw.retries,
        enforce_content_length=False,  # the one below does, where it matters
        request_method=response.request.method,
        request_url=response.url,
    )
    return tail
