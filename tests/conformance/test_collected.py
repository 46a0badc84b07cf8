"""Calls and streams that are garbage: nothing is told from within the collector, all of it afterwards, and as it was.

Must not know how it is put off: only who is told what, and when.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.telemetry.watch import Watch
from tests.conformance.emitted import Emitted, Span, labels
from tests.conformance.kit import MODELS, client, configured
from tests.conformance.scenario import CHAT, STREAM, VIDEO, Ask
from tests.conformance.surfaces import Caller, Surface, Waits, every_surface, surfaces
from tests.conformance.test_streams import PIECE, sent, sent_blocking, then_silence

on_closed_loops = surfaces(lambda surface: surface.backend == "asyncio")
"""trio leaves no call pending."""
awaited_httpx = surfaces(lambda surface: surface.is_httpx and surface.backend == "asyncio")
every_closing = surfaces(lambda surface: surface.library != "aiohttp")
"""A middleware of aiohttp is not told when its session is closed."""

ENDED = {CHAT.path: ("cancelled", "cut off"), VIDEO.path: ("unknown", "outcome unknown")}
asks = pytest.mark.parametrize("ask", [CHAT, VIDEO], ids=["chat", "create"])


class Struck(SpanExporter):
    """An exporter that is struck by the garbage collector while it holds its lock, and notes who tells it of more.

    To be told of more would be a deadlock for an exporter that waits for its lock.
    """

    def __init__(self, emitted: Emitted) -> None:
        self.emitted = emitted
        self.wrong: list[str] = []
        self.before: Callable[[], object] | None = None
        self._lock = threading.Lock()
        emitted.tracers.add_span_processor(SimpleSpanProcessor(self))

    def export(self, spans: Any) -> SpanExportResult:
        if not self._lock.acquire(blocking=False):
            self.wrong.append(f"told of {spans[0].name} while it was at work")
            return SpanExportResult.FAILURE
        try:
            if self.before is not None:
                self.before = self.before()  # type: ignore[func-returns-value, assignment]
                already = self._told()
                gc.collect()
                if self._told() != already:
                    self.wrong.append("something was told from within the collector")
        finally:
            self._lock.release()
        return SpanExportResult.SUCCESS

    def strike(self, before: Callable[[], None] = lambda: None) -> None:
        """End a span that has nothing to do with ours, and let the collector run while it is exported."""
        self.before = before
        self.emitted.tracers.get_tracer("the application").start_span("other work").end()
        assert self.before is None, "it was not exported"

    def _told(self) -> Any:
        emitted = self.emitted
        ended = [span.name for span in emitted.ended.get_finished_spans()]
        return ended, len(emitted.events), len(emitted.log.records), emitted.metrics()


class Clock:
    """A clock that moves when it is set."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    """Nothing is collected but where a test says so, and what clients say of unclosed things is theirs."""
    gc.collect()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
            gc.collect()
    finally:
        gc.enable()


def flushed(surface: Surface, emu: Emulator, anyint: Resilience) -> None:
    """Ask for what is still to be told."""
    anyint.telemetry.flush()


def called(surface: Surface, emu: Emulator, anyint: Resilience) -> None:
    """Make another call with the same configuration."""
    with client(surface, emu, anyint) as caller:
        assert caller.request("GET", MODELS).status == 200


afterwards = pytest.mark.parametrize("afterwards", [flushed, called])


def calls(emitted: Emitted) -> list[Span]:
    """Return the spans of the calls that have ended, but for those made to have others told of."""
    return [it for it in emitted.spans() if it.kind == "INTERNAL" and "models" not in it.name]


def told_nothing(emitted: Emitted, struck: Struck) -> None:
    """See that nobody was told of the call's end, and that the SDK does not complain of contexts."""
    assert struck.wrong == []
    assert emitted.log.complaints == []
    assert emitted.events == []
    assert [it.name for it in emitted.ended.get_finished_spans() if it.kind.name == "INTERNAL"] == ["other work"]


# --- calls


def never_answered(surface: Surface, anyint: Resilience, there: list[bool]) -> tuple[Any, Callable[[], object]]:
    """Return a client whose requests stay where they are, ``there``, and what lets go of what it holds."""

    async def stays(*_: Any) -> Any:
        there.append(True)
        await asyncio.get_running_loop().create_future()

    if surface.library == "aiohttp":
        made = surface.module.ClientSession(middlewares=(surface.adapter.ResilientMiddleware(anyint), stays))
        return made, made.detach
    inner = type("Inner", (surface.module.AsyncBaseTransport,), {"handle_async_request": stays})()
    transport = surface.adapter.AsyncResilientTransport(anyint, transport=inner)
    return surface.module.AsyncClient(transport=transport), lambda: None


def left_pending(surface: Surface, emu: Emulator, anyint: Resilience, ask: Ask) -> None:
    """Close a loop on which a call is pending: from now on its task is garbage."""
    loop = asyncio.new_event_loop()
    there: list[bool] = []

    async def begun() -> Callable[[], object]:
        made, let_go = never_answered(surface, anyint, there)

        async def call() -> None:
            await made.request(ask.method, f"{emu.url}{ask.path}", json=ask.json)

        asyncio.ensure_future(call())  # noqa: RUF006  the loop alone knows of it
        while not there:
            await asyncio.sleep(0)
        return let_go

    let_go = loop.run_until_complete(asyncio.wait_for(begun(), 20))
    loop.close()
    let_go()


