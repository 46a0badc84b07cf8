"""The spans of one call, on OpenTelemetry's API: one for the call, under it one for each attempt.

Must not know a client, a decision or a name of ours. The only module that touches tracers, contexts and propagators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from ..credentials import RawHeaders
from .safety import injected
from .words import SCHEMA_URL, SCOPE

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["CallSpans", "Tracing", "current_headers", "given_tracer", "traced"]

_SILENCE: Any = getattr(contexts, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", None)
"""The context key by which HTTP instrumentations are told to keep quiet; it has no public name yet."""

_AROUND_US = frozenset(f"opentelemetry.instrumentation.{name}" for name in ("httpx", "requests", "aiohttp_client"))
_FAILED = Status(StatusCode.ERROR)


class Tracing:
    """A tracer, and how it is used: ``attempts`` spans or only the call's, ``quiet`` instrumentations or not."""

    def __init__(self, provider: TracerProvider, version: str, mode: str) -> None:
        self.tracer: Tracer = provider.get_tracer(SCOPE, version, schema_url=SCHEMA_URL)
        self.attempts = mode != "call-only"
        self.quiet = mode == "auto" and _SILENCE is not None
        self.steps_aside = mode == "auto"


class CallSpans:
    """The spans of one call. Each method may raise whatever a foreign processor, sampler or propagator raises."""

    __slots__ = ("attempt", "call", "context", "recording", "token", "tracing")

    def __init__(self, tracing: Tracing, name: str, attributes: Mapping[str, Any]) -> None:
        self.tracing = tracing
        self.attempt: Span | None = None
        self.token: Any = None
        if tracing.steps_aside:
            _make_way(trace.get_current_span())
        self.call = tracing.tracer.start_span(name, kind=SpanKind.INTERNAL, attributes=attributes)
        self.recording = self.call.is_recording()
        self.context = trace.set_span_in_context(self.call)

    def ids(self) -> tuple[str, str] | None:
        """Return the call span's trace and span id in hexadecimal, None where they say nothing."""
        held = self.call.get_span_context()
        return (trace.format_trace_id(held.trace_id), trace.format_span_id(held.span_id)) if held.is_valid else None

    def send(self, name: str, attributes: Mapping[str, Any]) -> RawHeaders:
        """Begin an attempt and make it current; return the headers that carry its context."""
        context = self.context
        if self.recording and self.tracing.attempts:
            self.attempt = self.tracing.tracer.start_span(
                name, context=context, kind=SpanKind.CLIENT, attributes=attributes
            )
            context = trace.set_span_in_context(self.attempt, context)
        if self.tracing.quiet:
            context = contexts.set_value(_SILENCE, True, context)
        self.token = contexts.attach(context)
        return _headers(context)

    def back(self) -> None:
        """Leave the attempt's context; its span is still open."""
        token, self.token = self.token, None
        if token is not None:
            contexts.detach(token)

    def attempt_ended(self, attributes: Mapping[str, Any], *, failed: bool) -> None:
        """End the attempt's span."""
        span, self.attempt = self.attempt, None
        if span is not None:
            _end(span, attributes, failed)

    def event(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Put an event on the call's span."""
        self.call.add_event(name, attributes)

    def end(self, attributes: Mapping[str, Any], *, failed: bool) -> None:
        """End the call's span, and the attempt's that is still open."""
        self.attempt_ended({}, failed=failed)
        _end(self.call, attributes, failed)


def _end(span: Span, attributes: Mapping[str, Any], failed: bool) -> None:
    try:
        if attributes:
            span.set_attributes(attributes)
        if failed:
            span.set_status(_FAILED)
    finally:
        span.end()


def _make_way(span: Any) -> None:
    """Let an instrumentation's span that is around the whole call be ``INTERNAL``: the attempts are the CLIENT ones.

    requests', aiohttp's and httpx's ``instrument_client`` instrumentations cover our attempts with one CLIENT span
    for all of them. Its kind can't be changed by any public name, so a span that keeps it elsewhere is left alone.
    """
    scope = getattr(span, "instrumentation_scope", None)
    if scope is not None and scope.name in _AROUND_US and getattr(span, "_kind", None) is SpanKind.CLIENT:
        span._kind = SpanKind.INTERNAL


def _headers(context: Context) -> RawHeaders:
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    return injected(carrier)


def traced() -> bool:
    """Whether there is a trace to hand on, be it one that somebody else began."""
    return trace.get_current_span().get_span_context().is_valid


def current_headers() -> RawHeaders:
    """Return the headers that carry the current context, for a call without spans of ours."""
    return _headers(contexts.get_current())


def given_tracer(*, look: bool) -> TracerProvider | None:
    """Return the global tracer provider, None as long as none was set.

    ``look``: ask for it the public way, which also sets the one that the environment names, and costs more than all
    else we do for a call.
    """
    if not look and getattr(trace, "_TRACER_PROVIDER", trace) is None:
        return None
    found = trace.get_tracer_provider()
    return None if type(found).__module__.startswith("opentelemetry.trace") else found
