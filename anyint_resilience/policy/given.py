"""Whatever a caller hands over, made usable: URLs, methods, statuses, bodies, numbers. Must not know any rule.

Total: each function returns a plain value of the promised type for every input, and does bounded work. A value that
makes no sense becomes the harmless one, because a decision about an error must not be a new error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Protocol

from ..contract.words import Operation
from .model import FaultKind

__all__ = [
    "MOST_ATTEMPTS",
    "Invalid",
    "bytes_of",
    "clock_of",
    "count_of",
    "count_problem",
    "flag_problem",
    "kind_of",
    "number_problem",
    "one_line",
    "operation_of",
    "path_of",
    "problems_of",
    "seconds_of",
    "shown",
    "status_of",
    "text_of",
    "unit_of",
]

_MAX_URL: Final = 8192
_MAX_BODY: Final = 65_536
_MAX_WORD: Final = 80
_MOST: Final = 1_000_000  # of anything that is counted; more is a mistake
MOST_ATTEMPTS: Final = 1000
"""Of one call: each stands on its report."""

_LATEST: Final = 1e11  # Unix seconds; a wall clock beyond it is not one


def text_of(value: object, limit: int = _MAX_URL) -> str:
    """Return text for str, bytes, or an object that prints itself (a client's URL class); else an empty text."""
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:limit]).decode("latin-1")
    try:
        return "" if value is None else str(value)[:limit]
    except Exception:  # a foreign __str__ may raise anything
        return ""


def path_of(url: object) -> str:
    """Return the path of a URL, or of a bare path. ``urllib.parse`` is not used: it raises on hostile brackets."""
    text = text_of(url).strip()
    for mark in "#?":
        text = text.partition(mark)[0]
    scheme, colon_slashes, rest = text.partition("://")
    if colon_slashes and "/" not in scheme:
        return "/" + rest.partition("/")[2]
    return "/" + text[2:].partition("/")[2] if text.startswith("//") else text


def status_of(value: object) -> int:
    """Return an HTTP status from 100 to 999, or 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        text = value.strip() if isinstance(value, str) else ""
        value = int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 0
    return int(value) if 100 <= value <= 999 else 0


def bytes_of(value: object) -> bytes:
    """Return at most the first 64 KiB of a body."""
    if isinstance(value, str):
        return value[:_MAX_BODY].encode("utf-8", "replace")[:_MAX_BODY]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:_MAX_BODY])
    # A view may have items wider than a byte; one that is not contiguous has no bytes to slice.
    return value.cast("B")[:_MAX_BODY].tobytes() if isinstance(value, memoryview) and value.c_contiguous else b""


def kind_of(value: object) -> FaultKind:
    """Return the kind of fault a word names; a word nobody knows is ``unknown``."""
    try:
        return FaultKind(value)
    except (ValueError, TypeError):
        return FaultKind.UNKNOWN


def operation_of(value: object, route: Operation) -> Operation:
    """Return the operation a word names; a word nobody knows is the route's."""
    try:
        return Operation(value)
    except (ValueError, TypeError):
        return route


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else number


def seconds_of(value: object) -> float:
    """Return a span of time that is not negative (it may be infinite); 0.0 for what is none."""
    number = _number(value)
    return 0.0 if number is None else max(0.0, number)


def clock_of(value: object) -> float | None:
    """Return a Unix time, or None for what is none."""
    number = _number(value)
    return number if number is not None and 0 <= number <= _LATEST else None


def unit_of(value: object) -> float:
    """Return the random number, in [0, 1]. What is none becomes 1.0, the longest wait."""
    number = _number(value)
    return 1.0 if number is None else min(max(number, 0.0), 1.0)


def count_of(value: object) -> int:
    """Return the number of an attempt, 1 or more."""
    return min(max(1, value), _MOST) if isinstance(value, int) and not isinstance(value, bool) else 1


def one_line(text: str | None, limit: int = _MAX_WORD) -> str:
    """Return a server's word fit for a log line: printable, no line breaks, short."""
    if not text:
        return ""
    return "".join(char if char.isprintable() else "?" for char in text[:limit])


