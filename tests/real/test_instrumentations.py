"""OpenTelemetry's own instrumentations of the clients, around ours and below: every attempt has one CLIENT span.

Must not know how it is done: only spans and headers count.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator
from tests.conformance.kit import ASK, CHAT, KEY, MODELS, configured
from tests.conformance.surfaces import EVERY, Caller, Surface, calling, every_surface, surfaces, tls
from tests.real.tracing_kit import THREE, Traces, instrumented, known, make, provided, wire


@dataclass(frozen=True)
class Setup:
    """How an application has its client instrumented.

    ``all``: ``instrument()``, for every client. ``one``: this client, ``before`` our ``wrap()`` or ``after`` it; by a
    transport ``around`` or ``below`` ours; by a trace ``config`` of aiohttp.
    """

    all: bool = False
    one: str | None = None

    def __str__(self) -> str:
        return "+".join(filter(None, ("all" if self.all else "", self.one or ""))) or "none"

    def around(self, surface: Surface) -> int:
        """Return how many instrumentations see a call, not its attempts."""
        return (self.all and not surface.is_httpx) + (self.one in ("after", "around", "config"))

    def below(self, surface: Surface) -> int:
        """Return how many see each attempt."""
        return (self.all and surface.is_httpx) + (self.one in ("before", "below"))


def setups(surface: Surface, *, wrap: bool) -> list[Setup]:
    """Return all set-ups of a client; one that is instrumented before it is wrapped must be wrapped."""
    ones: list[str | None] = [None]
    if surface.is_httpx:
        ones += ["after", "around", "below", *(["before"] if wrap else [])]
    if surface.library == "aiohttp":
        return [Setup(), Setup(all=True), Setup(one="config")]  # both leave a context behind: see below
    return [Setup(everywhere, one) for everywhere in (False, True) for one in ones]


def matrix(*, wraps: tuple[bool, ...], trio: bool) -> list[Any]:
    """Return surfaces, ways to make ours, and set-ups."""
    return [
        pytest.param(
            surface, wrap, setup, id=f"{surface}-{'wrap' if wrap else 'made'}-{setup}", marks=surface.param().marks
        )
        for surface in EVERY
        if trio or surface.backend != "trio"
        for wrap in wraps
        for setup in setups(surface, wrap=wrap)
    ]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Emulator]:
    with Emulator(keys=("foreign",)) as running:
        yield running


@pytest.fixture
def foreign(elsewhere: Emulator) -> Emulator:
    elsewhere.reset()
    return elsewhere


def transport(surface: Surface, traces: Traces, inner: Any) -> Any:
    """Put OpenTelemetry's transport around another one."""
    sort = "Async" if surface.is_async else "Sync"
    name = f"{sort}OpenTelemetryTransport{'Httpx2' if surface.library == 'httpx2' else ''}"
    return provided(known(surface.library, name), traces, inner)


@contextlib.contextmanager
def opened(surface: Surface, anyint: Resilience, setup: Setup, traces: Traces, *, wrap: bool) -> Iterator[Caller]:
    """Open a client that is instrumented, with our layer."""
    options: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if setup.all:
            stack.enter_context(instrumented(surface.library, traces))
        if setup.one == "config":
            options["trace_configs"] = [provided(known("aiohttp", "create_trace_config"), traces)]
        if setup.one == "below":
            plain = surface.module.AsyncHTTPTransport if surface.is_async else surface.module.HTTPTransport
            options["inner"] = transport(surface, traces, plain(verify=tls()))
        bare = None if wrap else anyint
        caller = stack.enter_context(calling(surface, bare, base_url=str(anyint.url), **options))
        if setup.one == "before":
            instrument_client(caller, traces)
        if wrap:
            surface.adapter.wrap(caller.client, anyint)
        if setup.one == "after":
            instrument_client(caller, traces)
        if setup.one == "around":
            caller.client._transport = transport(surface, traces, caller.client._transport)
        yield caller


def instrument_client(caller: Caller, traces: Traces) -> None:
    kind = "HTTPX2ClientInstrumentor" if caller.surface.library == "httpx2" else "HTTPXClientInstrumentor"
    provided(known(caller.surface.library, kind).instrument_client, traces, caller.client)


