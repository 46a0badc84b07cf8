"""How duplicates.py shows what it counted: a table and a plot.

Must not know how anything is counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _dup_sides import LAYERS, UNKNOWN
from _report import markdown

__all__ = ["draw", "table", "totals"]

HEAD = "per 1,000 creates|creates in all|duplicates|lost|requests|told ok|OutcomeUnknown|of these done"
OURS, THEIRS = "#1b6ca8", "#b8c4cc"


def _label(side: str) -> str:
    client, _, layer = side.partition(":")
    named = {"openai": "openai SDK", "openai-async": "openai SDK async"}.get(client, client.replace("-", " "))
    return f"{named} alone" if layer == "alone" else f"{named} + {LAYERS[layer]}"


def _rate(number: float, creates: int) -> str:
    """A number of creates, for each 1,000 of them."""
    each = 1000 * number / creates
    return f"{each:,.0f}" if each == int(each) or each >= 10 else f"{each:.2f}"


def table(results: dict[str, Any]) -> str:
    """One line per side; all but the creates in figures per 1,000 of them."""
    rows = [[*HEAD.split("|"), "told otherwise"]]
    for side, result in results.items():
        creates, told = result["creates"], result["told"]
        good, unknown = told.get("ok", 0), told.get(UNKNOWN, 0)
        done = f"{100 * result['unknown_with_task'] / unknown:.1f} %" if unknown else "-"
        rates = [_rate(result[name], creates) for name in ("duplicates", "lost", "requests")]
        ends = [_rate(good, creates), _rate(unknown, creates), done, _rate(creates - good - unknown, creates)]
        rows.append([_label(side), f"{creates:,}", *rates, *ends])
    return markdown(rows)


def totals(results: dict[str, Any]) -> str:
    """All duplicates of our sides and of the others, in one line."""
    words = []
    for name, mine in (("anyint-resilience", True), ("others", False)):
        found = [result for side, result in results.items() if side.endswith(":ours") is mine]
        if found:
            twice, creates = (sum(result[key] for result in found) for key in ("duplicates", "creates"))
            words.append(f"{name}: {twice:,} duplicates in {creates:,} creates")
    return "; ".join(words)


def draw(results: dict[str, Any], path: Path) -> None:
    """One bar per side, from the top in the table's order: duplicates per 1,000 creates, the totals beside it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panel = plt.subplots(figsize=(11, 1.4 + 0.34 * len(results)), layout="constrained")
    at, places, client = 0.0, [], None
    for side in results:
        here = side.partition(":")[0]
        at += 1.0 if here == client or client is None else 1.6  # a gap between clients
        client = here
        places.append(at)
    rates = [1000 * result["duplicates"] / result["creates"] for result in results.values()]
    colors = [OURS if side.endswith(":ours") else THEIRS for side in results]
    bars = panel.barh(places, rates, color=colors, height=0.8)
    counts = [f"{result['duplicates']:,} in {result['creates']:,} creates" for result in results.values()]
    for text, color in zip(panel.bar_label(bars, counts, padding=6), colors, strict=True):
        text.set_color(OURS if color == OURS else "#333333")
    panel.set_yticks(places, [_label(side) for side in results])
    for tick, color in zip(panel.get_yticklabels(), colors, strict=True):
        tick.set_color(OURS if color == OURS else "#333333")
    panel.invert_yaxis()
    panel.set_xlim(0, max([*rates, 1.0]) * 1.3)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_xlabel("tasks created and paid for beyond the first, per 1,000 creates")
    panel.set_title(
        "The work is done, its answer lost four times in five; a retry layer of 3 attempts outside\n" + totals(results)
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
