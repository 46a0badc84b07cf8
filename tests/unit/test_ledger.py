"""The ledger on its stores: one that fails, one that processes share and die on; what applications ask of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Certainty, StoreError, TaskHandle, parse_callback
from anyint_resilience.effects import StateCall
from anyint_resilience.stores.flows import waited
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.sqlite import SqliteStore
from anyint_resilience.tasks.ledger import Ledger, intent_of
from anyint_resilience.tasks.news import News
from tests.unit.store_kit import BACKENDS, Clock, Make, Other, posix
from tests.unit.task_kit import handle_of

WINDOW = 3600.0
FACTS = {
    "family": "suno",
    "route": "POST /suno/generate",
    "gateway": "https://h.test",
    "created_at": 1.0,
    "key_id": "aa",
}


class Shaky:
    """A store that fails when it is told to: at the next so many updates, or whatever is asked of it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.fails: Iterator[bool] = iter(())
        self.dead = False

    def _may(self) -> None:
        if self.dead:
            raise StoreError("down")

    @property
    def owner(self) -> str:
        self._may()
        return str(self.inner.owner)

    def gone(self, owner: str) -> bool:
        self._may()
        return bool(self.inner.gone(owner))

    def update(self, key: str, step: Any, ttl: float) -> Any:
        if next(self.fails, self.dead):
            raise StoreError("down")
        return self.inner.update(key, step, ttl)

    def scan(self, prefix: str) -> Any:
        self._may()
        return self.inner.scan(prefix)

    def close(self) -> None: ...


class Books:
    """A ledger on a store that may fail, and what was told of its failures."""

    def __init__(self, inner: Any = None, *, strict: bool = False) -> None:
        self.clock = Clock()
        self.store = Shaky(MemoryStore(self.clock) if inner is None else inner)
        self.spare = MemoryStore(self.clock)
        self.ledger = Ledger(self.store, spare=self.spare, window=WINDOW, strict=strict)
        self.errors: list[Exception] = []
        self.last = ""

    def change(self, step: Any, *, enters: bool = False, intent: str = "i") -> Any:
        return waited(
            self.ledger.changing(
                StateCall(self.ledger.key(intent), step, self.ledger.longest if enters else WINDOW, enters),
                self.errors.append,
            )
        )

    def enter(self, **more: Any) -> str:
        return str(self.ask(**more).kind)

    def ask(self, *, intent: str = "i", **more: Any) -> Any:
        """Enter a create with a name of its own, and remember that for :meth:`leave`."""
        self.last = self.ledger.ident()
        return self.change(self.ledger.enter(ident=self.last, **more), enters=True, intent=intent)

    def leave(self, certainty: Certainty, *, intent: str = "i", ident: str | None = None, **more: Any) -> None:
        self.change(self.left(certainty, ident=ident, **more), intent=intent)

    def left(self, certainty: Certainty, *, ident: str | None = None, **more: Any) -> Any:
        return self.ledger.leave(certainty, ident=self.last if ident is None else ident, **more)

    def stored(self) -> list[Any]:
        return [it for _, state in self.store.inner.scan("create:") for it in state["creates"]]

    def fates(self) -> dict[str, str]:
        return {entry.intent: entry.fate for entry in self.ledger.entries()}


@pytest.fixture(params=BACKENDS.values(), ids=BACKENDS)
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    make: Make = request.param
    made = Books()
    made.store.inner = make(tmp_path, made.clock)
    return made


# --- a store that fails


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("certainty", list(Certainty))
@pytest.mark.parametrize("fails", [(a, b) for a in (False, True) for b in (False, True)])
def test_a_store_that_fails_at_any_step(strict: bool, certainty: Certainty, fails: tuple[bool, bool]) -> None:
    """No call fails by it, unless a strict ledger can't enter a create; the unknown is refused wherever it stands."""
    books = Books(strict=strict)
    books.store.fails = iter(fails)
    if strict and fails[0]:
        with pytest.raises(StoreError):
            books.enter()
        assert len(books.errors) == 1
        assert list(books.spare.scan("")) == []
        return
    assert books.enter() == "go"
    books.leave(certainty)
    assert len(books.errors) == sum(fails)
    assert books.ledger.unknown() == (("i",) if certainty is Certainty.UNKNOWN else ())
    assert books.enter() == ("refuse" if certainty is Certainty.UNKNOWN else "go")


