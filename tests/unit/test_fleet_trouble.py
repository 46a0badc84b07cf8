"""A fleet whose store fails, is slow, or is away: this process's memory serves, and nothing is lost by it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from anyint_resilience.guards import breaker, budget, gate, sharing
from anyint_resilience.stores.protocol import StoreError
from tests.unit.fleet_kit import BUDGET, CIRCUIT, GATE, PACE, Process, World

END: dict[str, Any] = {"few": 2, "flying": 1, "hint": None, "pace": PACE, "u": 0.0, "stays": False}
BAD: dict[str, Any] = {"window": 10.0, "failure_rate": 0.5, "least": 1, "cooldown": 5.0, "u": 0.0}


def step_of(name: str, process: Process, ticket: str) -> tuple[str, Any]:
    """Make a step that the store must be asked to run, of a ticket that has a permit or a probe."""
    now = process.clock()
    steps: dict[str, tuple[str, Any]] = {
        "gate.ask": (GATE, partial(gate.ask, ticket=ticket, since=now, bound=now + 9.0, most=1, u=0.0)),
        "gate.told": (GATE, partial(gate.told, ticket=ticket, kind="good", began=now, **END)),
        "gate.leave": (GATE, partial(gate.leave, ticket=ticket)),
        "breaker.ask": (CIRCUIT, partial(breaker.ask, ticket=ticket, probes=1)),
        "breaker.told": (CIRCUIT, partial(breaker.told, ticket=ticket, good=True, began=now, **BAD)),
        "breaker.leave": (CIRCUIT, partial(breaker.leave, ticket=ticket)),
        "budget.spend": (BUDGET, partial(budget.spend, good=0, reserve=2.0, ratio=0.1)),
    }
    return steps[name]


LOCAL = {
    "gate.ask": "go",
    "gate.told": gate.Told(),
    "gate.leave": gate.Told(),
    "breaker.ask": breaker.Passage(True),
    "breaker.told": "",
    "breaker.leave": "",
    "budget.spend": True,
}


def holding(world: World, name: str) -> str:
    """Have the first process hold what a step gives back, where it does; return the ticket."""
    ticket = world[0].shared.ticket()
    if name.startswith("breaker."):
        world[1].tell_circuit(good=False, least=1)
        world.now += 6.0
    if name in ("gate.told", "gate.leave"):
        world[0].do(*step_of("gate.ask", world[0], ticket))
    if name in ("breaker.told", "breaker.leave"):
        assert world[0].do(*step_of("breaker.ask", world[0], ticket)).probe
    return ticket


def held(world: World) -> set[str]:
    """Return who has a permit, a probe or a place at the store."""
    state, circuit = world.state() or {}, world.state(CIRCUIT) or {}
    return {*state.get("out", ()), *(it[1] for it in state.get("line", ())), *circuit.get("probes", ())}


# --- each kind of step


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("how", ["fails", "away", "slow"])
def test_memory_serves_while_the_store_does_not(name: str, how: str) -> None:
    """The call gets a verdict; what was held is given back when the store answers again, whatever ailed it."""
    world = World(2)
    ticket = holding(world, name)
    member = world[0].member
    if how == "fails":
        member.how = lambda it: "fails"
    elif how == "slow":
        member.lag()
    else:
        member.turn(up=False)
    verdict = world[0].do(*step_of(name, world[0], ticket))
    assert getattr(verdict, "kind", verdict) == LOCAL[name]
    if how == "fails":
        assert [type(it) for it in world[0].said] == ([] if name.endswith(".leave") else [StoreError])
    back(world, how)
    assert held(world) == set()
    assert world[0].fleet.sharing.outs == {}


def back(world: World, how: str) -> None:
    """Have the store answer again, for as long as it takes to notice."""
    member = world[0].member
    member.how = lambda it: "now"
    if how == "away":
        member.turn(up=True)
    member.release()
    world.advance(5.0)


@pytest.mark.parametrize("name", ["gate.ask", "breaker.ask"])
@pytest.mark.parametrize("how", ["late", "lost"])
def test_what_is_granted_to_one_that_has_gone_on_is_given_back(name: str, how: str) -> None:
    """It waited in vain, and went by this process's memory; the verdict came later, or never."""
    world = World(2)
    ticket = holding(world, name)
    member = world[0].member
    member.how = lambda it: "held" if how == "late" else "lost"
    running = world[0].start(*step_of(name, world[0], ticket))
    if how == "late":
        running.give_up(StoreError("it did not answer in time"))
    assert getattr(running.value, "kind", running.value) == LOCAL[name]
    member.how = lambda it: "now"
    member.release()
    if name == "gate.ask":
        world[0].told("good", ticket)
    else:
        world[0].tell_circuit(good=False, ticket=ticket)
    back(world, "lost")
    assert held(world) == set()


@pytest.mark.parametrize("name", ["gate.ask", "gate.told", "breaker.ask", "breaker.told"])
@pytest.mark.parametrize("how", ["held", "queued"])
def test_a_call_that_is_cancelled_as_it_asks_leaves_nothing_behind(name: str, how: str) -> None:
    """Whether or not its update went out before; the engine lets go of what it has, and that is all it does."""
    world = World(2)
    ticket = holding(world, name)
    member = world[0].member
    member.how = lambda it: how
    running = world[0].start(*step_of(name, world[0], ticket))
    with pytest.raises(KeyboardInterrupt):
        running.give_up(KeyboardInterrupt())
    member.how = lambda it: "now"
    member.release()
    world[0].do(*step_of(name.partition(".")[0] + ".leave", world[0], ticket))
    back(world, "away")
    assert held(world) == set()


