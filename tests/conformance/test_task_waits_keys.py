"""Waits with keys that fail or are another one's, over ways where none goes, and left to the garbage collector.

Must not know how a wait goes about it: only what the gateway was asked, and what the application is told.
"""

from __future__ import annotations

import gc
import json
import threading
from typing import Any

import pytest

from anyint_resilience import QueryRefused, ResilienceError, TaskUpdate
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.kit import KEY
from tests.conformance.lives import FILM, SONG, World, creates, made, queries, task_of, updates, waited
from tests.conformance.surfaces import Surface, every_surface, surfaces

blocking = surfaces(lambda surface: not surface.is_async)


@every_surface
def test_a_task_that_another_key_may_not_see_is_not_said_to_be_gone(surface: Surface, emu: Emulator) -> None:
    """A 404 says nothing of a task that another account made: it may go on."""
    world = World(emu)
    with world.client(surface) as caller:
        handle = task_of(made(caller, FILM))
    emu.clock.advance(120)
    emu.script(*[Fault.error(404)] * 2, match="GET")
    other = json.dumps({**handle.as_dict(), "key_id": "0" * 16})
    with world.client(surface) as caller:
        with pytest.raises(QueryRefused, match="another one made it") as caught:
            waited(caller, other)
        assert waited(caller, handle).phase == "success"
    assert caught.value.handle.task_id == handle.task_id
    assert (len(queries(emu)), len(creates(emu))) == (3, 1)


@every_surface
def test_a_key_source_that_fails_once_does_not_end_a_wait(surface: Surface, emu: Emulator) -> None:
    """It is a failed query like any other, and the next one asks it again."""
    troubles = [OSError("the vault is down")]
    told: list[TaskUpdate] = []

    def source() -> str:
        if troubles:
            raise troubles.pop()
        return KEY

    world = World(emu)
    with world.client(surface) as caller:
        text = task_of(made(caller, FILM)).to_json()
    with world.client(surface, world.anyint(api_key=source)) as caller:
        assert waited(caller, text, on_update=told.append).phase == "success"
    assert troubles == []
    assert told[0].problem is not None
    assert (len(creates(emu)), len(emu.tasks)) == (1, 1)


@blocking
def test_a_key_source_that_can_never_work_ends_a_wait_at_once(surface: Surface, emu: Emulator) -> None:
    """One that must be awaited, on a blocking client: no later query could go better."""

    async def source() -> str:
        return KEY

    world = World(emu)
    with world.client(surface) as caller:
        text = task_of(made(caller, FILM)).to_json()
    before = len(world.asked)
    with world.client(surface, world.anyint(api_key=source)) as caller, pytest.raises(ResilienceError):
        waited(caller, text)
    assert sum(world.asked[before:]) < 60
    assert queries(emu) == []


@every_surface
def test_a_task_at_a_gateway_without_tls_is_not_asked_for(surface: Surface, emu: Emulator) -> None:
    """Over plain http to another machine no key goes, and anybody could answer."""
    world = World(emu)
    with world.client(surface) as caller:
        handle = task_of(made(caller, FILM))
    text = json.dumps({**handle.as_dict(), "gateway": "http://gateway.api.anyint.ai"})
    anyint = world.anyint(base_url=None)
    with world.client(surface, anyint) as caller:
        with pytest.raises(ValueError, match="plain http"):
            waited(caller, text)
        with pytest.raises(ValueError, match="plain http"):
            updates(caller, text)
    assert queries(emu) == []


@blocking
def test_a_wait_that_is_garbage_ends_wherever_the_collector_runs(surface: Surface, emu: Emulator) -> None:
    """Also in a thread that holds what the end of a wait needs: it gets that too, and nothing is left."""
    world, done = World(emu), threading.Event()
    anyint = world.anyint()

    def collect() -> None:
        with anyint.ledger.news._lock, anyint.timetable._lock:
            gc.collect()
        done.set()

    with world.client(surface, anyint) as caller:
        handle = task_of(made(caller, FILM))

        def leave() -> None:
            came = surface.adapter.task_updates(caller.client, handle)
            next(came)
            ring: list[Any] = [came]
            ring.append(ring)

        gc.disable()
        try:
            leave()
            assert anyint.ledger.news._waiting != {}
            threading.Thread(target=collect, daemon=True).start()
            assert done.wait(20), "the collector waits for a lock that its own thread holds"
        finally:
            gc.enable()
        assert anyint.ledger.news._waiting == {}
        assert waited(caller, handle).phase == "success"


@every_surface
def test_the_same_callback_again_is_no_news(surface: Surface, emu: Emulator) -> None:
    """Whoever posts one a thousand times wakes the waits for its task once: they drive no queries."""
    world, rung = World(emu), list[str]()
    anyint = world.anyint()
    with world.client(surface, anyint) as caller:
        task = task_of(made(caller, SONG)).task_id
        end = anyint.ledger.news.listen(task, lambda: rung.append(task))
        new = [anyint.ledger.accept_callback(emu.callback(task, "text")) for _ in range(1000)]
        end()
        words = [
            anyint.ledger.accept_callback({"callbackType": f"word{n}", "task_id": task, "data": []}) for n in range(100)
        ]
    assert (new[0], any(new[1:]), len(rung)) == (True, False, 1)
    assert sum(words) < 20, "nor does one that makes words up"
