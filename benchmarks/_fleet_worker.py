"""One process of a fleet: it makes calls as an application does, for one or more sides at the same time.

Must not know what the gateway does. The first line printed says that it is ready; then a line on stdin holds a list of
plays as JSON, and the line printed has the calls of each (see ``_load_worker``). A play: ``url`` of the gateway,
``store`` (a URL, None for this process alone), ``bare`` for httpx without us, ``key``, ``patience`` and a ``load``.

    python _fleet_worker.py
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import ssl
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx
from _fleet_gateway import CHAT
from _load_worker import Load

from anyint_resilience import Resilience
from anyint_resilience_httpx import wrap

PATH = "/openai/v1/chat/completions"
BODY = {"model": CHAT, "messages": [{"role": "user", "content": "Say hello."}]}
TLS = ssl.create_default_context()  # once: it takes longer than all else that a client is made of


def client_of(it: dict[str, Any]) -> httpx.AsyncClient:
    """Return the client of a play, as an application makes one."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    headers = {"authorization": f"Bearer {it['key']}"}
    session = httpx.AsyncClient(limits=limits, timeout=it["patience"], headers=headers, verify=TLS)
    if not it.get("bare"):
        wrap(session, Resilience(api_key=it["key"], base_url=it["url"], store=it["store"]))
    return session


async def _one(load: Load, call: Callable[[], Any], at: float) -> None:
    row = load.began(0, at)
    try:
        status = (await call()).status_code
    except Exception as error:
        load.ended(row, (0, type(error).__name__))
    else:
        load.ended(row, (status, ""))


async def play(it: dict[str, Any]) -> list[list[Any]]:
    """Make the calls of a load; those that are late are written down as they are then, and dropped."""
    session, load = client_of(it), Load(it["load"])
    made = set()
    async with session:
        for at in load.times():
            await asyncio.sleep(max(0.0, at - load.now()))
            made.add(asyncio.create_task(_one(load, lambda: session.post(it["url"] + PATH, json=BODY), at)))
        _, late = await asyncio.wait(made, timeout=max(0.0, it["load"]["seconds"] - load.now()) + it["load"]["drain"])
        rows = load.result()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    return rows


async def work() -> None:
    """Serve until stdin ends."""
    print(json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        plays = json.loads(line)
        print(json.dumps(await asyncio.gather(*map(play, plays))), flush=True)
        gc.collect()  # what was shared is let go of with the last client


def _orphaned(parent: int) -> None:
    """End when nobody is there any more to ask."""
    while os.getppid() == parent:
        threading.Event().wait(1.0)
    os._exit(1)


if __name__ == "__main__":
    logging.disable()  # each closing is worth a word to every process
    threading.Thread(target=_orphaned, args=(os.getppid(),), daemon=True).start()
    asyncio.run(work())
    sys.stdout.flush()
    os._exit(0)
