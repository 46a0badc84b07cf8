"""Part 1 of fleet.py: a window that closes, and 32 processes behind one key. How many requests are wasted on it?

Must not know how processes are started.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from _fleet_herd import SIDES, Child, Stores, together
from _load_run import percentile
from _report import markdown

__all__ = ["LOAD", "WORLD", "draw", "measured", "rounds", "said_of", "shown", "table"]

RATE = 240.0
LOAD = {"rate": RATE, "seconds": 7.0, "drain": 5.0}
WORLD = {"kind": "window", "quota": int(3.5 * RATE), "lasts": 2.0, "way": 0.01, "service": 0.03}
WARM = {"rate": RATE, "seconds": 2.0, "drain": 5.0}
MOST = 1.5  # times those in flight at the first 429 that may be wasted, by the aim
SOON = 100.0  # milliseconds after which nobody sends any more, by the aim
LATE = 0.2  # seconds by which one call in a hundred may begin too late: else the machine was too busy,
AGAIN = 4  # and it is done again, up to so often in all
HEAD = (
    "processes share|closings|in flight at the first 429|wasted: requests answered 429|wasted / in flight|"
    "last one sent, ms after the first 429|calls not good 5 s after the last one began, %|p99 of the good, s"
)


def measured(seen: dict[str, Any]) -> dict[str, Any]:
    """Measure one turn of one side; times of ``refused`` are milliseconds after the first 429 of the first closing."""
    good = [row[1] - row[0] for row in seen["calls"] if row[2] == 200]
    first = seen["closings"][0]["at"]
    closings = [{**it, "share": it["wasted"] / it["in_flight"], "last": 1000 * it["last"]} for it in seen["closings"]]
    return {
        "closings": closings,
        "refused": [1000 * (at - first) for at, status in seen["arrivals"] if status == 429 and at < first + 2.0],
        "failed": 100 * (1 - len(good) / len(seen["calls"])),
        "p99": percentile(good, 0.99),
        "late": percentile([row[5] for row in seen["calls"]], 0.99),
        "seconds": _by_second([at for at, status in seen["arrivals"] if status == 200]),
    }


def _by_second(times: list[float]) -> list[int]:
    return [sum(second <= at < second + 1 for at in times) for second in range(int(max(times, default=0)) + 1)]


def rounds(
    workers: list[Child], gateway: Child, stores: Stores, count: int, sides: Sequence[str]
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """Let the sides take turns, each time with another key and another file; the first turns are to get warm.

    Returns the turns of each side, and how many others were thrown away because the machine was busy with other things.
    """
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    names, thrown = itertools.count(), 0
    for number in range(-1, count):
        shift = number % len(sides)
        for side in (*sides[shift:], *sides[:shift]):
            while True:
                name = f"waste-{next(names)}"
                play = {"url": gateway.first, "store": stores.url(side, name), "key": f"sk-{name}", "patience": 10.0}
                play["load"] = WARM if number < 0 else LOAD
                (seen,) = together(workers, [gateway], [play], [WORLD])
                if number < 0:
                    break
                found = measured(seen)
                if found["late"] > LATE and thrown < AGAIN:
                    thrown += 1
                    continue
                results[side].append(found)
                break
        print(f"waste: round {number + 1} of {count} done", file=sys.stderr, flush=True)
    return results, thrown


def shown(values: Sequence[float], places: int) -> str:
    """Return the median, in brackets the least and the most where they differ from it."""
    if not values:
        return "-"
    middle, least, most = (f"{it:,.{places}f}" for it in (median(values), min(values), max(values)))
    return middle if least == most else f"{middle} [{least}, {most}]"


def _row(label: str, runs: list[dict[str, Any]], *, first: bool) -> list[str]:
    closings = [it for run in runs for it in (run["closings"][:1] if first else run["closings"][1:])]
    places = {"in_flight": 0, "wasted": 0, "share": 2, "last": 0}
    cells = [shown([it[name] for it in closings], at) for name, at in places.items()]
    more = [shown([run["failed"] for run in runs], 1), shown([run["p99"] for run in runs], 1)] if first else ["", ""]
    return [f"{label}: {'first' if first else 'later'} closings", str(len(closings)), *cells, *more]


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return the table: for each side the first closing of each turn, and those after it."""
    rows = [_row(SIDES[side], runs, first=first) for side, runs in results.items() for first in (True, False)]
    return markdown([HEAD.split("|"), *(row for row in rows if row[1] != "0")])


def said_of(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Hold the aims against what was measured; say of which turns the machine was too busy."""
    late = [(side, run["late"]) for side, runs in results.items() for run in runs if run["late"] > LATE]
    said = [f"WRONG: {SIDES[side]}: calls began {at:.2f} s late: too busy" for side, at in late]
    if "redis" not in results:
        return said
    for words, first in (("first closings", True), ("later closings", False)):
        closings = [it for run in results["redis"] for it in (run["closings"][:1] if first else run["closings"][1:])]
        if not closings:
            continue
        share, last = (median(it[name] for it in closings) for name in ("share", "last"))
        found = [
            (share < MOST, f"wasted {share:.2f} of those in flight (aim: under {MOST})"),
            (last <= SOON, f"the last one sent after {last:.0f} ms (aim: at most {SOON:.0f})"),
        ]
        said.append(f"Redis, {words}: " + "; ".join(("" if met else "MISSED: ") + it for met, it in found))
    return said


def draw(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Wasted requests as they add up after the first 429, one line a turn; and what was served in each second."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    colors = {"local": "#b8742a", "sqlite": "#8a979f", "redis": "#1b6ca8"}
    for side, runs in results.items():
        for number, run in enumerate(runs):
            times = sorted(run["refused"])
            label = SIDES[side] if not number else None
            steps = [0.0, *times, 250.0]
            left.step(steps, [0, *range(1, len(times) + 1), len(times)], where="post", color=colors[side], label=label)
        longest = max(len(run["seconds"]) for run in runs)
        served = [median([*run["seconds"], *[0] * longest][at] for run in runs) for at in range(longest)]
        right.plot(range(longest), served, color=colors[side], label=SIDES[side])
    flying = median(run["closings"][0]["in_flight"] for runs in results.values() for run in runs)
    left.axhline(MOST * flying, color="#888888", lw=0.9, ls=":")
    left.set(xlim=(0, 250), xlabel="ms after the first 429 (dotted: the aim)", ylabel="requests wasted")
    right.axhline(RATE, color="#888888", lw=0.8)
    right.set(xlabel="seconds (line: calls offered, for the first seven)", ylabel="requests served in a second")
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    left.legend(fontsize=8, loc="upper left")
    figure.savefig(path, dpi=100)
    plt.close(figure)
