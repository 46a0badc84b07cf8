"""What the ledger remembers of a create, step by step: random lives against a simple model, and states nobody wrote."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anyint_resilience import Certainty
from anyint_resilience.tasks.entries import begin, fate_of, finish, read, resolve, settle

WINDOW = 100.0
MODES = ("", "replay", "poll", "retry")


def never(owner: str) -> bool:
    return False


def enter(state: Any, now: float = 0.0, *, owner: str = "p", gone: Any = never, **more: Any) -> Any:
    return begin(state, now, window=WINDOW, owner=owner, gone=gone, **more)


def leave(state: Any, now: float, certainty: Certainty, *, owner: str = "p", **more: Any) -> Any:
    return settle(state, now, owner=owner, certainty=certainty, **more)[0]


def task(name: str) -> dict[str, Any]:
    return {"task_id": name}


class Life:
    """Creates of one intent, by processes that may die; beside the state, what a simple mind knows of each."""

    def __init__(self) -> None:
        self.state: Any = None
        self.now = 1000.0
        self.names = ["p0", "p1"]
        self.dead: set[str] = set()
        self.flying: list[tuple[str, str]] = []  # (owner, mark) of creates on their way, also of those who died
        self.found: list[tuple[str, str]] = []
        self.lost: list[tuple[str, float]] = []
        self.fate: tuple[str, float] | None = None
        self.last: str | None = None
        self.count = 0

    def living(self) -> list[tuple[str, str]]:
        return [it for it in self.flying if it[0] not in self.dead]

    def sweep(self) -> None:
        """See what died as lost, from now on: only who looks finds out."""
        self.lost += [(mark, self.now) for owner, mark in self.flying if owner in self.dead]
        self.flying = self.living()

    def step(self, what: str, which: int, word: str) -> None:
        getattr(self, what)(which, word)
        # Every state can be held by any store, and is read as it was written.
        assert json.loads(json.dumps(self.state, allow_nan=False)) == self.state
        if self.state is not None:
            assert read(self.state, self.now) == self.state
            self.nothing_is_lost_sight_of()

    def nothing_is_lost_sight_of(self) -> None:
        state = self.state
        assert Counter((owner, mark) for owner, marks in state["flights"].items() for mark in marks) == Counter(
            self.flying
        )
        assert Counter(state["lost"]) == Counter(mark for mark, _ in self.lost)
        assert state["keep"] is bool(self.flying or self.lost)
        held = fate_of(state, self.now, window=WINDOW, gone=self.dead.__contains__)
        if self.is_unknown():
            assert held == "unknown"
        elif self.flying:
            assert held == "in_flight"
        elif self.fate is not None:
            assert held == self.fate[0].replace("finished", "committed")

    def is_unknown(self) -> bool:
        return len(self.living()) < len(self.flying) or any(self.now - at < WINDOW for _, at in self.lost)

    def begin(self, which: int, word: str) -> None:
        again = MODES[which % 4]
        owner = self.names[which % 2]
        self.count += 1
        mark = f"m{self.count}" if which % 5 else ""
        unknown, busy = self.is_unknown(), bool(self.living())
        made = self.fate is not None and self.fate[0] == "committed" and self.now - self.fate[1] < WINDOW
        waits = again in ("replay", "poll") and busy
        gives = {"replay": "replay", "retry": "replay", "poll": "poll"}.get(again, "") if made else ""
        wanted = "refuse" if unknown else "wait" if waits else gives or "go"
        self.state, verdict = enter(
            self.state, self.now, owner=owner, gone=self.dead.__contains__, again=again, mark=mark
        )
        self.sweep()
        assert verdict.kind == wanted
        if verdict.kind == "go":
            assert not unknown
            assert not waits
            assert not (again and made)
            self.flying.append((owner, mark))
            self.lost, self.fate = [], None
        elif verdict.kind == "refuse":
            assert Counter(verdict.marks) == Counter(mark for mark, _ in self.lost)
            assert verdict.since == self.now - max(at for _, at in self.lost)
        elif verdict.kind == gives:
            assert (verdict.task or {}).get("task_id") == self.last

    def settle(self, which: int, word: str) -> None:
        out = [(it, False) for it in self.living()] + [(it, True) for it in self.found if it[0] not in self.dead]
        if not out:
            return
        (owner, mark), was_found = out[which % len(out)]
        certainty = Certainty(word)
        made = f"t{which}" if certainty is Certainty.COMMITTED else None
        self.state = leave(
            self.state, self.now, certainty, owner=owner, mark=mark, task=None if made is None else task(made)
        )
        (self.found if was_found else self.flying).remove((owner, mark))
        if certainty is Certainty.UNKNOWN:
            self.lost += [] if was_found else [(mark, self.now)]
        elif made is not None:
            self.fate = ("committed", self.now)
            self.last = self.state["tasks"][-1]["task_id"]
            assert made in [it["task_id"] for it in self.state["tasks"]]
        else:
            self.fate = ("rejected", self.now)

    def resolve(self, which: int, word: str) -> None:
        marks = [mark for _, mark in self.flying if mark] + [mark for mark, _ in self.lost if mark]
        if not marks:
            return
        mark = marks[which % len(marks)]
        self.state, was_unknown = resolve(self.state, self.now, mark=mark, task=lambda facts: task(mark))
        assert was_unknown
        if any(it == mark for it, _ in self.lost):
            self.lost = [it for it in self.lost if it[0] != mark]
        else:
            self.found += [it for it in self.flying if it[1] == mark]
            self.flying = [it for it in self.flying if it[1] != mark]
        self.fate, self.last = ("committed", self.now), self.state["tasks"][-1]["task_id"]

    def finish(self, which: int, word: str) -> None:
        if self.last is None:
            return
        over = self.last if which % 2 else "another"
        self.state, _ = finish(self.state, self.now, task_id=over)
        if over == self.last and self.fate is not None and self.fate[0] == "committed":
            self.fate = ("finished", self.fate[1])

    def die(self, which: int, word: str) -> None:
        gone = self.names[which % 2]
        self.dead.add(gone)
        self.names[which % 2] = f"p{len(self.dead) + 1}"

    def tick(self, which: int, word: str) -> None:
        self.now += which * 7.0


STEPS = st.tuples(
    st.sampled_from(["begin", "begin", "settle", "settle", "resolve", "finish", "die", "tick"]),
    st.integers(0, 29),
    st.sampled_from([str(it) for it in Certainty]),
)


@given(steps=st.lists(STEPS, max_size=40))
@example(steps=[("begin", 1, "unknown"), ("resolve", 0, "unknown"), ("settle", 0, "unknown"), ("begin", 1, "unknown")])
@example(steps=[("begin", 3, "unknown"), ("begin", 9, "unknown"), ("resolve", 0, "unknown"), ("settle", 0, "unknown")])
def test_no_life_of_creates_pays_twice_or_loses_one(steps: list[tuple[str, int, str]]) -> None:
    """Whoever begins, settles, is found or dies: the unknown is refused, a certain repetition waits or is given."""
    life = Life()
    for step in steps:
        life.step(*step)


@pytest.mark.parametrize("again", MODES)
@pytest.mark.parametrize(
    ("passed", "kind"), [(-5.0, "refuse"), (0.0, "refuse"), (WINDOW - 1, "refuse"), (WINDOW, "go"), (WINDOW + 1, "go")]
)
def test_an_unknown_outcome_is_refused_within_its_window(again: str, passed: float, kind: str) -> None:
    """Also when the clock was set back; what is told of its age is never negative."""
    state = leave(enter(None, mark="m")[0], 10.0, Certainty.UNKNOWN, mark="m")
    state, verdict = enter(state, 10.0 + passed, again=again)
    assert verdict.kind == kind
    if kind == "refuse":
        assert (verdict.marks, verdict.since) == (("m",), max(0.0, passed))


def test_an_answer_is_given_once_the_same_one_is_made() -> None:
    """``replay`` comes with the answer and the last task; a create meant anew drops the answer, and keeps the tasks."""
    state, _ = enter(None, facts={"route": "r"})
    state = leave(state, 1.0, Certainty.COMMITTED, task=task("a"), answer={"status": 200})
    state, verdict = enter(state, 2.0, again="replay")
    assert (verdict.kind, verdict.answer, verdict.task, verdict.since) == ("replay", {"status": 200}, task("a"), 1.0)
    state, verdict = enter(state, 3.0)
    assert (verdict.kind, state["answer"], state["tasks"]) == ("go", None, [task("a")])
    state = leave(state, 4.0, Certainty.REJECTED)
    assert enter(state, 5.0, again="replay")[1].kind == "go"


@pytest.mark.parametrize(("again", "kind"), [("", "go"), ("replay", "replay"), ("poll", "poll"), ("retry", "replay")])
def test_what_was_made_is_remembered_for_a_window(again: str, kind: str) -> None:
    """After that the same key or body is a new create."""
    state = leave(enter(None)[0], 10.0, Certainty.COMMITTED, task=task("a"))
    assert enter(state, 10.0 + WINDOW - 1, again=again)[1].kind == kind
    assert enter(state, 10.0 + WINDOW, again=again)[1].kind == "go"


@pytest.mark.parametrize(("again", "kind"), [("", "go"), ("replay", "wait"), ("poll", "wait"), ("retry", "go")])
def test_who_waits_for_the_one_on_its_way(again: str, kind: str) -> None:
    """The same key and deduplication do; an SDK's retry does not, for what it repeats has ended."""
    assert enter(enter(None)[0], again=again)[1].kind == kind


