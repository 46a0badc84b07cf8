"""Outages in a fleet: how many must say so, circuits and the budget that all share, and when all is calm again."""

from __future__ import annotations

from functools import partial

import pytest

from anyint_resilience.guards import breaker
from tests.unit.fleet_kit import BUDGET, CIRCUIT, World

FEW = 2  # failures in a row that close it, for one process alone

FAILURES: dict[str, tuple[int, list[str], bool]] = {
    "alone, once": (1, ["0 down"], False),
    "alone, twice": (1, ["0 down"] * 2, True),
    "alone, with a success between": (1, ["0 down", "0 good", "0 down"], False),
    "one of many, once": (5, ["0 down"], False),
    "one of many, twice": (5, ["0 down"] * 2, False),
    "two of many, twice": (5, ["0 down", "1 down"] * 2, False),
    "three of many, twice": (5, ["0 down", "1 down", "2 down"] * 2, True),
    "three of many, once": (5, ["0 down", "1 down", "2 down"], False),
    "three of many, a success elsewhere between": (
        5,
        ["0 down", "1 down"] * 2 + ["4 good", "2 down", "2 down"],
        False,
    ),
    "both of two": (2, ["0 down", "1 down"] * 2, True),
    "one of two, twice": (2, ["0 down"] * 2, False),
}


@pytest.mark.parametrize(("processes", "ends", "closes"), FAILURES.values(), ids=FAILURES)
def test_failures_in_a_row(processes: int, ends: list[str], closes: bool) -> None:
    """A few failures of one process among many are no outage; several processes that say so are."""
    world = World(processes)
    shut = ""
    for number, kind in (end.split() for end in ends):
        world.now += 0.1
        shut = world[int(number)].told(kind, few=FEW).shut or shut
    assert shut == ("down" if closes else "")
    for process in world.processes:
        caller = process.caller(patience=0)
        assert caller.look().kind == ("refuse" if closes else "go")
        assert caller.passage.why == ("down" if closes else "")


@pytest.mark.parametrize("most", [None, 8])
@pytest.mark.parametrize("before", ["nothing", "a limit"])
def test_an_only_process_closes_as_it_does_alone(most: int | None, before: str) -> None:
    """Its second failure in a row does it, also where it has a permit, or a limit stands."""
    world = World(1)
    if before == "a limit":
        world[0].told("rate", hint=0.5, flying=20)
        world.now += 1.0
    shut = list[str]()
    for _ in range(FEW):
        caller = world[0].caller(most=most)
        assert caller.look().kind == "go"
        shut.append(caller.told("down", few=FEW).shut)
    assert shut == ["", "down"]


def test_one_call_of_the_fleet_finds_out_whether_it_is_over() -> None:
    """The others wait for it; its success lets them go, wherever they are."""
    world = World(3)
    for process in world.processes:
        process.told("down")
        process.told("down")
    callers = [process.caller(ago=5 - number) for number, process in enumerate(world.processes)]
    assert [it.look().kind for it in callers] == ["wait"] * 3
    went = next(went for went in iter(lambda: world.advance(0.01), None) if went)
    assert went == [callers[0]]
    assert world.advance(0.1) == []
    assert callers[0].told("good").opened
    assert world.advance(0.5) == callers[1:]


# --- circuits


def opened(world: World) -> None:
    """Have a circuit opened by failures of which no process had enough."""
    assert [world[number % 2].tell_circuit(good=False) for number in range(4)] == ["", "", "", "opened"]


@pytest.mark.parametrize("ahead", [0.0, 1e6])
def test_a_circuit_that_is_open_is_open_for_all(ahead: float) -> None:
    """Nobody asks while it is; the moment is one on each process's own clock."""
    world = World(3, ahead=ahead)
    opened(world)
    world.names()
    for process in world.processes:
        passage = process.ask_circuit()
        assert not passage.go
        assert passage.at == pytest.approx(process.clock() + 5.0)
        assert not process.shared.calm
    assert world.names() == []


@pytest.mark.parametrize("good", [True, False])
def test_a_few_probes_of_the_fleet_find_out(good: bool) -> None:
    """As many as for one process; one success closes it for all, one failure opens it anew."""
    world = World(3)
    opened(world)
    world.now += 5.0
    asked = [world[number].ask_circuit(f"p{number}.probe") for number in range(3)]
    assert [it.probe for it in asked] == [True, True, False]
    assert not asked[2].go
    assert asked[2].at == pytest.approx(world[2].clock() + breaker.LEASE)
    assert world[1].tell_circuit(good=good, ticket="p1.probe") == ("closed" if good else "")
    for process in world.processes:
        passage = process.ask_circuit(process.shared.ticket())
        assert passage == (breaker.Passage(True) if good else breaker.Passage(False, passage.at))
        assert process.shared.calm is good


