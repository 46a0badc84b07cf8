"""Permits and probes of a fleet at a gate: no more of them are out than may be, and none is lost."""

from __future__ import annotations

from functools import partial

import pytest

from anyint_resilience.guards import gate, sharing
from tests.unit.fleet_kit import GATE, World

skews = pytest.mark.parametrize("ahead", [0.0, 1e6, -4000.0])


# --- a quota


@skews
def test_one_call_of_the_fleet_finds_out_about_a_quota(ahead: float) -> None:
    """All others fail at once, and nobody waits; its success opens for all."""
    world = World(3, ahead=ahead)
    world[0].told("quota")
    world.now += 20
    kinds = [world[number % 3].caller() for number in range(9)]
    assert [it.look().kind for it in kinds] == ["go"] + ["refuse"] * 8
    world.names()
    assert world[2].caller().look().kind == "refuse"
    assert world.names() == []
    kinds[0].told("good")
    assert [process.caller().look().kind for process in world.processes] == ["go"] * 3


# --- a limit of concurrency


@skews
def test_a_limit_of_concurrency_is_one_for_all(ahead: float) -> None:
    """So many are out, the others wait; each that comes back rings the next, wherever that is."""
    world = World(3, ahead=ahead)
    callers = [world[number % 3].caller(most=2, ago=9 - number) for number in range(6)]
    assert [it.look().kind for it in callers] == ["go"] * 2 + ["wait"] * 4
    for number, caller in enumerate(callers):
        caller.told("good")
        assert len(world.advance(0)) == (1 if number < 4 else 0)
    assert world.state() is None
    assert all(process.shared.calm and not process.fleet.sharing.outs for process in world.processes)


def test_the_permit_of_a_call_that_nobody_hears_of_any_more_is_not_renewed_for_ever() -> None:
    """Its event loop has ended without a word: no call takes so long."""
    world = World(2)
    gone, waiter = world[0].caller(most=1), world[1].caller(most=1, patience=2 * gate.LEASE)
    assert [it.look().kind for it in (gone, waiter)] == ["go", "wait"]
    assert world.advance(gate.LEASE - 10) == []
    assert world.advance(sharing.LEASE + 30) == [waiter]


def test_a_permit_that_the_collector_left_behind_comes_back_though_no_call_comes_by() -> None:
    """An idle process would renew it for ever: it is given back with the next sign of life."""
    world = World(2)
    caller, waiter = world[0].caller(most=1), world[1].caller(most=1)
    assert [it.look().kind for it in (caller, waiter)] == ["go", "wait"]
    world[0].shared.later(GATE, partial(gate.leave, ticket=caller.ticket))
    assert set(world.state()["out"]) == {caller.ticket}
    world[0].member.beat()
    world[0].member.release()
    assert caller.ticket not in world.state()["out"]


def test_the_permit_of_a_dead_process_comes_back_and_that_of_a_living_one_does_not() -> None:
    """By its lease, which only lives on where somebody renews it."""
    world = World(3)
    held = [world[number].caller(most=2) for number in (0, 1)]
    assert [it.look().kind for it in held] == ["go", "go"]
    waiter = world[2].caller(most=2, patience=600)
    assert waiter.look().kind == "wait"
    assert world.advance(3 * sharing.LEASE) == []
    world[0].die()
    assert world.advance(sharing.LEASE - 6) == []
    assert world.advance(10) == [waiter]
    assert set(world.state()["out"]) == {held[1].ticket, waiter.ticket}


def test_a_stream_keeps_its_permit_until_it_ends() -> None:
    """For as long as it takes, renewed like the others."""
    world = World()
    caller = world[0].caller(most=1)
    caller.look()
    caller.told("good", stays=True)
    world.advance(3 * sharing.LEASE)
    waiter = world[1].caller(most=1)
    assert waiter.look().kind == "wait"
    caller.leave()
    assert world.advance(0) == [waiter]


def test_who_cannot_wait_is_not_refused_for_who_is_just_asking() -> None:
    """Permits are free; another call of its process is on its way to the store."""
    world = World()
    world[0].member.how = lambda name: "held"
    asking, hasty = world[0].caller(most=10), world[0].caller(most=10, patience=0)
    first = world[0].start(GATE, asking.step())
    second = world[0].start(GATE, hasty.step())
    world[0].member.release()
    first.go_on()
    second.go_on()
    assert second.value.kind == "go"


def test_the_place_of_a_dead_process_holds_the_others_up_for_a_moment() -> None:
    """It looks no more, though it could have waited for long."""
    world = World(3)
    caller = world[0].caller(most=1)
    caller.look()
    lost, waiter = world[1].caller(most=1, ago=2, patience=600), world[2].caller(most=1)
    for it in (lost, waiter):
        assert it.look().kind == "wait"
    world[1].die()
    caller.told("good")
    assert world.advance(6.0) == [waiter]


def test_a_ring_comes_home_too() -> None:
    """Whoever comes back rings the next also where that is in its own process."""
    world = World(2)
    caller, waiter = world[0].caller(most=1, ago=1), world[0].caller(most=1)
    assert [it.look().kind for it in (caller, waiter)] == ["go", "wait"]
    caller.told("good")
    assert waiter.bell.rest(0)