def test_only_the_end_of_the_last_task_lets_the_same_create_out() -> None:
    """Another task's end says nothing."""
    state = leave(enter(None)[0], 0.0, Certainty.COMMITTED, task=task("a"), answer={})
    assert finish(None, 1.0, task_id="a") == (None, None)
    assert enter(finish(state, 1.0, task_id="b")[0], 1.0, again="poll")[1].kind == "poll"
    over = finish(state, 1.0, task_id="a")[0]
    assert (over["answer"], enter(over, 1.0, again="poll")[1].kind) == (None, "go")
    flying = enter(over, 1.0)[0]
    assert finish(flying, 2.0, task_id="a")[0] == flying


@pytest.mark.parametrize("certainty", [it for it in Certainty if it is not Certainty.UNKNOWN])
def test_who_was_taken_for_dead_settles_its_own_entry(certainty: Certainty) -> None:
    """Where nobody can tell who lives, the sweep is only the careful reading: the answer that comes corrects it."""
    state, _ = enter(None, mark="m", owner="a")
    state, verdict = enter(state, 1.0, owner="b", gone=lambda owner: owner == "a")
    assert verdict.kind == "refuse"
    state = leave(state, 2.0, certainty, owner="a", mark="m")
    assert enter(state, 3.0, owner="b")[1].kind == "go"
    unknown = leave(enter(None, mark="m", owner="a")[0], 2.0, Certainty.UNKNOWN, owner="b", mark="m")
    assert unknown["lost"] == ["m"]


