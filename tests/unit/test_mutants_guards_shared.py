"""Where a step of the guards is run, whose calls a process makes, and what is kept of hosts and states."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from anyint_resilience.guards import gate, shared
from anyint_resilience.guards.joining import JOIN, join
from anyint_resilience.guards.shared import MOST_STATES, Shared, guards_of, shared_guards
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.flows import Pending
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import State, StoreError
from tests.unit.fleet_kit import ACCOUNT, GATE, PACE, World
from tests.unit.fleet_member import Member, Running

OTHER = "gate:bbbbbbbb:host:openai:m"
HOSTS = 4096


def seen(state: State | None, now: float) -> tuple[State | None, State | None]:
    """Look at a state: a step that has no arguments."""
    return state, state


def told(kind: str, now: float, **how: Any) -> Any:
    how = {"began": now, "few": 1, "hint": 30.0, "pace": PACE, "flying": 1, "u": 0.0, "stays": False, **how}
    return partial(gate.told, ticket="", kind=kind, **how)


# --- where a step is run


def done(it: Shared, way: str, key: str, step: Any) -> None:
    if way == "changing":
        assert Running(it.changing(key, step, lambda error: None)).done
    else:
        getattr(it, way)(key, step)


@pytest.mark.parametrize("way", ["change", "changing", "tell"])
def test_a_process_alone_has_its_states_itself(way: str) -> None:
    """However the step came."""
    it = Shared(MemoryStore(lambda: 0.0))
    done(it, way, GATE, told("rate", 0.0))
    assert it.change(GATE, seen)["cause"] == "rate"
    assert it.change(OTHER, seen) is None


@pytest.mark.parametrize("how", ["now", "fails"])
@pytest.mark.parametrize("way", ["change", "changing", "tell"])
def test_a_fleet_has_them_at_its_store_or_here_where_that_fails(way: str, how: str) -> None:
    """Also a step that has no arguments, of which the guards know nothing."""
    world = World(2)
    world[0].member.how = lambda name: how
    done(world[0].shared, way, GATE, told("rate", world[0].clock()))
    assert (world.state() is None) is (how == "fails")
    assert world[0].shared.change(GATE, seen)["cause"] == "rate"
    assert world[0].shared.change(OTHER, seen) is None


# --- whose guards a configuration has


def test_configurations_with_the_real_clock_and_no_shared_store_have_one() -> None:
    """Who has a clock of his own has guards of his own, which go by it."""
    assert guards_of(None, Runtime()) is guards_of(MemoryStore(lambda: 0.0), Runtime()) is shared_guards()
    now = 50.0
    mine = Runtime(monotonic=lambda: now)
    one = guards_of(None, mine)
    assert one is not shared_guards()
    assert one is not guards_of(None, mine)
    one.change(GATE, told("rate", now))
    assert one.change(GATE, seen)["until"] == now + 30.0


def test_configurations_of_one_store_have_one() -> None:
    """With a memory of this process, which goes by its clock, for when the store is away."""
    world = World(0)
    member = Member(world, "p9")
    store: Any = SimpleNamespace(member=member)
    now = 50.0
    mine = Runtime(monotonic=lambda: now)
    one = guards_of(store, mine)
    assert one is guards_of(store, mine) is not shared_guards()
    assert one.fleet is not None
    assert one.ticket().startswith("p9.")
    one.come(lambda error: None)
    one.change(GATE, told("rate", now))
    assert world.state()["until"] == world.time() + 30.0
    member.turn(up=False)
    one.change(OTHER, told("rate", now))
    assert one.change(OTHER, seen)["until"] == now + 30.0


def test_a_forked_child_has_nothing_of_its_parents() -> None:
    """What a child does first is done here, where it can be seen; the lock that a thread of the parent held is free."""
    it = Shared(MemoryStore(lambda: 0.0))
    it.change(GATE, told("quota", 0.0))
    with shared._sharing:
        shared._forked()
        assert it.calm
        store: Any = SimpleNamespace(member=Member(World(0), "p9"))
        assert guards_of(store, Runtime()).fleet is not None


def test_a_store_that_is_no_memory_stays_when_all_is_forgotten() -> None:
    """What is in it is not this process's alone."""
    memory = MemoryStore(lambda: 0.0)
    store: Any = SimpleNamespace(update=memory.update)
    it = Shared(store)
    it.change(GATE, told("quota", 0.0))
    it.clear()
    assert it.calm
    assert it.change(GATE, seen)["cause"] == "quota"


# --- whose calls a process makes

ACCOUNTS: dict[str, tuple[list[str | None], bool]] = {
    "its own only": ([], True),
    "another besides": (["bbbbbbbb"], False),
    "a third one": (["cccccccc"], True),
    "whoever's comes": ([None], False),
    "as many as are counted": ([f"{number:08}" for number in range(9_999)], True),
    "as many, and one of them again": ([*(f"{number:08}" for number in range(9_999)), ACCOUNT], True),
    "more than are counted": ([f"{number:08}" for number in range(10_000)], False),
}


@pytest.mark.parametrize(("accounts", "calm"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_the_trouble_of_others_is_none_of_this_process(accounts: list[str | None], calm: bool) -> None:
    """Of accounts whose calls it makes; of too many, all trouble there is."""
    world = World(2)
    world[1].fleet.makes_calls_of(accounts)
    world[0].told("rate", key=OTHER, hint=30.0)
    assert world[1].shared.calm is calm


def test_a_process_learns_from_its_calls_whose_they_are() -> None:
    """A key that comes with a call is one of its own from then on."""
    world = World(2)
    world[1].told("good", key=OTHER)
    world[0].told("rate", key=OTHER, hint=30.0)
    assert not world[1].shared.calm


@pytest.mark.parametrize("answers", [True, False])
def test_to_join_is_nobodys_call(answers: bool) -> None:
    """It waits as long as it may; a store that says nothing by then does not hold the call up."""
    world = World(2)
    asked: list[float] = []

    def joining(patience: float) -> Pending:
        asked.append(patience)
        pending = Pending("the store", patience)
        pending.tell(error=None if answers else StoreError("it said nothing"))
        return pending

    member: Any = world[1].member
    member.joining = joining
    world[1].do(JOIN, partial(join, patience=2.5))
    assert asked == [2.5]
    world[0].told("rate", key=OTHER, hint=30.0)
    assert world[1].shared.calm


# --- what is kept


def test_so_many_hosts_are_counted_and_no_more() -> None:
    """One more, and all of them are counted anew."""
    it = Shared(MemoryStore(lambda: 0.0))
    first = it.tally("0")
    for number in range(HOSTS):
        it.tally(str(number))
    assert it.tally("0") is first
    it.tally("one more")
    assert it.tally("0") is not first


@pytest.mark.parametrize("more", [0, 1])
def test_of_so_many_states_none_is_overlooked(more: int) -> None:
    """The one that was told of longest ago is forgotten for one more, and that one holds no peace up."""
    it = Shared(MemoryStore(lambda: 0.0, max_entries=MOST_STATES))
    keys = [f"gate:a:host:openai:{number}" for number in range(MOST_STATES + more)]
    for key in keys:
        it.change(key, told("down", 0.0, few=9))
    for key in keys[1:-1]:
        it.change(key, told("good", 0.0))
    assert not it.calm
    it.change(keys[-1], told("good", 0.0))
    assert it.calm is (more > 0)
