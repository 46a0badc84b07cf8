"""One logical call: a generator that yields effects and is told outcomes.

Must not know any client, do any I/O, or read a clock by itself. The order of operations of every call,
sync or async, on every client, is written here once; ``drive`` carries the effects out.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from .admission import present
from .attempts import attempts
from .calls import Call
from .contract.words import Certainty
from .creates import entered, reconciled
from .effects import AskKey, Flow, Outcome, R, Result, Send, StateCall
from .exceptions import NotRecorded
from .forking import generation

__all__ = ["run"]


def run(call: Call) -> Flow[R]:
    """Run one call: put the key on, enter paid work in the ledger, make the attempts, settle it whatever happens."""
    if not call.sent:
        if call.credentials.wants_key and call.plan.secure:
            yield AskKey(None)
        call.put_key_on()
    if not call.policy.enabled:
        return (yield from _once(call))
    if call.course.shares:
        yield from present(call)
    if call.intent is None:
        return (yield from attempts(call))
    return (yield from _paid(call, call.intent))


def _paid(call: Call, intent: str) -> Flow[R]:
    """Make a paid create: enter it, send it, settle it whatever happens; or give what the ledger has in its place."""
    ledger, key = call.ledger, call.ledger.key(intent)
    try:
        held: Result[R] | None = yield from entered(call)
        if held is not None:
            return held
        made: Result[R] = yield from attempts(call)
        result: Result[R] = yield from reconciled(call, made)
        yield StateCall(key, call.settling(), ledger.longest)
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
        if call.generation == generation():  # else it is a parent's, where it goes on
            ledger.later(key, call.settling())
        return
    try:
        yield StateCall(key, call.settling(), ledger.longest)
    except BaseException:  # Ctrl-C once more
        ledger.later(key, call.settling())


def _once(call: Call) -> Flow[R]:
    """Send once and decide nothing: the user has switched us off for this call."""
    began = call.begin()
    outcome: Outcome[R] = yield Send(1, call.edit, call.remaining())
    call.record(1, began, call.over(outcome, None, began), outcome, call.edit)
    return Result(report=call.report(), response=outcome.response, error=outcome.error)