# --- those who wait


@pytest.mark.parametrize("how", ["away", "slow"])
def test_a_waiter_that_goes_by_memory_leaves_no_place_and_keeps_no_turn(how: str) -> None:
    """The next call of its process and those of others are not held up by it."""
    world = World(3)
    world[1].told("rate", hint=1.0)
    first, second, other = world[0].caller(ago=3), world[0].caller(ago=2), world[2].caller(ago=1)
    for it in (first, second, other):
        assert it.look().kind == "wait"
    if how == "away":
        world[0].member.turn(up=False)
    else:
        world[0].member.lag()
    world.now += 1.5
    assert first.look().kind == "go"
    first.told("good")
    back(world, how)
    for it in (second, other):
        if it.kind == "go":
            it.told("good")
    world.advance(3.0)
    assert (second.kind, other.kind) in (("over", "go"), ("over", "over"), ("go", "over"))
    assert first.ticket not in held(world)
    assert world[0].fleet.gates.asked.keys() <= {second.ticket}


def test_those_in_line_go_on_by_what_was_known_when_the_store_goes() -> None:
    """They wait on by this process's memory, which begins with the gate as it was: not all of them go at once."""
    world = World(2)
    world[1].told("rate", hint=30.0)
    waiters = [world[0].caller(ago=3 - number) for number in range(3)]
    for it in waiters:
        it.look()
    world[0].member.turn(up=False)
    assert world.advance(0) == []
    assert world.advance(29.0) == []
    assert world.advance(4.0) == waiters[:1]  # its share of what the fleet bore is one at a time


def test_what_was_learnt_alone_does_not_hold_up_who_stands_in_the_fleets_line() -> None:
    """A limit of this process's memory counts a call once, however often it looks again."""
    world = World(2)
    world[0].member.turn(up=False)
    world[0].told("rate", hint=1.0)
    world.now += 2.0
    world[1].told("rate", hint=3.0)
    world[0].member.turn(up=True)
    caller = world[0].caller()
    assert caller.look().kind == "wait"
    assert world.advance(5.0) == [caller]


@pytest.mark.parametrize("name", ["gate.ask", "breaker.ask"])
def test_what_was_learnt_alone_ends_with_the_outage(name: str) -> None:
    """The others know better; who waits here asks there."""
    world = World(2)
    world[0].member.turn(up=False)
    world[0].told("rate", hint=30.0)
    world[0].tell_circuit(good=False, least=1, cooldown=30.0)
    waiter = world[0].caller()
    assert waiter.look().kind == "wait"
    assert not world[0].ask_circuit().go
    world[0].member.turn(up=True)
    ticket = world[0].shared.ticket()
    verdict = world[0].do(*step_of(name, world[0], ticket))
    assert getattr(verdict, "kind", verdict) == LOCAL[name]
    world[0].told("good", ticket)
    assert world.advance(0) == [waiter]
    waiter.told("good")
    world[0].shared.come(world[0].said.append)
    assert world[0].shared.calm


def test_permits_of_calls_that_ended_while_the_store_was_away_are_given_back() -> None:
    """Each once, as soon as it answers again."""
    world = World(2)
    callers = [world[0].caller(most=3) for _ in range(3)]
    for it in callers:
        it.look()
    world[0].member.turn(up=False)
    for it in callers[:2]:
        it.told("good")
    assert held(world) == {it.ticket for it in callers}
    world[0].member.turn(up=True)
    assert held(world) == {callers[2].ticket}
    world.names()
    world[0].member.turn(up=False)
    world[0].member.turn(up=True)
    assert world.names() == []


def test_a_place_that_is_given_back_late_takes_no_permit() -> None:
    """Its call asks again as soon as the store answers, and goes: before what was posted meanwhile."""
    world = World(2)
    world[1].told("rate", hint=1.0)
    waiter = world[0].caller()
    assert waiter.look().kind == "wait"
    world[0].member.lag()
    world[0].told("rate", hint=5.0)
    assert waiter.look().kind == "wait"
    world.now += 2.0
    world[0].member.meanwhile = waiter.look
    world[0].member.release()
    assert waiter.kind == "go"
    assert waiter.ticket in held(world)


# --- another store


@pytest.mark.parametrize("behind", [0.0, 20.0])
def test_another_store_that_takes_over_is_believed(behind: float) -> None:
    """What it holds is what there is, also where its clock is behind the former one's."""
    world = World(2)
    world[1].told("quota")
    assert not world[0].shared.calm
    for process in world.processes:
        process.member.turn(up=False)
    world.store.close()
    world.ahead -= behind
    for process in world.processes:
        process.member.turn(up=True)
        process.shared.come(process.said.append)
    assert world[0].caller(patience=0).look().kind == "go"
    assert world[0].shared.calm
    world[1].told("quota")
    assert world[0].caller(patience=0).look().kind == "refuse"


def test_a_store_that_was_emptied_knows_no_permits_and_that_is_all() -> None:
    """Those that are out come back to nothing; whoever asks next goes."""
    world = World(2)
    caller = world[0].caller(most=1)
    caller.look()
    world[0].member.turn(up=False)
    world.store.close()
    world[0].member.turn(up=True)
    world.advance(2 * sharing.LEASE)
    assert world.state() is None
    waiter = world[1].caller(most=1)
    assert waiter.look().kind == "go"
    caller.told("good")
    assert held(world) == {waiter.ticket}
