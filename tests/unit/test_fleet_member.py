"""One process's part in a shared store, on its own thread: what is sent, what is told, and what is made again.

Must not know any store: a backend of the tests' own stands for it, which waits and fails as it is told to.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.flows import Flow, Pending
from anyint_resilience.stores.member import Member
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.stores.roles import Op, View
from tests.waiting import until

WAIT = 0.05
PATIENT = 20.0  # seconds that no machine needs


class Backend:
    """A store that does what a test says: it keeps the names of the updates that it made."""

    where, owner = "it", "me"

    def __init__(self) -> None:
        self.made: list[str] = []
        self.going = threading.Event()
        self.going.set()
        self.error: Exception | None = None
        self.breaks: list[str] = []  # updates with which the connection is lost, once each
        self.opened = 0

    def now(self) -> float:
        return 0.0

    async def open(self, hears: Any) -> None:
        self.opened += 1
        if self.error is not None:
            raise self.error

    async def look(self, hears: Any) -> View:
        return View({"gate:a": None}, 1.0, 3)

    async def run(self, ops: list[Op], hears: Any) -> None:
        while not self.going.is_set():
            await asyncio.sleep(0.001)
        for op in ops:
            if self.error is not None:
                raise self.error
            if op.key in self.breaks:
                self.breaks.remove(op.key)
                raise OSError("redis://:password@host")
            self.made.append(op.key)
            op.pending.tell(op.key)

    async def listen(self, hears: Any) -> None:
        while self.error is None:
            await asyncio.sleep(0.001)
        raise self.error

    async def beat(self) -> None: ...
    async def close(self) -> None: ...
    def forked(self) -> None: ...


class Ears:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.turns: list[bool] = []
        self.views: list[View] = []

    def viewed(self, view: View) -> None:
        self.views.append(view)

    def turned(self, *, up: bool) -> None:
        self.turns.append(up)

    def told(self, key: str, brief: Any, at: float) -> None: ...
    def rung(self, key: str, ticket: str) -> None: ...
    def beat(self) -> None: ...


class World:
    """A member that has begun, on a backend that answers."""

    def __init__(self, runtime: Runtime | None = None) -> None:
        self.backend = Backend()
        self.member = Member(self.backend, Runtime() if runtime is None else runtime, wait=WAIT)
        self.ears = self.member.ears = Ears()  # type: ignore[assignment]
        self.member.start()
        until(lambda: self.member.serves)

    def update(self, key: str, patience: float | None = PATIENT) -> Pending:
        return self.member.updating(key, None, 1.0, patience)  # type: ignore[arg-type]

    def post(self, key: str, *, again: bool = False) -> Pending:
        return self.member.posting(key, None, 1.0, again=again)  # type: ignore[arg-type]

    def lapse(self, key: str) -> Pending:
        """Wait in vain for an update that was sent."""
        self.backend.going.clear()
        pending = self.update(key, None)
        with pytest.raises(StoreError, match="did not answer within"):
            pending.wait()
        return pending


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.backend.going.set()
    made.member.close()


def test_it_begins_by_looking_at_everything(world: World) -> None:
    """Then it serves, and each update gets its own verdict."""
    assert (world.ears.turns, len(world.ears.views), world.member.peers) == ([True], 1, 3)
    assert world.member.why == ""
    pending = [world.update(str(number)) for number in range(300)]
    assert [it.wait() for it in pending] == [str(number) for number in range(300)]
    assert world.backend.made == [str(number) for number in range(300)]


@pytest.mark.parametrize("error", [None, OSError("refused")])
def test_a_newcomer_waits_until_it_is_known_whether_the_store_answers(error: Exception | None) -> None:
    """Once: whoever comes later waits for nothing, be it there or not."""
    backend = Backend()
    backend.error = error
    member = Member(backend, Runtime(), wait=WAIT)
    assert member.new
    try:
        member.joining(PATIENT).wait()
        assert not member.new
        assert member.up is (error is None)
        assert member.joining(PATIENT).done
    finally:
        member.close()


def test_where_no_thread_is_to_be_had_nobody_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls go on alone."""
    member = Member(Backend(), Runtime(), wait=WAIT)
    monkeypatch.setattr(threading.Thread, "start", _refused)
    member.joining(PATIENT).wait()
    assert not member.new


