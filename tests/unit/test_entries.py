"""What the ledger remembers of a create, step by step: random lives against a simple model, and states nobody wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anyint_resilience import Certainty
from anyint_resilience.tasks.entries import begin, counting, creates_of, fate_among, finish, forget, resolve, settle

WINDOW = 100.0
MODES = ("", "replay", "poll", "retry")
OPEN = ("in_flight", "unknown")
FATES = {Certainty.UNKNOWN: "unknown", Certainty.COMMITTED: "committed"}
FIELDS = ("id", "owner", "fate", "at", "mark", "body", "facts", "task", "answer")


def never(owner: str) -> bool:
    return False


def enter(state: Any, now: float = 0.0, ident: str = "a", *, owner: str = "p", gone: Any = never, **more: Any) -> Any:
    return begin(state, now, window=WINDOW, owner=owner, gone=gone, ident=ident, **more)


def leave(state: Any, now: float, certainty: Certainty, ident: str = "a", **more: Any) -> Any:
    return settle(state, now, ident=ident, certainty=certainty, **more)[0]


def made(ident: str = "a", now: float = 0.0, state: Any = None, **more: Any) -> Any:
    """Return the state after a create was entered and made the task of the same name."""
    held = enter(state, now, ident, **more)[0]
    return leave(held, now, Certainty.COMMITTED, ident, task=task(ident), answer={"is": ident})


def task(name: str) -> dict[str, Any]:
    return {"task_id": name}


def fates(state: Any) -> dict[str, str]:
    return {it["id"]: it["fate"] for it in state["creates"]}


class Life:
    """Creates of one intent, by processes that may die; beside the state, what a simple mind knows of each."""

    def __init__(self) -> None:
        self.state: Any = None
        self.now = 1000.0
        self.names = ["p0", "p1"]
        self.dead: set[str] = set()
        self.known: list[dict[str, Any]] = []  # the one settled or entered last comes last
        self.flying: list[str] = []  # ids of creates that somebody alive will settle, found or not
        self.count = 0

    def step(self, what: str, which: int, word: str) -> None:
        getattr(self, what)(which, word)
        if self.state is None:
            assert self.known == []
            return
        # Every state can be held by any store, and is read as it was written.
        assert json.loads(json.dumps(self.state, allow_nan=False)) == self.state
        held = creates_of(self.state, self.now)
        assert held == self.state["creates"]
        assert [(it["id"], it["fate"], it["at"], it["mark"]) for it in held] == [
            (it["id"], it["fate"], it["at"], it["mark"]) for it in self.known
        ]
        assert self.state["keep"] is any(it["fate"] in OPEN for it in self.known)
        assert fate_among(counting(self.state, self.now, window=WINDOW, gone=self.dead.__contains__)) == self.fate()

    def swept(self) -> list[dict[str, Any]]:
        lost = [
            {**it, "fate": "unknown", "at": self.now} if it["fate"] == "in_flight" and it["owner"] in self.dead else it
            for it in self.known
        ]
        return [it for it in lost if it["fate"] == "in_flight" or self.now - it["at"] < WINDOW]

    def fate(self) -> str:
        said = [it["fate"] for it in self.swept()]
        first = next((it for it in ("unknown", "in_flight") if it in said), said[-1] if said else "rejected")
        return str(first).replace("finished", "committed")

    def wanted(self, again: str, before: str, key: Any, body: str) -> tuple[str, Any]:
        """Return what a simple mind says of a create that is about to go out, and whose answer it gets."""
        if any(it["fate"] == "unknown" for it in self.known):
            return "refuse", None
        if again in ("replay", "poll") and any(it["fate"] == "in_flight" for it in self.known):
            return "wait", None
        good = [it for it in self.known if it["fate"] == "committed"]
        if again == "retry" and before in [it["id"] for it in self.known]:
            good = [it for it in good if it["id"] == before]
        else:
            good = [it for it in good if None in (key, it["key"]) or it["key"] == key]
        if not again or not good:
            return "go", None
        if again == "replay" and body and good[-1]["body"] not in ("", body):
            return "mismatch", good[-1]
        return {"replay": "replay", "retry": "replay", "poll": "poll"}[again], good[-1]

    def begin(self, which: int, word: str) -> None:
        self.count += 1
        again, owner, ident = MODES[which % 4], self.names[which % 2], f"c{self.count}"
        mark = f"m{self.count}" if which % 5 else ""
        key, body = (None, "k1", "k2")[which % 3], ("", "b1", "b2")[which // 3 % 3]
        before = f"c{which // 4}" if which % 7 < 5 else ""
        self.known = self.swept()
        kind, one = self.wanted(again, before, key, body)
        self.state, verdict = enter(
            self.state,
            self.now,
            ident,
            owner=owner,
            gone=self.dead.__contains__,
            again=again,
            before=before,
            mark=mark,
            body=body,
            facts={"key_id": key},
        )
        assert verdict.kind == kind
        if kind == "go":
            new = {"id": ident, "owner": owner, "fate": "in_flight", "at": self.now, "mark": mark, "task": None}
            self.known.append({**new, "key": key, "body": body})
            self.flying.append(ident)
        elif kind == "refuse":
            lost = [it for it in self.known if it["fate"] == "unknown"]
            assert list(verdict.marks) == [it["mark"] for it in lost if it["mark"]]
            assert verdict.since == self.now - max(it["at"] for it in lost)
        elif kind != "wait":
            assert (verdict.task, verdict.since) == (one["task"], self.now - one["at"])

    def settle(self, which: int, word: str) -> None:
        if not self.flying:
            return
        ident = self.flying.pop(which % len(self.flying))
        certainty = Certainty(word)
        given = task(ident) if certainty is Certainty.COMMITTED else None
        held = next((it for it in self.known if it["id"] == ident), None)
        self.state = leave(self.state, self.now, certainty, ident, owner="late", task=given)
        if held is not None and held["fate"] == "committed" and given is None:
            return  # it was found
        self.known = [it for it in self.known if it["id"] != ident]
        blank = {"id": ident, "owner": "late", "mark": "", "key": None, "body": ""}
        fate = FATES.get(certainty, "rejected")
        self.known.append({**(blank if held is None else held), "fate": fate, "at": self.now, "task": given})

    def resolve(self, which: int, word: str) -> None:
        marked = [it for it in self.known if it["mark"]]
        if not marked:
            return
        one = marked[which % len(marked)]
        self.state, was_open = resolve(self.state, self.now, mark=one["mark"], task=lambda facts: task(one["mark"]))
        assert was_open is (one["fate"] in OPEN)
        if was_open:
            one.update(fate="committed", at=self.now, task=task(one["mark"]))

    def finish(self, which: int, word: str) -> None:
        named = [it for it in self.known if it["task"] is not None]
        over = named[which % len(named)]["task"]["task_id"] if named and which % 3 else "another"
        self.state, _ = finish(self.state, self.now, task_id=over)
        for it in named:
            if it["task"]["task_id"] == over and it["fate"] == "committed":
                it["fate"] = "finished"

    def forget(self, which: int, word: str) -> None:
        if which % 3:
            return
        lost = {it["id"] for it in self.known if it["fate"] == "unknown"}
        lost |= {it["id"] for it in self.known if it["fate"] == "in_flight" and it["owner"] in self.dead}
        left = [it for it in self.known if it["id"] not in lost]
        self.state, forgot = forget(self.state, self.now, gone=self.dead.__contains__)
        assert forgot is (len(left) < len(self.known))
        assert (self.state is None) is (not left)
        self.known = left

    def die(self, which: int, word: str) -> None:
        self.dead.add(self.names[which % 2])
        self.names[which % 2] = f"p{len(self.dead) + 1}"

    def tick(self, which: int, word: str) -> None:
        self.now += which * 7.0


STEPS = st.tuples(
    st.sampled_from(["begin", "begin", "settle", "settle", "resolve", "finish", "forget", "die", "tick"]),
    st.integers(0, 29),
    st.sampled_from([str(it) for it in Certainty]),
)


@given(steps=st.lists(STEPS, max_size=30))
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
    state = leave(enter(None, mark="m")[0], 10.0, Certainty.UNKNOWN)
    state, verdict = enter(state, 10.0 + passed, "b", again=again, before="a")
    assert verdict.kind == kind
    if kind == "refuse":
        assert (verdict.marks, verdict.since) == (("m",), max(0.0, passed))


def test_an_answer_is_given_once_the_same_one_is_made() -> None:
    """``replay`` comes with the answer and the task of the last one made, whatever became of others since."""
    state = leave(enter(None)[0], 1.0, Certainty.COMMITTED, task=task("a"), answer={"status": 200})
    state, verdict = enter(state, 2.0, "b", again="replay")
    assert (verdict.kind, verdict.answer, verdict.task, verdict.since) == ("replay", {"status": 200}, task("a"), 1.0)
    state = leave(enter(state, 3.0, "b")[0], 4.0, Certainty.REJECTED, "b")
    assert enter(state, 5.0, "c", again="replay")[1].answer == {"status": 200}
    state = made("d", 6.0, state)
    assert enter(state, 7.0, "e", again="replay")[1].task == task("d")
    rejected = leave(enter(None)[0], 4.0, Certainty.REJECTED)
    assert enter(rejected, 5.0, "b", again="replay")[1].kind == "go"


@pytest.mark.parametrize(("again", "kind"), [("", "go"), ("replay", "replay"), ("poll", "poll"), ("retry", "replay")])
@pytest.mark.parametrize("before", ["", "a", "gone"])
def test_what_was_made_is_remembered_for_a_window(again: str, kind: str, before: str) -> None:
    """After that the same key or body is a new create."""
    state = made(now=10.0)
    assert enter(state, 10.0 + WINDOW - 1, "b", again=again, before=before)[1].kind == kind
    assert enter(state, 10.0 + WINDOW, "b", again=again, before=before)[1].kind == "go"


@pytest.mark.parametrize(("again", "kind"), [("", "go"), ("replay", "wait"), ("poll", "wait"), ("retry", "go")])
def test_who_waits_for_the_one_on_its_way(again: str, kind: str) -> None:
    """The same key and deduplication do; an SDK's retry does not, for what it repeats has ended."""
    assert enter(enter(None)[0], 1.0, "b", again=again)[1].kind == kind


