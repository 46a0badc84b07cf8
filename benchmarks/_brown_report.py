"""What brownout.py makes of what it saw: measures, tables, the aims, a plot.

Must not know whether it was simulated.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from _brown_world import back, peak
from _load_run import percentile
from _report import markdown

__all__ = ["WORLDS", "draw", "judged", "measures", "row", "table"]

WORLDS = {"a": "prompt 503s", "b": "503s that cost a quarter", "c": "a hang, clients' time-outs shorter"}
AFTER = 10.0  # seconds after the outage in which goodput is counted
NEVER = float("inf")
MOST = 1.10  # requests at the gateway for each call offered, by the aim
HEAD = (
    "amplification: whole run|till 10 s after|peak in the outage, /s|goodput in 10 s after, %|back after, s|failed, %|"
    "p99 of the good, s"
)


def measures(
    arrivals: list[float], good: list[tuple[float, float]], offered: int, times: tuple[float, float, float], rate: float
) -> dict[str, Any]:
    """Measure a run. ``good``: begin and end of each call that succeeded; ``times``: outage from, to, last call."""
    begins, ends, last = times
    done = [end for _, end in good]
    returned = back(done, ends, last, rate)
    return {
        "offered": offered,
        "amplification": len(arrivals) / offered,
        "meanwhile": sum(begins <= at < ends + AFTER for at in arrivals) / (rate * (ends + AFTER - begins)),
        "peak": peak(arrivals, begins, ends),
        "goodput": 100 * sum(ends <= at < ends + AFTER for at in done) / (rate * AFTER),
        "back": NEVER if returned is None else returned,
        "failed": 100 * (offered - len(good)) / offered,
        "p99": percentile([end - began for began, end in good], 0.99),
        "seconds": _by_second(done, last),
        "arrivals": _by_second(arrivals, last),
    }


def _by_second(times: list[float], last: float) -> list[int]:
    found = Counter(int(at) for at in times)
    return [found[second] for second in range(int(last))]


def _shown(values: list[float], digits: int) -> str:
    middle = "never" if median(values) == NEVER else f"{median(values):,.{digits}f}"
    ends = [f"{at:,.{digits}f}" if at < NEVER else "never" for at in (min(values), max(values))]
    return middle if ends[0] == ends[1] else f"{middle} [{ends[0]}, {ends[1]}]"


def row(runs: list[dict[str, Any]]) -> list[str]:
    """Return the cells of one side: medians and, where they differ, the least and the most."""
    digits = {"amplification": 2, "meanwhile": 2, "peak": 0, "goodput": 0, "back": 1, "failed": 1, "p99": 1}
    return [_shown([run[name] for run in runs], places) for name, places in digits.items()]


def judged(where: str, none: list[dict[str, Any]], ours: list[dict[str, Any]]) -> tuple[str, bool]:
    """Hold the aims against what was measured; medians. Returns the words, and whether all are met."""
    mine, theirs = (
        {name: median(run[name] for run in runs) for name in ("amplification", "back", "failed")}
        for runs in (ours, none)
    )
    found = [
        (mine["amplification"] <= MOST, f"amplification {mine['amplification']:.2f} (at most {MOST:.2f})"),
        (mine["back"] <= theirs["back"], f"back after {mine['back']:.1f} s (without retries {theirs['back']:.1f})"),
        (mine["failed"] < theirs["failed"], f"{mine['failed']:.1f} % failed (without retries {theirs['failed']:.1f})"),
    ]
    words = "; ".join(("" if met else "MISSED: ") + said for met, said in found)
    return f"{where}: {words}", all(met for met, _ in found)


def table(first: str, rows: list[list[str]]) -> str:
    """Return a table with the measures as its columns."""
    return markdown([[first, *HEAD.split("|")], *rows])


def draw(panels: dict[str, dict[str, dict[str, Any]]], rate: float, outage: tuple[float, float], path: Path) -> None:
    """For each world goodput over time, and below it the requests at the gateway; one line for each side."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(
        2, len(panels), figsize=(5.2 * len(panels), 6.6), sharex=True, squeeze=False, layout="constrained"
    )
    for at, (title, sides) in enumerate(panels.items()):
        for number, (name, series) in enumerate((("good answers", "seconds"), ("requests", "arrivals"))):
            panel = grid[number][at]
            panel.axvspan(*outage, color="#eeeeee")
            panel.axhline(rate, color="#888888", lw=0.8)
            for label, run in sides.items():
                style = {"lw": 2.2} if label.startswith("anyint") else {"lw": 1.0, "alpha": 0.85}
                panel.plot(range(len(run[series])), run[series], label=label, **style)
            panel.set(ylabel=f"{name} a second" if not at else "", ylim=(0, None))
            panel.spines[["top", "right"]].set_visible(False)
        grid[0][at].set_title(title)
        grid[1][at].set_xlabel("seconds (grey: the outage; line: calls offered)")
    grid[0][0].legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=100)
    plt.close(figure)
