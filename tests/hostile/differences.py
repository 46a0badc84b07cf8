"""Where two readers of one text may differ: each difference has a name, a reason and an example.

Must not know what is read, nor by whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from hostile.fuzz.shapes import message
from hostile.fuzz.targets import inputs_of

__all__ = ["Difference", "named", "values"]


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


def values() -> Iterator[str]:
    """Every value of every header in the fuzzer's corpus of hints, and every body."""
    for _, data in inputs_of("hints"):
        said = message(data)
        yield from (value for _, value in said.headers)
        yield said.body.decode("utf-8", "replace")
