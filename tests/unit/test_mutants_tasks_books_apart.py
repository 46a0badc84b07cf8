"""How the ledger keeps its books on a store that lives elsewhere: what it asks of it, and what it knows alone.

Must not know any client, nor a real store.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from anyint_resilience import Certainty, StoreError
from anyint_resilience.effects import StateCall
from anyint_resilience.stores.flows import waited
from tests.unit.books_kit import Desk
from tests.unit.test_ledger import WINDOW, Books

KEY = "create:i"
MADE: dict[str, Any] = {"task": {"task_id": "t"}, "answer": {"status": 200}}


def elsewhere_enters(desk: Desk, certainty: Certainty | None = None) -> Books:
    """Have another process enter a create, and settle it."""
    other = Books(desk.elsewhere.held)
    other.clock = desk.clock
    other.enter()
    if certainty is not None:
        other.leave(certainty)
    return other


# --- what is asked of the store, and how


@pytest.mark.parametrize("strict", [False, True])
def test_how_creates_are_entered_and_settled_there(strict: bool) -> None:
    """Each may be made twice; a create that must not go out without it is waited for longer."""
    desk = Desk(strict=strict)
    assert desk.enter() == "go"
    desk.leave(Certainty.UNKNOWN)
    assert [(it.name, it.patience, it.again) for it in desk.elsewhere.asked] == [
        ("begin", 2.0 if strict else None, True),
        ("settle", None, True),
    ]


def note(state: Any, now: float) -> tuple[Any, str]:
    return {"noted": True}, "first" if state is None else "again"


def test_what_is_noted_there_is_made_once() -> None:
    """Made twice it would say that it was noted before."""
    desk = Desk()
    assert desk.ledger.noting("callback:x", note, 60.0) == "first"
    (asked,) = desk.elsewhere.asked
    assert (asked.key, asked.ttl, asked.patience, asked.again) == ("callback:x", 60.0, None, False)
    assert desk.own.asked == []


def test_while_the_store_is_away_this_process_notes_for_itself() -> None:
    """Under the same key, for as long."""
    desk = Desk()
    desk.elsewhere.away = True
    assert [desk.ledger.noting("callback:x", note, 60.0) for _ in range(2)] == ["first", "again"]
    assert desk.own.asked == [("callback:x", 60.0)] * 2
    desk.clock.now += 60.0
    assert desk.ledger.noting("callback:x", note, 60.0) == "first"


def test_a_store_of_this_machine_that_fails_says_so_to_who_notes() -> None:
    """It is not away: something is wrong with it."""
    books = Books()
    books.store.fails = iter((True,))
    with pytest.raises(StoreError, match=r"^down$"):
        books.ledger.noting("callback:x", note, 60.0)
    assert list(books.spare.scan("")) == []


@pytest.mark.parametrize(
    ("words", "ident"), [({"ident": "one"}, "one"), ({}, ""), (None, "")], ids=["named", "without a name", "no words"]
)
def test_a_strict_create_that_may_have_been_entered_is_taken_back_by_its_name(words: Any, ident: str) -> None:
    """As soon as the store answers, for certain; one that has no name takes back what has none."""

    def own(state: Any, now: float, ident: str = "") -> tuple[Any, None]:
        return state, None

    desk = Desk(strict=True)
    desk.elsewhere.away = True
    step = own if words is None else partial(own, **words)
    with pytest.raises(StoreError):
        waited(desk.ledger.changing(StateCall(KEY, step, WINDOW, True), desk.errors.append))
    (post,) = desk.elsewhere.member.posts
    assert (post.name, post.step.keywords, post.key, post.again) == ("withdraw", {"ident": ident}, KEY, True)


# --- a store that lost what it held


@pytest.mark.parametrize("lost", [0, 2])
def test_what_a_store_lost_before_this_process_came_is_no_loss_of_its_own(lost: int) -> None:
    """It had entered nothing."""
    desk = Desk(losses=lost)
    desk.leave(Certainty.UNKNOWN, ident="x")
    desk.elsewhere.member.beat()
    assert desk.elsewhere.member.posts == []


def test_after_a_loss_the_store_is_told_again_once() -> None:
    """By itself, and for certain, so that other processes know it too."""
    desk = Desk()
    desk.enter()
    desk.leave(Certainty.UNKNOWN)
    member = desk.elsewhere.member
    for _ in range(2):
        desk.elsewhere.lose()
        member.beat()
        assert [(it.name, it.key, it.again) for it in member.posts] == [("_restored", KEY, True)]
        assert member.release() == ["_restored"]
        for _ in range(2):
            member.beat()
        assert desk.enter(intent="other") == "go"
        desk.leave(Certainty.REJECTED, intent="other")
        assert member.posts == []
        assert elsewhere_enters(desk).ledger.unknown() == ("i",)


# --- a store that began just now


def test_only_where_a_key_is_kept_is_young_a_strict_create_waits() -> None:
    """A store that is spread over machines may have lost a part of itself."""
    desk = Desk(strict=True)
    desk.elsewhere.young_keys.add(KEY)
    assert desk.enter() == "wait"
    assert desk.enter(intent="j") == "go"
    assert desk.names() == ["begin", "withdraw", "begin"]


def test_what_a_young_store_knows_already_counts() -> None:
    """It refuses, and is not asked to wait."""
    desk = Desk(strict=True)
    elsewhere_enters(desk, Certainty.UNKNOWN)
    desk.elsewhere.young_keys.add(KEY)
    assert desk.enter() == "refuse"
    assert desk.names() == ["begin"]


def test_taking_back_what_a_young_store_let_in_may_fail() -> None:
    """That is told, and the create waits."""
    desk = Desk(strict=True)
    desk.elsewhere.young_keys.add(KEY)
    desk.elsewhere.fails.add("withdraw")
    assert desk.enter() == "wait"
    assert [(type(it), str(it)) for it in desk.errors] == [(StoreError, "away")]


# --- a store that is away


@pytest.mark.parametrize(
    ("certainty", "again", "kind", "since"),
    [
        (None, "replay", "wait", 0.0),
        (None, "poll", "wait", 0.0),
        (Certainty.UNKNOWN, "", "refuse", 5.0),
        (Certainty.UNKNOWN, "replay", "refuse", 5.0),
        (Certainty.COMMITTED, "replay", "replay", 5.0),
        (Certainty.COMMITTED, "poll", "poll", 5.0),
    ],
)
def test_a_strict_create_whose_answer_this_process_knows_is_answered(
    certainty: Certainty | None, again: str, kind: str, since: float
) -> None:
    """Nothing is to be sent, so nothing needs to be entered, and nothing is told as a failure."""
    desk = Desk(strict=True)
    desk.enter()
    if certainty is not None:
        desk.leave(certainty, **(MADE if certainty is Certainty.COMMITTED else {}))
    desk.elsewhere.away = True
    desk.clock.now += 5.0
    verdict = desk.ask(again=again)
    assert (verdict.kind, verdict.since) == (kind, since)
    if certainty is Certainty.COMMITTED:
        assert (verdict.task, verdict.answer) == (MADE["task"], MADE["answer"])
    assert desk.errors == []
    assert desk.own.fates() == {"i": ["in_flight" if certainty is None else certainty.value]}


@pytest.mark.parametrize("certainty", [None, Certainty.REJECTED, Certainty.COMMITTED])
def test_a_strict_create_of_which_nothing_speaks_against_it_is_not_sent_while_the_store_is_away(
    certainty: Certainty | None,
) -> None:
    """It can't be entered, and what this process knows lets it go: that is not enough."""
    desk = Desk(strict=True)
    desk.enter()
    if certainty is not None:
        desk.leave(certainty)
    desk.elsewhere.away = True
    with pytest.raises(StoreError, match=r"^away$"):
        desk.enter()
    assert [str(it) for it in desk.errors] == ["away"]