def ask(caller: Caller, traces: Traces, **more: Any) -> None:
    """Make a call that takes three attempts, in a span of the application."""

    def application() -> contextlib.AbstractContextManager[Any]:
        return traces.tracer.start_as_current_span("the application")

    assert make(caller, application, "POST", CHAT, json=ASK, **more).status == 200


def kinds(spans: list[Any]) -> Counter[str]:
    return Counter(span.kind.name for span in spans)


def ids(span: Any) -> tuple[int, int]:
    return span.context.trace_id, span.context.span_id


@pytest.mark.parametrize(("surface", "wrap", "setup"), matrix(wraps=(True, False), trio=True))
def test_each_attempt_has_one_client_span(surface: Surface, wrap: bool, setup: Setup, emu: Emulator) -> None:
    """Three attempts are three CLIENT spans, ours, each named on the wire; what is around the call is INTERNAL."""
    traces = Traces()
    emu.script(*THREE)
    with opened(surface, configured(emu, tracer_provider=traces.provider), setup, traces, wrap=wrap) as caller:
        ask(caller, traces)
    attempts, (call,), others = traces.attempts(), traces.calls(), traces.others()
    assert [ids(span) for span in attempts] == wire(emu)
    assert len({ids(span) for span in attempts}) == len(emu.seen) == 3
    assert {span.parent.span_id for span in attempts} == {call.context.span_id}
    assert len({span.context.trace_id for span in traces.spans()}) == 1
    assert [span.kind for span in others] == [SpanKind.INTERNAL] * setup.around(surface)
    above = [traces.spans("application")[0], *others]
    assert [span.parent.span_id for span in (*others, call)] == [span.context.span_id for span in above]


