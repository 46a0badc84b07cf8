"""What is above a call: the SDKs' own spans and retries, somebody else's trace, and what the application sets globally.

Must not know how it is done: only spans and headers count.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry import context as contexts
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.kit import ASK, CHAT, KEY, client, configured
from tests.conformance.surfaces import Caller, Surface, calling, every_httpx, every_surface, surfaces
from tests.real.tracing_kit import THREE, Traces, make, wire

MESSAGE: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
RESET = Fault(reset="before_headers")
every_httpx2 = surfaces(lambda surface: surface.library == "httpx2")


@contextlib.contextmanager
def unhurried(name: str) -> Iterator[Any]:
    """Import an SDK and take the waits before its own retries away."""
    sdk = pytest.importorskip(name, reason=f"{name} stands on httpx2, which needs Python 3.11")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdk._base_client.BaseClient, "_calculate_retry_timeout", lambda *args, **kwargs: 0.0)
        yield sdk


@contextlib.contextmanager
def anthropic_sdk(surface: Surface, emu: Emulator, traces: Traces, **options: Any) -> Iterator[tuple[Caller, Any]]:
    """Open an anthropic SDK client on our transport whose own spans go where ours do."""
    told = {"tracer_provider": traces.provider, **options}
    anyint = configured(emu, tracer_provider=traces.provider)
    with unhurried("anthropic") as anthropic, calling(surface, anyint) as caller:
        if not hasattr(anthropic, "OpenTelemetryOptions"):
            pytest.skip("this version of the SDK makes no spans")
        kind = anthropic.AsyncAnthropic if surface.is_async else anthropic.Anthropic
        sdk = kind(api_key=KEY, base_url=f"{emu.url}/anthropic", http_client=caller.client, open_telemetry=told)
        yield caller, sdk


def parents(spans: Sequence[Any]) -> set[int]:
    return {span.parent.span_id for span in spans}


def ids(span: Any) -> tuple[int, int]:
    return span.context.trace_id, span.context.span_id


@pytest.mark.parametrize("propagation", [True, False], ids=["propagating", "not"])
@every_httpx2
def test_our_call_is_beneath_the_anthropic_sdks(surface: Surface, propagation: bool, emu: Emulator) -> None:
    """The SDK's span of an API call is above our call, whose three attempts are what the wire names."""
    traces = Traces()
    emu.script(*THREE)
    with anthropic_sdk(surface, emu, traces, propagation=propagation) as (caller, sdk):
        caller.call(sdk.messages.create, **MESSAGE)
    (theirs,) = traces.spans("com.anthropic.sdk.python")
    (call,) = traces.calls()
    assert (theirs.kind, theirs.parent, parents([call])) == (SpanKind.CLIENT, None, {theirs.context.span_id})
    assert parents(traces.attempts()) == {call.context.span_id}
    assert [ids(span) for span in traces.attempts()] == wire(emu)
    assert len(traces.spans()) == 5


@every_httpx2
def test_a_stream_is_beneath_the_anthropic_sdks(surface: Surface, emu: Emulator) -> None:
    """So it is with a stream, which the SDK reads to its end: three attempts, one call of ours."""
    traces = Traces()
    emu.script(*THREE)

    def read(sdk: Any) -> Any:
        with sdk.messages.stream(**MESSAGE) as stream:
            return stream.get_final_message()

    async def aread(sdk: Any) -> Any:
        async with sdk.messages.stream(**MESSAGE) as stream:
            return await stream.get_final_message()

    with anthropic_sdk(surface, emu, traces) as (caller, sdk):
        assert caller.call(aread if surface.is_async else read, sdk).stop_reason == "end_turn"
    (theirs,) = traces.spans("com.anthropic.sdk.python")
    (call,) = traces.calls()
    assert parents([call]) == {theirs.context.span_id}
    assert call.attributes["anyint.outcome"] == "success"
    assert [ids(span) for span in traces.attempts()] == wire(emu)
    assert len(wire(emu)) == 3


@every_httpx2
def test_a_retry_of_the_anthropic_sdk_is_a_second_call(surface: Surface, emu: Emulator) -> None:
    """What the SDK sends again after three lost connections is a second call under its one span, and said to be so."""
    traces = Traces()
    emu.script(RESET, RESET, RESET)
    with anthropic_sdk(surface, emu, traces) as (caller, sdk):
        caller.call(sdk.messages.create, **MESSAGE)
    (theirs,) = traces.spans("com.anthropic.sdk.python")
    assert theirs.attributes["http.request.resend_count"] == 1
    assert parents(traces.calls()) == {theirs.context.span_id}
    nested(traces, emu)


