"""What a setting's value may be, and how a text of the environment becomes one. Must not know any setting.

A value of a file has its type already; whether it is possible is for the classes to say, which check themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..policy.given import shown

__all__ = ["KINDS", "Kind"]

_NONE: Final = "none"
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_LONG: Final = 24


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    ``words``: what it is, for people. ``read``: text -> value, raising ValueError. ``optional``: ``none`` is ``empty``.
    """

    words: str
    read: Callable[[str], Any]
    optional: bool = False
    empty: object = None

    def of_text(self, text: str) -> Any:
        """Return the value that a variable's text stands for.

        Raises:
            ValueError: in words that say what is wanted.
        """
        given = text.strip()
        if self.optional and given.lower() == _NONE:
            return self.empty
        try:
            return self.read(given)
        except ValueError:
            raise ValueError(f"must be {self.words}, not {shown(given)}") from None

    def of_file(self, value: object) -> object:
        """Return a file's value, where ``"none"`` stands for None: TOML has no word for it."""
        return self.empty if self.optional and isinstance(value, str) and value.lower() == _NONE else value


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _seconds(text: str) -> float:
    number = float(text)
    if math.isnan(number):
        raise ValueError(text)
    return number


def _whole(text: str) -> int:
    if len(text) > _LONG:  # an integer of a million digits takes its time
        raise ValueError(text)
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(it.strip() for it in text.split(",") if it.strip())


_FLOAT, _INT, _BOOL = ("a number", _seconds), ("a whole number", _whole), ("true or false", _flag)
_STR, _LIST = ("a text", str), ("a list with commas between its items, or none", _words)

KINDS: Final[dict[str, Kind]] = {
    "int": Kind(*_INT),
    "float": Kind(*_FLOAT),
    "bool": Kind(*_BOOL),
    "str": Kind(*_STR),
    "int | None": Kind("a whole number, or none", _whole, optional=True),
    "float | None": Kind("a number, or none", _seconds, optional=True),
    "bool | None": Kind("true, false or none", _flag, optional=True),
    "str | None": Kind("a text, or none", str, optional=True),
    "Iterable[str]": Kind(*_LIST, optional=True, empty=()),
    "Store | str | None": Kind("a URL, or none", str, optional=True),
    "Literal['fingerprint'] | None": Kind("fingerprint, or none", str, optional=True),
    "SpanMode": Kind(*_STR),
}
"""By the annotation of the field in its class."""
