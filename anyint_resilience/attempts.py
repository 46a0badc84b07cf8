"""The attempts of one call: on its own way, then on that of a fallback. Part of the engine.

Must not know any client, do any I/O, or read a clock by itself.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from .admission import admitted, affordable, budgeted, decision_of, let_go, told
from .calls import Call
from .contract.words import Cause, Certainty
from .effects import Answer, AskKey, Discard, Flow, Outcome, R, Refusal, Result, Sleep
from .guards.budget import SPENT
from .judging import judge
from .nearest import nearest
from .policy.bodies import plain
from .policy.fallback import Fallback, trigger
from .policy.hints import normal_headers
from .policy.model import Action, Decision, FaultKind
from .ways import Way, way_of

__all__ = ["attempts"]

PROXY_AUTH_REQUIRED = 407  # RFC 9110 15.5.8: the proxy's, not AnyInt's
_SILENT = frozenset((FaultKind.READ_TIMEOUT, FaultKind.CONNECT_TIMEOUT))
_ON_PRIMARY = 2  # attempts on a way that has a fallback, before that is taken
_OF_LENGTH = frozenset(("content-length", "transfer-encoding"))
_OF_BODY = _OF_LENGTH | {"content-encoding"}


class _Last:
    """The last real outcome: kept while a guard is asked, so that it is never lost.

    A response is closed before anybody waits, for its connection may be the only one; what was read of it is kept.
    """

    __slots__ = ("body", "decision", "headers", "outcome", "status", "stream")

    def __init__(self, call: Call, outcome: Outcome[Any], decision: Decision) -> None:
        self.outcome: Outcome[Any] | None = outcome if outcome.error is not None else None
        self.decision = decision
        self.status = outcome.status
        self.stream = call.stream
        named = normal_headers(outcome.headers)
        bare = plain(call.peeked, named.get("content-encoding", [])) if call.whole else None
        coded = call.whole and bare is None  # in a coding that is not read here: as it came
        self.body = call.peeked if coded else bare
        left = _OF_LENGTH if coded else _OF_BODY
        self.headers = tuple((name, it) for name, held in named.items() for it in held if name not in left)


def attempts(call: Call) -> Flow[R]:
    """Send until a decision says to stop; the answer of the last attempt is never lost."""
    try:
        return (yield from _on_all_ways(call))
    except GeneratorExit:  # perhaps the garbage collector, in the middle of a guard's own work
        for _ in let_go(call, later=True):
            pass
        raise
    except BaseException:
        yield from let_go(call)
        raise


def _on_all_ways(call: Call) -> Flow[R]:
    """Make the attempts of one way after the other; where no fallback helps, the primary's own answer stands."""
    first: _Last | None = None
    while True:
        row = call.course.fallback()
        result: Result[R] = yield from _on_way(call, row)
        last, call.course.last = call.course.last, None
        if result.decision is None or result.late:
            return result
        way = None
        if row is not None and _falls(call, row, result, last):
            way = yield from _next_way(call, row, result)
            if isinstance(way, str):
                call.notes.append(f"no fallback to {row.target}: {way}")
                call.watch.no_fallback(row.workload, row.target, way)
                result.report = call.report(result.decision)
        if not isinstance(way, Way):
            stands = first is not None and result.decision.cause is not None and _stands(call, result)
            return (yield from _given_back(call, first, result)) if stands and first is not None else result
        first = _Last(call, last, result.decision) if last is not None and first is None else first
        if result.response is not None and result.error is None:
            yield Discard(result.response)
        used = call.course.takes(row, way, _why(result)) if row is not None else None
        if used is not None:
            call.notes.append(f"fallback of {used.workload}: {used}")
            call.watch.fell_back(used)


def _why(result: Result[Any]) -> str:
    """Return what a fallback is taken for: what closed a guard, else the cause."""
    if result.closed is not None:
        return result.closed.why
    cause = None if result.decision is None else result.decision.cause
    return "unknown" if cause is None else cause.value


def _stands(call: Call, result: Result[Any]) -> bool:
    """Whether the primary's answer says more than the fallback's failure: not where that may have made a paid task."""
    decision = result.decision
    assert decision is not None
    return not (call.paid and decision.certainty in (Certainty.UNKNOWN, Certainty.COMMITTED))


