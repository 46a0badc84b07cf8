"""A fleet: processes behind one key that share what they learn, by Redis or an SQLite file, or do not.

Its parts: 1, requests wasted on a closed window; 2, a brownout; 3, what sharing costs; 4, a simulation with 10,000
processes, staleness of the view against wasted requests. A redis-server (Debian's package) is started for them, and
killed at the end, as are all processes. The command exits non-zero when an aim is missed.

    python benchmarks/fleet.py [1 2 3 4] [--quick] [--processes N] [--rounds N] [--write-readme]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import asdict
from typing import Any

import _fleet_brown as brown
import _fleet_cost as cost
import _fleet_sim as sim
import _fleet_updates as updates
import _fleet_waste as waste
from _fleet_herd import SIDES, Herd, Stores
from _load_run import conditions, picture_of, record

LONGEST = 900  # seconds after which everything is killed


def _where(what: str) -> str:
    return f"{what}; {', '.join(f'{name} {it}' for name, it in conditions().items())}."


def _told(name: str, text: str, said: list[str], document: dict[str, Any], wish: argparse.Namespace) -> bool:
    """Print and record a part; whether all aims were met."""
    text += "\n\n" + "\n".join(f"- {words}" for words in said)
    print(f"{text}\n", flush=True)
    picture = f"\n\n![{name}](results/{name}.png)" if picture_of(name, wish).exists() else ""
    record(name, {"said": said, **document}, text + picture, wish)
    return not any("MISSED" in words or "WRONG" in words for words in said)


def loaded(wish: argparse.Namespace, stores: Stores) -> bool:
    """Parts 1 and 2: one fleet of processes for both."""
    lines = [["_fleet_gateway.py"]] * len(brown.LABELS) + [["_fleet_worker.py"]] * wish.processes
    with Herd(lines) as children:
        gateways, workers = children[: len(brown.LABELS)], children[len(brown.LABELS) :]
        met = True
        if "1" in wish.parts:
            met = wasted(wish, stores, gateways, workers)
        if "2" in wish.parts:
            met = browned(wish, stores, gateways, workers) and met
        return met


def wasted(wish: argparse.Namespace, stores: Stores, gateways: list[Any], workers: list[Any]) -> bool:
    """Part 1."""
    count = 1 if wish.quick else wish.rounds
    found, thrown = waste.rounds(workers, gateways[0], stores, count, list(SIDES))
    foot = _where(
        f"{wish.processes} processes, {waste.LOAD['rate']:.0f} calls a second in all for {waste.LOAD['seconds']:.0f} s;"
        f" {waste.WORLD['quota']} requests in a window, then 429 for 2 s; medians of {count} turns of each side, in "
        f"brackets the least and the most; {thrown} more were done again, for the machine was too busy"
    )
    waste.draw(found, picture_of("fleet_waste", wish))
    document = {
        "processes": wish.processes,
        "load": waste.LOAD,
        "world": waste.WORLD,
        "thrown": thrown,
        "results": found,
    }
    return _told("fleet_waste", f"{waste.table(found)}\n\n{foot}", waste.said_of(found), document, wish)


def browned(wish: argparse.Namespace, stores: Stores, gateways: list[Any], workers: list[Any]) -> bool:
    """Part 2."""
    count = 1 if wish.quick else 2
    found = brown.rounds(workers, gateways, stores, count, "a" if wish.quick else "abc")
    foot = _where(
        f"Capacity {brown.SPEC['capacity']:.0f}/s, offered {brown.SPEC['offered']:.0f}/s by {wish.processes} processes,"
        f" outage 5 s from {brown.SPEC['begins']:.0f} s on, {brown.SPEC['seconds']:.0f} s in all, time-out "
        f"{brown.SPEC['patience']:.0f} s; medians of {count} runs, in brackets the least and the most"
    )
    brown.draw(found, picture_of("fleet_brownout", wish))
    document = {"processes": wish.processes, "spec": brown.SPEC, "results": found}
    return _told("fleet_brownout", f"{brown.table(found)}\n\n{foot}", brown.said_of(found), document, wish)


def priced(wish: argparse.Namespace, stores: Stores) -> bool:
    """Part 3."""
    with cost.Idle() as idle:
        taken = cost.times(stores, quick=wish.quick)  # first: nothing stands there yet that a call might meet
        counts = cost.commands(stores, quick=wish.quick)
        told = updates.news(stores, quick=wish.quick)
        made = updates.updates(stores, quick=wish.quick)
        counts["idle"] = idle.sent(5.0 if wish.quick else 65.0)
    tables = [
        cost.commands_table(counts),
        cost.times_table(taken),
        updates.updates_table(made),
        updates.news_table(told),
    ]
    first = next(iter(taken["chat"].values()))
    foot = _where(
        f"Commands: MONITOR, without what scripts call; times of calls: {len(first)} rounds of {len(first[0])} good"
        f" calls and {len(next(iter(taken['video'].values()))[0])} creates of each side in shuffled order, medians and "
        "quartiles of the rounds; updates: medians, in brackets the least and the most"
    )
    cost.draw(taken, picture_of("fleet_cost", wish))
    brief = {kind: {side: cost.summary(runs) for side, runs in sides.items()} for kind, sides in taken.items()}
    document = {"commands": counts, "times_us": brief, "updates_us": made, "news_s": told}
    return _told("fleet_cost", "\n\n".join([*tables, foot]), cost.said_of(counts, taken), document, wish)


def simulated(wish: argparse.Namespace) -> bool:
    """Part 4."""
    seeds = 1 if wish.quick else 3
    found = sim.run_all(seeds, os.cpu_count() or 1)
    foot = (
        f"{sim.SPEC.processes:,} processes, {sim.SPEC.rate:,.0f} calls a second in all for {sim.SPEC.seconds:.0f} s; "
        f"{sim.SPEC.quota:,} requests in a window, then 429 for {sim.SPEC.lasts:.0f} s; medians of {seeds} seeds, in "
        "brackets the least and the most."
    )
    sim.draw(found, picture_of("fleet_sim", wish))
    runs = [[lag, run] for lag, them in found.items() for run in them]
    document = {"spec": asdict(sim.SPEC), "runs": runs}
    return _told("fleet_sim", f"{sim.table(found)}\n\n{foot}", sim.said_of(found), document, wish)


def main() -> int:
    """Run the parts that are wanted; everything ends after ``LONGEST`` seconds, whatever happens."""
    parser = argparse.ArgumentParser(description="a fleet that shares what it learns")
    parser.add_argument("parts", nargs="*", default=[], help="of 1, 2, 3, 4; all by default")
    parser.add_argument("--quick", action="store_true", help="a short run, of which nothing is recorded")
    parser.add_argument("--processes", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5, help="of part 1")
    parser.add_argument("--write-readme", action="store_true", help="put the tables into benchmarks/README.md")
    wish = parser.parse_args()
    wish.parts = wish.parts or ["1", "2", "3", "4"]
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _too_long)
    signal.alarm(LONGEST)
    met = simulated(wish) if "4" in wish.parts else True  # before there are processes that it would disturb
    with Stores() as stores:
        met = priced(wish, stores) and met if "3" in wish.parts else met
        met = loaded(wish, stores) and met if {"1", "2"} & set(wish.parts) else met
    return 0 if met else 1


def _too_long(*_: object) -> None:
    raise TimeoutError("it took too long, or was to end")


if __name__ == "__main__":
    sys.exit(main())
