"""Where two readers of one text may differ: each difference has a name, a reason and an example.

Must not know what is read, nor by whom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["Difference", "named"]


class Difference(NamedTuple):
    """One that is allowed. ``holds``: whether it explains what came of this text, ours and theirs."""

    name: str
    why: str
    example: str
    holds: Callable[[str, Any, Any], bool]


def named(rows: Sequence[Difference], text: str, ours: Any, theirs: Any) -> str:
    """Return the name of the first difference that explains it. Fails where none does."""
    for row in rows:
        if row.holds(text, ours, theirs):
            return row.name
    raise AssertionError(f"{text!r}: ours {ours!r}, theirs {theirs!r}")
