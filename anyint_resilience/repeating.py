"""Whether the application may ask anew for what ended with an exception, and when: read off any client's or SDK's.

Must not know any client or SDK: it looks at the attributes that their exceptions have. It sends nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .callreport import CallReport
from .contract.words import Cause, Certainty, Operation
from .exceptions import GateClosed, NotRecorded, OutcomeUnknown, StreamInterrupted
from .policy.backoff import scheduled
from .policy.model import Action, Decision
from .policy.rules import Policy
from .policy.verdicts import NEVER_REPEATED, RULES, is_unsafe
from .reports import report

__all__ = ["Repeat", "delay_before", "interruption_of", "repeat_of"]

_MOST = 16
GENERATIONS = frozenset({Operation.GENERATE, Operation.STREAM})


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
        if isinstance(it, StreamInterrupted):
            at = None if it.decision is None else it.decision.retry_at
            safe = it.safe_to_repeat and (rules.repeat_generation or it.certainty is not Certainty.UNKNOWN)
            return Repeat(safe, it.cause, at, it)
        if isinstance(it, GateClosed):  # not sent
            return Repeat(True, None if it.decision is None else it.decision.cause, it.retry_at)
        told = _own_report(it)
        if told is not None and told.operation not in GENERATIONS | {Operation.OTHER}:
            at_last = told.decision
            return Repeat(False) if at_last is None or at_last.cause is None else _of_decision(at_last, rules)
        decision = _of_event(it, rules)
        if decision is not None:
            return Repeat(decision.action is Action.BACKOFF, decision.cause, decision.retry_at)
        if told is not None and told.decision is not None and told.decision.cause is not None:
            return _of_decision(told.decision, rules)
    return Repeat(safe=False)


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
    """Return the interrupted stream that an exception is, or that an SDK made it of."""
    return next((it for it in chain_of(error) if isinstance(it, StreamInterrupted)), None)


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


def _of_event(error: BaseException, policy: Policy) -> Decision | None:
    """Read an exception that an SDK made of an error event in a stream: a good status, or none, and what it said."""
    body = getattr(error, "body", None)
    if not isinstance(body, Mapping):
        return None
    request = getattr(error, "request", None)
    status, url = getattr(error, "status_code", None), getattr(request, "url", None)
    if url is None or (isinstance(status, int) and status >= 400):
        return None
    try:
        said = json.dumps(body if "error" in body else {"error": dict(body)}).encode()
    except (TypeError, ValueError, RecursionError):
        return None
    method = str(getattr(request, "method", "POST"))
    decision = policy.decide_response(method, str(url), 200, (), said, operation=Operation.GENERATE)
    plain = policy.decide_response(method, str(url), 200, (), b"")
    if plain.operation not in GENERATIONS:  # a create that an SDK could not read was made all the same
        return None
    return decision if decision.family is not None and decision.cause is not None else None


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was made of, nearest first."""
    found: BaseException | None = error
    for _ in range(_MOST):
        if found is None:
            return
        yield found
        found = found.__cause__ if found.__cause__ is not None or found.__suppress_context__ else found.__context__
