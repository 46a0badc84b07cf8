"""A gateway that a fleet shares, in a process of its own, on a wire whose length is made up.

Must not know who calls it. It is ``_load_gateway`` with other worlds and other answers: ``arrivals`` on stdin is
answered by what came, and by each time that it closed.

    python _fleet_gateway.py
"""

from __future__ import annotations

import asyncio
import json
import sys
from math import ceil
from typing import Any

from _load_gateway import REASONS, Answer, Brownout, Connection, Desk, World, _after, _now

__all__ = ["CHAT", "VIDEO"]

CHAT, VIDEO = "gpt-5", "sora-2"
MESSAGES = {429: ("rate_limit_error", "Rate limit reached."), 503: ("server_error", "Service unavailable.")}


class Window(World):
    """Takes ``quota`` requests, then refuses for ``lasts`` seconds from the first that it refuses on; and again.

    ``way``: seconds that a request and its answer are on their way, each. The header says how many seconds are left,
    rounded up.
    """

    def __init__(self, it: dict[str, Any]) -> None:
        super().__init__(it)
        self.left = it["quota"]
        self.out = 0
        self.opens = float("-inf")
        self.closings: list[dict[str, Any]] = []

    def request(self, model: str, answer: Answer) -> None:
        """Let it come here first."""
        self.out += 1
        _after(self.it["way"], self.decide, _now(), answer)

    def decide(self, sent: float, answer: Answer) -> None:
        """Take it, or refuse it: that is a request wasted."""
        now = _now()
        if now >= self.opens and self.left == 0:
            self.left = -1
            self.opens = now + self.it["lasts"]
            self.closings.append({"at": now - self.begun, "in_flight": self.out, "wasted": 0, "last": 0.0})
        if now < self.opens:
            closing = self.closings[-1]
            closing["wasted"] += 1
            closing["last"] = max(closing["last"], sent - self.begun - closing["at"])
            headers = {"retry-after": str(max(1, ceil(self.opens - now - 0.01)))}
            _after(self.it["way"], self.back, answer, 429, headers)
            return
        if self.left < 0:
            self.left = self.it["quota"]
        self.left -= 1
        _after(self.it["way"] + self.takes(), self.back, answer, 200, {})

    def back(self, answer: Answer, status: int, headers: dict[str, str]) -> None:
        """Let the answer arrive."""
        self.out -= 1
        answer(status, headers)


class Scripted(World):
    """Answers at once, with the next of ``statuses``, and with 200 when there are no more."""

    def request(self, model: str, answer: Answer) -> None:
        """Answer it."""
        status = self.it["statuses"].pop(0) if self.it["statuses"] else 200
        answer(status, {"retry-after": "1"} if status == 429 else {})


WORLDS: dict[str, Any] = {"window": Window, "brownout": Brownout, "scripted": Scripted}


def written(status: int, model: str, headers: dict[str, str], number: int) -> bytes:
    """Return an answer: of a chat, a video's task, or a refusal."""
    body: dict[str, Any]
    if status != 200:
        kind, words = MESSAGES[status]
        body = {"error": {"message": words, "type": kind, "code": kind}}
    elif model == VIDEO:
        body = {"id": f"video_{number}", "object": "video", "status": "queued", "model": model, "created_at": 1}
    else:
        message = {"role": "assistant", "content": "Hello."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
    content = json.dumps(body).encode()
    every = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in every.items())
    return f"HTTP/1.1 {status} {REASONS[status]}\r\n{head}\r\n".encode() + content


class Counter(Desk):
    """Writes down what comes, and hands it to the world."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[Any]] = []
        self.world: Any = None

    def begin(self, it: dict[str, Any]) -> None:
        """Begin a world."""
        self.rows, self.world = [], WORLDS[it["kind"]](it)

    def take(self, model: str, transport: asyncio.Transport) -> None:
        """Take a request."""
        row: list[Any] = [round(_now() - self.world.begun, 4), 0]
        self.rows.append(row)
        number = len(self.rows)

        def answer(status: int, headers: dict[str, str] | None = None) -> None:
            row[1] = status
            if not transport.is_closing():
                transport.write(written(status, model, headers or {}, number))

        self.world.request(model, answer)

    def told(self) -> Any:
        """Return what came: when, and with which status it was answered (0: not at all)."""
        return {"arrivals": self.rows, "closings": getattr(self.world, "closings", [])}


async def serve() -> None:
    """Serve until stdin ends."""
    loop, desk = asyncio.get_running_loop(), Counter()
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
