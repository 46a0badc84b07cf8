"""Part 2 of fleet.py: the brownout of brownout.py with 32 processes behind one key, all sides at the same time.

Must not know how processes are started, nor how anything is measured: both are shared with others.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Any

import _brown_report as report
from _brown_world import COSTS
from _fleet_herd import SIDES, Child, Stores, together
from _load_run import percentile

__all__ = ["LABELS", "SPEC", "WORLDS", "draw", "measured", "said_of", "table"]

SPEC = {
    "capacity": 60.0,
    "offered": 45.0,
    "service": 0.25,
    "seconds": 20.0,
    "begins": 3.0,
    "ends": 8.0,
    "patience": 2.0,
}
"""As in brownout.py, but for the seconds before and after."""

WORLDS = report.WORLDS
LABELS = {"bare": "httpx alone", **{side: f"ours, {words}" for side, words in SIDES.items()}}
MOST = 1.15  # requests for each call with Redis, by the aim
LATE = 0.2


def measured(seen: dict[str, Any]) -> dict[str, Any]:
    """Measure one side."""
    good = [(row[0], row[1]) for row in seen["calls"] if row[2] == 200]
    times = SPEC["begins"], SPEC["ends"], SPEC["seconds"]
    found = report.measures([row[0] for row in seen["arrivals"]], good, len(seen["calls"]), times, SPEC["offered"])
    during = sum(SPEC["begins"] <= end < SPEC["ends"] for _, end in good)
    found["during"] = 100 * during / (SPEC["offered"] * (SPEC["ends"] - SPEC["begins"]))
    return {**found, "late": percentile([row[5] for row in seen["calls"]], 0.99)}


def rounds(
    workers: list[Child], gateways: list[Child], stores: Stores, count: int, worlds: str
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Run all sides at the same time, each with a gateway of its own, in one world after the other."""
    results: dict[str, dict[str, list[dict[str, Any]]]] = {world: {side: [] for side in LABELS} for world in worlds}
    load = {"rate": SPEC["offered"], "seconds": SPEC["seconds"], "drain": 10.0}
    gateway = {"kind": "brownout", "workers": round(SPEC["capacity"] * SPEC["service"]), "service": SPEC["service"]}
    gateway["down"] = [SPEC["begins"], SPEC["ends"]]
    _warm(workers, gateways[0], stores)
    for number in range(count):
        for world in worlds:
            name = f"brown-{world}-{number}"
            plays = [
                {"url": at.first, "store": stores.url(side, name), "key": f"sk-{side}-{name}", "bare": side == "bare"}
                for side, at in zip(LABELS, gateways, strict=True)
            ]
            plays = [{**play, "patience": SPEC["patience"], "load": load} for play in plays]
            seen = together(workers, gateways, plays, [{**gateway, "costs": COSTS[world]}] * len(plays))
            for side, it in zip(LABELS, seen, strict=True):
                results[world][side].append(measured(it))
        print(f"brownout: round {number + 1} of {count} done", file=sys.stderr, flush=True)
    return results


def _warm(workers: list[Child], gateway: Child, stores: Stores) -> None:
    """Make some calls first: whatever a process does for the first time takes long."""
    play = {"url": gateway.first, "store": stores.url("redis", "warm"), "key": "sk-warm", "patience": 10.0}
    play["load"] = {"rate": 5.0 * len(workers), "seconds": 2.0, "drain": 5.0}
    world = {"kind": "brownout", "workers": 1000, "service": 0.01, "down": [100.0, 101.0], "costs": 0.0}
    together(workers, [gateway], [play], [world])


def table(results: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Return the table of brownout.py; its first column but one is new: what succeeded during the outage."""
    rows = [
        [f"({world}) {LABELS[side]}", *report.row(runs)]
        for world, sides in results.items()
        for side, runs in sides.items()
    ]
    return report.table("world, processes share", rows)


def said_of(results: dict[str, dict[str, list[dict[str, Any]]]]) -> list[str]:
    """Hold the aim against what was measured; say of which runs the machine was too busy."""
    said = []
    for world, sides in results.items():
        late = [(side, run["late"]) for side, runs in sides.items() for run in runs if run["late"] > LATE]
        said += [f"WRONG: ({world}) {LABELS[side]}: calls began {at:.2f} s late: too busy" for side, at in late]
        mine, alone, bare = (
            {name: median(run[name] for run in sides[side]) for name in ("amplification", "goodput", "failed")}
            for side in ("redis", "local", "bare")
        )
        met = mine["amplification"] <= MOST
        said.append(
            f"({world}) Redis: {'' if met else 'MISSED: '}amplification {mine['amplification']:.2f} (aim: at most "
            f"{MOST}; each alone {alone['amplification']:.2f}); goodput in 10 s after {mine['goodput']:.0f} % (each "
            f"alone {alone['goodput']:.0f}, without us {bare['goodput']:.0f}); {mine['failed']:.1f} % failed (each "
            f"alone {alone['failed']:.1f}, without us {bare['failed']:.1f})"
        )
    return said


def draw(results: dict[str, dict[str, list[dict[str, Any]]]], path: Path) -> None:
    """For each world goodput over time, and below it the requests: the first run of each side."""
    names = {**LABELS, "redis": "anyint-resilience, Redis"}
    panels = {
        f"({world}) {WORLDS[world]}": {names[side]: runs[0] for side, runs in sides.items()}
        for world, sides in results.items()
    }
    report.draw(panels, SPEC["offered"], (SPEC["begins"], SPEC["ends"]), path)
