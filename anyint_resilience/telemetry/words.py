"""Every name telemetry emits, as tables: spans' attributes, events, metrics. Must not know how any of it is emitted.

Attribute values are bounded in metrics: no URL with an id in it, no task id, no message. Of the names, those that begin
with ``anyint.`` are ours, the others are OpenTelemetry's semantic conventions in the versions named here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from ..contract.words import Cause, Family

__all__ = [
    "BUCKETS",
    "CAUSES",
    "EVENTS",
    "GEN_AI_OPERATIONS",
    "HTTP_VERSION",
    "METHODS",
    "METRICS",
    "MODES",
    "OUTCOMES",
    "PROVIDERS",
    "SCHEMA_URL",
    "SCOPE",
    "EventRow",
    "MetricRow",
    "SpanMode",
]

SCOPE: Final = "anyint_resilience"
"""The instrumentation scope of our tracer and meter, and the name of our logger."""

HTTP_VERSION: Final = "1.37.0"
"""Version of the conventions followed: HTTP client spans and metrics (stable), ``url.template``, GenAI (development).

Sources: opentelemetry.io/docs/specs/semconv/http/http-spans, .../http-metrics, .../gen-ai/gen-ai-spans.
"""
SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{HTTP_VERSION}"

SpanMode: TypeAlias = Literal["auto", "always", "call-only", "off"]
"""What ``Resilience(spans=...)`` takes."""
MODES: Final[tuple[str, ...]] = get_args(SpanMode)

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
"""Methods told by name; any other is ``_OTHER`` (HTTP conventions)."""

PROVIDERS: Final[dict[Family, str]] = {
    Family.OPENAI: "openai",
    Family.ANTHROPIC: "anthropic",
    Family.GEMINI: "gcp.gemini",
    Family.DASHSCOPE: "dashscope",
    Family.KLING: "kling",
    Family.SUNO: "suno",
    Family.SEEDANCE: "seedance",
}
"""``gen_ai.provider.name``: whose format a route speaks; who serves the model behind AnyInt is not known."""

GEN_AI_OPERATIONS: Final = (
    ("/chat/completions", "chat"),
    ("/responses", "chat"),
    ("/messages", "chat"),
    ("/embeddings", "embeddings"),
    ("/completions", "text_completion"),
    ("enerateContent", "generate_content"),
)
"""``gen_ai.operation.name`` by how a route's template ends; the first that fits counts."""

OUTCOMES: Final[dict[str, str]] = {
    "success": "the answer was good",
    "failed": "an error answer was handed over, or a stream ended with an event that says it failed",
    "task_failed": "the answer was good and says that a task ended without a result",
    "error": "the client's own exception was raised",
    "unknown": "a paid create of unknown outcome",
    "held_back": "not sent: the same create had an unknown outcome before",
    "replayed": "not sent: the same create was made before, and its answer or its task was given instead",
    "limited": "not sent: a guard did not let it out (a limit, a used-up quota, an outage, an open circuit)",
    "late": "the user's deadline passed",
    "cancelled": "cut off from outside while it ran",
    "interrupted": "a streamed answer broke off, or ended before it was whole",
    "abandoned": "a streamed answer was closed before its end",
}
"""``anyint.outcome``."""


CAUSES: Final[dict[str, str]] = {
    "invalid": "the request is wrong, or cannot be sent as it is: a parameter, the path, its size, a certificate",
    "auth": "the key is missing, wrong or in the wrong header",
    "permission": "the key is good, but the account, address or region may not do this",
    "model": "the model is unknown, or the account may not use it",
    "rate": "too many requests, for now",
    "quota": "the quota, balance or spend limit is used up: waiting for seconds does not help",
    "policy": "the content was refused",
    "transient": "a failure that may pass: 408, 502, 503, 504, a connection that was refused, lost or timed out",
    "server": "the server failed: 500, another 5xx, a code that says so",
    "unknown": "an answer without a documented meaning",
}
"""``anyint.cause``: why an attempt did not succeed, by the values of ``Cause``."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One kind of event: the level its log record has, and what it says."""

    level: int
    meaning: str