@pytest.mark.parametrize(
    ("certainty", "kind", "given"),
    [
        (Certainty.COMMITTED, "replay", "a"),
        (Certainty.REJECTED, "go", None),
        (Certainty.UNKNOWN, "refuse", None),
    ],
)
def test_a_retry_gets_what_its_own_attempt_before_had(certainty: Certainty, kind: str, given: str | None) -> None:
    """Whatever others with the same body were given meanwhile; where that attempt is not known, the last one's."""
    own = task("a") if certainty is Certainty.COMMITTED else None
    state = leave(enter(None)[0], 1.0, certainty, task=own)
    state = leave(state, 2.0, Certainty.COMMITTED, "other", task=task("other"))
    verdict = enter(state, 3.0, "b", again="retry", before="a")[1]
    assert (verdict.kind, verdict.task) == (kind, None if given is None else task(given))
    if kind != "refuse":
        assert enter(state, 3.0, "b", again="retry", before="nobody")[1].task == task("other")
        assert enter(state, 3.0, "b", again="retry")[1].task == task("other")


@pytest.mark.parametrize("again", ["replay", "poll", "retry"])
@pytest.mark.parametrize(
    ("first", "second", "is_given"),
    [("k1", "k1", True), ("k1", "k2", False), (None, "k2", True), ("k1", None, True), (None, None, True)],
)
def test_another_keys_answers_are_not_given(again: str, first: Any, second: Any, is_given: bool) -> None:
    """It may be another account; where either key is not known they may be the same."""
    state = made(facts={"key_id": first})
    assert (enter(state, 1.0, "b", again=again, facts={"key_id": second})[1].kind != "go") is is_given
    if not is_given:
        both = made("c", 1.0, state, facts={"key_id": second})
        assert enter(both, 2.0, "d", again=again, facts={"key_id": first})[1].task == task("a")


