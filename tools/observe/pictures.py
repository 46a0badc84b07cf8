"""Draws what was seen: the main panels over the time of the load, and a trace as a waterfall. PNG files for the docs.

Must not know how anything was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from findings import Finding
from programs import Problem
from queries import WINDOW
from show import short
from traces import Row, Trace

__all__ = ["PANELS", "draw_panels", "draw_waterfall"]

PANELS = (
    "Calls by outcome",
    "Attempts per call",
    "Failures by cause",
    "Retries by cause",
    "Waiting by reason",
    "Call duration",
    "Streams by outcome",
    "Duplicates prevented",
)
"""The panels of the dashboard that are drawn, by title."""

# Told apart with any kind of colour vision (after Okabe and Ito); a name has one colour in all panels.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D00", "#555555", "#AAAAAA")
NAMED = {
    "success": "#009E73",
    "failed": "#D55E00",
    "error": "#7A1F00",
    "unknown": "#CC79A7",
    "held_back": "#5E3C99",
    "replayed": "#0072B2",
    "late": "#E69F00",
    "cancelled": "#888888",
    "abandoned": "#C4C4C4",
    "interrupted": "#56B4E9",
    "transient": "#0072B2",
    "rate": "#E69F00",
    "server": "#7A1F00",
    "quota": "#CC79A7",
    "auth": "#D55E00",
    "permission": "#56B4E9",
    "model": "#5E3C99",
    "invalid": "#888888",
    "hint rate": "#E69F00",
    "backoff rate": "#8C6D00",
    "backoff transient": "#0072B2",
    "backoff server": "#7A1F00",
}
UNITS = {"reqps": "per second", "s": "seconds", "none": "", "short": f"in {WINDOW}"}
STACKED = {"Calls by outcome", "Failures by cause", "Retries by cause", "Waiting by reason", "Streams by outcome"}
STEPPED = {"Duplicates prevented"}
SPAN = {"INTERNAL": "#56B4E9", "CLIENT": "#0072B2"}
ROOT_SPAN, FAILED = "#999999", "#D55E00"
MARK: dict[str, Any] = {"marker": "D", "color": "#F0E442", "markeredgecolor": "#333333", "markersize": 5, "ls": ""}
DETAIL = 0.72  # height of a line that says more, beside 1 for a span
Line = tuple[str, list[float], list[float]]


def draw_panels(found: Iterable[Finding], phases: Sequence[tuple[str, float, float]], path: Path) -> None:
    """Draw the main panels, the phases of the load shaded behind them."""
    plt = _pyplot()
    by_title: dict[str, list[Finding]] = {}
    for finding in found:
        by_title.setdefault(finding.query.title, []).append(finding)
    origin, end = phases[0][1], phases[-1][2]
    rows = len(PANELS) // 2
    figure, grid = plt.subplots(rows, 2, figsize=(13, 3.1 * rows), layout="constrained")
    figure.get_layout_engine().set(hspace=0.06, wspace=0.03)
    for axes, title in zip(grid.flat, PANELS, strict=True):
        if title not in by_title:
            raise Problem(f"the dashboard has no panel {title!r} to draw")
        _panel(axes, title, by_title[title], origin)
        for number, (name, began, ended) in enumerate(phases):
            axes.axvspan(began - origin, ended - origin, color="#000000", alpha=0.05 if number % 2 else 0, lw=0)
            place = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
            axes.text((began + ended) / 2 - origin, 1.0, name, fontsize=8, color="#666666", **place)
        axes.set_xlim(0, end - origin)
    figure.supxlabel("seconds of the load", fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axes: Any, title: str, found: Sequence[Finding], origin: float) -> None:
    """Draw one panel; what was zero all the time is left out."""
    lines = [
        (finding.query.name_of(labels) or title, [at - origin for at, _ in points], [value for _, value in points])
        for finding in found
        for labels, points in finding.series
        if any(value for _, value in points)
    ]
    if title in STACKED and lines:
        _stack(axes, sorted(lines, key=lambda line: -sum(line[2])))
    for number, (name, times, values) in enumerate(() if title in STACKED else lines):
        colour = NAMED.get(name, COLOURS[number % len(COLOURS)])
        style = "steps-post" if title in STEPPED else "default"
        axes.plot(times, values, label=name, color=colour, lw=1.8, drawstyle=style)
    query = found[0].query
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=16)
    axes.set_ylabel(UNITS.get(query.unit, query.unit), fontsize=9)
    axes.set_ylim(bottom=query.least)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    order = slice(None, None, -1 if title in STACKED else 1)  # as they lie on each other
    place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.3}
    axes.legend(handles[order], names[order], fontsize=8, frameon=False, **place)


def _stack(axes: Any, lines: Sequence[Line]) -> None:
    """Lay lines on each other; where one has no value it adds nothing."""
    times = sorted({at for _, xs, _ in lines for at in xs})
    values = [dict(zip(xs, ys, strict=True)) for _, xs, ys in lines]
    heights = [[known.get(at, 0.0) for at in times] for known in values]
    names = [name for name, _, _ in lines]
    colours = [NAMED.get(name, COLOURS[at % len(COLOURS)]) for at, name in enumerate(names)]
    axes.stackplot(times, heights, labels=names, colors=colours, lw=0)


def draw_waterfall(traces: Sequence[Trace], path: Path) -> None:
    """Draw each trace: a bar for each span, diamonds for events, what a span says in words beside it."""
    plt = _pyplot()
    heights = [sum(_height(row) for row in trace.rows) for trace in traces]
    size = (13, 0.25 * sum(heights) + 0.75 * len(traces))
    figure, grid = plt.subplots(
        len(traces), 1, figsize=size, layout="constrained", squeeze=False, height_ratios=heights
    )
    figure.get_layout_engine().set(hspace=0.05)
    for axes, trace in zip(grid.flat, traces, strict=True):
        _one_waterfall(axes, trace)
    _legend(figure)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colours = {"the application": ROOT_SPAN, "a call": SPAN["INTERNAL"], "an attempt": SPAN["CLIENT"], "failed": FAILED}
    handles: list[Any] = [Patch(color=colour, label=name) for name, colour in colours.items()]
    handles.append(Line2D([], [], label="an event", **MARK))
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles), fontsize=8, frameon=False)


def _words(row: Row) -> list[str]:
    """What stands below a span's name: what it says, its events."""
    said = [short(row.attributes)] if row.attributes else []
    return said + [f"◆ {at:.3f} s  {name}  {short(more)}" for at, name, more in row.events]


