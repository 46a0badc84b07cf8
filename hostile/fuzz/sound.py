"""What must hold of a Decision, an Observation and a Hint, wherever they came from. Must not know any input."""

from __future__ import annotations

import json
import math

from anyint_resilience.contract.words import Cause, Certainty, Operation
from anyint_resilience.policy.hints import MAX_HINT
from anyint_resilience.policy.model import Action, Decision, Hint, Observation
from anyint_resilience.policy.rules import NEVER_REPEATED, Policy
from anyint_resilience.policy.verdicts import RULES, is_unsafe, refusal

__all__ = ["sound_decision", "sound_hint", "sound_observation", "table_allows"]

_LONGEST_TEXT = 2000


def sound_hint(hint: Hint | None) -> None:
    """A hint is finite, above zero and at most a month."""
    assert hint is None or (math.isfinite(hint.seconds) and 0 < hint.seconds <= MAX_HINT), hint


def sound_observation(seen: Observation, *, status: int) -> None:
    """What is told of an answer is printable and bounded, and no answer of 400 or more is a good one."""
    sound_hint(seen.hint)
    assert seen.cause is not None or status < 400
    assert len(seen.message) <= 2048
    assert len(seen.note) < _LONGEST_TEXT
    for text in (seen.message, seen.code, seen.type, seen.task_id, seen.task_state, seen.request_id, seen.note):
        assert text is None or (text.isprintable() and len(text) <= 2048), text
    assert 0 <= seen.least < math.inf
    assert not (seen.pending and seen.cause is not None)


def sound_decision(decision: Decision) -> None:
    """What every Decision keeps: it can be written down, its delay is bounded, and work that was done is not redone."""
    assert json.dumps(decision.as_dict(), allow_nan=False)
    for text in (decision.reason, decision.guidance, decision.user_message):
        assert text
        assert len(text) < _LONGEST_TEXT
        assert "\n" not in text
        text.encode()
    assert (decision.delay is not None) == (decision.action in (Action.BACKOFF, Action.POLL))
    assert decision.delay is None or 0 <= decision.delay <= MAX_HINT + 1
    assert decision.retry_at is None or math.isfinite(decision.retry_at)
    if decision.cause is None:
        assert decision.action in (Action.DELIVER, Action.POLL)
    else:
        assert decision.action in (Action.NO_RETRY, Action.BACKOFF)
    if decision.certainty is Certainty.COMMITTED:
        assert decision.action is not Action.BACKOFF
    if decision.operation in (Operation.CREATE, Operation.UPLOAD) and decision.certainty is Certainty.UNKNOWN:
        assert decision.action is not Action.BACKOFF
        assert decision.cause is None or decision.retry_at is None


def table_allows(decision: Decision, seen: Observation, *, method: str, attempt: int, policy: Policy) -> None:
    """A repetition is of a cell that says yes, or of a row that the contract calls ambiguous; never one too many."""
    if decision.action is not Action.BACKOFF:
        return
    cause = decision.cause
    assert cause is not None
    assert decision.family is not None
    assert attempt < policy.attempts
    assert not (seen.few and attempt > 1)
    assert seen.may_repeat is not False
    unsafe = is_unsafe(decision.operation, method, repeat_generation=policy.repeat_generation)
    assert refusal(seen, cause, unsafe=unsafe) is None
    if RULES[cause, unsafe, seen.certainty] is not Action.BACKOFF:
        assert seen.may_repeat is True
        assert seen.certainty is Certainty.REJECTED
        assert seen.few or cause is Cause.UNKNOWN
    assert cause not in NEVER_REPEATED or seen.few
    if seen.hint is not None and not seen.hint.at_most:
        assert decision.delay is not None
        assert seen.hint.seconds <= decision.delay <= seen.hint.seconds + min(1.0, 0.1 * seen.hint.seconds) + 1e-9
