"""Whether the application may ask anew for what ended with an exception, and when: read off any client's or SDK's.

Must not know any client or SDK: it looks at the attributes that their exceptions have. It sends nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from .callreport import CallReport
from .contract.words import Cause, Certainty
from .exceptions import GateClosed, NotRecorded, OutcomeUnknown, StreamInterrupted
from .policy.backoff import scheduled
from .policy.model import Action, Decision
from .policy.rules import Policy
from .policy.verdicts import NEVER_REPEATED, RULES, is_unsafe
from .reports import report

__all__ = ["INTERRUPTED", "Repeat", "chain_of", "delay_before", "interruption_of", "repeat_of", "safe_to_repeat"]

INTERRUPTED = "anyint_interrupted"
"""Where a request holds the interruption of its stream, for exceptions that an SDK makes by itself."""

_MOST = 16


class Repeat(NamedTuple):
    """What is known of an exception: whether asking anew is safe, why it failed, and from when on it makes sense.

    ``retry_at``: in Unix seconds, None where nobody knows. ``interrupted``: the stream that broke off, if it was one.
    """

    safe: bool
    cause: Cause | None = None
    retry_at: float | None = None
    interrupted: StreamInterrupted | None = None


def repeat_of(error: BaseException, policy: Policy | None = None) -> Repeat:
    """Return what is known of an exception of a client, an SDK, or ours. Total: what is not known is not safe.

    ``policy`` says whether a generation may be repeated (``repeat_generation``) where nothing else on the exception
    does.
    """
    try:
        return _read(error, Policy() if policy is None else policy)
    except Exception:  # an attribute that raises: httpx's ``request`` where it was never set
        return Repeat(safe=False)


def _read(error: BaseException, rules: Policy) -> Repeat:
    if any(isinstance(it, (OutcomeUnknown, NotRecorded)) for it in chain_of(error)):
        return Repeat(safe=False)
    for it in chain_of(error):  # the nearest that says anything: another may have been handled when it was raised
        broken = _interruption(it)
        if broken is not None:
            at = None if broken.decision is None else broken.decision.retry_at
            safe = broken.safe_to_repeat and (rules.repeat_generation or broken.certainty is not Certainty.UNKNOWN)
            return Repeat(safe, broken.cause, at, broken)
        if isinstance(it, GateClosed):  # not sent
            return Repeat(True, None if it.decision is None else it.decision.cause, it.retry_at)
        told = _own_report(it)
        if told is not None and told.decision is not None and told.decision.cause is not None:
            return _of_decision(told.decision, rules)
        if told is not None:
            return Repeat(safe=False)
    return Repeat(safe=False)


def _interruption(error: BaseException) -> StreamInterrupted | None:
    """Return what an exception is, or what belongs to its request: an SDK makes its own of an error event."""
    if isinstance(error, StreamInterrupted):
        return error
    with suppress(Exception):  # httpx: a request that was never set
        held = getattr(getattr(error, "request", None), INTERRUPTED, None)
        return held if isinstance(held, StreamInterrupted) else None
    return None


def _own_report(error: BaseException) -> CallReport | None:
    """Return the report of an exception, not of what it was made of."""
    held = getattr(error, "anyint_report", None)
    if isinstance(held, CallReport):
        return held
    for name in ("response", "http_response", "request_info"):
        try:
            held = getattr(error, name, None)
        except RuntimeError:
            continue
        if held is not None and (found := report(held)) is not None:
            return found
    return None


def interruption_of(error: BaseException) -> StreamInterrupted | None:
    """Return what is known of the stream that ended with an exception; None if it was none of ours, or is whole.

    The exception itself, what it was made of (openai's ``APIConnectionError``), or what belongs to the request of an
    SDK's own exception for an error event (openai's ``APIError``, anthropic's ``APIStatusError``).
    """
    return next((found for it in chain_of(error) if (found := _interruption(it)) is not None), None)


def safe_to_repeat(error: BaseException) -> bool:
    """Whether the request that ended with this exception may be made anew without paying for any work twice.

    A stream that broke off (a generation, which keeps no state), a call that a guard did not let out, and failures of
    a kind that may pass. Never a paid create of unknown outcome, nor what would fail again: a wrong key, a refused
    content, a used-up quota. An exception that is not of a call of ours is not.
    """
    return repeat_of(error).safe


def delay_before(repeat: Repeat, *, number: int, now: float, policy: Policy, u: float) -> float:
    """Return seconds to wait before asking anew for the ``number``-th time: as the server says, else a growing wait."""
    if repeat.retry_at is not None:
        return max(0.0, repeat.retry_at - now)
    base = policy.rate_base if repeat.cause is Cause.RATE else policy.transient_base
    return scheduled(base, policy.factor, policy.max_delay, attempt=number, u=u)


def _of_decision(decision: Decision, policy: Policy) -> Repeat:
    """Read a call that failed as a whole: its own attempts are spent, and more are for who asks for them."""
    cause, operation = decision.cause, decision.operation
    assert cause is not None
    method = (decision.route or "POST").partition(" ")[0]
    unsafe = is_unsafe(operation, method, repeat_generation=policy.repeat_generation)
    safe = cause not in NEVER_REPEATED and RULES[cause, unsafe, decision.certainty] is Action.BACKOFF
    return Repeat(safe, cause, decision.retry_at)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was made of, nearest first.

    What was being handled when it was raised is no cause of what Python raises itself (a ``KeyError``).
    """
    found: BaseException | None = error
    for _ in range(_MOST):
        if found is None:
            return
        yield found
        foreign = type(found).__module__ != "builtins" and not found.__suppress_context__
        found = found.__cause__ if found.__cause__ is not None or not foreign else found.__context__
