"""Handles, recorded creates and waits at their edges: the last value that is taken, and the first that is not.

Must not know any client. A wait's clock need not begin at zero: none does that runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anyint_resilience import Action, TaskFailed, TaskHandle, TaskTimeout
from anyint_resilience.contract.tasks import TASKS
from anyint_resilience.policy.echoes import word_of
from anyint_resilience.runtime import Runtime
from anyint_resilience.tasks.recorded import creates_of
from anyint_resilience.tasks.timetable import Timetable
from anyint_resilience.tasks.waiting import LAST_LOOK
from tests.unit import test_mutants_tasks_waits as kept
from tests.unit.task_kit import RESULT, WALL, answer, handle_of
from tests.unit.test_handle import FULL
from tests.unit.test_waiting import Player, told

# --- handles

HEX = "0123456789abcdef"


@pytest.mark.parametrize("field", ["key_id", "trace_id", "span_id"])
@pytest.mark.parametrize(("value", "good"), [(HEX * 4, True), (HEX * 4 + "0", False), ("X", False), (HEX + "X", False)])
def test_what_is_hexadecimal(field: str, value: str, good: bool) -> None:
    """Each of the sixteen digits, also all of them, in small letters and no others; sixty-four at the most."""
    if good:
        assert getattr(TaskHandle.from_dict({**FULL, field: value}), field) == value
        return
    with pytest.raises(ValueError, match=f"^invalid TaskHandle: {field} must be hexadecimal$"):
        TaskHandle.from_dict({**FULL, field: value})


@pytest.mark.parametrize("gateway", ["https://X.test", "https://h.test/X", "https://h.test/to/https://b.test"])
def test_what_is_a_gateway(gateway: str) -> None:
    """Capitals have no meaning of their own in it, nor has a scheme's mark in its path."""
    assert TaskHandle.from_dict({**FULL, "gateway": gateway}).gateway == gateway


# --- recorded creates

UNREAD = {"id": "", "owner": "", "fate": "unknown", "at": 7.0, "mark": "", "body": "", "facts": {}}
WHOLE: dict[str, Any] = {**UNREAD, "id": "a", "fate": "committed", "task": None, "answer": None}


@pytest.mark.parametrize("creates", [None, "x", [None], [{**WHOLE, "owner": 3}]], ids=repr)
def test_a_create_that_cannot_be_read_has_nothing_of_what_stood_there(creates: Any) -> None:
    """No name, no owner, no mark, no body: of unknown outcome from now on, and nothing else."""
    assert creates_of({"creates": creates}, 7.0) == [{**UNREAD, "task": None, "answer": None}]


@pytest.mark.parametrize(
    ("at", "fate"),
    [
        (1e15, "unknown"),
        (-1e15, "unknown"),
        (10**15, "unknown"),
        (10**15 - 1, "committed"),
        (-(10**15) + 1, "committed"),
    ],
)
def test_the_latest_and_the_earliest_time_that_is_one(at: float, fate: str) -> None:
    """One that is none can't be read; one that is to come is now."""
    (one,) = creates_of({"creates": [{**WHOLE, "at": at}]}, 7.0)
    assert (one["fate"], one["at"]) == (fate, 7.0 if fate == "unknown" else min(at, 7.0))


# --- waits


class Late(Player):
    """A wait whose clock began long before it: 4096 s, which no sum of seconds loses a bit of."""

    start = 4096.0

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        u = self.wait.runtime.random
        self.now = self.start
        runtime = Runtime(monotonic=self.read, wall=lambda: WALL + self.now - self.start, random=u)
        self.wait = replace(self.wait, runtime=runtime)


