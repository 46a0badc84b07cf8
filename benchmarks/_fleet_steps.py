"""One process that updates a shared store by itself, or listens to what others do there.

Must not know what it is compared with. The first line on stdin holds the ``store`` (a URL) as JSON. Then each line is
one thing to do; the line printed has the seconds that each update took, and how many of them failed; or the moments at
which something was told, or heard, on this machine's monotonic clock.

    python _fleet_steps.py
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from anyint_resilience.guards import budget, gate
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.opening import opened
from anyint_resilience.stores.protocol import StoreError

TTL = 3600.0
PATIENT = 5.0
FIRST_HINT, NEXT_HINT = 10.0, 0.5  # seconds: each closing reaches further than the one before


class Ears:
    """Hears what a store tells, and writes down when it first heard of each closing."""

    def __init__(self, inner: Any) -> None:
        self.heard: dict[float, float] = {}
        self._inner = inner

    def told(self, key: str, brief: Any, at: float) -> None:
        """Note it and hand it on."""
        if brief is not None:
            self.heard.setdefault(round(brief["until"], 3), time.monotonic())
        self._inner.told(key, brief, at)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Bare:
    """A step that nobody knows: it has no twin."""

    def __init__(self, step: Any) -> None:
        self._step = step

    def __call__(self, state: Any, now: float) -> Any:
        return self._step(state, now)


def stepped(what: str) -> Callable[[], Any]:
    """Return what makes a step: that of the retry budget or of a gate, or the same for which there is no twin."""
    spends = partial(budget.spend, good=1, reserve=10.0, ratio=0.1)

    def told() -> Any:
        return partial(gate.told, ticket="t", kind="rate", began=0.0, hint=2.0, flying=8, u=0.5)

    made: Callable[[], Any] = told if "gate" in what else lambda: spends
    if "twin" in what:
        return made

    def bare() -> Any:
        return _Bare(made())

    return bare


def timed(store: Any, it: dict[str, Any]) -> tuple[list[float], int]:
    """Make one update after the other for so many seconds."""
    make, ends = stepped(it["what"]), time.monotonic() + it["seconds"]
    taken, failed = [], 0
    while time.monotonic() < ends:
        began = time.perf_counter()
        try:
            store.member.updating(it["key"], make(), TTL, PATIENT).wait()
        except StoreError:
            failed += 1
        taken.append(time.perf_counter() - began)
    return taken, failed


async def atimed(store: Any, it: dict[str, Any]) -> tuple[list[float], int]:
    """Do as :func:`timed`, awaiting; so many at the same time."""
    make, ends = stepped(it["what"]), time.monotonic() + it["seconds"]
    taken: list[float] = []
    failed = 0
    while time.monotonic() < ends:
        began = time.perf_counter()
        try:
            await store.member.updating(it["key"], make(), TTL, PATIENT).awaited()
        except StoreError:
            failed += 1
        taken.append(time.perf_counter() - began)
    return taken, failed


def tells(store: Any, it: dict[str, Any]) -> list[list[float]]:
    """Close a gate again and again, each time for longer: when each began, and when it was done."""
    said, luck = [], random.Random(1)
    for number in range(it["tells"]):
        time.sleep(luck.uniform(0.08, 0.16))
        step = partial(gate.told, ticket="t", kind="rate", began=1e12, hint=FIRST_HINT + NEXT_HINT * number)
        began = time.monotonic()
        store.member.updating(it["key"], step, TTL, PATIENT).wait()
        said.append([began, time.monotonic()])
    return said


def tracked(url: str, it: dict[str, Any]) -> list[float]:
    """Hear by ``CLIENT TRACKING`` that a state has changed, and ask for it: when it was there.

    redis-py's own client-side cache is this and a dictionary, but wants Redis 7.4.
    """
    import redis

    client: Any = redis.Redis.from_url(url, protocol=2)
    (place,) = client.keys(f"*{it['key']}")
    ear = client.connection_pool.get_connection()
    ear.send_command("CLIENT", "ID")
    number = ear.read_response()
    ear.send_command("SUBSCRIBE", "__redis__:invalidate")
    ear.read_response()
    asker = client.connection_pool.get_connection()
    asker.send_command("CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", "PREFIX", place)
    asker.read_response()
    seen: list[float] = []
    while len(seen) < it["tells"] and ear.can_read(timeout=it["seconds"]):
        ear.read_response()
        asker.send_command("GET", place)
        asker.read_response()
        seen.append(time.monotonic())
    for connection in (ear, asker):
        connection.disconnect()
    return seen


def answered(store: Any, url: str, it: dict[str, Any]) -> Any:
    """Do what a line says."""
    if "tells" in it:
        return tracked(url, it) if "tracked" in it else tells(store, it)
    if it.get("awaits"):
        return asyncio.run(atimed(store, it))
    return timed(store, it)


def main() -> None:
    """Serve until stdin ends."""
    logging.disable()
    print(json.dumps("started"), flush=True)
    url = json.loads(sys.stdin.readline())["store"]
    store: Any = opened(url, runtime=Runtime(), wait=0.05)
    ears = store.member.ears = Ears(store.member.ears)
    store.member.start()
    while not store.member.serves:
        threading.Event().wait(0.01)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        it = json.loads(line)
        if it == "heard":
            heard = [at for _, at in sorted(ears.heard.items())]
            ears.heard.clear()
            print(json.dumps(heard), flush=True)
        else:
            print(json.dumps(answered(store, url, it)), flush=True)


if __name__ == "__main__":
    main()
