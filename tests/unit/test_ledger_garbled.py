"""An entry that can't be read is the affair of its own create, and of no other. Must not know any client."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Certainty, StoreError
from anyint_resilience.stores.sqlite import SqliteStore
from tests.brief import BRIEF
from tests.redis_kit import Cluster, redis_cluster, redis_server  # noqa: F401 - fixtures
from tests.unit.store_kit import EVERY, Clock, sql
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
    assert [key for key, _ in made.ledger._arrears._waiting] == [made.ledger.key("bad")]


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
    assert [step.keywords["certainty"] for _, step in made.ledger._arrears._waiting] == [  # type: ignore[attr-defined]
        Certainty.COMMITTED,
        Certainty.UNKNOWN,
    ]


# What is in this process's memory nobody else can garble.
SHARED = ["sqlite", "redis"] if BRIEF else ["sqlite", "redis", "redis-cluster"]
GARBAGE = [b"garbage", b"\xff\xfe", b"[1]", b'{"creates":']


def garble(place: Any, key: str, text: bytes) -> None:
    """Write over a create behind its store's back."""
    if isinstance(place, Path):
        sql(place / "store.db", "UPDATE entries SET state = ? WHERE key = ?", text, key)
        return
    name = f"anyint:1:{{{key.partition(':')[2][:8]}}}:{key}"
    node = place.node_of(name) if isinstance(place, Cluster) else place
    assert node.cli("EXISTS", name)
    node.cli("SET", name, text)


@pytest.fixture(params=SHARED)
def shelf(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Callable[..., Books]]]:
    """A store that processes share: where it is, and what makes the books of one more process on it."""
    behind, made, clock = EVERY[request.param], list[Books](), Clock()
    place = request.getfixturevalue(behind.needs)

    def making(**more: Any) -> Books:
        made.append(Books(behind.make(place, clock), **more))
        return made[-1]

    yield place, making
    for it in made:
        it.store.inner.close()


@pytest.mark.parametrize("text", GARBAGE)
def test_what_cannot_be_read_kept_all_others_from_being_listed(
    shelf: tuple[Any, Callable[..., Books]], text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out, which is said once for each list; its own create is sent no more than it was."""
    place, making = shelf
    made, other = making(), making(strict=True)
    for intent in ("acct0001a", "acct0001bad", "acct0001c"):
        assert made.enter(intent=intent) == "go"
        made.leave(Certainty.UNKNOWN, intent=intent)
    garble(place, made.ledger.key("acct0001bad"), text)
    with caplog.at_level(logging.WARNING, "anyint_resilience"):
        assert other.fates() == {"acct0001a": "unknown", "acct0001c": "unknown"}
    (said,) = caplog.messages
    assert said == "1 entry of Shaky can't be read, and not listed: 'acct0001bad'"
    assert sorted(other.ledger.unknown()) == ["acct0001a", "acct0001c"]
    with pytest.raises(StoreError):
        other.enter(intent="acct0001bad")
    with pytest.raises(StoreError):
        other.ledger.forget("acct0001bad")
    assert other.enter(intent="acct0001a") == "refuse"


def test_what_this_process_knows_itself_is_listed_whatever_stands_there(
    both: tuple[Books, Books], caplog: pytest.LogCaptureFixture
) -> None:
    """Its memory has served for it."""
    made, other = both
    assert made.fates() == {"bad": "committed"}
    assert caplog.messages == []
    assert other.fates() == {}
    assert len(caplog.messages) == 1
