"""A seeded world of events for shrink.py: a gateway that takes so many requests at a time, and callers who never rest.

Must not know how a call is made: ``_sim_clients`` makes them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import Any

from _sim_clients import Events, Fleet, Side, Told

__all__ = ["ShrinkSpec", "shrunk"]

QUICK = 0.01  # seconds until a refusal


@dataclass(frozen=True)
class ShrinkSpec:
    """What the gateway bears, and who calls. Times in seconds."""

    callers: int = 40
    limit: int = 48
    least: int = 24
    begins: float = 10.0
    ends: float = 40.0
    seconds: float = 50.0
    service: float = 0.4
    pause: float = 0.1  # of a caller, after a failure
    seed: int = 1

    def bears(self, at: float) -> int:
        """Return how many requests it takes at a time."""
        return self.least if self.begins <= at < self.ends else self.limit


def shrunk(spec: ShrinkSpec, side: Side) -> tuple[list[list[Any]], list[list[Any]]]:
    """Run one side: its arrivals (time, model, status) and its calls (begin, end, status, model, caller)."""
    events, work = Events(), random.Random(spec.seed)
    arrivals: list[list[Any]] = []
    calls: list[list[Any]] = []
    busy = 0

    def send(told: Told) -> None:
        nonlocal busy
        full = busy >= spec.bears(events.now)
        arrivals.append([events.now, "", 429 if full else 200])
        if full:
            events.after(QUICK, lambda: told(429))
            return
        busy += 1
        events.after(work.uniform(0.5, 1.5) * spec.service, partial(done, told))

    def done(told: Told) -> None:
        nonlocal busy
        busy -= 1
        told(200)

    fleet = Fleet(events, side, send, random.Random(spec.seed + 1))

    def call(caller: int) -> None:
        if events.now >= spec.seconds:
            return
        row = [events.now, None, -1, "", caller]
        calls.append(row)

        def over(good: bool) -> None:
            row[1:3] = [events.now, 200 if good else 429]
            events.after(0.0 if good else spec.pause, partial(call, caller))

        fleet.call(0, over)

    for caller in range(spec.callers):
        events.at(work.uniform(0.0, spec.service), partial(call, caller))
    events.run()
    return arrivals, calls