@pytest.mark.parametrize("again", ["", "replay", "poll", "retry"])
def test_a_store_that_is_down_for_good(again: str) -> None:
    """This process's memory serves alone, also where nothing else can be asked of the store."""
    books = Books()
    books.store.dead = True
    assert books.enter(again=again) == "go"
    assert books.enter(again=again) == ("wait" if again in ("replay", "poll") else "go")
    books.leave(Certainty.COMMITTED, task={"task_id": "a"}, answer={"status": 200})
    books.leave(Certainty.UNKNOWN, ident="another")
    assert books.enter(again=again) == "refuse"
    assert all(isinstance(error, StoreError) for error in books.errors)


def test_what_the_spare_knows_counts_when_the_store_is_back() -> None:
    """A create on its way that was entered while it was down: who waits for such is let in nowhere, and taken back."""
    books = Books()
    books.store.fails = iter((True,))
    assert books.enter(again="replay") == "go"
    first = books.last
    assert books.enter(again="replay") == "wait"
    assert [it["fate"] for it in books.stored()] == []
    books.leave(Certainty.COMMITTED, ident=first, answer={"status": 200})
    assert books.ask(again="replay").answer == {"status": 200}
    assert books.enter() == "go"


def test_a_create_lost_while_the_store_was_down_is_refused_when_it_is_back() -> None:
    """The store is told before it is asked, so that all who share it refuse; forgotten, it stays so."""
    books = Books()
    books.store.fails = iter((True, True))
    assert books.enter(mark="m") == "go"
    books.leave(Certainty.UNKNOWN, mark="m")
    assert books.stored() == []
    assert books.enter(mark="n") == "refuse"
    assert [(it["fate"], it["mark"]) for it in books.stored()] == [("unknown", "m")]
    assert books.ledger.forget("i") is True
    assert books.enter(mark="n") == "go"
    books.leave(Certainty.REJECTED)
    assert books.ledger.unknown() == ()


def test_taking_back_may_fail_too() -> None:
    """It is told, and the create is held back all the same."""
    books = Books()
    books.store.fails = iter((True, False, True))
    books.enter()
    assert books.enter(again="replay") == "wait"
    assert len(books.errors) == 2


def test_a_create_the_store_refuses_is_not_left_on_its_way_in_the_spare() -> None:
    """It was never sent: nobody would ever settle it, and every repetition would wait for it."""
    books = Books()
    books.store.fails = iter((True, True))
    books.enter()
    books.leave(Certainty.REJECTED)
    other = Books(books.store.inner)
    other.clock = books.clock
    other.enter()
    other.leave(Certainty.UNKNOWN)
    assert books.enter() == "refuse"
    assert other.ledger.forget("i") is True
    assert books.enter(again="replay") == "go"


def test_an_unknown_outcome_reaches_the_store_that_is_back() -> None:
    """Entered in the spare, settled in the store: other processes hold it back too, whatever they knew before."""
    books = Books()
    books.enter()
    books.leave(Certainty.COMMITTED, task={"task_id": "a"})
    books.store.fails = iter((True,))
    assert books.enter(mark="m") == "go"
    books.leave(Certainty.UNKNOWN, mark="m")
    assert Books(books.store.inner).ledger.unknown() == ("i",)


def test_steps_that_give_no_verdict_run_on_both() -> None:
    """An end, or a create that was found, is noted wherever its entry is."""
    books = Books()
    books.store.fails = iter((True, True))
    books.enter(mark="i-1")
    books.leave(Certainty.UNKNOWN, mark="i-1")
    assert books.ledger.unknown() == ("i",)
    books.change(books.ledger.was_found("i-1", {"task_id": "a"}))
    assert books.ledger.unknown() == ()
    books.change(books.ledger.ended("a"))
    assert books.enter(again="poll") == "go"


# --- a store that is back


