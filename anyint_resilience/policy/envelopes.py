"""A JSON document -> which error envelope it is, and what it says there.

Must not know causes or rules. The order is ``contract.errors.DETECTION_ORDER``: the shape of the body decides,
and the route's family only where two shapes look alike. Total and bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from ..contract.codes_chat import DAILY_QUOTA_IDS, GOOGLE_DAILY, GOOGLE_LONG, GOOGLE_LONG_WAIT
from ..contract.codes_media import GOOD_CODES
from ..contract.errors import Envelope
from ..contract.words import Family
from .bodies import is_array, is_object, values_at
from .hints import read_hint

__all__ = ["Said", "loose_message", "message_of", "read_envelope"]

_MAX_MESSAGE: Final = 2048
_MAX_CODE: Final = 128
_GOOD_WORDS: Final = frozenset({"success", "ok", "200", "0"})
_GOOD_NUMBERS: Final = frozenset(GOOD_CODES.values())  # neither is an error in the other's table
_UPPER: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_SHAPED_BY: Final[dict[Family | None, Envelope]] = {
    Family.SUNO: Envelope.SUNO,
    Family.KLING: Envelope.KLING,
    Family.DASHSCOPE: Envelope.DASHSCOPE,
}
"""What a look-alike is on a route of the family."""


class Said(NamedTuple):
    """What an envelope says. ``codes`` in lower case, the most telling first; ``number`` is a numeric code."""

    envelope: Envelope
    codes: tuple[str, ...]
    code: str | None
    type: str | None
    message: str
    number: int | None = None
    param: str = ""
    good: bool = False  # a number envelope whose code means success


def read_envelope(document: object, family: Family | None) -> Said | None:
    """Return what an error document says, or None where it is none of the envelopes."""
    root = document[0] if is_array(document) and len(document) == 1 else document
    if not is_object(root):
        return None
    error = root.get("error")
    if is_object(error) and any(error.get(key) is not None for key in ("message", "code", "type", "status")):
        return _error_object(root, error)
    return _flat_code(root, family) or _problem(root)


# --- {"error": {...}}


def _error_object(root: Mapping[str, object], error: Mapping[str, object]) -> Said:
    kind, status, message = _word(error.get("type")), error.get("status"), message_of(error.get("message"))
    number = _whole(error.get("code"))
    if root.get("type") == "error" and kind is not None:
        detail = next((_word(value) for value in values_at(error, ("details", "error_code"))), None)
        return Said(Envelope.ANTHROPIC, _lower(detail, kind), detail, kind, message)
    if isinstance(status, str) and _UPPER.fullmatch(status[:_MAX_CODE]) and isinstance(error.get("code"), int):
        codes = (*_google_details(root, error), status[:_MAX_CODE].lower())
        return Said(Envelope.GOOGLE, codes, status[:_MAX_CODE], None, message, number)
    code = _word(error.get("code"))
    return Said(Envelope.OPENAI, _lower(code, kind), code, kind, message, number, message_of(error.get("param"))[:64])


def _google_details(root: Mapping[str, object], error: Mapping[str, object]) -> tuple[str, ...]:
    """Turn details into codes, in the order of gemini-cli's rule: a daily quota, a reason, a long wait."""
    quotas = values_at(error, ("details", "[]", "violations", "[]", "quotaId"))
    daily = any(word in str(quota)[:_MAX_CODE].lower() for quota in quotas for word in DAILY_QUOTA_IDS)
    reasons = [_word(reason) for reason in values_at(error, ("details", "[]", "reason"))]
    told = _lower(*reasons)
    hint = read_hint(0, {}, document=root)
    long = hint is not None and hint.seconds > GOOGLE_LONG_WAIT
    decisive = tuple(reason for reason in told if reason != "rate_limit_exceeded")
    last = tuple(reason for reason in told if reason == "rate_limit_exceeded")
    return (*((GOOGLE_DAILY,) if daily else ()), *decisive, *((GOOGLE_LONG,) if long else ()), *last)


# --- {"code": ...}


def _flat_code(root: Mapping[str, object], family: Family | None) -> Said | None:
    code = root.get("code")
    alike = _SHAPED_BY.get(family)
    number = _whole(code)
    if number is not None and (isinstance(code, int) or alike in GOOD_CODES):
        return _numbered(root, number, alike)
    word = _word(code)
    if word is None or word.lower() in _GOOD_WORDS:
        return None
    if alike is not Envelope.DASHSCOPE and not ("message" in root and "request_id" in root):
        return None
    return Said(Envelope.DASHSCOPE, _lower(word), word, None, message_of(root.get("message")))


def _numbered(root: Mapping[str, object], number: int, alike: Envelope | None) -> Said | None:
    if "msg" in root:
        envelope = Envelope.SUNO
    elif "message" in root and "request_id" in root:
        envelope = Envelope.KLING
    elif alike is not None and alike in GOOD_CODES:
        envelope = alike
    else:
        return None
    message = message_of(root.get("msg", root.get("message")))
    return Said(envelope, (str(number),), str(number), None, message, number, good=number in _GOOD_NUMBERS)


def _problem(root: Mapping[str, object]) -> Said | None:
    kind = root.get("type")
    if not isinstance(kind, str) or not kind.startswith(("https://", "http://")) or "title" not in root:
        return None
    word = _word(re.split(r"[#/]", kind[:512].rstrip("/"))[-1])
    message = message_of(root.get("detail")) or message_of(root.get("title"))
    return Said(Envelope.PROBLEM, _lower(word), word, None, message)


# --- words


def loose_message(document: object) -> str:
    """Return what a body that is no envelope says to people, if it says anything."""
    for path in (("error",), ("message",), ("msg",), ("detail",)):
        for value in values_at(document, path):
            if isinstance(value, str):
                return message_of(value)
    return ""


def message_of(value: object) -> str:
    """Return a message as printable text of bounded length; anything else is an empty one."""
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in value[:_MAX_MESSAGE]).strip()


def _word(value: object) -> str | None:
    """Return a code as printable text, or None; a number is as good as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**12 else None
    return message_of(value[:_MAX_CODE]) or None if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12 else None


def _lower(*words: str | None) -> tuple[str, ...]:
    return tuple(word.lower() for word in words if word is not None)
