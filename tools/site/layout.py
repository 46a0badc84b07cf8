"""How a table stands in Markdown. Must not know what is in it."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["code", "codes", "number", "table"]

NONE = "-"
"""What an empty cell has."""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; no cell breaks it, whatever it holds."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in lines)


def code(word: object) -> str:
    """Return a word as code."""
    return f"`{word}`"


def codes(words: Iterable[object]) -> str:
    """Return words as code, in their order."""
    return ", ".join(map(code, words)) or NONE


def number(value: float) -> str:
    """Return a number without zeros that say nothing."""
    return f"{value:g}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or NONE