@pytest.mark.parametrize("mode", ["always", "call-only", "off"])
@pytest.mark.parametrize(("surface", "wrap", "setup"), matrix(wraps=(True,), trio=False))
def test_the_other_modes_leave_instrumentations_alone(
    surface: Surface, wrap: bool, setup: Setup, mode: str, emu: Emulator
) -> None:
    """``always`` has both, ``call-only`` leaves attempts to them, ``off`` all; the wire names the innermost span."""
    traces = Traces()
    emu.script(*THREE)
    anyint = configured(emu, tracer_provider=traces.provider, spans=mode)
    with opened(surface, anyint, setup, traces, wrap=wrap) as caller:
        ask(caller, traces)
    assert kinds(traces.others()) == Counter(CLIENT=3 * setup.below(surface) + setup.around(surface))
    assert (len(traces.calls()), len(traces.attempts())) == {"always": (1, 3), "call-only": (1, 0), "off": (0, 0)}[mode]
    spans = traces.spans()
    parents = {span.parent.span_id for span in spans if span.parent is not None}
    innermost: list[Any] = [ids(span) for span in spans if span.context.span_id not in parents]
    silent = mode == "off" and not traces.others()
    assert wire(emu) == ([None] * 3 if silent else innermost * (3 // len(innermost)))


def test_call_only_and_one_instrumentation_are_one_span_for_each_attempt(emu: Emulator) -> None:
    """What ``call-only`` is for: httpx's ``instrument()`` makes the CLIENT spans, under our call's."""
    traces = Traces()
    emu.script(*THREE)
    anyint = configured(emu, tracer_provider=traces.provider, spans="call-only")
    with opened(Surface("httpx"), anyint, Setup(all=True), traces, wrap=True) as caller:
        ask(caller, traces)
    (call,), others = traces.calls(), traces.others()
    assert [ids(span) for span in others] == wire(emu)
    assert [(span.kind, span.parent.span_id) for span in others] == [(SpanKind.CLIENT, call.context.span_id)] * 3
    assert [event.name for event in call.events] == ["gate closed", "backoff", "backoff", "gate opened", "recovered"]


@pytest.mark.parametrize("mode", ["auto", "call-only"])
@every_surface
def test_a_foreign_host_is_the_instrumentations_alone(surface: Surface, mode: str, emu: Emulator) -> None:
    """A request through ours to a host that is not AnyInt's has the one CLIENT span that it has without us."""
    traces = Traces()
    anyint = Resilience(api_key="another-key", tracer_provider=traces.provider, spans=mode)
    with instrumented(surface.library, traces), calling(surface, anyint, base_url=emu.url) as caller:
        headers = {"authorization": f"Bearer {KEY}"}
        assert caller.request("GET", MODELS, headers=headers).status == 200
    (span,) = traces.spans()
    assert (span.kind, span.parent) == (SpanKind.CLIENT, None)
    assert wire(emu) == [ids(span)]


@every_surface
def test_an_instrumentation_is_heard_again_after_a_call(surface: Surface, emu: Emulator, foreign: Emulator) -> None:
    """Silence holds for our attempts only: a foreign request after a call, on the same client, has its span."""
    traces = Traces()
    anyint = configured(emu, tracer_provider=traces.provider)
    with instrumented(surface.library, traces), calling(surface, anyint) as caller:
        for host in (emu, foreign, emu):
            headers = {"authorization": "Bearer foreign"} if host is foreign else None
            assert caller.request("GET", host.url + MODELS, headers=headers).status == 200
    (span,) = [span for span in traces.others() if span.kind is SpanKind.CLIENT]
    assert wire(foreign) == [ids(span)]
    assert wire(emu) == [ids(span) for span in traces.attempts()]


@pytest.mark.parametrize("everywhere", [False, True], ids=["bare", "instrumented"])
@every_surface
def test_a_stream_has_one_client_span_for_each_attempt(surface: Surface, everywhere: bool, emu: Emulator) -> None:
    """A streamed answer after two failures: three CLIENT spans, and a call that ends when the stream does."""
    traces = Traces()
    emu.script(*THREE)
    anyint = configured(emu, tracer_provider=traces.provider)
    with opened(surface, anyint, Setup(all=everywhere), traces, wrap=True) as caller:
        answer, body, broken = caller.stream("POST", CHAT, json={**ASK, "stream": True})
    assert (answer.status, broken) == (200, None)
    assert body.rstrip().endswith(b"[DONE]")
    assert kinds(traces.spans()) == Counter(CLIENT=3, INTERNAL=1 + Setup(all=everywhere).around(surface))
    assert [ids(span) for span in traces.attempts()] == wire(emu)
    (call,) = traces.calls()
    assert call.attributes["anyint.outcome"] == "success"
    assert all(call.end_time >= span.end_time for span in traces.attempts())


@surfaces(lambda surface: surface.library == "requests")
def test_urllib3_below_requests_keeps_quiet(surface: Surface, emu: Emulator) -> None:
    """The instrumentation of what requests stands on sees each attempt, and has no span of its own."""
    traces = Traces()
    emu.script(*THREE)
    anyint = configured(emu, tracer_provider=traces.provider)
    with instrumented("urllib3", traces), calling(surface, anyint, base_url=emu.url) as caller:
        ask(caller, traces)
    assert traces.others() == []
    assert [ids(span) for span in traces.attempts()] == wire(emu)


@surfaces(lambda surface: surface.library == "aiohttp")
def test_of_two_around_each_other_both_make_way(surface: Surface, emu: Emulator) -> None:
    """aiohttp instrumented twice has two CLIENT spans for one attempt without us; with us one for each attempt.

    Of its own it detaches two contexts in the wrong order, so that what is current afterwards is not looked at.
    """
    traces = Traces()
    emu.script(*THREE)
    setup = Setup(all=True, one="config")
    with opened(surface, configured(emu, tracer_provider=traces.provider), setup, traces, wrap=True) as caller:
        assert caller.request("POST", CHAT, json=ASK).status == 200
    assert kinds(traces.others()) == Counter(INTERNAL=2)
    assert [ids(span) for span in traces.attempts()] == wire(emu)
    assert len(traces.attempts()) == 3


@surfaces(lambda surface: surface.library != "aiohttp")  # whose sessions can't be instrumented once they are made
def test_a_client_that_exists_can_be_instrumented(surface: Surface, emu: Emulator, foreign: Emulator) -> None:
    """``instrument()`` after our client was made: requests to foreign hosts have their span, attempts theirs."""
    traces = Traces()
    anyint = configured(emu, tracer_provider=traces.provider, spans="call-only")
    with calling(surface, anyint) as caller, instrumented(surface.library, traces):
        caller.request("GET", foreign.url + MODELS, headers={"authorization": "Bearer foreign"})
        caller.request("GET", emu.url + MODELS)
    assert kinds(traces.others()) == Counter(CLIENT=2)
    assert wire(foreign) == [ids(traces.others()[0])]
