"""Calls that are cancelled, and calls at the same time, on every client: each connection comes back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from anyint_resilience import Policy, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.kit import ASK, CHAT, client, configured
from tests.conformance.surfaces import Answer, Caller, Surface, every_surface

THREADS = 8


def cancelled(caller: Caller, when: Any, method: str, url: str, **options: Any) -> bool:
    """Cancel a call once ``when()`` is true; return whether that was in time."""

    async def run() -> bool:
        with anyio.move_on_after(30) as scope:
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    while not when():
                        await anyio.sleep(0.005)
                    group.cancel_scope.cancel()

                group.start_soon(watch)
                await caller.direct(method, url, **options)
        return not scope.cancelled_caught

    return bool(caller.call(run))


@every_surface
def test_a_call_cancelled_while_asking_for_a_key_gives_its_connection_back(surface: Surface, emu: Emulator) -> None:
    """The 401 that nobody will see is closed."""
    if not surface.is_async:
        pytest.skip("a blocking call is interrupted by signals only")
    asked: list[str] = []

    async def source() -> str:
        asked.append("key")
        if len(asked) > 1:
            await anyio.sleep_forever()
        return "stale"

    emu.script(Fault(status=401, body=b"x" * 500_000))
    with client(surface, emu, configured(emu, api_key=source), pool=1) as caller:
        assert cancelled(caller, lambda: len(asked) == 2, "POST", CHAT, json=ASK)
        assert caller.in_use() == 0


def at_once(caller: Caller, number: int, method: str, url: str, **options: Any) -> list[Answer]:
    """Make so many calls at the same time, in threads or tasks."""
    answers: list[Answer] = []

    async def one() -> None:
        answers.append(await caller.direct(method, url, **options))

    async def tasks() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(number):
                group.start_soon(one)

    if caller.surface.is_async:
        caller.call(tasks)
        return answers
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(lambda _: caller.direct(method, url, **options), range(number)))


STUBBORN = Policy(attempts=30, retry_window=float("inf"))
"""All wait on one clock here: the waits of forty calls are no time that one of them has spent."""


@every_surface
def test_calls_at_once_share_a_client(surface: Surface, emu: Emulator) -> None:
    """Each has its own attempts and its own report, and the few connections all come back."""
    emu.script(*[Fault(status=503, body=b"x" * 100_000), Fault(reset="before_headers"), Fault(status=429)] * 8)
    with client(surface, emu, pool=THREADS) as caller:  # fewer and httpcore gives one to two threads
        answers = at_once(caller, 40, "POST", CHAT, json=ASK, policy=STUBBORN)
        assert caller.in_use() == 0
    assert [answer.status for answer in answers] == [200] * 40
    reports = [report(answer) for answer in answers]
    assert sum(len(found.attempts) for found in reports if found is not None) == len(emu.seen) == 64