EVENTS: Final[dict[str, EventRow]] = {
    "backoff": EventRow(logging.INFO, "an attempt failed and the call goes on after a wait"),
    "recovered": EventRow(logging.INFO, "an answer was good after attempts that failed"),
    "poll": EventRow(logging.DEBUG, "a task was named that is not finished"),
    "task failed": EventRow(logging.INFO, "a task ended without a result; its query is as good as any"),
    "given up": EventRow(logging.WARNING, "an attempt failed and what came of it is handed over"),
    "outcome unknown": EventRow(logging.ERROR, "a paid create may have been done: it is not sent again"),
    "held back": EventRow(logging.WARNING, "not sent: the same create had an unknown outcome before"),
    "create replayed": EventRow(
        logging.INFO, "not sent: the same create was made before, and its answer was given again"
    ),
    "create polled": EventRow(logging.INFO, "in the place of a new task the one that is there already was asked for"),
    "create found": EventRow(logging.WARNING, "a create of unknown outcome was found by its mark: its task goes on"),
    "task state": EventRow(logging.DEBUG, "a task that is waited for has come to another state"),
    "strange state": EventRow(
        logging.WARNING, "a task that is waited for is in a state no document knows, or went back"
    ),
    "wait over": EventRow(logging.INFO, "a wait for a task ended, well or not"),
    "gate wait": EventRow(logging.DEBUG, "a call waits in line: the gate of its key and model is closed or full"),
    "gate closed": EventRow(logging.WARNING, "an answer closed a gate to all of a key and model; INFO for a limit"),
    "gate opened": EventRow(logging.INFO, "an answer opened the gate of a key and model again"),
    "circuit opened": EventRow(logging.WARNING, "too many calls failed: the circuit of a route and model is open"),
    "circuit closed": EventRow(logging.INFO, "a call succeeded: the circuit of a route and model is closed again"),
    "refused": EventRow(logging.INFO, "not sent, or not once more: a guard did not let it out"),
    "fallback": EventRow(logging.WARNING, "another model or host serves in the primary's place"),
    "fallback refused": EventRow(logging.WARNING, "there is a fallback, and this call does not take it"),
    "key rotated": EventRow(logging.INFO, "the key was refused and the key source gave another"),
    "nested retry seen": EventRow(logging.INFO, "a retry layer above sent the same request before"),
    "attempts multiply": EventRow(logging.WARNING, "the same request failed again within a minute of its failure"),
    "deadline exceeded": EventRow(logging.WARNING, "the user's deadline passed"),
    "store failure": EventRow(logging.ERROR, "the store failed; this process's memory served instead"),
    "store back": EventRow(logging.WARNING, "the shared store answers again, and serves from now on"),
    "stream interrupted": EventRow(logging.WARNING, "a streamed answer broke off"),
    "stream unterminated": EventRow(
        logging.WARNING, "a streamed answer is whole but for its last event, or the reason for its end"
    ),
    "stream failed": EventRow(logging.WARNING, "a streamed answer ended with an event that says it failed"),
    "cut off": EventRow(logging.INFO, "cancelled, or stopped by an exception from outside"),
}
"""Events of a call, on its span by these names, in the log, and told to listeners."""

QUIET_CAUSES: Final = frozenset((Cause.INVALID, Cause.MODEL, Cause.PERMISSION, Cause.POLICY))
"""Causes that are the request's own: giving up on them is logged at INFO, for the application gets the answer."""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One instrument: kind (``counter`` or ``histogram``), unit, attributes, meaning, and its buckets."""

    kind: str
    unit: str
    attributes: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120, 300, 600)
"""Seconds: the conventions' own, and on to ten minutes, since a good generation may take that long."""
_FEW: Final = (1, 2, 3, 4, 5, 7, 10, 20, 50)

