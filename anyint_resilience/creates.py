"""Paid creates beyond their attempts: held back, given again, found again. Part of the engine.

Must not know any client, do any I/O, or read a clock by itself. Nothing here ever sends a create.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from .asking import Asked, ask
from .calls import Call
from .contract.reconcile import EXISTING, MARKS
from .contract.tasks import NOT_YET
from .contract.words import Cause, Certainty
from .effects import Answer, Discard, Flow, R, Result, Sleep, StateCall
from .exceptions import MADE, MISMATCH, REFUSED, WAITING
from .judging import Aim, judge_fault, judge_read
from .policy.model import Fault, FaultKind, Observation
from .policy.reading import read_response
from .tasks.answers import given
from .tasks.entries import Verdict
from .tasks.handle import read_handle

__all__ = ["entered", "reconciled"]

_MOST_LOOKS = 3  # creates of unknown outcome that are looked for before a repetition is held back
_LOOKS = (0.5, 1.0, 2.0)  # seconds before each look for a create of unknown outcome: it may take a moment to show
_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds between looks at the ledger for the same create on its way


def entered(call: Call) -> Generator[Any, Any, Result[Any] | None]:
    """Enter a create in the ledger; None: it may be sent now. Else what the call ends with, without any sending."""
    assert call.intent is not None
    ledger, key, pause = call.ledger, call.ledger.key(call.intent), _PAUSE
    while True:
        verdict: Verdict = yield StateCall(key, call.entering(), ledger.longest, enters=True)
        if verdict.kind == "go":
            return None
        if verdict.kind == "refuse":
            return (yield from _refused(call, verdict))
        if verdict.kind == "wait":
            remaining = call.remaining()
            if call.elapsed() + pause > call.policy.retry_window or (remaining is not None and pause >= remaining):
                return _held_back(call, "not sent: the same create is on its way already", WAITING)
            yield Sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            _rename(call)
            continue
        if verdict.kind == "mismatch":
            call.task = read_handle(verdict.task)
            why = "not sent: its Idempotency-Key belongs to a create with another body"
            return _held_back(call, why, MISMATCH, Certainty.COMMITTED)
        given: Result[Any] | None = yield from _given(call, verdict)
        if given is not None:
            return given
        task = verdict.task or {}
        yield StateCall(key, ledger.ended(str(task.get("task_id"))), ledger.longest)
        _rename(call)


def _rename(call: Call) -> None:
    """Enter it under another name next time: the ledger may be about to take back the one that it held back."""
    call.paper = replace(call.paper, ident=call.ledger.ident())


def _refused(call: Call, verdict: Verdict) -> Flow[R]:
    """Look once for a create of unknown outcome that carries a mark; if it is not found, hold this one back."""
    for mark in verdict.marks[-_MOST_LOOKS:]:
        found: Asked | None = yield from _look(call, mark, (0.0,))
        if found is not None:
            yield from _note_found(call, mark, found)
            return _instead(call, found, "found", sent=False)
    return _held_back(call, f"not sent: the same create ended with an unknown outcome {verdict.since:.0f} s ago")


def _held_back(call: Call, why: str, said: str = REFUSED, certainty: Certainty = Certainty.UNKNOWN) -> Result[Any]:
    """Give the result of a create that the ledger holds back; ``said``: what it is raised with."""
    decision = judge_fault(call, Fault(FaultKind.UNKNOWN), 1)
    decision = replace(decision, reason=why, certainty=certainty)
    call.notes.append(why)
    return Result(report=call.report(decision), decision=decision, refused=True, unknown=True, said=said)


# --- a create that was made before


def _given(call: Call, verdict: Verdict) -> Generator[Any, Any, Result[Any] | None]:
    """Give what the same create was answered; None if its task is over, so that the same may be meant anew."""
    handle = read_handle(verdict.task)
    call.task = handle
    if verdict.kind == "replay" and verdict.answer is not None:
        return (yield from _replayed(call, verdict.answer))
    if handle is not None:
        asked: Asked = yield from ask(call, handle.path.encode())
        if asked.answered and asked.seen is not None:
            if verdict.kind == "poll" and not asked.seen.pending:  # it is over, well or not
                yield from _dropped(asked)
                call.task = None
                return None
            return _instead(call, asked, "polled", sent=False)
        yield from _dropped(asked)
        if verdict.kind == "poll" and _is_gone(asked.seen) and verdict.since > NOT_YET:
            call.task = None
            return None
    if verdict.answer is not None:
        return (yield from _replayed(call, verdict.answer))
    return _held_back(
        call, "not sent: the same create was made before, and its answer is not kept", MADE, Certainty.COMMITTED
    )


def _replayed(call: Call, answer: Mapping[str, Any]) -> Flow[R]:
    status, kind, body = given(answer, call.paper.content)
    headers = (("content-type", kind), ("content-length", str(len(body))))
    response: R = yield Answer(status, headers, body)
    seen = read_response(call.route, call.operation, status, headers, body, now=call.runtime.wall())
    decision, _ = judge_read(call, seen, 1, Aim(call.route, call.operation, call.method))
    call.certainty = Certainty.COMMITTED
    why = "not sent: the same create was made before, and this is the answer that it had"
    call.notes.append(why)
    return Result(
        report=call.report(replace(decision, reason=f"{decision.reason}; {why}")),
        decision=decision,
        response=response,
        instead="replayed",
        sent=False,
    )


def _is_gone(seen: Observation | None) -> bool:
    """Whether the gateway itself says that it knows no such task."""
    return seen is not None and seen.cause is Cause.INVALID and seen.envelope is not None


# --- a create that may be there


def reconciled(call: Call, result: Result[R]) -> Flow[R]:
    """After an answer that names the task there is already, or an outcome nobody knows: ask instead of guessing."""
    if result.decision is None or result.late:
        return result
    seen = call.seen
    if seen is not None and call.whole and _names_another(call, seen):
        call.name_task(seen.task_id, seen.request_id)
        if call.task is None:
            return result
        asked: Asked = yield from ask(call, call.task.path.encode())
        if asked.answered and asked.outcome.response is not None:
            return (yield from _in_place(call, result, asked, "polled"))
        yield from _dropped(asked)
        call.task = None
        return replace(result, report=call.report(result.decision))
    # Else its connection is not free, and may be the only one.
    closed = result.response is None or result.error is not None or call.whole
    if result.decision.certainty is Certainty.UNKNOWN and call.paper.mark and closed:
        found: Asked | None = yield from _look(call, call.paper.mark, _LOOKS)
        if found is not None:
            return (yield from _in_place(call, result, found, "found"))
        return replace(result, report=call.report(result.decision))
    return result


def _names_another(call: Call, seen: Observation) -> bool:
    """Whether an answer says that there is such a task already, and which: not the one that the request names."""
    says = EXISTING.get(call.route.name)
    if says is None or seen.cause is None or seen.task_id is None or says not in (seen.code, str(seen.status)):
        return False
    return seen.task_id.encode() not in (call.paper.content or b"")


def _look(call: Call, mark: str, pauses: tuple[float, ...]) -> Generator[Any, Any, Asked | None]:
    """Look for a create by its mark, where the family's query takes one."""
    marks = None if call.route.family is None else MARKS.get(call.route.family)
    if not mark or marks is None or not marks.asked or call.route.query is None:
        return None
    from urllib.parse import quote  # late: most programs never need it, and it costs every one of them at import

    target = call.route.query.replace("{id}", quote(mark, safe="")).encode()
    for pause in pauses:
        remaining = call.remaining()
        if remaining is not None and pause >= remaining:
            return None
        if pause:
            yield Sleep(pause)
            call.attempts[-1] = replace(call.attempts[-1], waited=call.attempts[-1].waited + pause)
        asked: Asked = yield from ask(call, target)
        if asked.answered:
            return asked
        yield from _dropped(asked)
    return None


