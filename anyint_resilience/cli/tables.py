"""Columns of text: how wide each may be, and where its cells are wrapped. Must not know terminals or colours."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Sequence
from itertools import zip_longest
from typing import Final, NamedTuple

__all__ = ["Cell", "lay_out"]

_GAP: Final = "  "
_NARROWEST: Final = 8  # columns that are left to a cell, whatever else there is


class Cell(NamedTuple):
    """A cell's text, which may have several lines, its style (as ``terminal.styled`` takes it), and that of the rest.

    ``under``: the style of all lines but the first of the text; by default the same.
    """

    text: str
    style: str = ""
    under: str | None = None


_NOTHING: Final = Cell("")


def lay_out(
    rows: Sequence[Sequence[Cell]], most: int | None, right: Collection[int], styled: Callable[[str, str], str]
) -> list[str]:
    """Return the lines of a table at most so many columns wide (None: as wide as it is, each row one line)."""
    if most is None:
        rows = [[cell._replace(text=" ".join(cell.text.split("\n"))) for cell in row] for row in rows]
    widths = _widths(rows, most)
    lines: list[str] = []
    for row in rows:
        wrapped = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for pieces in zip_longest(*wrapped, fillvalue=_NOTHING):
            shown: list[str] = []
            for at, (piece, width) in enumerate(zip(pieces, widths, strict=True)):
                blank = " " * (width - len(piece.text))
                text = styled(piece.text, piece.style)
                shown.append(blank + text if at in right else text + blank)
            lines.append(_GAP.join(shown).rstrip())
    return lines


def _widths(rows: Sequence[Sequence[Cell]], most: int | None) -> list[int]:
    """Give each column what it needs; where that is too much, the widest ones share what is left."""
    columns = zip(*rows, strict=True)
    wanted = [max(len(line) for cell in column for line in cell.text.split("\n")) for column in columns]
    if most is None:
        return wanted
    room = most - len(_GAP) * (len(wanted) - 1)
    widths = list(wanted)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widest = max(widths)
        second = max((it for it in widths if it < widest), default=_NARROWEST)
        many = widths.count(widest)
        cut = max(second, _NARROWEST, (room - sum(it for it in widths if it < widest)) // many)
        widths = [min(it, cut) for it in widths]
    return widths


def _wrapped(cell: Cell, width: int) -> list[Cell]:
    """Wrap each line of a cell; a word that does not fit is broken."""
    found: list[Cell] = []
    for line in cell.text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        hanging = indent if len(indent) < width else ""
        style = cell.style if not found or cell.under is None else cell.under
        pieces = textwrap.wrap(line, max(width, 1), subsequent_indent=hanging, break_on_hyphens=False)
        found += [Cell(piece, style) for piece in pieces or [""]]
    return found
