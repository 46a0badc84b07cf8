"""Part 3 of fleet.py: what sharing costs a call. Commands sent to Redis, and the time added, on httpx.

Must not know how processes are started.
"""

from __future__ import annotations

import random
import sys
import time
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from _fleet_herd import SIDES, Child, Herd, Stores
from _fleet_monitor import Monitor
from _load_run import percentile
from _report import markdown

__all__ = ["Idle", "commands", "commands_table", "draw", "said_of", "summary", "times", "times_table"]

MODES = ("sync", "async")
KINDS = {"chat": "a good call", "video": "a paid create"}
PER_THOUSAND = 5.0  # commands for a thousand good calls, by the aim
SCRIPTED = {"kind": "scripted", "begun": 0.0, "statuses": []}


def _begin(child: Child, gateway: Child, store: str | None, mode: str, key: str) -> None:
    child.ask({"url": gateway.first, "store": store, "key": key, "mode": mode})


def commands(stores: Stores, *, quick: bool) -> dict[str, Any]:
    """Count what one process of each mode sends: at its start, for good calls, retries, refusals and creates."""
    good, retries, refused, creates = (1000, 5, 2, 10) if quick else (5000, 50, 8, 100)
    counts: dict[str, Any] = {}
    with Herd([["_fleet_gateway.py"], *[["_fleet_caller.py"]] * len(MODES)]) as (gateway, *children):
        with Monitor(stores.redis.url) as seen:
            for mode, child in zip(MODES, children, strict=True):
                gateway.ask(SCRIPTED)
                _begin(child, gateway, stores.redis.url, mode, f"sk-commands-{mode}")
                seen.since()
                child.ask({"kind": "chat", "calls": 1})
                found = {"start": (1, seen.since(1.0))}
                child.ask({"kind": "chat", "calls": good})
                found["good"] = (good, seen.since())
                for name, number, statuses in (("503", retries, [503, 200]), ("429", refused, [429, 200])):
                    gateway.ask({**SCRIPTED, "statuses": statuses * number})
                    child.ask({"kind": "chat", "calls": number})
                    found[name] = (number, seen.since())
                gateway.ask(SCRIPTED)
                child.ask({"kind": "chat", "calls": refused})
                found["limited"] = (refused, seen.since())
                child.ask({"kind": "video", "calls": creates})
                found["create"] = (creates, seen.since())
                counts[mode] = found
        return counts


class Idle:
    """One process that is there and does nothing, on a Redis of its own: ``with Idle() as it: ...; it.sent(65.0)``."""

    def __enter__(self) -> Idle:
        self._closing = ExitStack()
        try:
            stores = self._closing.enter_context(Stores())
            gateway, child = self._closing.enter_context(Herd([["_fleet_gateway.py"], ["_fleet_caller.py"]]))
            self._seen = self._closing.enter_context(Monitor(stores.redis.url))
            gateway.ask(SCRIPTED)
            _begin(child, gateway, stores.redis.url, "sync", "sk-idle")
            child.ask({"kind": "chat", "calls": 1})
            self._seen.since(1.0)
            self._began = time.monotonic()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def sent(self, seconds: float) -> dict[str, int]:
        """Return what it has sent since it began, which is so many seconds ago at the least."""
        return self._seen.since(max(0.3, self._began + seconds - time.monotonic()))


def commands_table(counts: dict[str, Any]) -> str:
    """Return commands for each of these, and which they are."""
    words = {
        "start": "a process's start, once",
        "good": "1,000 good calls",
        "503": "a call with one retry (503, then 200)",
        "429": "a call that closes the gate (429 with Retry-After: 1, then 200)",
        "limited": "a good call after that, while the gate has a limit",
        "create": "a paid create",
    }
    rows = [["commands that one process sends to Redis, for", *(f"httpx {mode}" for mode in MODES), "which (sync)"]]
    for name, label in words.items():
        cells = []
        for mode in MODES:
            number, found = counts[mode][name]
            cells.append(f"{sum(found.values()) * (1000 if name == 'good' else 1) / number:.2f}")
        number, found = counts["sync"][name]
        each = 1 if name in ("start", "good") else number
        which = ", ".join(f"{it / each:g} {word}" for word, it in sorted(found.items(), key=lambda it: -it[1]))
        rows.append([label, *cells, which or "-"])
    which = ", ".join(f"{it} {word}" for word, it in sorted(counts["idle"].items(), key=lambda it: -it[1]))
    rows.append(["65 s in which it does nothing", str(sum(counts["idle"].values())), "", which or "-"])
    return markdown(rows)


