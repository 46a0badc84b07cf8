"""The spans of one call, on OpenTelemetry's API: one for the call, under it one for each attempt.

Must not know a client, a decision or a name of ours. The only module that touches tracers, contexts and propagators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from ..credentials import RawHeaders
from .safety import injected
from .words import SCHEMA_URL, SCOPE

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = [
    "CallSpans",
    "Tracing",
    "current_headers",
    "current_ids",
    "given_tracer",
    "traced",
    "tracer_may_be_set",
    "unpropagated",
]

unpropagated: Exception | None = None
"""Why nothing is handed on: the environment (``OTEL_PROPAGATORS``) names a propagator that is not installed."""
propagate: Any = None
try:
    from opentelemetry import propagate
except Exception as _error:
    unpropagated = _error.with_traceback(None)

_SILENCE: Any = getattr(contexts, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", None)
"""The context key by which HTTP instrumentations are told to keep quiet; it has no public name yet."""
_NOTHING: Any = getattr(contexts, "_SUPPRESS_INSTRUMENTATION_KEY", None)
"""That by which everybody is: exporters set it, whose own calls would otherwise make spans to export."""

_AROUND_US = frozenset(f"opentelemetry.instrumentation.{name}" for name in ("httpx", "requests", "aiohttp_client"))
_FAILED = Status(StatusCode.ERROR)


class Tracing:
    """A tracer, and how it is used: ``attempts`` spans or only the call's, ``quiet`` instrumentations or not.

    ``broke`` is told of span processors that fail where something else is still to be done.
    """

    def __init__(
        self, provider: TracerProvider, version: str, mode: str, broke: Callable[[str, Exception], None]
    ) -> None:
        self.tracer: Tracer = provider.get_tracer(SCOPE, version, schema_url=SCHEMA_URL)
        self.broke = broke
        self.attempts = mode != "call-only"
        self.quiet = mode == "auto" and _SILENCE is not None
        self.steps_aside = mode == "auto"


class CallSpans:
    """The spans of one call. To begin one may raise whatever a foreign processor, sampler or propagator raises."""

    __slots__ = ("attached", "attempt", "call", "context", "recording", "token", "tracing")

    def __init__(
        self,
        tracing: Tracing,
        name: str,
        attributes: Mapping[str, Any],
        around: Iterable[object] = (),
        link: tuple[str | None, str | None] | None = None,
    ) -> None:
        self.tracing = tracing
        self.attempt: Span | None = None
        self.token: Any = None
        self.attached: Context | None = None
        current = contexts.get_current()
        if contexts.get_value(_NOTHING, current):
            self.call: Span = trace.INVALID_SPAN
        else:
            links = None if link is None else _links(link)
            self.call = tracing.tracer.start_span(name, current, SpanKind.INTERNAL, attributes, links)
        self.recording = self.call.is_recording()
        if self.recording and tracing.steps_aside:
            for span in (trace.get_current_span(current), *around):
                _make_way(span, self.call)
        self.context = trace.set_span_in_context(self.call, current)

    def ids(self) -> tuple[str, str] | None:
        """Return the call span's trace and span id in hexadecimal, None where they say nothing."""
        try:
            return _ids(self.call)
        except Exception as error:
            self.tracing.broke("a tracer", error)
            return None

    def send(self, name: str, attributes: Mapping[str, Any]) -> RawHeaders:
        """Begin an attempt and make it current; return the headers that carry its context."""
        context = self.context
        if self.recording and self.tracing.attempts:
            self.attempt = self.tracing.tracer.start_span(
                name, context=context, kind=SpanKind.CLIENT, attributes=attributes
            )
            context = trace.set_span_in_context(self.attempt, context)
            if self.tracing.quiet:  # there is a span of ours in their place
                context = contexts.set_value(_SILENCE, True, context)
        self.attached, self.token = context, contexts.attach(context)
        return _headers(context)

    def back(self) -> bool:
        """Leave the attempt's context; its span is still open. False if this is another context altogether.

        So it is when a pending call is garbage: its coroutine is closed wherever the collector runs.
        """
        token, self.token = self.token, None
        if token is None:
            return True
        here = contexts.get_current() is self.attached
        if here:
            contexts.detach(token)
        return here

    def attempt_ended(self, attributes: Mapping[str, Any], *, failed: bool) -> None:
        """End the attempt's span."""
        span, self.attempt = self.attempt, None
        if span is not None:
            self._end(span, attributes, failed)

    def event(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Put an event on the call's span."""
        try:
            self.call.add_event(name, attributes)
        except Exception as error:
            self.tracing.broke("a tracer", error)

    def end(self, attributes: Mapping[str, Any], *, failed: bool, at: float | None = None) -> None:
        """End the call's span, and the attempt's that is still open; ``at``: when it was, in Unix seconds."""
        self.attempt_ended({}, failed=failed)
        self._end(self.call, attributes, failed, at)

    def _end(self, span: Span, attributes: Mapping[str, Any], failed: bool, at: float | None = None) -> None:
        """End a span. A processor that fails here must not keep what follows from the others who look on."""
        try:
            try:
                if attributes:
                    span.set_attributes(attributes)
                if failed:
                    span.set_status(_FAILED)
            finally:
                span.end(None if at is None else int(at * 1e9))
        except Exception as error:
            self.tracing.broke("a span processor", error)


def _links(link: tuple[str | None, str | None]) -> list[trace.Link]:
    """Return the link to a span known by its ids, perhaps of another process; none where they are no ids."""
    trace_id, span_id = (int(it, 16) if it else 0 for it in link)
    made = trace.SpanContext(trace_id, span_id, is_remote=True)
    return [trace.Link(made)] if made.is_valid else []


def _make_way(span: Any, ours: Any) -> None:
    """Let an instrumentation's span that is around the whole call be ``INTERNAL``: the attempts are the CLIENT ones.

    requests', aiohttp's and httpx's ``instrument_client`` instrumentations cover our attempts with one CLIENT span
    for all of them. Its kind can't be changed by any public name, so a span that keeps it elsewhere is left alone, and
    so is one that goes elsewhere than ours: there it would be missed.
    """
    with suppress(Exception):  # any other implementation's span
        scope = getattr(span, "instrumentation_scope", None)
        if scope is None or scope.name not in _AROUND_US or span._kind is not SpanKind.CLIENT:
            return
        if span._span_processor is ours._span_processor:
            span._kind = SpanKind.INTERNAL


def current_ids() -> tuple[str, str] | None:
    """Return the current span's trace and span id in hexadecimal, for a call without a span of ours."""
    return _ids(trace.get_current_span())


def _ids(span: Any) -> tuple[str, str] | None:
    held = span.get_span_context()
    return (trace.format_trace_id(held.trace_id), trace.format_span_id(held.span_id)) if held.is_valid else None


def _headers(context: Context) -> RawHeaders:
    if propagate is None:
        return ()
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    return injected(carrier)


def traced() -> bool:
    """Whether there is a trace to hand on, be it one that somebody else began."""
    return trace.get_current_span().get_span_context().is_valid


def current_headers() -> RawHeaders:
    """Return the headers that carry the current context, for a call without spans of ours."""
    return _headers(contexts.get_current())


def tracer_may_be_set() -> bool:
    """Whether to look for a global tracer provider: read off where it is kept, since the public way costs too much."""
    return getattr(trace, "_TRACER_PROVIDER", trace) is not None


def given_tracer(*, look: bool) -> TracerProvider | None:
    """Return the global tracer provider, None as long as none was set.

    ``look``: ask for it the public way, which also sets the one that the environment names, and costs more than all
    else we do for a call.
    """
    if not look and not tracer_may_be_set():
        return None
    found = trace.get_tracer_provider()
    return None if type(found).__module__.startswith("opentelemetry.trace") else found
