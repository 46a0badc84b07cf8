"""Paid creates that may have been made: found again, told of by a callback, or known by whatever id their answer names.

Must not know how they are looked for: only what goes over the wire, and what the application gets.
"""

from __future__ import annotations

import pytest

from anyint_resilience import OutcomeUnknown, TaskFailed, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.lives import (
    FILM,
    HOOK,
    KLING,
    LOST,
    MARKED,
    SONG,
    World,
    body_of,
    creates,
    made,
    missed,
    queries,
    task_of,
    waited,
)
from tests.conformance.surfaces import Surface, every_surface

UNSURE = {
    "reset": LOST,
    "502": Fault(status=502, process=True),
    "stalled": Fault(stall="before_headers", process=True),
    "broken body": Fault(truncate=20),
    "hung up": Fault(half_close=True, process=True),
}


@every_surface
@pytest.mark.parametrize("how", UNSURE)
def test_a_create_of_unknown_outcome_is_found_by_its_mark(surface: Surface, how: str, emu: Emulator) -> None:
    """Kling's query takes an id of ours: what it finds is the answer, and the create is no secret any more."""
    world = World(emu)
    emu.script(UNSURE[how], match="POST")
    anyint = world.anyint(reconcile=True)
    with world.client(surface, anyint, timeout=(5, 0.3)) as caller:
        answer = made(caller, KLING)
        assert caller.in_use() == 0
        assert (answer.status, answer.headers.get(MARKED)) == (200, "found")
        assert answer.json()["data"]["task_id"] == emu.tasks[0].id == task_of(answer).task_id
        assert anyint.ledger.unknown() == ()
        assert waited(caller, answer).phase == "success"
    assert (len(creates(emu)), len(emu.tasks)) == (1, 1)
    sent = creates(emu)[0].json()
    assert {name: it for name, it in sent.items() if name != "external_task_id"} == body_of(KLING)
    assert queries(emu)[0].path.endswith(sent["external_task_id"])


@every_surface
def test_a_callers_own_mark_is_not_looked_for(surface: Surface, emu: Emulator) -> None:
    """It may be an older task's too: the body goes out as it was given, and what became of it stays unknown."""
    world, body = World(emu), {**body_of(KLING), "external_task_id": "my-own/id"}
    anyint = world.anyint(reconcile=True)
    with world.client(surface, anyint) as caller:
        older = made(caller, KLING, {**body, "prompt": "a cat"})
        emu.script(Fault(reset="before_headers"), match="POST")
        error = missed(caller, KLING, body)
        assert isinstance(error, OutcomeUnknown)
        assert anyint.ledger.unknown() == (error.intent,)
        assert isinstance(missed(caller, KLING, body), OutcomeUnknown)
        assert anyint.ledger.unknown() == (error.intent,)
    assert task_of(older).task_id == emu.tasks[0].id
    assert creates(emu)[-1].json() == body
    assert (len(creates(emu)), len(queries(emu)), len(emu.tasks)) == (2, 0, 1)


@every_surface
def test_a_create_that_is_not_found_stays_unknown_and_is_looked_for_again(surface: Surface, emu: Emulator) -> None:
    """Three looks, then OutcomeUnknown; whoever asks for the same later has it looked for once more."""
    world = World(emu)
    emu.script(LOST, match="POST")
    anyint = world.anyint(reconcile=True)
    with world.client(surface, anyint) as caller:
        first = caller.error(
            "POST",
            KLING.partition(" ")[2],
            json=body_of(KLING),
            headers={"x-emulator-visible-after": "1000"},
        )
        assert isinstance(first, OutcomeUnknown)
        assert isinstance(first, surface.transport_error)
        assert len(queries(emu)) == 3
        assert world.asked == [0.5, 1.0, 2.0]
        second = missed(caller, KLING)
        assert isinstance(second, OutcomeUnknown)
        assert (len(queries(emu)), len(creates(emu))) == (4, 1)
        world.emu.clock.advance(1000)
        found = made(caller, KLING)
        assert found.headers.get(MARKED) == "found"
        assert task_of(found).task_id == emu.tasks[0].id
        assert anyint.ledger.unknown() == ()
    assert (len(queries(emu)), len(creates(emu)), len(emu.tasks)) == (5, 1, 1)


@every_surface
@pytest.mark.parametrize("path", ["/suno/generate-cover", "/suno/wav-generate"])
def test_what_was_made_already_is_asked_for(surface: Surface, path: str, emu: Emulator) -> None:
    """Suno says that there is a cover or a WAV of the song: the answer is how that one stands."""
    world, route = World(emu), f"POST {path}"
    with world.client(surface, world.anyint(reconcile=True)) as caller:
        first, again = made(caller, route), made(caller, route, {**body_of(route), "callBackUrl": HOOK + "&again=1"})
        assert again.headers.get(MARKED) == "polled"
        assert again.json()["data"]["taskId"] == task_of(again).task_id == task_of(first).task_id
        assert waited(caller, again).phase == "success"
    assert (len(creates(emu)), len(emu.tasks)) == (2, 1)


