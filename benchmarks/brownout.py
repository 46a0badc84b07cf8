"""Brownout: a gateway of fixed capacity is down for five seconds. What do its clients make of it?

Three worlds: (a) prompt 503s that cost the gateway nothing, (b) 503s that cost a quarter of a request, (c) a hang, with
a queue that outlasts the clients' time-outs. Offered are 75 % of the capacity, evenly, by calls that do not wait for
each other. On loopback each side has a gateway and four client processes of its own, all at once.
With ``--sim`` it is a seeded simulation with 4, 1,000 and 100,000 client processes, which runs the shipped engine and
guards effect by effect. The command exits non-zero when an aim is missed.

    python benchmarks/brownout.py [--sim] [--quick] [--write-readme]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import product
from typing import Any

from _brown_report import WORLDS, draw, judged, measures, row, table
from _brown_world import COSTS, World, WorldSpec
from _load_run import Seen, chosen, command, conditions, picture_of, play, record, too_busy
from _load_sides import LABELS
from _sim_clients import Side, waits_of

from anyint_resilience import Guards

OURS = "anyint-resilience"
SIM_SIDES = {
    "no retries": Side("none", waits=waits_of(1, 0.5)),
    "as the SDKs, 3 attempts": Side("sdk", waits=waits_of(3, 0.5)),
    "as tenacity, 4 attempts": Side("tenacity", waits=waits_of(4, 1.0, 60.0, plus=1.0)),
    f"{OURS}, guards off": Side("off", guards=Guards.off()),
    OURS: Side("ours"),
}
SIDES = ["httpx", "httpx-retries", "openai", "aiohttp-retry", "ours-httpx", "ours-aiohttp"]
PROCESSES = 4
PATIENCE = 2.0
CAPACITY, LOADED, SERVICE = 60.0, 0.75, 0.25


# The simulation.


def simulated(case: tuple[str, int, str, int]) -> dict[str, Any]:
    """Run one side in one world, with one seed."""
    logging.disable()
    world, processes, side, seed = case
    spec = WorldSpec(processes, COSTS[world], seed=seed)
    tally = World(spec, SIM_SIDES[side]).play()
    good = [(at - took, at) for at, took in zip(tally.good, tally.latency, strict=True)]
    times = spec.begins, spec.ends, spec.seconds
    return {**measures(tally.arrivals, good, tally.offered, times, spec.offered), "not_sent": tally.not_sent}


def simulate(wish: argparse.Namespace) -> int:
    """Run all sides in all worlds; print, write, draw, judge."""
    sizes, seeds = ((4, 1000), [1]) if wish.quick else ((4, 1000, 100_000), list(range(1, wish.seeds + 1)))
    cases = list(product(WORLDS, sizes, SIM_SIDES, seeds))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = dict(zip(cases, pool.map(simulated, cases), strict=True))
    rows, said, met = [], [], True
    for world, size in product(WORLDS, sizes):
        where = f"({world}) {size:,} processes"
        found = {side: [runs[world, size, side, seed] for seed in seeds] for side in SIM_SIDES}
        rows += [[f"{where}, {side}", *row(found[side])] for side in SIM_SIDES]
        words, good = judged(where, found["no retries"], found[OURS])
        said.append(words)
        met = met and good
    spec = WorldSpec(1)
    foot = (
        f"Capacity {spec.capacity:,.0f}/s, offered {spec.offered:,.0f}/s, a request takes {spec.service} s "
        f"of a worker, outage {spec.lasts:.0f} s from {spec.begins:.0f} s on, {spec.seconds:.0f} s in all, time-out "
        f"{spec.patience:.0f} s; medians of {len(seeds)} seeds, in brackets the least and the most."
    )
    text = f"{table('world, processes, side', rows)}\n\n{foot}\n\n" + "\n".join(f"- {words}" for words in said)
    print(text)
    panels = {
        f"({world}) {WORLDS[world]}, {sizes[1]:,} processes": {
            side: runs[world, sizes[1], side, seeds[0]] for side in SIM_SIDES
        }
        for world in WORLDS
    }
    draw(panels, spec.offered, (spec.begins, spec.ends), picture_of("brownout_sim", wish))
    document = {"spec": asdict(spec), "aims": said, "runs": [[*case, run] for case, run in runs.items()]}
    picture = "\n\n![Goodput and requests over time](results/brownout_sim.png)"
    record("brownout_sim", document, text + picture, wish)
    return 0 if met else 1


# On loopback.


def measured(seen: Seen, spec: WorldSpec) -> dict[str, Any]:
    """Measure one side on loopback."""
    good = [(call[0], call[1]) for call in seen.good()]
    times = spec.begins, spec.ends, spec.seconds
    return measures([it[0] for it in seen.arrivals], good, len(seen.calls), times, spec.offered)


def loopback(wish: argparse.Namespace) -> int:
    """Run all sides at the same time, in one world after the other; print, write, draw, judge."""
    seconds, begins, lasts = (16.0, 3.0, 3.0) if wish.quick else (36.0, 5.0, 5.0)
    sides = chosen(wish, SIDES)
    rows, said, met = [], [], True
    capacity, offered = wish.capacity, wish.capacity * LOADED
    results: dict[str, dict[str, dict[str, Any]]] = {}
    spec = WorldSpec(
        PROCESSES, None, capacity, offered, SERVICE, seconds=seconds, begins=begins, lasts=lasts, patience=PATIENCE
    )
    for world in wish.worlds:
        gateway = {"kind": "brownout", "workers": round(capacity * SERVICE), "service": SERVICE}
        gateway |= {"down": [spec.begins, spec.ends], "costs": COSTS[world]}
        load = {"rate": offered, "seconds": seconds, "drain": 10.0}
        seen = play(sides, dict.fromkeys(sides, gateway), load, {"patience": PATIENCE}, PROCESSES)
        found = results[world] = {side: measured(it, spec) for side, it in seen.items()}
        rows += [[f"({world}) {LABELS[side]}", *row([run])] for side, run in found.items()]
        wrong = too_busy(seen)
        said += [f"WRONG: ({world}) {words}" for words in wrong]
        met = met and not wrong
        for side, run in found.items():
            if side.startswith("ours") and "httpx" in found:
                words, good = judged(f"({world}) {LABELS[side]}", [found["httpx"]], [run])
                said.append(words)
                met = met and good
        print(f"world {world} done", file=sys.stderr, flush=True)
    about = conditions()
    foot = (
        f"Capacity {capacity:.0f}/s, offered {offered:.0f}/s by {PROCESSES} processes, outage {lasts:.0f} s "
        f"from {begins:.0f} s on, {seconds:.0f} s in all, time-out {PATIENCE:.0f} s; "
        f"{', '.join(f'{name} {what}' for name, what in about.items())}."
    )
    text = f"{table('world, side', rows)}\n\n{foot}\n\n" + "\n".join(f"- {words}" for words in said)
    print(text)
    panels = {
        f"({world}) {WORLDS[world]}": {LABELS[side]: run for side, run in found.items()}
        for world, found in results.items()
    }
    draw(panels, offered, (spec.begins, spec.ends), picture_of("brownout", wish))
    picture = "\n\n![Goodput and requests over time](results/brownout.png)"
    record(
        "brownout",
        {"spec": asdict(spec), "aims": said, "results": results},
        text + picture,
        wish,
    )
    return 0 if met else 1


def main() -> int:
    """Run what is wanted."""
    parser = command("an outage of five seconds", SIDES)
    parser.add_argument("--sim", action="store_true", help="the simulation, not loopback")
    parser.add_argument("--seeds", type=int, default=3, help="of the simulation")
    parser.add_argument("--worlds", default="abc", help="on loopback")
    parser.add_argument("--capacity", type=float, default=CAPACITY, help="on loopback, in requests a second")
    wish = parser.parse_args()
    return simulate(wish) if wish.sim else loopback(wish)


if __name__ == "__main__":
    sys.exit(main())
