"""What stands before the ways to read a urllib3 response: the user's deadline, and how a stream ended.

Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import ismethod
from typing import Any
from weakref import ref

from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from anyint_resilience.following import Following

from ._bodies import CHUNK, Carried, File, Stream

__all__ = ["watched"]


def watched(raw: HTTPResponse, check: Callable[[], None] | None = None, following: Following | None = None) -> None:
    """Make every way to read a urllib3 response end with the user's deadline, for which ``check`` raises.

    ``following`` is told of the end; where the response reads from a replay that is told there, and its errors come out
    here. Its class and the pieces it gives stay: it is done on the object, outside of what urllib3 turns into errors of
    its own (a ``requests`` exception is an ``OSError``), and without a reference cycle, which would keep an unread
    response and its connection from going.
    """
    reader = _Reader(raw, check, following)
    raw.read, raw.stream = reader.read, reader.stream  # type: ignore[method-assign, assignment]
    if isinstance(getattr(raw, "_fp", None), File):
        raw.read_chunked = reader.stream  # type: ignore[assignment, method-assign]
        if hasattr(raw, "read1"):
            raw.read1 = reader.read1  # type: ignore[method-assign]
    if following is not None:
        raw.close = reader.close  # type: ignore[method-assign]


_WAYS = ("read", "read1", "stream", "close")


class _Reader:
    """What stands before the ways to read a response; it holds the response weakly."""

    def __init__(self, raw: HTTPResponse, check: Callable[[], None] | None, following: Following | None) -> None:
        self._held, kind = ref(raw), type(raw)
        self._check = check
        self._following = following
        self._busy = False  # urllib3 also closes a response by itself, on its way to raising
        file = getattr(raw, "_fp", None)
        self._coded = bool(raw.headers.get("content-encoding"))
        self._file = file if isinstance(file, File) and check is None and following is None else None
        # The class's own, or what stood before it already.
        self._before = {name: raw.__dict__.get(name, getattr(kind, name, None)) for name in _WAYS}

    def read(self, *args: Any, **kwargs: Any) -> bytes:
        """Read as urllib3 does."""
        self._checked()
        busy, self._busy = self._busy, True
        carried: Carried | None = None
        piece = b""
        try:
            piece = self._inner("read", *args, **kwargs)
        except Carried as error:
            carried = error
        except Exception as error:
            self._failed(error)
            raise
        finally:
            self._busy = busy
        try:
            self._out(carried)
        finally:
            del carried
        amt = args[0] if args else kwargs.get("amt")
        if amt is None or (amt and not piece):
            self._ended()
        return piece

    def stream(self, amt: int | None = CHUNK, decode_content: bool | None = None) -> Iterator[bytes]:
        """Stream as urllib3 does."""
        carried: Carried | None = None
        try:
            most = CHUNK if amt is None else max(1, amt)
            if self._file is not None and (not self._coded or decode_content is False):
                yield from self._file.pieces(most)
            elif self._file is not None:  # urllib3 itself waits for a whole piece
                yield from self._decoded(most)
            else:
                for chunk in self._steps(self._inner("stream", amt, decode_content)):
                    self._checked()
                    yield chunk
        except Carried as error:
            carried = error
        except (HTTPError, OSError) as error:
            self._failed(error)
            raise
        try:
            self._out(carried)
        finally:
            del carried
        self._ended()

    def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """Read as urllib3 does."""
        carried: Carried | None = None
        piece = b""
        try:
            piece = self._inner("read1", amt, decode_content)
        except Carried as error:
            carried = error
        try:
            self._out(carried)
        finally:
            del carried
        return piece

    def _decoded(self, most: int) -> Iterator[bytes]:
        """Yield what is there, decoded by urllib3's own decoder."""
        raw: Any = self._held()
        assert self._file is not None
        raw._init_decoder()
        for piece in self._file.pieces(CHUNK):
            for plain in _opened(raw, piece, most):
                yield from (plain[at : at + most] for at in range(0, len(plain), most))
        if rest := raw._decode(b"", True, True):
            yield rest

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
        before: Any = self._before[name]
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

    def _out(self, carried: Carried | None) -> None:
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

    def _ended(self) -> None:
        if self._following is not None:
            self._following.over(None)


def _opened(raw: Any, piece: bytes, most: int) -> Iterator[bytes]:
    """Yield what a piece is decoded to, no more than so much at once where urllib3 can: it may be a bomb."""
    if not hasattr(raw._decoder, "has_unconsumed_tail"):  # before 2.6, or in no coding
        yield raw._decode(piece, True, False)
        return
    yield raw._decode(piece, True, False, max_length=most)
    while raw._decoder.has_unconsumed_tail:
        yield raw._decode(b"", True, False, max_length=most)
