"""What was emitted of a scenario's calls, held against their reports, the wire and the tables of ``telemetry.words``.

Must not know any scenario or client by name, nor how anything is emitted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from anyint_resilience import Cause
from anyint_resilience.admission import WHY
from anyint_resilience.contract.words import Operation
from anyint_resilience.emulator import Seen
from anyint_resilience.telemetry import name_of_key
from anyint_resilience.telemetry.guarded import CLOSED_BY
from anyint_resilience.telemetry.words import EVENTS, METRICS, OUTCOMES, PROVIDERS, QUIET_CAUSES
from tests.conformance.emitted import Emitted, Labels, Metric, Span, labels
from tests.conformance.expected import FINE, Happened, Made, failure
from tests.conformance.expected_calls import calls_of
from tests.conformance.expected_guards import Gates
from tests.conformance.expected_waits import Waited, waits_of
from tests.conformance.kit import KEY
from tests.conformance.playing import Places, Played

__all__ = ["check", "hold_against_tables"]

IDS = re.compile(r"http\.response\.header\.[a-z-]+")
INTENT = re.compile(r"[0-9a-f]{32}")
KEY_NAME = re.compile(r"[0-9a-f]{16}|other")
BOUNDED = {
    "anyint.outcome": set(OUTCOMES),
    "anyint.operation": {it.value for it in Operation},
    "anyint.cause": {it.value for it in Cause},
    "anyint.family": {it.value for it in PROVIDERS} | {"none"},
    "anyint.wait.kind": {"hint", "backoff"},
    "anyint.nested.kind": {"header", "repeat"},
    "anyint.guard": {*WHY, "budget"},
    "anyint.circuit": {"opened", "closed"},
}


def check(played: Played, at: Places, emitted: Emitted) -> None:
    """Hold all that was emitted while a scenario was played against what came of it."""
    calls, waits, spans = calls_of(played, at), waits_of(played), emitted.spans()
    over = [span for span in spans if span.name.startswith("wait ")]
    tops = [span for span in spans if span.kind == "INTERNAL" and span not in over]
    below = [[span for span in spans if span.parent == top.span_id] for top in tops]
    assert len(tops) == len(calls), "one span for each call of ours, none for a stranger's"
    assert sum(map(len, below)) + len(tops) + len(over) == len(spans), "every other span is an attempt's"
    used = _check_wire(played, at, spans)
    sent = {span_id: _key(request) for span_id, request in used.items()}
    keys = [[str(name_of_key(sent.get(span.span_id, KEY))) for span in under] for under in below]
    gates = Gates(played.anyint.guards)
    passed = [gates.passed(call, names) for call, names in zip(calls, keys, strict=True)]
    for call, top, under, names, its in zip(calls, tops, below, keys, passed, strict=True):
        _check_call(call, top, {task.id for task in at.gateway.tasks})
        _check_attempts(call, top, under, used)
        _check_events(call, top, emitted, call.events(names, its))
    for wait, span in zip(waits, over, strict=True):
        _check_wait(wait, span, emitted)
    points = [*(it for call, names in zip(calls, keys, strict=True) for it in call.points(names))]
    points += [it for call, its in zip(calls, passed, strict=True) for it in its.points({"anyint.family": call.family})]
    points += [it for wait in waits for it in wait.points()]
    _check_metrics(emitted.metrics(), points, exact=not played.scenario.real_clock)
    assert [key for key in {*sent.values(), KEY} if key in emitted.everything()] == []


def _check_wait(wait: Waited, span: Span, emitted: Emitted) -> None:
    """See that a wait has a span that goes on from its create's, and that all who listen were told the same of it."""
    assert (span.name, span.kind) == (f"wait {wait.template}", "INTERNAL")
    assert span.attributes == wait.attributes
    assert span.failed == (wait.outcome not in FINE)
    (link,) = span.sdk.links
    ids = (wait.handle.trace_id, wait.handle.span_id)
    assert (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") == ids
    told = [event for event in emitted.events if event.span_id == span.span_id]
    logged: list[Any] = [it for it in emitted.log.records if getattr(it, "span_id", None) == span.span_id]
    for event, record, here, wanted in zip(told, logged, span.events, wait.events(), strict=True):
        assert (event.name, dict(event.details)) == here == wanted
        assert event.level == record.levelno == EVENTS[event.name].level


def _check_wire(played: Played, at: Places, spans: list[Span]) -> dict[str, Seen]:
    """See that each attempt went out under its own span, a stranger's request under none; return them by the spans."""
    keys: dict[str, Seen] = {}
    for url, seen in ((at.gateway.url, played.seen), (at.other.url, played.found)):
        port = urlsplit(url).port
        sent = [span for span in spans if span.attributes.get("server.port") == port]
        if played.anyint.router.plan("http", "127.0.0.1", port, "GET", b"/") is None:
            assert sent == []
            assert [it.headers for it in seen if {"traceparent", "tracestate"} & it.headers.keys()] == []
            continue
        for span, request in zip(sent, seen, strict=True):
            version, trace_id, span_id, flags = request.headers["traceparent"].split("-")
            assert (version, trace_id, span_id, int(flags, 16) & 1) == ("00", span.trace_id, span.span_id, 1)
            keys[span.span_id] = request
    return keys


def _key(request: Seen) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers["x-api-key"]


def _check_call(call: Made, span: Span, tasks: set[str]) -> None:
    task = span.attributes.pop("anyint.task.id", None)
    known = {*tasks, None if call.told.task is None else call.told.task.task_id}
    assert task is None or task in known or call.outcome == "task_failed"
    assert task is not None or "poll" not in dict(span.events)
    assert span.name == f"{call.operation} {call.route.template}"
    assert span.parent is not None, "the application's span is above it"
    assert span.attributes == pytest.approx(call.attributes())
    assert span.failed == (call.outcome not in FINE)


def _check_attempts(call: Made, top: Span, spans: list[Span], used: Mapping[str, Seen]) -> None:
    for number, (attempt, span) in enumerate(zip(call.attempts, spans, strict=True), 1):
        assert (attempt.number, span.kind, span.trace_id) == (number, "CLIENT", top.trace_id)
        assert span.name == f"{call.method(attempt)} {call.row(attempt).template}"
        ids = {name: span.attributes.pop(name) for name in list(span.attributes) if IDS.fullmatch(name)}
        assert attempt.request_id is None or not ids or (attempt.request_id,) in ids.values()
        assert span.attributes == call.attempted(attempt, _target(used.get(span.span_id)))
        assert span.failed == (failure(attempt) is not None)
        assert span.events == []


def _target(request: Seen | None) -> str:
    """Return the path of a request: a task's id in its query may be told."""
    return "" if request is None else request.path + (f"?{request.query}" if request.query else "")


def _check_events(call: Made, top: Span, emitted: Emitted, wanted: list[Happened]) -> None:
    """See that the span, whoever listens and the log were told the same."""
    assert [name for name, _ in top.events] == [name for name, _ in wanted]
    told = [event for event in emitted.events if event.span_id == top.span_id]
    logged: list[Any] = [it for it in emitted.log.records if getattr(it, "span_id", None) == top.span_id]
    for (name, details), (_, given), event, record in zip(top.events, wanted, told, logged, strict=True):
        assert {key: details.get(key) for key in given} == given
        paid = {"anyint.intent", "gen_ai.request.model"} if name in ("outcome unknown", "held back") else set()
        assert set(details) <= {*given, "anyint.reason", "error.type", *paid}
        intent = details.get("anyint.intent")
        if (
            call.instead != "found" or not paid
        ):  # what was found after all is named where it was not known, and not after
            assert intent == (top.attributes.get("anyint.intent") if paid else None)
        assert not paid or INTENT.fullmatch(str(intent))
        assert (event.name, dict(event.details), event.trace_id) == (name, details, top.trace_id)
        assert (event.route, event.family, event.operation) == (call.route.name, call.route.family, call.operation)
        assert event.attempt == details.get("anyint.attempt", event.attempt)
        quiet = name == "given up" and details["anyint.attempt"] == 1 and Cause(details["anyint.cause"]) in QUIET_CAUSES
        level = EVENTS["backoff" if quiet else name].level
        level = CLOSED_BY[str(details["anyint.guard"])][1] if name == "gate closed" else level
        assert event.level == record.levelno == level


def _check_metrics(found: dict[str, Metric], points: list[tuple[str, Labels, float]], *, exact: bool) -> None:
    """See that each instrument says what the reports do; ``exact``: time passes only where we wait."""
    hold_against_tables(found)
    counts: dict[str, Counter[Labels]] = {name: Counter() for name in METRICS}
    sums: dict[str, Counter[Labels]] = {name: Counter() for name in METRICS}
    for name, key, value in points:
        counts[name][key] += 1
        sums[name][key] += value
    for name, row in METRICS.items():
        metric = found.get(name, Metric(row.kind, row.unit, {}))
        if name == "anyint.wait.time":
            assert _whatever_for(metric) == pytest.approx({key: value for key, value in sums[name].items() if value})
            continue
        assert metric.counts == counts[name], name
        if row.kind == "histogram" and (exact or row.unit != "s"):
            assert metric.sums == pytest.approx(dict(sums[name])), name


def _whatever_for(waits: Metric) -> dict[Labels, float]:
    """Return the seconds waited, for a server's hint and by our schedule together: a report does not tell which."""
    found = Counter[Labels]()
    for key, value in waits.sums.items():
        assert dict(key)["anyint.wait.kind"] in ("hint", "backoff")
        found[labels({name: it for name, it in key if name != "anyint.wait.kind"})] += value
    return dict(found)


def hold_against_tables(found: Mapping[str, Metric]) -> None:
    """See that there is no instrument, label or value but those of the tables."""
    for name, metric in found.items():
        row = METRICS[name]
        assert (metric.kind, metric.unit, metric.bounds) == (row.kind, row.unit, row.buckets), name
        for point in metric.points:
            assert {label for label, _ in point} <= set(row.attributes), name
            assert [(label, it) for label, it in point if it not in BOUNDED.get(label, {it})] == [], name
            assert KEY_NAME.fullmatch(dict(point).get("anyint.key", "other")), name
