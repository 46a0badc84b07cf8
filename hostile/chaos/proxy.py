"""The proxy's way with one client connection: request after request is read, passed on, and meets its fault.

Must not know clients, nor which faults a run has: ``Book`` says which one a try meets, and keeps what was done.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from .plan import CUTS, Fault
from .sides import Side
from .wire import JUNK, Reply, tampered

__all__ = ["MARK", "TRY", "Book", "Front", "Record"]

MARK: Final = "x-chaos"
"""The header that names a call: its number, and after a ``+`` how often the application made it before."""

TRY: Final = "x-chaos-try"
"""What the proxy adds: the number of the try on the wire, from 0."""

EARLY: Final = (503, 429, 413, 401)


@dataclass(slots=True)
class Record:
    """What the proxy saw of one try of a call, and what it did about it."""

    mark: str
    number: int
    connection: int
    order: int
    method: str = ""
    path: str = ""
    phase: str | None = None
    kind: str | None = None
    asked: bool = False
    """The request came whole."""
    passed: bool = False
    """It went on to the emulator whole."""
    status: int | None = None
    body: bytes = b""
    coding: str = ""
    complete: bool = False
    """The emulator's answer came whole."""
    whole: bool = False
    """It went to the client whole and unchanged."""
    early: bool = False
    """The answer is the proxy's own."""
    head_out: bool = False
    """The client was sent a whole and unchanged head."""
    ended: str = "kept"
    left: bool = False
    """The client went away first."""

    def told(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {**asdict(self), "body": self.body.decode("latin-1")}


class Book(Protocol):
    """What a connection asks of the world."""

    emulator_port: int
    active: int
    """How many tries are under way."""

    def connected(self) -> int:
        """Number a connection."""
        ...

    def begin(self, mark: str, connection: int) -> tuple[Record, Fault | None]:
        """Note a try of a call, and say which fault it meets."""
        ...

    def emulator_fault(self, kind: str, path: str) -> str | None:
        """Return what the emulator is asked to do, or None where it has no such fault on this path."""
        ...


class Front:
    """One client connection, and the one to the emulator that it needs."""

    def __init__(self, book: Book, client: Side) -> None:
        self.book = book
        self.client = client
        self.number = book.connected()
        self.upstream: Side | None = None
        self.idle: str | None = None  # how it ends when the next request has come
        self.garbled = False  # more was sent than an answer: whoever comes next may read it

    async def serve(self) -> None:
        """Serve until it ends."""
        try:
            while await self._one():
                pass
        finally:
            if self.upstream is not None:
                self.upstream.transport.abort()
            await self.client.closed()

    async def _one(self) -> bool:
        client = self.client
        while (end := client.data.find(b"\r\n\r\n")) < 0:
            if client.gone:
                return False
            await client.more()
        head = bytes(client.data[: end + 4])
        del client.data[: end + 4]
        headers = _headers(head)
        record, fault = self.book.begin(headers.get(MARK, "?"), self.number)
        record.method, record.path = head.split(b" ", 2)[0].decode(), head.split(b" ", 2)[1].decode("latin-1")
        if self.idle is not None:
            record.phase, record.kind, record.ended = "after", f"idle_{self.idle}", self.idle
            await client.end(self.idle)
            return False
        if self.garbled:
            record.phase, record.kind = "after", "garbage"
        self.book.active += 1
        try:
            return await self._exchange(head, headers, record, fault)
        finally:
            self.book.active -= 1
            record.left = record.left or (client.gone and record.ended == "kept")

    async def _exchange(self, head: bytes, headers: dict[str, str], record: Record, fault: Fault | None) -> bool:
        head = _marked(head, TRY, str(record.number))
        if fault is not None and fault.phase == "request_body" and fault.kind != "early" and not _has_body(headers):
            fault = replace(fault, phase="request_head")
        phase = None if fault is None else fault.phase
        if fault is not None and phase == "emulator":
            wish = self.book.emulator_fault(fault.kind, record.path)
            if wish is not None:
                head = _marked(head, "x-emulator-fault", wish)
                record.phase, record.kind = fault.phase, fault.kind
        if fault is not None and phase == "request_head":
            record.phase, record.kind = fault.phase, fault.kind
            await self._to_upstream(head[: int(fault.at * len(head))])
            return await self._ended(record, fault)
        if fault is not None and phase == "request_body" and fault.kind == "early":
            record.phase, record.kind = fault.phase, fault.kind
            return await self._early(headers, record, fault)
        body = await self._body(headers, record, fault if phase == "request_body" else None)
        if fault is not None and phase == "request_body":
            record.phase, record.kind = fault.phase, fault.kind
            await self._to_upstream(head + body[: int(fault.at * len(body))])
            return await self._ended(record, fault)
        record.passed = record.asked  # though the client may have left by now
        if not record.asked or not await self._to_upstream(head + body):
            record.left, record.ended = True, "left"
            return False
        if fault is None or phase == "emulator":
            return await self._passed(record)
        return await self._tampered(record, fault)

    async def _body(self, headers: dict[str, str], record: Record, fault: Fault | None) -> bytes:
        """Read the request's body: all of it, or for a fault in it at least as much as that needs."""
        client, length = self.client, headers.get("content-length")
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        size = int(length) if length is not None else 0
        while True:
            held = len(client.data)
            record.asked = client.data.endswith(b"0\r\n\r\n") if chunked else held >= size
            if record.asked or client.gone or (fault is not None and not chunked and held > fault.at * size):
                break
            await client.more()
        body = bytes(client.data) if chunked else bytes(client.data[:size])
        del client.data[: len(body)]
        return body if fault is None or chunked or not record.asked else body[: max(0, len(body) - 1)]

    async def _ended(self, record: Record, fault: Fault) -> bool:
        """End both sides, in the fault's way, before the request is through."""
        if self.upstream is not None and fault.settled:
            await asyncio.sleep(0)
        if fault.kind == "garbage":
            self.client.send(JUNK)
        if self.upstream is not None:
            self.upstream.transport.abort()
        record.ended = fault.kind if fault.kind in CUTS else "fin"
        await self.client.end(record.ended)
        return False

    async def _early(self, headers: dict[str, str], record: Record, fault: Fault) -> bool:
        """Answer before the body was read, and read no more of it."""
        status = EARLY[fault.pick % len(EARLY)]
        body = b'{"error":{"message":"refused before the body","type":"early","code":"early_%d"}}' % status
        sent = b"HTTP/1.1 %d Early\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (status, len(body))
        self.client.transport.pause_reading()
        self.client.send(sent + b"connection: close\r\n\r\n" + body)
        record.status, record.body, record.early = status, body, True
        record.complete = record.whole = record.head_out = True
        if fault.settled:
            await asyncio.sleep(0.02)
        record.ended = "fin"
        self.client.transport.close()  # with a body unread the kernel makes an RST of it
        return False

    async def _to_upstream(self, data: bytes) -> bool:
        """Send to the emulator, over the one connection that this client's has."""
        if self.upstream is None or self.upstream.gone:
            loop = asyncio.get_running_loop()
            address = "127.0.0.1", self.book.emulator_port
            _, self.upstream = await loop.create_connection(lambda: Side(self.client.news), *address)
        self.upstream.send(data)
        return not self.client.gone

    async def _passed(self, record: Record) -> bool:
        """Pass the answer on as it comes, and end as the emulator does."""
        client, upstream, reply = self.client, self.upstream, Reply()
        assert upstream is not None
        while not reply.complete:
            data = upstream.taken()
            reply.feed(data)
            client.send(data)
            if reply.complete or client.gone or (upstream.gone and not upstream.data):
                break
            if not upstream.data:
                await client.more()
        _note(record, reply)
        record.whole, record.head_out = reply.complete, reply.status is not None
        if reply.complete and not upstream.gone:
            return True
        record.left = client.gone
        record.ended = "left" if client.gone else "rst" if upstream.was_reset else "fin"
        await client.end(record.ended)
        return False

    async def _tampered(self, record: Record, fault: Fault) -> bool:
        """Take the whole answer, and send what the fault makes of it."""
        client, upstream, reply = self.client, self.upstream, Reply()
        assert upstream is not None
        while not reply.complete and not upstream.gone and not client.gone:
            await client.more()
            reply.feed(upstream.taken())
        _note(record, reply)
        if not reply.complete:
            record.left, record.ended = client.gone, "left"
            await client.end("fin")
            return False
        made = tampered(reply, fault)
        record.phase, record.kind, record.whole = made.phase, made.kind, made.whole
        record.head_out = made.whole or (made.phase != "response_head" and reply.spans[0].end <= _sent(made.acts))
        for what, value in made.acts:
            if what == "send":
                client.send(value)  # type: ignore[arg-type]
            elif what == "rest":
                await asyncio.sleep(value)  # type: ignore[arg-type]
            elif value == "half" and made.phase == "after":
                record.ended, self.idle = "half", "fin"  # an idle client may not notice before its next request
                client.half()
            else:
                record.ended = str(value)
                await client.end(record.ended)
                return False
        self.garbled = made.phase == "after" and made.kind == "garbage"
        if made.kind.startswith("idle_"):
            self.idle = made.kind[5:]
        return True


def _note(record: Record, reply: Reply) -> None:
    record.status, record.body, record.complete = reply.status, bytes(reply.body), reply.complete
    record.coding = reply.headers.get("content-encoding", "")


def _sent(acts: list[Any]) -> int:
    return sum(len(value) for what, value in acts if what == "send")


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (it.partition(":") for it in lines if it)}


def _has_body(headers: dict[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _marked(head: bytes, name: str, value: str) -> bytes:
    """Return a head with one header more."""
    return head[:-2] + f"{name}: {value}\r\n\r\n".encode("latin-1")