def _falls(call: Call, row: Fallback, result: Result[Any], last: Outcome[Any] | None) -> bool:
    """Whether what a way ended with is a reason to take its fallback."""
    if result.closed is not None:
        return result.closed.why in ("circuit", "down") or (result.closed.why == "rate" and row.on_rate)
    decision = result.decision
    assert decision is not None
    fault = None if last is None else last.fault
    return call.replayable and trigger(
        row, decision, fault, method=call.method, repeat_generation=call.policy.repeat_generation
    )


def _next_way(call: Call, row: Fallback, result: Result[Any]) -> Generator[Any, Any, Way | str]:
    """Return the way of a fallback, or why this request does not take it."""
    way = _way(call, row)
    if not isinstance(way, str) and (call.elapsed() > call.policy.retry_window or call.late()):
        return "no time is left"
    if not isinstance(way, str) and result.closed is None and not (yield from affordable(call)):
        return "the retry budget is spent"
    return way


def _way(call: Call, row: Fallback) -> Way | str:
    """Return the way of a fallback, or why this request can't take it."""
    if not row.silent_ok:
        return "silent_ok is off: the application decides"
    if call.paid and (row.base_url is not None or row.api_key is not None):
        return "a paid create stays with the host and key that its task is asked for by"
    if row.base_url is not None and row.api_key is None and not call.credentials.is_own(call.headers, call.edit):
        return "the request brings a key of its own, which is not for another host"
    content = call.paper.body
    origin = call.course.origin if content is None else call.course.origin._replace(content=content)
    return way_of(row, call.plan, origin, call.headers, call.course.guarding.key_of(row))


def _given_back(call: Call, first: _Last, result: Result[R]) -> Flow[R]:
    """Hand the primary's own answer over, since the fallback served none either."""
    held = first.outcome
    if held is None and first.body is None:
        return result  # too long to keep
    call.notes.append("the fallback failed too: this is the primary's own answer")
    call.course.fallen = None
    if result.response is not None and result.error is None:
        yield Discard(result.response)
    call.certainty = first.decision.certainty
    return (yield from _kept(call, first, first.decision))


def _kept(call: Call, last: _Last, decision: Decision) -> Flow[R]:
    """Hand over an outcome that was kept, as the answer to the call."""
    held = last.outcome
    if held is not None:
        return Result(report=call.report(decision), decision=decision, error=held.error)
    assert last.body is not None
    headers = (*last.headers, ("content-length", str(len(last.body))))
    call.stream = last.stream  # where it is one that failed in its opening, whoever reads it hears so
    response: R = yield Answer(last.status, headers, last.body)
    return Result(report=call.report(decision), decision=decision, response=response)


# --- one way


def _on_way(call: Call, row: Fallback | None) -> Flow[R]:
    """Make the attempts of one way."""
    number, asked, before, last = 0, False, len(call.attempts), None
    used = sum(it.asked is None for it in call.attempts)  # on the ways before: a policy's attempts are all of them
    try:
        while True:
            number += 1
            if not call.sent:
                refusal: Refusal | None = yield from admitted(call)
                if refusal is not None and (last is not None or not call.late()):
                    return (yield from _not_out(call, refusal, last))
            remaining = call.remaining()
            if remaining is not None and remaining <= 0:
                yield from let_go(call)
                return Result(report=call.report(), late=True)  # a wait or the key source took all there was
            began = call.begin()
            edit = call.edit_of_way()
            outcome: Outcome[R] = yield call.sending(before + number, edit, remaining)
            decision, seen = yield from judge(call, outcome, used + number)
            yield from told(call, outcome, decision, seen, began)
            took = call.over(outcome, decision, began)
            if decision.action is Action.BACKOFF:
                decision = yield from _may_go_on(call, outcome, decision, row, number)
            changed = False
            if (
                not asked
                and used + number < call.policy.attempts
                and call.replayable
                and _key_refused(outcome, decision)
            ):
                asked, changed = True, (yield from _new_key(call, outcome))
            again = changed or decision.action is Action.BACKOFF
            delay = decision.delay if again and not changed and decision.delay is not None else 0.0
            call.record(
                before + number, began, took, outcome, edit, decision=decision, seen=seen, waited=delay, again=again
            )
            if outcome.response is not None and (again or (outcome.error is not None and call.stream is None)):
                yield Discard(outcome.response)
            if not again:
                call.course.last = outcome
                if decision.cause is Cause.MODEL:
                    yield from nearest(call)
                return _result(call, outcome, decision)
            last = _Last(call, outcome, decision)
            del outcome  # an error kept here would keep its frames, and they this one
            if delay > 0:
                yield Sleep(delay)
    finally:
        del last


