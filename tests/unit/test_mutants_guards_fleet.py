"""A fleet's gates and circuits: what is told and what is not, who is rung, and what is given back in the end."""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience.guards import gate, sharing
from tests.unit.fleet_kit import GATE, Caller, Process, World

GATE_2 = f"{GATE}-2"


def line(world: World) -> list[str]:
    return [it[1] for it in (world.state() or {"line": []})["line"]]


def out(world: World) -> set[str]:
    return set((world.state() or {"out": {}})["out"])


def full(world: World, number: int = 0) -> Caller:
    """Have the only permit there is taken."""
    caller = world[number].caller(most=1, ago=20.0)
    assert caller.look().kind == "go"
    return caller


def pair(process: Process) -> tuple[Caller, Caller]:
    """Have two stand in a process's line."""
    callers = process.caller(most=1, ago=9.0), process.caller(most=1, ago=5.0)
    assert [it.look().kind for it in callers] == ["wait", "wait"]
    return callers


def outage(world: World) -> None:
    """Have as many processes say so as must."""
    for process in world.processes[:3]:
        process.told("down")
        process.told("down")
    assert world.state()["cause"] == "down"
    world.names()


# --- what is told

TELLING: dict[str, tuple[list[str], list[str], list[str]]] = {
    "a refusal of the request, in an outage": (["outage"], ["3 other"], ["other"]),
    "a refusal of the request, while there is a limit": (["0 rate"], ["1 other"], []),
    "one failure more, in an outage": (["outage"], ["3 down"], ["down"]),
    "one failure, while there is a limit": (["0 rate"], ["1 down"], []),
    "failures with the last answer for now between": ([], ["0 down", "0 spent", "0 down"], ["spent"]),
    "a failure each at two gates": ([], ["0 down", "0 down 2"], []),
}


@pytest.mark.parametrize(("before", "ends", "told"), TELLING.values(), ids=TELLING)
def test_who_says_what_to_the_store(before: list[str], ends: list[str], told: list[str]) -> None:
    """What says nothing new is kept."""
    world = World(4)
    for it in before:
        if it == "outage":
            outage(world)
        else:
            world[0].told("rate", hint=30.0)
    world.names()
    said: list[str] = []
    for number, kind, *other in (it.split() for it in ends):
        world[int(number)].told(kind, key=GATE_2 if other else GATE, hint=1.0 if kind == "spent" else None)
        said += [kind for _ in world.names()]
    assert said == told


def test_as_many_failures_as_must_be_are_counted() -> None:
    """However long the process runs already."""
    world = World(1)
    assert [world[0].told("down", few=3).shut for _ in range(3)] == ["", "", "down"]


def test_a_second_limit_with_a_shorter_hint_is_one_more() -> None:
    """It is of an attempt that began after the first: it says that fewer may fly."""
    world = World(2)
    world[0].told("rate", hint=2.0, flying=10)
    limit = world.state()["limit"]
    world.now += 0.5
    world[1].told("rate", hint=0.5)
    assert world.state()["limit"] < limit


# --- what who waits is told

WHY: dict[str, tuple[str, int | None, str]] = {
    "a limit": ("rate", None, "rate"),
    "no more at a time": ("", 1, "full"),
    "no more at a time, and nobody has told of it yet": ("deaf", 1, "full"),
}


@pytest.mark.parametrize(("before", "most", "why"), WHY.values(), ids=WHY)
def test_who_stands_behind_another_is_told_why(before: str, most: int | None, why: str) -> None:
    """By what holds the first one up."""
    world = World(2)
    world.deaf = before == "deaf"
    if before == "rate":
        world[0].told("rate", hint=30.0)
    else:
        full(world)
    first, second = world[1].caller(most=most, ago=2.0), world[1].caller(most=most, ago=1.0)
    if before == "deaf":
        world[1].fleet.gates.turns.first(GATE, first.ticket, first.since, world[1].clock())
    else:
        assert first.look().why == why
    assert second.look().why == why
    assert second.kind == "wait"


@pytest.mark.parametrize("ahead", [1e6, -4000.0])
def test_the_first_looks_again_when_it_opens(ahead: float) -> None:
    """On its own clock, where that is sooner than it would anyway."""
    world = World(2, ahead=ahead)
    world[0].told("rate", hint=0.5)
    passage = world[1].caller().look()
    assert passage.at == pytest.approx(world[1].clock() + 0.5)