def times(stores: Stores, *, quick: bool) -> dict[str, dict[str, list[list[float]]]]:
    """Measure the seconds of good calls and of creates: each side in a process of its own, turns in shuffled order."""
    rounds = 3 if quick else 12
    calls = {"chat": 100, "video": 20} if quick else {"chat": 300, "video": 100}
    cases = list(product(MODES, SIDES))
    found: dict[str, dict[str, list[list[float]]]] = {
        kind: {f"{mode} {side}": [] for mode, side in cases} for kind in KINDS
    }
    luck = random.Random(1)
    with Herd([["_fleet_gateway.py"], *[["_fleet_caller.py"]] * len(cases)]) as (gateway, *children):
        gateway.ask(SCRIPTED)
        for (mode, side), child in zip(cases, children, strict=True):
            _begin(child, gateway, stores.url(side, f"times-{mode}"), mode, f"sk-times-{mode}-{side}")
        for number, kind in product(range(-1, rounds), KINDS):
            order = list(zip(cases, children, strict=True))
            luck.shuffle(order)
            for (mode, side), child in order:
                taken, bad = child.ask({"kind": kind, "calls": calls[kind]})
                if bad:
                    raise AssertionError(f"{mode} {side}: {bad} calls of {len(taken)} failed")
                if number >= 0:
                    found[kind][f"{mode} {side}"].append(taken)
        print("cost: times done", file=sys.stderr, flush=True)
    return found


def added(runs: list[list[float]], base: list[list[float]], share: float) -> list[float]:
    """Return in microseconds what a side adds to a percentile in each round."""
    pairs = zip(runs, base, strict=True)
    return [1e6 * (percentile(mine, share) - percentile(other, share)) for mine, other in pairs]


def summary(runs: list[list[float]]) -> dict[str, list[float]]:
    """Return the p50 and p99 of each round, in microseconds."""
    return {name: [1e6 * percentile(it, share) for it in runs] for name, share in (("p50", 0.5), ("p99", 0.99))}


def _quartiles(values: list[float]) -> str:
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return f"{middle:+,.0f} [{low:+,.0f}, {high:+,.0f}]"


def times_table(found: dict[str, dict[str, list[list[float]]]]) -> str:
    """Return the p50 and p99 of each side; of those that share, what they add to it. Microseconds."""
    rows = [["µs for each call", "p50", "p99", "added to the p50", "added to the p99"]]
    for kind, mode in product(KINDS, MODES):
        base = found[kind][f"{mode} local"]
        for side in SIDES:
            runs = found[kind][f"{mode} {side}"]
            middle, high = (f"{1e6 * median(percentile(it, share) for it in runs):,.0f}" for share in (0.5, 0.99))
            more = ["-", "-"] if side == "local" else [_quartiles(added(runs, base, share)) for share in (0.5, 0.99)]
            rows.append([f"{KINDS[kind]}, httpx {mode}: {SIDES[side]}", middle, high, *more])
    return markdown(rows)


def said_of(counts: dict[str, Any], found: dict[str, dict[str, list[list[float]]]]) -> list[str]:
    """Hold the aims against what was measured. "None measurable": no more than the quartiles of the base are apart."""
    said = []
    for mode in MODES:
        number, sent = counts[mode]["good"]
        each = 1000 * sum(sent.values()) / number
        met = "" if each < PER_THOUSAND else "MISSED: "
        said.append(f"{met}{each:.2f} commands for 1,000 good calls, httpx {mode} (aim: under {PER_THOUSAND:.0f})")
        base, runs = found["chat"][f"{mode} local"], found["chat"][f"{mode} redis"]
        for words, share in (("p50", 0.5), ("p99", 0.99)):
            own = [1e6 * percentile(it, share) for it in base]
            low, _, high = quantiles(own, n=4, method="inclusive")
            more = median(added(runs, base, share))
            met = "" if more <= high - low else "MISSED: "
            said.append(
                f"{met}Redis adds {more:+.0f} µs to the {words} of a good call, httpx {mode} (aim: none measurable; "
                f"quartiles without it {high - low:.0f} µs apart)"
            )
    return said


def draw(found: dict[str, dict[str, list[list[float]]]], path: Path) -> None:
    """How long calls take, of each side: one panel for each kind and mode, all calls in order."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(1, 4, figsize=(14, 3.4), layout="constrained")
    colors = {"local": "#b8742a", "sqlite": "#8a979f", "redis": "#1b6ca8"}
    for panel, (kind, mode) in zip(grid, product(KINDS, MODES), strict=True):
        for side, words in SIDES.items():
            taken = sorted(1e6 * at for run in found[kind][f"{mode} {side}"] for at in run)
            panel.plot(taken, [at / len(taken) for at in range(len(taken))], color=colors[side], label=words)
        panel.set(xscale="log", xlabel="µs", title=f"{KINDS[kind]}, {mode}")
        ticks = [at for at in (250, 500, 1000, 2500, 5000, 10_000) if kind == "video" or at <= 5000]
        panel.set_xticks(ticks, [f"{at:,}" for at in ticks])
        panel.set_xticks([], minor=True)
        panel.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("share of the calls")
    grid[0].legend(fontsize=7)
    figure.savefig(path, dpi=100)
    plt.close(figure)
