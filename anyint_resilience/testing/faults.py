"""Faults as a test writes them: a ``Fault``, or a mapping of its fields.

Must not know pytest, nor what becomes of a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from ..emulator import Fault

__all__ = ["FIELDS", "fault_of", "unknown"]

FIELDS = (*(item.name for item in fields(Fault)), "body_base64", "retry_after")
"""What a mapping may hold."""


def fault_of(given: object) -> Fault:
    """Return the fault that is meant.

    Raises:
        ValueError: naming every problem, and the nearest field where there is none of this name.
    """
    if isinstance(given, Fault):
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"a Fault or a mapping of its fields is needed, not {given!r}")
    problem = unknown(given, FIELDS, "field")
    if problem:
        raise ValueError(f"bad fault: {problem}")
    return Fault.from_json(given)


def unknown(given: Iterable[object], known: Iterable[str], what: str) -> str:
    """Say which of these names are not known, each with the nearest that is; an empty text if all are."""
    from difflib import get_close_matches  # late: most tests are right

    listed = sorted(known)
    strange = sorted(str(name) for name in given if name not in listed)
    said: list[str] = []
    for name in strange:
        near = get_close_matches(name, listed, n=1)
        said.append(f"no {what} {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    return f"{'; '.join(said)} (known: {', '.join(listed)})" if said else ""
