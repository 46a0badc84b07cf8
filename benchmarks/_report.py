"""How the benchmarks show what they measured: tables, a plot, and their place in README.md.

Must not know how anything is measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from _sides import LABELS

__all__ = ["draw", "markdown", "table", "verdict", "write_readme"]

NOT_PEERS = ("bare", "wrapper", "ours")


def markdown(rows: list[list[str]]) -> str:
    """A Markdown table with even columns; the first row is its head, the first column words, the others figures."""
    marks = ["---", *("---:" for _ in rows[0][1:])]
    lines = [rows[0], marks, *rows[1:]]
    widths = [max(len(line[at]) for line in lines) for at in range(len(marks))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def columns_of(results: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every client and mode with its sides."""
    return [(client, mode, cells) for client, modes in results.items() for mode, cells in modes.items()]


def table(results: dict[str, Any], sides: Iterable[str]) -> str:
    """The medians as a Markdown table, quartiles in brackets; a dash where a client has no such side."""
    columns = columns_of(results)
    rows = [["added µs of CPU per good call", *(f"{client} {mode}" for client, mode, _ in columns)]]
    for side in sides:
        row = [LABELS[side]]
        for _, _, cells in columns:
            cell = cells.get(side)
            if cell is None:
                row.append("-")
            elif side == "bare":
                row.append(f"({cell['call_us']:.0f} in all)")
            else:
                row.append(f"{cell['added_us']:.2f} [{cell['quartile_low_us']:.2f}, {cell['quartile_high_us']:.2f}]")
        if set(row[1:]) != {"-"}:
            rows.append(row)
    return markdown(rows)


def verdict(results: dict[str, Any]) -> str:
    """Ours against each peer, in one line per client and mode."""
    lines = []
    for client, mode, cells in columns_of(results):
        if "ours" not in cells:
            continue
        mine = cells["ours"]["added_us"]
        words = [
            f"{'no more than' if mine <= cell['added_us'] else 'MORE THAN'} {LABELS[side]} ({cell['added_us']:.2f})"
            for side, cell in cells.items()
            if side not in NOT_PEERS
        ]
        lines.append(f"{client} {mode}: ours adds {mine:.2f} µs, {'; '.join(words)}")
    return "\n".join(lines)


def draw(results: dict[str, Any], path: Path) -> None:
    """One panel per client and mode: medians as bars, quartiles as whiskers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = columns_of(results)
    height = math.ceil(len(columns) / 2)
    figure, grid = plt.subplots(height, 2, figsize=(13, 2.7 * height), sharex=True, squeeze=False, layout="constrained")
    panels = list(grid.flat)
    for panel in panels[len(columns) :]:
        panel.set_visible(False)
    for panel, (client, mode, cells) in zip(panels, columns, strict=False):
        shown = [side for side in reversed(cells) if side != "bare"]
        middle = [max(cells[side]["added_us"], 0.0) for side in shown]
        low = [max(value - cells[side]["quartile_low_us"], 0) for side, value in zip(shown, middle, strict=True)]
        high = [max(cells[side]["quartile_high_us"] - value, 0) for side, value in zip(shown, middle, strict=True)]
        colors = ["#1b6ca8" if side == "ours" else "#b8c4cc" for side in shown]
        bars = panel.barh([LABELS[side] for side in shown], middle, xerr=[low, high], color=colors, capsize=3)
        panel.bar_label(bars, [f"{cells[side]['added_us']:.2f}" for side in shown], padding=6)
        panel.set_title(f"{client}, {mode}")
        panel.margins(x=0.15)
        panel.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("CPU time added per good call, µs (median of rounds, quartiles)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write_readme(path: Path, name: str, text: str) -> None:
    """Put a table between its marks in benchmarks/README.md."""
    marks = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    old = path.read_text(encoding="utf-8")
    new = re.sub(rf"(?s){marks[0]}.*?{marks[1]}", lambda _: f"{marks[0]}\n{text}\n{marks[1]}", old)
    path.write_text(new, encoding="utf-8")
