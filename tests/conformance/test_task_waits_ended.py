"""Waits for tasks that are broken off, and those that never begin, on every client: nothing is held, nothing is sent.

Must not know how a wait goes about it: only what the gateway was asked, and what is left.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from anyint_resilience import Resilience, TaskUpdate
from anyint_resilience.contract.tasks import QUERY_RATE
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime
from tests.conformance.kit import KEY
from tests.conformance.lives import FILM, SONG, World, creates, made, queries, task_of, updates, waited
from tests.conformance.surfaces import Caller, Surface, calling, every_surface
from tests.conformance.test_cancellation import LOOPS, Bed, stalled


def left_nothing(anyint: Resilience, emu: Emulator, requests: int) -> None:
    """See that a wait that was ended holds nothing, and that nothing was sent on its account."""
    assert anyint.ledger.news._waiting == {}
    assert len(emu.seen) == requests
    assert (len(creates(emu)), len(emu.tasks)) == (1, 1)


class Away(Exception):
    """What an application raises."""


@every_surface
def test_what_on_update_raises_ends_the_wait(surface: Surface, emu: Emulator) -> None:
    """It comes out as it is; the task goes on and can be waited for again."""

    def away(update: TaskUpdate) -> None:
        raise Away

    world = World(emu)
    anyint = world.anyint()
    with world.client(surface, anyint) as caller:
        answer = made(caller, FILM)
        with pytest.raises(Away):
            waited(caller, answer, on_update=away)
        assert caller.in_use() == 0
        left_nothing(anyint, emu, 2)
        assert waited(caller, answer).phase == "success"


@every_surface
def test_updates_can_be_left_at_any_time(surface: Surface, emu: Emulator) -> None:
    """Who has seen enough breaks off: no query more, nothing held."""
    world = World(emu)
    anyint = world.anyint()
    with world.client(surface, anyint) as caller:
        answer = made(caller, FILM)
        (update,) = updates(caller, answer, most=1)
        assert update.phase == "running"
        assert caller.in_use() == 0
        left_nothing(anyint, emu, 2)
        assert [it.phase for it in updates(caller, answer)][-1] == "success"


def restless(emu: Emulator, bed: Bed) -> Resilience:
    """Return a configuration under which each wait sleeps for good."""
    return Resilience(api_key=KEY, base_url=emu.url, runtime=Runtime(asleep=bed.sleep, monotonic=emu.clock.now))


@every_surface
@pytest.mark.parametrize("moment", ["resting", "in the queue", "asking", "reading the answer"])
def test_a_cancelled_wait_is_over_at_once(surface: Surface, moment: str, emu: Emulator) -> None:
    """No task, connection or listener is left, nothing is sent, and its turn among the waits is the next one's."""
    if not surface.is_async:
        pytest.skip("a blocking wait is interrupted by signals only: see Ctrl-C below")
    bed, now = Bed(), emu.clock.now
    anyint = restless(emu, bed)
    with calling(surface, anyint, base_url=emu.url, pool=1, timeout=10) as caller:
        answer = made(caller, FILM)
        handle = task_of(answer)
        kind = f"{handle.gateway} {handle.family} {handle.key_id}"
        due = {} if moment == "resting" else {"created_at": 1.0}  # then nothing is waited for before the first query
        text = json.dumps({**handle.as_dict(), **due})
        if moment == "in the queue":
            anyint.timetable.take(kind, now(), QUERY_RATE)
        if moment in ("asking", "reading the answer"):
            emu.script(Fault(stall="mid_body" if moment.startswith("reading") else "before_headers"))

        async def call() -> Any:
            return await surface.adapter.wait_for_task(caller.client, text)

        turns = caller.call(LOOPS[str(surface.backend)], call, lambda: bed.asleep or stalled(emu))
        assert turns <= 4
        assert caller.in_use() == 0
        left_nothing(anyint, emu, 1 if moment in ("resting", "in the queue") else 2)
        if moment == "in the queue":
            assert anyint.timetable.take(kind, now(), QUERY_RATE) == pytest.approx(now() + 1 / QUERY_RATE)
        assert caller.request("GET", f"/openai/v1/videos/{emu.tasks[0].id}").status == 200


