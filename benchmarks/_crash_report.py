"""How crash.py shows what it found: a table and a plot, by the step at which the process died.

Must not know how anything is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from _crash_run import kind_of_kill
from _report import markdown

__all__ = ["counts", "draw", "problems", "table", "totals"]

FATES = ("absent", "rejected", "unknown", "committed")
COLORS = {"absent": "#d9d9d9", "rejected": "#8fb8de", "unknown": "#e0a030", "committed": "#1b6ca8"}
WORDS = {"absent": "not begun", "rejected": "rejected", "unknown": "unknown", "committed": "committed"}


def problems(results: list[dict[str, Any]], wanted: Collection[str]) -> list[str]:
    """Everything that must not be; ``wanted``: the steps that must have been died at."""
    found = [f"run {it['number']} ({it['kill']}, {it['client']}): {what}" for it in results for what in it["problems"]]
    died = {it["kill"] for it in results if not it["never"]}
    return [*found, *(f"no run died at: {kill}" for kill in sorted(set(wanted) - died))]


def _grouped(results: list[dict[str, Any]], *, whole: bool) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for it in sorted(results, key=lambda it: it["kill"]):
        groups.setdefault(it["kill"] if whole else kind_of_kill(it["kill"]), []).append(it)
    return groups


def table(results: list[dict[str, Any]], *, whole: bool) -> str:
    """One line per step, or per kind of step: the fate of the create that was out, and of all of them."""
    rows = [
        [
            "the process dies",
            "runs",
            *(f"{WORDS[name]}" for name in FATES),
            "between creates",
            "all creates: " + " / ".join(WORDS[name] for name in FATES),
            "wrong",
        ]
    ]
    for name, runs in _grouped(results, whole=whole).items():
        out = Counter(it["at_death"] for it in runs)
        fates = Counter(fate for it in runs for fate in it["fates"])
        wrong = sum(bool(it["problems"]) for it in runs)
        whole_of_it = " / ".join(f"{fates[fate]:,}" for fate in FATES)
        rows.append(
            [name, str(len(runs)), *(str(out[fate]) for fate in FATES), str(out["none"]), whole_of_it, str(wrong)]
        )
    return markdown(rows)


def counts(results: list[dict[str, Any]]) -> dict[str, Any]:
    """All of it as a document, by step: the fate of the create that was out, of all creates, and what was wrong."""
    return {
        name: {
            "runs": len(runs),
            "at_death": Counter(it["at_death"] for it in runs),
            "all": Counter(fate for it in runs for fate in it["fates"]),
            "wrong": sum(bool(it["problems"]) for it in runs),
        }
        for name, runs in _grouped(results, whole=True).items()
    }


def totals(results: list[dict[str, Any]]) -> str:
    """The sums, in one line."""
    fates = Counter(fate for it in results for fate in it["fates"])
    counts = ", ".join(f"{fates[name]:,} {WORDS[name]}" for name in FATES)
    wrong = sum(len(it["problems"]) for it in results)
    never = sum(it["never"] for it in results)
    late = f"; {never} runs never passed their step and died at their end" if never else ""
    return f"{len(results)} runs, {sum(fates.values()):,} creates: {counts}; {wrong} problems{late}"


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """One bar per kind of step: the fates of the creates that were out when the process died."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    groups = _grouped(results, whole=False)
    figure, panel = plt.subplots(figsize=(10, 1.6 + 0.36 * len(groups)), layout="constrained")
    left = [0.0] * len(groups)
    for fate in FATES:
        share = [100 * sum(it["at_death"] == fate for it in runs) / len(runs) for runs in groups.values()]
        panel.barh([*groups], share, left=left, color=COLORS[fate], label=WORDS[fate])
        left = [one + other for one, other in zip(left, share, strict=True)]
    panel.invert_yaxis()
    panel.set_xlim(0, 100)
    panel.set_xlabel("share of the runs, % (the rest died between creates, or waiting)")
    panel.set_title(f"What the ledger says of the create that was out\n{totals(results)}", fontsize=10)
    panel.legend(loc="lower right", ncols=2)
    panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
