"""The sides of telemetry.py: one good POST, watched by nobody, by OpenTelemetry's instrumentation, and by us.

Must not know how anything is measured. Providers are handed over, never set for the process: what has none sees none.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from _sides import HEADERS, URL
from _sides_httpx import null_transport
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

__all__ = ["LABELS", "post_of"]

LABELS = {
    "bare": "bare client",
    "off": "ours, spans off",
    "ours-none": "ours, (a) no SDK",
    "ours-dropped": "ours, (b) SDK, parent-based sampler drops",
    "ours-recorded": "ours, (c) SDK records in memory: call + attempt span",
    "ours-all": "ours, SDK records spans and metrics",
    "floor": "two bare spans of the SDK, as ours: same attributes, inject, context",
    "theirs-none": "instrumentation-httpx, no SDK",
    "theirs-dropped": "instrumentation-httpx, SDK, sampler drops",
    "theirs-recorded": "instrumentation-httpx, SDK records in memory: one span",
    "theirs-all": "instrumentation-httpx, SDK records span and metrics",
}
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0.2}


class Held(SpanExporter):
    """Holds the last spans in memory, and not all there ever were."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def export(self, spans: Any) -> SpanExportResult:
        """Take spans."""
        if len(self.spans) >= 1000:
            self.spans.clear()
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


def provider(how: str) -> TracerProvider | None:
    """The tracer provider of a side, None for no SDK."""
    if how == "none":
        return None
    if how == "dropped":
        return TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(Held()))
    return made


def meters(how: str) -> Any:
    """The meter provider of a side, None for no SDK."""
    return MeterProvider([InMemoryMetricReader()]) if how == "all" else None


def post_of(name: str, mode: str, side: str, closing: AsyncExitStack) -> Callable[[], Any]:
    """One call of a side; the client reads the body before it returns."""
    client = importlib.import_module(name)
    transport = null_transport(client, mode)
    whose, _, how = side.partition("-")
    if whose == "floor":
        transport = floor(client, mode, transport)
    if whose in ("ours", "off"):
        transport = ours(client, mode, transport, how)
    session = (client.Client if mode == "sync" else client.AsyncClient)(transport=transport, headers=HEADERS)
    if whose == "theirs":
        instrument(client, session, how)
    if mode == "sync":
        closing.callback(session.close)
    else:
        closing.push_async_callback(session.aclose)
    return lambda: session.post(URL, json=BODY)


def ours(client: Any, mode: str, inner: Any, how: str) -> Any:
    """This library, watched as the side says; ``how`` is empty for spans off."""
    from anyint_resilience import Resilience

    adapter = importlib.import_module(f"anyint_resilience_{client.__name__}")
    kind = adapter.ResilientTransport if mode == "sync" else adapter.AsyncResilientTransport
    if not how:
        return kind(Resilience(api_key="k", spans="off"), transport=inner)
    anyint = Resilience(api_key="k", tracer_provider=provider(how), meter_provider=meters(how))
    return kind(anyint, transport=inner)


def floor(client: Any, mode: str, inner: Any) -> Any:
    """What two recorded spans cost at the least: what OpenTelemetry itself does when ours are made and ended."""
    from opentelemetry import context, propagate, trace

    found = provider("recorded")
    assert found is not None
    tracer = found.get_tracer("floor")
    call = {"url.template": URL, "anyint.family": "openai", "anyint.operation": "generate", "gen_ai.request.model": "m"}
    attempt = {f"attribute.{number}": "a value of usual length" for number in range(9)}

    def begin() -> tuple[Any, Any, Any]:
        outer = tracer.start_span("generate", kind=trace.SpanKind.INTERNAL, attributes=call)
        around = trace.set_span_in_context(outer)
        span = tracer.start_span("POST", context=around, kind=trace.SpanKind.CLIENT, attributes=attempt)
        here = trace.set_span_in_context(span, around)
        propagate.inject({}, here)
        return outer, span, context.attach(here)

    def end(outer: Any, span: Any, token: Any) -> None:
        context.detach(token)
        span.set_attributes({"http.response.header.x-request-id": ["req_0123456789"], "http.response.status_code": 200})
        span.end()
        outer.set_attributes({"anyint.attempts": 1, "anyint.outcome": "success"})
        outer.end()

    class Floor(client.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            held = begin()
            answer = inner.handle_request(request)
            end(*held)
            return answer

    class AsyncFloor(client.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            held = begin()
            answer = await inner.handle_async_request(request)
            end(*held)
            return answer

    return Floor() if mode == "sync" else AsyncFloor()


def instrument(client: Any, session: Any, how: str) -> None:
    """OpenTelemetry's own instrumentation of this one client."""
    from opentelemetry.instrumentation import httpx as theirs

    kind = theirs.HTTPXClientInstrumentor
    if client.__name__ == "httpx2":
        kind = getattr(theirs, "HTTPX2ClientInstrumentor", kind)
    given = {"tracer_provider": provider(how), "meter_provider": meters(how)}
    kind.instrument_client(session, **{key: value for key, value in given.items() if value is not None})
