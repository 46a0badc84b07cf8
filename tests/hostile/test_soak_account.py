"""The soak's account finds what must not be: a create paid twice, a lost answer, an end that no fault explains."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hostile.soak.account import Account, account
from hostile.soak.gateway import FAULTS, fault_of
from hostile.soak.jobs import Drawer, Job, whole

CLOCK = itertools.count()


def begun(name: str, kind: str = "chat", what: str = "", pid: int = 1) -> list[Any]:
    return ["b", pid, next(CLOCK), name, kind, what]


def ended(name: str, told: str = "200", why: str = "", pid: int = 1) -> list[Any]:
    return ["e", pid, next(CLOCK), name, told, why, ""]


def found(lines: list[list[Any]], **log: Any) -> Account:
    """Make the account of one kind of process."""
    return account({"mixed": lines}, {"harmed": [], "made": {}, "sends": {}, "errors": [], **log})


CREATE = [begun("a", "create", "film"), ended("a")]


def test_good_calls_are_no_problem() -> None:
    told = found([begun("a"), ended("a"), *CREATE], made={"film": 1}, sends={"film": [""]})
    assert told.problems() == []
    assert told.calls == {"mixed": 2}


def test_a_create_with_two_tasks_is_paid_twice() -> None:
    told = found(CREATE, made={"film": 2}, sends={"film": ["lost", ""]})
    assert told.duplicates == ["film: 2 tasks"]


def test_a_call_that_never_ended_is_lost_unless_its_process_was_killed() -> None:
    lines = [begun("a", pid=7)]
    assert "never ended" in found(lines).lost[0]
    assert found([*lines, ["n", 1, next(CLOCK), "killed 7"]]).lost == []
    assert "never ended" in found([*lines, ["n", 1, next(CLOCK), "killed 8"]]).lost[0]


def test_that_another_process_of_the_same_number_was_killed_is_no_excuse() -> None:
    """Numbers of processes come again within half an hour."""
    assert "never ended" in found([["n", 1, next(CLOCK), "killed 7"], begun("a", pid=7)]).lost[0]
    assert "never ended" in found([begun("a", pid=7), ["n", 1, next(CLOCK) + 1000, "killed 7"]]).lost[0]


def test_a_create_that_was_not_recorded_is_explained_by_a_store_that_failed() -> None:
    lines = [
        begun("a", "create", "film"),
        ["n", 1, next(CLOCK), "store failure: StoreError"],
        ended("a", "NotRecorded"),
    ]
    assert found(lines).problems() == []
    assert found(lines).not_recorded == 1
    assert "NotRecorded" in found([lines[0], lines[2]]).unexpected[0]


def test_an_answer_that_came_short_without_a_word_is_lost() -> None:
    assert "came short" in found([begun("a"), ended("a", "short")]).lost[0]


@pytest.mark.parametrize(
    ("told", "lost"), [("200", 0), ("failed as told", 0), ("cancelled", 0), ("OutcomeUnknown", 1), ("502", 1)]
)
def test_a_create_that_was_answered_well_and_told_otherwise_is_lost(told: str, lost: int) -> None:
    lines = [begun("a", "create", "film"), ended("a", told, "unknown")]
    assert len(found(lines, made={"film": 1}, sends={"film": ["503", ""]}, harmed=["a"]).lost) == lost
    assert found(lines, made={"film": 1}, sends={"film": ["lost"]}, harmed=["a"]).lost == []


def test_a_create_is_heard_by_whoever_made_it_too() -> None:
    lines = [*CREATE[:1], ended("a", "OutcomeUnknown", "on_its_way"), begun("b", "shared", "film"), ended("b")]
    assert found(lines, made={"film": 1}, sends={"film": [""]}, harmed=["a"]).lost == []


@pytest.mark.parametrize(
    ("kind", "told", "why", "harmed", "fine"),
    [
        ("chat", "503", "", True, True),
        ("chat", "503", "", False, False),
        ("chat", "404", "", True, False),
        ("chat", "httpx.ReadError", "", True, True),
        ("chat", "httpx.ReadError", "", False, False),
        ("chat", "httpx.PoolTimeout", "", True, False),
        ("chat", "builtins.RuntimeError", "", True, False),
        ("chat", "GateClosed", "", False, True),
        ("create", "NotRecorded", "", False, False),
        ("create", "OutcomeUnknown", "unknown", True, True),
        ("create", "OutcomeUnknown", "unknown", False, False),
        ("create", "OutcomeUnknown", "held_back", False, False),
        ("again", "OutcomeUnknown", "held_back", False, True),
        ("shared", "OutcomeUnknown", "on_its_way", False, True),
        ("shared", "OutcomeUnknown", "mismatch", False, False),
        ("wait", "TaskTimeout", "", True, False),
    ],
)
def test_an_end_is_expected_or_not(kind: str, told: str, why: str, harmed: bool, fine: bool) -> None:
    account = found([begun("a", kind), ended("a", told, why)], harmed=["a"] if harmed else [])
    assert (account.unexpected == []) is fine


def test_tasks_of_the_queue_that_were_never_done_are_told() -> None:
    lines = [["n", 1, 0.0, "sent 1"], ["n", 1, 0.0, "sent 2"], ["n", 2, 0.0, "task 1"]]
    assert found(lines).wrong == ["task 2 of the queue was never done"]


def test_what_a_process_found_wrong_is_told() -> None:
    assert found([["x", 1, 0.0, "it hung"]]).wrong == ["mixed 1: it hung"]
    assert found([], errors=["boom"]).wrong == ["the gateway failed: boom"]


def test_faults_are_drawn_from_seed_name_and_count_alone() -> None:
    """The same in whatever order calls arrive; each fault is met about as often as its share says."""
    drawn = [fault_of(1, f"call {number}", 1) for number in range(20_000)]
    assert drawn == [fault_of(1, f"call {number}", 1) for number in range(20_000)]
    assert drawn != [fault_of(2, f"call {number}", 1) for number in range(20_000)]
    for name, (share, _) in FAULTS.items():
        assert drawn.count(name) == pytest.approx(20_000 * share, rel=0.5)


def test_users_draw_the_same_calls_from_the_same_seed() -> None:
    one, other = (Drawer(1, "place", "redis") for _ in range(2))
    kinds = [one.draw().kind for _ in range(300)]
    assert kinds == [other.draw().kind for _ in range(300)]
    assert {"chat", "stream", "create", "keyed", "again", "shared", "wait", "brown", "closed"} <= set(kinds)


@pytest.mark.parametrize(
    ("streamed", "content", "fine"),
    [
        (False, b'{"id": "x"}', True),
        (False, b'{"id": "x"', False),
        (False, b"", False),
        (False, b"{}", False),
        (True, b"data: {}\n\ndata: [DONE]\n\n", True),
        (True, b"data: {}\n\n", False),
    ],
)
def test_a_good_answer_is_whole_or_not(streamed: bool, content: bytes, fine: bool) -> None:
    assert whole(Job(kind="chat", name="a", streamed=streamed), 200, content) is fine
