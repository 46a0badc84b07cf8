"""Request bodies that can be sent again, and bodies of answers whose start was read.

Must not decide anything.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Iterator
from functools import partial
from inspect import ismethod
from typing import Any
from weakref import ref

import requests
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from anyint_resilience.effects import Peeked
from anyint_resilience.exceptions import ResilienceError, StreamInterrupted
from anyint_resilience.following import Following
from anyint_resilience.peeking import Head, peek_sync
from anyint_resilience.replay import SyncReplay
from anyint_resilience.surface import Body

from ._faults import as_requests

__all__ = ["body_of", "peek", "replay_of", "unread", "watched"]

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
        wire = getattr(raw, "_fp", None)
        if getattr(raw, "chunked", False) and type(wire) is http.client.HTTPResponse and hasattr(raw, "_error_catcher"):
            with raw._error_catcher():  # past what urllib3 does with each piece, as its own read_chunked goes
                while chunk := wire.read1(CHUNK):
                    yield chunk
            return
        read = getattr(raw, "read1", raw.read)  # urllib3 1.26 has no read1, and waits for a whole piece
        while chunk := read(CHUNK, decode_content=False):
            yield chunk

    def close(self) -> None:
        """Close the body on the wire and give its connection back."""
        self.raw.close()
        self.raw.release_conn()


class _Carried(StreamInterrupted):
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
            carried = _Carried(error)
        else:
            return
        raise carried

    def ending(self, error: Exception | None) -> Exception | None:
        """Tell who follows in requests' own words; return what to raise within urllib3."""
        known = None if error is None or self.following is None else as_requests(error)
        ended = super().ending(error if known is None else known)
        return error if known is not None and ended is known else ended

    def let_go(self) -> None:
        """Tell who follows that nobody reads on; an application closes the response."""
        if self.following is not None:
            self.following.dropped()


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

    def pieces(self, most: int) -> Iterator[bytes]:
        """Yield what is left in pieces of no more than so many bytes, past all that urllib3 does with each."""
        left, self._left = self._left, b""
        while left or (left := next(self._chunks, b"")):
            if len(left) <= most:
                yield left
            else:
                for start in range(0, len(left), most):
                    yield left[start : start + most]
            left = b""
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


def unread(response: requests.Response) -> SyncReplay:
    """Make a response read from a replay of its own unread body, and return that."""
    stream = Stream(response.raw)
    replay = Replay(stream, [], iter(stream))
    _replayed(response, replay)
    return replay


def replay_of(response: requests.Response) -> SyncReplay | None:
    """Return the replay a response reads from, None if it still reads from the wire."""
    file = getattr(response.raw, "_fp", None)
    return file.replay if isinstance(file, _File) else None


def watched(raw: HTTPResponse, check: Callable[[], None] | None = None, following: Following | None = None) -> None:
    """Make every way to read a urllib3 response end with the user's deadline, for which ``check`` raises.

    ``following`` is told of the end; where the response reads from a replay that is told there, and its errors come out
    here. Its class and the pieces it gives stay: it is done on the object, outside of what urllib3 turns into errors of
    its own (a ``requests`` exception is an ``OSError``), and without a reference cycle, which would keep an unread
    response and its connection from going.
    """
    reader = _Reader(raw, check, following)
    raw.read, raw.stream = reader.read, reader.stream  # type: ignore[method-assign, assignment]
    if following is not None:
        raw.close = reader.close  # type: ignore[method-assign]


class _Reader:
    """What stands before the ways to read a response; it holds the response weakly."""

    def __init__(self, raw: HTTPResponse, check: Callable[[], None] | None, following: Following | None) -> None:
        self._held, kind = ref(raw), type(raw)
        self._check = check
        self._following = following
        self._busy = False  # urllib3 also closes a response by itself, on its way to raising
        file = getattr(raw, "_fp", None)
        self._coded = bool(raw.headers.get("content-encoding"))
        self._file = file if isinstance(file, _File) and check is None and following is None else None
        # The class's own, or what stood before it already.
        self._before = {name: raw.__dict__.get(name, getattr(kind, name)) for name in ("read", "stream", "close")}

    def read(self, *args: Any, **kwargs: Any) -> bytes:
        """Read as urllib3 does."""
        self._checked()
        busy, self._busy = self._busy, True
        carried: _Carried | None = None
        piece = b""
        try:
            piece = self._inner("read", *args, **kwargs)
        except _Carried as error:
            carried = error
        except Exception as error:
            self._failed(error)
            raise
        finally:
            self._busy = busy
        self._out(carried)
        amt = args[0] if args else kwargs.get("amt")
        self._seen(last=amt is None or bool(amt and not piece))
        return piece

    def stream(self, amt: int | None = CHUNK, decode_content: bool | None = None) -> Iterator[bytes]:
        """Stream as urllib3 does."""
        carried: _Carried | None = None
        try:
            most = CHUNK if amt is None else max(1, amt)
            if self._file is not None and (not self._coded or decode_content is False):
                yield from self._file.pieces(most)
            elif self._file is not None and hasattr(HTTPResponse, "read1"):  # urllib3 itself waits for a whole piece
                yield from iter(partial(self._read1, most, decode_content), b"")
            else:
                for chunk in self._steps(self._inner("stream", amt, decode_content)):
                    self._checked()
                    yield chunk
        except _Carried as error:
            carried = error
        except (HTTPError, OSError) as error:
            self._failed(error)
            raise
        self._out(carried)
        self._seen(last=True)

    def _read1(self, most: int, decode: bool | None) -> bytes:
        raw = self._held()
        return b"" if raw is None else raw.read1(most, decode_content=decode)

    def close(self) -> None:
        """Close it, before its end or after."""
        if self._following is not None and not self._busy:
            self._following.dropped()  # perhaps because it is garbage; an application closes the response
        if self._held() is not None:
            self._inner("close")

    def _steps(self, inner: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            self._busy = True
            try:
                chunk = next(inner, None)
            finally:
                self._busy = False
            if chunk is None:
                return
            yield chunk

    def _inner(self, name: str, *args: Any, **kwargs: Any) -> Any:
        before = self._before[name]
        return before(*args, **kwargs) if ismethod(before) else before(self._held(), *args, **kwargs)

    def _checked(self) -> None:
        if self._check is None:
            return
        try:
            self._check()
        except BaseException:
            raw = self._held()
            assert raw is not None  # it is being read
            Stream(raw).close()
            raise

    def _out(self, carried: _Carried | None) -> None:
        """Raise what a stream ended with, now that urllib3 is left; its connection is of no more use."""
        if carried is None:
            return
        raw = self._held()
        if raw is not None:
            Stream(raw).close()
        try:
            raise carried.real
        finally:
            del carried

    def _failed(self, error: Exception) -> None:
        self._checked()  # the deadline speaks first
        if self._following is not None:
            self._following.over(error)

    def _seen(self, *, last: bool) -> None:
        if self._following is not None and last:
            self._following.over(None)
