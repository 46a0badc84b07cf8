"""Paid creates that were made before: their answer is given again, or their task asked for, and none is made twice.

Must not know how the ledger keeps them: only what goes over the wire, and what the application gets.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import NotRecorded, OutcomeUnknown, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.exceptions import MISMATCH
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.sqlite import SqliteStore
from tests.conformance.canary import mark
from tests.conformance.lives import (
    FAMILIES,
    FILM,
    HOOK,
    KLING,
    MARKED,
    ROUTES,
    SONG,
    World,
    body_of,
    creates,
    made,
    missed,
    other,
    path_of,
    queries,
    task_of,
    waited,
)
from tests.conformance.surfaces import Caller, Surface, every_surface
from tests.conformance.test_cleanliness import at_once

MINE = {"Idempotency-Key": "mine"}
RETRY = {"x-stainless-retry-count": "1"}
every_kind = pytest.mark.parametrize("route", [*FAMILIES.values(), KLING])


# --- given again


@every_surface
@every_kind
def test_the_same_key_gets_the_first_answer(surface: Surface, route: str, emu: Emulator) -> None:
    """Its JSON, its task and a mark, on any client of the configuration; nothing is sent."""
    world = World(emu)
    anyint = world.anyint()
    content = json.dumps(body_of(route)).encode()
    path, options = (
        path_of(route),
        {"content": content, "headers": {**MINE, "content-type": "application/json"}},
    )
    with world.client(surface, anyint) as caller, world.client(other(surface), anyint) as another:
        first = caller.request("POST", path, **options)
        for held in (caller, another, caller):
            again = held.request("POST", path, **options)
            assert (again.status, again.headers.get(MARKED)) == (first.status, "replayed")
            assert again.json() == first.json()
            assert task_of(again) == task_of(first)
            assert report(again).attempts == ()  # type: ignore[union-attr]
        assert first.headers.get(MARKED) is None
        assert (len(emu.seen), len(emu.tasks)) == (1, 1)
        assert waited(caller, again).phase == "success"


@every_surface
def test_a_retry_of_a_layer_above_gets_the_first_answer(surface: Surface, emu: Emulator) -> None:
    """It says so itself, and so it is no wish for one more; the same asked for plainly is."""
    world = World(emu)
    with world.client(surface, world.anyint()) as caller:
        first, again = made(caller, FILM), made(caller, FILM, **RETRY)
        assert (again.headers.get(MARKED), again.json()) == ("replayed", first.json())
        assert len(emu.tasks) == 1
        once_more = made(caller, FILM)
    assert once_more.headers.get(MARKED) is None
    assert once_more.json()["id"] != first.json()["id"]
    assert (len(emu.seen), len(emu.tasks)) == (2, 2)


@every_surface
def test_another_body_under_the_same_key_is_refused(surface: Surface, emu: Emulator) -> None:
    """The key names one create: another one is not paid for, nor given that one's answer, and is told why."""
    world = World(emu)
    anyint = world.anyint()
    with world.client(surface, anyint) as caller:
        first = made(caller, FILM, **MINE)
        error = missed(caller, FILM, {**body_of(FILM), "prompt": "something else"}, **MINE)
        assert isinstance(error, OutcomeUnknown)
        assert isinstance(error, surface.transport_error)
        assert MISMATCH in str(error)
        assert task_of(error) == task_of(first)
        assert anyint.ledger.unknown() == ()
        assert made(caller, FILM, **MINE).headers.get(MARKED) == "replayed"
    assert (len(emu.seen), len(emu.tasks)) == (1, 1)


WRITTEN = {
    "as it was": '{"model": "kling-3.0", "prompt": "a fox \u00e4", "seconds": 4}',
    "without spaces": '{"model":"kling-3.0","prompt":"a fox \u00e4","seconds":4}',
    "in another order": '{"seconds": 4, "prompt": "a fox \u00e4", "model": "kling-3.0"}',
    "in UTF-8": '{"model": "kling-3.0", "prompt": "a fox \xe4", "seconds": 4}',
}


