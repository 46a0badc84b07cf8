"""A seeded world of events: a gateway of fixed capacity, thousands of client processes, and the shipped engine.

Must not know how any guard works: calls are run by ``engine.run`` itself, effect by effect, each process with guards of
its own; only the network, the gateway's workers and the clock are made up.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from anyint_resilience import Policy, Resilience
from anyint_resilience.calls import Call
from anyint_resilience.effects import Discard, GuardCall, Outcome, Peek, Peeked, Rest, Send, Sleep
from anyint_resilience.engine import run
from anyint_resilience.guards.guarding import Guarding
from anyint_resilience.guards.settings import Guards
from anyint_resilience.guards.shared import Shared
from anyint_resilience.policy.model import Fault, FaultKind
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.telemetry.watch import Watch
from anyint_resilience.watched import Body
from anyint_resilience.ways import Origin

__all__ = ["Side", "Tally", "World", "WorldSpec"]

HOST = "gateway.api.anyint.ai"
PATH = b"/openai/v1/chat/completions"
CONTENT = b'{"model":"gpt-5","messages":[]}'


@dataclass(frozen=True)
class WorldSpec:
    """What the gateway does. Rates are requests a second, times seconds."""

    name: str
    processes: int
    capacity: float = 1000.0
    offered: float = 750.0
    service: float = 0.25
    seconds: float = 60.0
    begins: float = 10.0
    lasts: float = 5.0
    refusal_costs: float | None = 0.0  # of a request's work; None: it hangs
    patience: float = 2.0  # the client's own time-out
    seed: int = 1


@dataclass(frozen=True)
class Side:
    """How a client goes about it: ours with these settings, or ``waits`` (seconds before each retry) of others."""

    name: str
    policy: Policy = field(default_factory=Policy)
    guards: Guards = field(default_factory=Guards)
    waits: Callable[[int, random.Random], float | None] | None = None


@dataclass
class Tally:
    """What was counted."""

    offered: int = 0
    requests: int = 0
    succeeded: int = 0
    failed: int = 0
    not_sent: int = 0
    arrivals: list[float] = field(default_factory=list)
    good: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)


class _Bell:
    """Rings in the world's own time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: Callable[[bool], None] | None = None
        self.rung = False

    def ring(self) -> None:
        waiting, self.waiting = self.waiting, None
        if waiting is None:
            self.rung = True
        else:
            self.world.after(0.0, lambda: waiting(True))


class _Shared(Shared):
    """The guards of one process, whose bells ring in the world's own time."""

    def __init__(self, world: World) -> None:
        super().__init__(MemoryStore(world.clock))
        self._world = world

    def bell(self, ticket: str) -> Any:
        held: Any = self._bells
        return held.setdefault(ticket, _Bell(self._world))


class _Unseen:
    def method_of(self, request: Any) -> str:
        return "POST"

    def place_of(self, request: Any) -> Any:
        return "https", HOST, None, PATH

    def body_of(self, request: Any) -> Body:
        return Body()

    def around(self, request: Any) -> tuple[()]:
        return ()


