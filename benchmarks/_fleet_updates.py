"""Part 3 of fleet.py, without calls: what one update of a shared state costs, and how soon others hear of it.

Must not know how processes are started.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from _fleet_herd import Child, Herd, Stores
from _fleet_waste import shown
from _load_run import percentile
from _report import markdown

__all__ = ["news", "news_table", "updates", "updates_table"]

MANY = 8  # processes at one key
STEPS = {
    "budget twin": "the budget's step: Lua twin",
    "budget plain": "the budget's step: compare and set",
    "gate twin": "a gate is told of a 429: Lua twin",
    "gate plain": "a gate is told of a 429: compare and set",
}
EARS = 4
WAYS = {
    "redis": "Redis, pub/sub",
    "tracked": "Redis, CLIENT TRACKING, then a GET",
    "sqlite": "SQLite, looked at each 50 ms",
}


def _turn(children: list[Child], what: str, key: str, seconds: float, *, awaits: bool = False) -> dict[str, Any]:
    line = {"what": what, "key": key, "seconds": seconds, "awaits": awaits}
    with ThreadPoolExecutor(len(children)) as pool:
        told = list(pool.map(lambda child: child.ask(line), children))
    taken = [at for made, _ in told for at in made]
    return {
        "p50": 1e6 * percentile(taken, 0.5),
        "p99": 1e6 * percentile(taken, 0.99),
        "rate": len(taken) / seconds,
        "failed": sum(failed for _, failed in told),
    }


def updates(stores: Stores, *, quick: bool) -> dict[str, list[dict[str, Any]]]:
    """Measure one update after the other: alone, from threads and awaited, and with ``MANY`` processes at one key."""
    rounds, seconds = (1, 0.3) if quick else (3, 0.7)
    found: dict[str, list[dict[str, Any]]] = {}
    with Herd([["_fleet_steps.py"]] * 2 * MANY) as children:
        groups = {"redis": children[:MANY], "sqlite": children[MANY:]}
        for side, group in groups.items():
            for child in group:
                child.ask({"store": stores.url(side, "updates")})
        for number in range(rounds):
            for side, group in groups.items():
                for what in STEPS if side == "redis" else ("budget plain", "gate plain"):
                    kind = what.split()[0]
                    for count, awaits in ((1, False), (1, True), (MANY, False)):
                        key = f"{kind}:{what.split()[1]}00:{count}-{number}"
                        name = f"{side}|{what}|{count}|{'awaited' if awaits else 'in a thread'}"
                        taken = _turn(group[:count], what, key, seconds, awaits=awaits)
                        found.setdefault(name, []).append(taken)
        print("updates: done", file=sys.stderr, flush=True)
    return found


def updates_table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Return the microseconds of an update, and how many there were in a second."""
    rows = [["one update after the other", "p50, µs", "p99, µs", "updates in a second, all", "failed"]]
    for name, runs in found.items():
        side, what, count, how = name.split("|")
        words = STEPS[what] if side == "redis" else STEPS[what].partition(":")[0] + ": a transaction"
        who = f"{count} processes at one key" if int(count) > 1 else f"alone, {how}"
        cells = [shown([run[it] for run in runs], 0) for it in ("p50", "p99", "rate", "failed")]
        rows.append([f"{'Redis' if side == 'redis' else 'SQLite'}, {words}; {who}", *cells])
    return markdown(rows)


def news(stores: Stores, *, quick: bool) -> dict[str, list[list[float]]]:
    """Measure the seconds from the beginning of a telling until each of ``EARS`` other processes knows."""
    number = 15 if quick else 80
    found: dict[str, list[list[float]]] = {}
    for way in WAYS:
        key = f"gate:{way}news:h:openai:m"
        line = {"tells": number, "key": key}
        with Herd([["_fleet_steps.py"]] * (EARS + 1)) as (teller, *ears):
            for child in (teller, *ears):
                child.ask({"store": stores.url("sqlite" if way == "sqlite" else "redis", "news")})
            teller.ask({**line, "tells": 1})
            time.sleep(0.3)
            for ear in ears:
                ear.ask('"heard"')
            with ThreadPoolExecutor(EARS + 1) as pool:
                looks = {**line, "tracked": True, "seconds": 5.0}
                heard = [pool.submit(ear.ask, looks) for ear in ears] if way == "tracked" else []
                said = teller.ask(line)
                time.sleep(0.3)  # until whoever only looks now and then has looked
                told = [it.result() for it in heard] or [ear.ask('"heard"') for ear in ears]
        if any(len(it) != number for it in told):
            print(f"news: {way}: of {number} heard: {[len(it) for it in told]}", file=sys.stderr)
            continue
        found[way] = [[own[at] - said[at][0] for own in told] for at in range(number)]
    return found


def news_table(found: dict[str, list[list[float]]]) -> str:
    """Return the milliseconds until another process knows, and until the last of ``EARS`` does."""
    rows = [["ms from a process's telling of a 429 until others know", "p50", "p99", f"the last of {EARS}: p50", "p99"]]
    for way, words in WAYS.items():
        if way not in found:
            rows.append([words, "not measured", "", "", ""])
            continue
        each, last = [at for made in found[way] for at in made], [max(made) for made in found[way]]
        cells = [f"{1000 * percentile(values, share):.1f}" for values in (each, last) for share in (0.5, 0.99)]
        rows.append([words, *cells])
    return markdown(rows)
