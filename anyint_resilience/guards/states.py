"""Whether what stands in a store is a guard's state, as this version writes it. Must not know any step or store.

A file that processes share may hold what another version wrote, or nobody: a step would make sense of half of it. What
is not whole is read as nothing, and written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..policy.times import MAX_HINT
from .view import CAUSES

__all__ = ["is_whole"]

_FAR: Final = 1e300
"""What stands for infinity where JSON can't write it."""
_MANY: Final = 1e9


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _FAR


def _is_above_zero(value: object) -> bool:
    return _is_number(value) and isinstance(value, (int, float)) and value > 0


def _is_share(value: object) -> bool:
    return value is None or (_is_above_zero(value) and isinstance(value, (int, float)) and value <= _MANY)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MANY


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_cause(value: object) -> bool:
    return isinstance(value, str) and value in CAUSES


def _is_leases(value: object) -> bool:
    return isinstance(value, dict) and all(_is_number(it) for it in value.values())


def _is_line(value: object) -> bool:
    return isinstance(value, list) and all(_is_place(it) for it in value)


def _is_place(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return False
    since, ticket, until = value
    return _is_number(since) and isinstance(ticket, str) and _is_number(until)


def _is_slots(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(it, list) and len(it) == 3 and all(_is_number(one) for one in it) for it in value
    )


_Fields = tuple[tuple[str, Callable[[Any], bool]], ...]

_GATE: Final[_Fields] = (
    *((name, _is_number) for name in ("until", "shut", "won", "probe", "probed", "spread", "gap", "spaced", "after")),
    *((name, _is_number) for name in ("queued", "cut", "heard", "at")),
    *((name, _is_count) for name in ("streak", "bad")),
    *((name, _is_share) for name in ("limit", "goal")),
    *((name, _is_flag) for name in ("counts", "named")),
    ("cause", _is_cause),
    ("prober", _is_text),
    ("out", _is_leases),
    ("line", _is_line),
)
_BREAKER: Final[_Fields] = (
    *((name, _is_number) for name in ("open", "since", "at")),
    ("window", _is_above_zero),
    ("slots", _is_slots),
    ("probes", _is_leases),
)
_BUDGET: Final[_Fields] = tuple((name, _is_number) for name in ("tokens", "good", "at"))
_MEMBERS: Final[_Fields] = (("seen", _is_leases),)

_KINDS: Final[dict[str, _Fields]] = {
    "gate": _GATE,
    "breaker": _BREAKER,
    "budget": _BUDGET,
    "members": _MEMBERS,
}
_UNTIL: Final = {"gate": ("until", "probe"), "breaker": ("open",)}


def is_whole(key: str, state: Mapping[str, Any]) -> bool:
    """Whether a state is one that could stand under a key: its fields are there, and what they should be."""
    kind = key.partition(":")[0]
    fields = _KINDS.get(kind, ())
    if not all(name in state and good(state[name]) for name, good in fields):
        return False
    # Nobody closes a gate, or opens a circuit, for longer than the longest hint there is.
    return all(state[name] <= max(state["at"], 0.0) + 2 * MAX_HINT for name in _UNTIL.get(kind, ()))