@every_surface
@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("keyed", [True, False])
def test_json_is_the_same_however_it_is_written(surface: Surface, how: str, keyed: bool, emu: Emulator) -> None:
    """With a key it gets the first answer; without one, and unfinished, how its task stands."""
    world = World(emu)
    headers = {"content-type": "application/json", **(MINE if keyed else {})}
    with world.client(surface, world.anyint(dedupe="fingerprint")) as caller:
        first, again = (
            caller.request("POST", path_of(FILM), content=text.encode(), headers=headers)
            for text in (WRITTEN["as it was"], WRITTEN[how])
        )
        assert again.headers.get(MARKED) == ("replayed" if keyed else "polled")
        assert again.json()["id"] == first.json()["id"]
    assert len(emu.tasks) == 1


@every_surface
def test_a_given_answer_can_be_read_like_any_other(surface: Surface, emu: Emulator) -> None:
    """As a stream, in raw bytes, and how long it took."""
    world = World(emu)
    with world.client(surface, world.anyint()) as caller:
        first, again = (made(caller, FILM, **MINE) for _ in range(2))
        assert again.headers.get(MARKED) == "replayed"
        if surface.library != "aiohttp":
            assert again.response.elapsed.total_seconds() >= 0
        answer, content, broken = caller.stream("POST", path_of(FILM), json=body_of(FILM), headers=MINE)
        assert (answer.status, broken) == (first.status, None)
        assert json.loads(content) == first.json()
        if surface.is_httpx:
            assert json.loads(caller.call(raw_bytes, caller)) == first.json()
    assert len(emu.seen) == 1


def raw_bytes(caller: Caller) -> Any:
    """Read an answer by ``iter_raw``, or awaiting ``aiter_raw``."""
    ask = caller.client.build_request("POST", path_of(FILM), json=body_of(FILM), headers=MINE)

    async def awaited() -> bytes:
        answer = await caller.client.send(ask, stream=True)
        found = [piece async for piece in answer.aiter_raw()]
        await answer.aclose()
        return b"".join(found)

    if caller.surface.is_async:
        return awaited()
    answer = caller.client.send(ask, stream=True)
    found = b"".join(answer.iter_raw())
    answer.close()
    return found


# --- one unfinished task for the same body


@every_surface
@every_kind
def test_by_fingerprint_the_same_create_is_a_poll_until_its_task_has_ended(
    surface: Surface, route: str, emu: Emulator
) -> None:
    """While it is unfinished it is asked for; after its end the same may be meant anew."""
    world = World(emu)
    with world.client(surface, world.anyint(dedupe="fingerprint")) as caller:
        first, again = made(caller, route), made(caller, route)
        assert again.headers.get(MARKED) == "polled"
        assert task_of(again) == task_of(first)
        assert (len(creates(emu)), len(queries(emu)), len(emu.tasks)) == (1, 1, 1)
        assert report(again).decision.action == "poll"  # type: ignore[union-attr]
        assert waited(caller, again).phase == "success"
        if "generate-cover" in route or "wav-generate" in route:
            return  # there can be one for each song
        anew = made(caller, route)
    assert anew.headers.get(MARKED) is None
    assert len(emu.tasks) == 2


@every_surface
@pytest.mark.parametrize("how", ["fingerprint", "key"])
def test_the_same_create_at_the_same_time_makes_one_task(surface: Surface, how: str, emu: Emulator) -> None:
    """In threads or tasks: one goes out, the others wait for what it comes to."""
    world, headers = World(emu), {} if how == "fingerprint" else MINE
    anyint = Resilience(api_key="test-key", base_url=emu.url, dedupe="fingerprint" if how == "fingerprint" else None)
    emu.script(Fault(delay_headers=0.1), match="POST")
    with world.client(surface, anyint) as caller:
        answers = at_once(caller, 6, "POST", FILM.partition(" ")[2], json=body_of(FILM), headers=headers)
    assert (len(creates(emu)), len(emu.tasks)) == (1, 1)
    assert {it.json()["id"] for it in answers} == {emu.tasks[0].id}
    said = [it.headers.get(MARKED) for it in answers]
    word = "polled" if how == "fingerprint" else "replayed"
    assert (said.count(None), said.count(word)) == (1, 5)