@every_surface
def test_ctrl_c_ends_a_wait(surface: Surface, emu: Emulator) -> None:
    """It passes at once, and nothing is held."""
    if surface.is_async:
        pytest.skip("on an event loop Ctrl-C is a cancellation, see above")

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    anyint = Resilience(api_key=KEY, base_url=emu.url, runtime=Runtime(sleep=interrupted))
    with calling(surface, anyint, base_url=emu.url, pool=1) as caller:
        answer = made(caller, FILM)
        with pytest.raises(KeyboardInterrupt):
            waited(caller, answer)
        assert caller.in_use() == 0
    left_nothing(anyint, emu, 1)


# --- what can't be waited for


@every_surface
def test_a_client_that_is_not_wrapped_waits_for_nothing(surface: Surface, emu: Emulator) -> None:
    """It is told so at once, before anything is sent."""
    world = World(emu)
    with world.client(surface) as caller:
        handle = task_of(made(caller, FILM))
    with calling(surface, None, base_url=emu.url) as bare, pytest.raises(TypeError, match="wrap it"):
        waited(bare, handle)
    with calling(surface, None, base_url=emu.url) as bare, pytest.raises(TypeError, match="wrap it"):
        updates(bare, handle)
    assert len(emu.seen) == 1


def _of_a_stranger(caller: Caller, handle: Any, answer: Any) -> Any:
    return json.dumps({**handle.as_dict(), "gateway": "http://127.0.0.1:9"})


def _of_nothing(caller: Caller, handle: Any, answer: Any) -> Any:
    return caller.request("GET", "/openai/v1/models")


NOT: dict[str, tuple[Callable[[Caller, Any, Any], Any], dict[str, Any], str]] = {
    "a task of another gateway": (_of_a_stranger, {}, "none of this configuration"),
    "an answer that made no task": (_of_nothing, {}, "names no task"),
    "no JSON": (lambda caller, handle, answer: "{}x", {}, "not JSON"),
    "no task at all": (lambda caller, handle, answer: None, {}, "names no task"),
    "no time": (lambda caller, handle, answer: handle, {"deadline": 0}, "deadline"),
    "no number": (lambda caller, handle, answer: handle, {"deadline": float("nan")}, "deadline"),
}


@every_surface
@pytest.mark.parametrize("case", NOT)
def test_what_cannot_be_waited_for_is_refused_before_anything_is_sent(
    surface: Surface, case: str, emu: Emulator
) -> None:
    """A ValueError that says what is wrong, and no key goes anywhere."""
    make, options, said = NOT[case]
    world = World(emu)
    with world.client(surface) as caller:
        answer = made(caller, FILM)
        handle = task_of(answer)
        task = make(caller, handle, answer)
        before = len(emu.seen)
        with pytest.raises(ValueError, match=said):
            waited(caller, task, **options)
        with pytest.raises(ValueError, match=said):
            updates(caller, task, **options)
    assert len(emu.seen) == before


@every_surface
def test_news_of_a_task_wakes_whoever_waits_for_it(surface: Surface, emu: Emulator) -> None:
    """A callback lets a wait look at once: on the real clock, it would have slept for an hour."""
    world = World(emu)
    anyint = Resilience(api_key=KEY, base_url=emu.url)
    with world.client(surface, anyint) as caller:
        answer = made(caller, SONG)
        task = emu.tasks[0].id
        emu.script(Fault(body=_song(task), headers={"retry-after": "3600"}), match="GET")
        handle = task_of(answer)
        text = json.dumps({**handle.as_dict(), "created_at": 1.0})

        def heard(update: TaskUpdate) -> None:
            if update.phase == "pending":
                emu.clock.advance(20)
                threading.Thread(target=anyint.ledger.accept_callback, args=[emu.callback(task, "complete")]).start()

        assert waited(caller, text, on_update=heard).phase == "success"
    assert len(queries(emu)) == 2


def _song(task_id: str) -> dict[str, Any]:
    return {"code": 200, "msg": "success", "data": {"taskId": task_id, "status": "PENDING", "response": None}}
