"""Make calls to the AnyInt gateway survive, without ever paying twice."""

from __future__ import annotations

from .callreport import CallReport
from .config import Resilience
from .contract.words import Cause, Certainty
from .exceptions import (
    DeadlineExceeded,
    NotRecorded,
    OutcomeUnknown,
    QueryRefused,
    ResilienceError,
    TaskError,
    TaskFailed,
    TaskTimeout,
)
from .policy.model import Action, Decision
from .policy.rules import Policy
from .reports import report
from .stores.protocol import StoreError
from .tasks.callbacks import Callback, parse_callback
from .tasks.handle import TaskHandle
from .tasks.updates import TaskUpdate
from .telemetry.events import Event

__all__ = [
    "Action",
    "CallReport",
    "Callback",
    "Cause",
    "Certainty",
    "DeadlineExceeded",
    "Decision",
    "Event",
    "NotRecorded",
    "OutcomeUnknown",
    "Policy",
    "QueryRefused",
    "Resilience",
    "ResilienceError",
    "StoreError",
    "TaskError",
    "TaskFailed",
    "TaskHandle",
    "TaskTimeout",
    "TaskUpdate",
    "parse_callback",
    "report",
]
