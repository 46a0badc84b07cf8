"""Following a task: each state of each vocabulary, when it is asked for, and how a wait ends. No clock runs here."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience import Action, Cause, Policy, QueryRefused, TaskFailed, TaskHandle, TaskTimeout, TaskUpdate
from anyint_resilience.contract.tasks import POLL_DEADLINE, TASKS
from anyint_resilience.exceptions import TaskError
from anyint_resilience.policy.polling import LONGEST_POLL
from anyint_resilience.runtime import Runtime
from anyint_resilience.tasks.timetable import Timetable
from anyint_resilience.tasks.waiting import LAST_LOOK, Ask, Looked, Rest, Tell, Wait, follow
from tests.unit.task_kit import RESULT, ROUTE_OF, WALL, answer, encoded, handle_of

VOCABULARIES = sorted(ROUTE_OF)
PENDING = {
    "openai_video": "queued",
    "kling": "submitted",
    "suno_song": "PENDING",
    "suno_cover": 0,
    "openai_batch": "validating",
}


def told(document: Any, status: int = 200, headers: Any = ()) -> Looked:
    return Looked(status, headers, document if isinstance(document, bytes) else encoded(document))


class Player:
    """Carries the effects of one wait out on a clock of its own; the last answer of the script comes ever again."""

    def __init__(
        self,
        handle: TaskHandle,
        *script: Any,
        deadline: float = POLL_DEADLINE,
        u: float = 0.5,
        takes: float = 0.0,
        timetable: Timetable | None = None,
        news: Callable[[float], bool] = lambda seconds: False,
        drift: float = 0.0,
    ) -> None:
        self.now = 0.0
        self.drift = drift
        self.script = list(script)
        self.takes = takes
        self.news = news
        self.rests: list[float] = []
        self.asks: list[Ask] = []
        self.times: list[float] = []
        self.updates: list[TaskUpdate] = []
        runtime = Runtime(monotonic=self.read, wall=lambda: WALL + self.now, random=lambda: u)
        self.wait = Wait(
            handle=handle,
            deadline=deadline,
            runtime=runtime,
            timetable=Timetable() if timetable is None else timetable,
            policy=Policy(),
        )

    def read(self) -> float:
        self.now += self.drift
        return self.now

    def play(self, most: int = 10_000) -> TaskUpdate:
        flow: Any = follow(self.wait)
        try:
            effect = next(flow)
            for _ in range(most):
                effect = flow.send(self.perform(effect))
        except StopIteration as stop:
            update: TaskUpdate = stop.value
            assert update is self.updates[-1]
            return update
        raise AssertionError("the wait does not end")

    def perform(self, effect: Any) -> Any:
        if isinstance(effect, Rest):
            assert 0 <= effect.seconds < math.inf
            self.rests.append(effect.seconds)
            rang = self.news(effect.seconds)
            self.now += 0.0 if rang else effect.seconds
            return rang
        if isinstance(effect, Ask):
            self.asks.append(effect)
            self.times.append(self.now)
            self.now += self.takes
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]
        assert isinstance(effect, Tell)
        self.updates.append(effect.update)
        return None

    def ends(self, kind: type[TaskError]) -> Any:
        with pytest.raises(TaskError) as caught:
            self.play()
        assert type(caught.value) is kind
        assert caught.value.handle is self.wait.handle
        return caught.value


# --- what each state says


def states(*kinds: str) -> list[tuple[str, str, int]]:
    """Every state of these kinds, in the contract's spelling and in capitals, at each place where one may stand."""
    return [
        (name, spelled, at)
        for name in VOCABULARIES
        for kind in kinds
        for state in sorted(getattr(TASKS[name], kind))
        for spelled in dict.fromkeys((state, state.upper()))
        for at in range(len(TASKS[name].states))
    ]


@pytest.mark.parametrize(("vocabulary", "state", "at"), states("pending", "running", "partial"))
def test_a_task_that_goes_on(vocabulary: str, state: str, at: int) -> None:
    """It is pending, running or partial by its row; what is ready of a partial one is named."""
    row = TASKS[vocabulary]
    going = answer(vocabulary, state, at=at, result=RESULT, progress=40)
    player = Player(handle_of(vocabulary), told(going), told(answer(vocabulary, sorted(row.success)[0], result=RESULT)))
    player.play()
    update = player.updates[0]
    phase = next(it for it in ("pending", "running", "partial") if state.lower() in getattr(row, it))
    assert (update.phase, update.done, update.state) == (phase, False, state)
    assert update.results == ((RESULT,) if phase == "partial" else ())
    assert (update.document, update.progress, update.problem) == (going, 40.0, None)


