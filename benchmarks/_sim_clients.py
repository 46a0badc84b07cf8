"""Client processes in a made-up world of events: the shipped engine with guards of its own in each, and plain layers.

Must not know what the gateway does, nor how any guard works: calls are run by ``engine.run`` itself, effect by effect.
Only the clock, the bells and the sending are made up.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
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

__all__ = ["Events", "Fleet", "Side", "Told", "waits_of"]

HOST = "gateway.api.anyint.ai"
PATH = b"/openai/v1/chat/completions"
CONTENT = b'{"model":"gpt-5","messages":[]}'

Wait = Callable[[int, random.Random], "float | None"]
Told = Callable[["int | None"], None]
"""Hears the status of an answer; None: the client's patience ended first."""


@dataclass(frozen=True)
class Side:
    """How a client goes about it: ours with these settings, or ``waits``: seconds before each retry of others."""

    name: str
    policy: Policy = field(default_factory=Policy)
    guards: Guards = field(default_factory=Guards)
    waits: Wait | None = None


def waits_of(attempts: int, base: float, most: float = 8.0, *, plus: float = 0.0) -> Wait:
    """Return exponential waits less up to a quarter (the SDKs'), or up to ``plus`` seconds longer (tenacity's)."""

    def wait(attempt: int, luck: random.Random) -> float | None:
        if attempt >= attempts:
            return None
        pause: float = min(most, base * 2 ** (attempt - 1))
        return pause + plus * luck.random() if plus else pause * (1 - 0.25 * luck.random())

    return wait


class Events:
    """The world's time, and what happens in it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def clock(self) -> float:
        """Return the world's time, in seconds."""
        return self.now

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Have something happen then."""
        self._number += 1
        heapq.heappush(self._due, (when, self._number, what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Have something happen in so many seconds."""
        self.at(self.now + seconds, what)

    def run(self) -> None:
        """Let everything happen, until nothing is due any more."""
        while self._due:
            self.now, _, what = heapq.heappop(self._due)
            what()


class _Bell:
    """Rings in the world's own time."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._waiting: Callable[[bool], None] | None = None
        self._rung = False

    def ring(self) -> bool:
        """Wake whoever waits; it is always there to hear."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self._rung = True
        else:
            self._events.after(0.0, lambda: waiting(True))
        return True

    def rest(self, seconds: float, reply: Callable[[bool], None]) -> None:
        """Say whether it rang within so many seconds."""
        if self._rung:
            self._rung = False
            self._events.after(0.0, lambda: reply(True))
            return
        over = False

        def woken(rang: bool) -> None:
            nonlocal over
            if not over:
                over, self._waiting = True, None
                reply(rang)

        self._waiting = woken
        self._events.after(seconds, lambda: woken(False))


class _Shared(Shared):
    """The guards of one process, whose bells ring in the world's own time."""

    def __init__(self, events: Events) -> None:
        super().__init__(MemoryStore(events.clock))
        self._events = events

    def bell(self, ticket: str) -> Any:
        held: Any = self._bells
        return held.setdefault(ticket, _Bell(self._events))


class _Unseen:
    """What a watch wants of an adapter: spans are off, so it is never asked for anything else."""

    def method_of(self, request: Any) -> str:
        return "POST"

    def place_of(self, request: Any) -> tuple[str, str, int | None, bytes]:
        return "https", HOST, None, PATH

    def body_of(self, request: Any) -> Body:
        return Body()

    def around(self, request: Any) -> tuple[()]:
        return ()


