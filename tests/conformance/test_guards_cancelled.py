"""Callers that are cancelled, collected or on another loop, by the real clock: every place and permit comes back.

Must not know how a line is kept: only what reaches the gateway, and whether anything is left of it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from anyint_resilience import Guards, Policy, Resilience, report
from anyint_resilience.admission import _LONGEST_REST
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.guards_kit import Call, Heard, another, called, guarded, moved
from tests.conformance.kit import client
from tests.conformance.scenario import CHAT, VIDEO, Ask
from tests.conformance.surfaces import Caller, Surface, surfaces
from tests.conformance.test_collected import left_pending
from tests.waiting import until

every_async = surfaces(lambda surface: surface.is_async)


def users(emu: Emulator) -> list[str]:
    """Return whose requests reached the gateway, in order."""
    return [it.json()["user"] for it in emu.seen if it.method == "POST" and "user" in it.json()]


@contextmanager
def cancelling(surface: Surface, emu: Emulator, **more: Any) -> Iterator[tuple[Caller, Resilience, Heard]]:
    heard = Heard()
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=1), listeners=[heard], **more)
    with client(surface, emu, anyint, pool=3, timeout=20) as caller:
        yield caller, anyint, heard
        assert anyint.guarding.shared.calm, "every place and permit came back"
        assert called(caller, CHAT).status == 200


async def there(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.001)


@every_async
@pytest.mark.parametrize("ask", [CHAT, VIDEO], ids=["chat", "create"])
def test_a_cancelled_waiter_gives_its_place_back(surface: Surface, ask: Ask, emu: Emulator) -> None:
    """Who stood behind it goes next."""
    with cancelling(surface, emu) as (caller, anyint, heard):
        statuses: list[int] = []

        async def run() -> None:
            async def made(call: Call) -> None:
                statuses.append((await call.to(caller)).status)

            async with anyio.create_task_group() as group:
                group.start_soon(made, Call(ask))
                await there(lambda: len(emu.seen) == 1)
                scope = anyio.CancelScope()

                async def waiter() -> None:
                    with scope:
                        await made(Call(another(ask, 1)))

                group.start_soon(waiter)
                await there(lambda: len(heard.named("gate wait")) == 1)
                group.start_soon(made, Call(another(ask, 2)))
                await there(lambda: len(heard.named("gate wait")) == 2)
                scope.cancel()

        emu.script(Fault(delay_headers=0.2))
        caller.call(run)
        assert statuses == [200, 200]
        assert users(emu) == ["2"]
        assert anyint.ledger.unknown() == ()


@every_async
def test_a_cancelled_call_gives_its_permit_back(surface: Surface, emu: Emulator) -> None:
    """Who waits for it goes at once: a permit that nobody gives back would keep it for minutes."""
    with cancelling(surface, emu) as (caller, _, heard):
        statuses: list[int] = []

        async def run() -> None:
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()

                async def out() -> None:
                    with scope:
                        await Call(CHAT).to(caller)

                async def waiter() -> None:
                    statuses.append((await Call(another(CHAT, 1)).to(caller)).status)

                group.start_soon(out)
                await there(lambda: len(emu.seen) == 1)
                group.start_soon(waiter)
                await there(lambda: len(heard.named("gate wait")) == 1)
                scope.cancel()

        emu.script(Fault(stall="before_headers"))
        caller.call(run)
        assert statuses == [200]


@every_async
def test_a_waiter_that_is_cancelled_as_it_is_rung_passes_the_bell_on(surface: Surface, emu: Emulator) -> None:
    """Its turn has come and it is gone: the one behind must not wait for it."""
    with cancelling(surface, emu) as (caller, _, heard):
        statuses: list[int] = []

        async def run() -> None:
            async with anyio.create_task_group() as group:
                scopes = [anyio.CancelScope() for _ in range(3)]

                async def out(number: int) -> None:
                    with scopes[number]:
                        statuses.append((await Call(another(CHAT, number)).to(caller)).status)

                for number in range(3):
                    group.start_soon(out, number)
                    await there(lambda: len(emu.seen) + len(heard.named("gate wait")) == number + 1)  # noqa: B023
                scopes[0].cancel()
                scopes[1].cancel()  # in the same turn of the loop: it may have been rung by the first

        emu.script(Fault(stall="before_headers"))
        caller.call(run)
        assert statuses == [200]
        assert users(emu) == ["0", "2"]


@every_async
def test_a_thread_wakes_a_task_and_a_task_a_thread(surface: Surface, emu: Emulator) -> None:
    """One configuration for a blocking and an awaiting client: one line, whose waiters ring each other."""
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=1))
    blocking = Surface("requests" if surface.library == "aiohttp" else surface.library)
    with client(surface, emu, anyint) as task, client(blocking, emu, anyint) as thread:
        for first, second in ((thread, task), (task, thread)):
            emu.reset()
            emu.script(Fault(delay_headers=0.2))
            ends: list[Any] = []
            one = threading.Thread(
                target=lambda it, held: held.append(called(it, CHAT)), args=(first, ends), daemon=True
            )
            one.start()
            until(lambda: len(emu.seen) == 1)
            answer = called(second, another(CHAT, 2))
            one.join(20)
            assert [answer.status, *(it.status for it in ends)] == [200, 200]
            assert 0 < report(answer).held < _LONGEST_REST  # type: ignore[union-attr]
    assert anyint.guarding.shared.calm


@surfaces(lambda surface: surface.backend == "asyncio")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_call_that_is_collected_leaves_no_permit_behind(surface: Surface, emu: Emulator) -> None:
    """Its loop was closed while it was out: it is garbage, and others go."""
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=1))
    left_pending(surface, emu, anyint, CHAT)
    assert not anyint.guarding.shared.calm
    gc.collect()
    with client(surface, emu, anyint) as caller:
        assert called(caller, CHAT, policy=Policy(hold=5)).status == 200
    assert anyint.guarding.shared.calm