@pytest.mark.parametrize(("vocabulary", "state", "at"), states("success", "doubtful"))
def test_a_task_that_is_done(vocabulary: str, state: str, at: int) -> None:
    """It is done once its product is there: a word alone is not believed where the row says where that stands."""
    row = TASKS[vocabulary]
    done = answer(vocabulary, state, at=at, result=RESULT, output_file_id="f1")
    update = Player(handle_of(vocabulary), told(done)).play()
    assert (update.phase, update.done, update.state, update.polls) == ("success", True, state, 1)
    if row.results:
        assert update.results == (RESULT,)
        bare = Player(handle_of(vocabulary), told(answer(vocabulary, state, at=at)), told(done))
        if state.lower() in row.doubtful:
            assert bare.ends(TaskFailed).update.phase == "failed"
        else:
            bare.play()
            assert (bare.updates[0].phase, len(bare.updates)) == ("pending", 2)
            assert "no output" in bare.updates[0].note
    else:
        assert len(update.results) == (0 if vocabulary == "openai_response" else 1)


@pytest.mark.parametrize(("vocabulary", "state", "at"), states("failed"))
@pytest.mark.parametrize("age", [0.0, 3600.0])
def test_a_task_that_failed(vocabulary: str, state: str, at: int, age: float) -> None:
    """The wait ends with it, says why, and gives the last of it; nothing else is asked."""
    player = Player(handle_of(vocabulary, age=age), told(answer(vocabulary, state, at=at)))
    error = player.ends(TaskFailed)
    assert player.updates == [error.update]  # it is told before it is raised
    assert (error.update.phase, error.update.state, error.update.polls) == ("failed", state, 1)
    assert error.decision.action is Action.NO_RETRY
    assert str(error.handle) in str(error)
    assert len(player.asks) == 1


@pytest.mark.parametrize(("vocabulary", "state", "at"), states("expired"))
def test_a_task_that_is_gone(vocabulary: str, state: str, at: int) -> None:
    """Its end, unless its word is also said of what does not show yet, and it was made so short a time ago."""
    assert Player(handle_of(vocabulary), told(answer(vocabulary, state, at=at))).ends(TaskFailed).update.state == state
    young = Player(handle_of(vocabulary, age=0.0), told(answer(vocabulary, state, at=at)))
    error = young.ends(TaskFailed)
    assert young.updates[-1] is error.update
    for update in young.updates[:-1]:
        assert (update.phase, update.note) == ("pending", "no such task yet")
        assert update.elapsed < 60
    doubted = bool(TASKS[vocabulary].gone) and TASKS[vocabulary].first_poll < 60
    assert bool(young.updates[:-1]) is doubted
    assert (error.update.elapsed >= 60) is (doubted or TASKS[vocabulary].first_poll >= 60)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("state", ["never_seen", None, "two words"])
def test_a_state_nobody_documented_is_no_end(vocabulary: str, state: Any) -> None:
    """The wait goes on, and says so where the row's list of states is meant to be whole."""
    player = Player(handle_of(vocabulary), told(answer(vocabulary, state)), deadline=1.0)
    error = player.ends(TaskTimeout)
    assert (error.update.phase, error.update.state) == ("pending", state)
    assert bool(error.update.note) is (vocabulary != "seedance_anyint" or state is None)
    assert ("two words" in str(error)) is False


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_another_tasks_answer_is_left_out(vocabulary: str) -> None:
    """Neither its success nor its failure is this one's."""
    row = TASKS[vocabulary]
    strange = [answer(vocabulary, sorted(kind)[0], task_id="t2", result=RESULT) for kind in (row.success, row.failed)]
    own = answer(vocabulary, sorted(row.success)[0], result=RESULT)
    player = Player(handle_of(vocabulary), *map(told, [*strange, own]))
    assert player.play().phase == "success"
    for update in player.updates[:2]:
        assert (update.phase, update.results, update.document) == ("pending", (), {})
        assert "another task" in update.note
        assert update.problem is not None
        assert update.problem.action is Action.POLL