def _height(row: Row) -> float:
    return 1.1 + DETAIL * len(_words(row))


def _one_waterfall(axes: Any, trace: Trace) -> None:
    top, left = 0.0, -1.38 * trace.seconds
    for row in trace.rows:
        colour = ROOT_SPAN if row.depth == 0 else FAILED if row.failed else SPAN.get(row.kind, COLOURS[0])
        middle = top + 0.5
        axes.barh(middle, max(row.end - row.start, trace.seconds / 400), left=row.start, height=0.62, color=colour)
        axes.text(row.end + trace.seconds * 0.02, middle, f"{row.end - row.start:.3f} s", va="center", fontsize=8)
        indent = "    " * row.depth
        axes.text(left, middle, indent + row.name, va="center", fontsize=9, fontweight="bold")
        for number, text in enumerate(_words(row)):
            place = middle + 0.85 + DETAIL * number
            axes.text(left, place, f"{indent}  {text}", va="center", fontsize=7.5, color="#444444")
        axes.plot([at for at, _, _ in row.events], [middle] * len(row.events), **MARK)
        top += _height(row)
    axes.set_ylim(top, 0)
    axes.set_xlim(left, trace.seconds * 1.1)
    axes.set_yticks([])
    axes.set_xticks([at for at in axes.get_xticks() if 0 <= at <= trace.seconds])
    axes.xaxis.set_major_formatter("{x:g} s")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_bounds(0, trace.seconds)
    axes.grid(axis="x", color="#DDDDDD", lw=0.6)
    axes.set_axisbelow(True)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt
