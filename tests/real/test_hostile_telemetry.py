"""Whoever looks on may fail in any way: what becomes of a call does not change, and it is said once.

Must not know how it is done: only answers, exceptions, requests on the wire, events and the log count.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
import trio
from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.kit import ASK, CHAT, FILM, KEY, MODELS, VIDEOS, client, configured
from tests.conformance.surfaces import EVERY, Surface, every_surface
from tests.real.tracing_kit import (
    FIXED,
    NAMELESS,
    RAISING,
    SILENT,
    THREE,
    Injecting,
    Picky,
    Traces,
    broken,
    dull,
    foreign,
    make,
    metering,
    sdk,
    some,
)

RESET = Fault(reset="before_headers")
CALLS: list[tuple[tuple[Fault, ...], str, Any]] = [
    ((), CHAT, {**ASK, "user": "a first"}),
    ((), CHAT, {**ASK, "stream": True}),
    ((Fault(cut_stream_after=3),), CHAT, {**ASK, "stream": True}),
    (THREE, CHAT, ASK),
    ((Fault.error(400),), CHAT, {**ASK, "user": "another"}),
    ((RESET, RESET, RESET), CHAT, {**ASK, "user": "a third"}),
    ((Fault(reset="before_headers", process=True),), VIDEOS, FILM),
]
"""Faults, path, body: a good answer, a stream and one that breaks off; one that recovers, one refused, two lost.

