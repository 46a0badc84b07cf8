"""The tables and the plot of streams.py.

Must not know how anything is measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _report import markdown

__all__ = ["MOST", "draw", "problems", "tables"]

MOST = 1.0  # microseconds for each piece, by the aim
SAID = ("aiohttp by lines",)
"""Measured and printed, but the aim is for pieces."""
FIRST = {"at once": "first byte, content in it", "late": "first content, 5 ms after the opening"}


def _spread(cell: dict[str, float], digits: int = 2) -> str:
    middle, low, high = (f"{cell[name]:.{digits}f}" for name in ("median_us", "quartile_low_us", "quartile_high_us"))
    return f"{middle} [{low}, {high}]"


def pieces_table(results: dict[str, Any]) -> str:
    """What each piece costs more, per dialect; bare in brackets."""
    dialects = list(next(iter(results.values())))
    rows = [["added µs of CPU per piece", "bare client", *dialects]]
    for name, cells in results.items():
        bare = ", ".join(dict.fromkeys(f"{cells[it]['bare']['median_us']:.2f}" for it in dialects))
        rows.append([name, f"({bare} in all)", *(_spread(cells[it]["added"]) for it in dialects)])
    return markdown(rows)


def forms_table(results: dict[str, Any]) -> str:
    """What each piece costs more in other forms, per dialect; a dash where a dialect has no such form."""
    dialects = list(dict.fromkeys(it for cells in results.values() for it in cells))
    rows = [["added µs of CPU per piece, without a client", *dialects]]
    for name, cells in results.items():
        rows.append([name, *(_spread(cells[it]["added"]) if it in cells else "-" for it in dialects)])
        if any("share" in it for it in cells.values()):
            shares = [_spread(cells[it]["share"]) if it in cells else "-" for it in dialects]
            rows.append([f"{name}, but for a bare inflate", *shares])
    return markdown(rows)


def first_table(results: dict[str, Any]) -> str:
    """The time to the first byte, and to the first content where that comes later."""
    sides = ["bare client", "anyint-resilience", "difference of each pair"]
    made = [
        markdown([[f"µs to the {said}", *sides], *(_first_row(name, cells[which]) for name, cells in results.items())])
        for which, said in FIRST.items()
    ]
    return "\n\n".join(made)


def _first_row(name: str, cells: dict[str, Any]) -> list[str]:
    return [name, *(_spread(cells[it], 0) for it in ("bare", "ours", "added"))]


def memory_table(results: dict[str, Any]) -> str:
    """What each of many open streams holds."""
    columns = list(next(iter(results.values())))
    rows = [["KiB for each open stream", *columns]]
    rows += [
        [name, *(f"{cells[it]['ours']:.1f} ({cells[it]['ours'] - cells[it]['bare']:+.1f})" for it in columns)]
        for name, cells in results.items()
    ]
    return markdown(rows)


def tables(results: dict[str, Any]) -> str:
    """All of them."""
    made = {"pieces": pieces_table, "forms": forms_table, "first": first_table, "memory": memory_table}
    return "\n\n".join(made[name](found) for name, found in results.items() if found)


def problems(results: dict[str, Any]) -> list[str]:
    """Say where a piece costs more than it may, or the first byte or content comes later than noise explains."""
    found = [
        f"MISSED: {name}, {dialect}: {cell['added']['median_us']:.2f} µs per piece (aim: at most {MOST:g})"
        for name, cells in results.get("pieces", {}).items()
        for dialect, cell in cells.items()
        if name not in SAID and cell["added"]["median_us"] > MOST
    ]
    for name, which in ((name, which) for name in results.get("first", {}) for which in FIRST):
        cells = results["first"][name][which]
        bare, added = cells["bare"], cells["added"]["median_us"]
        noise = bare["quartile_high_us"] - bare["quartile_low_us"]
        if added > noise:
            said = FIRST[which].partition(",")[0] + (" that is late" if which == "late" else "")
            found.append(f"MISSED: {name}: {said} {added:.0f} µs later, quartiles of bare {noise:.0f} µs apart")
    return found


def draw(results: dict[str, Any], path: Path) -> None:
    """Medians as bars, quartiles as whiskers: each piece, the first byte, the memory."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [name for name in ("pieces", "first", "memory") if results.get(name)]
    figure, grid = plt.subplots(1, len(shown), figsize=(5.4 * len(shown), 4.4), squeeze=False, layout="constrained")
    for panel, name in zip(grid.flat, shown, strict=True):
        {"pieces": _draw_pieces, "first": _draw_first, "memory": _draw_memory}[name](panel, results[name])
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _bars(panel: Any, names: list[str], groups: dict[str, list[dict[str, float]]]) -> None:
    """A group of bars for each name."""
    height = 0.8 / len(groups)
    for number, (label, cells) in enumerate(groups.items()):
        middle = [cell["median_us"] for cell in cells]
        low = [max(0.0, cell["median_us"] - cell["quartile_low_us"]) for cell in cells]
        high = [max(0.0, cell["quartile_high_us"] - cell["median_us"]) for cell in cells]
        places = [at + height * (number - (len(groups) - 1) / 2) for at in range(len(names))]
        panel.barh(places, middle, height=height, xerr=[low, high], capsize=2, label=label)
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.legend(fontsize=8)


def _draw_pieces(panel: Any, results: dict[str, Any]) -> None:
    dialects = list(next(iter(results.values())))
    _bars(panel, list(results), {it: [cells[it]["added"] for cells in results.values()] for it in dialects})
    panel.axvline(MOST, color="#888888", lw=1, ls=":")
    panel.set_xlabel("CPU time added per piece, µs (dotted: the aim)")


def _draw_first(panel: Any, results: dict[str, Any]) -> None:
    labels = {"bare": "bare client", "ours": "anyint-resilience"}
    _bars(
        panel, list(results), {said: [it["at once"][side] for it in results.values()] for side, said in labels.items()}
    )
    panel.set_xlabel("time to the first byte, µs (median, quartiles)")


def _draw_memory(panel: Any, results: dict[str, Any]) -> None:
    rows = [(f"{name}, {column}", cell) for name, cells in results.items() for column, cell in cells.items()]
    places = range(len(rows))
    for shift, side, label in ((-0.2, "bare", "bare client"), (0.2, "ours", "anyint-resilience")):
        panel.barh([at + shift for at in places], [cell[side] for _, cell in rows], height=0.38, label=label)
    panel.set_yticks(places, [name for name, _ in rows], fontsize=7)
    panel.invert_yaxis()
    panel.set_xlabel("KiB for each of 1,000 open streams")
    panel.legend(fontsize=8)
