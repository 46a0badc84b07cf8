"""How waits.py shows what it measured, and what it holds to be wrong.

Must not know how anything is measured.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from _report import markdown
from _waits_world import LATENCY

from anyint_resilience.contract.tasks import POLL_JITTER, QUERY_RATE

__all__ = ["draw", "figures", "interval", "problems", "summary", "table"]

LONGEST = 15.0 * (1 + POLL_JITTER)
"""Seconds between two polls of one task at the most, by the contract's rows that are measured."""

SPREAD = 2 * POLL_JITTER * 15.0
"""Seconds by which the pauses of those who share a cap differ: who rests longest is asked for that much later."""

HEAD = "waits|poll interval, s|known after, s: median|95 %|most|most queries in 1 s (cap 18)|queries in all"


def interval(number: int, families: int) -> float:
    """Return the seconds between two queries for one task, where so many waits share the cap of each family."""
    return max(LONGEST, number / families / QUERY_RATE)


def _label(it: dict[str, Any]) -> str:
    label = f"{it['waits']:,} of " + ("one family" if it["families"] == 1 else f"{it['families']} families")
    label += ", with callbacks" if it["callbacks"] else ""
    label += f", {it['cancelled']:,} cancelled at 300 s" if it["cancelled"] else ""
    return label + (", 300 s at the most" if it["early"] else "")


def _percentile(delays: list[float], share: float) -> float:
    return delays[min(len(delays) - 1, int(share * len(delays)))]


def problems(results: list[dict[str, Any]]) -> list[str]:
    """Everything that must not be."""
    wrong = []
    for it in results:
        for family, most in it["most_in_a_second"].items():
            if most > QUERY_RATE:
                wrong.append(f"{_label(it)}: {most} queries for {family} in one second")
        if it["delays"][-1] > max(LONGEST, it["interval"] + SPREAD) + 2 * LATENCY:
            wrong.append(
                f"{_label(it)}: one knew after {it['delays'][-1]:.1f} s, the interval is {it['interval']:.1f} s"
            )
        if len(it["delays"]) + len(it["early"]) + it["cancelled"] < it["waits"]:
            wrong.append(f"{_label(it)}: only {len(it['delays'])} waits came to their end")
    return wrong


def table(results: list[dict[str, Any]]) -> str:
    """One line per measurement."""
    rows = [HEAD.split("|")]
    for it in results:
        delays = it["delays"]
        found = (median(delays), _percentile(delays, 0.95), delays[-1])
        most = max(it["most_in_a_second"].values())
        rows.append(
            [_label(it), f"{it['interval']:.1f}", *(f"{each:.1f}" for each in found), str(most), f"{it['queries']:,}"]
        )
    return markdown(rows)


def figures(it: dict[str, Any]) -> dict[str, Any]:
    """One measurement as a document."""
    delays = it["delays"]
    found = {"median": median(delays), "p95": _percentile(delays, 0.95), "most": delays[-1], "ended": len(delays)}
    early = {"gave_up": len(it["early"]), "seconds_early": round(max(it["early"], default=0.0), 1)}
    left_out = ("delays", "early", "per_second", "cpu")
    kept = {name: value for name, value in it.items() if name not in left_out}
    return {**kept, **early, "known_after": {name: round(value, 2) for name, value in found.items()}}


def summary(it: dict[str, Any]) -> str:
    """One measurement in one line, with what has no place in the table."""
    said = f"{_label(it)}: {len(it['delays'])} ended, {it['queries']:,} queries, {it['cpu']:.1f} s of this machine's"
    if it["early"]:
        said += f"; {len(it['early'])} gave up, the first {max(it['early']):.1f} s before the deadline"
        said += f", {it['missed']} of them with a task that ended before it"
    return said


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Delay against the number of waits, and queries per second over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    plain = [it for it in results if it["families"] == 1 and not it["cancelled"] and not it["early"]]
    for called, color, label in ((False, "#1b6ca8", "by polling"), (True, "#e0a030", "with a callback")):
        shown = [it for it in plain if it["callbacks"] is called]
        numbers = [it["waits"] for it in shown]
        left.plot(
            numbers, [max(0.03, median(it["delays"])) for it in shown], "o-", color=color, label=f"{label}: median"
        )
        left.plot(numbers, [it["delays"][-1] for it in shown], "o:", color=color, label=f"{label}: the last one")
    numbers = [it["waits"] for it in plain if not it["callbacks"]]
    left.plot(numbers, [interval(it, 1) for it in numbers], color="#888888", lw=1, label="poll interval under the cap")
    left.set(
        xscale="log", yscale="log", xlabel="waits for one family", ylabel="seconds from a task's end to the wait's"
    )
    left.legend(fontsize=8)
    right.axhline(QUERY_RATE, color="#888888", lw=1)
    for it in plain:
        if not it["callbacks"]:
            smooth = it["per_second"]
            right.plot(range(len(smooth)), smooth, lw=0.8, label=f"{it['waits']:,} waits")
    right.set(xlabel="seconds", ylabel="queries in that second (line: the cap)", ylim=(0, 22))
    right.legend(fontsize=8, loc="center right")
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle("Many waits in one process: tasks live 60 to 1,200 s")
    figure.savefig(path, dpi=110)
    plt.close(figure)
