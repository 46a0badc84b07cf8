"""What was seen -> ``Observation``: a status, headers and a body, or a fault.

Must not know what is done about it. The body's own code wins over the HTTP status where both are understood;
where the body says nothing that is known, the status decides. Total: never an exception, at most 64 KiB looked at.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from ..contract.codes_chat import GOOGLE_LONG_WAIT
from ..contract.errors import (
    GOOD_CODES,
    REQUEST_ID_HEADERS,
    STATUS_ROWS,
    CodeRow,
    Envelope,
    ask,
    certainty_of_status,
    row_for_code,
    row_for_status,
)
from ..contract.routes import Route
from ..contract.words import Cause, Certainty, Family, Operation, Origin
from .answers import read_good, task_id_at
from .bodies import Body, Legibility, first, parse
from .echoes import id_of
from .envelopes import Said, loose_message, read_envelope
from .given import status_of
from .hints import normal_headers, read_hint, should_retry
from .model import Fault, FaultKind, HeaderPairs, Observation

__all__ = ["needs_body", "read_fault", "read_response"]

_IN_BODY: Final = frozenset({Family.SUNO, Family.KLING, Family.DASHSCOPE})
"""Families that say no inside HTTP 200."""

_NAMES_TASK: Final = frozenset({Operation.CREATE, Operation.UPLOAD})
_NOT_JSON: Final = frozenset({Operation.DOWNLOAD, Operation.STREAM})
_NO_CODES: Final = ("text/event-stream", "application/octet-stream", "audio/", "image/", "video/")
_REPEATABLE: Final = frozenset({Cause.RATE, Cause.TRANSIENT, Cause.SERVER, Cause.UNKNOWN})
_SUNO_SAYS: Final = frozenset({409, 501})
"""HTTP statuses that are Suno's own codes on its routes, beside those that HTTP does not have."""

_PAYMENT: Final = 402
_PROVIDER: Final = re.compile(r"\b[A-Z][A-Za-z]{2,40}Exception\b")


def needs_body(route: Route, operation: Operation, status: int, headers: HeaderPairs | None = ()) -> bool:
    """Tell whether the body must be looked at to understand an answer; good plain answers are left alone.

    A good answer that is a stream or a file is never looked at, whatever its route: that would hold it up.
    """
    if status >= 400:
        return True
    if not 200 <= status < 300 or operation in _NOT_JSON:
        return False
    if operation in _NAMES_TASK or route.family in _IN_BODY or (operation is Operation.QUERY and route.tasks):
        kind = normal_headers(headers).get("content-type", [""])[0].lower()
        return not kind.startswith(_NO_CODES)
    return False


def read_response(
    route: Route,
    operation: Operation,
    status: int,
    headers: HeaderPairs | None = (),
    body: bytes = b"",
    *,
    now: float | None = None,
) -> Observation:
    """Return what an answer means. ``body`` may be cut, compressed, or anything at all."""
    status = status_of(status)
    named = normal_headers(headers)
    if 100 <= status < 200 or 300 <= status < 400:
        return Observation(
            cause=None,
            certainty=Certainty.REJECTED,
            source=Origin.ASSUMED.value,
            status=status,
            request_id=_request_id(named, None),
            note="not an error of AnyInt's: handed over",
        )
    good = 200 <= status < 300
    looked = not (good and operation in _NOT_JSON)
    seen = parse(body, named.get("content-encoding", [])) if looked else Body(Legibility.OPAQUE)
    said = read_envelope(seen.document, route.family)
    if good:
        observation = read_good(route, operation, status, named, seen, said, now)
        if observation is not None:
            return _with_id(observation, _request_id(named, seen.document))
    return _failure(route, status, named, seen.document, said, now)


def _with_id(observation: Observation, request_id: str | None) -> Observation:
    object.__setattr__(observation, "request_id", request_id)  # ours alone until it is returned
    return observation


# --- an error, whatever its HTTP status


def _failure(
    route: Route,
    status: int,
    headers: dict[str, list[str]],
    document: object,
    said: Said | None,
    now: float | None,
) -> Observation:
    effective = _effective_status(status, said)
    row = _row(route.family, status, effective, said)
    hint = read_hint(effective, headers, document=document, now=now)
    message = loose_message(document) if said is None else said.message
    told = message if said is None else f"{message} {said.param} {said.code or ''}"
    text = ask(row.text, told, hinted=hint is not None)
    cause = row.cause if text is None or text.cause is None else text.cause
    if cause is Cause.MODEL and route.operation is Operation.QUERY:
        cause = Cause.INVALID  # a query names no model: its path or its id is wrong
    if cause is Cause.QUOTA and hint is not None and hint.seconds <= GOOGLE_LONG_WAIT:
        hint = None  # a throttle's habit: no quota opens in seconds
    few = row.few
    notes = [row.note if text is None else text.note] if route.family is not None else []
    if said is not None and said.envelope is Envelope.ANTHROPIC and cause is Cause.RATE and hint is None:
        few = True
        notes.append("no retry-after came: a spend cap looks like this too, unless a relay dropped the header")
    notes += _gateway_notes(headers, message)
    task_id = _named_task(route, status, document)
    made = 200 <= status < 300 and task_id is not None and cause in _REPEATABLE
    return Observation(
        cause=cause,
        certainty=Certainty.COMMITTED if made else row.certainty,  # a yes that names a task made it, whatever it adds
        source=(row if text is None else text).origin.value,
        status=status,
        code=None if said is None else said.code,
        type=None if said is None else said.type,
        message=message,
        envelope=None if said is None else said.envelope.value,
        hint=hint,
        request_id=_request_id(headers, document),
        task_id=task_id,
        may_repeat=False if made else _may_repeat(row, cause, headers),
        few=few,
        least=row.least,
        note="; ".join(note for note in notes if note),
    )


