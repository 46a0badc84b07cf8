"""Servers that write down every byte they get, and the requests that this makes. Must not know any test."""

from __future__ import annotations

import itertools
import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import h11

from tests.waiting import until

__all__ = ["CONNECTED", "FINE", "Answer", "Line", "Listener", "Seen", "poured"]

FINE = (200, {"Content-Type": "application/json"}, b'{"id": "a-1", "object": "list", "data": []}')
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class Seen:
    """One request, as a strict server reads it."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    at: int = field(default_factory=itertools.count().__next__)
    """How many any server had seen before."""

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value.decode("latin-1") for key, value in self.headers if key == name.encode()]


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Listener:
    """A server that writes down what it gets: every byte, what TLS had in it, and the requests that this makes.

    ``tunnel``: what it does with CONNECT, given the connection and what was asked; None: it is no proxy.
    """

    name: str
    context: ssl.SSLContext | None = None
    answer: Callable[[Seen], Answer] = lambda seen: FINE
    tunnel: Callable[[Listener, Line, str], None] | None = None
    lines: list[Line] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: tuple[str, int] = self._server.getsockname()
        threading.Thread(target=self._accept, name=self.name, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is, for who needs no name."""
        return f"http://127.0.0.1:{self.address[1]}"

    def quiet(self) -> bool:
        """Whether all that was sent here has been read."""
        return all(line.read_out() for line in list(self.lines))

    def reset(self) -> None:
        """Forget everything, once it has come."""
        until(self.quiet)
        self.lines.clear()
        self.seen.clear()
        self.broken.clear()
        self.answer = lambda seen: FINE

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    @property
    def heard(self) -> bytes:
        """All that came, connection by connection: as it was on the wire, and what TLS had in it."""
        return b"\0".join(bytes(part) for line in self.lines for part in (line.wire, line.said))

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._served, args=(sock,), daemon=True).start()

    def _served(self, sock: socket.socket) -> None:
        sock.settimeout(20)
        line = Line(sock, self, self.context)
        with sock, suppress(OSError):
            self.serve(line)
        line.idle = True

    def serve(self, line: Line) -> None:
        """Answer the requests of a connection, until it ends or one of them is none."""
        left = line.read()
        if line.protocol == "h2":
            self._serve_2(line, left)
            return
        while True:
            try:
                request, left = _request(left, line)
            except h11.RemoteProtocolError as error:
                self.broken.append(str(error))
                return
            if request is None:
                return
            self.seen.append(request)
            if request.method == "CONNECT":
                if self.tunnel is not None:
                    self.tunnel(self, line, request.target.decode())
                return
            status, headers, body = self.answer(request)
            lines = [f"HTTP/1.1 {status} So be it", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]  # unchecked: they may be anything
            line.write("\r\n".join([*lines, "", ""]).encode() + (b"" if request.method == "HEAD" else body))

    def _serve_2(self, line: Line, came: bytes) -> None:
        """Answer requests by HTTP/2, whose packed headers are written down as what they say."""
        from h2 import config, connection, events

        held = connection.H2Connection(config.H2Configuration(client_side=False))
        held.initiate_connection()
        asked: dict[int, Seen] = {}
        while came:
            for event in held.receive_data(came):
                if isinstance(event, events.RequestReceived):
                    said = [(bytes(name), bytes(value)) for name, value in event.headers]
                    line.said += b"".join(b"%s: %s\r\n" % it for it in said)
                    named = dict(said)
                    plain = [(b"host", named[b":authority"]), *(it for it in said if it[0][:1] != b":")]
                    asked[event.stream_id] = Seen(named[b":method"].decode(), named[b":path"], plain)
                elif isinstance(event, events.DataReceived):
                    asked[event.stream_id].body += event.data
                    held.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, events.StreamEnded):
                    self.seen.append(asked[event.stream_id])
                    status, headers, body = self.answer(asked[event.stream_id])
                    fields = [(":status", str(status)), *((name.lower(), value) for name, value in headers.items())]
                    held.send_headers(event.stream_id, fields)
                    held.send_data(event.stream_id, body, end_stream=True)
            line.write(held.data_to_send())
            came = line.read()


def _request(left: bytes, line: Line) -> tuple[Seen | None, bytes]:
    """Return the next request, None at the end, and what came after it."""
    connection, made = h11.Connection(h11.SERVER), None
    connection.receive_data(left or line.read())
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(line.read())
        elif isinstance(event, h11.Request):
            made = Seen(event.method.decode(), event.target, list(event.headers))
        elif isinstance(event, h11.Data) and made is not None:
            made.body += event.data
        else:  # the end of the request, or of everything
            return made, connection.trailing_data[0]


class Line:
    """One end of a connection. TLS is done in memory, so that what is on the wire can be seen too."""

    def __init__(self, sock: socket.socket, listener: Listener, context: ssl.SSLContext | None) -> None:
        self.sock = sock
        self.wire, self.said = bytearray(), bytearray()
        self.idle = False
        listener.lines.append(self)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None if context is None else context.wrap_bio(self._in, self._out, server_side=True)

    @property
    def protocol(self) -> str | None:
        """What TLS has agreed on, once something was read."""
        return None if self._tls is None else self._tls.selected_alpn_protocol()

    def read_out(self) -> bool:
        """Whether nothing that came is unread."""
        try:
            return self.idle and not select.select([self.sock], [], [], 0)[0]
        except (OSError, ValueError):  # closed
            return True

    def raw(self) -> bytes:
        """Read what is on the wire."""
        self.idle = True
        found = self.sock.recv(65_536)
        self.idle = False
        self.wire += found
        return found

    def read(self) -> bytes:
        """Read what was said; nothing: that was all, or it was no TLS that holds."""
        while self._tls is not None:
            try:
                found = self._tls.read(65_536)
            except ssl.SSLWantReadError:
                self._flush()
                came = self.raw()
                if not came:
                    return b""
                self._in.write(came)
            except ssl.SSLError:
                self._flush()
                return b""
            else:
                self.said += found
                return found
        return self.raw()

    def write(self, data: bytes) -> None:
        """Say something."""
        if self._tls is None:
            self.sock.sendall(data)
            return
        self._tls.write(data)
        self._flush()

    def _flush(self) -> None:
        pending = self._out.read()
        if pending:
            self.sock.sendall(pending)


def poured(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