@pytest.mark.parametrize("certainty", list(Certainty))
@pytest.mark.parametrize("again", ["", "replay", "poll", "retry"])
def test_what_could_not_be_settled_is_settled_before_the_next_look(certainty: Certainty, again: str) -> None:
    """The repetition does not wait for a create that is over: it gets its answer, is refused, or goes out."""
    books = Books()
    books.store.fails = iter((False, True))
    assert books.enter() == "go"
    first = books.last
    books.leave(certainty, answer={"status": 200}, task={"task_id": "a"})
    assert [it["fate"] for it in books.stored()] == ["in_flight"]
    verdict = books.ask(again=again, before=first)
    if certainty is Certainty.UNKNOWN:
        assert verdict.kind == "refuse"
    elif certainty is Certainty.COMMITTED and again:
        assert verdict.kind == ("poll" if again == "poll" else "replay")
        assert (verdict.answer, verdict.task) == ({"status": 200}, {"task_id": "a"})
    else:
        assert verdict.kind == "go"
    assert Books(books.store.inner).stored()[0]["fate"] != "in_flight"


def test_what_is_to_be_settled_waits_for_the_store_in_its_order() -> None:
    """While it fails nothing of it is lost; what came first is told first, and each is told once."""
    books = Books()
    books.store.fails = iter((False, True, *[True] * 6))
    books.enter()
    books.leave(Certainty.UNKNOWN, mark="m")
    for _ in range(3):
        books.enter(intent="j")
    books.change(books.ledger.was_found("m", {"task_id": "a"}))
    assert [it["fate"] for it in books.stored()] == ["in_flight"]
    books.store.fails = iter(())
    assert books.enter(intent="k") == "go"
    (first, _) = books.stored()
    assert first["fate"] == "unknown"  # it carries no mark in the store: it was entered without one
    assert not books.ledger._arrears


@pytest.mark.parametrize("ask", [lambda it: it.entries(), lambda it: it.found("i-1", "t1"), lambda it: it.forget("i")])
def test_who_asks_the_ledger_asks_a_store_that_was_told(ask: Any) -> None:
    """Also an application that looks first, or a callback that comes first."""
    books = Books()
    books.store.fails = iter((False, True))
    books.enter(mark="i-1", facts=FACTS)
    books.leave(Certainty.UNKNOWN)
    ask(books.ledger)
    assert not books.ledger._arrears
    assert all(it["fate"] != "in_flight" for it in books.stored())


# --- names


def test_no_two_creates_have_one_name() -> None:
    """Of one ledger, of two on the same store, and from many threads at once."""
    books = Books()
    other = Ledger(books.store, spare=books.spare, window=WINDOW)
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: (books.ledger.ident(), other.ident()), range(200)))
    assert len({name for pair in names for name in pair}) == 400


@posix
@pytest.mark.parametrize("down", [False, True])
def test_a_fork_names_its_creates_anew(tmp_path: Path, down: bool) -> None:
    """It has a copy of all its parent knows, and must not settle the parent's creates; also while the store fails."""
    code = LEDGER + (
        f"down = {down}\n"
        "class Down(type(store)):\n"
        "    @property\n"
        "    def owner(self):\n"
        "        raise OSError('down')\n"
        "if down:\n"
        "    store.__class__ = Down\n"
        "import os\n"
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.write(write, ledger.ident().encode())\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "say(os.read(read, 999).decode(), ledger.ident())"
    )
    with Other(tmp_path / "store.db", code) as other:
        child, parent = other.hear().split()
    assert child != parent


# --- creates that nobody drives any more


@pytest.mark.parametrize("entered", [False, True])
@pytest.mark.parametrize("settled", [False, True])
def test_a_create_given_up_is_settled_before_the_next_look(entered: bool, settled: bool) -> None:
    """Whichever store held it when it was entered, and whichever works by then: it is unknown, and not on its way."""
    books = Books()
    books.store.fails = iter((not entered, not settled))
    assert books.enter(again="replay") == "go"
    books.ledger.later(books.ledger.key("i"), books.left(Certainty.UNKNOWN))
    assert books.ledger.unknown() == (("i",) if settled else ())
    assert books.enter(again="replay") == "refuse"
    assert books.enter() == "refuse"
    books.ledger.forget("i")
    assert books.enter(again="replay") == "go"


