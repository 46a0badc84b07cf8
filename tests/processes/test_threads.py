"""Many threads at what all calls of a process share, with and without a GIL: no number is lost, and nothing breaks.

Must not know how any of it is guarded. The interpreter changes threads as often as it can.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from anyint_resilience import Guards
from anyint_resilience.contract.words import Certainty
from anyint_resilience.credentials import Credentials
from anyint_resilience.emulator import Emulator
from anyint_resilience.guards import budget, gate
from anyint_resilience.guards.shared import Shared
from anyint_resilience.guards.tally import Exact, Tally
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.tasks.ledger import Ledger
from anyint_resilience.tasks.timetable import Timetable
from tests.conformance.kit import CHAT
from tests.conformance.surfaces import Surface, surfaces
from tests.processes.kit import asked, hasty, opened, real

THREADS, TIMES = 8, 200


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def hammer(work: Callable[[int], object], times: int = TIMES) -> list[Any]:
    """Have each of the threads do something so many times, all at once; return all that came of it."""
    ready, ends = threading.Barrier(THREADS), list[Any]()

    def run(number: int) -> None:
        found: list[Any] = []
        try:
            ready.wait(30)
            for turn in range(times):
                found.append(work(number * times + turn))
        except BaseException as error:
            found.append(error)
        ends.extend(found)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(THREADS)]
    for it in threads:
        it.start()
    for it in threads:
        it.join(50)
        assert not it.is_alive(), "it hangs"
    assert [it for it in ends if isinstance(it, BaseException)] == []
    return ends


def clock() -> float:
    return 1000.0


class Counted(Tally):
    """A tally as it is where Python has no GIL."""

    __slots__ = ()
    good = Exact(Tally.__dict__["good"])  # type: ignore[assignment]
    out = Exact(Tally.__dict__["out"])  # type: ignore[assignment]

    def take(self) -> int:
        return Counted.__dict__["good"].swap(self)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", [Tally, Counted])
def test_no_request_that_went_out_and_came_back_is_miscounted(kind: type[Tally]) -> None:
    """``out`` and ``good`` are changed as the fast lanes do it, without a lock of theirs."""
    tally, taken = kind(), list[int]()

    def call(number: int) -> None:
        tally.out += 1
        tally.good += 1
        tally.out -= 1
        if number % 10 == 0:
            taken.append(tally.take())

    hammer(call, 1000)
    assert (tally.out, sum(taken) + tally.take()) == (0, THREADS * 1000)


def test_no_update_of_the_memory_store_is_lost() -> None:
    """Of many keys, with more of them than it keeps."""
    store = MemoryStore(clock, max_entries=50)
    add: Any = lambda state, now: ({"n": 1 if state is None else state["n"] + 1, "keep": True}, None)  # noqa: E731
    pass_by: Any = lambda state, now: ({"n": 0}, None)  # noqa: E731

    def update(number: int) -> None:
        store.update(f"k{number % 5}", add, 60.0)
        store.update(f"passing{number}", pass_by, 60.0)
        list(store.scan("k"))

    hammer(update)
    kept = {key: state["n"] for key, state in store.scan("k")}
    assert kept == {f"k{n}": THREADS * TIMES // 5 for n in range(5)}
    assert len(list(store.scan(""))) == 50


def test_no_two_attempts_have_one_ticket() -> None:
    """Places, permits and bells are told apart by it."""
    shared = Shared(MemoryStore(clock))
    found = hammer(lambda number: shared.ticket(), 1000)
    assert len(set(found)) == len(found)


def test_the_retry_budget_gives_no_token_twice() -> None:
    """Nor loses one: what it had, and what was earned, is what was given and what is left."""
    shared = Shared(MemoryStore(clock))
    step = partial(budget.spend, good=1, reserve=100.0, ratio=0.25)
    given = Counter(hammer(lambda number: shared.change("budget:k:host", step)))
    more = 0
    while shared.change("budget:k:host", partial(budget.spend, good=0, reserve=100.0, ratio=0.25)):
        more += 1
    alone = Shared(MemoryStore(clock))
    wanted = Counter(alone.change("budget:k:host", step) for _ in range(THREADS * TIMES))
    rest = 0
    while alone.change("budget:k:host", partial(budget.spend, good=0, reserve=100.0, ratio=0.25)):
        rest += 1
    assert (given, more) == (wanted, rest)


def test_a_gate_lets_no_more_through_than_it_may() -> None:
    """Whoever got a place leaves it; while one is there it counts, and in the end all is calm."""
    shared, key = Shared(MemoryStore(clock)), "gate:k:host:openai:m"
    inside, most, lock = set[str](), list[int](), threading.Lock()

    def call(number: int) -> bool:
        ticket = shared.ticket()
        asking = partial(gate.ask, ticket=ticket, since=1000.0 + number, bound=1060.0, most=3, u=0.5)
        goes = shared.change(key, asking).kind == "go"
        if goes:
            with lock:
                inside.add(ticket)
                most.append(len(inside))
                inside.discard(ticket)
        shared.change(key, partial(gate.leave, ticket=ticket))
        shared.sweep(1000.0 + 20 * number)
        return goes

    assert any(hammer(call))
    assert max(most) <= 3
    shared.sweep(1e9)
    assert shared.calm


def test_of_the_same_create_one_goes_out() -> None:
    """Each of many, whoever comes first."""
    ledger = Ledger(MemoryStore(clock), spare=MemoryStore(clock), window=3600.0)
    known = {"facts": {"route": "POST /x", "created_at": 1.0}, "again": "replay", "mark": None}

    def create(number: int) -> str:
        key, ident = ledger.key(f"i{number % 50}"), ledger.ident()
        kind = str(ledger.store.update(key, ledger.enter(ident=ident, **known), 3600.0).kind)
        if kind == "go":
            ledger.store.update(key, ledger.leave(Certainty.COMMITTED, ident=ident, task=None, answer=None), 3600.0)
        return kind

    found = Counter(hammer(create))
    assert found["go"] == 50, found
    assert len(ledger.entries()) == 50


def test_keys_are_known_while_others_are_met() -> None:
    """What is looked for in a text is all that went out, however many come meanwhile."""
    credentials = Credentials("a-key-that-is-long")

    def use(number: int) -> bool:
        credentials.knows(f"another-key-{number}")
        return credentials.holds(f"{{'key': 'another-key-{number}'}}") and credentials.holds("x a-key-that-is-long y")

    assert all(hammer(use, 100))


def test_no_slot_of_a_query_is_given_out_twice() -> None:
    """So many a second and no more."""
    timetable = Timetable()
    found = hammer(lambda number: timetable.take("k", 0.0, 10.0))
    assert sorted(found) == pytest.approx([it / 10 for it in range(THREADS * TIMES)])


@surfaces(lambda it: not it.is_async)
def test_every_call_of_many_threads_is_counted_once(surface: Surface, emu: Emulator) -> None:
    """On one client: the gateway's count, what succeeded, and nothing is out in the end."""
    guards = Guards(max_concurrency=4, budget_reserve=1000.0, failures=1000)
    anyint = real(emu, runtime=hasty(), guards=guards)
    with opened(surface, anyint, pool=THREADS) as caller:
        ends = hammer(lambda number: asked(caller), 10)
    assert ends == [200] * (THREADS * 10)
    assert len(emu.requests("POST", CHAT)) == THREADS * 10
    tallies = {id(it.tally): it.tally for it in anyint.router._plans.values() if it is not None}
    assert [it.out for it in tallies.values()] == [0]
    assert sum(it.good for it in tallies.values()) == THREADS * 10