def _may_go_on(
    call: Call, outcome: Outcome[Any], decision: Decision, row: Fallback | None, number: int
) -> Generator[Any, Any, Decision]:
    """Return the decision to send once more, or why not: a body, a fallback that is the better way, the budget."""
    if not call.replayable:
        return final(decision, "the body can be sent only once")
    silent = outcome.fault is not None and outcome.fault.kind in _SILENT
    falls = row is not None and _helps(call, row, outcome, decision)
    if falls and (silent or number >= _ON_PRIMARY):
        return final(decision, "it was silent: the fallback is next" if silent else "the fallback is next")
    if not (yield from budgeted(call, outcome, decision, falls=falls)):
        if falls:
            return final(decision, "the fallback is next, while the retry budget can pay for it")
        hinted = call.seen is not None and call.seen.hint is not None  # else it is our own schedule's, of no use now
        stop = final(decision, SPENT)
        return stop if hinted else replace(stop, retry_at=None)
    return decision


def _helps(call: Call, row: Fallback, outcome: Outcome[Any], decision: Decision) -> bool:
    """Whether a fallback would be taken after this outcome, and so is a better way than the same one again."""
    again = call.policy.repeat_generation
    return trigger(row, decision, outcome.fault, method=call.method, repeat_generation=again) and isinstance(
        _way(call, row), Way
    )


def _not_out(call: Call, refusal: Refusal, last: _Last | None) -> Flow[R]:
    """End an attempt that a guard did not let out: with the last real answer, where there is one."""
    if last is not None and (last.outcome is not None or last.body is not None):
        decision = replace(final(last.decision, refusal.reason), retry_at=refusal.retry_at)
        kept: Result[R] = yield from _kept(call, last, decision)
        return kept
    decision = decision_of(call, refusal)
    return Result(report=call.report(decision), decision=decision, closed=refusal)


def _key_refused(outcome: Outcome[Any], decision: Decision) -> bool:
    return decision.cause is Cause.AUTH and outcome.status != PROXY_AUTH_REQUIRED


def _new_key(call: Call, outcome: Outcome[R]) -> Generator[AskKey | Discard[R], Any, bool]:
    """After a 401, ask the key source once; True if it gave another key than the one refused."""
    if not call.plan.secure or (call.course.way.row is not None and call.course.way.row.api_key is not None):
        return False
    used = call.credentials.used(call.headers, call.edit)
    try:
        yield AskKey(used)
    except Exception as error:  # the 401 is the answer; a broken key source must not hide it
        call.notes.append(f"the key source failed after the key was refused: {type(error).__name__}")
        return False
    except GeneratorExit:
        raise
    except BaseException:  # cancelled while asking: nobody will see the answer
        if outcome.response is not None:
            yield Discard(outcome.response)
        raise
    edit = call.credentials.rotated(call.headers, call.route.family, call.plan.style, used)
    if edit is None:
        return False
    call.edit = edit
    call.notes.append("the key was refused; the key source gave another one")
    return True


def _result(call: Call, outcome: Outcome[R], decision: Decision) -> Result[R]:
    remaining, seen = call.remaining(), call.seen
    lost = outcome.fault is not None
    late = lost and remaining is not None and remaining <= 0
    if seen is not None and call.paid and decision.certainty is Certainty.COMMITTED:
        call.name_task(seen.task_id, seen.request_id)
    return Result(
        report=call.report(decision),
        decision=decision,
        response=outcome.response,
        error=outcome.error,
        unknown=call.paid and lost and decision.certainty is Certainty.UNKNOWN,
        late=late,
        opened=call.stream is not None and outcome.error is not None and not late,
    )


def final(decision: Decision, why: str) -> Decision:
    """Return a decision to go on, turned into one to stop, with the reason."""
    seen = decision.reason.partition("; the next in")[0]  # there is none
    return replace(decision, action=Action.NO_RETRY, delay=None, reason=f"{seen}; not sent again: {why}")
