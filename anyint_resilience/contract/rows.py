"""The shape of the error tables: envelopes, code rows, text rows.

Must not know any code: see ``codes_chat``, ``codes_media``, ``texts`` and ``errors``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from .words import Cause, Certainty, Origin

__all__ = ["UNKNOWN_STATUSES", "CodeRow", "Envelope", "TextRow", "certainty_of_status", "rows"]


class Envelope(str, Enum):
    """The shapes an error body comes in, in the order in which they are looked for (contract 3)."""

    ANTHROPIC = "anthropic"  # {"type": "error", "error": {"type": ...}}
    GOOGLE = "google"  # {"error": {"status": "UPPER_CASE", "code": <int>}}, or a one-element array of it
    OPENAI = "openai"  # {"error": {...}}
    SUNO = "suno"  # {"code": <int>, "msg": ...}
    KLING = "kling"  # {"code": <int>, "message": ..., "request_id": ...}
    DASHSCOPE = "dashscope"  # {"code": "<string>", "message": ..., "request_id": ...}
    PROBLEM = "problem"  # {"type": "https://...", "title": ...}

    __str__ = str.__str__


UNKNOWN_STATUSES: Final = frozenset({408, 499, 500, 502, 504, *range(520, 528), 529, 530})
"""HTTP statuses after which the work may have been done all the same (contract 6)."""

_REFUSED_5XX: Final = frozenset({501, 503, 505})


def certainty_of_status(status: int) -> Certainty:
    """Say what an HTTP status of 400 or more tells about the fate of the request."""
    if status in UNKNOWN_STATUSES:
        return Certainty.UNKNOWN
    if 400 <= status < 500 or status in _REFUSED_5XX:
        return Certainty.REJECTED
    return Certainty.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRow:
    """One line of the contract's tables 3.1-3.7.

    ``envelope`` None: any body, by HTTP status alone. ``status`` is where the code is documented, None
    for any. ``code`` is in lower case, with a final ``*`` for a prefix; None stands for the status itself.
    ``coarse``: the code says less than an HTTP status of 400 or more that is not ``status``. ``text`` names
    the rule of ``contract.texts`` to ask first. ``few``: one retry is reasonable, not more. ``repeat``
    False: never the same request to the same model again; True with ``few``: the contract calls one retry reasonable
    although the cause says no. ``least``: seconds that the first wait must not go below.
    """

    cause: Cause
    certainty: Certainty
    origin: Origin
    envelope: Envelope | None = None
    status: int | None = None
    code: str | None = None
    coarse: bool = False
    text: str = ""
    few: bool = False
    repeat: bool | None = None
    least: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """Words, in lower case, which tell what an ambiguous row means; ``cause`` None keeps the row's cause.

    ``pattern`` is for what no fixed words catch. ``hintless``: the words count only where the server did not say when
    to come back.
    """

    words: tuple[str, ...]
    cause: Cause | None
    origin: Origin
    pattern: re.Pattern[str] | None = None
    hintless: bool = False
    note: str = ""


def rows(
    envelope: Envelope | None,
    status: int | None,
    codes: str,
    cause: Cause,
    *,
    certainty: Certainty | None = None,
    origin: Origin = Origin.UPSTREAM,
    coarse: bool = False,
    text: str = "",
    few: bool = False,
    repeat: bool | None = None,
    least: float = 0.0,
    note: str = "",
) -> tuple[CodeRow, ...]:
    """Make one row for each of the space-separated codes; certainty follows the documented status."""
    if certainty is None:
        certainty = Certainty.REJECTED if status is None else certainty_of_status(status)
    return tuple(
        CodeRow(
            cause=cause,
            certainty=certainty,
            origin=origin,
            envelope=envelope,
            status=status,
            code=code.lower() if code else None,
            coarse=coarse,
            text=text,
            few=few,
            repeat=repeat,
            least=least,
            note=note,
        )
        for code in (codes.split() or [""])
    )
