"""News, slots, callbacks, marks and answers to queries at their edges. Must not know any store, ledger or client."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from anyint_resilience.contract.reconcile import MARK_PARAMETER
from anyint_resilience.forking import known_to
from anyint_resilience.tasks.callbacks import PHASES, parse_callback
from anyint_resilience.tasks.marks import mark_of
from anyint_resilience.tasks.news import News, note_phase
from anyint_resilience.tasks.timetable import Timetable
from anyint_resilience.tasks.updates import read_task
from tests.unit.task_kit import encoded, handle_of

# --- who waits


def test_whoever_listens_is_rung_until_it_ends_and_may_end_twice() -> None:
    """One end is of one listener: another of the same task, and the same one anew, hear on."""
    news, heard = News(), list[str]()
    ends = [news.listen("t", lambda name=name: heard.append(name)) for name in "ab"]  # type: ignore[misc]
    news.ring("t")
    news.ring("another")
    ends[0]()
    ends[0]()
    news.ring("t")
    assert heard == ["a", "b", "b"]
    ends[1]()
    ends[1]()
    news.ring("t")
    assert heard == ["a", "b", "b"]
    again = news.listen("t", lambda: heard.append("c"))
    ends[1]()
    news.ring("t")
    assert heard == ["a", "b", "b", "c"]
    again()
    assert news._waiting == {}


@pytest.mark.parametrize("kind", [News, Timetable])
def test_a_forked_child_goes_on_although_another_thread_had_the_lock(kind: Any) -> None:
    """It is made anew there: nobody is left who would let go of it."""
    it = kind()
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(it._lock.acquire).result()
        assert it in known_to(kind._forked)
        kind._forked(it)
        assert it._lock.acquire(blocking=False)  # before anything would wait for it
        it._lock.release()
    if isinstance(it, Timetable):
        assert it.take("k", 1.0, 4.0) == 1.0
    else:
        it.listen("t", lambda: None)()


# --- which phases were told


@pytest.mark.parametrize(
    ("words", "phase", "new"),
    [
        pytest.param([], "remastered", True, id="a-word-nobody-documented"),
        pytest.param(["remastered"], "remastered", False, id="told-before"),
        pytest.param([f"w{n}" for n in range(15)], "w15", True, id="the-sixteenth"),
        pytest.param([f"w{n}" for n in range(16)], "w16", False, id="the-seventeenth"),
        *(pytest.param([f"w{n}" for n in range(16)], phase, True, id=phase) for phase in PHASES),
    ],
)
def test_so_many_words_of_a_task_are_kept(words: list[str], phase: str, new: bool) -> None:
    """Sixteen, and the documented ones beside any number of others; what is not kept is not new."""
    state = {"t": dict.fromkeys(words, 1.0)}
    after = {"t": {**state["t"], phase: 2.0}} if new else state
    assert note_phase(state, 2.0, task="t", phase=phase) == (after, new)


@pytest.mark.parametrize(("held", "left"), [(0, 0), (1, 1), (10, 10), (62, 62), (63, 63), (64, 63), (70, 63)])
def test_a_shelf_has_room_for_so_many_tasks(held: int, left: int) -> None:
    """Sixty-four; those told of longest ago go first, and what is no task of ours goes at once."""
    shelf = {f"t{n}": {"text": 1.0} for n in range(held)}
    kept, new = note_phase({**shelf, "garbage": 7}, 2.0, task="new", phase="first")
    assert new
    assert list(kept.items()) == [*list(shelf.items())[held - left :], ("new", {"first": 2.0})]


# --- whose slot


def test_a_slot_of_this_very_moment_is_still_a_slot() -> None:
    """Whoever comes when it is due has it."""
    table = Timetable()
    assert [table.take("k", 0.0, 4.0) for _ in range(3)] == [0.0, 0.25, 0.5]
    table.give_back("k", 0.25)
    assert [table.take("k", 0.25, 4.0) for _ in range(2)] == [0.25, 0.75]
    assert table.take("another", -1e300, 4.0) == -1e300  # whatever a clock reads


@pytest.mark.parametrize(("kinds", "now", "lines"), [(255, 9.0, 256), (256, 9.0, 1), (256, 0.25, 1), (256, 0.2, 257)])
def test_lines_that_are_through_go_when_there_are_too_many(kinds: int, now: float, lines: int) -> None:
    """With the 257th kind; through is one whose next slot is due."""
    table = Timetable()
    for number in range(kinds):
        table.take(str(number), 0.0, 4.0)
    table.take("new", now, 4.0)
    assert len(table._lines) == lines


# --- callbacks and marks


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(" " * 1_048_576, "the callback's body is not JSON", id="a-text-of-1-MiB"),
        pytest.param("é" * 524_288, "the callback's body is not JSON", id="a-text-of-1-MiB-in-bytes"),
        pytest.param(" " * 1_048_577, "the callback's body is over 1 MiB", id="a-text-over-1-MiB"),
        pytest.param(
            b'{"task_id": NaN, "callbackType": "text"}',
            "the callback's task id cannot be used: it must be 1 to 128 printable characters, no spaces",
            id="one-that-is-not-what-it-is",
        ),
    ],
)
def test_what_is_wrong_with_a_callback_at_the_edge(body: Any, problem: str) -> None:
    """Exactly as long as it may be; and an id that stands there once is not two."""
    with pytest.raises(ValueError) as caught:
        parse_callback(body)
    assert str(caught.value) == problem


@pytest.mark.parametrize(("value", "mark"), [("m", "m"), ("a=m", None), ("=m", None), ("m=", None)])
def test_a_mark_ends_with_its_parameter(value: str, mark: str | None) -> None:
    """What stands behind another equals sign is none."""
    assert mark_of(f"https://x/?{MARK_PARAMETER}={value}") == mark


# --- answers to a query


@pytest.mark.parametrize(("now", "seconds"), [(1_000_000_000.0, 30.0), (999_999_990.0, 40.0)])
def test_when_to_come_again_is_reckoned_from_now(now: float, seconds: float) -> None:
    """A date in ``Retry-After`` says nothing without the time that it is."""
    headers = (("Retry-After", "Sun, 09 Sep 2001 01:47:10 GMT"),)
    seen, document = read_task(handle_of("kling"), 429, headers, encoded({"message": "slow down"}), now=now)
    assert seen.hint is not None
    assert seen.hint.seconds == seconds
    assert document == {"message": "slow down"}
