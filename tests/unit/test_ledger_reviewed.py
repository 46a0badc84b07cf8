"""What a hostile reader found in the ledger's books: creates that went out twice, or were held back for ever.

Must not know any client, nor a real store.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from anyint_resilience import Certainty
from anyint_resilience.creates import entered
from anyint_resilience.effects import Sleep, StateCall
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.tasks import arrears
from anyint_resilience.tasks import books as room
from anyint_resilience.tasks.entries import GO, Verdict
from anyint_resilience.tasks.ledger import Ledger
from anyint_resilience.tasks.paper import Paper
from tests.unit.books_kit import Desk
from tests.unit.engine_kit import Script, World
from tests.unit.test_ledger import WINDOW, Books

KEY = "create:i"


def before(store: Any, name: str, do: Callable[[], object]) -> None:
    """Have something else done once, right before a store runs a step of this name: another thread was faster."""
    inner, left = store.update, [do]

    def update(key: str, step: Any, ttl: float) -> Any:
        if left and getattr(getattr(step, "func", None), "__name__", "") == name:
            left.pop()()
        return inner(key, step, ttl)

    store.update = update


def forgotten_elsewhere() -> tuple[Desk, Books]:
    """Return a process that knows of a create of unknown outcome, and another one, which has had it forgotten."""
    desk = Desk()
    desk.enter()
    desk.leave(Certainty.UNKNOWN)
    other = Books(desk.elsewhere.held)
    other.clock = desk.clock
    assert other.ledger.forget("i")
    return desk, other


# --- creates that went out twice


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("fails", [False, True], ids=["it is told", "it fails at that"])
def test_a_create_went_out_while_another_thread_told_the_store_that_it_is_unknown(strict: bool, fails: bool) -> None:
    """What that was at was nowhere: not waiting any more, and not in the store yet."""
    books, said = Books(strict=strict), list[str]()
    books.enter()
    books.ledger.later(KEY, books.left(Certainty.UNKNOWN))
    before(books.store, "settle", lambda: said.append(books.enter()))
    books.store.fails = iter((False, False, False, fails))  # two creates that begin, one that is taken back, and it
    books.enter(intent="j")
    assert said == ["refuse"]
    assert [it["fate"] for it in books.stored() if it["facts"] == {}].count("unknown") == (0 if fails else 1)
    assert not vars(books.ledger)["_arrears"]._telling
    assert books.enter() == "refuse"


@pytest.mark.parametrize("told", ["at once", "later"])
def test_a_create_went_out_since_the_store_was_told_of_another_one_with_the_same_body(told: str) -> None:
    """One of two settled that this process's memory had let out: the store never knew of the other."""
    books = Books()
    books.store.fails = iter((True, True, told == "later"))
    assert [books.enter() for _ in range(2)] == ["go", "go"]
    books.leave(Certainty.REJECTED)
    if told == "later":
        assert books.enter(intent="j") == "go"
    assert books.enter(again="replay") == "wait"


def test_a_create_that_was_entered_alone_while_a_loss_was_noted_went_out_again() -> None:
    """Another thread set down anew what only this process knows, and left out what had just come."""
    desk = Desk()
    desk.elsewhere.away = True

    def lose() -> None:
        desk.elsewhere.lose()
        desk.elsewhere.member.beat()

    before(desk.own, "begin", lose)
    assert desk.enter(again="replay") == "go"
    desk.elsewhere.away = False
    assert desk.enter(again="replay") == "wait"


def test_a_create_that_came_while_others_were_sent_was_not_sent() -> None:
    """What another thread had read of it was as it was before, and then it counted as sent."""
    desk = Desk()
    desk.elsewhere.away = True
    before(desk.own, "begin", desk.elsewhere.member.beat)
    assert desk.enter() == "go"
    desk.elsewhere.member.release()
    assert [it["fate"] for it in desk.stored()] == ["in_flight"]


def test_a_create_that_had_waited_was_taken_back_after_it_had_gone_out() -> None:
    """The store had not answered its first entering, and heard only then that it is to be undone."""
    idents = list[str]()

    def enter(*, ident: str, **_: Any) -> str:
        idents.append(ident)
        return ident

    names = iter(("two", "three"))
    ledger = SimpleNamespace(key=str, ident=lambda: next(names), longest=WINDOW, ended=str)
    call = SimpleNamespace(
        intent="i",
        ledger=ledger,
        paper=Paper(ident="one"),
        policy=SimpleNamespace(retry_window=60.0),
        remaining=lambda: None,
        elapsed=lambda: 0.0,
    )
    call.entering = lambda: enter(ident=call.paper.ident)
    flow: Any = entered(call)  # type: ignore[arg-type]
    effect = next(flow)
    for verdict in (Verdict("wait"), Verdict("wait")):
        assert isinstance(effect, StateCall)
        assert isinstance(flow.send(verdict), Sleep)
        effect = flow.send(None)
    with pytest.raises(StopIteration) as stop:
        flow.send(GO)
    assert stop.value.value is None
    assert idents == ["one", "two", "three"]
    assert call.paper.ident == "three"


