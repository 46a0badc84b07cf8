"""Ways to write a time: numbers, Go durations, HTTP dates, RFC 3339, "retry in N" -> float.

Must not know headers, bodies or what a value is for. Total: whatever cannot be read is None. Only ASCII digits
count; every pattern is anchored or bounded, so the work is linear in a length that is limited first.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from typing import Final

__all__ = ["MAX_HINT", "bounded", "duration", "moment", "number", "retry_text"]

MAX_HINT: Final = 31 * 86_400.0
"""Seconds: nothing an API asks for is longer than a month; beyond it a value is a mistake or an attack."""

_MAX_TEXT: Final = 64
_MAX_MESSAGE: Final = 4096

_NUMBER: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,12})?|\.[0-9]{1,12}")
_DURATION: Final = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{1,12})?(?:ns|us|µs|μs|ms|s|m|h))+")
_PART: Final = re.compile(r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)")
_RFC_3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_RETRY_TEXT: Final = re.compile(
    r"\b(?:retry|try again) (?:in|after) ([0-9][0-9.hmsnuµμ]{0,40}) ?(milliseconds?|seconds?|minutes?|hours?)?\b",
    re.IGNORECASE,
)

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_WORDS: Final = {"millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0}


def bounded(seconds: float | None) -> float | None:
    """Return a wait that can be believed: finite, above zero, at most ``MAX_HINT``; else None."""
    if seconds is None or not math.isfinite(seconds) or not 0 < seconds <= MAX_HINT:
        return None
    return seconds


def number(text: object) -> float | None:
    """Read a plain decimal number that is not negative. ``1e9``, ``nan``, ``inf`` and signs are not plain."""
    if not isinstance(text, str) or _NUMBER.fullmatch(text.strip()[:_MAX_TEXT]) is None:
        return None
    return float(text.strip()[:_MAX_TEXT])


def duration(text: object) -> float | None:
    """Read a duration as Go writes it (``6m0s``, ``12ms``, ``1h2m3.5s``) or protobuf (``36.429760048s``)."""
    if not isinstance(text, str) or len(text) > _MAX_TEXT or _DURATION.fullmatch(text.strip()) is None:
        return None
    return math.fsum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))


def moment(text: object) -> float | None:
    """Read a point in time, RFC 3339 or an HTTP date, as Unix seconds."""
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        return None
    found = _RFC_3339.fullmatch(text.strip())
    try:
        return _http_date(text) if found is None else _rfc_3339(found)
    except Exception:  # email.utils raises many kinds on hostile dates, and none of them is our error
        return None


def _http_date(text: str) -> float:
    """Read an HTTP date; one without a zone is in UTC, as RFC 9110 has it."""
    from email.utils import (
        parsedate_to_datetime,
    )  # late: most programs never need it, and it costs every one of them at import

    when = parsedate_to_datetime(text)
    return (when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when).timestamp()


def _rfc_3339(found: re.Match[str]) -> float:
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = found.groups()[6:]
    offset = timedelta()
    if sign is not None:
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == "-" else 1)
    # A leap second has no place in datetime; the second before it is near enough.
    when = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone(offset))
    return when.timestamp() + (0.0 if fraction is None else float(fraction))


def retry_text(text: object) -> float | None:
    """Find "Please retry in 10h17m5.72s", "900ms" or "try again after 20 seconds" in a message for people."""
    found = _RETRY_TEXT.search(text[:_MAX_MESSAGE]) if isinstance(text, str) else None
    if found is None:
        return None
    amount, word = found.group(1).rstrip("."), found.group(2)
    seconds = duration(amount.lower())
    if seconds is not None or word is None:
        return seconds
    value = number(amount)
    return None if value is None else value * _WORDS[word.lower().rstrip("s")]
