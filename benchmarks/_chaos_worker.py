"""One process of chaos.py's fleet: it makes chats and paid creates, repeats some, and writes down what it was told.

Must not know what happens to the store, nor judge anything. Each line of its journal was written at once, so that it is
whole also when it is killed. The first line printed is its name in the store; a line on stdin then begins the load,
the next one ends it, and is answered when all calls have come to their end.

    python _chaos_worker.py NUMBER PROCESSES GATEWAY STORE MOST JOURNAL
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
from _chaos_gateway import CHAT, SEED, VIDEO

from anyint_resilience import Guards, Resilience, report
from anyint_resilience_httpx import wrap

__all__ = ["SLOT", "STORE_WORDS"]

CHATTERS = 2  # loops of chats in a process
THINK = (0.3, 0.9)  # seconds between two calls of a loop
SLOT = 1.5  # seconds in which two processes make one create, each of them
AGAIN = 0.4  # the share of a loop's rounds in which an old create is made again
STORE_WORDS = ("StoreError", "NotRecorded", "redis")
"""What stands in the chain of an exception that a store caused."""


class Make(NamedTuple):
    """A create: its name, which is its prompt, and its key, if it has one."""

    name: str
    key: str = ""


class Worker:
    """The calls of one process. ``note`` writes a line of the journal."""

    def __init__(self, number: int, processes: int, gateway: str, store: str, most: int, note: Any) -> None:
        self.number, self.processes, self.gateway, self.note = number, processes, gateway, note
        self.chance = random.Random(f"{SEED} worker {number}")
        self.over = False
        self.begun = 0.0
        self.old: list[Make] = []
        common = {"api_key": "k", "base_url": gateway, "store": store, "guards": Guards(max_concurrency=most)}
        self.ours = Resilience(**common, listeners=[self._heard])
        self.strict = Resilience(**common, listeners=[self._heard], strict_ledger=True)
        self.clients = {anyint: wrap(self._client(), anyint) for anyint in (self.ours, self.strict)}

    @staticmethod
    def _client() -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        return httpx.AsyncClient(timeout=30.0, limits=limits, trust_env=False)

    def _heard(self, event: Any) -> None:
        if event.name.startswith("store "):
            self.note("event", event.name, time.monotonic(), event.details.get("error.type", ""))

    def tasks(self) -> list[Any]:
        """The loops that make calls."""
        return [self.chats(it) for it in range(CHATTERS)] + [self.creates(), self.shared()]

    async def think(self) -> None:
        """Let some time pass between two calls."""
        await asyncio.sleep(self.chance.uniform(*THINK))

    async def chats(self, loop: int) -> None:
        """Make one chat after the other."""
        count = 0
        while not self.over:
            name = f"chat:{self.number}:{loop}:{count}"
            body = {"model": "gpt-5", "messages": [{"role": "user", "content": name}]}
            await self.call("chat", Make(name), self.ours, CHAT, body)
            count += 1
            await self.think()

    async def creates(self) -> None:
        """Make creates of one's own, with a key or without; whatever is unknown, or has a key, is made again."""
        count = 0
        while not self.over:
            name = f"own:{self.number}:{count}"
            it = Make(name, name if self.chance.random() < 0.5 else "")
            told = await self.create("own", it, self.ours)
            if told == "OutcomeUnknown" or (it.key and told == "200"):
                self.old.append(it)
            if told == "OutcomeUnknown":  # an application that does not believe it
                await self.create("again", it, self.ours)
            if self.old and self.chance.random() < AGAIN:
                await self.think()
                await self.create("again", self.chance.choice(self.old), self.ours)
            count += 1
            await self.think()

    async def shared(self) -> None:
        """In each slot of time, make the create that another process makes as well, and an older one again."""
        pair, count = self.number // 2, 0
        while not self.over:
            it = Make(f"shared:{pair}:{count}", f"shared:{pair}:{count}")
            await asyncio.sleep(self.begun + (count + 0.6 * self.chance.random()) * SLOT - time.monotonic())
            await self.create("shared", it, self.strict)
            if count and self.chance.random() < 0.5:
                before = self.chance.randrange(max(0, count - 15), count)
                await self.create("shared", Make(f"shared:{pair}:{before}", f"shared:{pair}:{before}"), self.strict)
            count = max(count + 1, int((time.monotonic() - self.begun) / SLOT))

    async def create(self, kind: str, it: Make, anyint: Resilience) -> str:
        """Make a create; return what the application is told."""
        headers = {"idempotency-key": it.key} if it.key else {}
        return await self.call(kind, it, anyint, VIDEO, {"model": "sora-2", "prompt": it.name}, headers)

    async def call(
        self, kind: str, it: Make, anyint: Resilience, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> str:
        """Make a call, and write down what came of it."""
        began, why, chain, ident = time.monotonic(), "", "", ""
        try:
            answer = await self.clients[anyint].post(self.gateway + path, json=body, headers=headers)
            told, seen = str(answer.status_code), report(answer)
            ident = answer.json().get("id", "")
        except Exception as error:
            told, seen, why, chain = _kind(error), report(error), str(getattr(error, "why", "")), _chain(error)
        ended = time.monotonic()
        sent = 0.0 if seen is None else sum(attempt.duration for attempt in seen.attempts)
        waited = 0.0 if seen is None else seen.waited
        own = max(0.0, ended - began - sent - waited)
        self.note("call", kind, it.name, began, ended, own, waited, told, why, chain, ident)
        return told


def _kind(error: BaseException) -> str:
    """Return the name of an exception as the application knows it: of ours that are also the client's, ours."""
    names = [it.__name__ for it in type(error).__mro__ if it.__module__.startswith("anyint_resilience.")]
    return names[0] if names else type(error).__name__


def _chain(error: BaseException | None) -> str:
    """Return all that led to it, as names of exceptions with the package that they are of."""
    found = []
    while error is not None and len(found) < 20:
        found.append(f"{type(error).__module__.partition('.')[0]}.{_kind(error)}")
        error = error.__cause__ or error.__context__
    return " < ".join(found)


def _noting(path: str) -> Callable[..., None]:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return lambda *words: os.write(fd, json.dumps(words).encode() + b"\n") and None


async def work(worker: Worker) -> None:
    """Be ready, make calls, come to an end, and stay until stdin ends."""
    loop = asyncio.get_running_loop()
    store: Any = worker.ours.ledger.store
    print(json.dumps(store.owner), flush=True)
    line = await loop.run_in_executor(None, sys.stdin.readline)
    if not line:
        return
    worker.begun = float(line)
    made = [asyncio.ensure_future(it) for it in worker.tasks()]
    await loop.run_in_executor(None, sys.stdin.readline)
    worker.over = True
    ends = await asyncio.gather(*made, return_exceptions=True)
    print(json.dumps([repr(it) for it in ends if it is not None]), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)


def main() -> None:
    """Work until stdin ends."""
    logging.disable()
    number, processes, gateway, store, most, journal = sys.argv[1:]
    asyncio.run(work(Worker(int(number), int(processes), gateway, store, int(most), _noting(journal))))
    os._exit(0)


if __name__ == "__main__":
    main()
