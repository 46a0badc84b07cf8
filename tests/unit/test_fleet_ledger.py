"""The ledger on a store that processes share and that may be away, be late, or lose what it held."""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import Certainty
from anyint_resilience.effects import StateCall
from anyint_resilience.stores.flows import Pending
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.tasks.ledger import Ledger
from tests.unit.fleet_kit import Process, World
from tests.unit.fleet_member import Running

WINDOW = 3600.0
MADE: dict[str, Any] = {"task": {"task_id": "t"}, "answer": {"status": 200}}
FATES: dict[Certainty, dict[str, str]] = {
    Certainty.REJECTED: {"": "go", "replay": "go", "poll": "go"},
    Certainty.UNKNOWN: {"": "refuse", "replay": "refuse", "poll": "refuse"},
    Certainty.COMMITTED: {"": "go", "replay": "replay", "poll": "poll"},
}
fates = pytest.mark.parametrize(("certainty", "again"), [(it, again) for it in FATES for again in FATES[it]])


class Leased:
    """A store whose processes live by leases, which may lose what it held."""

    leased = True

    def __init__(self, process: Process, lives: Lives) -> None:
        self.member = process.member
        self._world = process.world
        self._lives = lives

    @property
    def owner(self) -> str:
        return self.member.backend.owner

    @property
    def losses(self) -> int:
        return self._lives.losses

    def young(self, key: str) -> bool:
        return self._lives.young

    def gone(self, owner: str) -> bool:
        return owner in self._lives.dead

    def updating(
        self, key: str, step: Any, ttl: float, patience: float | None = None, *, again: bool = False
    ) -> Pending:
        return self.member.updating(key, step, ttl, patience, again=again)

    def update(self, key: str, step: Any, ttl: float) -> Any:
        return self._world.store.update(key, step, ttl)

    def scan(self, prefix: str) -> Any:
        return self._world.store.scan(prefix)

    def close(self) -> None: ...


class Lives:
    """What has become of the processes, and of the store."""

    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.losses = 0
        self.young = False


class Desk:
    """One process's ledger, and what was told of its store's failures."""

    def __init__(self, process: Process, lives: Lives, *, strict: bool = False) -> None:
        self.process = process
        self.ledger = Ledger(Leased(process, lives), spare=MemoryStore(process.clock), window=WINDOW, strict=strict)
        self.errors: list[Exception] = []

    def start(self, step: Any, *, enters: bool = False) -> Running:
        return Running(self.ledger.changing(StateCall(self.ledger.key("i"), step, WINDOW, enters), self.errors.append))

    def enter(self, ident: str, again: str = "") -> str:
        running = self.start(self.ledger.enter(ident=ident, again=again), enters=True)
        assert running.done
        return str(running.value.kind)

    def leave(self, ident: str, certainty: Certainty) -> None:
        made = MADE if certainty is Certainty.COMMITTED else {}
        assert self.start(self.ledger.leave(certainty, ident=ident, **made)).done


class Office:
    """Two processes with a ledger each, on one store."""

    def __init__(self, *, strict: bool = False) -> None:
        self.world = World(2)
        self.lives = Lives()
        self.a, self.b = (Desk(process, self.lives, strict=strict) for process in self.world.processes)

    def lose(self) -> None:
        """Have the store begin anew, empty."""
        self.world.store.close()
        self.lives.losses += 1

    def stored(self) -> dict[str, str]:
        """Return the fates of the creates that the store knows, by their names."""
        return {it["id"]: it["fate"] for _, state in self.world.store.scan("create:") for it in state["creates"]}


# --- what others have on its way


@fates
def test_what_another_process_has_on_its_way_is_waited_for(certainty: Certainty, again: str) -> None:
    """A process that has ended seems to live for a while; then its fate counts."""
    office = Office()
    assert office.a.enter("one") == "go"
    assert office.b.enter("two", again) == "wait"
    assert office.stored() == {"one": "in_flight"}
    office.a.leave("one", certainty)
    assert office.b.enter("two", again) == FATES[certainty][again]


@pytest.mark.parametrize("again", ["", "replay", "poll"])
def test_what_a_process_that_has_ended_had_on_its_way_is_unknown(again: str) -> None:
    """As soon as its lease has lapsed."""
    office = Office()
    assert office.a.enter("one") == "go"
    office.lives.dead.add("p0")
    assert office.b.enter("two", again) == "refuse"


def test_a_process_knows_that_its_own_creates_are_two() -> None:
    """The same body may be asked for twice at the same time, where nothing says that it is a repetition."""
    office = Office()
    assert [office.a.enter(it) for it in ("one", "two")] == ["go", "go"]


# --- a store that lost what it held


@fates
@pytest.mark.parametrize("when", ["before it is known", "after it is known"])
@pytest.mark.parametrize("times", [1, 2])
def test_what_this_process_did_counts_after_a_loss(certainty: Certainty, again: str, when: str, times: int) -> None:
    """It remembers by itself; what the store let in meanwhile is taken back."""
    office = Office()
    assert office.a.enter("one", again) == "go"
    if when == "after it is known":
        office.a.leave("one", certainty)
    for number in range(times):
        office.lose()
        if number == 0 and when == "before it is known":
            kind = "go" if again == "" else "wait"
            assert office.a.enter("early", again) == kind
            if kind == "go":
                office.a.leave("early", Certainty.REJECTED)
            office.a.leave("one", certainty)
    assert office.a.enter("two", again) == FATES[certainty][again]
    held = FATES[certainty][again] != "go"
    assert ("in_flight" in office.stored().values()) is not held


