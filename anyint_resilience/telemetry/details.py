"""What is said of an attempt and a decision: an event's name, its level and its details. Must not know who is told."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from ..contract.words import Certainty
from ..credentials import HeaderEdit
from ..policy.model import Action, Attempt, Decision, Fault
from .words import EVENTS, QUIET_CAUSES

if TYPE_CHECKING:
    from .events import Value

__all__ = ["FINE", "NESTED", "details_of", "error_type", "event_of", "with_headers"]

FINE = frozenset(("success", "abandoned", "cancelled", "task_failed", "replayed"))
_DONE = Certainty.COMMITTED  # with a cause: what was asked was done, and found a task that failed
NESTED = {
    "header": "a retry layer above says it has sent this before",
    "repeat": "the same request failed a moment ago and came again",
}


def error_type(status: int | None, fault: Fault | None, decision: Decision | None) -> str | None:
    """Return ``error.type``: the kind of fault, else the status, else the cause of a code in a good one's body."""
    if fault is not None:
        return fault.kind.value
    if status is not None and status >= 400:
        return str(status)
    failed = decision is not None and decision.cause is not None and decision.certainty is not _DONE
    return decision.cause.value if failed and decision is not None and decision.cause is not None else None


def event_of(decision: Decision, attempt: Attempt, *, again: bool) -> tuple[str | None, int | None]:
    """Return which event a decision is, and its level where that is not the row's; None for a plain delivery."""
    if again:
        return "backoff" if decision.action is Action.BACKOFF else "key rotated", None
    if decision.action is Action.POLL:
        return "poll", None
    if (
        decision.cause is not None
        and decision.certainty is _DONE
        and attempt.status is not None
        and attempt.status < 400
    ):
        return "task failed", None
    if decision.cause is not None:
        quiet = decision.cause in QUIET_CAUSES and attempt.number == 1
        return "given up", EVENTS["backoff"].level if quiet else None
    return ("recovered", None) if attempt.number > 1 else (None, None)


def with_headers(edit: HeaderEdit | None, extra: Iterable[tuple[bytes, bytes]]) -> HeaderEdit | None:
    """Return an edit that also puts the trace's headers on, in place of any the request has."""
    pairs = tuple(extra)
    if not pairs:
        return edit
    names = _names(tuple([name for name, _ in pairs]))
    if edit is None:
        return HeaderEdit(names, pairs)
    return HeaderEdit(edit.remove | names, edit.add + pairs)


@lru_cache(maxsize=64)
def _names(names: tuple[bytes, ...]) -> frozenset[bytes]:
    return frozenset(names)


def details_of(attempt: Attempt, decision: Decision, model: str | None) -> dict[str, Value]:
    """Return the details of a decision, by the attributes' names."""
    given: dict[str, Value | None] = {
        "anyint.attempt": attempt.number,
        "anyint.action": decision.action.value,
        "http.response.status_code": attempt.status,
        "error.type": None if attempt.fault is None else attempt.fault.kind.value,
        "anyint.cause": None if decision.cause is None else decision.cause.value,
        "anyint.certainty": decision.certainty.value,
        "anyint.delay": attempt.waited if attempt.waited else None,
        "anyint.retry_at": decision.retry_at,
        "gen_ai.request.model": model,
        "anyint.reason": decision.reason,
    }
    return {name: value for name, value in given.items() if value is not None}
