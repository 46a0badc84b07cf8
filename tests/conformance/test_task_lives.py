"""Every family's tasks from their create to their end, on every client, and resumed half way on another one.

Must not know how a task is followed: only what the gateway had to say at each query, and what the application is told.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from anyint_resilience import Cause, TaskFailed, TaskHandle, TaskTimeout, TaskUpdate
from anyint_resilience.emulator import TURNS, Emulator
from anyint_resilience.exceptions import TaskError
from tests.brief import BRIEF, one_each
from tests.conformance.lives import (
    FAMILIES,
    ROUTES,
    World,
    creates,
    made,
    other,
    queries,
    task_of,
    updates,
    waited,
    words,
)
from tests.conformance.surfaces import EVERY, Caller, Surface

PATIENCE = {"openai_batch": 400.0}
"""Seconds for which a wait goes on, if not 100: batches are asked for every five minutes."""
FIRST_IS_LAST = {"openai_batch", "suno_cover"}
"""Tasks whose first query comes when those of the emulator have ended."""

WHOLE = {
    "pending": "queued PENDING submitted validating 0",
    "running": "in_progress finalizing cancelling RUNNING processing 2",
    "partial": "TEXT_SUCCESS FIRST_SUCCESS",
    "success": "completed SUCCESS SUCCEEDED succeed incomplete 1 CALLBACK_EXCEPTION",
}
PHASE = {word: phase for phase, held in WHOLE.items() for word in held.split()}
NOWHERE = {"polishing", "POLISHING", "7"}
"""States that no document knows."""


class End(NamedTuple):
    """How a wait ends: with results, by a failure and its cause, or not at all."""

    how: type[TaskError] | None = None
    cause: Cause | None = None


GOOD, NEVER = End(), End(TaskTimeout)
GONE, SERVER, UNSAID, REFUSED = (
    End(TaskFailed, it) for it in (Cause.INVALID, Cause.SERVER, Cause.UNKNOWN, Cause.POLICY)
)
USUAL = {"failed": SERVER, "policy": REFUSED, "stuck": NEVER, "cancelled": SERVER, "expired": GONE}
"""Outcomes that are no success, for a family that has words for none but failures."""

OWN: dict[tuple[str, str], End] = {
    # Cancelled and expired by words of their own, which give no reason.
    **{(kind, "cancelled"): UNSAID for kind in ("dashscope", "openai_response", "openai_batch", "seedance_anyint")},
    **{(kind, "expired"): UNSAID for kind in ("dashscope", "openai_batch", "seedance_anyint")},
    ("dashscope", "failed"): GONE,  # InternalError.Algo: upstream says to check the input
    ("suno_cover", "policy"): GONE,  # it has no word for it but a code, 400
    ("openai_batch", "policy"): SERVER,
    # The call-back failed, and there is no result.
    **{
        (kind, "callback_exception_empty"): SERVER
        for kind in ("suno_song", "suno_lyrics", "suno_wav", "suno_mp4", "suno_stems")
    },
    # A success that never names its result is not ready, where the answer would name one.
    **{(kind, "callback_exception_empty"): NEVER for kind in ("dashscope", "kling", "suno_cover", "seedance_anyint")},
}
RESULTLESS = {"openai_response", "suno_lyrics"}
"""Kinds whose product is no URL: it stands in the document."""


NOTHING_MADE = {("openai_batch", "callback_exception_empty")}
"""A batch may be completed without a file of results: then all its lines have failed."""


def end_of(kind: str, outcome: str) -> End:
    return OWN.get((kind, outcome), USUAL.get(outcome, GOOD))


class Life(NamedTuple):
    """One task: by which route it is made, what becomes of it, and on which client it is followed."""

    route: str
    outcome: str
    surface: Surface

    @property
    def kind(self) -> str:
        return str(ROUTES[self.route].tasks)

    def param(self) -> Any:
        name = f"{self.route.partition(' ')[2]} {self.outcome} on {self.surface}"
        return pytest.param(self, id=name, marks=self.surface.param().marks)


ALL = [Life(route, outcome, EVERY[0]) for route in (FAMILIES.values() if BRIEF else ROUTES) for outcome in TURNS]
OTHERS = [surface for surface in EVERY[1:] if one_each(surface)]
PLAYED = ("success", "failed") if BRIEF else tuple(TURNS)
COVERING = [
    *(Life(route, outcome, surface) for surface in OTHERS for route in FAMILIES.values() for outcome in PLAYED),
    *(Life(route, "success", surface) for surface in OTHERS for route in ROUTES if route not in FAMILIES.values()),
]
RESUMED = [
    Life(r, outcome, surface)
    for surface in (EVERY[0], *OTHERS)
    for r in (ROUTES if surface == EVERY[0] else FAMILIES.values())
    for outcome in (("success", "failed", "stuck") if r in FAMILIES.values() else ("success",))
]


def lives(*held: Life) -> Any:
    return pytest.mark.parametrize("life", [life.param() for life in held])


class Told:
    """All that an application is told of a task: its updates, and how the wait ended."""

    def __init__(self) -> None:
        self.updates: list[TaskUpdate] = []
        self.error: TaskError | None = None

    def wait(self, caller: Caller, task: Any, life: Life) -> None:
        try:
            last = waited(caller, task, on_update=self.updates.append, deadline=PATIENCE.get(life.kind, 100.0))
        except TaskError as error:
            self.error = error
        else:
            assert last is self.updates[-1]
            assert last.done


def hold(told: Told, life: Life, emu: Emulator, handle: TaskHandle, before: int = 0) -> None:
    """See that the application was told what the gateway said, and that nothing was made but the one task.

    ``before``: queries made by another wait.
    """
    (task,) = emu.tasks
    assert len(creates(emu)) == 1
    assert {seen.path + ("?" + seen.query if seen.query else "") for seen in queries(emu)} == {handle.path}
    end = end_of(life.kind, life.outcome)
    assert (None if told.error is None else type(told.error)) is end.how
    said, found = words(emu, task)[before:], told.updates
    assert [it.polls for it in found] == list(range(1, len(found) + 1))
    for word, update in zip(said, found, strict=True):
        assert update.handle == handle
        hold_update(word, update, life)
    if told.error is None:
        named = life.kind not in RESULTLESS and (life.kind, life.outcome) != (
            "openai_batch",
            "callback_exception_empty",
        )
        assert (found[-1].phase, bool(found[-1].results)) == ("success", named)
        return
    assert told.error.handle == handle
    decision = told.error.decision
    assert (None if decision is None else decision.cause) is end.cause
    assert task.id in str(told.error)
    assert "create" in str(told.error) or "new" in str(told.error) or end is GONE
    assert (told.error.update, found[-1].phase == "failed") == (found[-1], end.how is TaskFailed)


def hold_update(word: str | None, update: TaskUpdate, life: Life) -> None:
    """See that an update tells the phase that a word of the gateway's stands for."""
    if update.note == "no such task yet":  # a moment after its create nobody can tell "gone" from "not there yet"
        assert update.problem is not None
        assert word in (None, "expired")
        return
    assert update.state in (word, "UNKNOWN") or word is None
    if update.phase == "failed":
        assert end_of(life.kind, life.outcome).how is TaskFailed
    elif word in NOWHERE or life.kind == "seedance_anyint":
        assert (update.phase, bool(update.note)) == (
            "success" if word == "completed" and update.results else "pending",
            life.kind != "seedance_anyint" or (word == "completed" and not update.results),
        )
    elif PHASE[str(word)] == "success" and not update.done:
        assert (update.phase, bool(update.note), update.results) == ("pending", True, ())
    else:
        assert update.phase == PHASE[str(word)]
    if update.phase == "partial" and word == "FIRST_SUCCESS":
        assert update.results, "a song can be heard before it is whole"


@lives(*ALL, *COVERING)
def test_a_task_is_followed_to_its_end(life: Life, emu: Emulator) -> None:
    """Each state is told as it is met, the end is the right one, and nothing is ever created again."""
    world, told = World(emu), Told()
    with world.client(life.surface) as caller:
        answer = made(caller, life.route, **{"x-emulator-task": life.outcome})
        handle = task_of(answer)
        told.wait(caller, answer, life)
    hold(told, life, emu, handle)


@lives(*RESUMED)
def test_a_wait_goes_on_on_another_client(life: Life, emu: Emulator) -> None:
    """The handle, as JSON, is all it takes: another library, another configuration, the same task."""
    world, told = World(emu), Told()
    with world.client(life.surface) as caller:
        answer = made(caller, life.route, **{"x-emulator-task": life.outcome})
        handle = task_of(answer)
        half = [] if life.kind in FIRST_IS_LAST else updates(caller, answer, most=1)
    text = handle.to_json()
    assert "test-key" not in text
    assert TaskHandle.from_json(text) == handle
    with world.client(other(life.surface)) as caller:
        told.wait(caller, text, life)
    hold(told, life, emu, handle, before=len(half))
    assert [it.state for it in half] == words(emu, emu.tasks[0])[: len(half)]