@pytest.mark.parametrize("wait", kept.WAITS, ids=lambda it: it[0])
def test_a_wait_is_the_same_whenever_it_begins(wait: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rest, every question, every update and the words at its end: only what passes counts."""
    monkeypatch.setattr(kept, "Player", Late)
    what, vocabulary, answers, how = wait
    assert {"what": what, **kept.played(vocabulary, answers, how)} == kept.KEPT[what]


def test_every_update_is_of_its_own_task() -> None:
    """Also before anything was told of it, and the one of its end."""
    down = told({"error": {"message": "m"}}, 500)
    player = Late(handle_of("kling"), down, told(answer("kling", "succeed", result=RESULT)))
    player.play()
    assert [it.handle for it in player.updates] == [player.wait.handle] * 2
    early = Late(handle_of("kling", age=0.0), down, deadline=1.0, timetable=_late_by(99.0)).ends(TaskTimeout)
    assert (early.update.handle, early.update.polls) == (early.handle, 0)


@pytest.mark.parametrize(
    ("takes", "action"), [(1.0, Action.BACKOFF), (59.0, Action.BACKOFF), (61.0, Action.NO_RETRY)], ids=str
)
def test_a_query_that_failed_late_is_judged_by_when_it_did(takes: float, action: Action) -> None:
    """What the policy would do about it counts from the wait's begin; the wait itself goes on."""
    player = Late(handle_of("kling"), told({}, 500), told(answer("kling", "succeed", result=RESULT)), takes=takes)
    player.play()
    problem = player.updates[0].problem
    assert problem is not None
    assert (problem.action, "retry_window" in problem.reason) == (action, action is Action.NO_RETRY)


@pytest.mark.parametrize(("status", "code"), [(200, 404), (400, 404), (400, 410), (404, 1201), (410, 1201)])
def test_a_task_that_the_answer_itself_says_is_not_there(status: int, code: int) -> None:
    """By its status or by the code within; said twice it is an end."""
    missing = told({"code": code, "message": "m", "request_id": "r"}, status)
    error = Player(handle_of("kling"), missing).ends(TaskFailed)
    assert "the gateway knows no such task" in str(error)
    assert error.update.polls == 2


def test_a_date_is_a_time_to_come_again() -> None:
    """The gateway's and the wait's clocks are the same one: the date is 40 s ahead."""
    queued = told(answer("openai_video", "queued"), 200, [("retry-after", "Mon, 12 Jan 1970 13:47:20 GMT")])
    player = Late(handle_of("openai_video"), queued, told(answer("openai_video", "completed")), u=0.0)
    player.play()
    assert player.times == [4096.0, 4136.0]


@pytest.mark.parametrize("word", ["queued", "QUEUED"])
def test_every_state_that_goes_back_has_a_word(word: str) -> None:
    """Only a documented one is without a note of its own, and each of those may be shown as it came."""
    going = [told(answer("openai_video", it)) for it in ("in_progress", word, "paused", "completed")]
    player = Player(handle_of("openai_video"), *going)
    player.play()
    assert player.updates[1].note == f"the state went back to {word}"
    assert "does not know" in player.updates[2].note
    for row in TASKS.values():
        assert all(word_of(state) and word_of(state.upper()) for state in row.open)


def _late_by(seconds: float) -> Timetable:
    """A timetable whose next turn for a task of Kling's is so many seconds after a late wait's begin."""
    table = Timetable()
    kind = Player(handle_of("kling"), told(b"")).wait.kind
    table.take(kind, Late.start, 1 / seconds)
    return table


@pytest.mark.parametrize("deadline", [4.0, LAST_LOOK, 16.0])
@pytest.mark.parametrize("over", [0.0, 2.0**-8])
def test_the_last_turn_that_is_waited_for(deadline: float, over: float) -> None:
    """At the very end of what may be late a look is still made, and none after it."""
    last = deadline + min(LAST_LOOK, deadline)
    done = told(answer("kling", "succeed", result=RESULT))
    player = Late(handle_of("kling"), done, deadline=deadline, timetable=_late_by(last + over))
    if over:
        assert "its next turn among all waits is past the deadline" in str(player.ends(TaskTimeout))
        assert player.times == []
        return
    player.play()
    assert player.times == [Late.start + last]


@pytest.mark.parametrize(("age", "note"), [(59.5, "no such task yet"), (60.0, "the query failed")])
def test_a_minute_after_its_create_a_task_must_show(age: float, note: str) -> None:
    """To the second: from then on it is not there."""
    missing = told({"error": {"message": "m", "type": "invalid_request_error"}}, 404)
    player = Late(handle_of("openai_video", age=age), missing, told(answer("openai_video", "completed")))
    player.play()
    assert player.updates[0].note == note