@pytest.mark.parametrize(
    ("first", "second", "again", "kind"),
    [
        ("one", "two", "replay", "mismatch"),
        ("one", "one", "replay", "replay"),
        ("", "two", "replay", "replay"),
        ("one", "", "replay", "replay"),
        ("one", "two", "poll", "poll"),
        ("one", "two", "retry", "replay"),
    ],
)
def test_one_key_is_for_one_body(first: str, second: str, again: str, kind: str) -> None:
    """The same ``Idempotency-Key`` with another body gets no answer of the first one's; its task is named."""
    verdict = enter(made(body=first), 3.0, "b", again=again, body=second)[1]
    assert (verdict.kind, verdict.task, verdict.since) == (kind, task("a"), 3.0)
    assert verdict.answer == (None if kind == "mismatch" else {"is": "a"})


def test_only_the_end_of_its_own_task_lets_the_same_create_out() -> None:
    """Another task's end says nothing; what is on its way has none yet."""
    state = made()
    assert finish(None, 1.0, task_id="a") == (None, None)
    assert enter(finish(state, 1.0, task_id="b")[0], 1.0, "b", again="poll")[1].kind == "poll"
    over = finish(state, 1.0, task_id="a")[0]
    assert over["creates"][0]["answer"] is None
    assert enter(over, 1.0, "b", again="poll")[1].kind == "go"
    flying = enter(over, 1.0, "b")[0]
    assert finish(flying, 2.0, task_id="a")[0] == flying