The good one is the first: after a failure no call takes the fast lane for a while.
"""

EVENTS = [
    "stream interrupted",
    *("gate closed", "backoff", "backoff", "gate opened", "recovered"),
    *("given up", "backoff", "backoff", "given up", "outcome unknown"),
]
"""What is told of them, whoever looks on."""


@dataclass(frozen=True)
class Hostile:
    """Somebody who looks on and fails.

    ``tracer``, ``meter`` and ``listener`` are a configuration's own; without them there is a good tracer, whose spans
    must be complete, a good meter, and none. ``headers``: what a propagator sets, None for one that fails. ``log``:
    what a handler does. ``current``: the span around each call. ``alone``: nobody else looks on, not even those.
    ``reported``: how often something is said.
    """

    tracer: Callable[[], Any] | None = None
    meter: Callable[[], Any] | None = None
    listener: Callable[[Any], Any] | None = None
    headers: Any = ()
    log: Callable[[Any], Any] | None = None
    current: trace.Span | None = None
    alone: bool = False
    reported: int = 1


HOSTILES = {
    "sampler": Hostile(tracer=sdk(sampler=Picky(SpanKind.INTERNAL))),
    "sampler of attempts": Hostile(tracer=sdk(sampler=Picky(SpanKind.CLIENT))),
    "processor on_start": Hostile(tracer=sdk(some(SpanProcessor, "on_start"))),
    "processor on_end": Hostile(tracer=sdk(some(SpanProcessor, "on_end"))),
    "exporter": Hostile(tracer=sdk(SimpleSpanProcessor(some(object, "export"))), reported=0),  # the SDK says it
    "id generator": Hostile(tracer=sdk(id_generator=some(RandomIdGenerator, "generate_span_id"))),
    "get_tracer": Hostile(tracer=lambda: some(object, "get_tracer")),
    "start_span": Hostile(tracer=lambda: some(object, get_tracer=lambda *args, **more: some(object, "start_span"))),
    "spans that return None": Hostile(tracer=lambda: foreign(SILENT), reported=3),
    "spans that raise": Hostile(tracer=lambda: foreign(RAISING)),
    "propagator": Hostile(headers=None),
    "headers with newlines": Hostile(headers={"x-bad": "a\r\nx-worse: b", "x-b\nad": "a"}, reported=0),
    "headers not ASCII": Hostile(headers={"x-bad": "ü", "x-bäd": "a", "x-bad2": "\x00"}, reported=0),
    "headers not text": Hostile(headers={"x-bad": b"a", 1: "a", None: None, "": "a"}, reported=0),
    "headers of ours": Hostile(
        headers={"Authorization": "Bearer no", "X-Api-Key": "no", "Host": "no", "Content-Length": "1"}, reported=0
    ),
    "get_meter": Hostile(meter=lambda: some(object, "get_meter")),
    "create_counter": Hostile(meter=lambda: metering(create_counter=broken, create_histogram=dull)),
    "instruments": Hostile(meter=lambda: metering(create_counter=dull, create_histogram=dull)),
    "exemplar filter": Hostile(
        meter=lambda: MeterProvider(
            [InMemoryMetricReader()], shutdown_on_exit=False, exemplar_filter=some(object, "should_sample")
        ),
    ),
    "log handler": Hostile(log=broken, reported=0),  # said on stderr
    "listener": Hostile(listener=broken),
    "current span returns None": Hostile(current=SILENT),  # the SDK asks it for exemplars
    "current span returns None, alone": Hostile(current=SILENT, alone=True),
    "current span raises": Hostile(current=RAISING, reported=3),
    "current span raises, alone": Hostile(current=RAISING, alone=True),
    "current span has another scope": Hostile(current=NAMELESS, reported=0),
    "current span has a fixed kind": Hostile(current=FIXED, reported=0),
}


@contextlib.contextmanager
def surroundings(hostile: Hostile) -> Iterator[None]:
    """Set what is global, for so long."""
    log, before = logging.getLogger("anyint_resilience"), propagate.get_global_textmap()
    handler = logging.Handler()
    handler.emit = hostile.log or (lambda record: None)  # type: ignore[method-assign]
    log.addHandler(handler)
    if hostile.headers != ():
        propagate.set_global_textmap(Injecting(hostile.headers))
    try:
        yield
    finally:
        propagate.set_global_textmap(before)
        log.removeHandler(handler)


def play(surface: Surface, emu: Emulator, anyint: Resilience, current: trace.Span | None = None) -> list[Any]:
    """Make all calls; return what came of each and what was on the wire, less the trace's header."""

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        token = contexts.attach(trace.set_span_in_context(current) if current else contexts.get_current())
        try:
            yield
        finally:
            contexts.detach(token)

    came: list[Any] = []
    with client(surface, emu, anyint) as caller:
        for faults, path, body in CALLS:
            emu.reset()
            emu.script(*faults)
            try:
                answer = make(caller, around, "POST", path, json=body, streamed="stream" in body)
            except surface.error as error:
                came.append(type(error))
            else:
                came.append(read(answer))
            came.append([(seen.method, seen.path, seen.body, plain(seen.headers)) for seen in emu.seen])
    return came


def read(answer: Any) -> Any:
    """Return all of an answer, but for the ids and the times that are new each time."""
    got, body, broke = answer if isinstance(answer, tuple) else (answer, answer.content, None)
    return got.status, re.sub(rb"[0-9a-f]{24}|\d{10}", b"#", body), type(broke)


