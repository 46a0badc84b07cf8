"""What each step leaves of a create, field by field: entered once more, taken back, restored, found, swept.

Must not know any store. Times differ from zero everywhere, so that none is lost unseen.
"""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import Certainty
from anyint_resilience.tasks.entries import GO, Verdict, aged, begin, forget, resolve, restore, settle, withdraw
from tests.unit.test_entries import WINDOW, enter, fates, leave, made, never, task

NOW = 50.0


def create(ident: str = "a", fate: str = "in_flight", at: float = NOW, **more: Any) -> dict[str, Any]:
    blank = {"id": ident, "owner": "p", "fate": fate, "at": at, "mark": "", "body": "", "facts": {}}
    return {**blank, "task": None, "answer": None, **more}


def state(*creates: dict[str, Any]) -> dict[str, Any]:
    open_ones = [it for it in creates if it["fate"] in ("in_flight", "unknown")]
    busy = sorted({it["owner"] for it in creates if it["fate"] == "in_flight"})
    return {"creates": list(creates), "keep": bool(open_ones), "busy": busy}


# --- entered


def test_a_create_of_which_little_is_known() -> None:
    """No mark, no body, no facts: nothing stands there that nobody said; others on their way are not waited for."""
    first, verdict = begin(None, NOW, window=WINDOW, owner="p", gone=never, ident="a")
    assert (first, verdict) == (state(create()), GO)
    both, verdict = begin(first, NOW + 1, window=WINDOW, owner="q", gone=never, ident="b")
    assert (both, verdict) == (state(create(), create("b", at=NOW + 1, owner="q")), GO)


@pytest.mark.parametrize("again", ["", "replay", "poll", "retry"])
@pytest.mark.parametrize(
    ("certainty", "fate"),
    [(Certainty.COMMITTED, "committed"), (Certainty.REJECTED, "rejected"), (Certainty.UNKNOWN, "unknown")],
)
def test_an_entering_that_comes_once_more_after_the_end(again: str, certainty: Certainty, fate: str) -> None:
    """A store's own repetition: the create was let out before, and what is known of it by now stays."""
    held = leave(enter(None, NOW)[0], NOW + 1, certainty, answer={"status": 200})
    assert fates(held) == {"a": fate}
    assert enter(held, NOW + 2, again=again, mark="late") == (held, GO)


@pytest.mark.parametrize("again", ["", "replay", "poll", "retry"])
def test_an_entering_that_comes_once_more_on_the_way(again: str) -> None:
    """It does not wait for itself, and stands there once, as it was said last; nameless ones are no two times one."""
    held = enter(None, NOW, mark="m")[0]
    assert enter(held, NOW + 2, again=again, mark="n") == (state(create(at=NOW + 2, mark="n")), GO)
    nameless, verdict = enter(enter(None, NOW, "")[0], NOW + 1, "")
    assert (nameless, verdict) == (state(create(""), create("", at=NOW + 1)), GO)


def test_another_body_under_one_key_is_told_whose_and_since_when() -> None:
    """Since the first one was settled; without its answer, and with no mark: nothing is to be looked for."""
    held = made(now=NOW, body="one")
    given = enter(held, NOW + 3, "b", again="replay", body="two")
    assert given == (held, Verdict("mismatch", 3.0, (), task("a"), None))
    given = enter(held, NOW + 3, "b", again="replay", body="one")
    assert given == (held, Verdict("replay", 3.0, (), task("a"), {"is": "a"}))


def test_what_an_ended_process_left_is_unknown_from_now_on() -> None:
    """Its window begins when its end is seen, however long it was on its way."""
    held = enter(None, NOW, mark="m")[0]
    left, verdict = enter(held, NOW + WINDOW * 3, "b", owner="q", gone=lambda owner: owner == "p")
    assert left == state(create(fate="unknown", at=NOW + WINDOW * 3, mark="m"))
    assert verdict == Verdict("refuse", 0.0, ("m",))
    assert enter(left, NOW + WINDOW * 4 - 1, "b")[1] == Verdict("refuse", WINDOW - 1, ("m",))


# --- settled, found


def test_a_create_that_was_never_entered_and_of_which_little_is_known() -> None:
    """Only its end: what nobody said is empty."""
    assert settle(None, NOW, ident="a", certainty=Certainty.UNKNOWN) == (state(create(fate="unknown", owner="")), None)


@pytest.mark.parametrize("answer", [None, {"status": 504}])
def test_a_create_that_is_found(answer: Any) -> None:
    """It is made now, its task is known, and the answer it may have had meanwhile was not its task's."""
    held = leave(enter(None, NOW, mark="m", facts={"x": 1})[0], NOW + 1, Certainty.UNKNOWN, answer=answer)
    found = create(fate="committed", at=NOW + 2, mark="m", facts={"x": 1}, task={"x": 1, "y": 2}, found=True)
    assert resolve(held, NOW + 2, mark="m", task=lambda facts: {**facts, "y": 2}) == (state(found), True)


# --- taken back


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        (state(), None),
        (state(create()), None),
        (state(create("b")), state(create("b"))),
        (state(create("b"), create(), create("c", "unknown")), state(create("b"), create("c", "unknown"))),
        (state(create(fate="unknown")), state(create(fate="unknown"))),
        (state(create(fate="finished")), state(create(fate="finished"))),
    ],
    ids=["nothing", "nothing left", "alone", "another", "among others", "lost since", "made since"],
)
def test_a_create_that_was_not_sent_is_taken_back(before: Any, after: Any) -> None:
    """That one, as long as it is on its way, and no other."""
    assert withdraw(before, NOW, ident="a") == (after, None)


@pytest.mark.parametrize("before", [None, state()])
def test_where_nothing_is_nothing_is_forgotten(before: Any) -> None:
    """And nothing is left there."""
    assert forget(before, NOW, gone=never) == (None, False)


# --- remembered for a store that loses what it held


def test_how_old_what_is_remembered_is() -> None:
    """To the part of a second, and never negative; a create that came to nothing is not worth it."""
    held = state(
        create("a", "committed", NOW - 7.0),
        create("b", "rejected"),
        create("c", "unknown", NOW - 0.25),
        create("d", at=NOW + 9),
    )
    kept = [create("a", "committed", NOW - 7.0), create("c", "unknown", NOW - 0.25), create("d")]
    assert aged(held, NOW) == (kept, [7.0, 0.25, 0.0])
    assert aged(None, NOW) == ([], [])


def test_what_a_store_lost_is_entered_again() -> None:
    """Before what is there, as old as it was, on whichever clock; what the store knows better stays as it is."""
    ours, since = aged(state(create("a", "unknown", NOW - 7.0), create("b", at=NOW - 3.0)), NOW)
    there = state(create("b", "committed", 2.0, task=task("b")), create("c", at=1.0))
    again = create("a", "unknown", 1000.0 - 7.0)
    assert restore(None, 1000.0, creates=ours, since=since) == (state(again, create("b", at=997.0)), None)
    assert restore(there, 1000.0, creates=ours, since=since) == (state(again, *there["creates"]), None)
    assert restore(there, 1000.0, creates=[], since=[]) == (there, None)
    assert restore(None, 1000.0, creates=[], since=[]) == (None, None)


@pytest.mark.parametrize("since", [[], [1.0, 2.0]], ids=len)
def test_no_create_is_entered_again_without_its_age(since: list[float]) -> None:
    """It would be left out without a word, and be paid for twice."""
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is"):
        restore(None, NOW, creates=[create()], since=since)