# --- the opposite for configuration: nothing is made usable, every problem is named


def count_problem(name: str, value: object, most: int = _MOST) -> str | None:
    """Say what is wrong with a whole number of 1 or more, or None."""
    good = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
    return None if good else f"{name} must be a whole number from 1 to {most}, not {shown(value)}"


def number_problem(
    name: str, value: object, *, least: float = 0.0, above: bool = False, may_be_inf: bool = False
) -> str | None:
    """Say what is wrong with a number, or None. ``above``: it must be more than ``least``."""
    number = _number(value)
    in_range = number is not None and (number > least if above else number >= least)
    # An int too long for a float looks infinite here and is a mistake wherever it stands.
    if in_range and (number != math.inf or (may_be_inf and isinstance(value, float))):
        return None
    bound = f"above {least:g}" if above else f"of {least:g} or more"
    return f"{name} must be a {'' if may_be_inf else 'finite '}number {bound}, not {shown(value)}"


def flag_problem(name: str, value: object) -> str | None:
    """Say what is wrong with a switch, or None."""
    return None if isinstance(value, bool) else f"{name} must be True or False, not {shown(value)}"


def shown(value: object) -> str:
    """Return how a value looks in a message, bounded: a file or a caller may hold anything."""
    try:
        text = repr(value)
    except Exception:  # a foreign __repr__, an int too long to print, a list too deep
        return f"a {type(value).__name__}"
    return text if len(text) <= _MAX_WORD else f"{text[:_MAX_WORD]}..."


class Invalid(ValueError):
    """Settings that can't be used. ``problems``: what is wrong, each in words that begin with the field's name."""

    def __init__(self, kind: str, problems: Iterable[str]) -> None:
        self.kind, self.problems = kind, tuple(problems)
        super().__init__(f"{kind}: " + "; ".join(self.problems))

    def __reduce__(self) -> tuple[type[Invalid], tuple[str, tuple[str, ...]]]:
        return type(self), (self.kind, self.problems)


class PolicyFields(Protocol):
    """The fields of a policy, whatever was put into them."""

    @property
    def attempts(self) -> int: ...
    @property
    def retry_window(self) -> float: ...
    @property
    def deadline(self) -> float | None: ...
    @property
    def transient_base(self) -> float: ...
    @property
    def rate_base(self) -> float: ...
    @property
    def factor(self) -> float: ...
    @property
    def max_delay(self) -> float: ...
    @property
    def repeat_generation(self) -> bool: ...
    @property
    def hold(self) -> float | None: ...
    @property
    def first_byte_timeout(self) -> float | None: ...
    @property
    def stream_hold(self) -> float: ...
    @property
    def stream_idle_timeout(self) -> float | None: ...
    @property
    def content_idle_timeout(self) -> float | None: ...
    @property
    def enabled(self) -> bool: ...


def problems_of(policy: PolicyFields) -> list[str]:
    """Return everything that is wrong with a policy, in words."""
    return [
        problem
        for problem in (
            count_problem("attempts", policy.attempts, MOST_ATTEMPTS),
            number_problem("retry_window", policy.retry_window, may_be_inf=True),
            None
            if policy.deadline is None
            else number_problem("deadline", policy.deadline, above=True, may_be_inf=True),
            number_problem("transient_base", policy.transient_base),
            number_problem("rate_base", policy.rate_base),
            number_problem("factor", policy.factor, least=1.0),
            number_problem("max_delay", policy.max_delay),
            flag_problem("repeat_generation", policy.repeat_generation),
            None if policy.hold is None else number_problem("hold", policy.hold, may_be_inf=True),
            None
            if policy.first_byte_timeout is None
            else number_problem("first_byte_timeout", policy.first_byte_timeout, above=True),
            number_problem("stream_hold", policy.stream_hold),
            None
            if policy.stream_idle_timeout is None
            else number_problem("stream_idle_timeout", policy.stream_idle_timeout, above=True),
            None
            if policy.content_idle_timeout is None
            else number_problem("content_idle_timeout", policy.content_idle_timeout, above=True),
            flag_problem("enabled", policy.enabled),
        )
        if problem is not None
    ]
