"""Where the guards' states are kept: when all is calm again, whom a verdict rings, and what a fork leaves."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest

from anyint_resilience.guards import breaker, gate
from anyint_resilience.guards.settings import Guards
from anyint_resilience.guards.shared import Shared, shared_guards
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import State

GATE = "gate:key:host:openai:m"
FEW = Guards().failures


class World:
    """Shared guards on a clock that is a number."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.shared = Shared(MemoryStore(lambda: self.now))

    def told(self, kind: str, ticket: str = "", key: str = GATE, **how: Any) -> Any:
        how = {"began": self.now, "few": FEW, **how}
        return self.shared.change(key, partial(gate.told, ticket=ticket, kind=kind, **how))

    def ask(self, ticket: str, key: str = GATE) -> Any:
        step = partial(gate.ask, ticket=ticket, since=self.now, bound=self.now + 60)
        return self.shared.change(key, step)


@pytest.fixture
def world() -> World:
    """Return guards that nothing has happened to."""
    return World()


@pytest.mark.parametrize("kind", ["rate", "spent", "quota", "down"])
@pytest.mark.parametrize("end", ["good", "sweep"])
def test_trouble_ends_the_calm_and_its_end_brings_it_back(world: World, kind: str, end: str) -> None:
    """By a success, or some time after the last word where nobody calls any more."""
    world.shared.sweep(world.now)
    assert world.shared.calm
    for _ in range(FEW):
        world.told(kind, hint=1.0 if kind in ("rate", "spent") else None, flying=10)
    assert not world.shared.calm
    world.now += 2000
    if end == "good":
        for _ in range(3):
            world.told("good")
    world.shared.sweep(world.now)
    assert world.shared.calm


def test_one_of_two_troubles_less_is_not_calm_yet(world: World) -> None:
    """Every key counts."""
    for key in (GATE, f"{GATE}-2"):
        world.told("down", key=key)
    world.told("good")
    assert not world.shared.calm
    world.told("good", key=f"{GATE}-2")
    assert world.shared.calm


def test_it_sweeps_now_and_then_only_and_also_when_the_clock_went_back(world: World) -> None:
    """A look at every state is not for every call."""
    world.told("down")
    world.now += 1000
    world.shared.sweep(world.now)
    assert world.shared.calm
    world.told("down")
    world.now += 0.1
    world.shared.sweep(world.now)
    assert not world.shared.calm
    world.now = 500.0
    world.shared.sweep(world.now)
    world.now = 700.0
    world.shared.sweep(world.now)
    assert world.shared.calm


@pytest.mark.parametrize("key", ["budget:key:host", "other:x"])
def test_a_spent_budget_is_no_trouble(world: World, key: str) -> None:
    """It is asked where something is sent again, and never on the fast lane."""

    def noted(state: State | None, now: float) -> tuple[State | None, None]:
        return {"tokens": 0.0}, None

    world.shared.change(key, noted)
    assert world.shared.calm is key.startswith("budget:")


def test_a_verdict_rings_whom_it_names_and_nobody_else(world: World) -> None:
    """The bell of who may go now; one that does not wait any more has none."""
    world.told("rate", hint=1.0)
    world.now += 2
    assert world.ask("a").kind == "go"
    for ticket in "bc":
        assert world.ask(ticket).kind == "wait"
    bells = {ticket: world.shared.bell(ticket) for ticket in "bc"}
    assert world.shared.bell("b") is bells["b"]
    world.told("other", "a")
    assert [bells["b"].rest(0), bells["c"].rest(0)] == [True, False]
    world.shared.unbell("b")
    world.told("other", "b")
    assert not bells["b"].rest(0)
    world.shared.unbell("never had one")


def test_what_is_dropped_is_let_go_before_the_next_step(world: World) -> None:
    """A call that the garbage collector ends gives its permit back although it may change nothing itself."""
    world.told("rate", hint=1.0)
    world.now += 2
    assert world.ask("a").kind == "go"
    assert world.ask("b").kind == "wait"
    bell = world.shared.bell("b")
    world.shared.later(GATE, partial(gate.leave, ticket="a"))
    assert not bell.rest(0), "not now: this may be in the middle of another step"
    world.told("other", "nobody", key=f"{GATE}-2")
    assert bell.rest(0)
    assert world.ask("b").kind == "go"


def test_what_is_dropped_makes_somebody_come_by(world: World) -> None:
    """While it is not done yet it is not calm; then it is."""
    assert world.shared.calm
    world.shared.later(GATE, partial(gate.leave, ticket="a"))
    assert not world.shared.calm
    world.told("good")
    assert world.shared.calm


def test_a_step_that_fails_leaves_all_as_it_was(world: World) -> None:
    """What it raises goes on to the caller."""

    def broken(state: State | None, now: float) -> tuple[State | None, None]:
        raise ZeroDivisionError

    world.told("down")
    with pytest.raises(ZeroDivisionError):
        world.shared.change(GATE, broken)
    assert not world.shared.calm
    world.told("good")
    assert world.shared.calm


def test_clearing_forgets_everything(world: World) -> None:
    """A gate that was closed, bells, what was counted and dropped, and the models that were listed."""
    world.told("quota", hint=1000.0)
    world.shared.models["x"] = (0.0, ("m",))
    world.shared.tally("host").good = 5
    bell = world.shared.bell("t")
    world.shared.later(GATE, partial(gate.leave, ticket="a"))
    world.shared.clear()
    assert world.shared.calm
    assert not world.shared.models
    assert world.shared.tally("host").good == 0
    assert world.shared.bell("t") is not bell
    assert world.ask("a") == gate.Passage("go")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_has_none_of_its_parents_calls(world: World) -> None:
    """The child begins open and calm; the parent is as it was."""
    world.told("quota", hint=1000.0)
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            os._exit(0 if world.shared.calm and world.ask("a").kind == "go" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not world.shared.calm
    assert world.ask("a").kind == "refuse"


def test_tickets_are_unlike_and_a_host_has_one_tally(world: World) -> None:
    """However many ask."""
    assert len({world.shared.ticket() for _ in range(1000)}) == 1000
    assert world.shared.tally("a") is world.shared.tally("a")
    assert world.shared.tally("a") is not world.shared.tally("b")
    tally = world.shared.tally("a")
    tally.good += 3
    assert (tally.take(), tally.take()) == (3, 0)


def test_hosts_without_end_are_not_kept_without_end(world: World) -> None:
    """Whoever holds the tally of one goes on counting for nobody."""
    first = world.shared.tally("0")
    for number in range(10_000):
        world.shared.tally(str(number))
    assert world.shared.tally("0") is not first


def test_a_breaker_that_closed_is_calm(world: World) -> None:
    """An open circuit is trouble until a success."""
    it = Guards()
    numbers = {"window": it.window, "failure_rate": it.failure_rate, "least": it.min_volume, "cooldown": it.cooldown}
    step = partial(breaker.told, ticket="", began=world.now, u=0.0, **numbers)
    for _ in range(it.min_volume):
        world.shared.change("breaker:h:r:m", partial(step, good=False))
    assert not world.shared.calm
    assert world.shared.change("breaker:h:r:m", partial(step, good=True)) == "closed"
    assert world.shared.calm


def test_a_process_has_one() -> None:
    """All configurations with the real clock share it."""
    assert shared_guards() is shared_guards()
