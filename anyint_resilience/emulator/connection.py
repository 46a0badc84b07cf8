"""One client connection: h11 reads the requests, the steps of ``wire.py`` are carried out on the socket.

Must not know families, tasks or which fault is due; it asks its ``Host``. Nothing a client does may raise out of here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

import h11

from .messages import Seen
from .wire import Body, Cut, End, Head, Inform, Raw, Shut, Stall, Step, Wait

__all__ = ["Connection", "Host"]

_MAX_HEAD: Final = 256 * 1024
_MAX_BODY: Final = 64 * 1024 * 1024
_LONGEST_STALL: Final = 60.0
_NO_BODY: Final = frozenset({204, 304})
_REASONS: Final[dict[int, bytes]] = {status.value: status.phrase.encode() for status in HTTPStatus}


class Host(Protocol):
    """What a connection asks of the server."""

    def opened(self, connection: Connection) -> int:
        """Note a new connection and return its number."""
        ...

    def gone(self, connection: Connection) -> None:
        """Note that the client has left."""

    def closed(self, connection: Connection) -> None:
        """Note that nothing is left of it."""

    def receive(self, seen: Seen) -> list[Step]:
        """Take a request and return what to do about it."""
        ...

    def wronged(self, error: Exception) -> None:
        """Note an error of the emulator's own."""


