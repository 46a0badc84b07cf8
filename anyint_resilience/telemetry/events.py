"""What happened in a call, as one record: the same for a span, the log and whoever listens.

Must not know who is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ..contract.words import Family, Operation

__all__ = ["Event", "Listener", "Value"]

Value: TypeAlias = "str | int | float | bool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a call, none of which is a secret, a prompt or a piece of a body.

    ``name`` is a row of ``telemetry.words.EVENTS`` (``backoff``, ``given up``, ``held back``, ...); ``level`` that of
    its log record. ``attempt`` counts from 1 (0: none was made). ``details`` by the attributes' names: the HTTP status
    or the fault, cause, certainty, delay in seconds, reason, model, the key's name. ``trace_id`` and ``span_id`` are
    the call span's in hexadecimal, None without one.
    """

    name: str
    level: int
    route: str
    family: Family | None
    operation: Operation
    attempt: int
    details: Mapping[str, Value] = field(default_factory=dict)
    trace_id: str | None = None
    span_id: str | None = None


Listener: TypeAlias = Callable[[Event], object]
"""Whoever is told of events, on the thread that makes the call: it must be quick. What it raises is reported once."""
