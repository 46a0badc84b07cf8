"""The tables of docs/observability.md from the code's own: events, outcomes, causes and metrics.

Must not know the page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from anyint_resilience.contract.words import Cause
from anyint_resilience.telemetry.words import CAUSES, EVENTS, METRICS, OUTCOMES, MetricRow

from .layout import code, codes, table

__all__ = ["EVENT_OF", "TABLES"]

EVENT_OF: Mapping[str, str] = {
    "success": "none, or `recovered`; `stream unterminated` of a stream",
    "failed": "`given up`; `stream failed` of a stream",
    "task_failed": "`task failed`",
    "error": "`given up`, or `cut off`",
    "unknown": "`outcome unknown`",
    "held_back": "`held back`",
    "replayed": "`create replayed`, `create polled` or `create found`",
    "limited": "`refused`",
    "late": "`deadline exceeded`",
    "cancelled": "`cut off`",
    "interrupted": "`stream interrupted`",
    "abandoned": "none",
}
"""Which event of a call tells of its outcome."""


def _events() -> str:
    return table(
        ("event", "log level", "what happened"),
        [(code(name), logging.getLevelName(row.level), row.meaning) for name, row in EVENTS.items()],
    )


def _outcomes() -> str:
    return table(
        ("`anyint.outcome`", "how the call ended", "its event"),
        [(code(name), meaning, EVENT_OF[name]) for name, meaning in OUTCOMES.items()],
    )


def _causes() -> str:
    return table(
        ("`anyint.cause`", "why an attempt did not succeed"), [(code(it.value), CAUSES[it.value]) for it in Cause]
    )


def _metrics() -> str:
    return table(
        ("metric", "in Prometheus", "kind", "unit", "attributes", "meaning"),
        [
            (code(name), code(_prometheus(name, row)), row.kind, code(row.unit), codes(row.attributes), row.meaning)
            for name, row in METRICS.items()
        ],
    )


def _prometheus(name: str, row: MetricRow) -> str:
    """What exporters for Prometheus make of a metric's name by default."""
    unit, kind = "_seconds" if row.unit == "s" else "", "_total" if row.kind == "counter" else ""
    return name.replace(".", "_") + unit + kind


TABLES: Mapping[str, Callable[[], str]] = {
    "observability-events": _events,
    "observability-outcomes": _outcomes,
    "observability-causes": _causes,
    "observability-metrics": _metrics,
}
"""By the names of their marks."""
