"""Error envelopes and code tables as one look-up: what a code or an HTTP status means.

Must not know how a body is read, nor what is done about a cause. The rows stand in ``codes_chat`` and
``codes_media``, the rows by HTTP status alone here. Look-ups are dictionary look-ups; the few codes that
are prefixes come last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .codes_chat import ANTHROPIC_ROWS, GOOGLE_ROWS, OPENAI_ROWS
from .codes_media import DASHSCOPE_ROWS, GOOD_CODES, KLING_ROWS, PROBLEM_ROWS, SUNO_ROWS
from .rows import UNKNOWN_STATUSES, CodeRow, Envelope, TextRow, certainty_of_status, rows
from .texts import TEXTS, ask
from .words import Cause, Certainty, Origin

__all__ = [
    "CODE_ROWS",
    "DETECTION_ORDER",
    "GOOD_CODES",
    "REFUSALS",
    "REQUEST_ID_HEADERS",
    "STATUS_ROWS",
    "TEXTS",
    "UNKNOWN_STATUSES",
    "CodeRow",
    "Envelope",
    "TextRow",
    "ask",
    "certainty_of_status",
    "row_for_code",
    "row_for_status",
]

DETECTION_ORDER: Final = tuple(Envelope)
"""The order in which a body is looked at; what is none of these is judged by its HTTP status (contract 3)."""

REQUEST_ID_HEADERS: Final = (
    # names before and after the body's own ``request_id`` (contract 4)
    ("x-request-id", "request-id"),
    ("x-dashscope-request-id", "x-litellm-call-id", "x-goog-request-id", "cf-ray"),
)

_HTTP: Final = (
    *rows(None, 400, "", Cause.INVALID, origin=Origin.ANYINT, text="bad request"),
    *rows(
        None,
        401,
        "",
        Cause.AUTH,
        origin=Origin.ANYINT,
        text="unauthorized",
        note="an expired subscription kills its key too",
    ),
    *rows(None, 402, "", Cause.QUOTA, origin=Origin.FIELD, note="payment required: seen on AnyInt"),
    *rows(None, 403, "", Cause.PERMISSION, origin=Origin.ANYINT, text="forbidden"),
    *rows(None, 404, "", Cause.INVALID, text="not found", note="no such route, task or file"),
    *rows(None, 407, "", Cause.AUTH, note="a proxy on the way wants its own login: the proxy said no, not AnyInt"),
    *rows(None, 408, "", Cause.TRANSIENT, note="LiteLLM answers so on its own time-out"),
    *rows(None, 409, "", Cause.TRANSIENT, few=True, note="a conflict or a lock"),
    *rows(None, 413, "", Cause.INVALID, note="the request is too large"),
    *rows(None, 415, "", Cause.INVALID),
    *rows(None, 422, "", Cause.INVALID),
    *rows(None, 425, "", Cause.TRANSIENT, origin=Origin.ASSUMED),
    *rows(
        None,
        429,
        "",
        Cause.RATE,
        origin=Origin.ANYINT,
        text="limit",
        note="it does not tell which limit: throttle, key, team or subscription cap",
    ),
    *rows(None, 451, "", Cause.PERMISSION, origin=Origin.ASSUMED),
    *rows(None, 499, "", Cause.TRANSIENT, origin=Origin.ASSUMED, note="somebody on the way closed the connection"),
    *rows(None, 500, "", Cause.SERVER, text="overload"),
    *rows(None, 501, "", Cause.INVALID, origin=Origin.ASSUMED),
    *rows(None, 502, "", Cause.TRANSIENT, origin=Origin.ASSUMED),
    *rows(None, 503, "", Cause.TRANSIENT, origin=Origin.ANYINT),
    *rows(None, 504, "", Cause.TRANSIENT, origin=Origin.ASSUMED, note="the work may still be running upstream"),
    *rows(None, 505, "", Cause.INVALID, origin=Origin.ASSUMED),
    *(
        row
        for status in (*range(520, 528), 530)
        for row in rows(
            None, status, "", Cause.TRANSIENT, origin=Origin.ASSUMED, note="the work may still be running upstream"
        )
    ),
    *rows(None, 529, "", Cause.TRANSIENT, note="overloaded"),
)
STATUS_ROWS: Final[dict[int, CodeRow]] = {row.status: row for row in _HTTP if row.status is not None}
"""What an HTTP status says when no body says more."""

CODE_ROWS: Final[tuple[CodeRow, ...]] = (
    *OPENAI_ROWS,
    *ANTHROPIC_ROWS,
    *GOOGLE_ROWS,
    *DASHSCOPE_ROWS,
    *KLING_ROWS,
    *SUNO_ROWS,
    *PROBLEM_ROWS,
)
"""Every row of the envelopes."""

_ALSO: Final[dict[Envelope, tuple[Envelope, ...]]] = {
    # a relay puts an upstream's own code into the OpenAI envelope (DashScope's compatible mode, LiteLLM, Kling videos)
    Envelope.OPENAI: (Envelope.DASHSCOPE, Envelope.ANTHROPIC, Envelope.KLING),
    Envelope.ANTHROPIC: (Envelope.OPENAI,),
}

REFUSALS: Final = (
    # path, values in lower case (empty: any), cause, what it means; all under HTTP 200
    (("choices", "[]", "finish_reason"), frozenset({"content_filter"}), Cause.POLICY, "a content refusal"),
    (("choices", "[]", "message", "refusal"), frozenset[str](), Cause.POLICY, "the model refused"),
    (("incomplete_details", "reason"), frozenset({"content_filter"}), Cause.POLICY, "a content refusal"),
    (("output", "[]", "content", "[]", "refusal"), frozenset[str](), Cause.POLICY, "the model refused"),
    (("stop_reason",), frozenset({"refusal"}), Cause.POLICY, "the model refused"),
    (("promptFeedback", "blockReason"), frozenset[str](), Cause.POLICY, "the prompt was blocked"),
    (
        ("candidates", "[]", "finishReason"),
        frozenset(
            (
                "safety",
                "recitation",
                "language",
                "blocklist",
                "prohibited_content",
                "spii",
                "image_safety",
                "image_prohibited_content",
                "image_recitation",
            )
        ),
        Cause.POLICY,
        "a content refusal",
    ),
    (
        ("candidates", "[]", "finishReason"),
        frozenset(
            (
                "no_image",
                "image_other",
                "other",
                "malformed_function_call",
                "unexpected_tool_call",
                "too_many_tool_calls",
            )
        ),
        Cause.SERVER,
        "a problem of the model's output: one more try is reasonable",
    ),
)
"""Refusals and odd ends inside a good answer: a note, never an error to retry (contract 3.2-3.4)."""

_BY_CODE: Final[dict[tuple[Envelope, str], list[CodeRow]]] = {}
_BY_STATUS: Final[dict[tuple[Envelope, int], CodeRow]] = {}
_PREFIXES: Final[list[CodeRow]] = []
for _row in CODE_ROWS:
    if _row.envelope is None:
        continue
    if _row.code is None:
        if _row.status is not None:
            _BY_STATUS[_row.envelope, _row.status] = _row
    elif _row.code.endswith("*"):
        _PREFIXES.append(_row)
    else:
        _BY_CODE.setdefault((_row.envelope, _row.code), []).append(_row)


def row_for_code(envelope: Envelope, codes: Iterable[str], status: int) -> CodeRow | None:
    """Return the row of the first code that is known; codes in lower case, the most telling one first.

    The row documented for this status wins over the same code's other rows. A coarse row counts only
    where its own status or no error status came.
    """
    asked = tuple(codes)
    unknown: list[str] = []
    for place in (envelope, *_ALSO.get(envelope, ())):
        for code in asked:
            found = _BY_CODE.get((place, code), ()) or _prefixed(place, code)
            row = next((row for row in found if row.status == status), found[0] if found else None)
            if row is not None and not (row.coarse and row.status != status and status >= 400):
                return row
            if row is None:
                unknown.append(code)
        asked, unknown = tuple(unknown), []  # the envelope's own coarse row is not overruled by a guest's
    return None


def _prefixed(envelope: Envelope, code: str) -> tuple[CodeRow, ...]:
    return tuple(
        row for row in _PREFIXES if row.envelope is envelope and row.code is not None and code.startswith(row.code[:-1])
    )


def row_for_status(status: int, envelope: Envelope | None = None) -> CodeRow:
    """Return what an error status means by itself, whoever's body came with it; total."""
    if envelope is not None:
        row = _BY_STATUS.get((envelope, status))
        if row is not None:
            return row
    row = STATUS_ROWS.get(status)
    if row is not None:
        return row
    if 400 <= status < 500:
        return CodeRow(cause=Cause.INVALID, certainty=Certainty.REJECTED, origin=Origin.ASSUMED, status=status)
    cause = Cause.SERVER if 500 <= status < 600 else Cause.UNKNOWN
    return CodeRow(cause=cause, certainty=Certainty.UNKNOWN, origin=Origin.ASSUMED, status=status)