# --- stores


class Down(MemoryStore):
    """A store that fails."""

    def update(self, *args: Any) -> Any:
        raise OSError("down")


@every_surface
def test_a_strict_ledger_that_cannot_record_sends_nothing(surface: Surface, emu: Emulator) -> None:
    """NotRecorded, which code around the client catches as a connection error; reads are not its business."""
    world = World(emu)
    with world.client(surface, world.anyint(store=Down(lambda: 0.0), strict_ledger=True)) as caller:
        error = missed(caller, FILM)
        assert isinstance(error, NotRecorded)
        assert isinstance(error, surface.adapter.NotRecorded)
        assert isinstance(error, surface.transport_error)
        assert isinstance(error.__cause__, OSError)
        assert report(error) is not None
        assert emu.seen == []
        assert caller.request("GET", "/openai/v1/models").status == 200


@every_surface
@pytest.mark.parametrize("route", [FILM, SONG, KLING, FAMILIES["dashscope"], FAMILIES["openai_response"]])
def test_a_prompt_is_never_in_the_store(surface: Surface, route: str, emu: Emulator, tmp_path: Any) -> None:
    """Gateways write back what they were asked: the file holds none of it, and what is given again has it all."""
    prompt, short = f"a fox {mark('prompt')} in the snow", mark("p")
    body = body_of(route)
    held = body["input"] if isinstance(body.get("input"), dict) else body
    held.update({"prompt": prompt} if "input" not in held else {"input": prompt})
    body["user"], body["callBackUrl"] = short, HOOK + "&token=" + mark("token")
    world, file = World(emu), tmp_path / "store.db"
    store = SqliteStore(file, world.wall)
    with world.client(surface, world.anyint(store=store)) as caller:
        first, again = (made(caller, route, body, **MINE) for _ in range(2))
        assert again.headers.get(MARKED) == "replayed"
        assert again.json() == first.json()
    store.close()
    kept = b"".join(it.read_bytes() for it in tmp_path.iterdir())
    assert task_of(first).task_id.encode() in kept
    assert [word for word in (prompt, mark("prompt"), mark("token"), short, "test-key") if word.encode() in kept] == []
    assert ROUTES[route].name.encode() in kept


@every_surface
def test_a_form_is_never_in_the_store(surface: Surface, emu: Emulator, tmp_path: Any) -> None:
    """Nobody can tell the words of a form from the gateway's own: what is kept is ids, states and numbers."""
    prompt = f"a fox {mark('prompt')} in the snow"
    said = {"id": "video_form", "object": "video", "status": "queued", "prompt": prompt, "more": {"say": [prompt]}}
    emu.script(Fault(body=said), match="POST")
    world, file = World(emu), tmp_path / "store.db"
    store = SqliteStore(file, world.wall)
    form = {"data": {"model": "sora-2", "prompt": prompt}, "files": {"input_reference": ("a.png", b"png", "image/png")}}
    with world.client(surface, world.anyint(store=store)) as caller:
        first, again = (caller.request("POST", path_of(FILM), headers=MINE, **form) for _ in range(2))
        assert first.json() == said
        assert again.headers.get(MARKED) == "replayed"
        assert (again.json()["id"], again.json()["status"]) == ("video_form", "queued")
        assert task_of(again).task_id == "video_form"
    store.close()
    kept = b"".join(it.read_bytes() for it in tmp_path.iterdir())
    assert b"video_form" in kept
    assert [word for word in (prompt, mark("prompt")) if word.encode() in kept] == []
    assert len(emu.seen) == 1
