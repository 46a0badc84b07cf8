"""What the ledger tells applications, at its edges: names, rows nobody can read, times and owners.

Must not know any client, nor any store but this process's memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from anyint_resilience import Certainty
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import State
from anyint_resilience.tasks.ledger import intent_of
from anyint_resilience.telemetry.logs import LOG
from tests.unit.store_kit import Clock
from tests.unit.test_ledger import FACTS, WINDOW, Books


class Kept(MemoryStore):
    """A memory in which some rows can't be read and some processes have ended; it notes what it is asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.garbled: set[str] = set()
        self.dead: set[str] = set()
        self.asked: list[tuple[str, float]] = []

    def gone(self, owner: str) -> bool:
        return owner in self.dead

    def update(self, key: str, step: Any, ttl: float) -> Any:
        self.asked.append((key, ttl))
        return super().update(key, step, ttl)

    def scan(self, prefix: str) -> Iterator[tuple[str, State]]:
        for key, state in super().scan(prefix):
            yield key, None if key in self.garbled else state  # type: ignore[misc]


@pytest.fixture
def books() -> Books:
    made = Books()
    made.store.inner = Kept(made.clock)
    return made


@pytest.fixture
def kept(books: Books) -> Kept:
    held: Kept = books.store.inner
    return held


# --- names


@pytest.mark.parametrize(
    ("parts", "more", "name"),
    [
        ((), {}, "2ba12ffc8ae0d31ef086eebdba0e29ac"),
        ((b"a",), {}, "4cdd35853a3f6934374eef150fe1dbbf"),
        ((b"ab", b""), {"account": "0123456789"}, "0123456791ca9062d02bb61065ee7db3"),
    ],
    ids=["nothing", "one part", "of an account"],
)
def test_what_a_create_is_named_is_the_same_in_every_version(
    parts: tuple[bytes, ...], more: dict[str, str], name: str
) -> None:
    """Stores outlive the programs that wrote to them."""
    assert intent_of(*parts, **more) == name


def test_a_name_of_one_create_is_of_twelve_bytes(books: Books) -> None:
    """Each of them is in every state."""
    assert len(bytes.fromhex(books.ledger.ident())) == 12


# --- rows that can't be read


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (1, "1 entry of Shaky can't be read, and not listed: 'bad0'"),
        (2, "2 entries of Shaky can't be read, and not listed: 'bad0', 'bad1'"),
        (3, "3 entries of Shaky can't be read, and not listed: 'bad0', 'bad1', 'bad2'"),
        (4, "4 entries of Shaky can't be read, and not listed: 'bad0', 'bad1', 'bad2', ..."),
    ],
)
def test_which_rows_are_not_listed_is_said_word_for_word(
    books: Books, kept: Kept, caplog: pytest.LogCaptureFixture, bad: int, said: str
) -> None:
    """How many they are, and the first three; what comes behind them is listed."""
    for intent in [*(f"bad{number}" for number in range(bad)), "good"]:
        books.enter(intent=intent)
    kept.garbled = {f"create:bad{number}" for number in range(bad)}
    with caplog.at_level(logging.WARNING, LOG.name):
        assert books.fates() == {"good": "in_flight"}
    assert caplog.messages == [said]


def test_a_filter_of_the_applications_that_fails_keeps_nothing_from_being_listed(books: Books, kept: Kept) -> None:
    """What the log does is no part of the answer."""

    def fails(record: logging.LogRecord) -> bool:
        raise RuntimeError("a filter of the application's")

    for intent in ("bad", "good"):
        books.enter(intent=intent)
    kept.garbled = {"create:bad"}
    LOG.addFilter(fails)
    try:
        assert books.fates() == {"good": "in_flight"}
    finally:
        LOG.removeFilter(fails)


# --- rows that can


def test_what_stands_behind_a_row_that_is_too_old_is_listed(books: Books) -> None:
    """Its store keeps that for longer, since it was asked for again."""
    books.enter(intent="old")
    books.leave(Certainty.COMMITTED, intent="old")
    books.clock.now += WINDOW - 1
    assert books.enter(intent="old", again="replay") == "replay"
    books.enter(intent="new")
    books.clock.now += 2
    assert [key for key, _ in books.store.scan("create:")] == ["create:old", "create:new"]
    assert books.fates() == {"new": "in_flight"}


@pytest.mark.parametrize(
    ("when", "told"),
    [(1e11, None), (-1e11, None), (9.9e10, 9.9e10), (-9.9e10, -9.9e10)],
)
def test_a_time_too_far_away_is_not_shown(books: Books, when: float, told: float | None) -> None:
    """No calendar has it."""
    books.enter(facts={"created_at": when})
    assert [it.created_at for it in books.ledger.entries()] == [told]


def test_what_has_no_time_comes_before_all_that_has_one(books: Books) -> None:
    """Also before what is half a second old, by a clock that began at zero."""
    books.enter(intent="early", facts={"created_at": 0.5})
    books.enter(intent="odd")
    assert [it.intent for it in books.ledger.entries()] == ["odd", "early"]


def test_the_store_is_asked_for_the_time_under_a_key_of_its_own(books: Books, kept: Kept) -> None:
    """One that is text, for a number of seconds, as every store has it; nothing is left there."""
    books.ledger.entries()
    assert kept.asked == [("clock:", 1.0)]
    assert list(kept.scan("")) == []


def test_what_this_process_has_on_its_way_by_its_own_memory_is_on_its_way(books: Books, kept: Kept) -> None:
    """Whoever entered that lives, whatever its store says of such names."""
    kept.owner = "p"
    books.store.fails = iter((True,))
    assert books.enter() == "go"
    kept.dead.add("p")
    assert books.fates() == {"i": "in_flight"}


# --- what is forgotten, and what is found


@pytest.mark.parametrize("dead", [False, True])
def test_what_is_on_its_way_is_forgotten_once_its_process_has_ended(books: Books, kept: Kept, dead: bool) -> None:
    """Until then it is not: it may still be settled."""
    kept.owner = "p"
    books.enter()
    if dead:
        kept.dead.add("p")
    assert books.ledger.forget("i") is dead
    assert books.stored() == [] if dead else [it["fate"] for it in books.stored()] == ["in_flight"]


def test_the_intent_of_a_mark_ends_at_its_first_dash(books: Books) -> None:
    """Whatever the rest of it is."""
    books.enter(mark="i-a-b", facts=FACTS)
    books.leave(Certainty.UNKNOWN, mark="i-a-b")
    assert books.ledger.found("i-a-b", "t1") is True
    assert books.fates() == {"i": "committed"}
