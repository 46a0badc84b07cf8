"""Two processes behind one key, on every client: what one has learnt the other knows, and a store that is away.

Must not know how they share it: only what reaches the gateway, what a call ends with, and what listeners hear. Two
configurations stand for two processes, since each has a runtime of its own.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from anyint_resilience import GateClosed, Guards, OutcomeUnknown, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from tests.alone import ALONE
from tests.conformance.guards_kit import ONCE, Heard, called, guarded, moved, peak
from tests.conformance.kit import client
from tests.conformance.lives import FILM, LOST, MARKED, made, missed, other
from tests.conformance.scenario import CHAT
from tests.conformance.surfaces import Caller, Surface, Waits, every_surface
from tests.redis_kit import Server, needs_redis
from tests.redis_kit import redis_server as redis_server  # a fixture
from tests.waiting import until

pytestmark = needs_redis

HASTY = Policy(hold=0.01)
MINE = {"Idempotency-Key": "mine"}


class Process:
    """One of them: a client with a configuration, and what its listener hears."""

    def __init__(self, caller: Caller, anyint: Resilience, heard: Heard) -> None:
        self.caller = caller
        self.anyint = anyint
        self.heard = heard

    @property
    def member(self) -> Any:
        return self.anyint.ledger.store.member  # type: ignore[attr-defined]

    @property
    def calm(self) -> bool:
        """Whether it knows of no trouble."""
        return bool(self.member.company.calm)

    def call(self, **options: Any) -> Any:
        return called(self.caller, CHAT, **options)

    def joined(self) -> Process:
        """Be there: a first call has gone well, and all there is to know is known."""
        assert self.call().status == 200
        until(lambda: self.member.up)
        return self

    def told(self, name: str) -> int:
        return len(self.heard.named(name))


@contextmanager
def fleet(url: str, emu: Emulator, *surfaces: Surface, quick: bool = False, **more: Any) -> Iterator[list[Process]]:
    """Open a client for each surface, on one gateway and one store. ``quick``: their waits take no time."""
    with ExitStack() as stack:
        found = []
        for surface in surfaces:
            heard = Heard()
            own = {"store": url, "store_wait": 5.0, "listeners": [heard], **more}
            anyint = guarded(emu, Waits().runtime() if quick else moved(), **own)
            stack.callback(anyint.ledger.store.close)
            found.append(Process(stack.enter_context(client(surface, emu, anyint)), anyint, heard))
        yield found


# --- what one has learnt


@every_surface
def test_a_limit_that_one_was_told_of_holds_for_the_other(
    surface: Surface, emu: Emulator, redis_server: Server
) -> None:
    """Who can't wait so long fails at once, and sends nothing."""
    with fleet(redis_server.url, emu, surface, other(surface)) as processes:
        first, second = (it.joined() for it in processes)
        emu.script(Fault.error(429, retry_after=30))
        assert first.call(policy=ONCE).status == 429
        until(lambda: not second.calm)
        sent = len(emu.seen)
        for process in (second, first):
            end = process.call(policy=HASTY)
            assert isinstance(end, GateClosed), repr(end)
            assert isinstance(end, process.caller.surface.transport_error)
            assert end.why == "rate"
        assert len(emu.seen) == sent


@every_surface
def test_a_process_that_has_just_begun_knows_it_too(surface: Surface, emu: Emulator, redis_server: Server) -> None:
    """Its very first call waits a moment for what the others know, and sends nothing into a closed window."""
    with fleet(redis_server.url, emu, surface, other(surface)) as (first, second):
        assert first.joined().call().status == 200
        emu.script(Fault.error(429, retry_after=30))
        assert first.call(policy=ONCE).status == 429
        sent = len(emu.seen)
        end = second.call(policy=HASTY)
        assert isinstance(end, GateClosed), repr(end)
        assert len(emu.seen) == sent


@every_surface
def test_whoever_can_wait_goes_when_the_others_limit_is_over(
    surface: Surface, emu: Emulator, redis_server: Server
) -> None:
    """It stood in line, which its report tells, and sent once."""
    with fleet(redis_server.url, emu, surface, other(surface)) as processes:
        first, second = (it.joined() for it in processes)
        emu.script(Fault.error(429, retry_after=0.4))
        assert first.call(policy=ONCE).status == 429
        until(lambda: not second.calm)
        sent = len(emu.seen)
        end = second.call()
        assert end.status == 200
        told = report(end)
        assert told is not None
        assert told.held > 0
        assert len(told.attempts) == len(emu.seen) - sent == 1
        assert second.told("gate wait") == 1