def test_a_word_of_a_newer_version_is_said_as_one_that_is_known() -> None:
    """What holds the call up there has no name here."""
    world = World(1)
    world.run = lambda by, key, step, ttl: gate.Passage("wait", world.time() + 9.0, "weather")  # type: ignore[method-assign]
    assert world[0].caller(most=1).look().why == "full"


# --- a place in line, and who is rung


@pytest.mark.parametrize("how", ["open", "refused", "down", "fails"])
def test_whoever_goes_another_way_leaves_its_place_and_the_next_looks(how: str) -> None:
    """Nobody waits for one who does not stand there any more."""
    world = World(2)
    holder = full(world)
    first, second = pair(world[1])
    assert line(world) == [first.ticket]
    if how == "open":
        first.most = None
        world[1].fleet.sharing.view.clear()
    elif how == "refused":
        holder.told("rate", hint=50.0)
        first.bound = world[1].clock() + 1.0
    elif how == "down":
        world[1].member.turn(up=False)
    else:
        world[1].member.how = lambda name: "fails" if name == "gate.ask" else "now"
    second.bell.rest(0)
    world[1].do(GATE, first.step())
    assert second.bell.rest(0) is (how != "down")
    world[1].member.turn(up=True)
    assert first.ticket not in line(world)
    if how == "down":
        assert second.bell.rest(0)


def test_all_who_wait_look_again_when_the_store_goes() -> None:
    """By the memory of their process, from then on."""
    world = World(2)
    full(world)
    waiting = pair(world[1])
    world[1].member.turn(up=False)
    assert [it.bell.rest(0) for it in waiting] == [True, True]


def test_the_first_looks_again_when_it_hears_that_the_gate_is_wide_open() -> None:
    """It alone: it rings the next itself."""
    world = World(2)
    full(world)
    first, second = pair(world[1])
    world[1].fleet.told(GATE, None, world.time())
    assert [it.bell.rest(0) for it in (first, second)] == [True, False]


@pytest.mark.parametrize("way", ["in this process's line", "in the fleet's only"])
def test_one_that_cant_be_woken_is_left_for_wherever_it_stands(way: str) -> None:
    """Its event loop is gone."""
    world = World(2)
    full(world)
    first, second = pair(world[1])
    if way == "in this process's line":
        world[1].fleet.vanished(second.ticket)
        third = world[1].caller(most=1, ago=1.0)
        third.look()
        first.leave()
        assert third.bell.rest(0)
    else:
        world[1].member.turn(up=False)
        world[1].fleet.vanished(first.ticket)
        world[1].member.turn(up=True)
        assert line(world) == []


def test_one_that_vanishes_while_it_asks_disturbs_nobody() -> None:
    """What it was granted is its own, until it would have been back."""
    world = World(1)
    world[0].member.how = lambda name: "held" if name == "gate.ask" else "now"
    caller = world[0].caller(most=1)
    running = world[0].start(GATE, caller.step())
    world[0].fleet.vanished(caller.ticket)
    world[0].member.release()
    running.go_on()
    assert running.value.kind == "go"


class Gone:
    """The bell of a waiter whose event loop is no more."""

    def ring(self) -> bool:
        return False


def test_the_bell_of_one_that_cant_be_woken_is_not_kept() -> None:
    """Nobody rests at it any more."""
    world = World(2)
    holder = full(world)
    lost = world[1].caller(most=1)
    lost.look()
    bells: Any = world[1].shared._bells
    bells[lost.ticket] = Gone()
    holder.told("good")
    assert lost.ticket not in bells


@pytest.mark.parametrize("how", ["leaves", "is told"])
def test_who_waits_in_the_same_process_is_rung_when_another_gives_back(how: str) -> None:
    """The store rings the others; its own it hears from what the step says."""
    world = World(1)
    world[0].member.how = lambda name: "held" if name == "gate.leave" else "now"
    holder = full(world)
    waiter = world[0].caller(most=1)
    waiter.look()
    holder.leave() if how == "leaves" else holder.told("other")
    assert not waiter.bell.rest(0)
    world[0].member.release()
    assert waiter.bell.rest(0)