def test_what_was_given_up_is_forgotten_with_its_intent() -> None:
    """It does not come back after the application has decided."""
    books = Books()
    books.enter()
    books.ledger.later(books.ledger.key("i"), books.left(Certainty.UNKNOWN))
    assert books.ledger.forget("i") is True
    assert books.enter() == "go"


def test_what_was_given_up_is_found_by_its_mark() -> None:
    """A callback that comes before the next look finds it as it is by then: unknown, or on its way."""
    books = Books()
    books.enter(mark="i-1", facts=FACTS)
    books.ledger.later(books.ledger.key("i"), books.left(Certainty.UNKNOWN, mark="i-1"))
    assert books.ledger.found("i-1", "t1") is True
    assert books.fates() == {"i": "committed"}


# --- what applications ask


def test_what_is_known_of_every_intent(books: Books) -> None:
    """Its fate, its route, and handles that are whole; those that are none are left out."""
    task = TaskHandle.from_dict({**FACTS, "task_id": "a"})
    steps = {
        "sent": [],
        "lost": [(Certainty.UNKNOWN, {})],
        "made": [(Certainty.COMMITTED, {"task": task.as_dict()})],
        "file": [(Certainty.COMMITTED, {"task": {"task_id": "f"}})],
        "no": [(Certainty.REJECTED, {})],
    }
    for intent, ends in steps.items():
        assert books.enter(facts=FACTS, intent=intent) == "go"
        for certainty, more in ends:
            books.leave(certainty, intent=intent, **more)
    fates = {"sent": "in_flight", "lost": "unknown", "made": "committed", "file": "committed", "no": "rejected"}
    assert books.fates() == fates
    assert {entry.route for entry in books.ledger.entries()} == {"POST /suno/generate"}
    tasks = {entry.intent: entry.tasks for entry in books.ledger.entries() if entry.tasks}
    assert tasks == {"made": (task,)}
    assert books.ledger.unknown() == ("lost",)
    assert books.ledger.forget("lost") is True
    assert books.ledger.forget("lost") is False
    assert books.ledger.unknown() == ()
    books.clock.now += WINDOW + 1
    assert books.fates() == {"sent": "in_flight"}


@pytest.mark.parametrize("outcome", [Certainty.COMMITTED, Certainty.UNKNOWN])
def test_a_create_that_is_asked_for_again_is_not_kept_for_a_day(books: Books, outcome: Certainty) -> None:
    """Only what is on its way is kept for longer than the window: a shop of redelivered orders filled its store."""
    books.enter()
    books.leave(outcome)
    assert books.enter(again="replay") in ("replay", "refuse")
    books.clock.now += WINDOW + 1
    assert books.stored() == []


def test_a_create_on_its_way_is_kept_for_a_day(books: Books) -> None:
    """However short the window is."""
    books.enter()
    books.clock.now += 86_400 - 1
    assert books.enter(again="replay") == "wait"
    books.clock.now += 86_400 - 1
    assert [it["fate"] for it in books.stored()] == ["in_flight"]


def test_what_is_older_than_the_window_is_not_listed_as_rejected(books: Books) -> None:
    """It was made; that it was asked for again meanwhile keeps its row, and says nothing of it."""
    books.enter(facts=FACTS)
    books.leave(Certainty.COMMITTED)
    books.clock.now += WINDOW - 1
    assert books.enter(again="replay") == "replay"
    books.clock.now += 2
    assert books.ledger.entries() == ()


@pytest.mark.parametrize(
    "when", [None, "soon", True, [], 10**400, float("nan"), float("inf")], ids=lambda it: repr(it)[:9]
)
def test_when_a_create_went_out_is_a_time_or_not_shown(when: Any) -> None:
    """Facts are as whoever wrote them left them; the oldest of the others comes first."""
    books = Books()
    books.enter(intent="late", facts={"created_at": 9.0})
    books.enter(intent="odd", facts={"created_at": when})
    books.enter(intent="early", facts={"created_at": 3})
    assert [(it.intent, it.created_at) for it in books.ledger.entries()] == [
        ("odd", None),
        ("early", 3.0),
        ("late", 9.0),
    ]