@every_httpx
def test_a_retry_of_the_openai_sdk_is_a_second_call(surface: Surface, emu: Emulator) -> None:
    """The SDK has no span of its own: two calls of ours, the second of which has seen the retry layer above it."""
    traces = Traces()
    emu.script(RESET, RESET, RESET)
    anyint = configured(emu, tracer_provider=traces.provider)
    with unhurried("openai") as openai, calling(surface, anyint) as caller:
        kind = openai.AsyncOpenAI if surface.is_async else openai.OpenAI
        sdk = kind(api_key=KEY, base_url=f"{emu.url}/openai/v1", http_client=caller.client)
        messages: Any = ASK["messages"]
        caller.call(sdk.chat.completions.create, model="gpt-5", messages=messages)
    assert [call.parent for call in traces.calls()] == [None, None]
    nested(traces, emu)


def nested(traces: Traces, emu: Emulator) -> None:
    """Three attempts in a first call, and one in a second that knows of the first."""
    first, second = traces.calls()
    assert [ids(span) for span in traces.attempts()] == wire(emu)
    assert [span.parent.span_id for span in traces.attempts()] == [first.context.span_id] * 3 + [second.context.span_id]
    assert [event.name for event in first.events] == ["backoff", "backoff", "given up"]
    assert second.events[0].name == "nested retry seen"
    assert second.events[0].attributes["anyint.sends"] == 2
    assert [call.attributes["anyint.outcome"] for call in (first, second)] == ["error", "success"]


REMOTE = SpanContext(0xABCD << 96 | 1, 0x1234 << 32 | 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


@every_surface
def test_a_trace_is_handed_on_without_an_sdk(surface: Surface, emu: Emulator) -> None:
    """Where nothing records spans, each attempt carries the trace it was made in; outside a trace none does."""
    assert trace.get_tracer_provider().__class__.__name__ == "ProxyTracerProvider", "some test has set a global one"
    emu.script(*THREE)

    def remote() -> Any:
        return trace.use_span(NonRecordingSpan(REMOTE))

    with client(surface, emu) as caller:
        make(caller, remote, "POST", CHAT, json=ASK)
        make(caller, contextlib.nullcontext, "POST", CHAT, json=ASK)
    assert wire(emu) == [(REMOTE.trace_id, REMOTE.span_id)] * 3 + [None]


@every_surface
def test_a_remote_parent_is_the_calls(surface: Surface, emu: Emulator) -> None:
    """With an SDK the trace that came in from elsewhere goes on: the call is under the remote span."""
    traces = Traces()
    emu.script(*THREE)
    with client(surface, emu, configured(emu, tracer_provider=traces.provider)) as caller:
        make(caller, lambda: trace.use_span(NonRecordingSpan(REMOTE)), "POST", CHAT, json=ASK)
    (call,) = traces.calls()
    assert call.parent == REMOTE
    assert {named[0] for named in wire(emu) if named is not None} == {REMOTE.trace_id}
    assert [ids(span) for span in traces.attempts()] == wire(emu)


class Initials(TextMapPropagator):
    """A propagator of the application's own, in its own words."""

    fields = {"x-initials"}  # noqa: RUF012

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
        return contexts.get_current() if context is None else context

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        held = trace.get_current_span(context).get_span_context()
        carrier["X-Initials"] = f"{held.span_id:016x}"


@contextlib.contextmanager
def propagating(propagator: TextMapPropagator) -> Iterator[None]:
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(propagator)
    try:
        yield
    finally:
        propagate.set_global_textmap(before)


@contextlib.contextmanager
def carrying(**items: str) -> Iterator[None]:
    context = contexts.get_current()
    for name, value in items.items():
        context = baggage.set_baggage(name, value, context)
    token = contexts.attach(context)
    try:
        yield
    finally:
        contexts.detach(token)


@every_surface
def test_each_attempt_is_carried_by_the_propagators_that_are_set(surface: Surface, emu: Emulator) -> None:
    """Trace context, baggage and the application's own words are on every attempt, and name that attempt."""
    traces = Traces()
    emu.script(*THREE)
    ours = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator(), Initials()])
    with propagating(ours), client(surface, emu, configured(emu, tracer_provider=traces.provider)) as caller:
        make(caller, lambda: carrying(tenant="a b"), "POST", CHAT, json=ASK)
    assert [ids(span) for span in traces.attempts()] == wire(emu)
    assert [seen.headers["baggage"] for seen in emu.seen] == ["tenant=a+b"] * 3
    initials = [seen.headers["x-initials"] for seen in emu.seen]
    assert initials == [f"{span.context.span_id:016x}" for span in traces.attempts()]


