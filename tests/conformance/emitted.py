"""Providers of OpenTelemetry's SDK that keep in memory all they are given, and how that is read.

Must not know any scenario or client, nor what should have been emitted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from anyint_resilience import Event
from anyint_resilience.telemetry.words import SCOPE

__all__ = ["Emitted", "Labels", "Metric", "Span", "labels"]

Labels = frozenset[tuple[str, Any]]
"""The attributes of a metric's point, fit to be a key."""

NOTHING = Resource.get_empty()  # the usual one asks the machine what it is


def labels(given: Mapping[str, Any]) -> Labels:
    """Make a key of attributes, less those that are None."""
    return frozenset((name, value) for name, value in given.items() if value is not None)


@dataclass(frozen=True)
class Span:
    """A span that has ended, with its ids in hexadecimal; ``parent`` is None for the root of a trace."""

    name: str
    kind: str
    status: str
    trace_id: str
    span_id: str
    parent: str | None
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    scope: str
    sdk: ReadableSpan

    @property
    def failed(self) -> bool:
        """Whether its status is ERROR."""
        return self.status == "ERROR"


@dataclass(frozen=True)
class Metric:
    """What came of one instrument: for each set of labels how often it was told of, and the sum.

    A counter's count is its sum: the SDK keeps no other.
    """

    kind: str
    unit: str
    points: dict[Labels, tuple[float, float]]
    bounds: tuple[float, ...] = ()

    @property
    def counts(self) -> dict[Labels, float]:
        """How often, by labels."""
        return {key: count for key, (count, _) in self.points.items()}

    @property
    def sums(self) -> dict[Labels, float]:
        """The sums, by labels."""
        return {key: total for key, (_, total) in self.points.items()}


class Begun(SpanProcessor):
    """Notes each span that is begun."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.spans.append(span)


class Kept(logging.Handler):
    """Keeps the log's records: those of events, and what the SDK or our own layer complains of."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.complaints: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "anyint_event"):
            self.records.append(record)
        else:
            self.complaints.append(record.getMessage())


class Emitted:
    """All that is emitted while it is open: spans, metrics, events and their records in the log."""

    def __init__(self, sampler: Any = None) -> None:
        self.begun, self.ended, self.reader = Begun(), InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider(sampler=sampler, resource=NOTHING, shutdown_on_exit=False)
        self.tracers.add_span_processor(self.begun)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.ended))
        self.meters = MeterProvider([self.reader], resource=NOTHING, shutdown_on_exit=False)
        self.events: list[Event] = []
        self.log = Kept()
        self._loggers = {name: logging.getLogger(name) for name in ("opentelemetry", SCOPE)}
        self._level = logging.NOTSET

    def __enter__(self) -> Emitted:
        for logger in self._loggers.values():
            logger.addHandler(self.log)
        self._level = self._loggers[SCOPE].level
        self._loggers[SCOPE].setLevel(logging.DEBUG)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loggers[SCOPE].setLevel(self._level)
        for logger in self._loggers.values():
            logger.removeHandler(self.log)

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return what ``Resilience`` is to be made with."""
        here = {"tracer_provider": self.tracers, "meter_provider": self.meters, "listeners": (self.events.append,)}
        return {**here, **more}

    @contextmanager
    def application(self, caller: Any = None) -> Iterator[trace.Span]:
        """Let the application be in a span of its own, and see that it is so again after each call of a caller's."""
        before = trace.get_current_span()
        with self.tracers.get_tracer("the application").start_as_current_span("the application's") as span:
            run = None if caller is None else caller._run
            if caller is not None:
                caller._run = _within(span, caller)
            yield span
            if caller is not None:
                caller._run = run
            assert trace.get_current_span() is span
        assert trace.get_current_span() is before

    def spans(self) -> list[Span]:
        """Return all of our spans in the order in which they were begun; each must have ended, and only once."""
        ended = [_span(it) for it in self.ended.get_finished_spans()]
        begun = [trace.format_span_id(_ids(it).span_id) for it in self.begun.spans]
        assert sorted(begun) == sorted(it.span_id for it in ended), "each span that was begun has ended, once"
        assert self.log.complaints == []
        return [it for it in sorted(ended, key=lambda it: begun.index(it.span_id)) if it.scope == SCOPE]

    def metrics(self) -> dict[str, Metric]:
        """Return what each instrument of ours was told."""
        data = self.reader.get_metrics_data()
        found = {}
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                assert scope.scope.name == SCOPE
                found.update({it.name: _metric(it) for it in scope.metrics})
        return found

    def everything(self) -> str:
        """Return all that was emitted as one text, to look for what must not be in it."""
        spans = [(it.name, it.attributes, it.events) for it in self.spans()]
        points = [point for it in self.metrics().values() for point in it.points]
        said = [(it.getMessage(), sorted(it.__dict__.items(), key=repr)) for it in self.log.records]
        return repr((spans, points, self.events, said))


def _within(span: trace.Span, caller: Any) -> Any:
    """Return what runs functions for a caller and sees that they leave the current span as it was."""
    run = caller._run

    def blocking(function: Any, *args: Any, **kwargs: Any) -> Any:
        assert trace.get_current_span() is span
        try:
            return function(*args, **kwargs)
        finally:
            assert trace.get_current_span() is span

    async def awaiting(function: Any, *args: Any, **kwargs: Any) -> Any:
        assert trace.get_current_span() is span
        try:
            return await function(*args, **kwargs)
        finally:
            assert trace.get_current_span() is span

    return partial(run, awaiting if caller.surface.is_async else blocking)


def _ids(span: ReadableSpan) -> trace.SpanContext:
    held = span.get_span_context()
    assert held is not None
    return held


def _span(span: ReadableSpan) -> Span:
    scope, parent = span.instrumentation_scope, span.parent
    assert scope is not None
    return Span(
        name=span.name,
        kind=span.kind.name,
        status=span.status.status_code.name,
        trace_id=trace.format_trace_id(_ids(span).trace_id),
        span_id=trace.format_span_id(_ids(span).span_id),
        parent=None if parent is None else trace.format_span_id(parent.span_id),
        attributes=dict(span.attributes or {}),
        events=[(event.name, dict(event.attributes or {})) for event in span.events],
        scope=scope.name,
        sdk=span,
    )


def _metric(metric: Any) -> Metric:
    points: dict[Labels, tuple[float, float]] = {}
    bounds: tuple[float, ...] = ()
    kind = "counter"
    for point in metric.data.data_points:
        if hasattr(point, "explicit_bounds"):
            kind, bounds = "histogram", tuple(point.explicit_bounds)
            points[labels(point.attributes)] = (point.count, point.sum)
        else:
            points[labels(point.attributes)] = (point.value, point.value)
    return Metric(kind, metric.unit, points, bounds)