def test_a_state_that_goes_back_is_noted() -> None:
    """Gateways with replicas do that; the task is as it is told, and nothing ends."""
    words = ["processing", "submitted", "submitted", "processing", "succeed"]
    player = Player(handle_of("kling"), *(told(answer("kling", word, result=RESULT)) for word in words))
    player.play()
    assert [(it.phase, it.note) for it in player.updates[:4]] == [
        ("running", ""),
        ("pending", "the state went back to submitted"),
        ("pending", ""),
        ("running", ""),
    ]


def test_results_of_a_part_are_told_and_the_wait_goes_on() -> None:
    """A song streams before it is whole; what failed later leaves what was there."""
    part = told(answer("suno_song", "FIRST_SUCCESS", result=RESULT))
    player = Player(handle_of("suno_song"), part, told(answer("suno_song", "GENERATE_AUDIO_FAILED")))
    error = player.ends(TaskFailed)
    assert player.updates[0].results == (RESULT,)
    assert error.update.phase == "failed"


# --- queries that fail


SERVER_DOWN = Policy().decide_exception("GET", "/openai/v1/videos/t1", "read_timeout")


@pytest.mark.parametrize(
    "failed",
    [
        Looked(failed=SERVER_DOWN),
        *(told({"error": {"message": "m"}}, status) for status in (429, 500, 502, 503, 529)),
        told(b"<html>", 502),
        told(b"", 200),
        told(b"{", 200),
        told(b"[]", 200),
        told(b"", 302, [("location", "https://elsewhere.test/")]),
    ],
    ids=lambda it: f"{it.status}-{len(it.body)}",
)
def test_a_query_that_fails_leaves_the_task_as_it_was(failed: Looked) -> None:
    """The update is the one before, with the problem; the wait goes on, and a good answer ends the problem."""
    running = told(answer("openai_video", "in_progress", progress=30))
    player = Player(handle_of("openai_video"), running, failed, running, told(answer("openai_video", "completed")))
    assert player.play().polls == 4
    before, bad, after, _ = player.updates
    assert (bad.phase, bad.state, bad.progress, bad.document) == ("running", "in_progress", 30.0, before.document)
    assert bad.problem is not None
    assert bad.note == "the query failed"
    assert (after.problem, after.note) == (None, "")


def test_queries_that_all_fail_end_at_the_deadline() -> None:
    """Never as a failure of the task."""
    player = Player(handle_of("kling"), Looked(failed=SERVER_DOWN), deadline=60.0)
    error = player.ends(TaskTimeout)
    assert error.update.problem is SERVER_DOWN
    assert error.update.phase == "pending"


MISSING = {"error": {"message": "no such video", "type": "invalid_request_error"}}


@pytest.mark.parametrize("status", [404, 410])
def test_a_task_that_is_not_found(status: int) -> None:
    """Within a minute of its create it is not there yet; after that it never will be, if it is said twice."""
    player = Player(handle_of("openai_video", age=0.0), told(MISSING, status))
    error = player.ends(TaskFailed)
    *before, last = player.updates
    assert {(it.note, it.phase) for it in before} == {("no such task yet", "pending")}
    assert len(before) > 3
    assert before[-1].elapsed < 60 <= error.update.elapsed
    assert last is error.update
    assert (last.phase, error.decision.cause) == ("failed", Cause.INVALID)
    assert Player(handle_of("openai_video", age=60.0), told(MISSING, status)).ends(TaskFailed).update.polls == 2


def test_not_found_must_be_said_in_a_row() -> None:
    """One replica that does not know the task is no end of it."""
    running = told(answer("openai_video", "in_progress"))
    script = [told(MISSING, 404), running, told(MISSING, 404), told(b"", 503), told(MISSING, 404)]
    player = Player(handle_of("openai_video"), *script, told(answer("openai_video", "completed")))
    assert player.play().polls == 6


