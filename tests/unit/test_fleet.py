"""What a fleet's processes learn of one another at a gate: who waits, who goes, who asks, and who need not."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from anyint_resilience.guards import gate
from tests.unit.fleet_kit import GATE, Caller, World

HINT = 2.0
skews = pytest.mark.parametrize("ahead", [0.0, 1e6, -4000.0])


def served(world: World, seconds: float, kind: str = "good", took: float = 0.1) -> list[Caller]:
    """Let time pass; each call that goes is answered a moment later. Returns them in the order in which they went."""
    went: list[Caller] = []
    for _ in range(round(seconds / took)):
        for caller in world.advance(took):
            went.append(caller)
            caller.told(kind)
    return went


# --- nothing is the matter


@pytest.mark.parametrize("processes", [1, 3])
def test_good_calls_ask_nobody(processes: int) -> None:
    """Not the gate, not the circuit; and all is calm, so that the fast lane is open."""
    world = World(processes)
    for process in world.processes:
        for _ in range(20):
            assert process.caller().look().kind == "go"
            process.told("good")
            assert process.ask_circuit().go
            assert process.tell_circuit(good=True) == ""
        assert process.shared.calm
    assert world.names() == []
    assert world.state() is None


@pytest.mark.parametrize("kind", ["good", "other"])
def test_what_says_nothing_is_told_nobody(kind: str) -> None:
    """A refusal of the request is no news of the gateway."""
    world = World()
    assert world[0].told(kind) == gate.Told()
    assert world.names() == []


def test_a_process_that_has_not_begun_is_not_calm() -> None:
    """Its first call comes by, and learns what the others know."""
    world = World()
    world[0].told("rate", hint=HINT)
    world[1].member.started = False
    world[1].shared.come(world[1].said.append)
    assert world[1].member.started
    assert not world[1].shared.calm
    assert world[1].said == []


# --- a limit


@skews
@pytest.mark.parametrize("kind", ["rate", "spent", "quota"])
def test_what_one_is_told_all_know(ahead: float, kind: str) -> None:
    """Who can't wait so long is refused, without asking, until when it says on his own clock."""
    world = World(3, ahead=ahead)
    world[0].told(kind, hint=HINT)
    world.names()
    for process in world.processes:
        assert not process.shared.calm
        caller = process.caller(patience=HINT / 2)
        assert caller.look().kind == "refuse"
        assert caller.passage.why == ("quota" if kind == "quota" else "rate")
        assert caller.passage.at == pytest.approx(process.clock() + HINT)
    assert world.names() == []


@pytest.mark.parametrize("error", [0.0, 0.2, -0.2])
def test_the_oldest_call_of_the_fleet_goes_first(error: float) -> None:
    """One after the other, whichever process it is in; each of them only when it was its turn."""
    world = World(3)
    world[1].member.backend.error = error
    world[0].told("rate", hint=HINT)
    ages = [(1, 1.5), (2, 3.0), (1, 9.0), (2, 7.0), (0, 5.0)]
    callers = {ago: world[number].caller(ago=ago) for number, ago in ages}
    for caller in callers.values():
        assert caller.look().kind == "wait"
    assert served(world, HINT - 0.5) == []
    went = served(world, 20)
    assert went == [callers[ago] for ago in sorted(callers, reverse=True)]


@pytest.mark.parametrize("kind", ["rate", "spent"])
def test_they_go_one_after_the_other_when_it_opens(kind: str) -> None:
    """Not all in one moment, and no more of them at a time than the limit allows."""
    world = World(2)
    world[0].told(kind, hint=10.0)
    for process in world.processes:
        for _ in range(4):
            assert process.caller().look().kind == "wait"
    for _ in range(2000):
        went = world.advance(0.01)
        assert len(went) < 8
        held = world.state()
        assert held is None or held["limit"] is None or len(held["out"]) <= max(1, held["limit"])
        for caller in went:
            caller.told("good")
    assert all(it.kind == "over" for process in world.processes for it in process.callers)


def test_only_the_first_of_a_process_asks() -> None:
    """The others stand behind it in its own line, and look again without a word to the store."""
    world = World()
    world[0].told("rate", hint=HINT)
    first, *others = (world[1].caller(ago=10.0 - number) for number in range(5))
    for caller in (first, *others, *others):
        assert caller.look().kind == "wait"
        assert caller.passage.at <= world[1].clock() + 10.0
    assert world.names() == ["gate.told", "gate.ask"]
    assert [row[1] for row in world.state()["line"]] == [first.ticket]


@pytest.mark.parametrize("end", ["goes", "leaves", "is refused"])
def test_the_next_of_a_process_is_rung_when_the_first_has_gone(end: str) -> None:
    """However that came: nobody stands in line for nobody."""
    world = World()
    world[0].told("rate", hint=HINT)
    first, second = world[1].caller(ago=2), world[1].caller(ago=1)
    for caller in (first, second):
        caller.look()
    if end == "leaves":
        first.leave()
    else:
        world.now += HINT + 1
        if end == "is refused":
            world[0].told("rate", hint=HINT)
            first.bound = world[1].clock() + 0.1
        first.look()
    assert first.kind == {"goes": "go", "leaves": "over", "is refused": "refused"}[end]
    assert second.bell.rest(0)


