"""A seeded world of events for brownout.py: a gateway of fixed capacity, and the calls of thousands of processes.

Must not know how a call is made: ``_sim_clients`` makes them. The calls are the same for every side of a seed; only the
luck of the clients is a side's own.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from _sim_clients import Events, Fleet, Side, Told

__all__ = ["COSTS", "Tally", "World", "WorldSpec", "back", "peak"]

COSTS: dict[str, float | None] = {"a": 0.0, "b": 0.25, "c": None}
"""The three worlds: what a refusal costs of a request's work, None where the gateway hangs."""

QUICK = 0.01  # seconds until a refusal that costs nothing
FULL, WINDOW, STEP = 0.95, 2.0, 0.5  # goodput is back when so much of what was offered succeeds in a window


@dataclass(frozen=True)
class WorldSpec:
    """What the gateway does. Rates are requests a second, times seconds."""

    processes: int
    refusal_costs: float | None = 0.0
    capacity: float = 1000.0
    offered: float = 750.0
    service: float = 0.25
    seconds: float = 60.0
    begins: float = 10.0
    lasts: float = 5.0
    patience: float = 2.0  # of the client, for each attempt
    seed: int = 1

    @property
    def ends(self) -> float:
        """When the outage is over."""
        return self.begins + self.lasts


@dataclass
class Tally:
    """What was counted; times in seconds of the world."""

    offered: int = 0
    succeeded: int = 0
    failed: int = 0
    not_sent: int = 0
    arrivals: list[float] = field(default_factory=list)
    good: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)


def peak(arrivals: list[float], begins: float, ends: float) -> float:
    """Return the most requests a second in any half second of the outage."""
    halves = Counter(int((at - begins) / STEP) for at in arrivals if begins <= at < ends)
    return max(halves.values(), default=0) / STEP


def back(good: list[float], ends: float, last: float, rate: float) -> float | None:
    """Return the seconds from the outage's end to the first window in which goodput is full again; None: never.

    From there to the end it must be so on the average, too: retries may yet overrun a gateway that was back.
    """
    times, at = sorted(good), ends
    while at + WINDOW <= last:
        begun = bisect_left(times, at)
        full = bisect_left(times, at + WINDOW) - begun >= FULL * rate * WINDOW
        if full and bisect_left(times, last) - begun >= FULL * rate * (last - at):
            return at - ends
        at += STEP
    return None


class World:
    """One run of one side."""

    def __init__(self, spec: WorldSpec, side: Side) -> None:
        self.spec = spec
        self.tally = Tally()
        self._events = Events()
        self._chance = random.Random(spec.seed)
        self._work = random.Random(spec.seed + 1)
        self._fleet = Fleet(self._events, side, self._send, random.Random(spec.seed + 2))
        self._queue: deque[tuple[float, Callable[[int], None]]] = deque()
        self._busy = 0
        self._workers = round(spec.capacity * spec.service)

    def play(self) -> Tally:
        """Run to the end: the calls, and all that is still waiting then."""
        spec, at = self.spec, self._chance.expovariate(self.spec.offered)
        while at < spec.seconds:
            self._events.at(at, partial(self._call, self._chance.randrange(spec.processes)))
            at += self._chance.expovariate(spec.offered)
        self._events.at(spec.ends, self._serve)
        self._events.run()
        self.tally.not_sent = self._fleet.not_sent
        return self.tally

    def _call(self, process: int) -> None:
        began, tally = self._events.now, self.tally
        tally.offered += 1

        def over(good: bool) -> None:
            if good:
                tally.succeeded += 1
                tally.good.append(self._events.now)
                tally.latency.append(self._events.now - began)
            else:
                tally.failed += 1

        self._fleet.call(process, over)

    def _send(self, told: Told) -> None:
        """Carry a request to the gateway; its client waits for so long."""
        over = False

        def hear(status: int | None) -> None:
            nonlocal over
            if not over:
                over = True
                told(status)

        self._events.after(self.spec.patience, lambda: hear(None))
        self._arrive(hear)

    # The gateway.

    def _down(self) -> bool:
        return self.spec.begins <= self._events.now < self.spec.ends

    def _arrive(self, answer: Callable[[int], None]) -> None:
        self.tally.arrivals.append(self._events.now)
        if self._down() and self.spec.refusal_costs == 0.0:
            self._events.after(QUICK, lambda: answer(503))
            return
        self._queue.append((self._work.uniform(0.5, 1.5) * self.spec.service, answer))
        self._serve()

    def _serve(self) -> None:
        costs = self.spec.refusal_costs
        while self._queue and self._busy < self._workers:
            down = self._down()
            if down and costs is None:
                return
            work, answer = self._queue.popleft()
            self._busy += 1
            status, takes = (503, work * (costs or 0.0)) if down else (200, work)
            self._events.after(takes, partial(self._done, answer, status))

    def _done(self, answer: Callable[[int], None], status: int) -> None:
        if self._down() and self.spec.refusal_costs is None:  # it hangs: what was begun goes on when it is back
            self._events.at(self.spec.ends, partial(self._done, answer, status))
            return
        self._busy -= 1
        answer(status)
        self._serve()