@pytest.mark.parametrize("state", [{}, {"creates": 3}, {"creates": [3]}, {"creates": [{"fate": "committed"}]}])
def test_an_entry_nobody_of_ours_wrote_is_unknown(books: Books, state: dict[str, Any]) -> None:
    """It is listed, and holds its create back until it is forgotten."""
    books.store.update("create:i", lambda before, now: (state, None), WINDOW)
    assert books.ledger.unknown() == ("i",)
    assert books.enter() == "refuse"
    assert books.ledger.forget("i") is True


def test_a_route_that_is_no_text_is_not_shown(books: Books) -> None:
    """Facts are as whoever wrote them left them."""
    books.enter(facts={"route": ["r"]})
    assert [entry.route for entry in books.ledger.entries()] == [None]


def test_both_stores_are_listed_and_the_unknown_wins() -> None:
    """Of two that know an intent, the one that does not know its outcome is shown."""
    books = Books()
    books.enter()
    books.leave(Certainty.COMMITTED)
    books.spare.update("create:i", books.left(Certainty.UNKNOWN, ident="x"), WINDOW)
    books.spare.update("create:j", books.left(Certainty.UNKNOWN, ident="y"), WINDOW)
    assert books.fates() == {"i": "unknown", "j": "unknown"}


def test_names_of_intents_do_not_run_together() -> None:
    """Where one part ends and the next begins makes a difference."""
    assert len({intent_of(b"ab", b"c"), intent_of(b"a", b"bc"), intent_of(b"abc"), intent_of(b"abc", b"")}) == 4
    assert intent_of(b"a") == intent_of(b"a")


# --- callbacks

SONG = {"callbackType": "complete", "task_id": "t1", "data": []}


def test_a_callback_is_new_once_for_each_phase(books: Books) -> None:
    """However it comes: as bytes, text, a mapping or a callback that was read; a day later it is new again."""
    accept = books.ledger.accept_callback
    assert accept(SONG) is True
    for again in (SONG, json.dumps(SONG), json.dumps(SONG).encode(), parse_callback(SONG)):
        assert accept(again) is False
    assert accept({**SONG, "callbackType": "first"}) is True
    assert accept({**SONG, "task_id": "t2"}) is True
    books.clock.now += 86_401
    assert accept(SONG) is True
    with pytest.raises(ValueError, match="callback"):
        accept(b"nonsense")


def test_words_nobody_documented_do_not_crowd_out_the_end(books: Books) -> None:
    """Whoever posts junk for a task does not keep its true phases from being new."""
    for number in range(40):
        books.ledger.accept_callback({**SONG, "callbackType": f"junk{number}"})
    assert books.ledger.accept_callback({**SONG, "callbackType": "junk39"}) is False
    assert books.ledger.accept_callback(SONG) is True
    assert books.ledger.accept_callback(SONG) is False


def test_a_flood_of_callbacks_pushes_no_create_out() -> None:
    """Nobody knows who posts them: ten thousand tasks nobody made leave each create, and room for more callbacks."""
    books = Books()
    for number in range(20):
        books.enter(intent=f"made{number}")
        books.leave(Certainty.COMMITTED, intent=f"made{number}", task={"task_id": "a"}, answer={"status": 200})
    books.enter(intent="lost")
    books.leave(Certainty.UNKNOWN, intent="lost")
    for number in range(10_001):
        assert books.ledger.accept_callback({**SONG, "task_id": f"junk{number}"}) is True
    assert len(books.fates()) == 21
    assert books.ask(intent="made0", again="replay").answer == {"status": 200}
    shelves = list(books.store.scan("callback:"))
    assert len(shelves) <= 256
    assert max(len(state) for _, state in shelves) <= 64
    assert books.ledger.accept_callback({**SONG, "task_id": "junk10000"}) is False
    assert books.ledger.accept_callback(SONG) is True
    assert books.ledger.accept_callback(SONG) is False