@pytest.mark.parametrize("certainty", list(Certainty))
def test_who_was_taken_for_dead_settles_its_own_entry(certainty: Certainty) -> None:
    """Where nobody can tell who lives, the sweep is only the careful reading: the answer that comes corrects it."""
    state, _ = enter(None, mark="m", owner="a")
    state, verdict = enter(state, 1.0, "b", owner="b", gone=lambda owner: owner == "a")
    assert (verdict.kind, fates(state)) == ("refuse", {"a": "unknown"})
    state = leave(state, 2.0, certainty)
    assert enter(state, 3.0, "b", owner="b")[1].kind == ("refuse" if certainty is Certainty.UNKNOWN else "go")


@pytest.mark.parametrize("certainty", list(Certainty))
def test_a_create_that_is_not_there_is_settled_all_the_same(certainty: Certainty) -> None:
    """Its entry may stand in another store, or be gone: what is known of it is not lost, nor what was known before."""
    for before in (None, made("z")):
        state = leave(before, 1.0, certainty, owner="p", mark="m", body="h", facts={"route": "late"}, answer={"x": 1})
        *others, one = state["creates"]
        assert others == (before or {"creates": []})["creates"]
        assert (one["id"], one["owner"], one["mark"], one["body"]) == ("a", "p", "m", "h")
        assert (one["fate"], one["facts"], one["answer"]) == (
            FATES.get(certainty, "rejected"),
            {"route": "late"},
            {"x": 1},
        )
        assert (enter(state, 2.0, "b")[1].kind == "refuse") is (certainty is Certainty.UNKNOWN)


def test_what_a_create_was_entered_with_stays() -> None:
    """What the settling call says of it serves only where its entry is not there."""
    state, _ = enter(None, mark="m", body="h", facts={"route": "first"})
    (one,) = leave(state, 0.0, Certainty.UNKNOWN, owner="q", mark="n", body="i", facts={"route": "late"})["creates"]
    assert (one["owner"], one["mark"], one["body"], one["facts"]) == ("p", "m", "h", {"route": "first"})


@pytest.mark.parametrize("certainty", list(Certainty))
@pytest.mark.parametrize("unknown", [False, True])
def test_a_create_that_was_found_stays_made(certainty: Certainty, unknown: bool) -> None:
    """The call that made it may not know, or think that it was refused: its task is there. Its own answer counts."""
    state = enter(None, mark="m")[0]
    state = leave(state, 1.0, Certainty.UNKNOWN) if unknown else state
    state = resolve(state, 2.0, mark="m", task=lambda facts: task("found"))[0]
    own = task("own") if certainty is Certainty.COMMITTED else None
    (one,) = leave(state, 3.0, certainty, task=own)["creates"]
    assert (one["fate"], one["task"]) == ("committed", own or task("found"))


