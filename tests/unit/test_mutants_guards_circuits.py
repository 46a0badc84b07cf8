"""A fleet's circuits; what a process goes on with when the store is away; and what its calls hear of that."""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience.stores.protocol import State
from tests.unit.fleet_kit import CIRCUIT, GATE, World

skews = pytest.mark.parametrize("ahead", [0.0, 1e6])


def seen(state: State | None, now: float) -> tuple[State | None, State | None]:
    """Look at a state."""
    return state, state


def opened(world: World) -> None:
    """Have a circuit opened by failures of which no process had enough."""
    assert [world[number % 2].tell_circuit(good=False) for number in range(4)] == ["", "", "", "opened"]
    world.names()


def counted(world: World) -> tuple[int, int]:
    """Return how many good and bad outcomes count."""
    slots = world.state(CIRCUIT)["slots"]
    return sum(it[1] for it in slots), sum(it[2] for it in slots)


# --- circuits


def test_good_outcomes_are_told_nobody_while_no_circuit_counts() -> None:
    """However long that is."""
    world = World(2)
    for _ in range(5):
        assert world[0].tell_circuit(good=True) == ""
        world.now += 1.0
    assert world.names() == []


def test_a_success_of_after_it_opened_closes_it_for_all_at_once() -> None:
    """It is no probe, only late; and none that is told in bulk."""
    world = World(3)
    opened(world)
    world.now += 5.0
    assert world[2].tell_circuit(good=True) == "closed"
    assert world.state(CIRCUIT) is None


def test_good_outcomes_of_before_it_was_forgotten_count_no_more() -> None:
    """It counts anew from the next failure."""
    world = World(2)
    world[0].tell_circuit(good=False)
    for _ in range(3):
        world[1].tell_circuit(good=True)
    world.store.update(CIRCUIT, lambda state, now: (None, None), 1.0)
    world[1].member.look()
    world[1].tell_circuit(good=True)
    world[0].tell_circuit(good=False)
    world.now += 0.3
    world[1].tell_circuit(good=True)
    world.now += 0.3
    world[1].tell_circuit(good=True)
    assert counted(world) == (2, 1)


def test_a_circuit_that_nobody_asks_any_more_is_forgotten_by_all() -> None:
    """As a gate is: the sweep says so to the store."""
    world = World(2)
    opened(world)
    world.now += 100.0
    world[0].shared.sweep(world[0].clock())
    assert world.state(CIRCUIT) is None


# --- what a process goes on with alone


@skews
def test_a_circuit_that_was_open_stays_open_until_then(ahead: float) -> None:
    """On the clock of this process; then one that probes finds out."""
    world = World(2, ahead=ahead)
    opened(world)
    world[1].member.turn(up=False)
    passage = world[1].ask_circuit("a")
    assert not passage.go
    assert passage.at == pytest.approx(world[1].clock() + 5.0)
    world.now += 5.0
    assert world[1].ask_circuit("a").probe
    assert world[1].tell_circuit(good=True, ticket="a") == "closed"


def test_a_circuit_that_only_counted_is_closed() -> None:
    """One failure here begins anew."""
    world = World(2)
    world[0].tell_circuit(good=False)
    world[1].member.turn(up=False)
    assert world[1].ask_circuit("a").go
    assert world[1].shared.change(CIRCUIT, seen) is None


@skews
def test_a_quota_is_found_out_about_when_it_would_have_been(ahead: float) -> None:
    """Not before, and by one call."""
    world = World(2, ahead=ahead)
    world[0].told("quota")
    wait = world.state()["probe"] - world.time()
    assert wait > 1.0
    world[1].member.turn(up=False)
    passage = world[1].caller().look()
    assert passage.kind == "refuse"
    assert passage.at == pytest.approx(world[1].clock() + wait)
    world.now += wait + 0.01
    assert [world[1].caller().look().kind for _ in range(2)] == ["go", "refuse"]


@pytest.mark.parametrize("peers", [0, 1, 4])
def test_the_limit_is_shared_among_those_who_were_there(peers: int) -> None:
    """Who was alone has all of it."""
    world = World(1)
    world[0].told("rate", hint=30.0, flying=40)
    limit = world.state()["limit"]
    world[0].member.peers = peers
    world[0].member.turn(up=False)
    state: Any = world[0].shared.change(GATE, seen)
    assert state["limit"] == pytest.approx(limit / max(1, peers))


# --- what its calls hear of the store


def test_of_many_changes_meanwhile_the_last_two_are_told() -> None:
    """That it came back, and that it is gone again."""
    world = World(1)
    for up in (False, True, False):
        world[0].member.turn(up=up)
    world[0].shared.come(world[0].said.append)
    assert [type(it).__name__ for it in world[0].said] == ["NoneType", "StoreError"]
    assert world[0].said[-1].why == "gone"


def test_a_forked_child_has_missed_nothing() -> None:
    """Its store is there from the start, as far as it knows."""
    world = World(1)
    world[0].shared.clear()
    world[0].member.turn(up=True)
    world[0].shared.come(world[0].said.append)
    assert world[0].said == []


def test_no_news_are_of_the_future() -> None:
    """What one process says by a clock that is wrong does not make the others' words old for long."""
    world = World(1)
    fleet = world[0].fleet
    world[0].told("rate", hint=30.0)
    brief = world.briefs()[GATE]
    fleet.told(GATE, brief, world.time() + 900.0)
    world.now += 1.5
    fleet.told(GATE, None, world.time())
    assert world[0].shared.calm