def test_an_unknown_outcome_is_recorded_whatever_else_was_known_of_the_intent() -> None:
    """Its entry may stand in another store: that an earlier create left a state here makes it no less unknown."""
    earlier = leave(enter(None)[0], 0.0, Certainty.COMMITTED, task=task("a"))
    for before in (None, earlier):
        state = leave(before, 1.0, Certainty.UNKNOWN, mark="m")
        assert (state["lost"], enter(state, 2.0)[1].kind) == (["m"], "refuse")


def test_two_creates_with_one_mark_are_two() -> None:
    """A caller's own mark may come twice: the one that was found is settled, the other is as unknown as before."""
    state = enter(enter(None, mark="m")[0], mark="m")[0]
    state, _ = resolve(state, 1.0, mark="m", task=lambda facts: task("a"))
    assert (state["flights"], state["found"]) == ({"p": ["m"]}, ["m"])
    state = leave(state, 2.0, Certainty.UNKNOWN, mark="m")
    assert (state["flights"], state["lost"]) == ({"p": ["m"]}, [])
    state = leave(state, 3.0, Certainty.UNKNOWN, mark="m")
    assert enter(state, 4.0)[1].kind == "refuse"


def test_a_create_that_is_found_tells_whether_it_was_unknown() -> None:
    """A mark nobody knows changes nothing; the handle is made of the facts that the create left."""
    assert resolve(None, 0.0, mark="m", task=lambda facts: None) == (None, False)
    state, _ = enter(None, mark="m", facts={"route": "r"})
    assert resolve(state, 1.0, mark="x", task=lambda facts: None) == (state, False)
    lost = leave(state, 1.0, Certainty.UNKNOWN, mark="m")
    found, known = resolve(lost, 2.0, mark="m", task=lambda facts: {**facts, "task_id": "a"})
    assert known is True
    assert (found["tasks"], found["fate"]) == ([{"route": "r", "task_id": "a"}], "committed")
    assert resolve(found, 3.0, mark="m", task=lambda facts: None)[1] is False


