"""How the ledger keeps its books on a store of this machine that fails now and then. Must not know any client."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

import pytest

from anyint_resilience import Certainty, StoreError
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.tasks import arrears
from anyint_resilience.tasks.ledger import Ledger
from tests.unit.books_kit import noted
from tests.unit.test_ledger import WINDOW, Books

KEY = "create:i"


def other_on(books: Books) -> Books:
    """Return another process's ledger on the same store."""
    made = Books(books.store.inner)
    made.clock = books.clock
    return made


# --- what paid twice, or took long


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("how", ["its store failed", "nobody drove it any more"])
def test_a_create_went_out_before_its_store_was_told_that_the_one_before_is_unknown(strict: bool, how: str) -> None:
    """The store failed at being told, and answered what came next: so the same was sent again, and paid for twice."""
    books = Books(strict=strict)
    assert books.enter() == "go"
    if how == "its store failed":
        books.store.fails = iter((True, True))
        books.leave(Certainty.UNKNOWN)
    else:
        books.store.fails = iter((True,))
        books.ledger.later(KEY, books.left(Certainty.UNKNOWN))
    assert books.enter() == "refuse"
    assert [it["fate"] for it in books.stored()] == (["unknown"] if strict else ["in_flight"])
    assert books.enter() == "refuse"
    assert [it["fate"] for it in books.stored()] == ["unknown"]


@pytest.mark.parametrize("strict", [False, True])
def test_what_a_store_is_still_to_be_told_is_told_once(strict: bool) -> None:
    """To go by it meanwhile is not to have told it: forgotten, it stays so."""
    books = Books(strict=strict)
    books.enter()
    books.store.fails = iter((True,))
    books.ledger.later(KEY, books.left(Certainty.UNKNOWN))
    assert books.enter() == "refuse"
    assert books.ledger.forget("i") is True
    assert books.ledger.unknown() == ()
    assert books.enter() == "go"


class Key(str):
    """A key that counts how often it is compared."""

    compared = 0
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        Key.compared += 1
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        Key.compared += 1
        return str.__ne__(self, other)

    __hash__ = str.__hash__


def test_creates_that_wait_for_their_store_were_looked_through_once_for_each_of_them() -> None:
    """Of ten thousand that was half a minute, in which the first call after an outage waited."""
    books = Books()
    for number in range(300):
        books.ledger.later(Key(f"create:{number}"), books.left(Certainty.UNKNOWN))
    Key.compared = 0
    assert books.enter() == "go"
    assert len(books.stored()) == 301
    assert Key.compared < 300 * 10


# --- what a ledger is to begin with


def test_a_ledger_is_strict_only_where_that_is_said() -> None:
    """Else this process's memory serves while the store fails."""
    books, own = noted()
    books.store.fails = iter((True,))
    assert books.enter() == "go"
    assert own.fates() == {"i": ["in_flight"]}


def test_while_its_store_serves_nothing_is_asked_of_the_spare_memory() -> None:
    """Of a store of this machine it has nothing to remember."""
    books, own = noted()
    for certainty in (Certainty.REJECTED, Certainty.UNKNOWN):
        assert books.enter() == "go"
        books.leave(certainty)
    assert books.enter() == "refuse"
    assert own.asked == []


@pytest.mark.parametrize("leased", [False, True])
def test_what_a_store_calls_its_member_is_used_only_where_it_has_leases(leased: bool) -> None:
    """And need not be there."""

    class Odd(MemoryStore):
        pass

    books = Books()
    store: Any = Odd(books.clock)
    setattr(store, "leased" if leased else "member", True)
    books.ledger = Ledger(store, spare=books.spare, window=WINDOW)
    assert books.enter() == "go"
    books.leave(Certainty.UNKNOWN)
    assert books.enter() == "refuse"


