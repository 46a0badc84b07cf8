"""Part 4 of fleet.py: ten thousand processes behind one key, simulated. What does it cost that their views lag?

Must not know any socket or store. The gate's own steps run on one shared state; each process knows of it what stood
there so long ago, or what it was told itself since. Time is made up, and all chance is seeded.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from _fleet_waste import shown
from _report import markdown
from _sim_clients import Events

from anyint_resilience.guards import gate
from anyint_resilience.guards.twins import brief, is_news
from anyint_resilience.guards.view import Brief

__all__ = ["ALONE", "LAGS", "SPEC", "Spec", "draw", "run_all", "said_of", "table"]

LAGS = (0.0, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds until a process knows of what others have learnt."""

ALONE = -1.0
"""Stands for processes that share nothing."""

ATTEMPTS, WINDOW = 3, 60.0  # as a policy has them by default
LEASE, PLACE, LOOK = 30.0, 6.0, 2.0  # seconds: as in a fleet's guards
MOST = 1.5


@dataclass(frozen=True)
class Spec:
    """The gateway of part 1, and the calls. Rates are calls a second, times seconds."""

    processes: int = 10_000
    rate: float = 2000.0
    seconds: float = 8.0
    quota: int = 7000
    lasts: float = 2.0
    way: float = 0.01
    service: float = 0.03


SPEC = Spec()


@dataclass
class Call:
    """One call of one process."""

    process: int
    since: float
    ticket: str
    attempts: int = 0
    began: float = 0.0
    waits: int = 0  # which of its waits is the one that counts


@dataclass
class Shared:
    """A state, and what was told of it: when, and what."""

    state: Any = None
    times: list[float] = field(default_factory=lambda: [float("-inf")])
    briefs: list[Any] = field(default_factory=lambda: [None])


class World:
    """One run: the calls, their guards, and the gateway. ``lag``: of the views, or ``ALONE``."""

    def __init__(self, spec: Spec, lag: float, seed: int) -> None:
        self.spec, self.lag = spec, lag
        self.events = Events()
        self.calls, self.luck = random.Random(seed), random.Random(seed + 1)
        self.shared: dict[int, Shared] = {}
        self.told_at: dict[int, float] = {}
        self.waiting: dict[str, Call] = {}
        self.out, self.left, self.opens = 0, spec.quota, float("-inf")
        self.closings: list[dict[str, float]] = []
        self.made = self.good = 0

    def play(self) -> dict[str, Any]:
        """Run to the end; return what came of it."""
        at = self.calls.expovariate(self.spec.rate)
        while at < self.spec.seconds:
            self.made += 1
            call = Call(self.calls.randrange(self.spec.processes), at, str(self.made))
            self.events.at(at, partial(self.attempt, call))
            at += self.calls.expovariate(self.spec.rate)
        self.events.run()
        return {"closings": self.closings, "failed": 100 * (1 - self.good / self.made)}

    # a process

    def _of(self, process: int) -> Shared:
        return self.shared.setdefault(process if self.lag == ALONE else 0, Shared())

    def known(self, process: int) -> Brief | None:
        """Return what a process knows of the gate."""
        held, now = self._of(process), self.events.now
        until = max(now - max(0.0, self.lag), self.told_at.get(process, 0.0))
        return Brief.of(held.briefs[bisect_right(held.times, until) - 1])

    def change(self, process: int, step: Callable[..., Any], **words: Any) -> Any:
        """Run a step of the gate's; who does knows at once what stands there, the others later."""
        held, now = self._of(process), self.events.now
        before = brief("gate:", held.state)
        held.state, verdict = step(held.state, now, **words)
        after = brief("gate:", held.state)
        if is_news(before, after):
            held.times.append(now)
            held.briefs.append(after)
        self.told_at[process] = now
        for ticket in verdict.ring:
            if ticket in self.waiting:
                self.events.after(0.0, partial(self.woken, self.waiting[ticket], self.waiting[ticket].waits))
        return verdict

    def attempt(self, call: Call) -> None:
        """Go, where all is well as far as that is known; else ask."""
        now, known, bound = self.events.now, self.known(call.process), call.since + WINDOW
        if known is None or known.free:
            self.send(call)
            return
        if known.refuses(now, bound) is not None:
            return
        words = {"since": call.since, "bound": bound, "u": self.luck.random(), "lease": LEASE, "keep": PLACE}
        passage = self.change(call.process, gate.ask, ticket=call.ticket, **words)
        if passage.kind == "go":
            self.send(call)
        elif passage.kind == "wait":
            call.waits += 1
            self.waiting[call.ticket] = call
            self.events.at(max(now, min(passage.at, now + LOOK)), partial(self.woken, call, call.waits))

    def woken(self, call: Call, waits: int) -> None:
        """Look again, unless it did meanwhile."""
        if call.waits == waits and self.waiting.pop(call.ticket, None) is not None:
            self.attempt(call)

    def answered(self, call: Call, status: int, hint: float | None) -> None:
        """Tell the gate, where it wants to know; and come again after a refusal."""
        words: dict[str, Any] = {"ticket": call.ticket, "began": call.began, "u": self.luck.random()}
        if status == 200:
            self.good += 1
            if self.known(call.process) is not None:
                self.change(call.process, gate.told, kind="good", **words)
            return
        self.change(call.process, gate.told, kind="rate", hint=hint, flying=self.flying(call.process), **words)
        if call.attempts < ATTEMPTS:
            self.attempt(call)

    def flying(self, process: int) -> int:
        """Return how many requests are out, of all whose state it is."""
        return 1 if self.lag == ALONE else self.out

    # the gateway

    def send(self, call: Call) -> None:
        """Let a request go there."""
        call.attempts += 1
        call.began = self.events.now
        self.out += 1
        self.events.after(self.spec.way, partial(self.arrive, call))

    def arrive(self, call: Call) -> None:
        """Take it or refuse it, as the gateway of part 1 does."""
        now, spec = self.events.now, self.spec
        if now >= self.opens and self.left == 0:
            self.left, self.opens = -1, now + spec.lasts
            self.closings.append({"at": now, "in_flight": self.out, "wasted": 0, "last": 0.0})
        if now < self.opens:
            closing = self.closings[-1]
            closing["wasted"] += 1
            closing["last"] = max(closing["last"], 1000 * (call.began - closing["at"]))
            self.events.after(spec.way, partial(self.back, call, 429, float(ceil(self.opens - now - 0.01))))
            return
        if self.left < 0:
            self.left = spec.quota
        self.left -= 1
        self.events.after(spec.way + self.luck.uniform(0.5, 1.5) * spec.service, partial(self.back, call, 200, None))

    def back(self, call: Call, status: int, hint: float | None) -> None:
        """Let the answer arrive."""
        self.out -= 1
        self.answered(call, status, hint)


