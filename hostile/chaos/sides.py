"""One socket as the proxy sees it: what has come, whether its other end is gone, and every way to end it.

Must not know HTTP or faults' plans.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, cast

__all__ = ["LONGEST", "Side", "reset"]

LONGEST: Final = 10.0
"""Seconds that a silence of ours lasts at the most: who waits longer has no time-out."""

_NOW: Final = struct.pack("ii", 1, 0)


def reset(transport: Any) -> None:
    """End a connection with an RST."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if sock is not None:  # the other end was faster
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
    transport.abort()


class Side(asyncio.Protocol):
    """Collects what comes; ``news`` is set whenever anything happened, and may be shared by both sides of a relay."""

    def __init__(self, news: asyncio.Event | None = None, made: Callable[[Side], object] | None = None) -> None:
        self.news = asyncio.Event() if news is None else news
        self.data = bytearray()
        self.gone = False
        self.error: BaseException | None = None
        self.written = 0
        self.transport: asyncio.Transport
        self._made = made
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._made is not None:
            self._made(self)

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
        self.news.set()

    def eof_received(self) -> bool:
        """The other end will say no more; no client or server of HTTP goes on after that."""
        self.gone = True
        self.news.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self.gone, self.error = True, exc if self.error is None else self.error
        self._lost.set()
        self.news.set()

    @property
    def was_reset(self) -> bool:
        """Whether the other end ended it with an RST."""
        return isinstance(self.error, ConnectionResetError)

    def taken(self) -> bytes:
        """Take all that has come."""
        data = bytes(self.data)
        self.data.clear()
        return data

    async def more(self) -> None:
        """Wait until something happens."""
        self.news.clear()
        await self.news.wait()

    def send(self, data: bytes) -> None:
        """Write, if anybody is there."""
        if data and not self.transport.is_closing():
            self.written += len(data)
            self.transport.write(data)

    async def end(self, how: str) -> None:
        """End it: ``rst``, ``fin``, ``half`` (what goes out), or ``stall``: say nothing until the client leaves."""
        if how == "rst":
            reset(self.transport)
        elif how in ("half", "stall"):
            if how == "half":
                self.half()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.left(), LONGEST)
            self.transport.close()
        else:
            self.transport.close()

    def half(self) -> None:
        """Say that nothing more goes out; over TLS that is the end of both ways."""
        try:
            if self.transport.can_write_eof() and not self.transport.is_closing():
                self.transport.write_eof()
                return
        except OSError:  # the other end was faster
            pass
        self.transport.close()

    async def left(self) -> None:
        """Wait until the other end is gone."""
        while not self.gone:
            await self.more()
            self.data.clear()

    async def closed(self) -> None:
        """Wait until nothing is left of it."""
        if not self.transport.is_closing():
            self.transport.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._lost.wait(), 1.0)
        self.transport.abort()
