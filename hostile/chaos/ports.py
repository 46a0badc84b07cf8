"""Ports of single calls: each refuses, swallows, ends or garbles its first connections as the call's plan says.

Must not know HTTP. Ports lie below those that a system gives to connections: one that was left can be had again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from .plan import Fault, Plan
from .sides import Side, reset
from .wire import JUNK

__all__ = ["FIRST", "HANDSHAKE", "RANGE", "Port", "Tap"]

HANDSHAKE: Final = {"out": 600, "back": 1400}
"""Bytes from the client and from the server within which a fault meets the handshake."""

FIRST: Final = 20_000
RANGE: Final = 1000
_FILLERS: Final = 4


def free(first: int) -> int:
    """Return the first port from there on that nobody has: each world has a range, and gives up ports at times."""
    for port in range(first, first + RANGE):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


def bound(number: int) -> socket.socket:
    """Return a socket that has this port and does not listen: it refuses."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", number))
    sock.setblocking(False)
    return sock


class Port:
    """One port, for one call after the other. ``serve`` takes a connection that nothing happens to."""

    def __init__(
        self, serve: Callable[[Side], object], spawn: Callable[..., object], tls_port: int, first: int = FIRST
    ) -> None:
        self._serve = serve
        self._spawn = spawn
        self._tls_port = tls_port
        self.number = free(first)
        self._sock = bound(self.number)
        self._server: asyncio.Server | None = None
        self._fillers: list[socket.socket] = []
        self._sides: set[Side] = set()
        self.plan: Plan | None = None
        self.met = 0
        """How many connections met their fault; those that were refused or swallowed are not seen here."""

    async def begin(self, plan: Plan) -> None:
        """Be a call's."""
        self.plan, self.met = plan, 0
        kind = None if plan.opening is None else plan.opening.kind
        if kind == "black_hole":
            self._swallow()
        elif kind != "refused":
            await self.open()

    async def open(self) -> None:
        """Take connections from now on."""
        if self._server is not None:
            return
        if self._fillers:
            self._again()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Side(made=self._arrived), sock=self._sock)

    def _swallow(self) -> None:
        """Listen without ever taking a connection: when the queue is full, no more is answered."""
        self._sock.listen(0)
        for _ in range(_FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", self.number))
            self._fillers.append(filler)

    def _again(self) -> None:
        for filler in (*self._fillers, self._sock):
            filler.close()
        self._fillers.clear()
        self._sock = bound(self.number)

    async def end(self) -> None:
        """Be nobody's: end what is open, and refuse."""
        self.plan = None
        if self._server is not None:
            self._server.close()
            self._server = None
        for side in list(self._sides):
            side.transport.abort()
        self._sides.clear()
        self._again()

    def close(self) -> None:
        """Give the port back."""
        for sock in (*self._fillers, self._sock):
            sock.close()

    def _arrived(self, side: Side) -> None:
        plan = self.plan
        fault = None if plan is None or self.met >= plan.openings else plan.opening
        self._sides = {it for it in self._sides if not it.transport.is_closing()} | {side}
        if plan is not None and plan.is_tls:
            self.met += fault is not None
            self._spawn(Tap(side, fault, self._tls_port).serve())
        elif fault is not None and fault.kind == "closed":
            self.met += 1
            side.transport.close()
        elif fault is not None and fault.kind == "reset":
            self.met += 1
            reset(side.transport)
        else:
            self._serve(side)


class Tap:
    """Passes bytes between a client and the server that ends TLS, and garbles the handshake."""

    def __init__(self, client: Side, fault: Fault | None, port: int) -> None:
        self.client = client
        self.fault = fault
        self._port = port

    async def serve(self) -> None:
        """Pass on until either side is gone, or the fault has ended it."""
        loop = asyncio.get_running_loop()
        _, server = await loop.create_connection(lambda: Side(self.client.news), "127.0.0.1", self._port)
        try:
            while not (self.client.gone or server.gone):
                ended = await self._pass("out", self.client, server) or await self._pass("back", server, self.client)
                if ended:
                    return
                if not (self.client.data or server.data or self.client.gone or server.gone):
                    await self.client.more()
            await self._pass("back", server, self.client)
            if server.was_reset:
                reset(self.client.transport)
        finally:
            server.transport.abort()
            await self.client.closed()

    async def _pass(self, way: str, source: Side, target: Side) -> bool:
        """Pass on what has come; True if the fault has ended the connection."""
        data, fault = source.taken(), self.fault
        at = None if fault is None or way != ("out", "back")[fault.pick % 2] else int(fault.at * HANDSHAKE[way])
        if fault is None or at is None or not target.written <= at < target.written + len(data):
            target.send(data)
            return False
        self.fault, place = None, at - target.written
        if fault.kind in ("flip", "truncate"):
            changed = b"" if fault.kind == "truncate" else bytes([data[place] ^ (1 << fault.size)])
            target.send(data[:place] + changed + data[place + 1 :])
            return False
        target.send(data[:place] + (JUNK if fault.kind == "garbage" else b""))
        if fault.kind == "garbage":
            return False
        await self.client.end(fault.kind)
        return True