class World:
    """One run of one side."""

    def __init__(self, spec: WorldSpec, side: Side) -> None:
        self.spec, self.side = spec, side
        self.now = 0.0
        self.chance = random.Random(spec.seed)
        self.luck = random.Random(spec.seed + 1)  # of the side: the calls themselves are the same for every side
        self.tally = Tally()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._shared: dict[int, tuple[Shared, Guarding]] = {}
        self._queue: deque[tuple[float, Callable[[int], None]]] = deque()
        self._busy = 0
        self._workers = round(spec.capacity * spec.service)
        self.runtime = Runtime(monotonic=self.clock, wall=lambda: 1e9 + self.now, random=self.luck.random)
        self.anyint = Resilience(api_key="sk-sim", runtime=self.runtime, guards=side.guards, policy=side.policy)
        plan = self.anyint.router.plan("https", HOST, None, "POST", PATH)
        assert plan is not None
        self.plan = plan
        self.origin = Origin("https", HOST, None, PATH, CONTENT)

    def clock(self) -> float:
        """Return the world's time, in seconds."""
        return self.now

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Have something happen."""
        self._number += 1
        heapq.heappush(self._events, (self.now + seconds, self._number, what))

    def play(self) -> Tally:
        """Run to the end: the arrivals, and all that is still waiting."""
        spec, at = self.spec, 0.0
        while True:
            at += self.chance.expovariate(spec.offered)
            if at >= spec.seconds:
                break
            process = self.chance.randrange(spec.processes)
            self._number += 1
            heapq.heappush(self._events, (at, self._number, lambda process=process: self._call(process)))
        self._number += 1
        heapq.heappush(self._events, (spec.begins + spec.lasts, self._number, self._serve))
        while self._events:
            self.now, _, what = heapq.heappop(self._events)
            what()
        return self.tally

    # the gateway

    def down(self) -> bool:
        """Whether it is down now."""
        return self.spec.begins <= self.now < self.spec.begins + self.spec.lasts

    def _arrive(self, answer: Callable[[int], None]) -> None:
        self.tally.requests += 1
        self.tally.arrivals.append(self.now)
        costs = self.spec.refusal_costs
        if self.down() and costs == 0.0:
            self.after(0.01, lambda: answer(503))
            return
        self._queue.append((self.chance.uniform(0.5, 1.5) * self.spec.service, answer))
        self._serve()

    def _serve(self) -> None:
        while self._queue and self._busy < self._workers:
            down = self.down()
            if down and self.spec.refusal_costs is None:
                return
            work, answer = self._queue.popleft()
            self._busy += 1
            status, takes = (503, work * (self.spec.refusal_costs or 0.0)) if down else (200, work)
            self.after(takes, lambda answer=answer, status=status: self._done(answer, status))

    def _done(self, answer: Callable[[int], None], status: int) -> None:
        if self.down() and self.spec.refusal_costs is None:  # it hangs: what was begun goes on when it is back
            self.after(self.spec.begins + self.spec.lasts - self.now, lambda: self._done(answer, status))
            return
        self._busy -= 1
        answer(status)
        self._serve()

    # the clients

    def _send(self, told: Callable[[Outcome[Any]], None]) -> None:
        """Send a request; its client waits for so long."""
        over = [False]

        def answered(status: int) -> None:
            if not over[0]:
                over[0] = True
                told(Outcome(response=status, status=status))

        def gave_up() -> None:
            if not over[0]:
                over[0] = True
                told(Outcome(error=TimeoutError(), fault=Fault(FaultKind.READ_TIMEOUT, "ReadTimeout")))

        self.after(self.spec.patience, gave_up)
        self._arrive(answered)

    def _call(self, process: int) -> None:
        self.tally.offered += 1
        began = self.now
        if self.side.waits is not None:
            self._other(began, 1)
            return
        shared, guarding = self._guards(process)
        if not shared.calm:
            self._driven(guarding, began, None)
            return
        tally = shared.tally(HOST)
        tally.out += 1

        def first(outcome: Outcome[Any]) -> None:
            tally.out -= 1
            if outcome.status == 200:
                tally.good += 1
                tally.last = began
                self._over(began, good=True)
            else:
                self._driven(guarding, began, outcome)

        self._send(first)

    def _other(self, began: float, attempt: int) -> None:
        """A layer that retries by status alone."""

        def told(outcome: Outcome[Any]) -> None:
            if outcome.status == 200:
                self._over(began, good=True)
                return
            assert self.side.waits is not None
            wait = self.side.waits(attempt, self.luck)
            if wait is None:
                self._over(began, good=False)
            else:
                self.after(wait, lambda: self._other(began, attempt + 1))

        self._send(told)

    def _guards(self, process: int) -> tuple[Shared, Guarding]:
        held = self._shared.get(process)
        if held is None:
            shared = _Shared(self)
            held = self._shared[process] = shared, Guarding(self.side.guards, shared, {})
        return held

    def _driven(self, guarding: Guarding, began: float, first: Outcome[Any] | None) -> None:
        shared = guarding.shared
        plan = type(self.plan)(self.plan.route, secure=True, tally=shared.tally(HOST))
        call = Call(
            watch=Watch(self.anyint.telemetry, _Unseen(), None, plan, plan.route.operation),
            plan=plan,
            method="POST",
            operation=plan.route.operation,
            policy=self.side.policy,
            runtime=self.runtime,
            credentials=self.anyint.credentials,
            ledger=self.anyint.ledger,
            headers=((b"Authorization", b"Bearer sk-sim"),),
            started=began,
            replayable=True,
            intent=None,
            outer_retries=0,
            sent=first is not None,
            guarding=guarding,
            origin=self.origin,
        )
        flow: Any = run(call)
        effect = next(flow)
        if first is not None:
            self._step(flow, began, lambda: flow.send(first))
        else:
            self._perform(flow, began, effect, shared)

    def _step(self, flow: Any, began: float, go_on: Callable[[], Any]) -> None:
        try:
            effect = go_on()
        except StopIteration as stop:
            result = stop.value
            self.tally.not_sent += result.closed is not None
            self._over(began, good=result.decision is not None and result.decision.cause is None)
            return
        self._perform(flow, began, effect, flow.gi_frame.f_locals["call"].course.guarding.shared)

    def _perform(self, flow: Any, began: float, effect: Any, shared: Shared) -> None:
        def reply(value: Any) -> None:
            self._step(flow, began, lambda: flow.send(value))

        if isinstance(effect, Send):
            tally = shared.tally(HOST)
            tally.out += 1

            def told(outcome: Outcome[Any]) -> None:
                tally.out -= 1
                reply(outcome)

            self._send(told)
        elif isinstance(effect, Sleep):
            self.after(effect.seconds, lambda: reply(None))
        elif isinstance(effect, Rest):
            self._rest(effect, reply)
        elif isinstance(effect, GuardCall):
            reply(shared.change(effect.key, effect.step))
        elif isinstance(effect, Peek):
            reply(Peeked(b'{"error":{"message":"down"}}', complete=True))
        else:
            assert isinstance(effect, Discard)
            reply(None)

    def _rest(self, effect: Rest, reply: Callable[[bool], None]) -> None:
        bell: Any = effect.bell
        if bell.rung:
            bell.rung = False
            self.after(0.0, lambda: reply(True))
            return
        over = [False]

        def woken(rang: bool) -> None:
            if not over[0]:
                over[0] = True
                bell.waiting = None
                reply(rang)

        bell.waiting = woken
        self.after(effect.seconds, lambda: woken(False))

    def _over(self, began: float, *, good: bool) -> None:
        if good:
            self.tally.succeeded += 1
            self.tally.good.append(self.now)
            self.tally.latency.append(self.now - began)
        else:
            self.tally.failed += 1


def with_seed(spec: WorldSpec, seed: int) -> WorldSpec:
    """Return the same world with other luck."""
    return replace(spec, seed=seed)
