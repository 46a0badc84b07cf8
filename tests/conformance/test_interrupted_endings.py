"""However a stream ends: its connection and its permit come back, once, and whoever waits for the permit is woken.

Must not know how a stream is followed.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from anyint_resilience import GateClosed, Guards, Policy, Resilience
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Bell, Runtime
from tests.conformance.guards_kit import Call, called
from tests.conformance.kit import KEY, client
from tests.conformance.scenario import CHAT, STREAM
from tests.conformance.surfaces import Caller, Surface, every_surface, surfaces
from tests.conformance.test_pool_of_one import only_our_warnings
from tests.conformance.test_streams import sent, sent_blocking
from tests.waiting import until

ALONE = Guards(max_concurrency=1, failures=99, budget_reserve=99.0)
AT_ONCE = Policy(hold=0.0, attempts=1)
STALLS = Fault(stall="mid_body")


@dataclass
class Rests:
    """Whether each rest of a call in line was ended by a bell; ``begun``: how many there were."""

    begun: int = 0
    rang: list[bool] = field(default_factory=list)

    def runtime(self) -> Runtime:
        """Return the real runtime, which notes them here."""
        noted = self

        class Noting(Runtime):
            def rest(self, bell: Bell, seconds: float) -> bool:
                noted.begun += 1
                noted.rang.append(bell.rest(seconds))
                return noted.rang[-1]

            async def arest(self, bell: Bell, seconds: float) -> bool:
                noted.begun += 1
                noted.rang.append(await bell.arest(seconds))
                return noted.rang[-1]

        return Noting(random=lambda: 0.5)


@dataclass(frozen=True)
class Ending:
    """How a stream ends: what the gateway does, how many pieces are read (None: all), and whether it is closed then."""

    fault: Fault
    pieces: int | None = None
    closes: bool = False


ENDINGS = {
    "read to its end": Ending(Fault()),
    "without its last event": Ending(Fault(cut_stream_after=3, drop_terminator=True)),
    "broken": Ending(Fault(cut_stream_after=3)),
    "failed": Ending(Fault(error_event=True, cut_stream_after=3)),
    "closed half read": Ending(STALLS, pieces=1, closes=True),
    "closed unread": Ending(STALLS, pieces=0, closes=True),
}


def body_of(surface: Surface, response: Any) -> Any:
    """Return what gives the pieces of a body."""
    if surface.library == "aiohttp":
        return response.content.iter_any()
    if surface.library == "requests":
        return response.iter_content(None)
    return response.aiter_raw() if surface.is_async else response.iter_raw()


def end(caller: Caller, response: Any, ending: Ending) -> None:
    """Bring a stream to its end."""
    pieces = body_of(caller.surface, response)
    with contextlib.suppress(caller.surface.adapter.StreamInterrupted):
        for number in range(10_000 if ending.pieces is None else ending.pieces):
            if next(pieces, None) is None:
                break
            assert number < 9_999
    if ending.closes:
        response.close()


async def end_async(caller: Caller, response: Any, ending: Ending) -> None:
    """Do as :func:`end`."""
    pieces = body_of(caller.surface, response)
    with contextlib.suppress(caller.surface.adapter.StreamInterrupted):
        for _ in range(10_000 if ending.pieces is None else ending.pieces):
            if await anext(pieces, None) is None:
                break
    if ending.closes:
        await close(response)
    if hasattr(pieces, "aclose"):
        await pieces.aclose()


async def close(response: Any) -> None:
    """Close an answer."""
    if hasattr(response, "aclose"):
        await response.aclose()
    else:
        response.close()


Wake = Callable[[], bool]


def beside(caller: Caller, url: str, ending: Ending, waits: Wake) -> Any:
    """End a stream while another call waits for its permit; return what that came to."""
    response = sent_blocking(caller, url)
    ends: list[Any] = []
    thread = threading.Thread(target=lambda: ends.append(called(caller, CHAT)), daemon=True)
    thread.start()
    until(waits)
    end(caller, response, ending)
    thread.join(20)
    assert not thread.is_alive()
    return ends[0]


async def beside_async(caller: Caller, url: str, ending: Ending, waits: Wake) -> Any:
    """Do as :func:`beside`."""
    response = await sent(caller, url)
    ends: list[Any] = []

    async def other() -> None:
        ends.append(await Call(CHAT).to(caller))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            while not waits():
                await anyio.sleep(0.001)
            await end_async(caller, response, ending)
    return ends[0]


def alone(emu: Emulator, runtime: Runtime) -> Resilience:
    """Return a configuration that lets out one call at a time."""
    return Resilience(api_key=KEY, base_url=emu.url, guards=ALONE, runtime=runtime, policy=Policy(attempts=1))


def still_alone(caller: Caller, url: str, emu: Emulator) -> None:
    """See that one permit came back, and not one too many: beside a stream nothing else goes out."""
    assert caller.in_use() == 0
    emu.script(STALLS)
    response = caller.call(sent, caller, url) if caller.surface.is_async else sent_blocking(caller, url)
    refused = called(caller, CHAT, policy=AT_ONCE)
    assert isinstance(refused, GateClosed)
    assert refused.why == "full"
    caller.call(close, response) if caller.surface.is_async else response.close()
    assert called(caller, CHAT, policy=AT_ONCE).status == 200
    assert caller.in_use() == 0


@every_surface
@pytest.mark.parametrize("name", ENDINGS)
def test_who_waits_for_a_streams_permit_is_woken_by_its_end(surface: Surface, name: str, emu: Emulator) -> None:
    """Not before, and not by the clock."""
    rests, ending, url = Rests(), ENDINGS[name], f"{emu.url}{STREAM.path}"
    emu.script(ending.fault)
    with only_our_warnings(surface), client(surface, emu, alone(emu, rests.runtime()), pool=2) as caller:

        def waits() -> bool:
            assert len(emu.seen) <= 1, "another call went out beside the stream"
            return rests.begun == 1

        if surface.is_async:
            other = caller.call(beside_async, caller, url, ending, waits)
        else:
            other = beside(caller, url, ending, waits)
        assert (other.status, rests.rang) == (200, [True])
        still_alone(caller, url, emu)


@surfaces(lambda surface: surface.is_async)
def test_a_cancelled_reader_wakes_who_waits(surface: Surface, emu: Emulator) -> None:
    """Its task is gone, and nobody else would close the stream."""
    rests, url = Rests(), f"{emu.url}{STREAM.path}"
    emu.script(STALLS)
    with only_our_warnings(surface), client(surface, emu, alone(emu, rests.runtime()), pool=2) as caller:

        async def run() -> Any:
            ends: list[Any] = []

            async def reads(scope: anyio.CancelScope) -> None:
                with scope:
                    await caller.along("POST", STREAM.path, None, None, json=STREAM.json)

            async def other() -> None:
                ends.append(await Call(CHAT).to(caller))

            scope = anyio.CancelScope()
            with anyio.fail_after(20):
                async with anyio.create_task_group() as group:
                    group.start_soon(reads, scope)
                    while not emu.seen:
                        await anyio.sleep(0.001)
                    await anyio.sleep(0.02)  # until it reads
                    group.start_soon(other)
                    while rests.begun == 0:
                        await anyio.sleep(0.001)
                    scope.cancel()
            return ends[0]

        assert caller.call(run).status == 200
        assert rests.rang == [True]
        still_alone(caller, url, emu)


@every_surface
@pytest.mark.parametrize(("ring", "read"), [(False, True), (True, False)], ids=["half read", "unread, in a ring"])
def test_the_permit_of_a_dropped_stream_comes_back(surface: Surface, ring: bool, read: bool, emu: Emulator) -> None:
    """To the next call at the latest. What a client says of an unclosed response is its own."""
    url = f"{emu.url}{STREAM.path}"
    emu.script(STALLS)

    def kept(response: Any, pieces: Any) -> None:
        held: list[Any] = [response, pieces]
        if ring:
            held.append(held)

    async def dropped() -> None:
        response = await sent(caller, url)
        pieces = body_of(surface, response)
        if read:
            await anext(pieces)
        kept(response, pieces)

    def dropped_blocking() -> None:
        response = sent_blocking(caller, url)
        pieces = body_of(surface, response)
        if read:
            next(pieces)
        kept(response, pieces)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        anyint = alone(emu, Runtime(random=lambda: 0.5))
        with client(surface, emu, anyint) as caller:
            caller.call(dropped) if surface.is_async else dropped_blocking()
        gc.collect()  # the connections of aiohttp hold on to their responses until they are closed
        with client(surface, emu, anyint) as caller:
            assert called(caller, CHAT, policy=AT_ONCE).status == 200
            still_alone(caller, url, emu)
        gc.collect()