def test_who_waits_is_rung_when_the_sweep_finds_a_permit_that_lapsed() -> None:
    """Whoever had it is gone."""
    world = World(2)
    full(world, 1)
    waiter = world[0].caller(most=1, patience=900.0)
    waiter.look()
    world[1].die()
    world.now += sharing.LEASE - 0.5
    assert waiter.look().kind == "wait"
    world.now += 1.0
    world[0].shared.sweep(world[0].clock())
    assert waiter.bell.rest(0)


# --- what is given back


@pytest.mark.parametrize("stream", [False, True])
def test_a_process_that_dies_at_once_holds_its_permit_no_longer_than_another(stream: bool) -> None:
    """It had no time to renew it."""
    world = World(2)
    world.beats = world.now + 1e9
    holder = full(world)
    if stream:
        world[0].told("rate", hint=0.01)
        holder.told("rate", stays=True, hint=0.01, began=world[0].clock() + 1)
        assert out(world) == {holder.ticket}
    world[0].die()
    world.now += sharing.LEASE + 1
    assert world[0].caller(most=1).look().kind == "go"


@pytest.mark.parametrize("kind", ["other", "rate"])
def test_an_answer_that_streams_keeps_its_permit_whatever_was_told(kind: str) -> None:
    """It is renewed until the stream ends, and given back then."""
    world = World(2)
    holder = full(world)
    holder.told(kind, stays=True, hint=0.01 if kind == "rate" else None)
    for _ in range(20):
        world.advance(5.0)
    assert out(world) == {holder.ticket}
    holder.leave()
    assert out(world) == set()


@pytest.mark.parametrize("kind", ["good", "rate"])
def test_a_stream_without_a_permit_has_none_to_give_back(kind: str) -> None:
    """It went while nobody counted."""
    world = World(2)
    caller = world[0].caller()
    assert caller.look().kind == "go"
    caller.told(kind, stays=True, hint=1.0)
    world.names()
    caller.leave()
    assert world.names() == []


ENDS = ["told while it is down", "told what is no news", "told as it fails"]


@pytest.mark.parametrize("how", ENDS)
def test_a_permit_comes_back_however_its_end_is_told(how: str) -> None:
    """At the latest when the store is there again."""
    world = World(2)
    holder, member = full(world), world[0].member
    if how == ENDS[0]:
        member.turn(up=False)
    elif how == ENDS[2]:
        member.how = lambda name: "fails" if name == "gate.told" else "now"
    holder.told("other" if how == ENDS[1] else "rate", hint=1.0)
    member.turn(up=True)
    assert out(world) == set()


def test_what_is_given_back_is_so_although_the_connection_broke() -> None:
    """It is said again."""
    world = World(2)
    holder, member = full(world), world[0].member
    member.how = lambda name: "cut" if name == "gate.leave" else "now"
    holder.leave()
    member.release()
    assert out(world) == set()


def test_one_that_asks_after_a_ring_that_was_not_for_it_keeps_what_it_is_given() -> None:
    """The ring's giving back, still under way, is of before."""
    world = World(1)
    member = world[0].member
    member.how = lambda name: "held" if name == "gate.leave" else "now"
    caller = world[0].caller(most=1)
    world[0].fleet.rung(GATE, caller.ticket)
    assert caller.look().kind == "go"
    member.release()
    assert out(world) == {caller.ticket}


def test_a_ring_for_one_that_has_come_and_gone_is_passed_on() -> None:
    """Nobody here waits with that name."""
    world = World(1)
    caller = full(world)
    caller.told("good")
    world.names()
    world[0].fleet.rung(GATE, caller.ticket)
    assert world.names() == ["gate.leave"]


def test_nothing_is_kept_of_calls_that_are_over() -> None:
    """However they ended."""
    world = World(2)
    for how in ("good", "other", "leave", "leave late", "vanish"):
        caller = full(world)
        waiter = world[1].caller(most=1, ago=1.0)
        waiter.look()
        if how == "leave":
            caller.leave()
        elif how == "leave late":
            world[0].member.how = lambda name: "held" if name == "gate.leave" else "now"
            caller.leave()
            world[0].member.release()
        elif how == "vanish":
            caller.kind = "vanished"
            world.advance(gate.LEASE + 60)
            assert world[0].fleet.sharing.outs == {}
        else:
            caller.told(how)
        waiter.leave()
    for process in world.processes:
        gates, ours = process.fleet.gates, process.fleet.sharing
        assert not [it for it in (ours.outs, ours._owed, gates.asked, gates.turns._lines, gates.turns._seen) if it]
