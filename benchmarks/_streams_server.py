"""The gateway of streams.py: streams on a real socket, in a process of its own, so that nothing of it is counted.

Must not know who reads. A header of the request says which stream is wanted. The first line printed is the address;
each line read from stdin is answered with the counts so far.

    python _streams_server.py
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
from typing import Any

from _streams_chunks import DIALECTS, Dialect

__all__ = ["WANTED"]

WANTED = "x-stream"
"""A header: ``whole``, ``late SECONDS`` (content comes so long after the opening), ``hold BYTES`` (so much content, and
then nothing more), or one that ends badly after some content: ``cut``, ``eof``, ``reset``, ``error``, ``stall``."""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
TEXT = "x" * 100
EVENTS = 5
LONG_TEXT = "x" * 2000
_WANTED = re.compile(rb"(?i)\r\nx-stream: *([^\r]*)")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_RESET = struct.pack("ii", 1, 0)


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Server:
    """Counts its requests and open connections."""

    def __init__(self) -> None:
        self.requests = self.connections = 0
        self.errors: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:
            self.errors.append(repr(error))
        finally:
            self.connections -= 1
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is over."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        self.requests += 1
        found = _WANTED.search(head)
        word, _, value = (found[1].decode() if found else "whole").partition(" ")
        dialect = next(it for it in DIALECTS.values() if it.path.encode() in head.partition(b"\r\n")[0])
        await self._begin(writer, dialect, float(value) if word == "late" else 0.0)
        return await self._go_on(reader, writer, dialect, word, value)

    async def _begin(self, writer: asyncio.StreamWriter, dialect: Dialect, pause: float) -> None:
        """Write the headers, the opening, and the first content."""
        opening = b"".join(chunk(it) for it in dialect.opening)
        first = chunk(dialect.content(TEXT))
        if pause:
            writer.write(HEAD + opening)
            await writer.drain()
            await asyncio.sleep(pause)
            writer.write(first)
        else:
            writer.write(HEAD + opening + first)
        await writer.drain()

    async def _go_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dialect: Dialect, word: str, value: str
    ) -> bool:
        content = chunk(dialect.content(TEXT))
        if word == "hold":
            piece = chunk(dialect.content(LONG_TEXT))
            writer.write(piece * (int(value) // len(piece)))
            await writer.drain()
            return bool(await reader.read(1)) and False
        if word in ("whole", "late"):
            writer.write(content * EVENTS + b"".join(chunk(it) for it in dialect.closing) + END)
            await writer.drain()
            return True
        writer.write(content * EVENTS)
        if word == "error":
            error = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
            writer.write(chunk(b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n") + END)
        elif word == "eof":
            writer.write(END)
        elif word == "cut":
            writer.write(content[:-20])
        await writer.drain()
        if word in ("error", "eof"):
            return True
        if word == "stall":
            await reader.read(1)  # until the client leaves
        elif word == "reset":
            held: Any = writer.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        else:
            writer.write_eof()
        return False


async def main() -> None:
    """Serve until stdin ends."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=2048)
    print(json.dumps(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        counts = {"requests": server.requests, "connections": server.connections, "errors": server.errors}
        print(json.dumps(counts), flush=True)
    listening.close()


if __name__ == "__main__":
    asyncio.run(main())
