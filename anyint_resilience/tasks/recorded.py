"""The creates of an intent as a store holds them, and what can be read of them, whatever stands there.

Must not know what is done with one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..stores.protocol import State

__all__ = ["FATES", "Create", "creates_of"]

FATES: Final = ("rejected", "finished", "committed", "in_flight", "unknown")
"""Those that are left out first where there are too many stand before the others."""

_NEVER: Final = 1e15  # seconds

Create: TypeAlias = "dict[str, Any]"


def creates_of(state: State | None, now: float) -> list[Create]:
    """Return the creates of a state. What can't be read says nothing good: it may have been done.

    One of the future is of now: the clock was ahead, and its window would never end.
    """
    if state is None:
        return []
    held = state.get("creates")
    if not isinstance(held, list):
        return [_unread(now)]
    return [{**it, "at": min(it["at"], now)} if _is_whole(it) else _unread(now) for it in held]


def _unread(now: float) -> Create:
    blank: Create = {"id": "", "owner": "", "fate": "unknown", "at": now, "mark": "", "body": "", "facts": {}}
    return {**blank, "task": None, "answer": None}


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _NEVER


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_object_or_none(value: object) -> bool:
    return value is None or isinstance(value, dict)


_FIELDS: Final[tuple[tuple[str, Callable[[Any], bool]], ...]] = (
    *((name, _is_text) for name in ("id", "owner", "mark", "body")),
    ("fate", lambda it: isinstance(it, str) and it in FATES),
    ("at", _is_time),
    ("facts", _is_object),
    ("task", _is_object_or_none),
    ("answer", _is_object_or_none),
)


def _is_whole(value: object) -> bool:
    return isinstance(value, dict) and all(name in value and good(value[name]) for name, good in _FIELDS)
