"""An entry that can't be read is the affair of its own create, and of no other. Must not know any client."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from anyint_resilience import Certainty
from anyint_resilience.stores.sqlite import SqliteStore
from tests.unit.store_kit import Clock
from tests.unit.test_ledger import Books


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Books, Books]]:
    """Two processes on one file, the first of which could not settle a create: what stands there is garbage by now."""
    path = tmp_path / "store.db"
    made, other = (Books(SqliteStore(path, Clock())) for _ in range(2))
    assert made.enter(intent="bad") == "go"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE entries SET state = ?", (b"garbage",))
    made.leave(Certainty.COMMITTED, intent="bad")
    assert made.errors
    made.errors.clear()
    yield made, other
    for it in (made, other):
        it.store.inner.close()


def test_a_create_that_cannot_be_settled_keeps_no_other_from_the_store(both: tuple[Books, Books]) -> None:
    """It did so for an hour: each process counted alone what all of them share."""
    made, other = both
    for intent in ("i", "j"):
        assert made.enter(intent=intent) == "go"
        made.leave(Certainty.UNKNOWN, intent=intent)
        assert not made.errors
        assert other.enter(intent=intent) == "refuse"


def test_what_waits_behind_one_that_cannot_be_settled_is_settled(both: tuple[Books, Books]) -> None:
    """As soon as its store answers again, whichever create asks."""
    made, other = both
    assert made.enter(intent="i") == "go"
    made.store.fails = iter((True,))
    made.leave(Certainty.UNKNOWN, intent="i")
    for intent in ("j", "k"):
        assert made.enter(intent=intent) == "go"
    assert other.enter(intent="i") == "refuse"
    assert [key for key, _ in made.ledger._dropped] == [made.ledger.key("bad")]


def test_one_that_cannot_be_settled_does_not_keep_others_from_being_forgotten(both: tuple[Books, Books]) -> None:
    """It is told of to who asks for it, and to nobody else."""
    made, _ = both
    assert made.enter(intent="i") == "go"
    made.leave(Certainty.UNKNOWN, intent="i")
    assert made.ledger.forget("i")
    assert made.enter(intent="i") == "go"


def test_what_is_to_be_settled_of_one_create_stays_in_its_order(both: tuple[Books, Books]) -> None:
    """However often it was tried in vain."""
    made, _ = both
    made.leave(Certainty.UNKNOWN, intent="bad", ident="second")
    for intent in ("i", "j", "k"):
        assert made.enter(intent=intent) == "go"
    assert [step.keywords["certainty"] for _, step in made.ledger._dropped] == [  # type: ignore[attr-defined]
        Certainty.COMMITTED,
        Certainty.UNKNOWN,
    ]
