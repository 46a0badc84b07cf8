"""One surface of leaks.py in a process of its own: warm up, count, make the calls, count again.

Must not know the client it runs on, nor what counts are good.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import anyio
from _leak_calls import Job, filling, plan
from _leak_surfaces import POOL, SURFACES, caller_of

from anyint_resilience import Resilience, report
from anyint_resilience.policy.model import FaultKind
from anyint_resilience.runtime import Runtime

__all__ = ["USERS", "WARM_UP", "count", "memory", "plan_name", "tasks_of", "work"]

WARM_UP = 500
USERS = 4  # threads or tasks that share the pool
STARVED = {FaultKind.POOL_TIMEOUT, FaultKind.CONNECT_TIMEOUT}  # aiohttp has one name for both
MOST_STARVED = 10  # calls, and the run is given up
SETTLE = 0.1  # seconds for a loop to close what was dropped


def _no_wait(seconds: float) -> None:
    """Sleep for no time."""


async def _no_wait_async(seconds: float) -> None:
    """Sleep for no time, but let others run: a task that never does can keep aiohttp's queue for the pool waiting."""
    await anyio.sleep(0)


# Counting.


def _sockets() -> int:
    """Open sockets of this process."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


def memory() -> float:
    """MiB that are resident, after the allocator has given back what it can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):  # not glibc
        pass
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def count(tasks: int) -> dict[str, float]:
    """Everything that could have been left behind."""
    for _ in range(3):
        gc.collect()
    return {
        "sockets": _sockets(),
        "tasks": tasks,
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
        "rss_mib": round(memory(), 2),
    }


class Tally:
    """What became of the calls."""

    def __init__(self, anyint: Resilience) -> None:
        self.anyint = anyint
        self.ends: Counter[str] = Counter()
        self.retried = 0
        self.starved = 0
        self.timed_out = 0
        self._lock = threading.Lock()

    def take(self, result: Any) -> None:
        """Note how a call ended; what it may have created is forgotten, as its caller would do."""
        told = report(result)
        attempts = () if told is None else told.attempts
        if told is not None and told.intent is not None and isinstance(result, Exception):
            self.anyint.ledger.forget(told.intent)
        kinds = {attempt.fault.kind for attempt in attempts if attempt.fault is not None}
        if isinstance(result, Exception):
            name = type(result).__name__
        else:
            name = str(getattr(result, "status_code", None) or result.status)
        with self._lock:
            self.ends[name] += 1
            self.retried += len(attempts) > 1
            self.starved += not kinds.isdisjoint(STARVED)
            self.timed_out += FaultKind.READ_TIMEOUT in kinds
        if self.starved > MOST_STARVED:
            raise RuntimeError("calls wait in vain for a connection of the pool: somebody keeps them")

    def told(self, seconds: float, counts: list[dict[str, float]]) -> dict[str, Any]:
        """Return all this, with the counts of before, after and closed, as a document."""
        names = ("before", "after", "closed")
        return {
            "calls": self.ends.total(),
            "retried": self.retried,
            "starved": self.starved,
            "timed_out": self.timed_out,
            "ends": dict(self.ends.most_common()),
            "seconds": round(seconds, 1),
            **dict(zip(names, counts, strict=True)),
        }


# Calling.


def _run_threads(call: Callable[[Job], Any], jobs: Iterable[Job], tally: Tally, users: int) -> None:
    """Make the calls from some threads, and wait for them."""
    left, lock = iter(jobs), threading.Lock()
    problems: list[BaseException] = []

    def use() -> None:
        try:
            while True:
                with lock:
                    job = next(left, None)
                if job is None or problems:
                    return
                tally.take(call(job))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=use) for _ in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


async def _run_tasks(call: Callable[[Job], Any], jobs: Iterable[Job], tally: Tally, users: int) -> None:
    """Make the calls from some tasks, and wait for them."""
    left = iter(jobs)

    async def use() -> None:
        for job in left:
            tally.take(await call(job))

    async with anyio.create_task_group() as group:
        for _ in range(users):
            group.start_soon(use)
    await anyio.sleep(SETTLE)


def tasks_of(backend: str) -> int:
    """Tasks of the running loop."""
    if backend == "asyncio":
        return len(asyncio.all_tasks())
    import trio

    return trio.lowlevel.current_statistics().tasks_living


def plan_name(surface: str, phase: str) -> str:
    """Name a plan as the gateway hears of it."""
    return f"{surface.replace(' ', '-')}-{phase}"


def _phases(surface: str, calls: int) -> list[tuple[str, int]]:
    """The name and length of each phase."""
    return [(plan_name(surface, "warm-up"), WARM_UP), (plan_name(surface, "run"), calls)]


def _work_sync(surface: str, url: str, calls: int, anyint: Resilience) -> dict[str, Any]:
    """Count before, after, and once the client is closed; the calls come from threads."""
    call, close = caller_of(surface, url, anyint)
    counts, tally, took = [], Tally(anyint), 0.0
    for name, length in _phases(surface, calls):
        tally, begun = Tally(anyint), time.monotonic()
        _run_threads(call, plan(name, length), tally, USERS)
        took = time.monotonic() - begun
        _run_threads(call, filling(f"{name}-fill", POOL), Tally(anyint), POOL)
        counts.append(count(0))
    close()
    return tally.told(took, [*counts, count(0)])


async def _work_async(surface: str, url: str, calls: int, anyint: Resilience) -> dict[str, Any]:
    """Do as :func:`_work_sync`, from tasks."""
    backend = SURFACES[surface][1] or ""
    call, close = caller_of(surface, url, anyint)
    counts, tally, took = [], Tally(anyint), 0.0
    for name, length in _phases(surface, calls):
        tally, begun = Tally(anyint), time.monotonic()
        await _run_tasks(call, plan(name, length), tally, USERS)
        took = time.monotonic() - begun
        await _run_tasks(call, filling(f"{name}-fill", POOL), Tally(anyint), POOL)
        counts.append(count(tasks_of(backend)))
    await close()
    await anyio.sleep(SETTLE)
    return tally.told(took, [*counts, count(tasks_of(backend))])


def work(surface: str, url: str, calls: int) -> dict[str, Any]:
    """Run one surface and return its counts: after the warm-up, after the calls, after the client was closed."""
    anyint = Resilience(api_key="k", base_url=url, runtime=Runtime(sleep=_no_wait, asleep=_no_wait_async))
    backend = SURFACES[surface][1]
    if backend is None:
        return _work_sync(surface, url, calls, anyint)
    result: dict[str, Any] = anyio.run(_work_async, surface, url, calls, anyint, backend=backend)
    return result