def simulated(case: tuple[float, int]) -> dict[str, Any]:
    """Run one lag with one seed."""
    return World(SPEC, *case).play()


def run_all(seeds: int, workers: int) -> dict[float, list[dict[str, Any]]]:
    """Run all lags, and the processes that share nothing."""
    cases = list(product((*LAGS, ALONE), range(1, seeds + 1)))
    with ProcessPoolExecutor(workers) as pool:
        runs = list(pool.map(simulated, cases))
    return {lag: [run for (own, _), run in zip(cases, runs, strict=True) if own == lag] for lag in (*LAGS, ALONE)}


def _label(lag: float) -> str:
    return "each process alone" if lag == ALONE else f"{1000 * lag:,.0f} ms"


def _first(runs: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [run["closings"][0] for run in runs]


def table(results: dict[float, list[dict[str, Any]]]) -> str:
    """Return what is wasted for each staleness."""
    head = (
        "staleness of the view|in flight at the first 429|wasted: requests answered 429|wasted / in flight|"
        "last one sent, ms after the first 429|later closings: wasted / in flight|calls without success, %"
    )
    rows = [head.split("|")]
    for lag, runs in results.items():
        first, later = _first(runs), [it for run in runs for it in run["closings"][1:]]
        cells = [shown([it[name] for it in first], 0) for name in ("in_flight", "wasted")]
        cells += [shown([it["wasted"] / it["in_flight"] for it in first], 2), shown([it["last"] for it in first], 0)]
        cells += [shown([it["wasted"] / it["in_flight"] for it in later], 2), shown([run["failed"] for run in runs], 1)]
        rows.append([_label(lag), *cells])
    return markdown(rows)


def said_of(results: dict[float, list[dict[str, Any]]]) -> list[str]:
    """Say how stale a view may be."""
    good = [
        lag
        for lag, runs in results.items()
        if lag != ALONE and median(it["wasted"] / it["in_flight"] for it in _first(runs)) < MOST
    ]
    most = f"{1000 * max(good):,.0f} ms" if good else "none of these"
    return [f"fewer than {MOST} times those in flight are wasted up to a staleness of {most}"]


def draw(results: dict[float, list[dict[str, Any]]], path: Path) -> None:
    """Draw staleness against wasted requests."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
    lags = [1000 * lag for lag in LAGS]
    each = [[it["wasted"] for it in _first(results[lag])] for lag in LAGS]
    middle, least, most = ([pick(it) for it in each] for pick in (median, min, max))
    panel.plot(lags, middle, marker="o", color="#1b6ca8", label="a view that is so old")
    panel.fill_between(lags, least, most, color="#1b6ca8", alpha=0.2)
    alone = median(it["wasted"] for it in _first(results[ALONE]))
    flying = median(it["in_flight"] for runs in results.values() for it in _first(runs))
    panel.axhline(alone, color="#b8742a", ls="--", label="each process alone")
    panel.axhline(flying, color="#888888", lw=0.9, label="in flight at the first 429")
    panel.axhline(MOST * flying, color="#888888", lw=0.9, ls=":", label=f"{MOST} times as many: the aim")
    panel.set_xscale("symlog", linthresh=10)
    panel.set_xticks(lags, [f"{lag:g}" for lag in lags])
    panel.set_xlim(-1, 1.2 * lags[-1])
    panel.set(xlabel="staleness of the view, ms", ylabel="requests wasted on a closing", yscale="log")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)
