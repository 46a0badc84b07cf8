"""A 2xx answer -> ``Observation``: is it good, does it name a task, and how does that task stand?

Must not know errors by code (``reading`` does those) nor what is done. None means: this is no good answer at
all, read it as an error.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..contract.errors import REFUSALS, Envelope, ask, row_for_code
from ..contract.routes import Route
from ..contract.tasks import TASKS, TaskStates
from ..contract.words import Cause, Certainty, Family, Operation, Origin
from .bodies import Body, Legibility, first, has_leaf, is_object, values_at
from .echoes import task_id_of, word_of
from .envelopes import Said, message_of
from .hints import poll_hint, read_hint
from .model import Observation

__all__ = ["read_good", "task_id_at"]

_MADE: Final = frozenset({Operation.CREATE, Operation.UPLOAD})
_ENVELOPE_OF: Final = {
    Family.SUNO: Envelope.SUNO,
    Family.KLING: Envelope.KLING,
    Family.DASHSCOPE: Envelope.DASHSCOPE,
}


class _Task(NamedTuple):
    states: TaskStates
    id: str | None
    state: str | None

    @property
    def word(self) -> str:
        return "" if self.state is None else self.state.lower()

    @property
    def ended_badly(self) -> bool:
        return self.word in self.states.failed or self.word in self.states.expired

    @property
    def ended(self) -> bool:
        return self.ended_badly or self.word in self.states.success or self.word in self.states.doubtful


def read_good(
    route: Route,
    operation: Operation,
    status: int,
    headers: dict[str, list[str]],
    body: Body,
    said: Said | None,
    now: float | None,
) -> Observation | None:
    """Return what a 2xx answer means, or None where its body is an error envelope."""
    task = _task(route, body.document)
    refused = said is not None and not said.good
    if refused and (task is None or not _may_carry_error(task)):
        return None
    if body.document is None:
        return _unread(route, operation, status, body.legibility)
    if route.tasks is not None and not is_object(body.document):
        return _unread(route, operation, status, Legibility.BROKEN)
    if operation is Operation.CREATE and task is not None and task.id is None and not task.ended:
        return _lost(status, "the answer says yes but names no task")
    if task is None:
        return _done(route, status, *_flaw(body.document))
    if _ended_badly(task, body):
        return _failed(task, status, headers, body, now)
    if _is_open(task, operation, body):
        return Observation(
            cause=None,
            certainty=Certainty.COMMITTED,
            source=task.states.origin.value,
            status=status,
            hint=poll_hint(headers, now=now),
            task_id=task.id,
            task_state=task.state,
            pending=True,
            note=_open_note(task),
        )
    flaw, told = _flaw(body.document)
    if flaw is None and task.word == "incomplete":
        flaw = Cause.SERVER
    return _done(route, status, flaw, _end_note(task, body.document) or told, task=task)


def _task(route: Route, document: object) -> _Task | None:
    """Return the task an answer speaks of; None where the route makes none or the body is no object."""
    states = TASKS.get(route.tasks or "")
    if states is None or not is_object(document):
        return None
    paths = (route.id_path, *states.ids) if route.id_path else states.ids
    state = first(document, states.states)
    return _Task(states, task_id_at(document, paths), None if state is None else message_of(state)[:64] or None)


def task_id_at(document: object, paths: tuple[tuple[str, ...], ...]) -> str | None:
    """Return the first usable task id at one of the paths, None where there is none."""
    ids = (task_id_of(value) for path in paths for value in values_at(document, path))
    return next((it for it in ids if it is not None), None)


def _may_carry_error(task: _Task) -> bool:
    """Tell whether an ``error`` beside the state is the task's own reason and not a refusal of this call.

    Only OpenAI's and Seedance's objects have both at the root; the others keep the reason further down.
    """
    states = task.states
    known = states.open | states.success | states.failed | states.expired
    return states.family in (Family.OPENAI, Family.SEEDANCE) and task.word in known


def _ended_badly(task: _Task, body: Body) -> bool:
    """Tell whether a task failed: by its state, or with a state that is a success only where a result is there."""
    if task.ended_badly or _has_result(task, body):
        return task.ended_badly
    if task.word in task.states.doubtful:
        return True
    whole = body.legibility is Legibility.WHOLE
    return whole and task.word in task.states.success and first(body.document, task.states.part_codes) is not None


def _is_open(task: _Task, operation: Operation, body: Body) -> bool:
    states, word = task.states, task.word
    if word in states.doubtful:
        return False  # it has a result, or it would have failed
    if word in states.success:
        # AnyInt: ready only if an output is there. A cut body may have lost it.
        return bool(states.results) and body.legibility is Legibility.WHOLE and not _has_result(task, body)
    if task.state is not None:
        return task.id is not None or operation is Operation.QUERY
    return operation is Operation.QUERY or (operation is Operation.CREATE and task.id is not None)


def _has_result(task: _Task, body: Body) -> bool:
    return any(has_leaf(value) for path in task.states.results for value in values_at(body.document, path))


def _open_note(task: _Task) -> str:
    states, word = task.states, task.word
    if task.state is None:
        return "no state is named yet"
    if word in states.partial:
        return "a part is ready, the task goes on"
    if word in states.success:
        return "the state is success but no output is named: not ready yet"
    if word not in states.open and states.pending:
        return "a state the contract does not know: taken as not finished"
    return ""


def _end_note(task: _Task, document: object) -> str:
    if task.word in task.states.doubtful:
        return "the call-back failed, the result is there"
    if first(document, task.states.part_codes) is not None:
        return f"some sub-tasks failed: see {'.'.join(task.states.part_codes[0])}"
    lost = first(document, (("request_counts", "failed"),))
    if lost is not None and lost.isascii() and lost.isdigit() and lost != "0":
        return f"{lost} request(s) of the batch failed: see error_file_id"
    if task.word == "incomplete":
        why = first(document, (("incomplete_details", "reason"),))
        return f"the answer is incomplete: {word_of(why) or 'no reason given'}"
    if task.state is None and task.id is None:
        return "the answer names no task"
    return ""


def _failed(task: _Task, status: int, headers: dict[str, list[str]], body: Body, now: float | None) -> Observation:
    """Read why a task ended badly. It was accepted and worked on, so nothing is repeated by itself."""
    states, document = task.states, body.document
    code = first(document, (*states.codes, *states.part_codes))
    message = message_of(first(document, states.messages))
    row = None
    if code is not None:
        row = row_for_code(_ENVELOPE_OF.get(states.family, Envelope.OPENAI), (code.lower(),), 0)
    text = ask("failed task", message)
    cause = dict(states.causes).get(task.word) or dict(states.code_causes).get(code or "")
    if cause is None and text is not None:
        cause = text.cause
    if cause is None and row is not None:
        cause = row.cause
    gone = task.word in states.expired or task.word in ("canceled", "cancelled")
    if cause is None:
        cause = Cause.UNKNOWN if gone else Cause.SERVER
    return Observation(
        cause=cause,
        certainty=Certainty.COMMITTED,
        source=(states if row is None else row).origin.value,
        status=status,
        code=None if code is None else message_of(code) or None,
        message=message,
        envelope=None if code is None else _ENVELOPE_OF.get(states.family, Envelope.OPENAI).value,
        hint=read_hint(status, headers, document=document, now=now),
        task_id=task.id,
        task_state=task.state,
        may_repeat=False,
        note=row.note if row is not None and cause is row.cause else states.gone if task.word in states.expired else "",
    )


def _unread(route: Route, operation: Operation, status: int, legibility: Legibility) -> Observation:
    """A 2xx without a document. For what makes a paid thing, the name of that thing was in it."""
    lost = legibility in (Legibility.EMPTY, Legibility.BROKEN)
    if operation in _MADE and lost and (route.id_path or operation is Operation.UPLOAD):
        return _lost(status, "the answer says yes, but its body cannot be read: the id of what was made is lost")
    if operation is Operation.QUERY and route.tasks is not None and lost:
        return Observation(
            cause=Cause.TRANSIENT,
            certainty=Certainty.UNKNOWN,
            source=Origin.ASSUMED.value,
            status=status,
            note="the answer about the task cannot be read",
        )
    return _done(route, status)


def _lost(status: int, note: str) -> Observation:
    return Observation(
        cause=Cause.UNKNOWN,
        certainty=Certainty.UNKNOWN,
        source=Origin.ASSUMED.value,
        status=status,
        note=note,
    )


def _done(
    route: Route, status: int, flaw: Cause | None = None, note: str = "", *, task: _Task | None = None
) -> Observation:
    return Observation(
        cause=None,
        certainty=Certainty.COMMITTED,
        source=(route if task is None else task.states).origin.value,
        status=status,
        task_id=None if task is None else task.id,
        task_state=None if task is None else task.state,
        flaw=flaw,
        note=note,
    )


def _flaw(document: object) -> tuple[Cause | None, str]:
    """Return what is wrong with an answer that is good by its status, and say it."""
    for path, words, cause, meaning in REFUSALS:
        for value in values_at(document, path):
            if isinstance(value, str) and value and (not words or value.lower() in words):
                return cause, f"{meaning} ({'.'.join(path)}: {value})" if words else meaning
    return None, ""