def _effective_status(status: int, said: Said | None) -> int:
    """Return the HTTP status that counts: a relay may put the real one into the body as its code (LiteLLM)."""
    if said is None or said.envelope not in (Envelope.OPENAI, Envelope.GOOGLE) or said.number is None:
        return status
    return said.number if 400 <= said.number < 600 else status


def _row(family: Family | None, status: int, effective: int, said: Said | None) -> CodeRow:
    row = None
    if said is not None and not said.good:
        row = row_for_code(said.envelope, said.codes, effective)
        if row is None and said.envelope in GOOD_CODES:  # the two number envelopes look alike
            other = Envelope.KLING if said.envelope is Envelope.SUNO else Envelope.SUNO
            row = row_for_code(other, said.codes, effective)
    elif family is Family.SUNO and (status in _SUNO_SAYS or status not in STATUS_ROWS):  # its own code as the status
        row = row_for_code(Envelope.SUNO, (str(status),), status)
    if row is None:
        row = row_for_status(effective, None if said is None else said.envelope)
        if effective != status and status >= 400 and certainty_of_status(status) is Certainty.UNKNOWN:
            # the body has a word for the cause, the transport leaves the outcome open
            return replace(row, certainty=Certainty.UNKNOWN)
    if status == _PAYMENT:  # about money, whatever its code and its words
        return replace(row if row.cause is Cause.QUOTA else row_for_status(_PAYMENT), text="")
    return replace(row, certainty=Certainty.UNKNOWN) if _leaves_open(row, status) else row


def _leaves_open(row: CodeRow, status: int) -> bool:
    """Whether an HTTP status after which the work may have been done outweighs a code that sounds like a refusal.

    Contract 6 names the codes that surely mean a refusal: Kling's and Suno's own and DashScope's throttling. 529 is
    Anthropic's "overloaded", said before any work.
    """
    if status < 400 or certainty_of_status(status) is not Certainty.UNKNOWN:
        return False
    if row.certainty is not Certainty.REJECTED or row.cause not in _REPEATABLE:
        return False
    sure = row.envelope in GOOD_CODES or (row.envelope is Envelope.DASHSCOPE and row.cause is Cause.RATE)
    return not sure and not (status == row.status == 529)


def _may_repeat(row: CodeRow, cause: Cause, headers: dict[str, list[str]]) -> bool | None:
    """Combine the contract's word and the server's. A server's yes never heals what fails again by itself."""
    asked = should_retry(headers)
    if row.repeat is False or asked is False:
        return False
    if row.repeat is True:
        return True
    return True if asked is True and cause in _REPEATABLE else None


def _gateway_notes(headers: dict[str, list[str]], message: str) -> list[str]:
    notes = [
        f"the gateway reports {name[len('x-litellm-') :]}: {value[:6]}"
        for name in ("x-litellm-attempted-retries", "x-litellm-attempted-fallbacks")
        for value in headers.get(name, [])[:1]
        if value.isascii() and value.isdigit() and value != "0"
    ]
    return [*notes, "the provider failed, not the gateway"] if _PROVIDER.search(message) else notes


def _named_task(route: Route, status: int, document: object) -> str | None:
    """Return the id of a task that a refusal names: Suno answers a second cover so, and any 2xx may."""
    named = route.id_path and (status < 300 or route.family is Family.SUNO)
    return task_id_at(document, (route.id_path,)) if named else None


def _request_id(headers: dict[str, list[str]], document: object) -> str | None:
    before, after = REQUEST_ID_HEADERS
    told = first(document, (("request_id",),))
    named = (
        *(value for name in before for value in headers.get(name, ())),
        told,
        *(value for name in after for value in headers.get(name, ())),
    )
    return next((value for value in named if id_of(value) is not None), None)


# --- a fault

_NOT_SENT: Final = frozenset(
    {
        FaultKind.CONNECT_ERROR,
        FaultKind.CONNECT_TIMEOUT,
        FaultKind.TLS_ERROR,
        FaultKind.TLS_CERTIFICATE,
        FaultKind.POOL_TIMEOUT,
        FaultKind.PROXY_ERROR,
        FaultKind.LOCAL_ERROR,
    }
)
_FAULT_CAUSES: Final = {
    FaultKind.LOCAL_ERROR: Cause.INVALID,
    FaultKind.TLS_CERTIFICATE: Cause.INVALID,
    FaultKind.UNKNOWN: Cause.UNKNOWN,
}


def read_fault(route: Route, fault: Fault) -> Observation:
    """Return what a fault means. A body that broke after an error status leaves that status in force."""
    del route  # the same on every route today
    status = status_of(fault.status) or None
    if fault.kind is FaultKind.BODY_ERROR and status is not None and status >= 400:
        row = row_for_status(status)
        return Observation(
            cause=row.cause,
            certainty=row.certainty,
            source=row.origin.value,
            status=status,
            few=row.few,
            note="; ".join(note for note in (row.note, "the body broke off") if note),
        )
    return Observation(
        cause=_FAULT_CAUSES.get(fault.kind, Cause.TRANSIENT),
        certainty=Certainty.NOT_SENT if fault.kind in _NOT_SENT else Certainty.UNKNOWN,
        source=Origin.ASSUMED.value,
        status=status,
    )
