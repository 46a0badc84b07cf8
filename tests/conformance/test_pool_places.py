"""A call that is cut before it was sent leaves no connection in httpx's pool that nobody has, so it never runs dry.

Must not know how a place is given back: only that the calls after it find one.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from anyint_resilience import Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime
from tests.alone import ALONE
from tests.conformance.kit import ASK, CHAT, KEY, MODELS, client, configured
from tests.conformance.surfaces import Caller, Surface, calling, every_httpx, surfaces
from tests.hostile.keys_servers import CONNECTED, Line, Listener
from tests.waiting import until

every_async = surfaces(lambda surface: surface.is_httpx and surface.is_async)
POOL = 2
PATIENCE = 2.0  # seconds for a place in the pool: one that nobody has would never come
SOON = 0.1  # seconds of a deadline, or of a client's own time-out, that are meant to pass


@contextmanager
def pooled(surface: Surface, emu: Emulator, pool: int = POOL) -> Iterator[Caller]:
    with client(surface, emu, configured(emu, runtime=Runtime()), pool=pool, timeout=PATIENCE) as caller:
        yield caller
        assert caller.in_use() == 0
        assert [caller.request("GET", MODELS).status for _ in range(pool + 1)] == [200] * (pool + 1)


async def there(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.001)


def at(moment: str, then: Callable[[], Awaitable[object]]) -> dict[str, Any]:
    """Return the option that has something done at a moment of connecting."""

    async def trace(event: str, info: Any) -> None:
        if event == f"connection.{moment}":
            await then()

    return {"trace": trace}


def connected(then: Callable[[], Awaitable[object]]) -> dict[str, Any]:
    """Return the option that has something done, whole, in the moment when a connection has been made."""

    async def whole() -> None:
        with anyio.CancelScope(shield=True):
            await then()

    return at("connect_tcp.complete", whole)


def pool_of(caller: Caller) -> str:
    """Return what the client's pool says of itself."""
    return repr(caller.client._transport.inner._pool)


def silent(listener: Listener, line: Line, target: str) -> None:
    """Open a tunnel in which nobody ever answers."""
    line.write(CONNECTED)
    while line.raw():
        pass


@every_httpx
@pytest.mark.parametrize("cut", ["by the deadline", "by the client's own time-out"])
def test_a_tunnel_whose_other_end_is_silent_costs_no_place(surface: Surface, cut: str) -> None:
    """Neither client looks after a proxy's connection once TLS through it has failed."""
    late = cut == "by the deadline"
    proxy, url = Listener("proxy", tunnel=silent), "https://gateway.test"
    policy = Policy(attempts=2, deadline=SOON if late else None, transient_base=0.001)
    anyint = Resilience(api_key=KEY, hosts=[url], guards=ALONE, policy=policy)
    timeout = PATIENCE if late else (SOON, PATIENCE)
    with calling(surface, anyint, pool=POOL, timeout=timeout, proxy=proxy.url) as caller:
        for _ in range(POOL):
            error = caller.error("GET", url + MODELS)
            assert isinstance(error, surface.adapter.DeadlineExceeded if late else surface.module.ConnectTimeout)
        assert caller.in_use() == 0
        assert caller.request("GET", "http://another.test/", timeout=PATIENCE).status == 200
    until(proxy.quiet)
    proxy.close()


@every_async
def test_calls_that_end_in_one_moment_leave_every_place(surface: Surface, emu: Emulator) -> None:
    """The loop was held up past every deadline: who still connected passes its place to one that is over too."""
    with pooled(surface, emu) as caller:

        async def run() -> None:
            async def made(**options: Any) -> None:
                with pytest.raises(surface.adapter.DeadlineExceeded):
                    await caller.direct("GET", MODELS, policy=Policy(deadline=SOON), **options)

            async with anyio.create_task_group() as group:
                for _ in range(POOL):
                    group.start_soon(partial(made, extensions=at("connect_tcp.started", anyio.sleep_forever)))
                for _ in range(3 * POOL):
                    group.start_soon(made)
                end = time.monotonic() + 2 * SOON
                await there(lambda: f"{3 * POOL} queued" in pool_of(caller) or time.monotonic() > end)
                until(lambda: time.monotonic() > end)  # and the loop with it

        caller.call(run)


@every_async
@pytest.mark.parametrize("late", [True, False], ids=["by its deadline", "by its caller"])
def test_a_call_cut_as_it_has_connected_leaves_its_place(surface: Surface, late: bool, emu: Emulator) -> None:
    """Nobody else would take the connection: it counts as one that a call is about to use."""
    with pooled(surface, emu) as caller:

        async def run() -> None:
            with anyio.CancelScope() as scope:
                end = time.monotonic() + 2 * SOON

                async def cut() -> None:
                    if late:
                        await there(lambda: time.monotonic() > end)
                    scope.cancel()

                policy = Policy(deadline=SOON) if late else None
                await caller.direct("GET", MODELS, policy=policy, extensions=connected(cut))

        for _ in range(POOL):
            caller.call(run)


@every_async
def test_who_waits_for_the_place_gets_it(surface: Surface, emu: Emulator) -> None:
    """It waits in the client's own line, and hears of it at once."""
    with pooled(surface, emu, pool=1) as caller:
        statuses: list[int] = []

        async def run() -> None:
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()

                async def cut() -> None:
                    group.start_soon(waiter)
                    await there(lambda: "1 queued" in pool_of(caller))
                    scope.cancel()

                async def waiter() -> None:
                    statuses.append((await caller.direct("GET", MODELS)).status)

                with scope:
                    await caller.direct("GET", MODELS, extensions=connected(cut))

        caller.call(run)
        assert statuses == [200]


@every_async
def test_what_others_have_is_left_to_them(surface: Surface, emu: Emulator) -> None:
    """A stream that is open, and a call that is out, go on while another one is cut."""
    emu.script(Fault(), Fault(delay_headers=0.1))
    with pooled(surface, emu, pool=3) as caller:

        async def run() -> None:
            async with anyio.create_task_group() as group:
                scope, done = anyio.CancelScope(), []

                async def out() -> None:
                    done.append((await caller.direct("GET", MODELS)).status)

                async def cut() -> None:
                    scope.cancel()

                ask = caller.client.build_request("POST", CHAT, json={**ASK, "stream": True})
                stream = await caller.client.send(ask, stream=True)
                group.start_soon(out)
                await there(lambda: len(emu.seen) == 2)
                with scope:
                    await caller.direct("GET", MODELS, extensions=connected(cut))
                assert (await stream.aread()).endswith(b"data: [DONE]\n\n")
                await there(lambda: done == [200])

        caller.call(run)


@every_httpx
@pytest.mark.parametrize("pool", [None, object()], ids=["none", "of another kind"])
def test_a_transport_with_another_pool_is_left_alone(surface: Surface, pool: object) -> None:
    """What it raises arrives as it is."""
    module = surface.module

    class Inner(module.AsyncBaseTransport, module.BaseTransport):  # type: ignore[name-defined, misc]
        _pool = pool

        def handle_request(self, request: Any) -> Any:
            raise module.ConnectError("no")

        async def handle_async_request(self, request: Any) -> Any:
            raise module.ConnectError("no")

    anyint = Resilience(api_key=KEY, hosts=["https://gateway.test"], guards=ALONE, policy=Policy(attempts=1))
    with calling(surface, anyint, transport=Inner()) as caller:
        error = caller.error("GET", "https://gateway.test" + MODELS)
    assert type(error) is module.ConnectError
    assert report(error) is not None
