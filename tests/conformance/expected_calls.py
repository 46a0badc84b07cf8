"""Which calls a scenario came to, and how each must be said to have ended.

Must not know any scenario or client by name, nor what is emitted of a call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from anyint_resilience import Action, Certainty, DeadlineExceeded, GateClosed, OutcomeUnknown, StreamInterrupted, report
from anyint_resilience.callreport import CallReport
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Operation
from anyint_resilience.exceptions import TaskError
from anyint_resilience.policy.model import Attempt
from anyint_resilience.policy.verdicts import PAID
from tests.conformance.expected import ROWS, Made, failed_task
from tests.conformance.playing import End, Places, Played
from tests.conformance.scenario import Ask

__all__ = ["calls_of"]


def calls_of(played: Played, at: Places) -> list[Made]:
    """Return the calls of ours that a scenario came to: redirects are calls, those to strangers are none."""
    found = []
    for ask, came in zip(played.scenario.asks, played.ends, strict=True):
        end = replace(came, error=None) if isinstance(came.error, TaskError) else came  # of a wait, after its create
        hops: list[tuple[Any, str]] = [(end.error, urljoin(at.gateway.url, at.text(ask.path)))]
        if end.answer is not None:
            hops = [(it, it.url) for it in (*end.answer.history, end.answer)]
            if end.answer.headers.get("x-anyint-resilience") is not None:
                hops = [(end.answer, urljoin(at.gateway.url, at.text(ask.path)))]  # it may be a query's own
        for thing, url in hops:
            parts = urlsplit(url)
            where = (parts.scheme, str(parts.hostname), parts.port)
            plan = played.anyint.router.plan(*where, ask.method, parts.path.encode())
            told = report(thing)
            if plan is None:
                assert told is None
                continue
            told = _at_a_glance(plan.route, thing, played) if told is None else told
            operation = told.operation
            if operation is Operation.GENERATE and isinstance(ask.json, dict) and ask.json.get("stream") is True:
                operation = Operation.STREAM  # the report of a good first answer has only its URL to go by
            instead = None if end.answer is None else end.answer.headers.get("x-anyint-resilience")
            intent = getattr(thing, "intent", told.intent)  # of what was held back, for whatever reason
            outcome = _outcome(told, operation, end)
            refused = end.error.why if isinstance(end.error, GateClosed) else None
            spent = end.error is None and end.answer is not None and _spent(end.answer.headers)
            found.append(Made(ask, url, plan.route, operation, told, outcome, instead, intent, refused, spent))
        found += [_asked(it, report(end.answer)) for it in end.queries]
    return found


def _asked(query: CallReport, create: CallReport | None) -> Made:
    """Return one query of a wait for the task that a create made."""
    assert create is not None
    assert create.task is not None
    (last,) = query.attempts[-1:]
    fine = "success" if query.decision is None or query.decision.cause is None else "failed"
    outcome = "error" if last.status is None else "task_failed" if failed_task(last) else fine
    return Made(
        Ask(method="GET", path=create.task.path), create.task.url, ROWS[query.route], query.operation, query, outcome
    )


def _at_a_glance(route: Route, thing: object, played: Played) -> CallReport:
    """Return what a report would say, had the client put one on its exception over a good answer's body."""
    assert isinstance(thing, Exception)
    (seen,) = played.seen
    first = Attempt(number=1, started=0, duration=0, status=seen.answered, fault=None, decision=None)
    return CallReport(route=route.name, family=route.family, operation=route.operation, attempts=(first,))


def _spent(headers: Any) -> bool:
    """Whether an answer says that nothing is left, and until when."""
    named = {str(name).lower(): str(value) for name, value in headers.items()}
    empty = [name for name, value in named.items() if "remaining" in name and value == "0"]
    return any(name.replace("remaining", "reset") in named for name in empty)


def _outcome(told: CallReport, operation: Operation, end: End) -> str:
    """Return how a call must be said to have ended."""
    if isinstance(end.error, GateClosed):
        return "limited"
    decision, last = told.decision, told.attempts[-1] if told.attempts else None
    if isinstance(end.error, OutcomeUnknown) and all(attempt.asked is not None for attempt in told.attempts):
        return "held_back"
    if end.error is None and operation in PAID and all(attempt.asked is not None for attempt in told.attempts):
        return "replayed"
    unsure = decision is not None and decision.cause is not None and decision.certainty is Certainty.UNKNOWN
    if unsure and operation in PAID:
        return "unknown"
    if end.error is not None:
        delivered = last is not None and last.decision is not None
        delivered = delivered and last.decision.action in (Action.DELIVER, Action.POLL)  # type: ignore[union-attr]
        if delivered or report(end.error) is None:  # it is the body that broke, after we were done with it
            failed = isinstance(end.error, StreamInterrupted) and end.error.why == "failed"
            return ("failed" if failed else "interrupted") if operation is Operation.STREAM else "success"
        return "late" if isinstance(end.error, DeadlineExceeded) else "error"
    assert last is not None
    if last.status is None or last.status >= 400:
        return "failed"
    if decision is None or decision.cause is None:
        return "success"
    return "task_failed" if failed_task(last) else "failed"
