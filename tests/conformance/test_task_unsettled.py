"""Paid creates that end in the worst moment: on their way too long, cut while entered or settled, broken after a 200.

Must not know how the ledger keeps them: only what goes over the wire, and what the application gets.
"""

from __future__ import annotations

import threading
from itertools import count
from typing import Any

import anyio
import pytest

from anyint_resilience import OutcomeUnknown, Policy
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.exceptions import WAITING
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.memory import MemoryStore
from tests.conformance.lives import FILM, MARKED, World, body_of, creates, made, missed
from tests.conformance.surfaces import Caller, Surface, every_surface, surfaces
from tests.waiting import until

MINE = {"Idempotency-Key": "mine"}
blocking = surfaces(lambda surface: not surface.is_async)


class Held(World):
    """A gateway whose first wait lasts until it is let go; the clock stands still meanwhile."""

    def __init__(self, emu: Emulator) -> None:
        super().__init__(emu)
        self.there, self.let_go = threading.Event(), threading.Event()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if not self.there.is_set():
            self.there.set()
            assert self.let_go.wait(20)

    async def asleep(self, seconds: float) -> None:
        World.sleep(self, seconds)
        if not self.there.is_set():
            self.there.set()
            while not self.let_go.is_set():
                await anyio.sleep(0.001)


@every_surface
def test_a_create_on_its_way_longer_than_the_window_is_on_its_way(surface: Surface, emu: Emulator) -> None:
    """Its key's next one waits, is told that and nothing of unknown outcomes, and can't be let out by mistake."""
    world, window = Held(emu), 1.0
    anyint = world.anyint(unknown_window=window)
    emu.script(Fault(status=429), match="POST")
    answers: list[Any] = []
    with world.client(surface, anyint) as caller:
        first = threading.Thread(target=lambda: answers.append(made(caller, FILM, **MINE)), daemon=True)
        first.start()
        try:
            until(world.there.is_set)
            emu.clock.advance(100 * window)
            error = missed(caller, FILM, **MINE)
            assert isinstance(error, OutcomeUnknown)
            assert WAITING in str(error)
            assert "nobody knows" not in str(error)
            assert [it.fate for it in anyint.ledger.entries()] == ["in_flight"]
            assert error.intent is not None
            assert not anyint.ledger.forget(error.intent)
            assert isinstance(missed(caller, FILM, **MINE), OutcomeUnknown)
        finally:
            world.let_go.set()
            first.join(20)
        again = made(caller, FILM, **MINE)
    assert again.headers.get(MARKED) == "replayed"
    assert again.json() == answers[0].json()
    assert (len(creates(emu)), len(emu.tasks)) == (2, 1), "the 429 and the one after it"


# --- stores


class Breaking(MemoryStore):
    """A store in which one update of a create's entry goes wrong, ``before`` or after it is written."""

    def __init__(self, clock: Any, *, at: int, before: bool, error: type[BaseException]) -> None:
        super().__init__(clock)
        self.at, self.before, self.error, self.seen = at, before, error, 0

    def update(self, key: str, step: Any, ttl: float) -> Any:
        self.seen += key.startswith("create:")
        due = key.startswith("create:") and self.seen == self.at
        if due and self.before:
            raise self.error
        found = super().update(key, step, ttl)
        if due:
            raise self.error
        return found


ENDS = {"rejected": (Fault(status=503), None), "committed": (Fault(), "replayed")}


@every_surface
@pytest.mark.parametrize("end", ENDS)
def test_a_store_that_fails_while_a_create_is_settled_gets_it_later(surface: Surface, end: str, emu: Emulator) -> None:
    """What was rejected may be sent, what was made is given again: neither waits for itself."""
    fault, word = ENDS[end]
    world = World(emu)
    store = Breaking(emu.clock.now, at=2, before=True, error=OSError)
    emu.script(fault, match="POST")
    with world.client(surface, world.anyint(store=store, policy=Policy(attempts=1))) as caller:
        made(caller, FILM, **MINE)
        again = made(caller, FILM, **MINE)
    assert (again.status, again.headers.get(MARKED)) == (200, word)
    assert world.asked == []
    assert len(emu.tasks) == 1


@blocking
@pytest.mark.parametrize("before", [True, False])
def test_ctrl_c_while_a_create_is_settled_makes_it_unknown(surface: Surface, before: bool, emu: Emulator) -> None:
    """Nobody got its answer: the same one is held back, not sent again."""
    world = World(emu)
    anyint = world.anyint(store=Breaking(emu.clock.now, at=2, before=before, error=KeyboardInterrupt))
    with world.client(surface, anyint) as caller:
        with pytest.raises(KeyboardInterrupt):
            made(caller, FILM)
        if before:
            assert isinstance(missed(caller, FILM), OutcomeUnknown)
            assert len(anyint.ledger.unknown()) == 1
        assert made(caller, FILM, {**body_of(FILM), "prompt": "another"}).status == 200
    assert len(emu.tasks) == 2


