"""Make calls to the AnyInt gateway survive, without ever paying twice."""

from __future__ import annotations

from .callreport import CallReport, FallbackUsed
from .config import Resilience
from .contract.words import Cause, Certainty
from .exceptions import (
    CircuitOpen,
    DeadlineExceeded,
    GateClosed,
    NotRecorded,
    OutcomeUnknown,
    QueryRefused,
    ResilienceError,
    StreamInterrupted,
    TaskError,
    TaskFailed,
    TaskTimeout,
)
from .guards.settings import Guards
from .policy.fallback import Fallback
from .policy.model import Action, Decision
from .policy.rules import Policy
from .repeating import interruption_of, safe_to_repeat
from .reports import report
from .resuming import Restarted, Resumed, resume_stream
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
    "CircuitOpen",
    "DeadlineExceeded",
    "Decision",
    "Event",
    "Fallback",
    "FallbackUsed",
    "GateClosed",
    "Guards",
    "NotRecorded",
    "OutcomeUnknown",
    "Policy",
    "QueryRefused",
    "Resilience",
    "ResilienceError",
    "Restarted",
    "Resumed",
    "StoreError",
    "StreamInterrupted",
    "TaskError",
    "TaskFailed",
    "TaskHandle",
    "TaskTimeout",
    "TaskUpdate",
    "interruption_of",
    "parse_callback",
    "report",
    "resume_stream",
    "safe_to_repeat",
]
