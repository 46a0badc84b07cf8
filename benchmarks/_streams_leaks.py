"""What streams that are not whole leave behind: 10,000 of them on each surface, in a process of its own.

Must not know how a client is told apart, nor draw anything. Four threads or tasks share three connections and three
permits (``Guards(max_concurrency=3)``): who keeps one makes the others wait, and 5 s of waiting are an error. After a
warm-up, after each quarter, and once the client is closed the garbage is collected, and what is there is counted.
"""

from __future__ import annotations

import gc
import logging
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
from _leak_surfaces import SURFACES
from _leak_worker import count, tasks_of
from _processes import child
from _report import markdown
from _streams_chunks import DIALECTS
from _streams_endings import POOL, Job, opener_of

from anyint_resilience import Guards, Policy, Resilience

__all__ = ["FOOT", "measure", "table", "work"]

HERE = Path(__file__).resolve().parent
USERS = 4
WARM_UP = 500
SEED = 20_260_301
SETTLE = 0.2  # seconds for a loop and the gateway to close what was dropped
PATIENCE = 10.0
HOLD = 5.0  # seconds for a permit
STARVED = ("GateClosed", "PoolTimeout", "ConnectTimeout", "ConnectionTimeoutError")
MOST_STARVED = 4  # streams that waited in vain, and the run is given up
WATCHED = ("Call", "Following", "Watch", "Watcher", "Response", "ClientResponse", "HTTPResponse")
"""The classes whose objects are counted: those of a stream, ours and the clients'."""
BOUNDS = {"objects": 500, "rss_mib": 4.0, "tasks": 0, "threads": 0}
ENDINGS = {
    "whole": ("whole", "read", 2),
    "cut": ("cut", "read", 2),
    "clean end without the last event": ("eof", "read", 2),
    "reset": ("reset", "read", 2),
    "error event": ("error", "read", 2),
    "silent": ("stall", "silent", 1),
    "closed half-read": ("stall", "half", 3),
    "dropped": ("stall", "dropped", 2),
    "cancelled": ("stall", "cancelled", 2),
}
"""How a stream ends: what the gateway does, what the reader does, and how often."""
FOOT = (
    f"{USERS} users of {POOL} connections and {POOL} permits, {WARM_UP} streams before the first count; may grow by: "
    f"{BOUNDS['objects']} objects, {BOUNDS['rss_mib']:.0f} MiB, nothing else"
)


WITHOUT = {
    **{name: ("cancelled",) for name, (_, backend) in SURFACES.items() if backend is None},
    **{name: ("dropped",) for name, (_, backend) in SURFACES.items() if backend == "trio"},
    "aiohttp": ("dropped",),
}
"""Endings that a surface does not have: a thread can't be cancelled; on trio a generator that is dropped in the middle
is an error; aiohttp itself keeps a response that is dropped until its server ends it."""


def jobs(count: int, surface: str) -> Iterator[Job]:
    """Draw streams."""
    chance = random.Random(SEED)
    known = {name: it for name, it in ENDINGS.items() if name not in WITHOUT.get(surface, ())}
    for _ in range(count):
        (name,) = chance.choices(list(known), [it[2] for it in known.values()])
        yield Job(name, known[name][0], known[name][1], chance.choice(list(DIALECTS)))


class World:
    """One surface with all that is counted of it."""

    def __init__(self, surface: str, url: str) -> None:
        guards = Guards(gate=False, breaker=False, max_concurrency=POOL)
        self.anyint = Resilience(api_key="k", base_url=url, guards=guards, policy=Policy(attempts=1, hold=HOLD))
        self.ends: Counter[str] = Counter()
        self.starved = 0
        self.taken: list[dict[str, Any]] = []
        self.open, self.close, self._used = opener_of(surface, url, self.anyint)
        self._lock = threading.Lock()

    def note(self, job: Job, said: str) -> None:
        """Take note of how a stream ended for who read it."""
        with self._lock:
            self.ends[f"{job.name}: {said}"] += 1
            self.starved += said in STARVED
        if self.starved > MOST_STARVED:
            raise RuntimeError("streams wait in vain: somebody keeps the connections, or the permits")

    def take(self, tasks: int) -> None:
        """Count everything that could have been left behind; what waits to be told is told with the next call."""
        self.anyint.telemetry.flush()
        found: dict[str, Any] = count(tasks)
        kinds = Counter(type(it).__name__ for it in gc.get_objects())
        found["live"] = {name: kinds[name] for name in WATCHED}
        found["permits"] = self._permits()
        found["in_use"] = self._used()
        self.taken.append(found)

    def _permits(self) -> int:
        """How many permits are out; what the garbage collector gave back is entered by whoever comes next."""
        shared: Any = self.anyint.guarding.shared
        dropped = {step.keywords.get("ticket") for _, step in list(shared._dropped)}
        gates = shared._store.scan("gate:")
        return sum(len(set(state["out"]) - dropped) for _, state in gates)