def test_facts_come_late_where_the_entry_was_lost() -> None:
    """What the settling call knows of the create serves where its entry is not there any more."""
    assert leave(None, 0.0, Certainty.UNKNOWN, facts={"route": "late"})["facts"] == {"route": "late"}
    state, _ = enter(None, facts={"route": "first"})
    assert leave(state, 0.0, Certainty.UNKNOWN, facts={"route": "late"})["facts"] == {"route": "first"}


def test_tasks_and_marks_are_bounded() -> None:
    """The last eight tasks, each once, and the last 64 marks of either kind."""
    state: Any = None
    for number in range(10):
        state = leave(enter(state)[0], 0.0, Certainty.COMMITTED, task=task(f"t{number}"))
    assert [it["task_id"] for it in leave(state, 0.0, Certainty.COMMITTED, task=task("t9"))["tasks"]] == [
        f"t{number}" for number in range(2, 10)
    ]
    marks = [f"m{number}" for number in range(70)]
    state, found, swept = None, None, None
    for mark in marks:
        state = leave(state, 0.0, Certainty.UNKNOWN, mark=mark)
        swept = enter(swept, owner=mark, mark=mark)[0]
        found = resolve(enter(found, mark=mark)[0], 0.0, mark=mark, task=lambda facts: None)[0]
    assert state["lost"] == marks[6:]
    assert enter(swept, gone=lambda owner: True)[1].marks == tuple(marks[6:])
    assert found["found"] == marks[6:]


# --- states that nobody of ours wrote

WHOLE = leave(enter(None, mark="a")[0], 0.0, Certainty.COMMITTED, mark="a", task=task("t"), answer={}, facts={"x": 1})
WRONG: dict[str, list[Any]] = {
    "flights": [None, [], "p", {"p": "m"}, {"p": 3}, {"p": [3]}, {"p": [None]}, {"p": {}}],
    "lost": [None, {}, "m", [3], [None], [["m"]]],
    "found": [None, {}, [3]],
    "at": [None, "now", float("nan"), float("inf"), 10**400, [], {}],
    "fate": ["", "Committed", "made", 3, [], {}, False],
    "done_at": [None, "now", float("nan"), -float("inf"), -(10**400)],
    "tasks": [None, {}, "t", [3], [None], ["t"], [[]]],
    "answer": [[], "x", 3, False],
    "facts": [None, [], "x", 3],
}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [(name, wrong) for name, values in WRONG.items() for wrong in values],
    ids=lambda it: repr(it)[:30],
)
def test_a_state_that_cannot_be_read_says_nothing_good(field: str, wrong: Any) -> None:
    """Its create may have been done: it is refused for a window from then on, and is unknown to who asks."""
    bad = {**WHOLE, field: wrong}
    for again in MODES:
        state, verdict = enter(bad, 5.0, again=again)
        assert verdict.kind == "refuse"
        assert enter(state, 5.0 + WINDOW, again=again)[1].kind == "go"
    assert fate_of(bad, 5.0, window=WINDOW, gone=never) == "unknown"
    less = {name: value for name, value in WHOLE.items() if name != field}
    assert enter(less, 5.0)[1].kind == "refuse"


def test_what_a_newer_version_added_stays() -> None:
    """A field that is not known here does no harm, and is kept."""
    state, verdict = enter({**WHOLE, "newer": [1]}, 1.0)
    assert (verdict.kind, state["newer"]) == ("go", [1])


@given(
    state=st.dictionaries(st.sampled_from(sorted(WHOLE)), ANY) | ANY.map(lambda it: {"flights": it}),
    base=st.sampled_from([{}, WHOLE]),
    certainty=st.sampled_from(list(Certainty)),
    again=st.sampled_from(MODES),
)
def test_no_state_makes_a_step_fail(state: Any, base: Any, certainty: Certainty, again: str) -> None:
    """Any JSON is a state to every step, and what comes of it is one too, unless its own values are no JSON."""
    held = {**base, **state}

    def nothing(facts: Any) -> None: ...

    made = [
        enter(held, 1.0, again=again, mark="m")[0],
        leave(held, 1.0, certainty, mark="m", task=task("x"), facts={"y": 1}),
        resolve(held, 1.0, mark="m", task=nothing)[0],
        finish(held, 1.0, task_id="t")[0],
    ]
    for after in made:
        assert read(after, 1.0) == after or after != after
        assert fate_of(after, 1.0, window=WINDOW, gone=never) in ("unknown", "in_flight", "rejected", "committed")
