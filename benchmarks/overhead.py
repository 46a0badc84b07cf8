"""What a good call costs: CPU time added over a bare client, ours beside others, on a client that does nothing below.

Each client runs in processes of its own, because httpx-retries knows only httpx: for httpx2 it gets
``httpx2.alias_httpx()``, which changes the whole process. Its rounds are spread over some processes, which build the
sides in another order each: where the objects of a side happen to lie in memory is worth a microsecond or two in a call
that takes hundreds. Within a client and mode the sides take turns, each time in another order, so that a slow moment of
the machine hits all of them alike. In a round every side has ten short turns; its figure is the CPU time of the process
per call in its best turn (disturbance only ever adds), less that of the bare client in the same round. The garbage
collector rests meanwhile. Printed are the median of the rounds and their quartiles. What "does nothing" means for a
client is said in its ``_sides_*.py``.

    python benchmarks/overhead.py [--rounds N] [--calls N] [--sides bare,ours] [--clients httpx] [--write-readme]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _report import draw, table, verdict, write_readme
from _sides import CLIENTS, LABELS, post_of

HERE = Path(__file__).resolve().parent
TURNS = 10
PACKAGES = ("httpx", "httpx2", "requests", "urllib3", "aiohttp", "httpx-retries", "aiohttp-retry", "tenacity")


# Measuring.


def run_sync(post: Callable[[], Any], calls: int) -> float:
    """CPU nanoseconds per call."""
    begun = time.process_time_ns()
    for _ in range(calls):
        post()
    return (time.process_time_ns() - begun) / calls


async def run_async(post: Callable[[], Awaitable[Any]], calls: int) -> float:
    """CPU nanoseconds per call."""
    begun = time.process_time_ns()
    for _ in range(calls):
        await post()
    return (time.process_time_ns() - begun) / calls


Build = Callable[[str, AsyncExitStack], Any]
"""Returns one call of a side, by the side's name; what it needs is closed with the stack."""


async def measure(build: Build, mode: str, sides: list[str], wish: argparse.Namespace) -> dict[str, list[float]]:
    """CPU nanoseconds per call of each side in each round; the first two rounds only warm up."""
    shuffle, calls = random.Random(wish.seed), wish.calls
    async with AsyncExitStack() as closing:
        posts: dict[str, Any] = {side: build(side, closing) for side in shuffle.sample(sides, len(sides))}
        taken: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(-2, wish.rounds):
            if number == 0:
                gc.freeze()  # what is loaded by now stays: the collections between the sides are short
            best = dict.fromkeys(sides, float("inf"))
            for _ in range(TURNS):
                for side in shuffle.sample(sides, len(sides)):
                    gc.collect()
                    gc.disable()
                    spent = run_sync(posts[side], calls) if mode == "sync" else await run_async(posts[side], calls)
                    gc.enable()
                    best[side] = min(best[side], spent)
            if number >= 0:
                for side in sides:
                    taken[side].append(best[side])
    return taken


def work(client: str, sides: list[str], wish: argparse.Namespace) -> None:
    """Measure one client in this process and print JSON."""
    if client == "httpx2":
        importlib.import_module(client).alias_httpx()  # httpx-retries says `import httpx`
    wanted = [side for side in CLIENTS[client].sides if side in sides]
    modes = CLIENTS[client].modes
    taken = {mode: asyncio.run(measure(partial(post_of, client, mode), mode, wanted, wish)) for mode in modes}
    json.dump(taken, sys.stdout)


def run(client: str, sides: list[str], wish: argparse.Namespace, seed: int) -> dict[str, dict[str, list[float]]]:
    """Measure one client in a process of its own; mode, side: CPU nanoseconds of each round."""
    words = [sys.executable, __file__, "--worker", client, "--sides", ",".join(sides), "--seed", str(seed)]
    words += ["--rounds", str(wish.rounds), "--calls", str(wish.calls)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    taken: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
    return taken


def summary(taken: list[float], bare: list[float]) -> dict[str, float]:
    """Added microseconds per call over the bare client of the same round."""
    added = [(mine - base) / 1000 for mine, base in zip(taken, bare, strict=True)]
    low, middle, high = statistics.quantiles(added, n=4)
    return {
        "added_us": round(middle, 2),
        "quartile_low_us": round(low, 2),
        "quartile_high_us": round(high, 2),
        "min_us": round(min(added), 2),
        "max_us": round(max(added), 2),
        "call_us": round(statistics.median(taken) / 1000, 2),
    }


def versions() -> dict[str, str]:
    """What was measured, where."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        **{name: version(name) for name in PACKAGES},
    }


# The command.


def options(what: str, sides: Iterable[str], clients: Iterable[str], rounds: int, processes: int) -> argparse.Namespace:
    """The command line of a benchmark that measures as this one does, with its defaults."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--rounds", type=int, default=rounds, help="in each process")
    parser.add_argument("--processes", type=int, default=processes, help="for each client")
    parser.add_argument("--calls", type=int, default=40, help="calls per turn")
    parser.add_argument("--sides", default=",".join(sides), help="comma-separated; bare is always measured")
    parser.add_argument("--clients", default=",".join(clients))
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure each client in its own process; print, write, draw."""
    wish = options("CPU time added per good call", LABELS, CLIENTS, rounds=10, processes=6)
    sides = [side for side in LABELS if side == "bare" or side in wish.sides.split(",")]
    if wish.worker:
        work(wish.worker, sides, wish)
        return
    results: dict[str, Any] = {}
    for client in wish.clients.split(","):
        runs = [run(client, sides, wish, seed) for seed in range(wish.processes)]
        results[client] = {
            mode: {
                side: summary(
                    [ns for one in runs for ns in one[mode][side]], [ns for one in runs for ns in one[mode]["bare"]]
                )
                for side in runs[0][mode]
            }
            for mode in CLIENTS[client].modes
        }
    about = versions()
    text = table(results, sides)
    conditions = ", ".join(f"{name} {what}" for name, what in about.items())
    foot = f"{wish.processes} processes, each {wish.rounds} rounds of {TURNS} turns of {wish.calls} calls; {conditions}"
    print(f"{text}\n\n{foot}\n\n{verdict(results)}")
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    counts = {"processes": wish.processes, "rounds": wish.rounds, "turns": TURNS, "calls": wish.calls}
    record = {**counts, "versions": about, "results": results}
    (folder / "overhead.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    draw(results, folder / "overhead.png")
    if wish.write_readme:
        shown = f"\n{text}\n\n{foot}.\n\n![CPU time added per good call](results/overhead.png)\n"
        write_readme(HERE / "README.md", "overhead", shown)


if __name__ == "__main__":
    main()