def test_a_probe_that_is_not_sent_is_given_back() -> None:
    """Another process finds out instead."""
    world = World(2)
    opened(world)
    world.now += 5.0
    assert world[0].ask_circuit("p0.probe", probes=1).probe
    assert not world[1].ask_circuit("p1.probe", probes=1).go
    world[0].do(CIRCUIT, partial(breaker.leave, ticket="p0.probe"))
    assert world[1].ask_circuit("p1.probe", probes=1).probe


def test_good_outcomes_are_told_in_bulk() -> None:
    """While a circuit counts failures: all of them count, and few updates are made."""
    world = World(2)
    world[0].tell_circuit(good=False)
    world.names()
    for _ in range(10):
        for _ in range(10):
            assert world[1].tell_circuit(good=True) == ""
        world.now += 0.1
    assert len(world.names()) <= 5
    world.now += 0.3
    world[1].tell_circuit(good=True)
    assert sum(it[1] for it in world.state(CIRCUIT)["slots"]) == 101


@pytest.mark.parametrize("later", [20.0, 3600.0])
def test_good_outcomes_of_long_ago_count_no_more(later: float) -> None:
    """What was not told in time is not told at the beginning of the next outage."""
    world = World(2)
    world[0].tell_circuit(good=False)
    for _ in range(100):
        world[0].tell_circuit(good=True)
    world.now += later
    for process in world.processes:
        process.shared.sweep(process.clock())
    assert [world[0].tell_circuit(good=False) for _ in range(4)] == ["", "", "", "opened"]


# --- the budget


def test_the_budget_is_one_for_all() -> None:
    """Its reserve is not as large as there are processes; what succeeds anywhere earns."""
    world = World(4)
    assert [process.spend() for process in world.processes] == [True, True, False, False]
    assert world[0].spend(good=20)
    assert world[3].spend()
    assert not world[3].spend()
    assert set(world.names()) == {"budget.spend"}
    assert world.state(BUDGET)["tokens"] < 1
    assert all(process.shared.calm for process in world.processes)


# --- calm


@pytest.mark.parametrize("kind", ["rate", "spent", "quota", "down"])
def test_all_are_calm_again_some_time_after_the_last_word(kind: str) -> None:
    """By the sweep of one of them; failures of long ago are forgotten too."""
    world = World(3)
    for process in world.processes:
        for _ in range(FEW):
            process.told(kind, hint=1.0 if kind in ("rate", "spent") else None)
    assert [process.shared.calm for process in world.processes] == [False] * 3
    world.now += 2000.0
    for process in world.processes:
        process.shared.sweep(process.clock())
        process.shared.sweep(process.clock() + 11)
    assert world.state() is None
    assert [process.shared.calm for process in world.processes] == [True] * 3


@pytest.mark.parametrize(("end", "calm"), [("good", True), ("30", False), ("61", True)])
def test_a_failure_that_nobody_was_told_of_is_forgotten(end: str, calm: bool) -> None:
    """By a success, or after a minute; until then calls come by, so that the next one counts."""
    world = World(3)
    world[0].told("down")
    assert [process.shared.calm for process in world.processes] == [False, True, True]
    assert world.names() == []
    if end == "good":
        world[0].told("good")
    else:
        world.now += float(end)
        world[0].shared.sweep(world[0].clock())
    assert world[0].shared.calm is calm


def test_a_fork_has_none_of_its_parents_calls() -> None:
    """Nor what the parent knew; it begins to share by itself."""
    world = World(2)
    world[1].told("rate", hint=30.0)
    opened(world)
    waiter, held = world[0].caller(), world[0].caller(most=1)
    waiter.look()
    world[0].told("down")
    world[0].fleet.sharing.outs[held.ticket] = CIRCUIT
    world[0].shared.clear()
    fleet = world[0].fleet
    assert not fleet.sharing.view.standing
    assert not fleet.sharing.outs
    assert fleet.calm
    world.names()
    assert world[0].caller(patience=0).look().kind == "go"
    world.advance(5.0)
    assert "gate.renew" not in world.names()