class Connection(asyncio.Protocol):
    """Reads requests one after the other and answers each before the next."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._left = asyncio.Event()
        self._waiting = 0
        self.number = 0
        self.transport: asyncio.Transport
        self.task: asyncio.Task[None]

    # what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve."""
        self.transport = cast("asyncio.Transport", transport)
        sock: socket.socket = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = self._host.opened(self)
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        """Hand bytes to h11; a client that pipelines without end is dropped."""
        self._waiting += len(data)
        if self._waiting > _MAX_BODY:
            self.transport.abort()
            return
        with contextlib.suppress(h11.RemoteProtocolError):
            self._h11.receive_data(data)
        self._news.set()

    def eof_received(self) -> bool:
        """Note that the client shut its side; the answer under way still goes out."""
        with contextlib.suppress(h11.RemoteProtocolError):
            self._h11.receive_data(b"")
        self._leave()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everything that waits go on, and end."""
        self._leave()
        self._writable.set()
        self._host.closed(self)

    def pause_writing(self) -> None:
        """Hold back: the client reads slower than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on writing."""
        self._writable.set()

    def _leave(self) -> None:
        if not self._left.is_set():
            self._left.set()
            self._host.gone(self)
        self._news.set()

    # serving

    async def _serve(self) -> None:
        try:
            while await self._one():
                self._h11.start_next_cycle()
        except (h11.RemoteProtocolError, h11.LocalProtocolError):
            self._refuse_garbage()
        except Exception as error:  # the emulator's own mistake: kept for the tests, never on stderr
            self._host.wronged(error)
        finally:
            self.transport.close()

    async def _one(self) -> bool:
        """Serve one request; return whether the connection can take another."""
        seen = await self._request()
        if seen is None:
            return False
        for step in self._host.receive(seen):
            if self.transport.is_closing():
                return False
            if not await self._carry_out(step, seen):
                return False
        return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE

    async def _request(self) -> Seen | None:
        """Read one whole request; None when the client has gone."""
        seen: Seen | None = None
        parts: list[bytes] = []
        try:
            while True:
                event = await self._next_event()
                if isinstance(event, h11.Request):
                    seen = self._begin(event)
                elif isinstance(event, h11.Data):
                    parts.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage) and seen is not None:
                    seen.body, self._waiting = b"".join(parts), 0
                    return seen
                else:
                    break
        except h11.RemoteProtocolError:
            if seen is None or not self._left.is_set():
                raise
        if seen is not None:  # the client left in the middle of its body
            seen.body, seen.complete = b"".join(parts), False
            self._host.receive(seen)
        return None

    async def _next_event(self) -> Any:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._h11.they_are_waiting_for_100_continue:
                self._write(self._h11.send(h11.InformationalResponse(status_code=100, headers=[])))
            if self.transport.is_closing():
                return None
            self._news.clear()
            await self._news.wait()

    def _begin(self, request: h11.Request) -> Seen:
        target = request.target.decode("latin-1")
        if "://" in target.partition("?")[0]:
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        headers: dict[str, str] = {}
        for name, value in request.headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return Seen(
            method=request.method.decode("latin-1"),
            path=path,
            query=query,
            headers=headers,
            raw_headers=list(request.headers.raw_items()),
            at=time.monotonic(),
            connection=self.number,
        )

    async def _carry_out(self, step: Step, seen: Seen) -> bool:
        """Do one step; return whether there may be a next one."""
        if isinstance(step, Body):
            if seen.method != "HEAD" and seen.answered not in _NO_BODY:
                self._send(h11.Data(data=step.data), step.data)
            await self._writable.wait()
        elif isinstance(step, Head):
            self._send_head(step, seen)
        elif isinstance(step, End):
            self._send(h11.EndOfMessage(), b"")
        elif isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Inform):
            self._inform(step.status)
        elif isinstance(step, Raw):
            self._write(step.data)
        else:
            return await self._break(step)
        return True

    async def _break(self, step: Stall | Shut | Cut) -> bool:
        """Stop sending, in one of the ways a server can."""
        if isinstance(step, Cut):
            if step.how == "rst":
                self.reset()
            return False
        if isinstance(step, Shut):
            self.transport.write_eof()
        beats = isinstance(step, Stall) and step.every is not None
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._beat(cast("Stall", step)) if beats else self._left.wait(), _LONGEST_STALL)
        return isinstance(step, Stall)

    async def _beat(self, step: Stall) -> None:
        """Send a sign of life again and again, until the client has left."""
        while not self._left.is_set():
            self._send(h11.Data(data=step.beat), step.beat)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._left.wait(), step.every)

    def reset(self) -> None:
        """End the connection with an RST."""
        sock: socket.socket = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    # writing

    def _write(self, data: bytes | None) -> None:
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def _send(self, event: h11.Data | h11.EndOfMessage, raw: bytes) -> None:
        """Send through h11; where a fault's own head left h11 behind, the bytes go as they are."""
        if self._h11.our_state is not h11.ERROR:
            self._write(self._h11.send(event))
        else:
            self._write(raw)

    def _send_head(self, head: Head, seen: Seen) -> None:
        framing = ("transfer-encoding", "chunked") if head.length is None else ("content-length", str(head.length))
        named = {name.lower() for name, _ in head.headers}
        headers = list(head.headers)
        if not named & {"content-length", "transfer-encoding"} and head.status not in _NO_BODY:
            headers.append(framing)
        seen.answered = head.status
        reason = _REASONS.get(head.status, b"")
        raw = [(name.encode("latin-1", "replace"), value.encode("utf-8")) for name, value in headers]
        odd = bool(named & {"content-length", "transfer-encoding"})
        try:
            if odd:
                raise h11.LocalProtocolError("the fault frames its body itself")
            self._write(self._h11.send(h11.Response(status_code=head.status, headers=raw, reason=reason)))
        except h11.LocalProtocolError:
            self._h11.send_failed()
            lines = [b"HTTP/1.1 %d %s" % (head.status, reason), *(name + b": " + value for name, value in raw)]
            if "connection" not in named:
                lines.append(b"connection: close")
            self._write(b"\r\n".join(lines) + b"\r\n\r\n")

    def _inform(self, status: int) -> None:
        try:
            self._write(self._h11.send(h11.InformationalResponse(status_code=status, headers=[])))
        except h11.LocalProtocolError:
            self._write(b"HTTP/1.1 %d \r\n\r\n" % status)

    def _refuse_garbage(self) -> None:
        """Answer what was no HTTP, if an answer can still be sent."""
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
