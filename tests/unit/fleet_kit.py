"""A fleet in one thread: processes with clocks of their own over one memory that stands for the store they share.

Must not know any test. Time is set by hand; other processes hear of a change at once, when the test says so, or never.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from anyint_resilience.guards import breaker, budget, gate
from anyint_resilience.guards.opening import Pace
from anyint_resilience.guards.shared import Shared
from anyint_resilience.guards.twins import brief, is_news
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import State
from tests.unit.fleet_member import Member, Running

__all__ = ["ACCOUNT", "BUDGET", "CIRCUIT", "GATE", "Caller", "Process", "World"]

ACCOUNT = "aaaaaaaa"
GATE = f"gate:{ACCOUNT}:host:openai:m"
CIRCUIT = f"breaker:{ACCOUNT}:host:POST /x:m"
BUDGET = f"budget:{ACCOUNT}:host"
PACE = Pace(1.0, 2.0, 20.0)
SECONDS = {"full": 5.0}
"""For how long a call rests at the most before it looks again, by what it waits for; else 30 s."""


class World:
    """The store, its clock, and the processes that share it."""

    def __init__(self, processes: int = 2, *, ahead: float = 1e6) -> None:
        self.now = 5000.0
        self.beats = self.now + 5.0
        self.ahead = ahead
        self.store = MemoryStore(self.time)
        self.asked: list[tuple[str, str, str]] = []
        self.news: list[Callable[[], None]] | None = None
        """News that are on their way; None: they arrive at once."""
        self.deaf = False
        self.members: list[Member] = []
        self.processes = [Process(self, number) for number in range(processes)]

    def __getitem__(self, number: int) -> Process:
        return self.processes[number]

    def time(self) -> float:
        return self.now + self.ahead

    def alive(self) -> list[Member]:
        return [it for it in self.members if it.up]

    def state(self, key: str = GATE) -> Any:
        return self.store.update(key, lambda state, now: (state, state), 3600.0)

    def briefs(self) -> dict[str, Any]:
        return {key: brief(key, state) for prefix in ("gate:", "breaker:") for key, state in self.store.scan(prefix)}

    def names(self) -> list[str]:
        """Return the steps that the store was asked to run, and begin anew."""
        names, self.asked = [name for _, name, _ in self.asked], []
        return names

    def run(self, by: Member, key: str, step: Any, ttl: float) -> Any:
        """Run a step as a store of many does: what one has out all have, few say that it is down; tell the others."""
        words, peers = step.keywords, max(1, len(self.alive()))
        if "flying" in words:
            step = partial(step, flying=(words["flying"] + 1) * peers, few=min(words["few"], peers))

        def noted(state: State | None, now: float) -> tuple[State | None, Any]:
            new, verdict = step(state, now)
            return new, (brief(key, state), brief(key, new), now, verdict)

        before, after, now, verdict = self.store.update(key, noted, ttl)
        by.ears.told(key, after, now)
        for it in self.members:
            if it is not by and it.up and is_news(before, after):
                self._send(partial(it.ears.told, key, after, now))
        for ticket in getattr(verdict, "ring", ()):
            for it in self.members:
                if it is not by and it.up and ticket.startswith(it.backend.owner + "."):
                    self._send(partial(it.ears.rung, key, ticket))
        return verdict

    def _send(self, news: Callable[[], None]) -> None:
        if self.deaf:
            return
        if self.news is None:
            news()
        else:
            self.news.append(news)

    def deliver(self) -> None:
        """Let all news arrive that are on their way."""
        news, self.news = self.news or [], None
        for it in news:
            it()

    def advance(self, seconds: float) -> list[Caller]:
        """Let time pass; whoever is rung, or said that it would look again, does. Returns who went, in their order."""
        until, went = self.now + seconds, list[Caller]()
        for _ in range(5000):
            due = [it for process in self.processes for it in process.waiting()]
            first = min(due, key=lambda it: it.due(), default=None)
            at = until if first is None else first.due()
            if self.beats <= min(at, until):
                self.now = max(self.now, self.beats)
                self.beats = self.now + 5.0
                for member in self.alive():
                    member.beat()
                continue
            if first is None or at > until:
                self.now = max(self.now, until)
                return went
            self.now = max(self.now, at)
            first.look()
            if first.kind == "go":
                went.append(first)
        raise AssertionError("callers wake up and wake up, and get nowhere")


class Process:
    """A process of the fleet, on a clock that is not the others'."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.skew = 1000.0 * number
        self.member = Member(world, f"p{number}")
        self.shared = Shared(MemoryStore(self.clock), self.member, self.clock)  # type: ignore[arg-type]
        assert self.shared.fleet is not None
        self.fleet = self.shared.fleet
        self.fleet.makes_calls_of([ACCOUNT])
        self.said: list[Any] = []
        """What calls heard of the store."""
        self.callers: list[Caller] = []
        world.members.append(self.member)
        self.shared.come(self.said.append)

    def clock(self) -> float:
        return self.world.now + self.skew

    def waiting(self) -> list[Caller]:
        return [it for it in self.callers if it.kind == "wait"]

    def die(self) -> None:
        """End without a word."""
        self.callers.clear()
        self.world.members.remove(self.member)
        self.world.processes.remove(self)

    def start(self, key: str, step: Any) -> Running:
        return Running(self.shared.changing(key, step, self.said.append))

    def do(self, key: str, step: Any) -> Any:
        """Run a step for a call, to its end."""
        running = self.start(key, step)
        assert running.done
        return running.value

    def caller(self, *, ago: float = 0.0, patience: float = 60.0, most: int | None = None) -> Caller:
        made = Caller(self, self.shared.ticket(), self.clock() - ago, self.clock() + patience, most)
        self.callers.append(made)
        return made

    def told(self, kind: str, ticket: str = "", key: str = GATE, **how: Any) -> Any:
        how = {
            "began": self.clock(),
            "few": 2,
            "u": 0.0,
            "flying": 1,
            "hint": None,
            "pace": PACE,
            "stays": False,
            **how,
        }
        return self.do(key, partial(gate.told, ticket=ticket, kind=kind, **how))

    def spend(self, good: int = 0) -> bool:
        return bool(self.do(BUDGET, partial(budget.spend, good=good, reserve=2.0, ratio=0.1)))

    def ask_circuit(self, ticket: str = "", probes: int = 2) -> breaker.Passage:
        passage: breaker.Passage = self.do(CIRCUIT, partial(breaker.ask, ticket=ticket, probes=probes))
        return passage

    def tell_circuit(self, *, good: bool, ticket: str = "", **how: Any) -> str:
        how = {"window": 10.0, "failure_rate": 0.5, "least": 4, "cooldown": 5.0, "u": 0.0, "began": self.clock(), **how}
        return str(self.do(CIRCUIT, partial(breaker.told, ticket=ticket, good=good, **how)))


