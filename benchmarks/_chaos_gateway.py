"""The gateway of chaos.py, in a process of its own: chats and paid creates, some of them refused, some answers lost.

Must not know who calls it, nor that there is a store. It makes a new task for each create that it takes, whatever its
``Idempotency-Key``. What happens to a request is drawn from its name and from how often that has come, so that it is
the same in whatever order calls arrive. The first line printed is the address, as JSON; then a line on stdin is
answered by one: ``freeze`` keeps all answers back until ``thaw``, ``flying`` tells how many requests are here, ``log``
tells of each request when it came, of which kind, its name, what became of it, and how many of its kind were here then.

    python _chaos_gateway.py
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from typing import Any

__all__ = ["CHAT", "LOST", "MADE", "SEED", "VIDEO"]

CHAT, VIDEO = "/openai/v1/chat/completions", "/openai/v1/videos"
SEED = 20_260_101
MADE, LOST = "made", "lost"  # the answer of a create was given; it was not, whether or not the work was done
SECONDS = (0.03, 0.09)  # that a request takes
PAUSE_MS = "100"  # of a 429
FAULTS: dict[str, tuple[tuple[float, str], ...]] = {
    "chat": ((0.004, "429"), (0.01, "503"), (0.01, "lost")),
    "create": ((0.008, "429"), (0.02, "503"), (0.06, "lost after"), (0.02, "lost before")),
}
"""Share of the requests of a kind, and what happens to them; all others are served."""


def fate_of(kind: str, name: str, came: int) -> str:
    """Draw what happens to a request that came for the so-many-th time; empty for nothing."""
    drawn = random.Random(f"{SEED} {name} {came}").random()
    for share, fate in FAULTS[kind]:
        drawn -= share
        if drawn < 0:
            return fate
    return ""


def _answer(status: int, document: Any, *more: str) -> bytes:
    content = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} {status}", "content-type: application/json", f"content-length: {len(content)}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _error(status: int) -> bytes:
    kind = "rate_limit_error" if status == 429 else "server_error"
    more = [f"retry-after-ms: {PAUSE_MS}"] if status == 429 else []
    return _answer(status, {"error": {"message": str(status), "type": kind, "code": kind}}, *more)


def _chat(number: int) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
    return _answer(200, {"id": f"c{number}", "object": "chat.completion", "created": 1, "choices": [choice]})


def _video(name: str) -> bytes:
    shown = {"id": name, "object": "video", "model": "sora-2", "status": "queued", "progress": 0, "created_at": 1}
    return _answer(200, shown)


class Desk:
    """Takes requests, and writes down what became of them."""

    def __init__(self) -> None:
        self.log: list[list[Any]] = []
        self.flying: Counter[str] = Counter()
        self.chance = random.Random(SEED)
        self._came: Counter[str] = Counter()
        self._thawed = asyncio.Event()
        self._thawed.set()

    def said(self, word: str) -> Any:
        """Do what a line on stdin asks for."""
        if word == "freeze":
            self._thawed.clear()
        elif word == "thaw":
            self._thawed.set()
        return self.log if word == "log" else self.flying

    def take(self, method: str, path: str, body: bytes) -> tuple[str, bytes | None]:
        """Return a request's kind, and its answer, None for a lost one; what is paid for is made now."""
        if method == "GET":
            return "query", _video(path.rpartition("/")[2])
        kind = "create" if path == VIDEO else "chat"
        told = json.loads(body)
        name: str = told["prompt"] if kind == "create" else told["messages"][0]["content"]
        self._came[name] += 1
        fate = fate_of(kind, name, self._came[name])
        self.flying[kind] += 1
        ident, what = f"video_{len(self.log)}", fate[:4]
        if kind == "create" and fate in ("", "lost after"):
            what = MADE if not fate else LOST
        self.log.append([round(time.monotonic(), 4), kind, name, what, self.flying[kind]])
        if fate in ("429", "503"):
            return kind, _error(int(fate))
        return kind, None if fate else _video(ident) if kind == "create" else _chat(len(self.log))

    async def answered(self, kind: str, gone: asyncio.Event) -> None:
        """Wait until a request's work is done, or whoever sent it has gone."""
        work = asyncio.ensure_future(self._worked())
        left = asyncio.ensure_future(gone.wait())
        await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        left.cancel()
        self.flying[kind] -= 1

    async def _worked(self) -> None:
        await asyncio.sleep(self.chance.uniform(*SECONDS))
        await self._thawed.wait()


class Connection(asyncio.Protocol):
    """One connection: requests with a Content-Length, or a GET, one after the other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._transport: Any = None
        self._held = b""
        self._gone = asyncio.Event()
        self._works: set[asyncio.Future[None]] = set()

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._gone.set()

    def data_received(self, data: bytes) -> None:
        """Take what is whole."""
        self._held += data
        head, found, rest = self._held.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = next((int(it.split(b":")[1]) for it in lines if it.lower().startswith(b"content-length:")), 0)
        if not found or len(rest) < length:
            return
        self._held = rest[length:]
        method, path, _ = lines[0].decode().split(" ")
        work = asyncio.ensure_future(self._serve(*self._desk.take(method, path, rest[:length])))
        self._works.add(work)
        work.add_done_callback(self._works.discard)

    async def _serve(self, kind: str, answer: bytes | None) -> None:
        if kind != "query":
            await self._desk.answered(kind, self._gone)
        if answer is None:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(answer)


async def serve() -> None:
    """Serve until stdin ends."""
    loop, desk = asyncio.get_running_loop(), Desk()
    server = await loop.create_server(lambda: Connection(desk), "127.0.0.1", 0, backlog=1024)
    print(json.dumps(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(desk.said(line.strip())), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
