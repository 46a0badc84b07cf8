"""One logical call: a generator that yields effects and is told outcomes.

Must not know any client, do any I/O, or read a clock by itself. The order of operations of every call,
sync or async, on every client, is written here once; ``drive`` carries the effects out.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from .calls import Call
from .contract.words import Cause, Certainty
from .creates import entered, reconciled
from .effects import AskKey, Discard, Flow, Outcome, R, Result, Send, Sleep, StateCall
from .exceptions import NotRecorded
from .judging import judge
from .policy.model import Action, Decision

__all__ = ["run"]

PROXY_AUTH_REQUIRED = 407  # RFC 9110 15.5.8: the proxy's, not AnyInt's


def run(call: Call) -> Flow[R]:
    """Run one call: put the key on, enter paid work in the ledger, make the attempts, settle it whatever happens."""
    if not call.sent:
        if call.credentials.wants_key and call.plan.secure:
            yield AskKey(None)
        call.put_key_on()
    if not call.policy.enabled:
        return (yield from _once(call))
    if call.intent is None:
        return (yield from _attempts(call))
    return (yield from _paid(call, call.intent))


def _paid(call: Call, intent: str) -> Flow[R]:
    """Make a paid create: enter it, send it, settle it whatever happens; or give what the ledger has in its place."""
    ledger, key = call.ledger, call.ledger.key(intent)
    try:
        held: Result[R] | None = yield from entered(call)
        if held is not None:
            return held
        made: Result[R] = yield from _attempts(call)
        result: Result[R] = yield from reconciled(call, made)
        yield StateCall(key, call.settling(), ledger.window)
    except NotRecorded:
        raise
    except BaseException as stop:
        yield from _stopped(call, key, stop)
        raise
    return result


def _stopped(call: Call, key: str, stop: BaseException) -> Generator[StateCall, Any, None]:
    """Settle a create that something from outside has ended: at once, so that other processes know, if that can be."""
    ledger = call.ledger
    if not isinstance(stop, Exception) and call.certainty is Certainty.COMMITTED:
        call.certainty = Certainty.UNKNOWN  # to the caller, who never got the answer
    if isinstance(stop, GeneratorExit):  # perhaps the garbage collector, in the middle of the store's own work
        ledger.later(key, call.settling())
        return
    try:
        yield StateCall(key, call.settling(), ledger.window)
    except BaseException:  # Ctrl-C once more
        ledger.later(key, call.settling())


def _once(call: Call) -> Flow[R]:
    """Send once and decide nothing: the user has switched us off for this call."""
    began = call.begin()
    outcome: Outcome[R] = yield Send(1, call.edit, call.remaining())
    call.record(1, began, call.over(outcome, None, began), outcome, call.edit)
    return Result(report=call.report(), response=outcome.response, error=outcome.error)


def _attempts(call: Call) -> Flow[R]:
    """Send until a decision says to stop; the answer of the last attempt is never lost."""
    number, asked, before = 0, False, len(call.attempts)
    while True:
        number += 1
        remaining = call.remaining()
        if remaining is not None and remaining <= 0:
            return Result(report=call.report(), late=True)  # a wait or the key source took all the time there was
        began = call.begin()
        edit = call.edit
        outcome: Outcome[R] = yield Send(before + number, edit, remaining, call.paper.body)
        decision, seen = yield from judge(call, outcome, number)
        took = call.over(outcome, decision, began)
        if decision.action is Action.BACKOFF and not call.replayable:
            decision = _final(decision, "the body can be sent only once")
        changed = False
        if not asked and number < call.policy.attempts and call.replayable and _key_refused(outcome, decision):
            asked = True
            changed = yield from _new_key(call, outcome)
        again = changed or decision.action is Action.BACKOFF
        delay = decision.delay if again and not changed and decision.delay is not None else 0.0
        call.record(
            before + number, began, took, outcome, edit, decision=decision, seen=seen, waited=delay, again=again
        )
        if outcome.response is not None and (again or outcome.error is not None):
            yield Discard(outcome.response)
        if not again:
            return _result(call, outcome, decision)
        del outcome  # an error kept here would keep its frames, and they this one
        if delay > 0:
            yield Sleep(delay)


def _key_refused(outcome: Outcome[Any], decision: Decision) -> bool:
    return decision.cause is Cause.AUTH and outcome.status != PROXY_AUTH_REQUIRED


def _new_key(call: Call, outcome: Outcome[R]) -> Generator[AskKey | Discard[R], Any, bool]:
    """After a 401, ask the key source once; True if it gave another key than the one refused."""
    if not call.plan.secure:
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
    if seen is not None and call.paid and decision.certainty is Certainty.COMMITTED:
        call.name_task(seen.task_id, seen.request_id)
    return Result(
        report=call.report(decision),
        decision=decision,
        response=outcome.response,
        error=outcome.error,
        unknown=call.paid and lost and decision.certainty is Certainty.UNKNOWN,
        late=lost and remaining is not None and remaining <= 0,
    )


def _final(decision: Decision, why: str) -> Decision:
    seen = decision.reason.partition("; the next in")[0]  # there is none
    return replace(decision, action=Action.NO_RETRY, delay=None, reason=f"{seen}; not sent again: {why}")