@pytest.mark.parametrize("state", [{"t1": 3}, {"t1": None, "x": []}, {"keep": True}, {"t1": {"complete": "soon"}}])
def test_a_shelf_nobody_of_ours_wrote_makes_nothing_fail(books: Books, state: dict[str, Any]) -> None:
    """At the worst a callback is told once too often, or counts as told."""
    key = "callback:" + intent_of(b"t1")[:2]
    books.store.update(key, lambda before, now: (state, None), WINDOW)
    assert books.ledger.accept_callback(SONG) is (not isinstance(state.get("t1"), dict))
    assert books.ledger.accept_callback(SONG) is False


def test_the_same_callback_from_many_threads_is_new_to_one(books: Books) -> None:
    """Two workers of one web server handle it once."""
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: books.ledger.accept_callback(SONG), range(24)))[-2:] == [False, True]


@pytest.mark.parametrize("settled", [False, True])
def test_a_callback_settles_the_create_whose_mark_it_carries(books: Books, settled: bool) -> None:
    """One of unknown outcome, or one whose answer is still to come, which then changes nothing."""
    mark = "i-00c0ffee"
    books.enter(mark=mark, facts=FACTS)
    if settled:
        books.leave(Certainty.UNKNOWN, mark=mark)
        assert books.ledger.unknown() == ("i",)
    assert books.ledger.accept_callback(SONG, url=f"/hook?anyint_create={mark}") is True
    if not settled:
        books.leave(Certainty.UNKNOWN, mark=mark)
    (entry,) = books.ledger.entries()
    assert (entry.fate, [it.task_id for it in entry.tasks]) == ("committed", ["t1"])
    assert books.enter() == "go"


def test_a_create_in_the_spare_is_found_too() -> None:
    """It was entered while the store was down."""
    books = Books()
    books.store.fails = iter((True, True))
    books.enter(mark="i-1", facts=FACTS)
    books.leave(Certainty.UNKNOWN, mark="i-1")
    assert books.ledger.found("i-1", "t1") is True
    assert books.ledger.unknown() == ()


@pytest.mark.parametrize("mark", ["", "i", "i-2", "j-1", "-", "-1"])
def test_a_mark_nobody_put_on_settles_nothing(books: Books, mark: str) -> None:
    """A stranger can name what it likes."""
    books.enter(mark="i-1", facts=FACTS)
    books.leave(Certainty.UNKNOWN, mark="i-1")
    assert books.ledger.found(mark, "t1") is False
    assert books.ledger.unknown() == ("i",)


@pytest.mark.parametrize("facts", [{}, {"route": "POST /suno/generate"}, {**FACTS, "family": "kling"}])
def test_a_find_without_facts_settles_and_has_no_handle(books: Books, facts: dict[str, Any]) -> None:
    """That it was made is known all the same."""
    books.enter(mark="i-1", facts=facts)
    books.leave(Certainty.UNKNOWN, mark="i-1")
    assert books.ledger.found("i-1", "t1") is True
    assert [(entry.fate, entry.tasks) for entry in books.ledger.entries()] == [("committed", ())]


# --- waits


def test_who_listens_is_rung_until_it_is_through() -> None:
    """Several for one task, none for another, and what one ends is its own."""
    news, heard = News(), list[str]()
    ends = [news.listen("t1", lambda name=name: heard.append(name)) for name in "ab"]  # type: ignore[misc]
    news.ring("t1")
    news.ring("t2")
    assert heard == ["a", "b"]
    ends[0]()
    ends[0]()
    news.ring("t1")
    assert heard == ["a", "b", "b"]
    ends[1]()
    news.ring("t1")
    assert heard == ["a", "b", "b"]
    assert news._waiting == {}


def test_who_is_rung_may_end_its_wait_or_begin_another() -> None:
    """No lock is held while it is rung."""
    news = News()
    ends: list[Any] = []

    def ring() -> None:
        ends.pop()()
        ends.append(news.listen("t1", lambda: None))

    ends.append(news.listen("t1", ring))
    news.ring("t1")
    ends.pop()()
    assert news._waiting == {}