@every_surface
def test_a_propagator_alone_is_used_alone(surface: Surface, emu: Emulator) -> None:
    """Without W3C's among them there is no traceparent, and a header the caller gave is replaced, not doubled."""
    traces = Traces()
    emu.script(*THREE)
    with propagating(Initials()), client(surface, emu, configured(emu, tracer_provider=traces.provider)) as caller:
        caller.request("POST", CHAT, json=ASK, headers={"x-initials": "mine"})
    assert wire(emu) == [None] * 3
    sent = [[value for name, value in seen.raw_headers if name.lower() == b"x-initials"] for seen in emu.seen]
    assert sent == [[f"{span.context.span_id:016x}".encode()] for span in traces.attempts()]


PROGRAM = """
import json, logging, sys
from opentelemetry import metrics, trace
from anyint_resilience import Resilience
from tests.conformance.kit import ASK, CHAT, configured
from tests.conformance.surfaces import Surface, calling

class Emulated:
    url = sys.argv[1]

logged = []
handler = logging.Handler()
handler.emit = lambda record: logged.append(record.getMessage())
logging.getLogger("anyint_resilience").addHandler(handler)
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)

def ask(caller):
    answer = caller.request("POST", CHAT, json=ASK)
    assert answer.status == 200, answer

def told(spans, reader):
    data = reader.get_metrics_data() if reader is not None else None
    names = [] if data is None else [
        metric.name for of in data.resource_metrics for scope in of.scope_metrics for metric in scope.metrics
    ]
    spans = [(span.context.trace_id, span.context.span_id, span.kind.name) for span in spans]
    print(json.dumps({"spans": spans, "metrics": names, "logged": logged}))
"""


def run(program: str, emu: Emulator, **env: str) -> Any:
    """Run a program that may set what is global; it ends by telling what it saw."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + program, emu.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **env},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_providers_may_be_set_after_our_client_was_made(emu: Emulator) -> None:
    """What an application sets global after its first calls is used from then on, on each client, for all of it."""
    told = run(
        """
from contextlib import ExitStack
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.real.tracing_kit import Traces

with ExitStack() as stack:
    kinds = [Surface("httpx"), Surface("httpx", "asyncio"), Surface("requests"), Surface("aiohttp", "asyncio")]
    callers = [stack.enter_context(calling(kind, configured(Emulated), base_url=Emulated.url)) for kind in kinds]
    for caller in callers:
        ask(caller)
        ask(caller)
    traces, reader = Traces(), InMemoryMetricReader()
    trace.set_tracer_provider(traces.provider)
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    for caller in callers:
        ask(caller)
told(traces.spans(), reader)
""",
        emu,
    )
    assert [kind for *_, kind in told["spans"]] == ["INTERNAL", "CLIENT"] * 4
    attempts = [(trace_id, span_id) for trace_id, span_id, kind in told["spans"] if kind == "CLIENT"]
    assert wire(emu) == [None] * 8 + attempts
    assert {"http.client.request.duration", "anyint.calls"} <= set(told["metrics"])
    assert told["logged"] == []


def test_the_environment_may_name_the_providers(emu: Emulator) -> None:
    """``OTEL_PYTHON_TRACER_PROVIDER`` and ``OTEL_PYTHON_METER_PROVIDER`` are enough; nobody has to set anything."""
    told = run(
        """
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

with calling(Surface("requests"), configured(Emulated), base_url=Emulated.url) as caller:
    kept = InMemorySpanExporter()
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(kept))
    ask(caller)
assert type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.sdk")
told(kept.get_finished_spans(), None)
""",
        emu,
        OTEL_PYTHON_TRACER_PROVIDER="sdk_tracer_provider",
        OTEL_PYTHON_METER_PROVIDER="sdk_meter_provider",
    )
    assert [kind for *_, kind in told["spans"]] == ["CLIENT", "INTERNAL"]
    assert wire(emu) == [tuple(told["spans"][0][:2])]


def test_the_environment_may_name_what_is_not_there(emu: Emulator) -> None:
    """A provider or a propagator that is not installed is reported once each, and calls go on."""
    told = run(
        """
with calling(Surface("requests"), configured(Emulated), base_url=Emulated.url) as caller:
    ask(caller)
    ask(caller)
told([], None)
""",
        emu,
        OTEL_PYTHON_TRACER_PROVIDER="nobody",
        OTEL_PYTHON_METER_PROVIDER="nobody",
        OTEL_PROPAGATORS="nobody",
    )
    assert wire(emu) == [None, None]
    assert len(told["logged"]) == 3
    for what in ("a propagator that the environment names", "the tracer provider", "the meter provider"):
        assert sum(what in said for said in told["logged"]) == 1
