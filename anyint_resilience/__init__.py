"""Make calls to the AnyInt gateway survive, without ever paying twice."""

from __future__ import annotations

from .config import Resilience
from .contract.words import Cause, Certainty
from .exceptions import DeadlineExceeded, OutcomeUnknown, ResilienceError
from .policy.model import Action, CallReport, Decision
from .policy.rules import Policy
from .reports import report
from .telemetry.events import Event

__all__ = [
    "Action",
    "CallReport",
    "Cause",
    "Certainty",
    "DeadlineExceeded",
    "Decision",
    "Event",
    "OutcomeUnknown",
    "Policy",
    "Resilience",
    "ResilienceError",
    "report",
]