@dataclass(eq=False)
class Caller:
    """A call at a gate: it asks, and while it waits it looks again when it said so, or when it is rung."""

    process: Process
    ticket: str
    since: float
    bound: float
    most: int | None = None
    u: float = 0.0
    kind: str = "new"
    passage: gate.Passage = field(default_factory=lambda: gate.Passage("new"))
    at: float = 0.0

    def __post_init__(self) -> None:
        self.bell = self.process.shared.bell(self.ticket)

    def step(self) -> Any:
        return partial(gate.ask, ticket=self.ticket, since=self.since, bound=self.bound, most=self.most, u=self.u)

    def look(self) -> gate.Passage:
        self.bell.rest(0)
        return self.heard(self.process.do(GATE, self.step()))

    def heard(self, passage: gate.Passage) -> gate.Passage:
        self.passage, self.kind = passage, passage.kind
        now = self.process.clock()
        # Floats that were moved from clock to clock and back are not quite what they were.
        self.at = self.process.world.now + max(1e-6, min(passage.at - now, SECONDS.get(passage.why, 30.0)))
        if passage.kind == "refuse":
            self.leave()
        return passage

    def due(self) -> float:
        return self.process.world.now if self.bell._event.is_set() else self.at

    def told(self, kind: str = "good", **how: Any) -> Any:
        self.kind = "over"
        return self.process.told(kind, self.ticket, **{"began": self.process.clock(), **how})

    def leave(self) -> None:
        """Give the place or the permit back, as a call does that is refused or cancelled."""
        self.kind = "refused" if self.kind == "refuse" else "over"
        self.process.do(GATE, partial(gate.leave, ticket=self.ticket))
