"""The words for the end user, and what of an observation chooses them.

Must not know how a decision was reached, nor any route. No text may name an internal thing, blame anyone, or invite
to make a paid task a second time.
"""

from __future__ import annotations

from typing import Final

from ..contract.words import Cause, Certainty, Operation
from .model import Action, Observation

__all__ = ["PASSING", "exists", "is_result", "task_failed", "user_message"]

_USER_BY_CAUSE: Final[dict[Cause, str]] = {
    Cause.INVALID: "This request could not be processed. Please check what you entered, or contact support.",
    Cause.AUTH: "This service is not available right now because of a configuration problem. Please contact support.",
    Cause.PERMISSION: "This feature is not available for this account. Please contact support.",
    Cause.MODEL: "The selected AI model is not available right now. Please choose another one or contact support.",
    Cause.RATE: "The service is temporarily at capacity. Please try again in a little while.",
    Cause.QUOTA: "The usage quota has been reached for now. Please try again later or contact support.",
    Cause.POLICY: "This request was declined because of its content. Please change it and try again.",
    Cause.TRANSIENT: "The service is temporarily unavailable. Please try again in a moment.",
    Cause.SERVER: "The service had a problem. Please try again in a moment.",
    Cause.UNKNOWN: "Something went wrong. Please try again later.",
}
_USER_GOOD: Final = "Your request was completed."
_USER_FLAWED: Final = "The answer is incomplete. Please look at it before using it."
_USER_OTHER: Final = "The service gave an unexpected answer. Please contact support if this goes on."
_USER_PENDING: Final = "Your request was accepted and is being worked on. The result will be ready soon."
_USER_FAILED: Final = "The result could not be produced."
_USER_QUERY: Final = (
    "We cannot see how your request is coming along right now. It was not lost: please check back soon."
)
_USER_QUERY_STUCK: Final = (
    "We cannot see how your request is coming along. There is no need to submit it again: please contact support."
)
_USER_LOST: Final = (
    "We could not confirm whether your request went through. It may still be completed, so please do not submit it "
    "twice."
)
PASSING: Final = frozenset({Cause.RATE, Cause.TRANSIENT, Cause.SERVER, Cause.UNKNOWN})
_TASK_OPERATIONS: Final = frozenset({Operation.CREATE, Operation.QUERY})


def user_message(operation: Operation, seen: Observation, action: Action, *, lost: bool = False) -> str:
    """Return one or two sentences fit to show to an end user: no internals, nobody blamed."""
    if action is Action.POLL:
        return _USER_PENDING
    if seen.cause is None:
        return _user_good(seen)
    if lost:
        return _USER_LOST
    if exists(operation, seen):
        return _USER_PENDING
    if task_failed(operation, seen):
        return _USER_BY_CAUSE[Cause.POLICY] if seen.cause is Cause.POLICY else _USER_FAILED
    if operation is Operation.QUERY:
        return _USER_QUERY if seen.cause in PASSING else _USER_QUERY_STUCK
    if seen.cause is Cause.INVALID and seen.certainty is Certainty.NOT_SENT:
        return _USER_BY_CAUSE[Cause.AUTH]  # a certificate or a URL: configuration, nothing that a user typed
    return _USER_BY_CAUSE[seen.cause]


def _user_good(seen: Observation) -> str:
    if not is_result(seen):
        return _USER_OTHER
    if seen.flaw is None:
        return _USER_GOOD
    return _USER_BY_CAUSE[Cause.POLICY] if seen.flaw is Cause.POLICY else _USER_FLAWED


def is_result(seen: Observation) -> bool:
    """Tell whether what is no error is an answer of the API's, and no redirect or the like."""
    return seen.status is None or 200 <= seen.status < 300


def exists(operation: Operation, seen: Observation) -> bool:
    """Whether what a create did not deliver exists: a refusal (Suno cover art and WAV) or a made task names it."""
    if operation is not Operation.CREATE or seen.task_id is None or seen.task_state is not None:
        return False
    return seen.cause is Cause.INVALID or seen.certainty is Certainty.COMMITTED


def task_failed(operation: Operation, seen: Observation) -> bool:
    """Tell whether this is the end of a task that was made, not a refusal to make or to show it."""
    return seen.certainty is Certainty.COMMITTED and operation in _TASK_OPERATIONS
