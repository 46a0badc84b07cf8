"""The answers that the explorer has to choose from: error codes in their family's envelope, and good answers.

Must not know what is decided about them. What a task's body looks like is read off the contract's own rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anyint_resilience.contract.codes_chat import GOOGLE_DAILY, GOOGLE_LONG
from anyint_resilience.contract.errors import CODE_ROWS, GOOD_CODES, Envelope
from anyint_resilience.contract.tasks import TASKS, Path, TaskStates
from anyint_resilience.contract.words import Family, Operation
from anyint_resilience.emulator.envelopes import envelope

from .decision_words import spelled
from .explorer_requests import Request

__all__ = ["ENVELOPE_OF", "Code", "Good", "codes_of", "goods_of"]

ENVELOPE_OF: Mapping[Family, Envelope] = {
    Family.OPENAI: Envelope.OPENAI,
    Family.ANTHROPIC: Envelope.ANTHROPIC,
    Family.GEMINI: Envelope.GOOGLE,
    Family.DASHSCOPE: Envelope.DASHSCOPE,
    Family.KLING: Envelope.KLING,
    Family.SUNO: Envelope.SUNO,
    Family.SEEDANCE: Envelope.OPENAI,
}
_REQUEST_ID = "req-1"


@dataclass(frozen=True, slots=True)
class Code:
    """A code that a body of a family may have, with that body; ``at`` has the HTTP statuses it is documented at."""

    name: str
    at: tuple[int, ...]
    bodies: Mapping[int, str] = field(hash=False)  # by documented status; 0 for all others

    def body(self, status: int) -> str:
        """Return the body that comes with an HTTP status."""
        return self.bodies.get(status, self.bodies[0])


@dataclass(frozen=True, slots=True)
class Good:
    """A body of a 2xx answer that is no error envelope."""

    key: str
    label: str
    body: str


# --- codes


def codes_of(family: Family) -> list[Code]:
    """Return the codes of a family, in the order of its rows."""
    shape = ENVELOPE_OF[family]
    found: dict[str, list[int]] = {}
    for row in CODE_ROWS:
        if row.envelope is shape and row.code is not None:
            found.setdefault(row.code, []).extend([] if row.status is None else [row.status])
    return [_code(family, shape, word, tuple(at)) for word, at in found.items()]


def _code(family: Family, shape: Envelope, word: str, at: tuple[int, ...]) -> Code:
    usual = at[0] if at else 200 if shape is Envelope.SUNO else 400
    body = _error(family, shape, word, usual)
    others = ((status, _error(family, shape, word, status)) for status in at)
    return Code(spelled(shape, word), at, {0: body, **{status: it for status, it in others if it != body}})


def _error(family: Family, shape: Envelope, word: str, status: int) -> str:
    if shape is Envelope.GOOGLE:
        body = _google(family, word, status)
    else:
        said = spelled(shape, word)
        if said.endswith("*"):  # any ending
            said = said[:-1] + ("Other" if said[0].isupper() else "other" if said[-2] in "_." else "_other")
        body = envelope(family, status, code=int(said) if said.isdigit() else said)
    if "request_id" in body:
        body["request_id"] = _REQUEST_ID
    return _json(body)


def _google(family: Family, word: str, status: int) -> dict[str, Any]:
    """A status word stands in ``error.status``; what says more stands in ``error.details``."""
    details: dict[str, object] = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word.upper()}
    if word == GOOGLE_DAILY:
        quotas = [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]
        details = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": quotas}
    elif word == GOOGLE_LONG:
        details = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3600s"}
    elif word.upper() in _GOOGLE_STATUSES:
        return envelope(family, status, code=word.upper())
    return envelope(family, status, details=[details])


_GOOGLE_STATUSES = frozenset(
    "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED UNAUTHENTICATED"
    " RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS".split()
)
"""The words of google.rpc.Code."""


# --- good answers

_GARBLED = Good("garbled", "a body that nobody can read", "<html>")
_GOOD = Good("good", "a good answer", "")
_REFUSED: Mapping[str, object] = {
    "/chat/completions": {"choices": [{"index": 0, "finish_reason": "content_filter"}]},
    "/messages": {"type": "message", "content": [], "stop_reason": "refusal"},
    ":generateContent": {"promptFeedback": {"blockReason": "SAFETY"}},
}
"""How a model says no inside a good answer, by the end of the path."""


def goods_of(request: Request) -> list[Good]:
    """Return the good answers to a request: of a task, how it may stand."""
    states = TASKS.get(request.route.tasks or "")
    if request.operation in (Operation.STREAM, Operation.DOWNLOAD):
        return [_GOOD]  # whose body is not looked at
    if states is not None and request.operation is Operation.CREATE:
        made = Good("accepted", "a task was made", _task(request, states, _going(states)))
        return [made, Good("unnamed", "it says yes, but names no task", _json(_frame(states.family))), _GARBLED]
    if states is not None and request.operation is Operation.QUERY:
        return [*_standings(request, states), _GARBLED]
    good = Good("good", "a good answer", _json({**_frame(request.route.family), "id": "id-1"}))
    refused = next((body for end, body in _REFUSED.items() if request.path.endswith(end)), None)
    more = (
        []
        if refused is None or request.operation is not Operation.GENERATE
        else [Good("refused", "a good answer in which the model refuses", _json(refused))]
    )
    return [good, *more, *([_GARBLED] if request.operation is Operation.UPLOAD else [])]


def _standings(request: Request, states: TaskStates) -> Iterable[Good]:
    yield Good("running", "the task goes on", _task(request, states, _going(states)))
    if states.partial:
        state = sorted(states.partial)[0]
        yield Good("part", "a part is ready, the task goes on", _task(request, states, state))
    done = sorted(states.success)[0]
    yield Good("done", "the task is done", _task(request, states, done, result=True))
    if states.results:
        yield Good("hollow", "the task is done, but no result is named", _task(request, states, done))
    causes = dict(states.causes)
    failed = min(states.failed - set(causes), key=lambda it: ("fail" not in it, it))
    yield Good("failed", "the task failed", _task(request, states, failed))
    yield from (
        Good(cause.value, f"the task failed, by its state of {cause.value}", _task(request, states, it))
        for it, cause in causes.items()
        if it in states.failed
    )
    if states.expired:
        yield Good("gone", "the task is gone", _task(request, states, sorted(states.expired)[0]))
    yield Good("strange", "a state that nobody documents", _task(request, states, "dancing"))


def _going(states: TaskStates) -> str:
    """Return a state in which a task goes on; where none is named, any that is not an end is one."""
    return min(states.pending or states.running, default="processing")


def _task(request: Request, states: TaskStates, state: str, *, result: bool = False) -> str:
    body = _frame(states.family)
    _put(body, request.route.id_path or states.ids[0], "task-1")
    upper = states.family in (Family.SUNO, Family.DASHSCOPE)
    _put(body, states.states[0], int(state) if state.isdigit() else state.upper() if upper else state)
    if result and states.results:
        _put(body, states.results[0], "https://example.com/result")
    return _json(body)


def _frame(family: Family | None) -> dict[str, Any]:
    """What stands around each good answer of a family."""
    if family is Family.SUNO:
        return {"code": GOOD_CODES[Envelope.SUNO], "msg": "success"}
    if family is Family.KLING:
        return {"code": GOOD_CODES[Envelope.KLING], "message": "SUCCEED", "request_id": _REQUEST_ID}
    return {"request_id": _REQUEST_ID} if family is Family.DASHSCOPE else {}


def _put(body: dict[str, Any], path: Path, value: object) -> None:
    """Put a value where a path of the contract leads to; ``[]`` is an array of one."""
    place: Any = body
    for at, key in enumerate(path):
        rest = path[at + 1 :]
        made: Any = value if not rest else [] if rest[0] == "[]" else {}
        if key == "[]":
            place.append(made)
            place = made
        else:
            place = place.setdefault(key, made)


def _json(body: object) -> str:
    return json.dumps(body, separators=(",", ":"))