@pytest.mark.parametrize(("status", "body"), [(404, b""), (404, b"<html>"), (410, b"gone")])
def test_a_proxys_own_not_found_is_no_end(status: int, body: bytes) -> None:
    """It is no envelope of the gateway's: the query failed, however often it is said, and resets the count."""
    player = Player(handle_of("openai_video"), told(body, status), deadline=60.0)
    assert player.ends(TaskTimeout).update.phase == "pending"
    assert {it.note for it in player.updates} == {"the query failed"}
    assert len(player.updates) > 2
    between = [told(MISSING, 404), told(body, status)] * 3
    assert Player(handle_of("openai_video"), *between, told(answer("openai_video", "completed"))).play().polls == 7


def test_another_key_may_not_see_the_task() -> None:
    """For a key that did not make it "not found" says nothing of the task."""
    player = Player(handle_of("openai_video"), told(MISSING, 404))
    player.wait = replace(player.wait, other_key=True)
    error = player.ends(QueryRefused)
    assert "another one made it" in str(error)
    assert (error.update.phase, error.update.polls) == ("pending", 2)
    young = Player(handle_of("openai_video", age=0.0), told(MISSING, 404), deadline=30.0)
    young.wait = replace(young.wait, other_key=True)
    young.ends(TaskTimeout)


def test_an_answer_too_long_to_be_read_ends_the_wait() -> None:
    """It would be as long the next time; the task is no failed one."""
    player = Player(handle_of("openai_video"), Looked(200, (), b"", too_long=True))
    error = player.ends(QueryRefused)
    assert "too long" in str(error)
    assert (error.update.phase, error.update.polls, error.decision) == ("pending", 1, None)
    running = told(answer("openai_video", "in_progress", progress=30))
    later = Player(handle_of("openai_video"), running, Looked(200, (), b"", too_long=True)).ends(QueryRefused)
    assert (later.update.phase, later.update.progress, later.update.polls) == ("running", 30.0, 2)


def test_a_wrong_question_is_no_failed_task() -> None:
    """A 400 says that the query is wrong, so the task may go on."""
    assert Player(handle_of("openai_video"), told(MISSING, 400)).ends(QueryRefused).update.polls == 2


@pytest.mark.parametrize("age", [0.0, 3600.0])
@pytest.mark.parametrize(("status", "cause"), [(401, Cause.AUTH), (403, Cause.PERMISSION)])
def test_a_key_that_may_not_ask_ends_the_wait(status: int, cause: Cause, age: float) -> None:
    """At once, for no later query will be answered; and what was known of the task is on the error."""
    running = told(answer("openai_video", "in_progress"))
    player = Player(handle_of("openai_video", age=age), running, told({"error": {"message": "m"}}, status))
    error = player.ends(QueryRefused)
    assert error.decision.cause is cause
    assert (error.update.phase, error.update.polls) == ("running", 2)
    assert "may go on" in str(error)


# --- when it is asked


@pytest.mark.parametrize(
    ("vocabulary", "age", "u", "rests"),
    [
        ("kling", 0.0, 0.5, [5, 7.5, 11.25, 15, 15]),
        ("kling", 2.0, 0.5, [3, 7.5, 11.25, 15]),
        ("kling", 3600.0, 0.5, [0, 7.5, 11.25, 15]),
        ("kling", -99.0, 0.5, [5, 7.5]),  # the clock that made it is ahead
        ("kling", 0.0, 0.0, [4, 6, 9, 12]),
        ("kling", 0.0, 1.0, [6, 9, 13.5, 18]),
        ("suno_song", 0.0, 0.5, [2, 3, 4.5, 6.75, 10.125, 15]),
        ("suno_cover", 0.0, 0.5, [30, 30, 30]),
        ("openai_batch", 0.0, 0.5, [60, 90, 135, 202.5, 300]),
    ],
)
def test_the_schedule_of_a_wait(vocabulary: str, age: float, u: float, rests: list[float]) -> None:
    """The first look counts from the create, each wait grows to the row's cap, and chance spreads them."""
    player = Player(handle_of(vocabulary, age=age), told(answer(vocabulary, PENDING[vocabulary])), u=u)
    player.ends(TaskTimeout)
    assert player.rests[: len(rests)] == pytest.approx(rests)
    assert [it.polls for it in player.updates] == list(range(1, len(player.updates) + 1))
    assert {it.url for it in player.asks} == {player.wait.handle.url}