@every_surface
def test_no_more_are_out_than_may_be_in_both_together(surface: Surface, emu: Emulator, redis_server: Server) -> None:
    """One waits for what the other has out."""
    guards, ends = Guards(max_concurrency=1), list[Any]()
    with fleet(redis_server.url, emu, surface, other(surface), guards=guards) as processes:
        first, second = (it.joined() for it in processes)
        emu.reset()
        emu.script(*[Fault(delay_headers=0.1)] * 4)
        threads = [
            threading.Thread(target=lambda it=it: ends.extend(it.call() for _ in range(2)), daemon=True)
            for it in (first, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [it.status for it in ends] == [200] * 4
        assert peak(emu.seen, 0.1) == 1


@every_surface
def test_a_create_that_one_made_is_given_again_to_the_other(
    surface: Surface, emu: Emulator, redis_server: Server
) -> None:
    """By its key: the first answer, and no second task."""
    with fleet(redis_server.url, emu, surface, other(surface)) as (first, second):
        answers = [made(it.caller, FILM, **MINE) for it in (first, second, first)]
        assert [it.headers.get(MARKED) for it in answers] == [None, "replayed", "replayed"]
        assert len({it.json()["id"] for it in answers}) == 1
        assert (len(emu.seen), len(emu.tasks)) == (1, 1)


@every_surface
@pytest.mark.parametrize("headers", [{}, MINE], ids=["the same body", "the same key"])
def test_a_create_whose_outcome_one_does_not_know_is_held_back_for_the_other(
    surface: Surface, headers: dict[str, str], emu: Emulator, redis_server: Server
) -> None:
    """It was paid for, perhaps; until an application, whose it is, says that it was not."""
    with fleet(redis_server.url, emu, surface, other(surface), quick=True, guards=ALONE) as (first, second):
        emu.script(LOST, match="POST")
        missed(first.caller, FILM, **headers)
        sent = len(emu.seen)
        end = missed(second.caller, FILM, **headers)
        assert isinstance(end, OutcomeUnknown)
        assert isinstance(end, second.caller.surface.transport_error)
        assert second.anyint.ledger.unknown() == first.anyint.ledger.unknown() == (end.intent,)
        assert len(emu.seen) == sent
        assert second.anyint.ledger.forget(end.intent)
        assert made(second.caller, FILM, **headers).status == 200


# --- a store that is away


@pytest.fixture
def nobody() -> str:
    """The URL of a server that is not there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{held.getsockname()[1]}/0"


@every_surface
def test_calls_succeed_where_no_store_is(surface: Surface, nobody: str, emu: Emulator) -> None:
    """The failure is heard once; a create is made, and made once."""
    with fleet(nobody, emu, surface) as (process,):
        assert process.call().status == 200
        until(lambda: bool(process.member.down))
        for _ in range(3):
            assert process.call().status == 200
        assert process.told("store failure") == 1
        assert process.told("store back") == 0
        assert [made(process.caller, FILM, **MINE).headers.get(MARKED) for _ in range(2)] == [None, "replayed"]
        assert len(emu.tasks) == 1


@every_surface
def test_alone_a_process_goes_by_its_own_memory(surface: Surface, nobody: str, emu: Emulator) -> None:
    """A limit holds for itself, as if there were no fleet."""
    with fleet(nobody, emu, surface) as (process,):
        assert process.call().status == 200
        until(lambda: bool(process.member.down))
        emu.script(Fault.error(429, retry_after=30))
        assert process.call(policy=ONCE).status == 429
        sent = len(emu.seen)
        assert isinstance(process.call(policy=HASTY), GateClosed)
        assert len(emu.seen) == sent


@every_surface
def test_a_server_that_is_killed_and_comes_again(surface: Surface, emu: Emulator) -> None:
    """No call fails by it; each change is heard once, and then what one learns the other knows again."""
    with Server() as server, fleet(server.url, emu, surface, other(surface)) as processes:
        first, second = (it.joined() for it in processes)
        server.kill()
        for process in processes:
            until(lambda process=process: not process.member.up)  # type: ignore[misc]
            assert [process.call().status for _ in range(3)] == [200] * 3
        server.start()
        for process in processes:
            until(lambda process=process: process.member.up)  # type: ignore[misc]
            assert [process.call().status for _ in range(3)] == [200] * 3
            assert (process.told("store failure"), process.told("store back")) == (1, 1)
        emu.script(Fault.error(429, retry_after=30))
        assert first.call(policy=ONCE).status == 429
        until(lambda: not second.calm)
        assert isinstance(second.call(policy=HASTY), GateClosed)


WHILE: dict[str, Callable[[Server], object]] = {"it is killed": Server.kill, "it is stopped": Server.stop}


@every_surface
@pytest.mark.parametrize("how", WHILE)
def test_creates_go_on_while_the_server_does_not(surface: Surface, how: str, emu: Emulator) -> None:
    """This process remembers what it made, before and meanwhile; when it is back the other is told."""
    with Server() as server, fleet(server.url, emu, surface, other(surface), store_wait=0.2) as (first, second):
        before = made(first.caller, FILM, **MINE)
        WHILE[how](server)
        again = made(first.caller, FILM, **MINE)
        assert (again.headers.get(MARKED), again.json()["id"]) == ("replayed", before.json()["id"])
        meanwhile = made(first.caller, FILM, **{"Idempotency-Key": "another"})
        assert meanwhile.status == 200
        server.go_on()
        server.start()
        until(lambda: first.member.serves)
        assert made(first.caller, FILM, **{"Idempotency-Key": "a third"}).status == 200
        told = made(second.caller, FILM, **{"Idempotency-Key": "another"})
        assert (told.headers.get(MARKED), told.json()["id"]) == ("replayed", meanwhile.json()["id"])
        assert len(emu.tasks) == 3