def _refused(self: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_one_that_waits_in_vain_waits_for_all_others(world: World) -> None:
    """They are told at once, until what is out has come back; each change is heard once."""
    world.lapse("first")
    assert not world.member.serves
    assert world.ears.turns == [True, False]
    refused = world.update("second", None)
    assert refused.done
    with pytest.raises(StoreError, match="it is down: others wait for it in vain"):
        refused.wait()
    world.backend.going.set()
    until(lambda: world.member.serves)
    assert world.ears.turns == [True, False, True]
    assert world.update("third").wait() == "third"
    assert world.backend.made == ["first", "third"]


def test_where_this_process_itself_was_busy_the_store_is_not_slow() -> None:
    """Nothing has been out for as long as somebody has waited: the others go on asking."""
    world = World(Runtime(monotonic=lambda: 5.0))  # no time passes while it is out
    world.lapse("first")
    assert world.member.serves
    assert world.ears.turns == [True]
    assert not world.update("second").done
    world.backend.going.set()
    world.member.close()


def test_a_verdict_that_comes_too_late_is_handed_to_who_gives_it_back(world: World) -> None:
    """And what is posted then is made, though the store seems slow still."""
    late: list[Any] = []
    world.backend.going.clear()
    pending = world.update("ask", None)
    pending.late = lambda verdict: late.append((verdict, world.post("leave")))
    with pytest.raises(StoreError):
        pending.wait()
    world.backend.going.set()
    until(lambda: "leave" in world.backend.made)
    assert [verdict for verdict, _ in late] == ["ask"]


def test_what_nobody_waits_for_any_more_is_not_sent(world: World) -> None:
    """But what nobody ever waited for is, in its order."""
    world.lapse("out")
    waiting = world.update("given up", 2 * WAIT)
    world.post("posted")
    with pytest.raises(StoreError):
        waiting.wait()
    world.backend.going.set()
    until(lambda: "posted" in world.backend.made)
    assert world.backend.made == ["out", "posted"]


def test_a_broken_connection_is_told_to_who_waits(world: World) -> None:
    """Its words are not shown: they may hold a password. It is opened again by itself."""
    world.backend.breaks.append("lost")
    with pytest.raises(StoreError) as caught:
        world.update("lost", None).wait()
    assert "password" not in str(caught.value)
    until(lambda: world.member.serves and world.backend.opened == 2)
    assert world.ears.turns == [True, False, True]
    assert world.update("next").wait() == "next"


@pytest.mark.parametrize("again", [True, False])
def test_what_may_be_made_twice_is_made_until_it_surely_was(world: World, again: bool) -> None:
    """Anything else that was lost on its way is left."""
    world.backend.breaks.append("lost")
    world.post("lost", again=again)
    made = ["lost"] if again else []
    until(lambda: world.backend.opened == 2 and world.member.serves and world.backend.made == made)
    assert world.update("next").wait() == "next"
    assert world.backend.made == [*made, "next"]


def test_while_it_is_down_it_says_so_at_once_and_keeps_what_is_posted(world: World) -> None:
    """Until the store answers again; then it goes in its order, after what somebody waits for."""
    world.backend.error = StoreError("it has gone home")
    until(lambda: not world.member.up)
    assert world.member.down == "it has gone home"
    with pytest.raises(StoreError, match="it is down: it has gone home"):
        world.update("now", None).wait()
    world.post("one")
    patient = world.update("two")
    world.post("three")
    tries = world.backend.opened
    until(lambda: world.backend.opened > tries)
    assert world.ears.turns == [True, False]
    world.backend.error = None
    assert patient.wait() == "two"
    until(lambda: len(world.backend.made) == 3)
    assert world.backend.made == ["two", "one", "three"]
    assert world.ears.turns == [True, False, True]


def test_too_much_that_waits_is_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is down for long does not fill this process's memory."""
    from anyint_resilience.stores import member

    monkeypatch.setattr(member, "_MOST_WAITING", 3)
    world.backend.error = StoreError("gone")
    until(lambda: not world.member.up)
    posted = [world.post(str(number)) for number in range(5)]
    assert [it.done for it in posted] == [False] * 3 + [True] * 2
    world.backend.error = None
    until(lambda: len(world.backend.made) == 3)


@pytest.mark.parametrize("patience", [None, PATIENT])
def test_who_waits_when_it_is_closed_is_told(world: World, patience: float | None) -> None:
    """And the next use begins anew."""
    world.backend.going.clear()
    out = world.update("out", PATIENT)
    behind = world.update("behind", patience)
    world.member.close()
    for pending in (out, behind):
        with pytest.raises(StoreError):
            pending.wait()
    assert not world.member.started
    world.backend.going.set()
    assert world.update("next").wait() == "next"
    assert world.backend.opened == 2


def test_a_flow_is_carried_out_beside_the_calls(world: World) -> None:
    """To its end; what it raises nobody hears, and the next one is carried out all the same."""
    ended: list[Any] = []

    def flow(key: str, error: Exception | None) -> Flow:
        ended.append((yield world.update(key)))
        if error is not None:
            raise error

    for number, error in enumerate((ValueError("own"), None)):
        world.member.spawn(flow(str(number), error))
    until(lambda: len(ended) == 2)
    assert sorted(ended) == ["0", "1"]


@pytest.mark.parametrize("error", [StoreError("no"), ValueError("no")])
def test_what_goes_wrong_with_a_question_is_the_askers(world: World, error: Exception) -> None:
    """A store that says no to it serves all others."""

    async def ask(error: Exception | None) -> str:
        if error is not None:
            raise error
        return "yes"

    assert world.member.asking(partial(ask, None), PATIENT).wait() == "yes"
    with pytest.raises(StoreError):
        world.member.asking(partial(ask, error), PATIENT).wait()
    assert world.update("next").wait() == "next"


def test_a_method_is_called_now_and_then_as_long_as_somebody_has_it(world: World) -> None:
    """When the store answers again; it is not kept alive by that."""

    class User:
        def call(self) -> None:
            called.append(1)

    called: list[int] = []
    user = User()
    world.member.now_and_then(user.call)
    world.backend.breaks.append("lost")
    world.post("lost")
    until(lambda: bool(called))
    del user
    gc.collect()
    called.clear()
    world.backend.breaks.append("lost")
    world.post("lost")
    until(lambda: world.backend.opened == 3 and world.member.serves)
    assert world.update("next").wait() == "next"
    assert called == []