@on_closed_loops
@asks
@afterwards
def test_a_pending_call_that_is_collected_is_told_of_afterwards(
    surface: Surface, ask: Ask, afterwards: Any, emu: Emulator
) -> None:
    """Its loop was closed and the collector meets it while an exporter works: a later call or flush tells of it."""
    with Emitted() as emitted:
        anyint, struck = configured(emu, **emitted.settings()), Struck(emitted)
        left_pending(surface, emu, anyint, ask)
        struck.strike()
        told_nothing(emitted, struck)
        afterwards(surface, emu, anyint)
        outcome, event = ENDED[ask.path]
        (call,) = calls(emitted)
        assert call.attributes["anyint.outcome"] == outcome
        assert [it.name for it in emitted.events] == [name for name, _ in call.events] == [event]
        (attempt,) = [it for it in emitted.spans() if it.parent == call.span_id]
        assert attempt.failed
        assert struck.wrong == []


class Suspended:
    """What a coroutine waits for without any loop."""

    def __await__(self) -> Iterator[None]:
        yield


@awaited_httpx
@asks
def test_a_call_that_is_closed_in_another_context_is_told_of_afterwards(
    surface: Surface, ask: Ask, emu: Emulator
) -> None:
    """It can't leave the context it is in from there, and does not try to; what is current stays so."""

    async def stays(*_: Any) -> Any:
        await Suspended()

    def begun() -> Any:
        request = surface.module.Request(ask.method, f"{emu.url}{ask.path}", json=ask.json)
        pending = transport.handle_async_request(request)
        pending.send(None)
        return pending

    inner = type("Inner", (surface.module.AsyncBaseTransport,), {"handle_async_request": stays})()
    with Emitted() as emitted:
        anyint, struck = configured(emu, **emitted.settings()), Struck(emitted)
        transport = surface.adapter.AsyncResilientTransport(anyint, transport=inner)
        pending = contextvars.copy_context().run(begun)
        with emitted.application():
            pending.close()
        assert (emitted.events, emitted.log.complaints, struck.wrong) == ([], [], [])
        anyint.telemetry.flush()
        outcome, event = ENDED[ask.path]
        assert [it.attributes["anyint.outcome"] for it in calls(emitted)] == [outcome]
        assert [it.name for it in emitted.events] == [event]


# --- streams


class Dropped:
    """A streamed answer nobody has read, that is let go of while an exporter works."""

    def __init__(self, surface: Surface, emu: Emulator, emitted: Emitted) -> None:
        self.clock = Clock()
        runtime = Waits().runtime(monotonic=self.clock, wall=self.clock)
        self.anyint = configured(emu, runtime=runtime, **emitted.settings())
        self.emitted, self.struck = emitted, Struck(emitted)
        # A connection of aiohttp's holds on to its response as long as it is open.
        emu.script(Fault(cut_stream_after=3) if surface.library == "aiohttp" else then_silence(PIECE))

    def by(self, caller: Caller, url: str) -> None:
        """Have a client ask for it and forget it, five seconds later."""
        held: list[Any] = []

        async def awaited() -> None:
            held.append(await sent(caller, url))
            while caller.surface.library == "aiohttp" and held[0].connection.transport is not None:
                await asyncio.sleep(0)
            self._let_go(held)

        if caller.surface.is_async:
            caller.call(awaited)
        else:
            held.append(sent_blocking(caller, url))
            self._let_go(held)

    def _let_go(self, held: list[Any]) -> None:
        self.clock.now += 5
        self.struck.strike(held.clear)
        told_nothing(self.emitted, self.struck)
        gc.collect()
        hub = self.anyint.telemetry
        queued = [it.request for it in gc.get_objects() if type(it) is Watch and it.hub is hub]
        assert queued == [None], "the request, which holds a prompt, is kept"
        self.clock.now += 60

    def told(self) -> None:
        """See that it was told of, as of when it was let go of."""
        (call,) = calls(self.emitted)
        assert call.attributes["anyint.outcome"] == "abandoned"
        assert call.sdk.end_time == 1_005 * 10**9
        key = {"anyint.family": "openai", "anyint.operation": "stream", "anyint.outcome": "abandoned"}
        assert self.emitted.metrics()["anyint.call.duration"].sums[labels(key)] == 5
        assert self.struck.wrong == []


@contextlib.contextmanager
def dropping(surface: Surface, emu: Emulator) -> Iterator[tuple[Dropped, Caller]]:
    """Open a client that has just let go of a stream."""
    with Emitted() as emitted:
        dropped = Dropped(surface, emu, emitted)
        with client(surface, emu, dropped.anyint) as caller:
            dropped.by(caller, f"{emu.url}{STREAM.path}")
            yield dropped, caller


@every_surface
@afterwards
def test_a_stream_that_is_dropped_is_told_of_afterwards(surface: Surface, afterwards: Any, emu: Emulator) -> None:
    """By a later call or flush, never from the collector; it ended when it was dropped, and keeps no request."""
    with dropping(surface, emu) as (dropped, _):
        afterwards(surface, emu, dropped.anyint)
        dropped.told()


@every_closing
def test_a_stream_that_is_dropped_is_told_of_when_its_client_is_closed(surface: Surface, emu: Emulator) -> None:
    """A program's last stream is not lost: providers are shut down after clients."""
    with dropping(surface, emu) as (dropped, caller):
        caller.call(caller.client.aclose if surface.is_async else caller.client.close)
        dropped.told()