@pytest.mark.parametrize("certainty", [it for it in Certainty if it is not Certainty.COMMITTED])
def test_a_call_that_is_interrupted_as_it_settles_corrects_itself(certainty: Certainty) -> None:
    """Its caller never saw the answer: what is told last counts, for only the call itself knew that it was made."""
    state = leave(made(), 1.0, certainty, task=task("a"))
    assert fates(state) == {"a": FATES.get(certainty, "rejected")}
    assert (enter(state, 2.0, "b")[1].kind == "refuse") is (certainty is Certainty.UNKNOWN)


def test_two_creates_with_one_mark_are_two() -> None:
    """The one that was found is settled, the other is as unknown as before."""
    state = enter(enter(None, mark="m")[0], 0.0, "b", mark="m")[0]
    state, _ = resolve(state, 1.0, mark="m", task=lambda facts: task("t"))
    assert fates(state) == {"a": "committed", "b": "in_flight"}
    state = leave(leave(state, 2.0, Certainty.UNKNOWN, "a"), 2.0, Certainty.UNKNOWN, "b")
    assert fates(state) == {"a": "committed", "b": "unknown"}
    assert enter(state, 4.0, "c")[1].kind == "refuse"


def test_a_create_that_is_found_tells_whether_it_was_unknown() -> None:
    """A mark nobody knows changes nothing; the handle is made of the facts that the create left."""
    assert resolve(None, 0.0, mark="m", task=lambda facts: None) == (None, False)
    state, _ = enter(enter(None, mark="m", facts={"route": "r"})[0], 0.0, "b")
    for strange in ("x", ""):
        assert resolve(state, 1.0, mark=strange, task=lambda facts: None) == (state, False)
    lost = leave(state, 1.0, Certainty.UNKNOWN)
    found, known = resolve(lost, 2.0, mark="m", task=lambda facts: {**facts, "task_id": "t"})
    assert known is True
    one = next(it for it in found["creates"] if it["id"] == "a")
    assert (one["task"], one["fate"]) == ({"route": "r", "task_id": "t"}, "committed")
    assert resolve(found, 3.0, mark="m", task=lambda facts: None)[1] is False


def test_only_the_unknown_is_forgotten() -> None:
    """What is on its way will be known, and what was made is; what an ended process had on its way may be forgotten."""
    assert forget(None, 0.0, gone=never) == (None, False)
    flying = enter(None)[0]
    assert forget(flying, 1.0, gone=never) == (flying, False)
    assert forget(flying, 1.0, gone=lambda owner: owner == "p") == (None, True)
    mixed = leave(made("b", 0.0, flying), 0.0, Certainty.UNKNOWN, "c")
    left, forgot = forget(mixed, 1.0, gone=never)
    assert (left, forgot) == (made("b", 0.0, flying), True)
    assert forget(left, 1.0, gone=never) == (left, False)
    rejected = leave(None, 0.0, Certainty.REJECTED)
    assert forget(rejected, 1.0, gone=never) == (rejected, False)
    assert forget(leave(None, 0.0, Certainty.UNKNOWN), 1.0, gone=never) == (None, True)


def crowded(*fates: str) -> Any:
    """Return a state with so many creates, in this order."""
    held = [{**WHOLE["creates"][0], "id": f"{fate}{at}", "fate": fate} for at, fate in enumerate(fates)]
    return {"creates": held, "keep": True}


@pytest.mark.parametrize("fate", OPEN)
def test_what_may_still_be_paid_is_left_out_last(fate: str) -> None:
    """Of more than 32 creates rejected ones go first, then those that are over, then those made, the oldest first."""
    state = crowded(fate, "committed", "rejected", *["finished"] * 2, *[fate] * 27)
    order = ["rejected2", "finished3", "finished4", "committed1"]
    for at, gone in enumerate(order):
        state = leave(state, 1.0, Certainty.COMMITTED, f"new{at}")
        assert len(state["creates"]) == 32
        left = set(fates(state))
        assert gone not in left
        assert left >= {*order[at + 1 :], f"{fate}0", *(f"new{n}" for n in range(at + 1))}