METRICS: Final[dict[str, MetricRow]] = {
    "http.client.request.duration": MetricRow(
        "histogram",
        "s",
        (
            "http.request.method",
            "server.address",
            "server.port",
            "url.template",
            "http.response.status_code",
            "error.type",
        ),
        "Duration of one attempt, with as much of the answer as was looked at.",
        BUCKETS,
    ),
    "anyint.calls": MetricRow(
        "counter",
        "{call}",
        ("anyint.family", "anyint.operation", "anyint.outcome", "anyint.cause"),
        "Calls that ended.",
    ),
    "anyint.call.duration": MetricRow(
        "histogram",
        "s",
        ("anyint.family", "anyint.operation", "anyint.outcome"),
        "Duration of a call, attempts and waits together; of a streamed one up to its end.",
        BUCKETS,
    ),
    "anyint.call.attempts": MetricRow(
        "histogram",
        "{attempt}",
        ("anyint.family", "anyint.operation", "anyint.outcome"),
        "Attempts that a call took; 0 for one that was not sent.",
        _FEW,
    ),
    "anyint.failures": MetricRow(
        "counter",
        "{attempt}",
        ("anyint.family", "anyint.cause", "gen_ai.request.model", "anyint.key"),
        "Attempts that failed, by why, and which model and key it was.",
    ),
    "anyint.retries": MetricRow("counter", "{retry}", ("anyint.family", "anyint.cause"), "Attempts after the first."),
    "anyint.wait.time": MetricRow(
        "counter",
        "s",
        ("anyint.family", "anyint.cause", "anyint.wait.kind"),
        "Time waited between attempts: for a server's hint, or by the backoff schedule.",
    ),
    "anyint.gate.wait": MetricRow(
        "histogram",
        "s",
        ("anyint.family", "anyint.guard"),
        "Time in line at the gate of a key and model, by what closed it: rate, down, full.",
        BUCKETS,
    ),
    "anyint.gate.closed": MetricRow(
        "counter",
        "{closing}",
        ("anyint.family", "anyint.guard", "gen_ai.request.model"),
        "Answers that closed a gate: rate, quota, down.",
    ),
    "anyint.refused": MetricRow(
        "counter",
        "{call}",
        ("anyint.family", "anyint.guard", "gen_ai.request.model"),
        "Sendings that a guard refused: rate, quota, down, full, circuit, budget.",
    ),
    "anyint.circuit.changes": MetricRow(
        "counter",
        "{change}",
        ("anyint.family", "anyint.circuit", "gen_ai.request.model"),
        "Circuits that opened or closed.",
    ),
    "anyint.fallbacks": MetricRow(
        "counter",
        "{call}",
        ("anyint.family", "anyint.cause", "anyint.fallback.from", "anyint.fallback.to", "anyint.workload"),
        "Calls that another model or host was asked to serve, by why.",
    ),
    "anyint.duplicates_prevented": MetricRow(
        "counter",
        "{create}",
        ("anyint.family",),
        "Creates not sent because the same one had an unknown outcome, or was made already.",
    ),
    "anyint.task.waits": MetricRow(
        "counter", "{wait}", ("anyint.family", "anyint.outcome"), "Waits for a task that ended."
    ),
    "anyint.task.duration": MetricRow(
        "histogram",
        "s",
        ("anyint.family", "anyint.outcome"),
        "From the create of a task that was waited for to its end, as its last query saw it.",
        (1, 2.5, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 86_400),
    ),
    "anyint.nested_retry.factor": MetricRow(
        "histogram",
        "{send}",
        ("anyint.family", "anyint.nested.kind"),
        "How often a retry layer above has sent the same request, this time included.",
        _FEW,
    ),
    "anyint.streams": MetricRow(
        "counter",
        "{stream}",
        ("anyint.family", "anyint.outcome"),
        "Streamed answers that ended: success, failed, interrupted, abandoned, late.",
    ),
    "anyint.store.failures": MetricRow("counter", "{failure}", ("anyint.store",), "Steps that the store failed at."),
}
"""Every metric there is."""