def plain(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "traceparent"}


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What came of each call without anybody looking on, by client."""
    return {}


def hostile_params() -> list[Any]:
    return [
        pytest.param(surface, hostile, id=f"{surface}-{name}", marks=surface.param().marks)
        for surface in EVERY
        if surface.backend != "trio"
        for name, hostile in HOSTILES.items()
    ]


@pytest.mark.parametrize(("surface", "hostile"), hostile_params())
def test_an_onlooker_that_fails_changes_nothing(
    surface: Surface,
    hostile: Hostile,
    emu: Emulator,
    expected: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Answers, exceptions, requests and contexts are those of calls nobody looks at; the others see all the same."""
    if str(surface) not in expected:
        expected[str(surface)] = play(surface, emu, configured(emu, spans="off"))
    caplog.set_level(logging.DEBUG, "anyint_resilience")
    caplog.clear()
    told: list[str] = []
    good = Traces()
    options: dict[str, Any] = {}
    if not hostile.alone:
        options["tracer_provider"] = good.provider if hostile.tracer is None else hostile.tracer()
        make_meter = hostile.meter or (lambda: MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False))
        options["meter_provider"] = make_meter()
    listeners = (*filter(None, [hostile.listener]), lambda event: told.append(event.name))
    with surroundings(hostile):
        got = play(surface, emu, configured(emu, listeners=listeners, **options), hostile.current)
    assert got == expected[str(surface)]
    said = [record.getMessage() for record in caplog.records if "calls go on without it" in record.getMessage()]
    assert len(said) == len(set(said)) == hostile.reported
    assert "a secret" not in "".join(said)
    assert not [record for record in caplog.records if record.name == "opentelemetry.context"]
    assert capsys.readouterr().err.count("anyint_resilience: a log handler failed") == (hostile.log is not None)
    assert told == EVENTS
    if hostile.tracer is None and not hostile.alone and hostile.current not in (SILENT, RAISING):
        assert len(good.attempts()) == sum(len(faults) + (faults in (THREE, ())) for faults, *_ in CALLS)
        assert len(good.calls()) == len(CALLS)


FRAMING = ("connection", "expect", "te", "trailer", "transfer-encoding", "upgrade")
"""Names that say how a message is framed or what its connection is for."""


@pytest.mark.parametrize("name", FRAMING)
def test_a_propagator_may_not_frame_the_request(name: str, emu: Emulator) -> None:
    """No trace travels in these: a call must not hang for a propagator's sake."""
    hostile = Hostile(headers={name: "trailers" if name == "te" else "chunked"})
    with surroundings(hostile), client(Surface("httpx"), emu, configured(emu, tracer_provider=Traces().provider)) as it:
        it.request("GET", MODELS)
    assert emu.seen[0].headers.get(name) in (None, "keep-alive")


@every_surface
def test_space_around_an_injected_value_is_no_error(surface: Surface, emu: Emulator) -> None:
    """A value that no header may have like that is left out, or cut: the call goes out."""
    hostile = Hostile(headers={"x-fine": " a "})
    with surroundings(hostile), client(surface, emu, configured(emu, tracer_provider=Traces().provider)) as caller:
        assert caller.request("POST", CHAT, json=ASK).status == 200


@pytest.mark.parametrize("wanted", ["backoff", "key rotated"])
@every_surface
def test_a_listener_may_call_the_same_client(surface: Surface, wanted: str, emu: Emulator) -> None:
    """A call that a listener makes in the middle of another is one of its own: both are well, and their traces too."""
    traces = Traces()
    keys = iter(["stale", KEY] if wanted == "key rotated" else [KEY])
    came: list[Any] = []
    started: list[Any] = []

    async def ask() -> None:
        came.append(await caller.direct("GET", MODELS))

    def listen(event: Any) -> None:
        if event.name != wanted or started:
            return
        started.append(event)
        if surface.backend is None:
            came.append(caller.direct("GET", MODELS))
        elif surface.backend == "asyncio":
            started.append(asyncio.get_running_loop().create_task(ask()))
        else:
            trio.lowlevel.spawn_system_task(ask)

    async def finished() -> None:
        while not came:
            await anyio.lowlevel.checkpoint()

    anyint = configured(emu, api_key=lambda: next(keys), listeners=(listen,), tracer_provider=traces.provider)
    if wanted == "backoff":
        emu.script(Fault.error(503))
    with client(surface, emu, anyint) as caller:
        answer = make(caller, contextlib.nullcontext, "POST", CHAT, json=ASK)
        if surface.is_async:
            caller.call(finished)
    assert [answer.status, *(it.status for it in came)] == [200, 200]
    assert [call.parent for call in traces.calls()] == [None, None]
    made = Counter(span.parent.span_id for span in traces.attempts())
    assert [made[call.context.span_id] for call in traces.calls()] == [2, 1]
