"""One configuration on many event loops: one after the other, several at the same time, asyncio's and trio's together.

Must not know what is bound to a loop, only that nothing of one that has ended is in the next one's way.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import urandom
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Policy, Resilience
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.stores import companion
from tests.conformance.kit import ASK, CHAT
from tests.conformance.lives import FILM, body_of, path_of
from tests.conformance.surfaces import SURFACES, Caller, Surface, every_surface
from tests.processes.kit import asked, every_store, hasty, in_turn, life, opened, real, store_url
from tests.redis_kit import needs_redis
from tests.redis_kit import redis_server as redis_server  # a fixture
from tests.waiting import until

ROUNDS, CALLS = 3, 5
QUICK = Policy(rate_base=0.01)
HERE: list[Surface] = [it.values[0] for it in SURFACES if not it.marks]


@contextmanager
def configured(store: str, request: pytest.FixtureRequest, folder: Path, emu: Emulator) -> Iterator[Resilience]:
    """Make a configuration on an empty store, and let go of that in the end."""
    anyint = real(emu, store_url(store, request, folder), runtime=hasty(), policy=QUICK)
    yield anyint
    if store != "memory":
        anyint.ledger.store.close()


def begun_since(before: list[threading.Thread]) -> list[str]:
    """Return what of ours has begun to run beside the calls; other tests of this process may have left some."""
    return [it.name for it in threading.enumerate() if it.name == "anyint-store" and it not in before]


@every_store
@every_surface
def test_one_event_loop_after_the_other(
    surface: Surface, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """Each with a client of its own; a limit that one met was told of to the next, and nothing waits for the dead."""
    before = threading.enumerate()
    with configured(store, request, tmp_path, emu) as anyint:
        for number in range(ROUNDS):
            emu.script(Fault.error(429), Fault.error(503))
            with opened(surface, anyint) as caller:
                assert asked(caller) == 200
                life(caller, key=str(number))
        assert len(emu.requests("POST", CHAT)) == ROUNDS * 4
        assert begun_since(before) == ([] if store == "memory" else ["anyint-store"])


@in_turn(SURFACES)
def test_several_event_loops_at_the_same_time(
    surface: Surface, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """Each in a thread of its own, all behind one configuration: every call comes through, and one create is one."""
    with configured(store, request, tmp_path, emu) as anyint:
        crowd(emu, anyint, [surface] * 3)


@every_store
def test_every_client_on_asyncio_and_trio_at_the_same_time(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """In one process, behind one configuration."""
    assert {it.backend for it in HERE} >= {None, "asyncio"}
    with configured(store, request, tmp_path, emu) as anyint:
        crowd(emu, anyint, HERE)


def crowd(emu: Emulator, anyint: Resilience, surfaces: list[Surface]) -> None:
    """Have each surface make calls at the same moment, and the same create all of them."""
    wrong = [Fault.error(503)] * (QUICK.attempts - 1)  # one call may meet them all
    emu.script(*wrong)
    key = urandom(8).hex()  # a fixture's Redis is flushed: what an earlier test ordered, its ledger may enter again
    ready = threading.Barrier(len(surfaces))
    ends: list[Any] = []

    def run(surface: Surface) -> None:
        try:
            with opened(surface, anyint) as caller:
                ready.wait(20)
                ends.extend(asked(caller) for _ in range(CALLS))
                ends.append(ordered(caller, key))
        except BaseException as error:
            ends.append(error)

    together([lambda it=it: run(it) for it in surfaces])  # type: ignore[misc]
    assert ends.count(200) == len(ends) == len(surfaces) * (CALLS + 1), ends
    assert len(emu.requests("POST", CHAT)) == len(surfaces) * CALLS + len(wrong)
    assert len(emu.tasks) == 1


def ordered(caller: Caller, key: str) -> int:
    """Make the one create that all want; whoever comes while it is out waits for it."""
    headers = {"Idempotency-Key": key}
    answer = caller.request("POST", path_of(FILM), json=body_of(FILM), headers=headers, policy=Policy(hold=20.0))
    return answer.status


def together(works: list[Callable[[], None]]) -> None:
    """Do things at the same time, each in a thread."""
    threads = [threading.Thread(target=it, daemon=True) for it in works]
    for it in threads:
        it.start()
    for it in threads:
        it.join(30)
        assert not it.is_alive(), "it hangs"


@every_store
@pytest.mark.parametrize("library", ["httpx", "httpx2", "aiohttp"])
def test_asyncio_run_again_and_again(
    library: str, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """In the program's main thread, as scripts do; in debug mode asyncio would tell of what is left behind."""
    module = pytest.importorskip(library)
    adapter = pytest.importorskip(f"anyint_resilience_{library}")
    with configured(store, request, tmp_path, emu) as anyint:

        async def main() -> int:
            plain = module.ClientSession() if library == "aiohttp" else module.AsyncClient()
            async with adapter.wrap(plain, anyint) as client:
                answer = await client.post(emu.url + CHAT, json=ASK)
                await (answer.read() if library == "aiohttp" else answer.aread())  # older ones tell of one that was not
                return int(getattr(answer, "status_code", None) or answer.status)

        for _ in range(ROUNDS):
            emu.script(Fault.error(503))
            assert asyncio.run(main(), debug=True) == 200
        assert len(emu.requests("POST", CHAT)) == 2 * ROUNDS


class Greenlet(threading.Thread):
    """A thread that is none: it runs where it is started, as gevent's do as far as asyncio can see."""

    def start(self) -> None:
        self.run()

    def join(self, timeout: float | None = None) -> None:
        """It has ended."""


@pytest.mark.parametrize("store", ["sqlite", pytest.param("redis", marks=needs_redis)])
def test_where_another_event_loop_runs_in_its_thread_a_store_is_away_at_once(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it, it says why, and where there is a thread it serves."""
    monkeypatch.setattr(companion.threading, "Thread", Greenlet)
    anyint = real(emu, store_url(store, request, tmp_path), store_wait=60.0, runtime=hasty())
    member: Any = anyint.ledger.store.member  # type: ignore[attr-defined]

    async def main() -> int:
        with opened(Surface("requests"), anyint) as caller:
            return asked(caller)

    emu.script(Fault.error(503))
    assert asyncio.run(main()) == 200
    assert "another event loop runs in its thread" in member.down
    monkeypatch.undo()
    anyint.ledger.store.close()
    with opened(Surface("requests"), anyint) as caller:
        life(caller)
    until(lambda: bool(member.up))
    anyint.ledger.store.close()