class Fleet:
    """The processes of one side. ``send`` carries a request to the gateway and tells what became of it."""

    def __init__(self, events: Events, side: Side, send: Callable[[Told], None], luck: random.Random) -> None:
        self._events, self._side, self._send, self._luck = events, side, send, luck
        self.not_sent = 0  # calls that ended at a guard
        self._processes: dict[int, Guarding] = {}
        self._runtime = Runtime(monotonic=events.clock, wall=lambda: 1e9 + events.now, random=luck.random)
        self._anyint = Resilience(
            api_key="sk-sim", runtime=self._runtime, guards=side.guards, policy=side.policy, spans="off"
        )
        plan = self._anyint.router.plan("https", HOST, None, "POST", PATH)
        assert plan is not None
        self._plan = plan
        self._origin = Origin("https", HOST, None, PATH, CONTENT)

    def call(self, process: int, over: Callable[[bool], None]) -> None:
        """Make a call; ``over`` hears whether it succeeded."""
        if self._side.waits is not None:
            self._other(self._side.waits, over, 1)
            return
        guarding = self._guarding(process)
        shared, began = guarding.shared, self._events.now
        if not shared.calm or self._side.guards.max_concurrency is not None:
            self._drive(guarding, began, over, None)
            return
        tally = shared.tally(HOST)

        def first(outcome: Outcome[Any]) -> None:
            """As on the fast lane: a good answer is only counted."""
            if outcome.status == 200:
                tally.good += 1
                tally.last = began
                over(True)
            else:
                self._drive(guarding, began, over, outcome)

        self._sent(shared, first)

    def _other(self, waits: Wait, over: Callable[[bool], None], attempt: int) -> None:
        """Make one attempt of a layer that looks at nothing but how it went."""

        def told(status: int | None) -> None:
            wait = None if status == 200 else waits(attempt, self._luck)
            if wait is None:
                over(status == 200)
            else:
                self._events.after(wait, lambda: self._other(waits, over, attempt + 1))

        self._send(told)

    def _guarding(self, process: int) -> Guarding:
        held = self._processes.get(process)
        if held is None:
            held = self._processes[process] = Guarding(self._side.guards, _Shared(self._events), {})
        return held

    def _sent(self, shared: Shared, reply: Callable[[Outcome[Any]], None]) -> None:
        tally = shared.tally(HOST)
        tally.out += 1

        def told(status: int | None) -> None:
            tally.out -= 1
            if status is None:
                reply(Outcome(error=TimeoutError(), fault=Fault(FaultKind.READ_TIMEOUT, "ReadTimeout")))
            else:
                reply(Outcome(response=status, status=status))

        self._send(told)

    def _drive(
        self, guarding: Guarding, began: float, over: Callable[[bool], None], first: Outcome[Any] | None
    ) -> None:
        """Run a call through the engine; ``first``: what became of the attempt on the fast lane."""
        plan = type(self._plan)(self._plan.route, secure=True, tally=guarding.shared.tally(HOST))
        call = Call(
            watch=Watch(self._anyint.telemetry, _Unseen(), None, plan, plan.route.operation),
            plan=plan,
            method="POST",
            operation=plan.route.operation,
            policy=self._side.policy,
            runtime=self._runtime,
            credentials=self._anyint.credentials,
            ledger=self._anyint.ledger,
            headers=((b"Authorization", b"Bearer sk-sim"),),
            started=began,
            replayable=True,
            intent=None,
            outer_retries=0,
            sent=first is not None,
            guarding=guarding,
            origin=self._origin,
        )
        flow: Any = run(call)
        effect = next(flow)
        if first is not None:
            self._step(flow, guarding.shared, over, first)
        else:
            self._perform(flow, guarding.shared, over, effect)

    def _step(self, flow: Generator[Any, Any, Any], shared: Shared, over: Callable[[bool], None], value: Any) -> None:
        try:
            effect = flow.send(value)
        except StopIteration as stop:
            result = stop.value
            self.not_sent += result.closed is not None
            over(result.decision is not None and result.decision.cause is None)
            return
        self._perform(flow, shared, over, effect)

    def _perform(self, flow: Any, shared: Shared, over: Callable[[bool], None], effect: Any) -> None:
        def reply(value: Any) -> None:
            self._step(flow, shared, over, value)

        match effect:
            case Send():
                self._sent(shared, reply)
            case Sleep():
                self._events.after(effect.seconds, lambda: reply(None))
            case Rest():
                bell: Any = effect.bell
                bell.rest(effect.seconds, reply)
            case GuardCall():
                reply(shared.change(effect.key, effect.step))
            case Peek():
                reply(Peeked(b'{"error":{"message":"down"}}', complete=True))
            case Discard():
                reply(None)
            case _:
                raise AssertionError(effect)
