"""A server that pours out whatever it is given, without end if need be, and what an answer costs in memory.

Must not know any test, nor what a bound is.
"""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

__all__ = ["KIB", "MIB", "Cost", "Pouring", "bomb", "chunked", "costing", "endless", "head"]

KIB, MIB = 1024, 1024 * 1024


def head(status: int, *headers: tuple[str, str], length: int | None = None) -> bytes:
    """Return the head of an answer after which the connection is closed."""
    rows = [*headers, ("connection", "close"), *([] if length is None else [("content-length", str(length))])]
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in rows)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunked(pieces: Iterable[bytes], *trailers: bytes) -> Iterator[bytes]:
    """Yield pieces as chunks, and trailers behind the last one."""
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n"
    yield b"".join(it + b"\r\n" for it in trailers) + b"\r\n"


@cache
def bomb(start: bytes, size: int, *, times: int = 1) -> bytes:
    """Return a text and so many blanks behind it, compressed so many times."""
    made = gzip.compress(start + b" " * size)
    for _ in range(times - 1):
        made = gzip.compress(made)
    return made


@dataclass
class Pouring:
    """Answers each request on a connection of its own with what ``answer`` makes of its head, piece by piece.

    ``poured``: the bytes that each connection took, in order of the requests.
    """

    answer: Callable[[bytes], Iterable[bytes]]
    asked: list[bytes] = field(default_factory=list)
    poured: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open = True
        self._threads: list[threading.Thread] = []
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def _serve(self) -> None:
        while self._open:
            connection, _ = self._server.accept()
            if not self._open:
                connection.close()
                return
            thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        connection.settimeout(5.0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * KIB)
        with connection, suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked:
                more = connection.recv(65_536)
                if not more:
                    return
                asked += more
            at = len(self.asked)
            self.asked.append(asked)
            self.poured.append(0)
            for piece in self.answer(asked):
                for start in range(0, len(piece), 16 * KIB):
                    self.poured[at] += connection.send(piece[start : start + 16 * KIB])
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass

    def close(self) -> None:
        """Stop, and wait for who is still being answered."""
        self._open = False
        socket.create_connection(self._server.getsockname()).close()  # so that nobody is waited for any more
        for it in (self._serving, *self._threads):
            it.join(10)
        self._server.close()
        assert not any(it.is_alive() for it in self._threads), "somebody still takes what is poured"

    def __enter__(self) -> Pouring:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def endless(piece: bytes) -> Iterator[bytes]:
    """Yield a piece again and again."""
    return itertools.repeat(piece)


@dataclass
class Cost:
    """What something has cost in memory, at its worst."""

    peak: int = 0


@contextmanager
def costing() -> Iterator[Cost]:
    """Measure the memory that is taken inside, by all threads."""
    cost = Cost()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield cost
        cost.peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
