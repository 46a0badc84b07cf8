"""What streams that are not whole leave behind: 10,000 of them on each surface, half by half in a process of its own.

Must not know how a client is told apart, nor draw anything. Four threads or tasks share three connections: who keeps
one makes the others wait. One half is read with the library as it is by default, where a stream that begins well stays
on the fast lane; the other with three permits (``Guards(max_concurrency=3)``), where each has a call, and 5 s of
waiting are an error. After a warm-up, after each quarter, and once the client is closed the garbage is collected, and
what is there is counted.
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
from anyint_resilience.openings import OpeningSurface

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
WATCHED = ("Call", "_LateCall", "Following", "Watch", "Watcher", "Response", "ClientResponse", "HTTPResponse")
"""The classes whose objects are counted: those of a stream, ours and the clients'."""
LANES: dict[str, dict[str, Any]] = {
    "default": {},
    "permits": {
        "guards": Guards(gate=False, breaker=False, max_concurrency=POOL),
        "policy": Policy(attempts=1, hold=HOLD),
    },
}
"""What each half is read with. By default the way of most streams is the fast lane; with permits it is never."""
FAST = 0.9
"""The least share of the streams by default that must have stayed there, or they were not what is to be counted."""
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
    f"{USERS} users of {POOL} connections, in one half of {POOL} permits; {WARM_UP} streams before the first count; "
    f"may grow by: {BOUNDS['objects']} objects, {BOUNDS['rss_mib']:.0f} MiB, nothing else"
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


def _counting() -> Counter[bool]:
    """Count the streams that are asked whether they begin well on the fast lane, by the answer."""
    asked, seen = OpeningSurface.opened, Counter[bool]()

    def opened(self: Any, *given: Any) -> bool:
        well = asked(self, *given)
        seen[well] += 1
        return well

    OpeningSurface.opened = opened  # type: ignore[method-assign]
    return seen


class World:
    """One surface with all that is counted of it."""

    def __init__(self, surface: str, url: str, lane: str) -> None:
        self.anyint = Resilience(api_key="k", base_url=url, **LANES[lane])
        self.fast = _counting()
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
        gc.collect()  # it may be the one who drops a stream
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


def _work_sync(surface: str, url: str, calls: int, lane: str) -> World:
    world = World(surface, url, lane)
    for length in _parts(calls):
        _run_threads(world, jobs(length, surface))
        world.take(0)
    world.close()
    time.sleep(SETTLE)
    world.take(0)
    return world


async def _work_async(surface: str, url: str, calls: int, lane: str, backend: str) -> World:
    world = World(surface, url, lane)
    for length in _parts(calls):
        await _run_tasks(world, jobs(length, surface))
        world.take(tasks_of(backend))
    await world.close()
    await anyio.sleep(SETTLE)
    world.take(tasks_of(backend))
    return world


def work(surface: str, url: str, calls: int, lane: str) -> dict[str, Any]:
    """Run one surface in this process: what was counted, and how the streams ended."""
    logging.disable(logging.CRITICAL)  # each stream says that it is not whole
    backend, begun = SURFACES[surface][1], time.monotonic()
    if backend is None:
        world = _work_sync(surface, url, calls, lane)
    else:
        world = anyio.run(_work_async, surface, url, calls, lane, backend, backend=backend)
    seconds = round(time.monotonic() - begun, 1)
    ends, fast = dict(sorted(world.ends.items())), world.fast[True] / sum(_parts(calls))
    counts = {"starved": world.starved, "counts": world.taken, "ends": ends}
    return {"lane": lane, "calls": calls, "fast": fast, "seconds": seconds, **counts}


# The command's part.


def measure(clients: str, calls: int, run: Callable[..., Any]) -> tuple[dict[str, Any], list[str]]:
    """Run the surfaces one after the other, half by half; what was counted, and what must not be."""
    results: dict[str, Any] = {}
    said: list[str] = []
    wanted = [it for it in SURFACES if not clients or any(word in it for word in clients.split(","))]
    for surface, lane in ((surface, lane) for surface in wanted for lane in LANES):
        name = f"{surface}, {lane}"
        with child(str(HERE / "_streams_server.py")) as (url, ask):
            try:
                found = run("leaks", surface, url=url, calls=calls // len(LANES), lane=lane)
            except subprocess.SubprocessError as error:
                said.append(f"LEFT BEHIND: {name} did not come to its end: {type(error).__name__}")
                print(said[-1], flush=True)
                continue
            time.sleep(SETTLE)
            seen = ask("counts", PATIENCE)
        results[name] = {**found, "gateway_connections": seen["connections"], "requests": seen["requests"]}
        told = [*problems(results[name]), *(f"the gateway failed: {it}" for it in seen["errors"])]
        print(f"{name}: {'; '.join(told) or 'nothing left behind'}; ends: {found['ends']}", flush=True)
        said += [f"LEFT BEHIND: {name}: {it}" for it in told]
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
    if result["lane"] == "default" and result["fast"] < FAST:
        found.append(f"only {result['fast']:.0%} of the streams stayed on the fast lane: they are not what is counted")
    if result["gateway_connections"]:
        found.append(f"the gateway still has {result['gateway_connections']} connections")
    return found


def table(results: dict[str, Any]) -> str:
    """One line for each surface."""
    rows = [
        (
            "surface; half, streams, on the fast lane, connections in use, permits held, objects of a stream alive, "
            "sockets (closed), gc objects, RSS in MiB: warm; quarters, at the gateway, seconds"
        ).split(", ")
    ]
    for surface, it in results.items():
        counts, last, closed = it["counts"], it["counts"][-2], it["counts"][-1]
        memory = "; ".join([f"{counts[0]['rss_mib']:.1f}", ", ".join(f"{at['rss_mib']:.1f}" for at in counts[1:-1])])
        alive = sum(last["live"].values())
        rows.append(
            [
                *(
                    surface.replace(",", ";"),
                    f"{it['calls']:,}",
                    f"{it['fast']:.0%}",
                    str(last["in_use"]),
                    str(last["permits"]),
                    str(alive),
                ),
                *(f"{last['sockets']} ({closed['sockets']})", f"{counts[0]['objects']:,} → {last['objects']:,}"),
                *(memory, str(it["gateway_connections"]), f"{it['seconds']:.0f}"),
            ]
        )
    return markdown(rows)
