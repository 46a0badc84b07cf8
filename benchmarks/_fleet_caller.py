"""One process that makes calls one after the other, and says how long each took.

Must not know what they are compared with. The first line on stdin holds settings as JSON: ``url``, ``store``, ``key``
and ``mode``, ``sync`` or ``async``. Then each line is a turn: ``kind``, ``chat`` or ``video``, and ``calls``; the line
printed has the seconds that each call took, and how many did not succeed.

    python _fleet_caller.py
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

import httpx
from _fleet_gateway import CHAT, VIDEO

from anyint_resilience import Resilience
from anyint_resilience_httpx import wrap

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/openai/v1/chat/completions", {"model": CHAT, "messages": [{"role": "user", "content": "Say hello."}]}),
    "video": ("/openai/v1/videos", {"model": VIDEO, "prompt": "A lighthouse at dusk.", "seconds": "4"}),
}


def wrapped(session: Any, it: dict[str, Any]) -> Any:
    """Put our layer into a client."""
    wrap(session, Resilience(api_key=it["key"], base_url=it["url"], store=it["store"]))
    return session


def turn_sync(session: httpx.Client, url: str, it: dict[str, Any]) -> tuple[list[float], int]:
    """Make the calls of a turn."""
    path, body = REQUESTS[it["kind"]]
    taken, bad = [], 0
    for _ in range(it["calls"]):
        began = time.perf_counter()
        status = session.post(url + path, json=body).status_code
        taken.append(time.perf_counter() - began)
        bad += status != 200
    return taken, bad


async def turn_async(session: httpx.AsyncClient, url: str, it: dict[str, Any]) -> tuple[list[float], int]:
    """Do as :func:`turn_sync`, awaiting."""
    path, body = REQUESTS[it["kind"]]
    taken, bad = [], 0
    for _ in range(it["calls"]):
        began = time.perf_counter()
        status = (await session.post(url + path, json=body)).status_code
        taken.append(time.perf_counter() - began)
        bad += status != 200
    return taken, bad


def _say(what: Any) -> None:
    print(json.dumps(what), flush=True)


async def work_async(it: dict[str, Any]) -> None:
    """Serve until stdin ends."""
    async with wrapped(httpx.AsyncClient(headers={"authorization": f"Bearer {it['key']}"}), it) as session:
        _say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(await turn_async(session, it["url"], json.loads(line)))


def work_sync(it: dict[str, Any]) -> None:
    """Serve until stdin ends."""
    with wrapped(httpx.Client(headers={"authorization": f"Bearer {it['key']}"}), it) as session:
        _say("ready")
        for line in sys.stdin:
            _say(turn_sync(session, it["url"], json.loads(line)))


if __name__ == "__main__":
    logging.disable()
    _say("started")
    given = json.loads(sys.stdin.readline())
    if given["mode"] == "async":
        asyncio.run(work_async(given))
    else:
        work_sync(given)