def test_what_nobody_drives_any_more_is_known_here_while_the_store_is_away() -> None:
    """In its order, and to its own create alone."""
    desk = Desk()
    for intent in ("i", "j"):
        desk.enter(intent=intent)
    desk.elsewhere.away = True
    for certainty in (Certainty.UNKNOWN, Certainty.REJECTED):
        desk.ledger.later("create:j", desk.left(certainty))
    assert [desk.enter(intent=it) for it in ("i", "j")] == ["go", "go"]
    desk.ledger.later(KEY, desk.left(Certainty.UNKNOWN))
    assert desk.enter() == "refuse"


def test_what_the_memory_knows_of_a_fate_counts_before_what_waits_to_be_told() -> None:
    """It is as old as it is, however often the store could not be told of it."""
    desk = Desk()
    desk.enter()
    desk.elsewhere.away = True
    desk.leave(Certainty.UNKNOWN)
    for since in (5.0, 10.0):
        desk.clock.now += 5.0
        verdict = desk.ask()
        assert (verdict.kind, verdict.since) == ("refuse", since)


@pytest.mark.parametrize(("key", "kind"), [("aa", "replay"), ("bb", "go")])
def test_what_waits_to_be_told_is_read_with_what_the_memory_knows_of_it(key: str, kind: str) -> None:
    """Which key a create went out with was said when it was entered; another one's answer is nobody's."""
    desk = Desk()
    desk.enter(facts={"key_id": "aa"})
    desk.elsewhere.away = True
    desk.ledger.later(KEY, desk.left(Certainty.COMMITTED, **MADE))
    assert desk.enter(again="retry", facts={"key_id": key}) == kind


@pytest.mark.parametrize("waits", [False, True])
def test_a_flow_is_spawned_only_for_what_waits(waits: bool) -> None:
    """Every few seconds there is mostly nothing to do."""
    desk = Desk()
    desk.enter()
    if waits:
        desk.ledger.later(KEY, desk.left(Certainty.UNKNOWN))
    desk.elsewhere.member.beat()
    assert desk.elsewhere.member.spawned == (1 if waits else 0)
    assert [it["fate"] for it in desk.stored()] == ["unknown" if waits else "in_flight"]


def test_what_was_let_go_while_it_was_away_is_told_once() -> None:
    """As soon as it answers; not every few seconds until it is settled."""
    desk = Desk()
    desk.elsewhere.away = True
    desk.enter()
    desk.elsewhere.away = False
    member = desk.elsewhere.member
    for _ in range(3):
        member.beat()
    assert member.release() == ["_restored"]
    assert [it["fate"] for it in desk.stored()] == ["in_flight"]