def test_of_what_waits_for_its_store_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an end to what is kept for it."""
    monkeypatch.setattr(arrears, "MOST", 3)
    books = Books()
    for number in range(5):
        books.ledger.later(f"create:{number}", books.left(Certainty.UNKNOWN))
    assert sorted(books.fates()) == ["2", "3", "4"]


# --- what stands apart, and for how long


@pytest.mark.parametrize(
    "left",
    [(True, False), (True, True), (True, True, True, True)],
    ids=["the store heard the end itself", "it was told later", "others wait still"],
)
def test_what_the_store_knows_again_another_process_may_forget(left: tuple[bool, ...]) -> None:
    """From then on the store's word counts, and not this process's memory of how it was."""
    books = Books()
    books.store.fails = iter(left)
    for intent in ("i", "j")[: len(left) // 2]:
        books.enter(intent=intent)
        books.leave(Certainty.UNKNOWN, intent=intent)
    assert books.enter(intent="k" if len(left) == 2 else "i") == ("go" if len(left) == 2 else "refuse")
    assert other_on(books).ledger.forget("i") is True
    assert books.enter() == "go"


def test_what_the_store_is_told_later_the_spare_memory_is_told_too() -> None:
    """Where that has served for it; else it would have it on its way for a day."""
    books, own = noted()
    books.store.fails = iter((True,))
    books.enter()
    books.ledger.later(KEY, books.left(Certainty.UNKNOWN))
    books.enter(intent="j")
    assert own.fates() == {"i": ["unknown"]}


def test_a_create_that_the_store_refused_is_not_on_its_way_in_the_spare_memory() -> None:
    """Though that has served for it, and would have let it go."""
    books, own = noted()
    books.store.fails = iter((True, True))
    books.enter()
    books.leave(Certainty.REJECTED)
    other = other_on(books)
    other.enter()
    other.leave(Certainty.UNKNOWN)
    assert books.enter() == "refuse"
    assert own.fates() == {"i": ["rejected"]}


@pytest.mark.parametrize("error", [ValueError, IndexError])
def test_what_another_thread_has_taken_is_its_own(error: type[Exception]) -> None:
    """It was faster, or is in the middle of it; the rest is told all the same."""
    books = Books()
    books.enter()

    class Contended(deque[Any]):
        def remove(self, value: Any) -> None:
            if error is not IndexError or value[0] != KEY:
                super().remove(value)
            if value[0] == KEY:
                raise error

    held = vars(vars(books.ledger)["_arrears"])["_waiting"] = Contended()
    for intent in ("i", "j"):
        books.ledger.later(books.ledger.key(intent), books.left(Certainty.UNKNOWN))
    assert books.fates() == {"i": "in_flight", "j": "unknown"}
    assert [key for key, _ in held] == ([KEY] if error is IndexError else [])


# --- a store that fails


@pytest.mark.parametrize("strict", [False, True])
def test_a_strict_create_is_tried_for_longer(strict: bool) -> None:
    """Also where the store could not be told what it is still to be told, which is no reason to hold it back."""
    books = Books(strict=strict)
    books.enter()
    first = books.last
    books.ledger.later(KEY, books.left(Certainty.REJECTED))
    books.store.fails = iter((True,))
    assert books.enter() == "go"
    assert len(books.errors) == (0 if strict else 1)
    assert [it["id"] for it in books.stored()] == ([books.last, first] if strict else [first])


def test_taking_back_that_fails_is_told_as_what_it_is() -> None:
    """By its own error."""
    books = Books()
    books.store.fails = iter((True, False, True))
    books.enter()
    assert books.enter(again="replay") == "wait"
    assert [(type(it), str(it)) for it in books.errors] == [(StoreError, "down")] * 2


def test_a_step_without_words_is_run_on_the_spare_memory() -> None:
    """Whoever wrote it."""
    books, own = noted()
    books.store.fails = iter((True,))
    assert books.change(lambda state, now: ({"creates": []}, "said")) == "said"
    assert own.fates() == {"i": []}


# --- owners


def test_a_create_of_a_process_without_a_name_has_none() -> None:
    """Its store could not say it, and fails."""
    books, own = noted()
    books.store.dead = True
    books.enter()
    ((_, state),) = own.scan(KEY)
    assert state["busy"] == [""]


def test_a_fate_without_its_entering_has_its_owner() -> None:
    """It names who knew of it."""
    books = Books()
    books.store.inner.owner = "p"
    books.change(partial(books.ledger.leave(Certainty.UNKNOWN, ident="x")))
    assert [(it["owner"], it["fate"]) for it in books.stored()] == [("p", "unknown")]
