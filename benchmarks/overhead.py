"""What a good call costs: CPU time added over a bare client, ours beside others, on a transport that does nothing.

Each client runs in a process of its own, because httpx-retries knows only httpx: for httpx2 it gets
``httpx2.alias_httpx()``, which changes the whole process. Within a client and mode the sides take turns, each time
in another order, so that a slow moment of the machine hits all of them alike. In a round every side has ten short
turns; its figure is the CPU time of the process per call in its best turn (disturbance only ever adds), less that of
the bare client in the same round. The garbage collector rests meanwhile. Printed are the median of the rounds and their
quartiles.

    python benchmarks/overhead.py [--rounds N] [--calls N] [--sides bare,ours] [--write-readme]
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
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _sides import SIDES, async_post, sync_post

HERE = Path(__file__).resolve().parent
CLIENTS = ("httpx", "httpx2")
MODES = ("sync", "async")
TURNS = 10


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


async def measure(client: Any, mode: str, sides: list[str], rounds: int, calls: int) -> dict[str, list[float]]:
    """CPU nanoseconds per call of each side in each round; the first two rounds only warm up."""
    posts: dict[str, Any] = {side: (sync_post if mode == "sync" else async_post)(side, client) for side in sides}
    taken: dict[str, list[float]] = {side: [] for side in sides}
    shuffle = random.Random(1)
    for number in range(-2, rounds):
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


def work(name: str, sides: list[str], rounds: int, calls: int) -> None:
    """Measure one client in this process and print JSON."""
    client = importlib.import_module(name)
    if name == "httpx2":
        client.alias_httpx()  # httpx-retries says `import httpx`
    taken = {mode: asyncio.run(measure(client, mode, sides, rounds, calls)) for mode in MODES}
    json.dump(taken, sys.stdout)


# Reporting.


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
    names = ("httpx", "httpx2", "httpx-retries", "tenacity")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        **{name: version(name) for name in names},
    }


def table(results: dict[str, Any], sides: Iterable[str]) -> str:
    """The medians as a Markdown table, quartiles in brackets."""
    columns = [(client, mode) for client in results for mode in MODES]
    rows = [["added µs of CPU per good call", *(f"{client} {mode}" for client, mode in columns)]]
    rows.append(["---", *("---:" for _ in columns)])
    for side in sides:
        row = [SIDES[side]]
        for client, mode in columns:
            cell = results[client][mode][side]
            if side == "bare":
                row.append(f"({cell['call_us']:.0f} in all)")
            else:
                row.append(f"{cell['added_us']:.2f} [{cell['quartile_low_us']:.2f}, {cell['quartile_high_us']:.2f}]")
        rows.append(row)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def verdict(results: dict[str, Any], sides: list[str]) -> str:
    """The aim in one line per client and mode."""
    if "ours" not in sides or "httpx-retries" not in sides:
        return ""
    lines = []
    for client, modes in results.items():
        for mode, cells in modes.items():
            mine, theirs = cells["ours"]["added_us"], cells["httpx-retries"]["added_us"]
            word = "no more than" if mine <= theirs else "MORE THAN"
            lines.append(f"{client} {mode}: ours adds {mine:.2f} µs, {word} httpx-retries ({theirs:.2f} µs)")
    return "\n".join(lines)


def draw(results: dict[str, Any], sides: list[str], path: Path) -> None:
    """One panel per client and mode: medians as bars, quartiles as whiskers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [side for side in reversed(sides) if side != "bare"]
    figure, panels = plt.subplots(len(results), 2, figsize=(12, 5.5), sharex=True, squeeze=False, layout="constrained")
    for row, (client, modes) in zip(panels, results.items(), strict=True):
        for panel, (mode, cells) in zip(row, modes.items(), strict=True):
            middle = [max(cells[side]["added_us"], 0.0) for side in shown]
            low = [max(value - cells[side]["quartile_low_us"], 0) for side, value in zip(shown, middle, strict=True)]
            high = [max(cells[side]["quartile_high_us"] - value, 0) for side, value in zip(shown, middle, strict=True)]
            colors = ["#1b6ca8" if side == "ours" else "#b8c4cc" for side in shown]
            bars = panel.barh([SIDES[side] for side in shown], middle, xerr=[low, high], color=colors, capsize=3)
            panel.bar_label(bars, [f"{cells[side]['added_us']:.2f}" for side in shown], padding=6)
            panel.set_title(f"{client}, {mode}")
            panel.margins(x=0.15)
            panel.spines[["top", "right"]].set_visible(False)
            if panel not in row[:1]:
                panel.set_yticklabels([])
    figure.supxlabel("CPU time added per good call, µs (median of rounds, quartiles)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write_readme(text: str) -> None:
    """Put the table between its marks in benchmarks/README.md."""
    path = HERE / "README.md"
    marks = "<!-- overhead:begin -->", "<!-- overhead:end -->"
    old = path.read_text(encoding="utf-8")
    new = re.sub(rf"(?s){marks[0]}.*?{marks[1]}", lambda _: f"{marks[0]}\n{text}\n{marks[1]}", old)
    path.write_text(new, encoding="utf-8")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="CPU time added per good call")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=40, help="calls per turn")
    parser.add_argument("--sides", default=",".join(SIDES), help="comma-separated; bare is always measured")
    parser.add_argument("--clients", default=",".join(CLIENTS))
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure each client in its own process; print, write, draw."""
    wish = options()
    sides = [side for side in SIDES if side == "bare" or side in wish.sides.split(",")]
    if wish.worker:
        work(wish.worker, sides, wish.rounds, wish.calls)
        return
    results: dict[str, Any] = {}
    for client in wish.clients.split(","):
        words = [sys.executable, __file__, "--worker", client, "--sides", ",".join(sides)]
        words += ["--rounds", str(wish.rounds), "--calls", str(wish.calls)]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
        results[client] = {
            mode: {side: summary(taken, cells["bare"]) for side, taken in cells.items()}
            for mode, cells in json.loads(done.stdout).items()
        }
    about = versions()
    text = table(results, sides)
    conditions = ", ".join(f"{name} {what}" for name, what in about.items())
    foot = f"{wish.rounds} rounds of {TURNS} turns of {wish.calls} calls; {conditions}"
    print(f"{text}\n\n{foot}\n\n{verdict(results, sides)}")
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    record = {"rounds": wish.rounds, "turns": TURNS, "calls": wish.calls, "versions": about, "results": results}
    (folder / "overhead.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    draw(results, sides, folder / "overhead.png")
    if wish.write_readme:
        write_readme(f"\n{text}\n\n{foot}.\n\n![CPU time added per good call](results/overhead.png)\n")


if __name__ == "__main__":
    main()