def test_what_another_process_did_is_lost() -> None:
    """Nobody else remembers it: that is what was lost."""
    office = Office()
    office.a.enter("one")
    office.a.leave("one", Certainty.UNKNOWN)
    office.lose()
    assert office.b.enter("two") == "go"


def test_while_nothing_was_lost_the_store_knows_better() -> None:
    """Another process's application has looked, and let it be sent again."""
    office = Office()
    office.a.enter("one")
    office.a.leave("one", Certainty.UNKNOWN)
    assert office.b.enter("two") == "refuse"
    assert office.b.ledger.forget("i")
    assert office.a.enter("three") == "go"
    assert office.stored()["three"] == "in_flight"


def test_a_create_that_settles_after_a_loss_is_known_to_all_again() -> None:
    """What is known is written, whether or not its entering is there still."""
    office = Office()
    office.a.enter("one")
    office.lose()
    office.a.leave("one", Certainty.UNKNOWN)
    assert office.b.enter("two") == "refuse"


@pytest.mark.parametrize("strict", [True, False])
def test_a_strict_create_waits_until_those_who_know_of_others_have_said_so_again(strict: bool) -> None:
    """A store that has just lost what it held says little; nothing of it is on its way meanwhile."""
    office = Office(strict=strict)
    office.lives.young = True
    assert office.a.enter("one") == ("wait" if strict else "go")
    assert ("in_flight" in office.stored().values()) is not strict
    office.lives.young = False
    assert office.a.enter("one") == "go"
    assert office.stored() == {"one": "in_flight"}


# --- a store that does not answer


@pytest.mark.parametrize("how", ["held", "queued", "lost"])
def test_a_strict_create_that_was_entered_too_late_is_taken_back(how: str) -> None:
    """It is not sent, so that nobody waits for it."""
    office = Office(strict=True)
    member = office.a.process.member
    member.how = lambda name: how
    step = office.a.ledger.enter(ident="one")
    with pytest.raises(StoreError):
        office.a.start(step, enters=True).give_up(StoreError("it did not answer in time"))
    assert [type(it) for it in office.a.errors] == [StoreError]
    member.how = lambda name: "now"
    member.release()
    assert "in_flight" not in office.stored().values()
    assert office.b.enter("two") == "go"


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("how", ["fails", "away"])
def test_a_create_while_the_store_is_down(strict: bool, how: str) -> None:
    """A strict ledger does not let it go; else this process's memory serves, and the failure is told."""
    office = Office(strict=strict)
    member = office.a.process.member
    if how == "away":
        member.turn(up=False)
    else:
        member.how = lambda name: "fails"
    if strict:
        with pytest.raises(StoreError):
            office.a.enter("one")
        return
    assert office.a.enter("one", "replay") == "go"
    assert office.a.enter("two", "replay") == "wait"
    assert [type(it) for it in office.a.errors] == [StoreError] * 2


@fates
def test_what_was_learnt_while_the_store_was_down_gets_there(certainty: Certainty, again: str) -> None:
    """By and by, without a call: others would send it, or wait for it, else."""
    office = Office()
    member = office.a.process.member
    member.turn(up=False)
    assert office.a.enter("one", again) == "go"
    office.a.leave("one", certainty)
    assert office.stored() == {}
    member.turn(up=True)
    assert office.b.enter("two", again) == FATES[certainty][again]


@fates
def test_a_create_that_the_store_knows_of_settles_while_it_is_down(certainty: Certainty, again: str) -> None:
    """This process goes by what it knows, the others wait until they hear of it."""
    office = Office()
    member = office.a.process.member
    assert office.a.enter("one", again) == "go"
    member.turn(up=False)
    office.a.leave("one", certainty)
    assert office.a.enter("two", again) == FATES[certainty][again]
    assert office.b.enter("three", again) == "wait"
    if FATES[certainty][again] == "go":
        office.a.leave("two", Certainty.REJECTED)
    member.turn(up=True)
    assert office.b.enter("three", again) == FATES[certainty][again]


def test_a_create_on_its_way_alone_holds_back_its_repetition_when_the_store_is_back() -> None:
    """The store hears of it as soon as it is back: neither here nor elsewhere is the same let out again."""
    office = Office()
    member = office.a.process.member
    member.turn(up=False)
    assert office.a.enter("one", "replay") == "go"
    member.turn(up=True)
    assert office.a.enter("two", "replay") == "wait"
    assert office.stored() == {"one": "in_flight"}
    assert office.b.enter("elsewhere", "replay") == "wait"
    office.a.leave("one", Certainty.COMMITTED)
    assert office.a.enter("two", "replay") == "replay"
    assert office.b.enter("three", "replay") == "replay"