@pytest.mark.parametrize(
    ("status", "hint", "least"),
    [
        (200, "40", 40.0),
        (200, "1", 1.0),
        (200, "86400", LONGEST_POLL),
        (429, "40", 40.0),
        (429, "900", 900.0),
        (503, "2", 2.0),
    ],
)
def test_a_hint_is_never_undercut(status: int, hint: str, least: float) -> None:
    """Retry-After counts for the next look, a refusal's however long it is; one that a good answer gives is bounded."""
    first = told(answer("openai_video", "queued"), status, [("Retry-After", hint)])
    player = Player(handle_of("openai_video"), first, told(answer("openai_video", "completed")), u=0.3)
    player.play()
    assert least <= player.times[1] - player.times[0] <= least + 1


def test_a_hint_past_the_deadline_leaves_one_look_at_it() -> None:
    """The caller has no more time than that."""
    player = Player(handle_of("openai_video"), told(b"", 429, [("Retry-After", "3600")]), deadline=100.0)
    player.ends(TaskTimeout)
    assert player.times == [0.0, 100.0]


def test_the_last_look_is_at_the_deadline() -> None:
    """What is done by then is found; what is not times out, with all that is known, and can be waited for again."""
    running = told(answer("kling", "processing"))
    player = Player(handle_of("kling", age=0.0), running, deadline=20.0)
    error = player.ends(TaskTimeout)
    assert player.times == [5.0, 12.5, 20.0]
    assert [it.left for it in player.asks] == [15.0, 7.5, 0.0]
    assert sum(player.rests) == 20.0
    assert isinstance(error, TimeoutError)
    assert (error.update, error.decision) == (player.updates[-1], None)
    assert "after 20 s" in str(error)
    assert "processing" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.handle, str(again)) == (TaskTimeout, error.handle, str(error))
    lucky = Player(
        handle_of("kling", age=0.0), running, running, told(answer("kling", "succeed", result=RESULT)), deadline=20.0
    )
    assert lucky.play().phase == "success"


def test_no_look_begins_after_the_deadline() -> None:
    """A query that outlasts it is the last, whenever it began."""
    player = Player(handle_of("kling", age=0.0), told(answer("kling", "processing")), deadline=20.0, takes=9.0)
    player.ends(TaskTimeout)
    assert player.times == [5.0, 20.0]
    slow = Player(handle_of("kling", age=0.0), told(answer("kling", "processing")), deadline=20.0, takes=16.0)
    slow.ends(TaskTimeout)
    assert slow.times == [5.0]


def test_news_ends_a_rest_and_not_the_wait() -> None:
    """A callback wakes it: it looks at once, and goes on where the task is not done; the deadline stays."""
    rings = iter([True, True, True])  # the third while it waits for its turn, where it is no reason to hurry
    running = told(answer("suno_song", "TEXT_SUCCESS"))
    player = Player(handle_of("suno_song", age=0.0), running, deadline=4.0, news=lambda seconds: next(rings, False))
    player.ends(TaskTimeout)
    assert player.times == [0.0, pytest.approx(1 / 18), 4.0]


class Crowd:
    """Many waits on one clock and one timetable, each played until it has looked once."""

    def __init__(self, count: int, deadline: float = 1800.0, **handle: Any) -> None:
        table = Timetable()
        self.times: list[float] = []
        self.late: list[float] = []
        self.said: set[str] = set()
        for number in range(count):
            player = Player(
                handle_of("kling", task_id=f"t{number}", **handle),
                told(answer("kling", "succeed", task_id=f"t{number}", result=RESULT)),
                deadline=deadline,
                timetable=table,
            )
            try:
                player.play()
                self.times += player.times
            except TaskTimeout as error:
                self.late.append(sum(player.rests))
                self.said.add(str(error).partition(": ")[2])


def test_many_waits_keep_the_pace_together() -> None:
    """However many begin at once, no more than eighteen a second ask one family with one key."""
    times = sorted(Crowd(100).times)
    assert len(times) == 100
    assert all(later - earlier > 1 / 18 - 1e-9 for earlier, later in pairwise(times))
    assert times[-1] == pytest.approx(99 / 18)