@pytest.mark.parametrize("late", [0.05, 0.5, 3.0])
def test_a_hint_is_told_again_only_where_it_reaches_further(late: float) -> None:
    """Those that were out already when it closed say the same, a moment later."""
    world = World()
    began = world[1].clock()
    world.now += 0.5
    world[0].told("rate", hint=HINT)
    world.names()
    world[1].told("rate", hint=HINT + late, began=began)
    assert world.names() == (["gate.told"] if late > 0.1 else [])
    assert world.state()["until"] == pytest.approx(world.time() + HINT + (late if late > 0.1 else 0))


# --- rings and news


def test_a_ring_goes_to_the_process_whose_turn_it_is() -> None:
    """To no other; and until it comes the others wait."""
    world = World(3)
    caller = world[0].caller(most=1)
    caller.look()
    waiters = [world[number].caller(most=1, ago=5 - number) for number in (1, 2)]
    for it in waiters:
        it.look()
    world.news = []
    caller.told("good")
    assert [it.bell.rest(0) for it in waiters] == [False, False]
    world.deliver()
    assert [it.bell.rest(0) for it in waiters] == [True, False]


def test_a_ring_that_comes_late_takes_no_permit() -> None:
    """Its waiter has looked again by itself meanwhile, and is out."""
    world = World()
    caller = world[0].caller(most=1)
    caller.look()
    waiter = world[1].caller(most=1)
    waiter.look()
    world.news = []
    caller.told("good")
    assert waiter.look().kind == "go"
    world.deliver()
    assert set(world.state()["out"]) == {waiter.ticket}
    assert world[0].caller(most=1).look().kind == "wait"


def test_a_ring_for_one_that_waits_no_more_lets_the_next_go() -> None:
    """Its place was forgotten, by whatever mishap: the others do not wait for it."""
    world = World(3)
    caller = world[0].caller(most=1)
    caller.look()
    lost, waiter = world[1].caller(most=1, ago=2), world[2].caller(most=1)
    for it in (lost, waiter):
        it.look()
    lost.kind = "lost"
    world[1].fleet.gates.asked.clear()
    caller.told("good")
    assert world.advance(0) == [waiter]


def test_a_lost_ring_costs_a_moment() -> None:
    """The first of each process looks again by itself, whatever it heard."""
    world = World()
    world.deaf = True
    caller = world[0].caller(most=1)
    caller.look()
    waiter = world[1].caller(most=1)
    waiter.look()
    caller.told("good")
    assert world.advance(2.5) == [waiter]


class Gone:
    """The bell of a waiter whose event loop is no more."""

    def ring(self) -> bool:
        return False


def test_a_waiter_whose_event_loop_is_gone_is_left_for() -> None:
    """Its place is given back, so that the next one goes."""
    world = World(3)
    caller = world[0].caller(most=1)
    caller.look()
    lost, waiter = world[1].caller(most=1, ago=2), world[2].caller(most=1)
    for it in (lost, waiter):
        it.look()
    bells: Any = world[1].shared._bells
    bells[lost.ticket] = Gone()
    lost.kind = "lost"
    caller.told("good")
    assert world.advance(0) == [waiter]
    assert world.state()["line"] == []


def test_news_that_come_late_are_no_news() -> None:
    """What was said of an earlier moment does not close again what is open."""
    world = World()
    world.news = []
    world[0].told("quota", hint=HINT)
    world.now += HINT
    world[0].caller().look()
    world.now += 0.1
    world[0].told("good")
    assert world.state() is None
    for news in reversed(world.news):
        news()
    assert len(world.news) > 1
    assert world[1].caller(patience=0).look().kind == "go"
    assert world[1].shared.calm


@pytest.mark.parametrize("jump", [0.2, -0.2])
def test_a_clock_of_the_store_that_jumps_a_little_loses_nobody(jump: float) -> None:
    """Those who stand in line keep their places, and all of them go."""
    world = World(3)
    world[0].told("rate", hint=HINT)
    callers = [world[number % 3].caller(ago=9 - number) for number in range(6)]
    for it in callers:
        it.look()
    world.ahead += jump
    for it in callers:
        assert it.look().kind == "wait"
    assert len(world.state()["line"]) == 3
    assert served(world, 20) == callers


def test_a_permit_is_told_by_the_name_of_its_process() -> None:
    """No two processes have tickets of one name."""
    world = World(3)
    tickets = [process.shared.ticket() for process in world.processes for _ in range(3)]
    assert len(set(tickets)) == 9
    step = partial(gate.leave, ticket="p0.nobody")
    assert world[0].do(GATE, step) == gate.Told()
    assert world.names() == []
