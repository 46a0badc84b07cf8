"""Feeds outcomes to the engine and lists the effects. Must not know any client, clock or mock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anyint_resilience import Policy, Resilience
from anyint_resilience.calls import Call
from anyint_resilience.contract.words import Operation
from anyint_resilience.credentials import Credentials
from anyint_resilience.effects import (
    Answer as Given,
)
from anyint_resilience.effects import (
    AskKey,
    Discard,
    GuardCall,
    Outcome,
    Peek,
    Peeked,
    Rest,
    Result,
    Send,
    Sleep,
    StateCall,
)
from anyint_resilience.engine import run
from anyint_resilience.intents import name_of, paper_of
from anyint_resilience.policy.model import Fault, FaultKind
from anyint_resilience.router import Router
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.flows import waited
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.tasks.ledger import Ledger
from anyint_resilience.tasks.paper import NO_PAPER, Paper
from anyint_resilience.telemetry.watch import Watch
from anyint_resilience.watched import Body
from anyint_resilience.ways import Origin

HOST = "gateway.api.anyint.ai"


@dataclass
class World:
    """A clock that moves only when the engine sleeps or an attempt takes time."""

    now: float = 0.0
    u: float = 1.0
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(MemoryStore(lambda: self.now), spare=MemoryStore(lambda: self.now), window=3600)

    @property
    def runtime(self) -> Runtime:
        return Runtime(monotonic=lambda: self.now, wall=lambda: 1_000_000 + self.now, random=lambda: self.u)


@dataclass(frozen=True)
class Answer:
    """A scripted answer; a body given as an exception breaks when it is read."""

    status: int
    body: bytes | Exception = b""
    headers: tuple[tuple[str, str], ...] = ()
    takes: float = 0.0


class Script:
    """Plays one call: answers and exceptions in order; ``effects`` is what the engine asked for, in short words."""

    def __init__(self, world: World, *steps: Answer | int | FaultKind | BaseException, **call: Any) -> None:
        self.world = world
        self.steps = [Answer(step) if isinstance(step, int) else step for step in steps]
        self.effects: list[str] = []
        self.sent: list[Send] = []
        self.meanwhile: list[Callable[[], object]] = []
        """What others do while this call rests: one entry for each rest, which takes no time by itself then."""
        self.call = make_call(world, **call)

    def play(self) -> Result[Any]:
        """Run the call to its end."""
        flow: Any = run(self.call)
        try:
            effect = next(flow)
            while True:
                try:
                    reply = self.perform(effect)
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(reply)
        except StopIteration as stop:
            result: Result[Any] = stop.value
            return result

    def rest(self, effect: Rest) -> bool:
        """Rest until the bell rings, or the time is over."""
        self.effects.append(f"rest {effect.seconds:g}")
        if self.meanwhile:
            self.meanwhile.pop(0)()
        rang = effect.bell.rest(0)
        self.world.now += 0 if rang else effect.seconds
        return rang

    def perform(self, effect: Any) -> Any:
        """Carry out one effect as a driver would, without any I/O."""
        if isinstance(effect, Send):
            asked = "" if effect.ask is None else f" {effect.ask.target.decode()}"
            self.effects.append(f"send {effect.number}{asked}")
            self.sent.append(effect)
            return self.answer(self.steps.pop(0))
        if isinstance(effect, Sleep):
            self.effects.append(f"sleep {effect.seconds:g}")
            self.world.now += effect.seconds
            return None
        if isinstance(effect, Rest):
            return self.rest(effect)
        if isinstance(effect, GuardCall):
            self.effects.append(effect.key.partition(":")[0])
            return self.call.course.guarding.shared.change(effect.key, effect.step)
        if isinstance(effect, Peek):
            body = effect.response.body
            if isinstance(body, Exception):
                return Peeked(body=b"{", error=body)
            return Peeked(body=body, complete=True)
        if isinstance(effect, Given):
            self.effects.append("given")
            return Answer(effect.status, effect.body, effect.headers)
        if isinstance(effect, Discard):
            self.effects.append("discard")
            return None
        if isinstance(effect, StateCall):
            self.effects.append("ledger")
            return waited(self.world.ledger.changing(effect, self.call.store_failed))
        assert isinstance(effect, AskKey)
        self.effects.append("ask")
        return self.call.credentials.accept(self.call.credentials.ask(effect.used))

    def answer(self, step: Any) -> Outcome[Any]:
        """Return what a Send is told."""
        if isinstance(step, FaultKind):
            return Outcome(error=ConnectionError(step.value), fault=Fault(step, "ConnectionError"))
        if isinstance(step, BaseException):
            raise step
        self.world.now += step.takes
        return Outcome(response=step, status=step.status, headers=step.headers)


class Unseen:
    """A request of which nothing is known."""

    def method_of(self, request: Any) -> str:
        return "POST"

    def place_of(self, request: Any) -> Any:
        return "https", HOST, None, b"/"

    def body_of(self, request: Any) -> Body:
        return Body()

    def around(self, request: Any) -> tuple[()]:
        return ()


def make_call(
    world: World,
    *,
    method: str = "POST",
    path: str = "/openai/v1/chat/completions",
    policy: Policy | None = None,
    key: Any = "sk-test",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    intent: str | None = None,
    replayable: bool = True,
    outer_retries: int = 0,
    operation: Operation | None = None,
    paper: Paper = NO_PAPER,
    anyint: Resilience | None = None,
    body: bytes | None = None,
) -> Call:
    """Make the state of a call as an adapter would. ``anyint``: a configuration whose guards and fallbacks it has."""
    router = Router() if anyint is None else anyint.router
    plan = router.plan("https", HOST, None, method, path.encode())
    assert plan is not None
    operation = plan.route.operation if operation is None else operation
    hub = Resilience(runtime=world.runtime).telemetry if anyint is None else anyint.telemetry
    guarded = {} if anyint is None else {"guarding": anyint.guarding}
    return Call(
        **guarded,
        origin=Origin("https", HOST, None, path.encode(), body),
        watch=Watch(hub, Unseen(), None, plan, operation),
        plan=plan,
        method=method,
        operation=operation,
        policy=Policy() if policy is None else policy,
        runtime=world.runtime,
        credentials=Credentials(key),
        ledger=world.ledger,
        headers=headers,
        started=world.now,
        replayable=replayable,
        intent=intent,
        outer_retries=outer_retries,
        paper=paper,
    )


def create(
    world: World,
    path: str,
    content: bytes,
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    outer_retries: int = 0,
    before: str = "",
    key: str = "sk-test",
    **settings: Any,
) -> dict[str, Any]:
    """Return what makes a call a paid create that the ledger knows, for ``Script`` and ``make_call``."""
    anyint = Resilience(runtime=world.runtime, **settings)
    place, body = ("https", HOST, None, path.encode()), Body(content)
    plan = Router().plan("https", HOST, None, "POST", path.encode())
    assert plan is not None
    used = key.encode()
    intent = name_of("POST", place, headers, body, used, paid=True)
    assert intent is not None
    paper = paper_of(anyint, plan.route, place, headers, body, intent, used=used, outer=outer_retries, before=before)
    known = {"intent": intent, "paper": paper, "headers": headers, "outer_retries": outer_retries}
    return {"path": path, "key": key, **known}