@pytest.mark.parametrize(
    ("deadline", "served"),
    [(1.01, 37), (LAST_LOOK + 0.01, 361), (LAST_LOOK + 1.01, 379)],
)
def test_a_turn_far_past_the_deadline_is_not_waited_for(deadline: float, served: int) -> None:
    """A last look may come late by ten seconds, or by the wait's own length; who would be later is told so at once."""
    crowd = Crowd(400, deadline=deadline)
    assert len(crowd.times) == served
    assert deadline < max(crowd.times) <= deadline + min(LAST_LOOK, deadline)
    assert crowd.late == [0.0] * (400 - served)
    (said,) = crowd.said
    assert f"its next turn among all waits is past the deadline of {deadline:g} s" in said
    assert "The task goes on" in said


def test_waits_with_another_key_have_a_pace_of_their_own() -> None:
    """Another gateway, family or key is another account's pace."""
    one = Player(handle_of("kling", key_id="aa"), told(b"")).wait
    kinds = {
        one.kind,
        Player(handle_of("kling", key_id="bb"), told(b"")).wait.kind,
        Player(handle_of("kling", gateway="https://other.test", key_id="aa"), told(b"")).wait.kind,
        Player(handle_of("dashscope", key_id="aa"), told(b"")).wait.kind,
    }
    assert len(kinds) == 4
    assert Player(handle_of("kling", key_id="aa", task_id="t9"), told(b"")).wait.kind == one.kind


def test_who_goes_away_in_its_turn_gives_it_back() -> None:
    """A wait that is cancelled while it stands in line leaves its place to the next."""
    table = Timetable()
    done = told(answer("kling", "succeed", result=RESULT))
    Player(handle_of("kling"), done, timetable=table).play()
    leaver = Player(handle_of("kling"), done, timetable=table)
    flow: Any = follow(leaver.wait)
    assert next(flow) == Rest(0.0)
    turn = flow.send(False)
    assert turn.seconds == pytest.approx(1 / 18)
    flow.close()
    after = Player(handle_of("kling"), done, timetable=table)
    after.play()
    assert after.times == [pytest.approx(1 / 18)]


@given(deadline=st.floats(1e-3, 60))
def test_a_clock_that_moves_while_it_is_read(deadline: float) -> None:
    """As real ones do: no rest is negative, and the wait ends."""
    going = told(answer("kling", "processing"))
    assert Player(handle_of("kling", age=0.0), going, deadline=deadline, drift=0.4).ends(TaskTimeout).update is not None


HINTS = st.sampled_from([None, "0", "1", "30", "3600", "1e9", "nan", "-5", "Wed, 21 Oct 2037 07:28:00 GMT"])


@given(
    vocabulary=st.sampled_from(sorted(PENDING)),
    age=st.floats(-100, 1e6),
    deadline=st.floats(1e-3, 500),
    takes=st.sampled_from([0.0, 0.1, 7.0]),
    u=st.floats(0, 1, exclude_max=True),
    looks=st.lists(st.tuples(st.sampled_from([200, 429, 500, 0]), HINTS), min_size=1, max_size=6),
    rings=st.lists(st.booleans(), max_size=8),
)
def test_no_wait_passes_its_deadline(
    vocabulary: str, age: float, deadline: float, takes: float, u: float, looks: Any, rings: list[bool]
) -> None:
    """Whatever is answered: each rest is a number that is not negative, and no look is late, but for waiting its turn.

    With news just before the deadline, the look at the deadline itself comes a turn after that one: 1/18 s.
    """
    script = [
        Looked(failed=SERVER_DOWN)
        if status == 0
        else told(answer(vocabulary, PENDING[vocabulary]), status, () if hint is None else [("Retry-After", hint)])
        for status, hint in looks
    ]
    ringing = iter(rings)
    player = Player(
        handle_of(vocabulary, age=age),
        *script,
        deadline=deadline,
        u=u,
        takes=takes,
        news=lambda seconds: next(ringing, False),
    )
    error = player.ends(TaskTimeout)
    assert player.times
    assert max(player.times) <= deadline * (1 + 1e-9) + 1 / 18
    assert player.now <= deadline * (1 + 1e-9) + 1 / 18 + takes
    assert player.now >= deadline * (1 - 1e-9) - 1 / 18
    assert error.update.polls == len(player.asks) == len(player.updates)
