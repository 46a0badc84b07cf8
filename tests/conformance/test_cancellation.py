"""Cancelled while sending, sleeping and reading, on every async client: over within one turn of the loop, nothing left.

Must not know how a call is driven: only turns of the loop, the connections in use, the tasks left and the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from anyint_resilience import Policy, Resilience
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime
from tests.alone import ALONE
from tests.conformance.kit import KEY
from tests.conformance.scenario import CHAT, MODELS, VIDEO, Ask
from tests.conformance.surfaces import Surface, calling, every_surface

ATTEMPTS = 3  # a loop may take a turn more or less; the fewest of these is what it needs


@dataclass(frozen=True)
class Moment:
    """When a call is cancelled, and whether what it asked for is unknown from then on."""

    name: str
    ask: Ask
    fault: Fault
    unknown: int
    settings: dict[str, Any] = field(default_factory=dict)


OUT = Fault(stall="before_headers", process=True)
MOMENTS = [
    Moment("sending", CHAT, OUT, 0),
    Moment("sending a paid create", VIDEO, OUT, 1),
    Moment("sending with a deadline", VIDEO, OUT, 1, {"policy": Policy(deadline=30)}),
    Moment("sleeping", CHAT, Fault(status=429), 0),
    Moment("sleeping, a paid create", VIDEO, Fault(status=429), 0),
    Moment("reading a good answer", CHAT, Fault(stall="mid_body"), 0),
    Moment("reading what became of a paid create", VIDEO, Fault(stall="mid_body"), 1),
    Moment("reading an error", CHAT, Fault(status=503, body="x" * 100_000, stall="mid_body"), 0),
]


@dataclass
class Bed:
    """Where a call of ours sleeps: for good, and noted."""

    asleep: bool = False

    async def sleep(self, seconds: float) -> None:
        import anyio

        self.asleep = True
        await anyio.sleep_forever()


def stalled(emu: Emulator) -> bool:
    """Whether the gateway waits for a client to leave, all it had to say being said."""
    return any(connection._left._waiters for connection in list(emu._clients))  # type: ignore[attr-defined]


async def on_asyncio(call: Callable[[], Awaitable[Any]], there: Callable[[], bool]) -> int:
    """Cancel a call once it is ``there``; return after how many turns of the loop it was over."""
    before = asyncio.all_tasks()
    task = asyncio.ensure_future(call())
    while not there():
        await asyncio.sleep(0.001)
    for _ in range(20):  # what has arrived is taken up
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert task.cancelled()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    return turns


async def on_trio(call: Callable[[], Awaitable[Any]], there: Callable[[], bool]) -> int:
    """Do as :func:`on_asyncio`."""
    import trio
    from trio.testing import wait_all_tasks_blocked

    class Turns(trio.abc.Instrument):
        count = 0

        def after_io_wait(self, timeout: float) -> None:
            self.count += 1

    scope, turns, ended = trio.CancelScope(), Turns(), 0
    trio.lowlevel.add_instrument(turns)

    async def run() -> None:
        nonlocal ended
        with scope:
            await call()
        ended = turns.count

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        while not there():
            await trio.sleep(0.001)
        await wait_all_tasks_blocked()
        scope.cancel()
        began = turns.count
    trio.lowlevel.remove_instrument(turns)
    assert scope.cancelled_caught
    return ended - began


LOOPS = {"asyncio": on_asyncio, "trio": on_trio}


def turns_of(moment: Moment, surface: Surface, emu: Emulator, anyint: Resilience | None, bed: Bed) -> int:
    """Cancel a call at a moment and see that nothing is left of it; return after how many turns it was over."""
    emu.reset()
    emu.script(moment.fault)
    bed.asleep = False
    headers = {"Authorization": f"Bearer {KEY}"}
    with calling(surface, anyint, base_url=emu.url, pool=1, timeout=10, headers=headers) as caller:

        async def call() -> Any:
            return await caller.direct(moment.ask.method, moment.ask.path, json=moment.ask.json)

        turns = caller.call(LOOPS[str(surface.backend)], call, lambda: bed.asleep or stalled(emu))
        assert caller.in_use() == 0
        assert len(emu.seen) == 1, "nothing is sent again"
        assert caller.request("GET", MODELS.path).status == 200
    return int(turns)


def configured(moment: Moment, emu: Emulator, bed: Bed, **more: Any) -> Resilience:
    return Resilience(
        api_key=KEY, base_url=emu.url, runtime=Runtime(asleep=bed.sleep), guards=ALONE, **moment.settings, **more
    )


@every_surface
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
def test_a_cancelled_call_is_over_at_once(surface: Surface, moment: Moment, emu: Emulator) -> None:
    """No connection, task or turn of the loop more than without us; a create that was out is unknown."""
    if not surface.is_async:
        pytest.skip("a blocking call is interrupted by signals only: test_creates.py has Ctrl-C")
    bed = Bed()
    needed = 1 if moment.name.startswith("sleeping") else None
    if needed is None:
        needed = min(turns_of(moment, surface, emu, None, bed) for _ in range(ATTEMPTS))
    taken = []
    for _ in range(ATTEMPTS):
        anyint = configured(moment, emu, bed)
        taken.append(turns_of(moment, surface, emu, anyint, bed))
        assert len(anyint.ledger.unknown()) == moment.unknown
    print(surface, moment.name, needed, taken)
    assert min(taken) <= needed