def test_a_callback_rings_from_another_thread() -> None:
    """A web server's thread wakes who waits in the main one, for each phase that is new."""
    ledger, rang = Books().ledger, threading.Semaphore(0)
    end = ledger.news.listen("t1", rang.release)
    for phase in ("text", "first", "complete"):
        thread = threading.Thread(target=ledger.accept_callback, args=({**SONG, "callbackType": phase},))
        thread.start()
        thread.join()
        assert rang.acquire(blocking=False)
    end()


def test_only_a_phase_that_is_new_rings() -> None:
    """Who posts the same one ever again, or one for another task, does not drive anybody to ask."""
    ledger, heard = Books().ledger, list[str]()
    end = ledger.news.listen("t1", lambda: heard.append("rung"))
    for phase in ("first", "first", "complete", "first", "complete"):
        ledger.accept_callback({**SONG, "callbackType": phase})
    ledger.accept_callback({**SONG, "task_id": "t2"})
    assert heard == ["rung", "rung"]
    end()


def test_many_threads_listen_and_wake() -> None:
    """Nothing is left behind, and nobody trips."""
    news = News()

    def one(number: int) -> None:
        end = news.listen(f"t{number % 3}", lambda: None)
        news.ring(f"t{(number + 1) % 3}")
        end()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(600)))
    assert news._waiting == {}


# --- processes that share a file

LEDGER = """
from anyint_resilience import Certainty
from anyint_resilience.effects import StateCall
from anyint_resilience.stores.flows import waited
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.tasks.ledger import Ledger
ledger = Ledger(store, spare=MemoryStore(clock), window=3600.0)
ident = ledger.ident()
def change(step):
    return waited(ledger.changing(StateCall("create:i", step, 3600.0), lambda error: say("failed")))
"""


def on(file: Path) -> Books:
    made = Books()
    made.store.inner = SqliteStore(file, made.clock)
    return made


@posix
@pytest.mark.parametrize("again", ["", "replay", "poll"])
def test_what_a_process_had_on_its_way_when_it_died_is_unknown(tmp_path: Path, again: str) -> None:
    """While it lives its create is on its way; once it is killed the same one is refused, by all who share the file."""
    file = tmp_path / "store.db"
    code = "say(change(ledger.enter(ident=ident, mark='i-1', facts={'route': 'r'})).kind)\ninput()"
    with Other(file, LEDGER + code) as other:
        assert other.hear() == "go"
        books = on(file)
        assert books.fates() == {"i": "in_flight"}
        if again:
            assert books.enter(again=again) == "wait"
        other.kill()
    assert books.fates() == {"i": "unknown"}
    verdict = books.ask(again=again)
    assert (verdict.kind, verdict.marks) == ("refuse", ("i-1",))
    assert books.ledger.found("i-1", "t1") is True
    assert books.enter() == "go"


@posix
def test_what_a_process_left_is_there_for_the_next(tmp_path: Path) -> None:
    """A program that died after its create goes on with the handle; one that it lost is still refused."""
    file = tmp_path / "store.db"
    handle = handle_of("suno_song")
    code = LEDGER + (
        "change(ledger.enter(ident=ident))\n"
        f"change(ledger.leave(Certainty.COMMITTED, ident=ident, task={handle.as_dict()!r}, answer={{'status': 200}}))\n"
        "say('made')\ninput()"
    )
    with Other(file, code) as other:
        assert other.hear() == "made"
        other.kill()
    books = on(file)
    (entry,) = books.ledger.entries()
    assert (entry.fate, entry.tasks) == ("committed", (handle,))
    verdict = books.ask(again="replay")
    assert (verdict.kind, verdict.answer) == ("replay", {"status": 200})


@posix
def test_only_one_of_two_processes_lets_a_repetition_out(tmp_path: Path) -> None:
    """They have names of their own, and each settles its own entry."""
    file = tmp_path / "store.db"
    code = LEDGER + "say(ledger.store.owner)\ninput()\nsay(change(ledger.enter(ident=ident, again='poll')).kind)"
    with Other(file, code) as other:
        books = on(file)
        assert other.hear() != books.ledger.store.owner
        assert books.enter(again="poll") == "go"
        other.tell()
        assert other.hear() == "wait"
    books.leave(Certainty.COMMITTED)
    assert books.fates() == {"i": "committed"}
