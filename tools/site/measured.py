"""The tables of docs/benchmarks.md, read from benchmarks/results.

Must not know how anything is measured, and holds no number of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from .layout import table

__all__ = ["TABLES"]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
OURS = "**anyint-resilience**"
SIDES = {
    "httpx": "httpx alone",
    "httpx-retries": "httpx-retries, POST allowed",
    "tenacity": "tenacity on httpx, honours `Retry-After`",
    "openai": "openai SDK, 2 retries",
    "aiohttp-retry": "aiohttp-retry",
    "urllib3": "requests, urllib3's `Retry`",
    "openai-else": "openai SDK, 2 retries, then `except`: the other model",
    "openai-0-else": "openai SDK, no retries, then `except`: the other model",
    "ours-httpx-sync": f"{OURS} on httpx, threads",
    "ours-httpx": f"{OURS} on httpx, asyncio",
    "ours-requests": f"{OURS} on requests, threads",
    "ours-aiohttp": f"{OURS} on aiohttp",
}
FLEET = {"local": "each process alone", "sqlite": "SQLite, one file", "redis": "Redis"}


@cache
def result(name: str) -> Any:
    """What a benchmark has written."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def cost() -> str:
    """What a good call costs more, beside others; of ours also what the guards take."""
    results, guards = result("overhead")["results"], result("guards_cost")["results"]
    columns = [(client, mode) for client, modes in results.items() for mode in modes]

    def added(side: str) -> list[str]:
        cells = (results[client][mode].get(side) for client, mode in columns)
        return ["-" if cell is None else f"{cell['added_us']:.1f}" for cell in cells]

    def of_guards(side: str) -> list[str]:
        return [f"{_zero(guards[client][mode][side]['added_us']):.1f}" for client, mode in columns]

    whole = [f"{results[client][mode]['bare']['call_us']:.0f}" for client, mode in columns]
    rows = [
        ("the bare client, all of a call", whole),
        (OURS, added("ours")),
        ("... of that its guards, by default", of_guards("guards-on")),
        ("... with a fallback and all breakers, more by", of_guards("guards-all")),
        ("httpx-retries, POST allowed", added("httpx-retries")),
        ("urllib3's `Retry`", added("urllib3")),
        ("aiohttp-retry", added("aiohttp-retry")),
        ("tenacity around `client.post`", added("tenacity")),
    ]
    head = ("µs of CPU for each good call", *(f"{client} {mode}" for client, mode in columns))
    return table(head, [(words, *cells) for words, cells in rows])


def _zero(number: float) -> float:
    """A difference that would round to minus nothing."""
    return 0.0 if abs(number) < 0.05 else number  # half of what is shown


def watched() -> str:
    """What being watched costs, beside OpenTelemetry's own instrumentation."""
    results = result("telemetry")["results"]
    columns = [(client, mode) for client, modes in results.items() for mode in modes]
    sides = {
        "off": f'{OURS}, `spans="off"`',
        "ours-none": f"{OURS}, no SDK is there",
        "ours-recorded": f"{OURS}, two spans are recorded",
        "ours-all": f"{OURS}, spans and metrics",
        "theirs-recorded": "opentelemetry-instrumentation-httpx, one span",
        "theirs-all": "opentelemetry-instrumentation-httpx, span and metrics",
    }
    head = ("added µs of CPU for each good call", *(f"{client} {mode}" for client, mode in columns))
    rows = [(words, *(f"{results[c][m][side]['added_us']:.1f}" for c, m in columns)) for side, words in sides.items()]
    return table(head, rows)


def pieces() -> str:
    """What watching a stream costs."""
    results = result("streams")["results"]
    dialects = list(next(iter(results["pieces"].values())))
    said = (f"added µs of CPU for a piece: {name}" for name in dialects)
    head = ("streams on", *said, "first content later by, µs")
    rows = []
    for client, cells in results["pieces"].items():
        first = results["first"].get(client)
        later = f"{first['at once']['added']['median_us']:.0f}" if first else "-"
        rows.append((client, *(f"{cells[name]['added']['median_us']:.2f}" for name in dialects), later))
    return table(head, rows)


def duplicates() -> str:
    """How often a create is paid for more than once."""
    layers = {"ours": OURS, "alone": "alone", "httpx-retries": "with httpx-retries, POST allowed"}
    layers |= {"urllib3": "with urllib3's `Retry`, POST allowed", "aiohttp-retry": "with aiohttp-retry"}
    rows = []
    for side, seen in result("duplicates")["results"].items():
        client, layer = side.split(":")
        each = f"{seen['duplicates'] * 1000 / seen['creates']:,.0f}"
        rows.append((f"{client}: {layers[layer]}", f"{seen['creates']:,}", each))
    return table(("client", "creates", "paid for once too often, per 1,000"), rows)


def crash() -> str:
    """What is known of creates after ``kill -9``."""
    found = result("crash")
    fates = ("rejected", "unknown", "committed")
    counts = [sum(step["all"].get(fate, 0) for step in found["steps"].values()) for fate in fates]
    wrong = sum(step["wrong"] for step in found["steps"].values()) + len(found["wrong"])
    head = ("processes killed", *(f"creates found {fate}" for fate in fates), "lost, paid twice, or told wrongly")
    return table(head, [(f"{found['runs']:,}", *(f"{count:,}" for count in counts), f"{wrong:,}")])


