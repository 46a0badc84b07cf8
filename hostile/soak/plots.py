"""Pictures of what was sampled, one for each measure and a line for each kind of process; must not judge."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .run import Notes

__all__ = ["draw"]

PICTURES: Final = {
    "memory": (("rss_mib", "resident memory, MiB"), ("children.rss_mib", "the same, mean of the workers below")),
    "sockets": (("sockets", "open sockets"), ("children.sockets", "the same, mean of the workers below")),
    "threads": (("threads", "threads"), ("tasks", "tasks of event loops")),
    "stores": (("rows", "rows in SQLite"), ("keys", "keys in Redis"), ("clients", "connections to Redis")),
}
"""Name of the file: its panels, each a measure and what it is called."""
_SHOWN: Final = 800
_LEFT_OUT: Final = frozenset({"asker"})
_COME_AND_GO: Final = ("forks", "spawn")
"""Kinds whose workers are too short-lived for a line of their own."""


def draw(notes: Notes, folder: Path) -> list[Path]:
    """Draw ``soak_NAME.png`` for each of these."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawn = []
    kinds = [kind for kind in notes.series if kind not in _LEFT_OUT]
    colors = {kind: plt.get_cmap("tab20")(number % 20) for number, kind in enumerate(kinds)}
    for name, panels in PICTURES.items():
        figure, axes = plt.subplots(1, len(panels), figsize=(5.5 * len(panels), 4.8), layout="constrained")
        for axis, (measure, title) in zip(axes, panels, strict=True):
            for kind, measures in notes.series.items():
                series = measures.get(measure, [])
                passing = measure.startswith("children.") and kind.startswith(_COME_AND_GO)
                if kind in _LEFT_OUT or passing or not series:
                    continue
                start = series[0][0]
                thinned = series[:: max(1, len(series) // _SHOWN)]
                axis.plot(
                    [(at - start) / 60 for at, _ in thinned],
                    [value for _, value in thinned],
                    label=kind,
                    lw=1,
                    c=colors[kind],
                )
            axis.set_title(title)
            axis.set_xlabel("minutes")
            axis.set_ylim(bottom=0)
            axis.spines[["top", "right"]].set_visible(False)
            axis.legend(fontsize=7, ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13))
        path = folder / f"soak_{name}.png"
        figure.savefig(path, dpi=70)
        plt.close(figure)
        drawn.append(path)
    return drawn
