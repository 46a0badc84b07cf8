"""What being watched costs a good call: CPU time over a bare client, beside OpenTelemetry's own instrumentation.

The same way of measuring as overhead.py: sides take turns in one process, the figure is CPU time per call less that of
the bare client in the same round; medians and quartiles over rounds in several processes. Every side has the transport
that answers at once. Sides with an SDK make spans that a processor hands to a list in memory.

    python benchmarks/telemetry.py [--rounds N] [--calls N] [--clients httpx2] [--write-readme]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import overhead
from _report import markdown, write_readme
from _sides_telemetry import LABELS, post_of

HERE = Path(__file__).resolve().parent
MODES = ("sync", "async")
PACKAGES = ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-instrumentation-httpx")


def work(client: str, wish: argparse.Namespace) -> None:
    """Measure one client in this process and print JSON."""
    importlib.import_module(client)
    sides = [side for side in LABELS if side == "bare" or side in wish.sides.split(",")]
    taken = {mode: asyncio.run(overhead.measure(partial(post_of, client, mode), mode, sides, wish)) for mode in MODES}
    json.dump(taken, sys.stdout)


def run(client: str, wish: argparse.Namespace, seed: int) -> dict[str, dict[str, list[float]]]:
    """Measure one client in a process of its own."""
    words = [sys.executable, __file__, "--worker", client, "--seed", str(seed), "--sides", wish.sides]
    words += ["--rounds", str(wish.rounds), "--calls", str(wish.calls)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    taken: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
    return taken


def table(results: dict[str, Any]) -> str:
    """The medians as a Markdown table, quartiles in brackets."""
    columns = [(client, mode, cells) for client, modes in results.items() for mode, cells in modes.items()]
    rows = [["added µs of CPU per good call", *(f"{client} {mode}" for client, mode, _ in columns)]]
    for side, label in LABELS.items():
        cells = [cells.get(side) for _, _, cells in columns]
        if all(cells):
            rows.append([label, *(_shown(side, cell) for cell in cells)])
    return markdown(rows)


def _shown(side: str, cell: Any) -> str:
    if side == "bare":
        return f"({cell['call_us']:.0f} in all)"
    return f"{cell['added_us']:.1f} [{cell['quartile_low_us']:.1f}, {cell['quartile_high_us']:.1f}]"


def verdict(results: dict[str, Any]) -> str:
    """The two aims, held against what was measured."""
    lines = []
    for client, modes in results.items():
        for mode, cells in modes.items():
            if not {"off", "ours-none", "ours-recorded", "theirs-recorded"} <= set(cells):
                continue
            more = cells["ours-none"]["added_us"] - cells["off"]["added_us"]
            mine = cells["ours-recorded"]["added_us"] - cells["off"]["added_us"]
            theirs = cells["theirs-recorded"]["added_us"]
            bare = cells["floor"]["added_us"] if "floor" in cells else float("nan")
            lines.append(
                f"{client} {mode}: no SDK {more:+.1f} µs over spans off (aim: at most 5); two spans recorded "
                f"{mine:.1f} µs over spans off (two bare spans of the SDK {bare:.1f}), {mine / theirs:.2f} of the "
                f"instrumentation's {theirs:.1f} for one (aim: under 0.50)"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure each client in its own processes; print and write."""
    what = "CPU time that being watched adds to a good call"
    wish = overhead.options(what, LABELS, ("httpx", "httpx2"), rounds=8, processes=5)
    if wish.worker:
        work(wish.worker, wish)
        return
    results: dict[str, Any] = {}
    for client in wish.clients.split(","):
        runs = [run(client, wish, seed) for seed in range(wish.processes)]
        results[client] = {}
        for mode in MODES:
            together = {side: [ns for one in runs for ns in one[mode][side]] for side in runs[0][mode]}
            results[client][mode] = {side: overhead.summary(ns, together["bare"]) for side, ns in together.items()}
    about = {**overhead.versions(), **{name: version(name) for name in PACKAGES}}
    text = table(results)
    conditions = ", ".join(f"{name} {what}" for name, what in about.items())
    foot = f"{wish.processes} processes, each {wish.rounds} rounds of {overhead.TURNS} turns of {wish.calls} calls"
    print(f"{text}\n\n{foot}; {conditions}\n\n{verdict(results)}")
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    record = {"versions": about, "results": results}
    (folder / "telemetry.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if wish.write_readme:
        write_readme(HERE / "README.md", "telemetry", f"\n{text}\n\n{foot}; {conditions}.\n\n{verdict(results)}\n")


if __name__ == "__main__":
    main()