def waits() -> str:
    """Very many waits at once."""
    rows = []
    for seen in result("waits")["results"]:
        if seen["callbacks"] or seen["cancelled"] or seen["gave_up"]:
            continue
        known = seen["known_after"]
        families = "one family" if seen["families"] == 1 else f"{seen['families']} families"
        most = max(seen["most_in_a_second"].values())
        rows.append((f"{seen['waits']:,} of {families}", str(most), f"{known['median']:.0f}", f"{known['p95']:.0f}"))
    return table(("waits", "most queries in a second (cap 18)", "known after, s: median", "95 %"), rows)


def brownout() -> str:
    """An outage of five seconds, with 1,000 simulated processes."""
    worlds = {"a": "(a) prompt 503", "b": "(b) 503 that cost work", "c": "(c) a hang"}
    sides = ("no retries", "as the SDKs, 3 attempts", "as tenacity, 4 attempts", "anyint-resilience")
    runs: dict[tuple[str, str], list[Any]] = {}
    for world, processes, side, _, seen in result("brownout_sim")["runs"]:
        if processes == 1000:  # of 4, 1,000 and 100,000: a fleet
            runs.setdefault((world, side), []).append(seen)
    head = ("world, each with 1,000 processes", "requests for each call", "back after, s", "failed calls, %")
    rows = [
        (f"{words}: {OURS if side == sides[-1] else side}", *_outage(runs[world, side]))
        for world, words in worlds.items()
        for side in sides
    ]
    return table(head, rows)


def _outage(seen: list[Any]) -> tuple[str, str, str]:
    backs = [float("inf") if it["back"] is None else it["back"] for it in seen]
    back = median(backs)
    return (
        f"{median(it['amplification'] for it in seen):.2f}",
        "never" if back == float("inf") else f"{back:.1f}",
        f"{median(it['failed'] for it in seen):.1f}",
    )


def gate() -> str:
    """Who asks a gateway that has said when to come back."""
    rows = [
        (SIDES[side], f"{median(it['wasted_share'] for it in seen):.0f}", f"{median(it['failed'] for it in seen):.1f}")
        for side, seen in result("gate")["results"].items()
    ]
    return table(("side", "requests into the closed window, per 100 calls", "failed calls, %"), rows)


def shrink() -> str:
    """How a capacity that halves is used, and by whom."""
    head = ("side", "served of what it could, %", "refused, a second", "failed calls, %", "Jain's index")
    rows = []
    for side, seen in result("shrink")["results"].items():
        cells = {name: median(it[name] for it in seen) for name in ("served", "rejected", "failed", "jain")}
        words = side.replace("anyint-resilience", OURS)
        rest = f"{cells['rejected']:.1f}", f"{cells['failed']:.1f}", f"{cells['jain']:.3f}"
        rows.append((words, f"{cells['served']:.0f}", *rest))
    return table(head, rows)


def fallback() -> str:
    """Who is served while the first model is down."""
    head = ("the first model", "served in the outages, %", "later by, s: p50", "p99", "asked a model that is down")
    rows = [
        (f"{world}: {SIDES[side]}", f"{it['served']:.0f}", f"{it['p50']:.2f}", f"{it['p99']:.2f}", f"{it['asked']}")
        for world, sides in result("fallback")["results"].items()
        for side, it in sides.items()
    ]
    return table(head, rows)


def fleet() -> str:
    """What 32 processes gain by sharing."""
    waste, brown = result("fleet_waste")["results"], result("fleet_brownout")["results"]["a"]
    head = (
        "32 processes",
        "refused, for each request in flight",
        "the last one sent after, ms",
        "requests for each call",
    )
    rows = []
    for side, words in FLEET.items():
        first = [run["closings"][0] for run in waste[side]]
        share, last = median(it["share"] for it in first), median(it["last"] for it in first)
        sent = median(it["amplification"] for it in brown[side])
        rows.append((words, f"{share:.2f}", f"{last:.0f}", f"{sent:.2f}"))
    return table(head, rows)


def chaos() -> str:
    """What is lost while a store is killed, stopped, filled and emptied."""
    totals, phases = result("chaos")["totals"], result("chaos")["phases"]
    head = ("calls", "failed for the store's sake", "creates paid for", "asked for once more", "paid for twice")
    failed = sum(phase["for the store's sake"] for phase in phases)
    made = totals["tasks made"], totals["made again"], totals["done twice"] + totals["done twice across a loss"]
    return table(head, [(f"{totals['calls']:,}", str(failed), *(f"{count:,}" for count in made))])


def leaks() -> str:
    """What 10,000 retried calls leave behind on each client."""
    names = ("sockets", "tasks", "threads", "rss_mib")
    rows = []
    for surface, seen in result("leaks")["results"].items():
        counts = (f"{seen['before'][name]:.3g} → {seen['after'][name]:.3g}" for name in names)
        rows.append((surface, f"{seen['calls']:,}", f"{seen['requests']:,}", *counts))
    return table(("client", "calls", "requests", "sockets", "tasks", "threads", "resident MiB"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    f"measured-{it.__name__}": it
    for it in (cost, watched, pieces, duplicates, crash, waits, brownout, gate, shrink, fallback, fleet, chaos, leaks)
}
"""Every table of the page: name -> a function that returns it in Markdown."""