@blocking
@pytest.mark.parametrize("before", [True, False])
def test_ctrl_c_while_a_create_is_entered_leaves_it_unsent(surface: Surface, before: bool, emu: Emulator) -> None:
    """Nothing went out, and so nothing is held back: the same one is sent at once."""
    world = World(emu)
    anyint = world.anyint(store=Breaking(emu.clock.now, at=1, before=before, error=KeyboardInterrupt))
    with world.client(surface, anyint) as caller:
        with pytest.raises(KeyboardInterrupt):
            made(caller, FILM, **MINE)
        assert emu.seen == []
        assert made(caller, FILM, **MINE).headers.get(MARKED) is None
    assert world.asked == []
    assert len(emu.tasks) == 1


@every_surface
def test_callbacks_push_no_create_out_of_the_store(surface: Surface, emu: Emulator) -> None:
    """Anyone may post them, for any number of tasks: a key's first answer is there after thousands of them."""
    world = World(emu)
    anyint = world.anyint(store=MemoryStore(emu.clock.now, max_entries=300))
    with world.client(surface, anyint) as caller:
        first = made(caller, FILM, **MINE)
        for number in range(2000):
            told = {"callbackType": "text", "task_id": f"task-{number}", "data": []}
            assert anyint.ledger.accept_callback(told)
        again = made(caller, FILM, **MINE)
    assert again.headers.get(MARKED) == "replayed"
    assert again.json() == first.json()
    assert len(emu.tasks) == 1


# --- answers that break after a good status


def trickling() -> dict[str, Any]:
    """Return a runtime whose clock goes on by 100 s with each look: any answer takes longer than we wait."""
    looks = count()
    return {
        "runtime": Runtime(sleep=lambda it: None, monotonic=lambda: 100.0 * next(looks), wall=lambda: 1e9),
        "unknown_window": 1e6,
    }


LONG = {"padding": "y" * 300_000, "id": "video_1", "status": "queued"}  # what breaks has not named its task
BREAKS: dict[str, tuple[Fault, bool]] = {
    "slow": (Fault(body=b"   " + b" " * 2000 + b'{"id": "video_1"', truncate=1000, process=True), True),
    "long": (Fault(body=LONG, truncate=200_000, process=True), False),
    "long and slow": (Fault(body=LONG, truncate=200_000, process=True), True),
    "slow, reset": (Fault(body=LONG, reset="mid_body", process=True), True),
}


@every_surface
@pytest.mark.parametrize("how", BREAKS)
def test_a_create_whose_good_answer_breaks_is_not_sent_again(surface: Surface, how: str, emu: Emulator) -> None:
    """A 200 is no proof before its body came: the same create is held back, a layer's retry of it too."""
    fault, slow = BREAKS[how]
    world = World(emu)
    anyint = world.anyint(**(trickling() if slow else {}))
    emu.script(fault, match="POST")
    with world.client(surface, anyint) as caller:
        broken(caller)
        assert len(anyint.ledger.unknown()) == 1
        for retry in ({}, {"x-stainless-retry-count": "1"}):
            assert isinstance(missed(caller, FILM, **retry), OutcomeUnknown)
    assert (len(creates(emu)), len(emu.tasks)) == (1, 1)


def broken(caller: Caller) -> None:
    """Make a create whose answer breaks: an error of the client's own, or ours."""
    known = caller.surface.body_error
    with pytest.raises((OutcomeUnknown, *(known if isinstance(known, tuple) else (known,)))):
        made(caller, FILM)


# --- creates that no row names

UNLISTED = [
    "/transtreams/kling/v1/videos/lip-sync",
    "/suno/brand-new",
    "/dashscope/api/v1/services/aigc/brand-new",
    "/doubao/video/brand-new",
    "/openai/v1/videos/video_1/remix",
]


@every_surface
@pytest.mark.parametrize("path", UNLISTED)
def test_a_paid_create_that_is_lost_is_held_back_though_no_row_names_it(
    surface: Surface, path: str, emu: Emulator
) -> None:
    """Where every POST costs, an unknown one does too: it is sent once."""
    world = World(emu)
    emu.script(Fault(reset="before_headers"), match="POST")
    anyint = world.anyint()
    with world.client(surface, anyint) as caller:
        for times in range(2):
            error: Any = caller.error(
                "POST", path, json={"prompt": "x"}, headers={"x-stainless-retry-count": str(times)}
            )
            assert isinstance(error, OutcomeUnknown)
            assert anyint.ledger.unknown() == (error.intent,)
    assert len(emu.seen) == 1
