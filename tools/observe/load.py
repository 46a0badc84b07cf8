"""Drives the load: some workers on each client, one phase after the other, for a bounded time.

Must not know metrics. What calls raise is what applications would catch: it is counted by its class.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from clients import SYNC, AiohttpCaller, SyncCaller
from mix import PHASES, Phase, Wish, wishes

from anyint_resilience import Policy, Resilience

__all__ = ["KEYS", "Done", "accounts", "drive", "hurried"]

KEYS = {"shop": "key-of-the-shop", "blog": "key-of-the-blog"}
WORKERS = 5  # on each client
PAUSE = 0.03  # seconds between the calls of a worker, at most
TICK = 0.05  # seconds in which a task grows older by AGE seconds: ten, and it is done
AGE = 10.0


class BrokenStore:
    """A store that is down."""

    owner = "observed"

    def gone(self, owner: str) -> bool:
        """Nobody is: it is never asked about another process."""
        return False

    def update(self, key: str, step: Any, ttl: float) -> Any:
        """Fail."""
        raise ConnectionError("the store is down")

    def scan(self, prefix: str) -> Iterator[Any]:
        """Find nothing."""
        return iter(())

    def close(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Done:
    """What was driven: calls by client and kind, what they raised, and when each phase began and ended."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    raised: Counter[str] = field(default_factory=Counter)
    phases: list[tuple[str, float, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, client: str, wish: Wish, error: BaseException | None) -> None:
        """Count one call."""
        with self.lock:
            self.calls[client, wish.kind] += 1
            if error is not None:
                self.raised[type(error).__name__] += 1


def accounts(url: str, **telemetry: Any) -> dict[str, Resilience]:
    """Return the configurations of one service: two keys, a revoked one, and one whose store is down."""
    common: dict[str, Any] = {"base_url": url, "policy": Policy(rate_base=0.4), **telemetry}
    made = {name: Resilience(api_key=key, **common) for name, key in KEYS.items()}
    made["revoked"] = Resilience(api_key="key-of-last-year", **common)
    made["store down"] = Resilience(api_key=KEYS["shop"], store=BrokenStore(), **common)
    return made


@contextmanager
def hurried(advance: Callable[[float], object]) -> Generator[None]:
    """Let tasks come to their end at once while the block runs; ``advance`` moves the clock they live by."""
    over = threading.Event()

    def hurry() -> None:
        while not over.wait(TICK):
            advance(AGE)

    thread = threading.Thread(target=hurry, name="hurry")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def drive(url: str, known: Mapping[str, Resilience], seconds: float, say: Callable[[str], object]) -> Done:
    """Drive all phases; ``say`` is told of each as it begins."""
    done = Done()
    for phase in PHASES:
        say(phase.name)
        began = time.time()
        until = time.monotonic() + seconds * phase.share
        with ThreadPoolExecutor(WORKERS * len(SYNC) + 1) as pool:
            running = [
                pool.submit(_work, client, number, made(known, url), phase, until, done)
                for client, made in SYNC.items()
                for number in range(WORKERS)
            ]
            running.append(pool.submit(_run_async, known, url, phase, until, done))
            for one in running:
                one.result()
        done.phases.append((phase.name, began, time.time()))
    return done


def _work(client: str, number: int, caller: SyncCaller, phase: Phase, until: float, done: Done) -> None:
    name = f"{client}-{number}"
    chance = random.Random(f"{name} {phase.name}")
    try:
        for wish in wishes(phase, name, chance):
            if time.monotonic() >= until:
                return
            for _ in range(wish.times):
                error: BaseException | None = None
                try:
                    caller.call(wish)
                except Exception as caught:
                    error = caught
                done.note(client, wish, error)
            time.sleep(chance.random() * PAUSE)
    finally:
        caller.close()


def _run_async(known: Mapping[str, Resilience], url: str, phase: Phase, until: float, done: Done) -> None:
    asyncio.run(_work_async(known, url, phase, until, done))


async def _work_async(known: Mapping[str, Resilience], url: str, phase: Phase, until: float, done: Done) -> None:
    async with AiohttpCaller(known, url) as caller:
        await asyncio.gather(*(_work_one(caller, number, phase, until, done) for number in range(WORKERS)))


async def _work_one(caller: AiohttpCaller, number: int, phase: Phase, until: float, done: Done) -> None:
    name = f"aiohttp-{number}"
    chance = random.Random(f"{name} {phase.name}")
    for wish in wishes(phase, name, chance):
        if time.monotonic() >= until:
            return
        for _ in range(wish.times):
            error: BaseException | None = None
            try:
                await caller.call(wish)
            except Exception as caught:
                error = caught
            done.note("aiohttp", wish, error)
        await asyncio.sleep(chance.random() * PAUSE)
