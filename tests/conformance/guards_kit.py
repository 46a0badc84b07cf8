"""What the tests of the guards share: a clock that only waits move, calls made at the same time, and what must be seen.

Must not know any scenario.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from anyint_resilience import Action, Certainty, GateClosed, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Seen
from anyint_resilience.runtime import Runtime
from tests.conformance.kit import KEY
from tests.conformance.scenario import NOW, Ask
from tests.conformance.surfaces import Caller, Waits

__all__ = ["ONCE", "Call", "Clock", "Heard", "another", "called", "guarded", "moved", "not_sent", "peak", "together"]

ONCE = Policy(attempts=1)


@dataclass
class Clock(Waits):
    """Sleeps that only move a clock. ``meanwhile``: what happens during the next ones, one in each, after it moved."""

    now: float = 0.0
    meanwhile: list[Callable[[], Any]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self._pass(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()

    async def asleep(self, seconds: float) -> None:
        self._pass(seconds)
        if self.meanwhile:
            await self.meanwhile.pop(0)()

    def _pass(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.now += seconds
        self.moves(seconds)

    def runtime(self, **more: Any) -> Runtime:
        return super().runtime(monotonic=lambda: self.now, wall=lambda: NOW + self.now, **more)


def guarded(emu: Emulator, runtime: Runtime, **more: Any) -> Resilience:
    """Return a configuration for the emulator, with guards of its own."""
    return Resilience(**{"api_key": KEY, "base_url": emu.url, "runtime": runtime, **more})


def moved() -> Runtime:
    """Return the real clock and real sleeps: whoever waits is woken. The guards are none of another configuration."""
    return Runtime(random=lambda: 0.5)


def another(ask: Ask, number: object) -> Ask:
    """Return a call like this one, told from others by its body."""
    return ask.but(json={**ask.json, "user": str(number)})


@dataclass(frozen=True)
class Call:
    """One call of several at the same time. ``options``: as ``Caller.direct`` has them."""

    ask: Ask
    options: dict[str, Any] = field(default_factory=dict)

    def to(self, caller: Caller) -> Any:
        """Make it without leaving the client's thread or event loop: an answer, or a coroutine that gives one."""
        ask = self.ask
        held = {"json": ask.json, "content": ask.content, "headers": dict(ask.headers), "policy": ask.policy}
        known = {name: it for name, it in held.items() if it is not None}
        return caller.direct(ask.method, ask.path, **{**known, **self.options})


def called(caller: Caller, ask: Ask, **options: Any) -> Any:
    """Make a call; return its answer, or its exception."""
    try:
        return caller.call(Call(ask, options).to, caller)
    except caller.surface.error as error:
        return error


Ready = Callable[[int], bool]


def together(caller: Caller, calls: list[Call], ready: Ready = lambda number: True) -> list[Any]:
    """Make calls at the same time, on threads or on tasks of one loop; return what each gave, an answer or an error.

    ``ready``: whether the next one may begin, given how many have; none waits for one of which all have ended.
    """
    ends: list[Any] = [None] * len(calls)
    if caller.surface.is_async:
        caller.call(_on_tasks, caller, calls, ready, ends)
    else:
        _on_threads(caller, calls, ready, ends)
    return ends


def _on_threads(caller: Caller, calls: list[Call], ready: Ready, ends: list[Any]) -> None:
    def run(number: int, call: Call) -> None:
        try:
            ends[number] = call.to(caller)
        except caller.surface.error as error:
            ends[number] = error

    threads: list[threading.Thread] = []
    for number, call in enumerate(calls):
        while not ready(number) and any(it.is_alive() for it in threads):
            time.sleep(0.001)
        threads.append(threading.Thread(target=run, args=(number, call), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "a call was lost"


async def _on_tasks(caller: Caller, calls: list[Call], ready: Ready, ends: list[Any]) -> None:
    import anyio

    async def run(number: int, call: Call) -> None:
        try:
            ends[number] = await call.to(caller)
        except caller.surface.error as error:
            ends[number] = error

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number, call in enumerate(calls):
                while not ready(number) and any(it is None for it in ends[:number]):
                    await anyio.sleep(0.001)
                group.start_soon(run, number, call)


class Heard(list[Any]):
    """Events, as a listener hears them."""

    __call__ = list.append

    def named(self, name: str) -> list[Any]:
        """Return those of this name."""
        return [it for it in self if it.name == name]


def not_sent(caller: Caller, end: Any, why: str, at: float | None) -> None:
    """See that a call was not let out: the client's exception and ours, with when it may, in seconds after ``NOW``."""
    adapter = caller.surface.adapter
    assert isinstance(end, adapter.CircuitOpen if why == "circuit" else adapter.GateClosed), repr(end)
    assert isinstance(end, caller.surface.transport_error)
    assert isinstance(end, GateClosed)
    assert end.why == why
    assert end.retry_at == (None if at is None else pytest.approx(NOW + at, abs=1e-3))
    told = report(end)
    assert told is not None
    assert told.attempts == ()
    assert told.decision is not None
    assert (told.decision.action, told.decision.certainty) == (Action.NO_RETRY, Certainty.NOT_SENT)
    assert told.decision.retry_at == end.retry_at
    assert "not sent" in told.decision.reason


def peak(seen: list[Seen], seconds: float) -> int:
    """Return how many requests were at the gateway at once for certain, if each stays there for so long."""
    times = sorted(it.at for it in seen)
    return max(sum(at - seconds < other <= at for other in times) for at in times)
