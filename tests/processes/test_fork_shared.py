"""What a forked child takes over of its parent, and what it must not: names, connections, calls that are on their way.

Must not know how any store keeps them apart.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Policy, Resilience, ResilienceError
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.guards.tally import Tally
from tests.conformance.lives import FILM, body_of, path_of
from tests.conformance.surfaces import SURFACES, Caller, Surface, Waits, every_surface
from tests.processes.kit import asked, can_fork, forked, in_turn, opened, real, store_url
from tests.redis_kit import Server, needs_redis
from tests.redis_kit import redis_server as redis_server  # a fixture
from tests.waiting import until

pytestmark = can_fork

HUNG = Fault(stall="before_headers", process=True)
MINE = {"Idempotency-Key": "mine"}
shared_stores = pytest.mark.parametrize("store", ["sqlite", pytest.param("redis", marks=needs_redis)])


@pytest.fixture(autouse=True)
def mine() -> None:
    """Have a key that no ledger of an earlier test enters again into a Redis that was flushed meanwhile."""
    MINE["Idempotency-Key"] = os.urandom(8).hex()


def create(caller: Caller, **options: Any) -> Any:
    return caller.request("POST", path_of(FILM), json=body_of(FILM), headers=MINE, **options)


@contextmanager
def under_way(emu: Any, caller: Caller, call: Callable[[Caller], object], ends: list[Any]) -> Iterator[None]:
    """Have a call of another thread be out for as long as this block goes."""

    def run() -> None:
        try:
            ends.append(call(caller))
        except Exception as error:
            ends.append(error)

    before = len(emu.seen)
    emu.script(HUNG)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        until(lambda: len(emu.seen) > before)
        yield
    finally:
        for connection in list(emu._connections):
            emu._loop.call_soon_threadsafe(connection.transport.abort)
        thread.join(20)
        assert not thread.is_alive()


@shared_stores
def test_a_child_with_the_number_of_an_ancestor_has_a_name_of_its_own(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process id that is free is given to another process: it is no sign of who one is."""
    anyint = real(emu, store_url(store, request, tmp_path))
    number = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: number)
    held: Any = anyint.ledger.store
    with opened(Surface("requests"), anyint) as caller:
        assert create(caller).status == 200
        until(lambda: bool(held.member.up))
    name = held.owner

    def child() -> None:
        assert held.owner != name
        assert not held.gone(name), "the parent lives"
        with opened(Surface("requests"), anyint) as caller:
            assert "x-anyint-resilience" in create(caller).headers

    assert forked(child) == ""
    assert held.owner == name
    held.close()


