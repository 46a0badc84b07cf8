"""Ten thousand waits for tasks in one process: how often they ask, how soon they know, what they hold.

The waits are the real ones of the async driver, on an event loop whose clock jumps from timer to timer, against a
simulated gateway that knows when each task ends; nothing sleeps. Tasks live 60 to 1,200 seconds. Measured: the most
queries in any one second (the cap is the contract's, for each family), the time from a task's end to the end of its
wait against the poll interval that so many waits under the cap imply, the memory that one wait holds, what becomes of
the others when 1,000 are cancelled, what a callback gains, and when waits with a deadline give up. The command exits
non-zero when the cap is exceeded, or when a wait knows later than within one interval.

    python benchmarks/waits.py [--most N] [--write-readme]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import platform
import sys
import time
import tracemalloc
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _report import write_readme
from _waits_report import draw, figures, interval, problems, summary, table
from _waits_world import FAMILIES, LATENCY, JumpingLoop, World, rates, run

from anyint_resilience import TaskTimeout

HERE = Path(__file__).resolve().parent
SEED = 20_260_101
LIVES = (60.0, 1200.0)  # seconds a task takes
CANCEL_AT = 300.0
SMALL, MANY = 1_000, 10_000
DEADLINE = 300.0


def measure(
    number: int,
    families: Sequence[str],
    *,
    callbacks: bool = False,
    cancelled: int = 0,
    deadline: float = 1e6,
) -> dict[str, Any]:
    """Let so many waits come to their end; return what was measured."""
    delays: list[float] = []
    given_up: list[tuple[float, float]] = []

    async def all_of_it(loop: JumpingLoop) -> World:
        world = World(loop, SEED)

        async def one(handle: Any) -> None:
            try:
                await world.wait(handle, deadline)
            except TaskTimeout:
                given_up.append((loop.time(), world.ends[handle.task_id]))
            else:
                delays.append(loop.time() - world.ends[handle.task_id])

        handles = [world.task(families[at % len(families)], world.chance.uniform(*LIVES)) for at in range(number)]
        tasks = [loop.create_task(one(handle)) for handle in handles]
        for handle in handles if callbacks else ():
            world.call_back(handle)
        if cancelled:
            loop.call_at(CANCEL_AT, lambda: [task.cancel() for task in tasks[:: number // cancelled]])
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if ended is not None and not isinstance(ended, asyncio.CancelledError):
                raise ended
        return world

    began = time.perf_counter()
    world: World = run(all_of_it)
    return {
        "waits": number,
        "families": len(families),
        "callbacks": callbacks,
        "cancelled": cancelled,
        "interval": interval(number, len(families)),
        "delays": sorted(delays),
        "most_in_a_second": rates(world.asked),
        "queries": sum(map(len, world.asked.values())),
        "per_second": _per_second(world.asked[families[0]]),
        "early": [DEADLINE - at for at, _ in given_up],
        "missed": sum(ends < DEADLINE for _, ends in given_up),
        "cpu": time.perf_counter() - began,
    }


def _per_second(times: list[float]) -> list[int]:
    counts = [0] * (int(max(times)) + 1)
    for at in times:
        counts[int(at)] += 1
    return counts


def memory(number: int) -> float:
    """Return the bytes that one of so many waits holds while it waits, its coroutines and timers included."""

    async def some(loop: JumpingLoop) -> float:
        world = World(loop, SEED)
        handles = [world.task("dashscope", 1e5) for _ in range(number)]
        first = loop.create_task(world.wait(handles.pop()))
        await asyncio.sleep(20.0)  # all that is loaded late is there
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tasks = [loop.create_task(world.wait(handle)) for handle in handles]
        await asyncio.sleep(100.0)
        world.asked.clear()
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        for task in (first, *tasks):
            task.cancel()
        await asyncio.gather(first, *tasks, return_exceptions=True)
        return held / len(handles)

    found: float = run(some)
    return found


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="ten thousand waits for tasks")
    parser.add_argument("--most", type=int, default=MANY)
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md")
    return parser.parse_args()


def main() -> int:
    """Measure; print, write, draw, judge."""
    wish = options()
    most: int = wish.most
    one, mixed = ("suno",), tuple(FAMILIES)
    plans: list[tuple[int, tuple[str, ...], dict[str, Any]]] = [
        *((number, one, {"callbacks": called}) for called in (False, True) for number in (10, 100, SMALL, most)),
        (most, mixed, {}),
        (most, one, {"cancelled": most // 10}),
        (SMALL, one, {"deadline": DEADLINE}),
    ]
    results = []
    for number, families, how in plans:
        results.append(measure(number, families, **how))
        print(summary(results[-1]), flush=True)
    held = memory(most)
    wrong = problems(results)
    text = table(results)
    about = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "anyio": version("anyio"),
    }
    foot = (
        f"{held / 1024:.1f} KiB held by each of {most:,} waits; an answer takes {LATENCY} s; "
        f"{', '.join(f'{name} {what}' for name, what in about.items())}"
    )
    print(f"\n{text}\n\n{foot}")
    for what in wrong:
        print(f"WRONG: {what}")
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    document = {"bytes_per_wait": round(held), "seed": SEED, "lives": LIVES, "versions": about, "wrong": wrong}
    shown = {**document, "results": [figures(result) for result in results]}
    (folder / "waits.json").write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")
    draw(results, folder / "waits.png")
    if wish.write_readme:
        readme = f"\n{text}\n\n{foot}.\n\n![Delay by number of waits](results/waits.png)\n"
        write_readme(HERE / "README.md", "waits", readme)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
