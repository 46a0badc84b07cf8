"""A closed window: the gateway answers 429 with ``Retry-After: 2``. Who still goes there before the two seconds passed?

64 callers, each with one call after the other, and 50 new calls a second beside them, in one client process. From 1.5 s
on the gateway refuses everything for two seconds, and says for how many more. The sides take turns, in rounds. "In
flight" is what arrives within 0.1 s after the first refusal, and "wasted" what comes later, before the window opens.
The command exits non-zero when one of ours wastes anything, or a call of ours fails.

    python benchmarks/gate.py [--quick] [--rounds N] [--sides httpx,ours-httpx] [--write-readme]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from _load_run import Seen, chosen, command, conditions, percentile, picture_of, play, record, too_busy
from _load_sides import LABELS
from _report import markdown

SIDES = [
    *("httpx", "httpx-retries", "tenacity", "openai", "aiohttp-retry", "urllib3"),
    *("ours-httpx-sync", "ours-httpx", "ours-requests", "ours-aiohttp"),
]
CLOSES, LASTS, SERVICE = 1.5, 2.0, 0.1
LOAD = {"rate": 50.0, "callers": 64, "think": 0.5, "pause": 0.5, "seconds": 6.0, "drain": 12.0}
GRACE = 0.1  # seconds after the first refusal within which a request was on its way, or its sender not yet told
HEAD = (
    "side|new calls meanwhile|requests: in flight|wasted|wasted per 100 calls|failed calls, %|"
    "most requests in 0.1 s after|longest call, s"
)


def measured(seen: Seen) -> dict[str, Any]:
    """Measure one turn of one side."""
    came = [it[0] for it in seen.arrivals]
    first = next(it[0] for it in seen.arrivals if it[2] == 429)
    opens = first + LASTS
    meanwhile = sum(first <= call[0] < opens for call in seen.calls)
    wasted = sum(first + GRACE < at < opens for at in came)
    tenths = Counter(int((at - opens) / 0.1) for at in came if at >= opens)
    return {
        "meanwhile": meanwhile,
        "in_flight": sum(first < at <= first + GRACE for at in came),
        "wasted": wasted,
        "wasted_share": 100 * wasted / meanwhile,
        "failed": 100 * (len(seen.calls) - len(seen.good())) / len(seen.calls),
        "herd": max(tenths.values(), default=0),
        "longest": max(call[1] - call[0] for call in seen.good()),
        "p99": percentile([call[1] - call[0] for call in seen.good()], 0.99),
        "tenths": [sum(at <= it < at + 0.1 for it in came) for at in (tenth / 10 for tenth in range(60))],
    }


def _shown(values: list[float], places: int) -> str:
    middle, least, most = (f"{it:.{places}f}" for it in (median(values), min(values), max(values)))
    return middle if least == most else f"{middle} [{least}, {most}]"


def _row(runs: list[dict[str, Any]]) -> list[str]:
    places = {"meanwhile": 0, "in_flight": 0, "wasted": 0, "wasted_share": 0, "failed": 1, "herd": 0, "longest": 1}
    return [_shown([run[name] for run in runs], at) for name, at in places.items()]


def problems(side: str, runs: list[dict[str, Any]]) -> list[str]:
    """Everything that a side of ours must not show."""
    if not side.startswith("ours"):
        return []
    found = [("wasted requests", max(run["wasted"] for run in runs)), ("% failed", max(run["failed"] for run in runs))]
    return [f"MISSED: {LABELS[side]}: {value:.1f} {words}" for words, value in found if value]


def draw(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Requests at the gateway in each tenth of a second, one panel for each side."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    height = (len(results) + 1) // 2
    figure, grid = plt.subplots(height, 2, figsize=(12, 1.7 * height), sharex=True, squeeze=False, layout="constrained")
    for panel in list(grid.flat)[len(results) :]:
        panel.set_visible(False)
    for panel, (side, runs) in zip(grid.flat, results.items(), strict=False):
        tenths = runs[0]["tenths"]
        color = "#1b6ca8" if side.startswith("ours") else "#8a979f"
        panel.axvspan(CLOSES, CLOSES + LASTS, color="#f1e3d3")
        panel.bar([at / 10 for at in range(len(tenths))], tenths, width=0.1, align="edge", color=color)
        panel.set_title(f"{LABELS[side]}: {_shown([run['wasted'] for run in runs], 0)} wasted", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("seconds (shaded: everything is refused)")
    figure.supylabel("requests in 0.1 s")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> int:
    """Run the sides in turns; print, write, draw, judge."""
    parser = command("requests that go into a closed window", SIDES)
    parser.add_argument("--rounds", type=int, default=2)
    wish = parser.parse_args()
    sides, rounds = chosen(wish, SIDES), 1 if wish.quick else wish.rounds
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    world = {"kind": "closing", "service": SERVICE, "closes": CLOSES, "lasts": LASTS}
    said: list[str] = []
    for number in range(rounds):
        for side in sides:
            seen = play([side], {side: world}, LOAD, {"patience": 5.0}, 1)
            results[side].append(measured(seen[side]))
            said += [f"WRONG: {words}" for words in too_busy(seen)]
        print(f"round {number + 1} of {rounds} done", file=sys.stderr, flush=True)
    said += [words for side, runs in results.items() for words in problems(side, runs)]
    text = markdown([HEAD.split("|"), *([LABELS[side], *_row(runs)] for side, runs in results.items())])
    foot = (
        f"{LOAD['callers']} callers and {LOAD['rate']:.0f} new calls a second, refused for {LASTS:.0f} s; medians of "
        f"{rounds} rounds, in brackets the least and the most; "
        f"{', '.join(f'{name} {what}' for name, what in conditions().items())}."
    )
    text += f"\n\n{foot}" + "".join(f"\n\n{words}" for words in said)
    print(text)
    draw(results, picture_of("gate", wish))
    text += "\n\n![Requests at the gateway over time](results/gate.png)"
    record("gate", {"load": LOAD, "world": world, "grace": GRACE, "said": said, "results": results}, text, wish)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