@in_turn(SURFACES, ("sqlite", "redis"))
def test_no_connection_to_a_store_is_used_by_parent_and_child(
    surface: Surface, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """The child opens its own; when it ends, or is killed, its parent's go on and nothing was lost."""
    anyint = real(emu, store_url(store, request, tmp_path))
    held: Any = anyint.ledger.store
    with opened(surface, anyint) as caller:
        assert create(caller).status == 200
    until(lambda: bool(held.member.up))
    losses, opened_before = held.member.losses, connections(store, request)

    def child() -> None:
        with opened(surface, anyint) as own:
            again = create(own)
            assert "x-anyint-resilience" in again.headers, "the parent's create is known to the child"
            assert asked(own) == 200
        until(lambda: bool(held.member.up))
        if store == "redis":
            assert connections(store, request) - opened_before, "its own"

    assert forked(child) == ""
    assert held.member.up
    assert held.member.losses == losses
    if store == "redis":
        assert opened_before <= connections(store, request)
    with opened(surface, anyint) as caller:
        assert "x-anyint-resilience" in create(caller).headers
    assert len(emu.requests("POST", path_of(FILM))) == 1
    held.close()


def connections(store: str, request: pytest.FixtureRequest) -> set[str]:
    """Return the server's connections; a file has none."""
    if store != "redis":
        return set()
    server: Server = request.getfixturevalue("redis_server")
    said = str(server.cli("CLIENT", "LIST"))
    rows = [dict(it.split("=", 1) for it in line.split() if "=" in it) for line in said.splitlines() if line.strip()]
    return {it["id"] for it in rows if it.get("cmd") != "client|list"}


@every_surface
def test_a_child_does_not_count_requests_of_its_parent_as_out(surface: Surface, emu: Emulator) -> None:
    """What is out when a limit is met is the first limit: the child has nothing out."""
    anyint = real(emu, runtime=Waits().runtime())
    ends: list[Any] = []
    with opened(surface, anyint, timeout=20) as caller:
        assert asked(caller) == 200
        with under_way(emu, caller, lambda it: asked(it, policy=Policy(attempts=1)), ends):
            assert counted(anyint).out == 1

            def child() -> None:
                with opened(surface, anyint) as own:
                    assert asked(own) == 200
                assert (counted(anyint).out, counted(anyint).good) == (0, 1)

            assert forked(child) == ""
        assert counted(anyint).out == 0


def counted(anyint: Resilience) -> Tally:
    """Return what is counted of the one host that was called."""
    tallies = {id(it.tally): it.tally for it in anyint.router._plans.values() if it is not None}
    assert len(tallies) == 1
    return next(iter(tallies.values()))


@in_turn(SURFACES)
def test_the_same_create_in_a_child_while_its_parents_is_out_is_not_made_twice(
    surface: Surface, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """It waits for it, or is refused; it does not hang, and the gateway has seen one."""
    anyint = real(emu, store_url(store, request, tmp_path), runtime=Waits().runtime())
    ends: list[Any] = []
    with opened(surface, anyint, timeout=20) as caller:
        assert asked(caller) == 200
        with under_way(emu, caller, lambda it: create(it, policy=Policy(attempts=1, hold=0.5)), ends):

            def child() -> None:
                with opened(surface, anyint) as own:
                    with pytest.raises(ResilienceError):
                        create(own, policy=Policy(hold=0.2))

            assert forked(child) == ""
    assert len(emu.requests("POST", path_of(FILM))) == 1
    if store != "memory":
        anyint.ledger.store.close()


@shared_stores
def test_a_child_that_lets_go_of_its_parents_loop_does_not_settle_its_parents_create(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """The coroutine of a create that is out is garbage in the child, and closed there; it lives in the parent."""
    httpx = pytest.importorskip("httpx")
    from anyint_resilience_httpx import wrap

    anyint = real(emu, store_url(store, request, tmp_path))
    errors: list[str] = []

    class Inner(httpx.AsyncBaseTransport):  # type: ignore[misc]
        """One without a socket: what the kernel knows of the loop is its parent's too, and no child must touch it."""

        async def handle_async_request(self, request: Any) -> Any:
            out.set()
            await answered.wait()
            return httpx.Response(200, json={"id": "video_1", "status": "queued"})

    async def main() -> None:
        nonlocal out, answered
        out, answered = asyncio.Event(), asyncio.Event()
        async with wrap(httpx.AsyncClient(transport=Inner(), base_url=emu.url), anyint) as client:
            task = asyncio.ensure_future(client.post(path_of(FILM), json=body_of(FILM), headers=MINE))
            await out.wait()

            def child() -> None:
                coroutine: Any = task.get_coro()
                coroutine.close()
                gc.collect()
                assert fates(anyint) == ["in_flight"]

            errors.append(forked(child))
            assert await asyncio.to_thread(fates, anyint) == ["in_flight"]
            answered.set()
            assert (await task).status_code == 200

    out = answered = asyncio.Event()
    asyncio.run(main())
    assert errors == [""]
    assert fates(anyint) == ["committed"]
    anyint.ledger.store.close()


def fates(anyint: Resilience) -> list[str]:
    return [it.fate for it in anyint.ledger.entries()]