def _dropped(asked: Asked) -> Generator[Any, Any, None]:
    if asked.outcome.response is not None and asked.outcome.error is None:
        yield Discard(asked.outcome.response)


def _in_place(call: Call, result: Result[R], asked: Asked, word: str) -> Flow[R]:
    """Hand a query's answer over in the place of the create's own, which is closed."""
    if result.response is not None and result.error is None:
        yield Discard(result.response)
    return _instead(call, asked, word)


def _instead(call: Call, asked: Asked, word: str, *, sent: bool = True) -> Result[Any]:
    seen = asked.seen
    assert seen is not None
    call.certainty = Certainty.COMMITTED
    if call.task is None or call.task.task_id != seen.task_id:  # one that is known says when it was made
        call.name_task(seen.task_id, None)
    why = _WHY[word]
    call.notes.append(why)
    decision = replace(asked.decision, reason=f"{asked.decision.reason}; {why}")
    return Result(
        report=call.report(decision), decision=decision, response=asked.outcome.response, instead=word, sent=sent
    )


_WHY = {
    "polled": "in the place of a new create: its task is there already, and this is how it stands",
    "found": "the create of unknown outcome was found by its mark: this is its task",
}


def _note_found(call: Call, mark: str, found: Asked) -> Generator[Any, Any, None]:
    """Settle the create that was found, which another call had entered."""
    assert call.intent is not None
    assert found.seen is not None
    call.name_task(found.seen.task_id, None)
    if call.task is not None:
        task = call.task.as_dict()
        yield StateCall(call.ledger.key(call.intent), call.ledger.was_found(mark, task), call.ledger.longest)
