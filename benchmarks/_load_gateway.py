"""A gateway under load, in a process of its own: what it does is a world, its arrivals are written down.

Must not know who calls it. A plain server of HTTP/1.1 on loopback whose work is waiting, so that its capacity is the
world's and not this machine's. The first line printed is the address, as JSON; then a line on stdin is answered by one:
a world as JSON begins it, ``arrivals`` tells of each request when it came (in seconds of the world), for which model,
and with which status it was answered (0: not at all).

    python _load_gateway.py
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Any

__all__ = ["MODEL", "OTHER_MODEL"]

MODEL, OTHER_MODEL = "gpt-5", "gpt-5-mini"
REASONS = {200: "OK", 429: "Too Many Requests", 503: "Service Unavailable"}

Answer = Callable[..., None]
"""Answers a request: the status, and more headers."""


def _now() -> float:
    return asyncio.get_running_loop().time()


def _after(seconds: float, what: Callable[..., None], *args: Any) -> None:
    asyncio.get_running_loop().call_later(seconds, what, *args)


class World:
    """What a gateway does with a request; ``begun`` is when the world began, on the machine's monotonic clock."""

    def __init__(self, it: dict[str, Any]) -> None:
        self.it = it
        self.begun: float = it["begun"]
        self.chance = random.Random(it.get("seed", 1))

    def within(self, span: list[float]) -> bool:
        """Whether it is so late."""
        return span[0] <= _now() - self.begun < span[1]

    def takes(self) -> float:
        """Return the seconds that a request takes."""
        return self.chance.uniform(0.5, 1.5) * float(self.it["service"])

    def request(self, model: str, answer: Answer) -> None:
        """Take a request."""
        _after(self.takes(), answer, 200)


class Brownout(World):
    """``workers`` and one queue; ``down`` from and to: refusals that cost ``costs`` of the work, or a hang (None)."""

    def __init__(self, it: dict[str, Any]) -> None:
        super().__init__(it)
        self.queue: deque[tuple[float, Answer]] = deque()
        self.busy = 0
        _after(max(0.0, self.begun + it["down"][1] - _now()), self.serve)

    def request(self, model: str, answer: Answer) -> None:
        """Refuse it at once, or put it into the queue. Whoever gave up is served all the same."""
        if self.it["costs"] == 0.0 and self.within(self.it["down"]):
            answer(503)
            return
        self.queue.append((self.takes(), answer))
        self.serve()

    def serve(self) -> None:
        """Give the workers who are free something to do."""
        costs = self.it["costs"]
        while self.queue and self.busy < self.it["workers"]:
            down = self.within(self.it["down"])
            if down and costs is None:
                return
            work, answer = self.queue.popleft()
            self.busy += 1
            _after(work * costs if down else work, self.done, answer, 503 if down else 200)

    def done(self, answer: Answer, status: int) -> None:
        """A worker is free again, unless everything hangs."""
        if self.it["costs"] is None and self.within(self.it["down"]):
            _after(self.begun + self.it["down"][1] - _now(), self.done, answer, status)
            return
        self.busy -= 1
        answer(status)
        self.serve()


class Closing(World):
    """From ``closes`` on, with the first request, it is closed for ``lasts`` seconds: 429, which says how many more."""

    def __init__(self, it: dict[str, Any]) -> None:
        super().__init__(it)
        self.opens: float | None = None

    def request(self, model: str, answer: Answer) -> None:
        """Refuse it with what is left of the time, in whole seconds, as the header has them; or take it."""
        now = _now()
        if self.opens is None and now - self.begun >= self.it["closes"]:
            self.opens = now + self.it["lasts"]
        if self.opens is not None and now < self.opens:
            answer(429, {"retry-after": str(max(1, ceil(self.opens - now - 0.01)))})
        else:
            super().request(model, answer)


class Shrinking(World):
    """``limit`` requests at a time, ``least`` in the span ``shrunk``; 429 without a hint for more."""

    def __init__(self, it: dict[str, Any]) -> None:
        super().__init__(it)
        self.busy = 0

    def request(self, model: str, answer: Answer) -> None:
        """Take it where there is room."""
        if self.busy >= self.it["least" if self.within(self.it["shrunk"]) else "limit"]:
            answer(429)
            return
        self.busy += 1
        _after(self.takes(), self.done, answer)

    def done(self, answer: Answer) -> None:
        """There is room for one more."""
        self.busy -= 1
        answer(200)


class Flapping(World):
    """The first model is down in each of the spans ``down``: 503, or no answer where ``silent``."""

    def request(self, model: str, answer: Answer) -> None:
        """Serve it, unless its model is down."""
        if model != MODEL or not any(map(self.within, self.it["down"])):
            super().request(model, answer)
        elif not self.it["silent"]:
            answer(503)


WORLDS = {kind.__name__.lower(): kind for kind in (World, Brownout, Closing, Shrinking, Flapping)}


class Connection(asyncio.Protocol):
    """One connection: requests with a Content-Length, one after the other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._transport: Any = None
        self._held = b""

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what is whole."""
        self._held += data
        while True:
            head, found, rest = self._held.partition(b"\r\n\r\n")
            if not found:
                return
            lines = head.lower().split(b"\r\n")
            length = next((int(it.split(b":")[1]) for it in lines if it.startswith(b"content-length:")), 0)
            if len(rest) < length:
                return
            self._held = rest[length:]
            self._desk.take(json.loads(rest[:length])["model"], self._transport)


class Desk:
    """Writes down what comes, and hands it to the world."""

    def __init__(self) -> None:
        self._arrivals: list[list[Any]] = []
        self._world: World | None = None

    def begin(self, it: dict[str, Any]) -> None:
        """Begin a world."""
        self._arrivals = []
        self._world = WORLDS[it["kind"]](it)

    def take(self, model: str, transport: asyncio.Transport) -> None:
        """Take a request."""
        assert self._world is not None
        row = [round(_now() - self._world.begun, 4), model, 0]
        self._arrivals.append(row)

        def answer(status: int, headers: dict[str, str] | None = None) -> None:
            row[2] = status
            if not transport.is_closing():
                transport.write(_written(status, model, headers or {}))

        self._world.request(model, answer)

    def told(self) -> list[list[Any]]:
        """Return what came."""
        return self._arrivals


def _written(status: int, model: str, headers: dict[str, str]) -> bytes:
    if status == 200:
        message = {"role": "assistant", "content": "Hello."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body: Any = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
    else:
        kind = "rate_limit_error" if status == 429 else "server_error"
        body = {"error": {"message": REASONS[status], "type": kind, "code": kind}}
    content = json.dumps(body).encode()
    every = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in every.items())
    return f"HTTP/1.1 {status} {REASONS[status]}\r\n{head}\r\n".encode() + content


async def serve() -> None:
    """Serve until stdin ends."""
    loop, desk = asyncio.get_running_loop(), Desk()
    assert abs(loop.time() - time.monotonic()) < 1.0
    server = await loop.create_server(lambda: Connection(desk), "127.0.0.1", 0, backlog=1024)
    print(json.dumps(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = None
        if line.strip() == "arrivals":
            told = desk.told()
        else:
            desk.begin(json.loads(line))
        print(json.dumps(told), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