def _run_threads(world: World, given: Iterator[Job]) -> None:
    """Read streams from some threads."""
    lock, problems = threading.Lock(), []

    def use() -> None:
        try:
            while not problems:
                with lock:
                    job = next(given, None)
                if job is None:
                    return
                world.note(job, world.open(job))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=use) for _ in range(USERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    time.sleep(SETTLE)


async def _run_tasks(world: World, given: Iterator[Job]) -> None:
    """Read streams from some tasks."""

    async def use() -> None:
        for job in given:
            world.note(job, await world.open(job))

    async with anyio.create_task_group() as group:
        for _ in range(USERS):
            group.start_soon(use)
    await anyio.sleep(SETTLE)


def _parts(calls: int) -> list[int]:
    """The warm-up and the quarters."""
    return [WARM_UP, *[calls // 4] * 4]


def _work_sync(surface: str, url: str, calls: int) -> World:
    world = World(surface, url)
    for length in _parts(calls):
        _run_threads(world, jobs(length, surface))
        world.take(0)
    world.close()
    time.sleep(SETTLE)
    world.take(0)
    return world


async def _work_async(surface: str, url: str, calls: int, backend: str, tasks: Callable[[str], int]) -> World:
    world = World(surface, url)
    for length in _parts(calls):
        await _run_tasks(world, jobs(length, surface))
        world.take(tasks(backend))
    await world.close()
    await anyio.sleep(SETTLE)
    world.take(tasks(backend))
    return world


def work(surface: str, url: str, calls: int) -> dict[str, Any]:
    """Run one surface in this process: what was counted, and how the streams ended."""
    logging.disable(logging.CRITICAL)  # each stream says that it is not whole
    backend, begun = SURFACES[surface][1], time.monotonic()
    if backend is None:
        world = _work_sync(surface, url, calls)
    else:
        world = anyio.run(_work_async, surface, url, calls, backend, tasks_of, backend=backend)
    seconds = round(time.monotonic() - begun, 1)
    ends = dict(sorted(world.ends.items()))
    return {"calls": calls, "seconds": seconds, "starved": world.starved, "counts": world.taken, "ends": ends}


# The command's part.


def measure(clients: str, calls: int, run: Callable[..., Any]) -> tuple[dict[str, Any], list[str]]:
    """Run the surfaces one after the other; what was counted, and what must not be."""
    results: dict[str, Any] = {}
    said: list[str] = []
    for surface in [it for it in SURFACES if not clients or any(word in it for word in clients.split(","))]:
        with child(str(HERE / "_streams_server.py")) as (url, ask):
            try:
                found = run("leaks", surface, url=url, calls=calls)
            except subprocess.SubprocessError as error:
                said.append(f"LEFT BEHIND: {surface} did not come to its end: {type(error).__name__}")
                print(said[-1], flush=True)
                continue
            time.sleep(SETTLE)
            seen = ask("counts", PATIENCE)
        results[surface] = {**found, "gateway_connections": seen["connections"], "requests": seen["requests"]}
        told = [*problems(results[surface]), *(f"the gateway failed: {it}" for it in seen["errors"])]
        print(f"{surface}: {'; '.join(told) or 'nothing left behind'}; ends: {found['ends']}", flush=True)
        said += [f"LEFT BEHIND: {surface}: {it}" for it in told]
    return results, said


def problems(result: dict[str, Any]) -> list[str]:
    """Everything that a surface must not show."""
    before, last, closed = result["counts"][0], result["counts"][-2], result["counts"][-1]
    found = [
        f"{name} grew from {before[name]} to {last[name]}"
        for name, most in BOUNDS.items()
        if last[name] - before[name] > most
    ]
    for name in ("permits", "in_use"):
        found += [f"{last[name]} {name.replace('_', ' ')} at the end"] if last[name] else []
    found += [f"{number} of {name} are alive" for name, number in last["live"].items() if number]
    if last["sockets"] - closed["sockets"] > POOL:
        found.append(f"{last['sockets'] - closed['sockets']} sockets for {POOL} connections")
    if result["starved"]:
        found.append(f"{result['starved']} streams waited in vain for a connection or a permit")
    if result["gateway_connections"]:
        found.append(f"the gateway still has {result['gateway_connections']} connections")
    return found


def table(results: dict[str, Any]) -> str:
    """One line for each surface."""
    rows = [
        (
            "surface, streams, connections in use, permits held, objects of a stream alive, sockets (closed), "
            "gc objects, RSS in MiB: warm; quarters, at the gateway, seconds"
        ).split(", ")
    ]
    for surface, it in results.items():
        counts, last, closed = it["counts"], it["counts"][-2], it["counts"][-1]
        memory = "; ".join([f"{counts[0]['rss_mib']:.1f}", ", ".join(f"{at['rss_mib']:.1f}" for at in counts[1:-1])])
        alive = sum(last["live"].values())
        rows.append(
            [
                *(surface, f"{it['calls']:,}", str(last["in_use"]), str(last["permits"]), str(alive)),
                *(f"{last['sockets']} ({closed['sockets']})", f"{counts[0]['objects']:,} → {last['objects']:,}"),
                *(memory, str(it["gateway_connections"]), f"{it['seconds']:.0f}"),
            ]
        )
    return markdown(rows)
