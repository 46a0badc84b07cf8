"""The tables of docs/decisions.md about error bodies: envelopes, what an HTTP status says, each family's codes, words.

Must not know a code: the rows of ``contract`` are all there is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial

from anyint_resilience.contract.codes_chat import GOOGLE_DAILY, GOOGLE_LONG, GOOGLE_LONG_WAIT
from anyint_resilience.contract.errors import CODE_ROWS, DETECTION_ORDER, STATUS_ROWS, TEXTS
from anyint_resilience.contract.rows import CodeRow, Envelope, TextRow

from .decision_words import ENVELOPES, spelled
from .decisions import runs
from .layout import code, codes, number, table

__all__ = ["TABLES"]

_SHAPES: Mapping[Envelope, object] = {
    Envelope.ANTHROPIC: {"type": "error", "error": {"type": "CODE", "message": "..."}},
    Envelope.GOOGLE: {"error": {"code": 429, "status": "CODE", "message": "...", "details": []}},
    Envelope.OPENAI: {"error": {"message": "...", "type": "CODE", "code": "CODE"}},
    Envelope.SUNO: {"code": 430, "msg": "...", "data": None},
    Envelope.KLING: {"code": 1302, "message": "...", "request_id": "..."},
    Envelope.DASHSCOPE: {"code": "CODE", "message": "...", "request_id": "..."},
    Envelope.PROBLEM: {"type": "https://.../CODE", "title": "...", "detail": "..."},
}
_SAID = {
    GOOGLE_DAILY: "a `quotaId` counted per day",
    GOOGLE_LONG: f"a `RetryInfo` of more than {number(GOOGLE_LONG_WAIT)} s",
}
"""What is no code but read as one."""


def _envelopes() -> str:
    return table(
        ("order", "whose", "body"),
        [
            (str(place), ENVELOPES[it], code(json.dumps(_SHAPES[it], separators=(",", ":")).replace('"..."', "...")))
            for place, it in enumerate(DETECTION_ORDER, 1)
        ],
    )


def _statuses() -> str:
    """What an HTTP status says by itself: one line for statuses that say the same."""
    same: dict[tuple[str, ...], list[int]] = {}
    for status, row in sorted(STATUS_ROWS.items()):
        same.setdefault((code(row.cause), code(row.certainty), row.origin.value, _more(row)), []).append(status)
    return table(
        ("HTTP", "cause", "certainty", "source", "and"),
        [(", ".join(runs(statuses)), *rest) for rest, statuses in same.items()],
    )


def _codes(envelope: Envelope) -> str:
    """One line for codes that mean the same."""
    same: dict[tuple[str, ...], list[str]] = {}
    for row in CODE_ROWS:
        if row.envelope is envelope:
            key = (_at(row), codes((row.cause, row.certainty)), row.origin.value, _more(row))
            same.setdefault(key, []).append(_name(row))
    head = ("code", "HTTP", "cause, certainty", "source", "and")
    return table(head, [(", ".join(names), *rest) for rest, names in same.items()])


def _name(row: CodeRow) -> str:
    if row.code is None:
        return "no code"
    return _SAID.get(row.code) or code(spelled(row.envelope, row.code))


def _at(row: CodeRow) -> str:
    if row.status is None:
        return "any"
    return f"{row.status} alone" if row.coarse else str(row.status)


def _more(row: CodeRow) -> str:
    """Say what else a row has: where it is settled by words, how often it may be repeated, how late, its note."""
    told = [f"[words](#words-that-settle-it): {row.text}"] if row.text else []
    if row.repeat is False:
        told.append("never again to the same model")
    elif row.few:
        told.append("one retry, although the cause says no" if row.repeat else "one retry at the most")
    told += [f"wait {number(row.least)} s or more"] if row.least else []
    return "; ".join([*told, row.note] if row.note else told)


def _texts() -> str:
    return table(
        ("words", "if the error says", "cause", "source", "and"),
        [
            (rule, _said(row), "as it was" if row.cause is None else code(row.cause), row.origin.value, row.note)
            for rule, rows in TEXTS.items()
            for row in rows
        ],
    )


def _said(row: TextRow) -> str:
    said = ", ".join(f'"{word}"' for word in row.words)
    said += " or the like" if row.pattern is not None else ""
    return said + ("; only where it does not say when to come back" if row.hintless else "")


TABLES: Mapping[str, Callable[[], str]] = {
    "decision-envelopes": _envelopes,
    "decision-http": _statuses,
    **{f"decision-codes-{envelope.value}": partial(_codes, envelope) for envelope in Envelope},
    "decision-words": _texts,
}
"""By the names of their marks."""