@pytest.mark.parametrize("how", ["it settled", "it settled later"])
def test_a_create_on_its_way_was_forgotten_with_the_window_of_another_one(how: str) -> None:
    """With the same body, which settled: from then on the first was kept no longer than that."""
    world, books = World(), Books()
    if how == "it settled":
        ledger = world.ledger
        ledger.store.update(KEY, ledger.enter(ident="x"), ledger.longest)
        Script(world, 400, path="/openai/v1/videos", intent="i").play()
        world.now += WINDOW + 1
    else:
        ledger = books.ledger
        assert [books.enter() for _ in range(2)] == ["go", "go"]
        ledger.later(KEY, books.left(Certainty.REJECTED))
        ledger.entries()
        books.clock.now += WINDOW + 1
    assert [entry.fate for entry in ledger.entries()] == ["in_flight"]


def test_a_create_went_out_since_the_store_was_told_of_another_one_right_after_it_had_let_this_one_out() -> None:
    """From then on the store's word counted again, and it was an old one."""
    desk = Desk()
    desk.elsewhere.away = True
    assert desk.enter() == "go"
    made = desk.left(Certainty.COMMITTED, answer={"status": 200})
    desk.elsewhere.away = False
    before(desk.elsewhere.held, "begin", lambda: desk.ledger.later(KEY, made))
    assert desk.enter(again="replay") == "replay"


def test_a_create_went_out_twice_since_its_store_lost_it_before_this_process_remembered_it() -> None:
    """The loss was noted by another call; what was let in before it, and known nowhere yet, was not entered again."""
    desk = Desk()

    def lose() -> None:
        desk.elsewhere.lose()
        desk.elsewhere.member.beat()

    before(desk.own, "begin", lose)
    assert desk.enter(again="replay") == "go"
    assert desk.stored() == []
    assert desk.enter(again="replay") == "wait"
    desk.elsewhere.member.release()
    assert [it["fate"] for it in desk.stored()] == ["in_flight"]


def test_a_create_that_the_store_let_out_against_what_this_process_knew_was_known_to_the_store_alone() -> None:
    """Another process had forgotten what was unknown; then the store was away, and the next one went out beside it."""
    desk, _ = forgotten_elsewhere()
    assert desk.enter() == "go"
    desk.elsewhere.away = True
    with pytest.raises(StoreError):
        desk.ledger.forget("i")
    assert desk.enter(again="replay") == "wait"


# --- creates that were held back without a reason


def test_a_create_that_could_not_be_taken_back_held_back_its_repetitions_for_a_day() -> None:
    """It was never sent, so that nobody would ever settle it."""
    books = Books()
    books.store.fails = iter((True, False, True))
    assert books.enter(again="replay") == "go"
    first = books.last
    assert books.enter(again="replay") == "wait"
    books.leave(Certainty.COMMITTED, ident=first, answer={"status": 200})
    assert books.enter(again="replay") == "replay"


def test_a_create_that_was_refused_during_an_outage_undid_that_it_was_forgotten() -> None:
    """Another process's application had decided; that this one's memory knew better was nothing new to the store."""
    desk, other = forgotten_elsewhere()
    desk.elsewhere.away = True
    assert desk.enter() == "refuse"
    desk.elsewhere.away = False
    desk.elsewhere.member.beat()
    desk.elsewhere.member.release()
    assert other.ledger.unknown() == ()
    assert desk.enter() == "go"


def test_a_create_that_was_forgotten_right_after_an_outage_came_back() -> None:
    """The store was still to be told that it is on its way; nobody would ever have settled that."""
    desk = Desk()
    desk.elsewhere.away = True
    desk.enter()
    desk.leave(Certainty.UNKNOWN)
    desk.elsewhere.away = False
    assert desk.ledger.forget("i")
    assert desk.elsewhere.member.release() == ["_restored", "_restored"]
    assert desk.stored() == []


# --- what a long outage costs


def test_all_that_only_this_process_knew_was_looked_through_at_each_create() -> None:
    """Of a store that lives elsewhere, while it was away: the more of them, the longer each took."""

    class Counted(dict[str, bool]):
        looks = 0

        def items(self) -> Any:
            Counted.looks += 1
            return super().items()

    desk = Desk()
    vars(desk.ledger)["_apart"] = Counted()
    desk.elsewhere.away = True
    for number in range(20):
        desk.enter(intent=str(number))
    assert Counted.looks == 0
    assert desk.elsewhere.member.release() == ["_restored"] * 20


def test_what_only_this_process_knew_once_was_noted_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory has an end, and so has what waits to be told; the names of all creates of an outage had none."""
    for module in (room, arrears):
        monkeypatch.setattr(module, "MOST", 3)
    books = Books()
    books.spare = MemoryStore(books.clock, max_entries=3)
    books.ledger = Ledger(books.store, spare=books.spare, window=WINDOW)
    books.store.dead = True
    for number in range(20):
        books.enter(intent=str(number))
        books.leave(Certainty.UNKNOWN, intent=str(number))
    assert len(vars(books.ledger)["_apart"]) <= 6
    assert books.enter(intent="19") == "refuse"