def test_no_end_of_others_makes_room_among_the_unknown() -> None:
    """Thirty-two on their way or unknown stay refused, however many end after that."""
    state = crowded(*["unknown"] * 32)
    for number in range(40):
        state = leave(state, 1.0, Certainty.COMMITTED, f"n{number}", task=task("t"))
        state = leave(state, 1.0, Certainty.REJECTED, f"r{number}")
    assert set(fates(state).values()) == {"unknown"}
    assert enter(state, 2.0, "b")[1].kind == "refuse"


# --- states that nobody of ours wrote

WHOLE = made(mark="m", body="h", facts={"x": 1})
WRONG: dict[str, list[Any]] = {
    **{name: [None, 3, [], {}] for name in ("id", "owner", "mark", "body")},
    "fate": ["", "Committed", "made", None, 3, [], {}, False],
    "at": [None, "now", float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), True, [], {}],
    "facts": [None, [], "x", 3],
    "task": [[], "t", 3, False],
    "answer": [[], "x", 3, False],
}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def refused(bad: Any) -> None:
    for again in MODES:
        state, verdict = enter(bad, 5.0, "b", again=again, before="a")
        assert verdict.kind == "refuse"
        assert enter(state, 5.0 + WINDOW, "b", again=again)[1].kind == "go"
    assert fate_among(counting(bad, 5.0, window=WINDOW, gone=never)) == "unknown"
    left, forgot = forget(bad, 5.0, gone=never)
    assert forgot
    assert left is None or fates(left) == {"a": "committed"}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [(name, wrong) for name, values in WRONG.items() for wrong in values],
    ids=lambda it: repr(it)[:30],
)
def test_a_state_that_cannot_be_read_says_nothing_good(field: str, wrong: Any) -> None:
    """Its create may have been done: it is refused for a window from then on, and is unknown to who asks."""
    (one,) = WHOLE["creates"]
    assert tuple(one) == FIELDS
    refused({**WHOLE, "creates": [{**one, field: wrong}]})
    refused({**WHOLE, "creates": [{name: value for name, value in one.items() if name != field}]})


@pytest.mark.parametrize("creates", [None, {}, "x", 3, [None], [3], ["a"], [[]], [{}]])
def test_a_list_of_creates_that_is_none_says_nothing_good(creates: Any) -> None:
    """Nor does a state without one, or with one that can't be read beside a whole one."""
    refused({"keep": False, "creates": creates})
    refused({})
    if isinstance(creates, list):
        refused({"creates": [*WHOLE["creates"], *creates]})


def test_what_a_newer_version_added_to_a_create_stays() -> None:
    """A field that is not known here does no harm, and is kept."""
    newer = {"creates": [{**WHOLE["creates"][0], "newer": [1]}], "keep": False}
    state, verdict = enter(newer, 1.0, "b")
    assert (verdict.kind, state["creates"][0]["newer"]) == ("go", [1])


@given(
    state=st.fixed_dictionaries(
        {}, optional={"creates": ANY | st.lists(st.dictionaries(st.sampled_from(FIELDS), ANY)), "keep": ANY}
    ),
    one=st.dictionaries(st.sampled_from(FIELDS), ANY),
    certainty=st.sampled_from(list(Certainty)),
    again=st.sampled_from(MODES),
)
def test_no_state_makes_a_step_fail(state: Any, one: Any, certainty: Certainty, again: str) -> None:
    """Any JSON is a state to every step, and what comes of it is one too, unless its own values are no JSON."""

    def nothing(facts: Any) -> None: ...

    for held in (state, {**state, "creates": [{**WHOLE["creates"][0], **one}]}):
        after = [
            enter(held, 1.0, "b", again=again, mark="m", before="a")[0],
            leave(held, 1.0, certainty, task=task("x"), facts={"y": 1}),
            finish(held, 1.0, task_id="a")[0],
            forget(held, 1.0, gone=never)[0],
            resolve(held, 1.0, mark="m", task=nothing)[0],
        ]
        for it in after:
            if it is not None:
                assert fate_among(counting(it, 1.0, window=WINDOW, gone=never)) in (
                    "unknown",
                    "in_flight",
                    "rejected",
                    "committed",
                )
        for it in after[:-2]:
            assert creates_of(it, 1.0) == it["creates"] or it != it