@every_surface
@pytest.mark.parametrize("fault", [Fault(status=503), Fault(reset="before_headers"), Fault(garbage="json")], ids=str)
def test_where_asking_fails_the_answer_is_the_creates_own(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """It says what Suno said; the body is whole, the connection comes back."""
    world, route = World(emu), "POST /suno/wav-generate"
    with world.client(surface, world.anyint(reconcile=True), pool=1) as caller:
        made(caller, route)
        emu.script(fault, match="GET")
        again = made(caller, route, {**body_of(route), "callBackUrl": HOOK + "&again=1"})
        assert caller.in_use() == 0
    assert (again.status, again.json()["code"], again.headers.get(MARKED)) == (200, 409, None)
    assert len(queries(emu)) == 1


# --- callbacks


@every_surface
def test_a_callback_tells_of_a_create_of_unknown_outcome(surface: Surface, emu: Emulator) -> None:
    """Its URL carries the mark: from then on the create is known, and its task can be waited for."""
    world = World(emu)
    anyint = world.anyint(reconcile=True)
    emu.script(LOST, match="POST")
    with world.client(surface, anyint) as caller:
        error = missed(caller, SONG)
        assert isinstance(error, OutcomeUnknown)
        (task,) = emu.tasks
        url = creates(emu)[0].json()["callBackUrl"]
        assert url.startswith(HOOK)
        assert url != HOOK
        assert anyint.ledger.unknown() == (error.intent,)
        assert anyint.ledger.accept_callback(emu.callback(task.id, "text"), url=url)
        assert anyint.ledger.unknown() == ()
        (entry,) = anyint.ledger.entries()
        assert entry.fate == "committed"
        assert [it.task_id for it in entry.tasks] == [task.id]
        assert waited(caller, entry.tasks[-1]).phase == "success"
    assert len(creates(emu)) == 1


@every_surface
def test_callbacks_are_told_once_each_in_any_order(surface: Surface, emu: Emulator) -> None:
    """The complete one before the first, each of them twice: whoever handles them does so once."""
    world = World(emu)
    anyint = world.anyint(reconcile=True)
    with world.client(surface, anyint) as caller:
        answer = made(caller, SONG)
        task, url = emu.tasks[0].id, creates(emu)[0].json()["callBackUrl"]
        phases = ["complete", "text", "complete", "first", "text", "first"]
        new = [anyint.ledger.accept_callback(emu.callback(task, phase), url=url) for phase in phases]
        assert new == [True, True, False, True, False, False]
        assert task_of(answer).task_id == task
        assert waited(caller, answer).phase == "success", "that is for its query to say"


# --- answers that name no task, or a strange one

STRANGE_IDS = {
    "none": None,
    "empty": "",
    "newline": "a\nb",
    "too long": "x" * 300,
    "dots": "..",
    "dot": ".",
    "a number": 17,
    "a list": ["a"],
    "a slash": "a/b",
    "out of the path": "../../v1/files/secret",
    "a query": "a?b=c&d#e",
    "a percent": "a%2Fb",
    "unicode": "täsk",
    "a quote": 'a"b',
    "header": "a\r\nx-evil: 1",
}
REFUSED = {"none", "empty", "newline", "too long", "dots", "dot", "a list", "header"}


@every_surface
@pytest.mark.parametrize("how", STRANGE_IDS)
def test_whatever_id_an_answer_names_no_other_path_is_asked_for(surface: Surface, how: str, emu: Emulator) -> None:
    """What can't be an id is none, and then the create is of unknown outcome; the others stay in their place."""
    world, ident = World(emu), STRANGE_IDS[how]
    body = {"object": "video", "status": "queued", **({} if ident is None else {"id": ident})}
    emu.script(Fault(body=body, process=True), match="POST")
    anyint = world.anyint()
    with world.client(surface, anyint) as caller:
        answer = made(caller, FILM)
        if how in REFUSED:
            assert report(answer).task is None  # type: ignore[union-attr]
            assert len(anyint.ledger.unknown()) == 1
            with pytest.raises(ValueError, match="names no task"):
                waited(caller, answer)
            assert isinstance(missed(caller, FILM), OutcomeUnknown)
            assert (len(emu.seen), len(emu.tasks)) == (1, 1)
            return
        assert task_of(answer).task_id == str(ident)
        world.emu.clock.advance(120)
        with pytest.raises(TaskFailed):
            waited(caller, answer)
    for query in queries(emu):
        assert query.path.startswith("/openai/v1/videos/")
        assert "/" not in query.path.removeprefix("/openai/v1/videos/")
        assert query.query == ""
