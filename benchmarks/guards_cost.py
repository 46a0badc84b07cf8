"""What the guards cost a good call: CPU time added by all of them over none, on a client that does nothing below.

The same way of measuring as overhead.py: sides take turns in one process, each in another order in each round; the
figure is the CPU time per call of the best turn, less that of our layer with ``Guards.off()`` in the same round.
Medians and quartiles over the rounds of several processes. The command exits non-zero when they cost more
than the aim.

    python benchmarks/guards_cost.py [--rounds N] [--calls N] [--clients httpx] [--write-readme]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import overhead
from _report import markdown, write_readme
from _sides import CLIENTS, GUARDED, post_of

HERE = Path(__file__).resolve().parent
MOST = 1.5  # microseconds over guards off, by the aim
LABELS = {
    "bare": "bare client",
    "guards-off": "Guards.off()",
    "guards-on": "guards by default",
    "guards-fallback": "and a fallback configured, its breaker on",
    "guards-all": "and breaker=True: one before every route",
}


def work(client: str, wish: argparse.Namespace) -> None:
    """Measure one client in this process and print JSON."""
    importlib.import_module(client)
    modes, sides = CLIENTS[client].modes, ["bare", *GUARDED]
    taken = {mode: asyncio.run(overhead.measure(partial(post_of, client, mode), mode, sides, wish)) for mode in modes}
    json.dump(taken, sys.stdout)


def run(client: str, wish: argparse.Namespace, seed: int) -> dict[str, dict[str, list[float]]]:
    """Measure one client in a process of its own."""
    words = [sys.executable, __file__, "--worker", client, "--seed", str(seed)]
    words += ["--rounds", str(wish.rounds), "--calls", str(wish.calls)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    taken: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
    return taken


def _columns(results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for client, modes in results.items():
        for mode, cells in modes.items():
            yield f"{client} {mode}", cells


def _shown(side: str, cell: dict[str, float]) -> str:
    if side == "bare":
        return f"({cell['call_us']:.0f} in all)"
    if side == "guards-off":
        return f"({-cell['bare_us']:.2f} over bare)"
    return f"{cell['added_us']:.2f} [{cell['quartile_low_us']:.2f}, {cell['quartile_high_us']:.2f}]"


def table(results: dict[str, Any]) -> str:
    """The medians as a Markdown table, quartiles in brackets."""
    columns = list(_columns(results))
    rows = [["added µs of CPU per good call, over guards off", *(name for name, _ in columns)]]
    rows += [[label, *(_shown(side, cells[side]) for _, cells in columns)] for side, label in LABELS.items()]
    return markdown(rows)


def problems(results: dict[str, Any]) -> list[str]:
    """Say where the guards cost more than they may."""
    return [
        f"MISSED: {name}: {LABELS[side]} {cells[side]['added_us']:.2f} µs over guards off (aim: at most {MOST})"
        for name, cells in _columns(results)
        for side in GUARDED[1:]
        if cells[side]["added_us"] > MOST
    ]


def draw(results: dict[str, Any], path: Path) -> None:
    """Medians as bars, quartiles as whiskers; one group for each client and mode."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = list(_columns(results))
    figure, panel = plt.subplots(figsize=(11, 4.2), layout="constrained")
    for number, side in enumerate(GUARDED[1:]):
        cells = [found[side] for _, found in columns]
        middle = [cell["added_us"] for cell in cells]
        low = [max(0.0, cell["added_us"] - cell["quartile_low_us"]) for cell in cells]
        high = [max(0.0, cell["quartile_high_us"] - cell["added_us"]) for cell in cells]
        places = [at + 0.27 * (number - 1) for at in range(len(columns))]
        panel.bar(places, middle, width=0.25, yerr=[low, high], capsize=2, label=LABELS[side])
    panel.axhline(MOST, color="#888888", lw=1, ls=":")
    panel.set_xticks(range(len(columns)), [name for name, _ in columns])
    panel.set_ylabel("CPU time over guards off, µs per call (dotted: the aim)")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> int:
    """Measure each client in its own processes; print, write, draw, judge."""
    wish = overhead.options("CPU time that the guards add", LABELS, CLIENTS, rounds=8, processes=4)
    if wish.worker:
        work(wish.worker, wish)
        return 0
    results: dict[str, Any] = {}
    for client in wish.clients.split(","):
        runs = [run(client, wish, seed) for seed in range(wish.processes)]
        results[client] = {}
        for mode in CLIENTS[client].modes:
            together = {side: [ns for one in runs for ns in one[mode][side]] for side in runs[0][mode]}
            off = together["guards-off"]
            results[client][mode] = {side: overhead.summary(ns, off) for side, ns in together.items()}
            results[client][mode]["guards-off"]["bare_us"] = results[client][mode]["bare"]["added_us"]
    about, text, said = overhead.versions(), table(results), problems(results)
    conditions = ", ".join(f"{name} {what}" for name, what in about.items())
    foot = f"{wish.processes} processes, each {wish.rounds} rounds of {overhead.TURNS} turns of {wish.calls} calls"
    text = f"{text}\n\n{foot}; {conditions}." + "".join(f"\n\n{words}" for words in said)
    print(text)
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    counts = {"processes": wish.processes, "rounds": wish.rounds, "turns": overhead.TURNS, "calls": wish.calls}
    record = {**counts, "versions": about, "said": said, "results": results}
    (folder / "guards_cost.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    draw(results, folder / "guards_cost.png")
    if wish.write_readme:
        shown = f"\n{text}\n\n![CPU time that the guards add](results/guards_cost.png)\n"
        write_readme(HERE / "README.md", "guards_cost", shown)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
