"""The canary: marked secrets and prompts, ears on everything that is emitted of a call, and the search for a mark.

Must not know any scenario, client or SDK. Nothing of ours may say a mark: no span, metric, log record, warning, event,
report, repr or exception. What a client says in exceptions and log records of its own is the client's.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from anyint_resilience import Event, Resilience, ResilienceError, report

__all__ = ["LOGGER", "MARK", "Ears", "leaks_in", "listening", "mark", "planted"]

MARK = "qzxj"
"""In every plant, at both ends and so in every part of one that could do harm; in nothing else."""

LOGGER = "anyint_resilience"


def mark(name: str) -> str:
    """Return a marked word, whose name tells where it was planted."""
    return f"{MARK}{name}{MARK}"


def _in_base64(text: str) -> list[str]:
    """Return what stands in base64 for a text, wherever it begins: the characters that depend on nothing else."""
    return [
        base64.b64encode(b"\0" * shift + text.encode()).decode().rstrip("=")[-(-shift * 8 // 6) : -1]
        for shift in range(3)
    ]


_SOUGHT = re.compile("|".join([f"(?i:{MARK})", *map(re.escape, _in_base64(MARK))]))


def leaks_in(text: str) -> list[str]:
    """Return every place of a text where a mark stands, plain or in base64, with what is around it."""
    return [text[max(0, found.start() - 30) : found.end() + 30] for found in _SOUGHT.finditer(text)]


@cache
def _resource() -> Resource:
    """Make what all spans and metrics are of, once: to look for it takes longer than most calls."""
    return Resource.create({"service.name": "canary"})


class Ears:
    """What was emitted while somebody listened, by channel."""

    def __init__(self) -> None:
        self.kept = InMemorySpanExporter()
        self.tracers = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.kept))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], _resource(), shutdown_on_exit=False)
        self.records: list[logging.LogRecord] = []
        self.events: list[Event] = []
        self.warned: list[warnings.WarningMessage] = []
        self.printed = io.StringIO()
        self._heard: list[tuple[str, str]] = []

    @property
    def settings(self) -> dict[str, Any]:
        """What ``Resilience`` takes to be listened to."""
        return {"tracer_provider": self.tracers, "meter_provider": self.meters, "listeners": [self.events.append]}

    def hear(self, channel: str, *things: object) -> None:
        """Take down what an object shows of itself, as it is now."""
        self._heard += [(channel, text) for thing in things for text in (repr(thing), str(thing))]

    def error(self, error: BaseException | None) -> None:
        """Take down all that an exception of ours says, with those behind it, and the report on any."""
        seen: set[int] = set()
        waiting = [error]
        while waiting:
            found = waiting.pop()
            if found is None or id(found) in seen:
                continue
            seen.add(id(found))
            waiting += [found.__cause__, found.__context__]
            self.report(found)
            if isinstance(found, ResilienceError):
                self._of_ours(found)

    def _of_ours(self, error: ResilienceError) -> None:
        lines = traceback.format_exception(type(error), error, error.__traceback__, chain=False)
        self.hear("exception", error)
        self.hear("exception args", error.args)
        self.hear("exception notes", getattr(error, "__notes__", ()))
        self.hear("exception traceback", "".join(lines))
        self.hear("exception attributes", error.decision, error.anyint_report, getattr(error, "intent", None))

    def report(self, thing: object) -> None:
        """Take down the report on a response or an exception, if it has one."""
        told = report(thing)
        if told is not None:
            decisions = [it.as_dict() for it in (*told.decisions, *((told.decision,) if told.decision else ()))]
            self.hear("report", told, told.timeline(), told.attempts, told.notes, told.intent, json.dumps(decisions))

    def configuration(self, anyint: Resilience) -> None:
        """Take down what a configuration shows of itself, and what it keeps of calls."""
        parts = (anyint.policy, anyint.credentials, anyint.router, anyint.ledger, anyint.repeats, anyint.telemetry)
        self.hear("configuration", anyint, *parts)
        ledger: Any = anyint.ledger
        repeats: Any = anyint.repeats
        for store in (ledger.store, ledger.spare, repeats._store):
            self.hear("stores", getattr(store, "_entries", {}))
        self.hear("stores", ledger.unknown() if hasattr(ledger.store, "_entries") else ())

    def outcomes(self) -> list[str]:
        """Return how the calls ended, as their spans say."""
        spans = [dict(span.attributes or {}) for span in self.kept.get_finished_spans()]
        return [str(it["anyint.outcome"]) for it in spans if "anyint.outcome" in it]

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield everything that was emitted, with the channel it came by."""
        for span in self.kept.get_finished_spans():
            yield "span", span.to_json()
            yield "span", repr((span.instrumentation_scope, span.context and span.context.trace_state, span.links))
        yield "metric", repr(self.reader.get_metrics_data())
        for record in self.records:
            yield "log", logging.Formatter().format(record)
            yield "log", repr((record.msg, record.args))
            yield "log", repr({name: it for name, it in vars(record).items() if name not in ("exc_info", "pathname")})
        for event in self.events:
            yield "event", repr(event)
            yield "event", repr([getattr(event, it.name) for it in dataclasses.fields(event)])
        for warned in self.warned:
            yield "warning", f"{warned.message} {warned.message!r}"
        yield "output", self.printed.getvalue()
        yield from self._heard

    def leaks(self) -> list[str]:
        """Return every mark that was emitted, with its channel."""
        found = {f"{channel}: ...{leak}..." for channel, text in self.texts() for leak in leaks_in(text)}
        return sorted(found)


class _Notes(logging.Handler):
    """Keeps records of one logger and its children."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.DEBUG)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


@contextlib.contextmanager
def listening() -> Iterator[Ears]:
    """Listen on every channel there is, the logger's at its finest."""
    ears, logger = Ears(), logging.getLogger(LOGGER)
    notes, level = _Notes(ears.records), logger.level
    logger.addHandler(notes)
    logger.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as ears.warned:  # type: ignore[assignment]
            warnings.simplefilter("always")
            with contextlib.redirect_stdout(ears.printed), contextlib.redirect_stderr(ears.printed):
                yield ears
    finally:
        logger.removeHandler(notes)
        logger.setLevel(level)


def planted(document: object) -> bool:
    """Tell whether a mark stands anywhere in what was sent: a canary that carries none sings of nothing."""
    if isinstance(document, Mapping):
        return any(planted(it) for it in (*document, *document.values()))
    return MARK in (document.decode("latin-1") if isinstance(document, bytes) else str(document))
