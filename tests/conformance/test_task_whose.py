"""Whose answer a repetition gets: the caller's own, never that of another account, user or task.

Must not know how the ledger tells them apart: only what goes over the wire, and what the application gets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from anyint_resilience import Cause, OutcomeUnknown, Policy, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.lives import FILM, LOST, MARKED, SONG, World, body_of, creates, made, missed, path_of, queries
from tests.conformance.surfaces import Caller, Surface, every_surface

MINE = {"Idempotency-Key": "mine"}
LONGEST = 20.0  # seconds that a turn may take on any machine


def in_turns(caller: Caller, turns: Sequence[tuple[str, dict[str, str]]]) -> list[Any]:
    """Have users, each in a thread or task of its own, create the same task in turns: (who, headers)."""
    answers: list[Any] = [None] * len(turns)
    who = list(dict.fromkeys(user for user, _ in turns))
    options = [{"json": body_of(FILM), "headers": headers} for _, headers in turns]

    async def tasks() -> None:
        due = [anyio.Event() for _ in (*turns, None)]

        async def one(user: str) -> None:
            for at, (name, _) in enumerate(turns):
                if name == user:
                    await due[at].wait()
                    answers[at] = await caller.direct("POST", path_of(FILM), **options[at])
                    due[at + 1].set()

        due[0].set()
        async with anyio.create_task_group() as group:
            for user in who:
                group.start_soon(one, user)

    def threads() -> None:
        due = [threading.Event() for _ in (*turns, None)]

        def one(user: str) -> None:
            for at, (name, _) in enumerate(turns):
                if name == user and due[at].wait(LONGEST):
                    answers[at] = caller.direct("POST", path_of(FILM), **options[at])
                    due[at + 1].set()

        due[0].set()
        running = [threading.Thread(target=one, args=[user], daemon=True) for user in who]
        for it in running:
            it.start()
        for it in running:
            it.join(LONGEST)

    caller.call(tasks if caller.surface.is_async else threads)
    return answers


def sent(times: int) -> dict[str, str]:
    """Return what an SDK says of how often it has sent a request before."""
    return {"x-stainless-retry-count": str(times)}


@every_surface
def test_a_retry_after_a_refusal_is_not_given_another_users_task(surface: Surface, emu: Emulator) -> None:
    """Two users ask for the same: one's first attempt is rejected, the other's made; both are to have a task."""
    world = World(emu)
    emu.script(Fault(status=429), match="POST")
    with world.client(surface, world.anyint(policy=Policy(attempts=1))) as caller:
        refused, theirs, mine = in_turns(caller, [("one", sent(0)), ("two", sent(0)), ("one", sent(1))])
    assert (refused.status, theirs.status, mine.status) == (429, 200, 200)
    assert mine.headers.get(MARKED) is None
    assert mine.json()["id"] != theirs.json()["id"]
    assert (len(creates(emu)), len(emu.tasks)) == (3, 2)


@every_surface
def test_a_retry_gets_the_answer_of_its_own_attempt(surface: Surface, emu: Emulator) -> None:
    """Both users' creates were made, and each SDK sends its own again: none is paid twice or swapped."""
    world = World(emu)
    turns = [("one", sent(0)), ("two", sent(0)), ("one", sent(1)), ("two", sent(1))]
    with world.client(surface, world.anyint()) as caller:
        answers = in_turns(caller, turns)
    ids = [it.json()["id"] for it in answers]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]
    assert [it.headers.get(MARKED) for it in answers] == [None, None, "replayed", "replayed"]
    assert (len(creates(emu)), len(emu.tasks)) == (2, 2)


# --- keys

KEYS = ("kkkkkkkk-one", "kkkkkkkk-two")
SOURCES: dict[str, Callable[[str], Any]] = {"given": lambda key: key, "called for": lambda key: lambda: key}


@every_surface
@pytest.mark.parametrize("source", SOURCES)
def test_no_account_is_given_another_ones_task(surface: Surface, source: str, tmp_path: Any) -> None:
    """The same Idempotency-Key, the same store: with another key it is another create, whose fate is its own."""
    with Emulator(keys=KEYS) as emu:
        world = World(emu)
        one, two = (world.anyint(api_key=SOURCES[source](key), store=f"sqlite:///{tmp_path}/store.db") for key in KEYS)
        with world.client(surface, one) as first, world.client(surface, two) as second:
            mine, theirs = made(first, FILM, **MINE), made(second, FILM, **MINE)
            assert theirs.headers.get(MARKED) is None
            assert mine.json()["id"] != theirs.json()["id"]
            assert made(second, FILM, **MINE).json()["id"] == theirs.json()["id"]
            if source == "called for":
                return  # which key that is, nobody knows before it is sent: what may be the same is held back
            emu.script(LOST, match="POST")
            assert isinstance(missed(first, SONG), OutcomeUnknown)
            assert made(second, SONG).status == 200
        assert len(emu.tasks) == 4


# --- refusals that name a task

NAMES = {
    "no credits": ("/suno/extend", 429, "insufficient credits"),
    "the source itself": ("/suno/wav-generate", 409, "conflict"),
}


@every_surface
@pytest.mark.parametrize("how", NAMES)
def test_a_refusal_that_names_the_source_is_a_refusal(surface: Surface, how: str, emu: Emulator) -> None:
    """An error that echoes what the request names is no news of a task that is there: the caller gets it as it is."""
    path, code, text = NAMES[how]
    world, body = World(emu), body_of(SONG)
    with world.client(surface, world.anyint()) as caller:
        source = made(caller, SONG).json()["data"]["taskId"]
        emu.clock.advance(600)
        said = {"code": code, "msg": text, "data": {"taskId": source}}
        emu.script(Fault(body=said), match="POST")
        answer = caller.request("POST", path, json={**body, "taskId": source})
    assert (answer.json(), answer.headers.get(MARKED)) == (said, None)
    told = report(answer)
    assert told is not None
    assert told.decision is not None
    assert told.decision.cause is (Cause.QUOTA if code == 429 else told.decision.cause)
    assert told.decision.cause is not None
    assert queries(emu) == []
