"""One client process under load: it makes the calls that it is told to, and says what became of each.

Must not know the client it runs on, nor the gateway. The first line printed says that it is ready; then a line on stdin
holds a load as JSON, and the line printed is a list of calls: when it began and ended (seconds after the load's
``begun``), the status and the model that the application was told, who called, and by how many seconds too late it
began. Status 0: an exception; -1: it was still waiting when the load was over and ``drain`` seconds with it.

A load: ``rate`` calls a second, evenly spread with some jitter, for ``seconds``; beside them ``callers``, who each make
one call after the other with ``think`` seconds between them, and ``pause`` seconds after a failure.

    python _load_worker.py SIDE URL SETTINGS
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from _load_sides import THREADS, is_async, side_of

OPEN = -1
"""Who calls where nobody does one call after the other."""


class Load:
    """A load, and the calls that were made of it."""

    def __init__(self, it: dict[str, Any]) -> None:
        self.it = it
        self.begun: float = it["begun"]
        self.calls: list[list[Any]] = []
        self.chance = random.Random(it["seed"])

    @property
    def over(self) -> bool:
        """Whether nobody calls any more."""
        return self.now() >= self.it["seconds"]

    def now(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self.begun

    def times(self) -> Generator[float]:
        """When the calls of nobody in particular are made."""
        rate = self.it.get("rate", 0.0)
        for number in range(int(rate * self.it["seconds"])):
            yield (number + self.it.get("share", 0.0) + 0.8 * self.chance.random()) / rate

    def starts(self) -> list[float]:
        """Return when each caller begins: not all at once."""
        think = self.it.get("think", 0.0) + 0.1
        return [self.chance.uniform(0.0, think) for _ in range(self.it.get("callers", 0))]

    def began(self, caller: int, at: float | None) -> list[Any]:
        """Write down a call that was to begin then."""
        now = self.now()
        row = [round(now, 4), None, -1, "", caller, 0.0 if at is None else round(now - at, 4)]
        self.calls.append(row)
        return row

    def ended(self, row: list[Any], told: tuple[int, str]) -> float:
        """Write down how it ended. Returns the seconds until its caller makes the next one."""
        row[1], row[2], row[3] = round(self.now(), 4), *told
        pause: float = self.it.get("think", 0.0) if told[0] == 200 else self.it.get("pause", 0.1)
        return pause

    def result(self) -> list[list[Any]]:
        """Return the calls as they are now: who comes too late changes nothing."""
        return [list(row) for row in self.calls]


async def _awaited(load: Load, call: Callable[[], Any], caller: int, at: float | None = None) -> float:
    row = load.began(caller, at)
    try:
        told = await call()
    except Exception as error:
        told = 0, type(error).__name__
    return load.ended(row, told)


async def _caller(load: Load, call: Callable[[], Any], caller: int, start: float) -> None:
    await asyncio.sleep(max(0.0, start - load.now()))
    while not load.over:
        await asyncio.sleep(await _awaited(load, call, caller))


async def _play(load: Load, call: Callable[[], Any]) -> None:
    made = {asyncio.create_task(_caller(load, call, number, at)) for number, at in enumerate(load.starts())}
    for at in load.times():
        await asyncio.sleep(max(0.0, at - load.now()))
        made.add(asyncio.create_task(_awaited(load, call, OPEN, at)))
    await asyncio.sleep(max(0.0, load.it["seconds"] - load.now()))
    _, late = await asyncio.wait(made, timeout=load.it["drain"])
    load.calls = load.result()
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


async def _work_async(side: str, url: str, settings: dict[str, Any]) -> None:
    call, close = side_of(side, url, settings)
    print(json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        load = Load(json.loads(line))
        await _play(load, call)
        print(json.dumps(load.calls), flush=True)
    await close()


def _called(load: Load, call: Callable[[], Any], caller: int, at: float | None = None) -> float:
    row = load.began(caller, at)
    try:
        told = call()
    except Exception as error:
        told = 0, type(error).__name__
    return load.ended(row, told)


def _caller_sync(load: Load, call: Callable[[], Any], caller: int, start: float) -> None:
    time.sleep(max(0.0, start - load.now()))
    while not load.over:
        time.sleep(_called(load, call, caller))


def _work_sync(side: str, url: str, settings: dict[str, Any]) -> None:
    call, _ = side_of(side, url, settings)
    pool = ThreadPoolExecutor(THREADS)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        load = Load(json.loads(line))
        made = [pool.submit(_caller_sync, load, call, number, at) for number, at in enumerate(load.starts())]
        for at in load.times():
            time.sleep(max(0.0, at - load.now()))
            made.append(pool.submit(_called, load, call, OPEN, at))
        wait(made, timeout=load.it["seconds"] - load.now() + load.it["drain"])
        print(json.dumps(load.result()), flush=True)


def main(side: str, url: str, settings: str) -> None:
    """Serve one side until stdin ends."""
    logging.disable()  # every layer has much to say of each fault
    given = json.loads(settings)
    if is_async(side):
        asyncio.run(_work_async(side, url, given))
    else:
        _work_sync(side, url, given)
    sys.stdout.flush()
    os._exit(0)  # threads that wait still would keep it


if __name__ == "__main__":
    main(*sys.argv[1:])
