"""A primary model that comes and goes, with a fallback to another one: who is served meanwhile, and who goes back?

Up for 10 s and down for 5 s, three times; 20 calls a second that do not wait for each other, in one client process. In
one world "down" is a prompt 503, in the other silence, and 0.5 s are allowed for the first byte. Each side has a
gateway and a client of its own, all run at the same time. The command exits non-zero when a call of ours was
not served.

    python benchmarks/fallback.py [--quick] [--sides openai-else,ours-httpx] [--write-readme]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from _load_gateway import MODEL, OTHER_MODEL
from _load_run import Seen, chosen, command, conditions, percentile, picture_of, play, record, too_busy
from _load_sides import LABELS
from _report import markdown

SIDES = ["openai-else", "openai-0-else", "ours-httpx", "ours-aiohttp"]
WORLDS = {"503": False, "silence": True}
UP, DOWN, TIMES = 10.0, 5.0, 3
RATE, SERVICE, FIRST_BYTE, PATIENCE = 20.0, 0.05, 0.5, 10.0
HEAD = (
    "world, side|served in the outages, %|failed in all|slower in the outages, p50, s|p99, s|"
    "first call on the primary after, s|last call on the other after, s|requests to the primary that was down"
)


def spans(up: float, down: float, times: int) -> list[list[float]]:
    """Return the outages, from and to."""
    return [[number * (up + down) + up, (number + 1) * (up + down)] for number in range(times)]


def measured(seen: Seen, outages: list[list[float]], up: float) -> dict[str, Any]:
    """Measure one side. Calls of the second before an outage may be caught by it, so they are none of the healthy."""
    during = [call for call in seen.calls if any(begun <= call[0] < end for begun, end in outages)]
    healthy = [call[1] - call[0] for call in seen.good() if call[0] < outages[0][0] - 1]
    slow = [call[1] - call[0] for call in during if call[2] == 200]
    first, last = [], []
    for _, end in outages:
        after = [call for call in seen.good() if end <= call[0] < end + up - 1]
        first.append(min((call[0] - end for call in after if call[3] == MODEL), default=float("inf")))
        last.append(max((call[0] - end for call in after if call[3] == OTHER_MODEL), default=0.0))
    asked = [it for it in seen.arrivals if it[1] == MODEL and any(begun <= it[0] < end for begun, end in outages)]
    return {
        "calls": len(during),
        "served": 100 * len(slow) / len(during),
        "failed": len(seen.calls) - len(seen.good()),
        "p50": percentile(slow, 0.5) - percentile(healthy, 0.5),
        "p99": percentile(slow, 0.99) - percentile(healthy, 0.99),
        "first": max(first),
        "last": max(last),
        "asked": len(asked),
        "points": [[call[0], call[1] - call[0], call[3]] for call in seen.good()],
    }


def _row(run: dict[str, Any]) -> list[str]:
    places = {"served": 1, "failed": 0, "p50": 2, "p99": 2, "first": 1, "last": 1}
    cells = [f"{run[name]:.{at}f}" for name, at in places.items()]
    return [*cells, f"{run['asked']} of {run['calls']} calls"]


def draw(results: dict[str, dict[str, dict[str, Any]]], outages: list[list[float]], path: Path) -> None:
    """Each call's latency when it began, and which model served it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    worlds, sides = list(results), list(next(iter(results.values())))
    figure, grid = plt.subplots(
        len(sides), len(worlds), figsize=(13, 1.9 * len(sides)), sharex=True, squeeze=False, layout="constrained"
    )
    for at, world in enumerate(worlds):
        for number, side in enumerate(sides):
            panel = grid[number][at]
            for begun, end in outages:
                panel.axvspan(begun, end, color="#eeeeee")
            for model, color in ((MODEL, "#1b6ca8"), (OTHER_MODEL, "#e0a030")):
                points = [it for it in results[world][side]["points"] if it[2] == model]
                panel.plot([it[0] for it in points], [it[1] for it in points], ".", ms=3, color=color, label=model)
            panel.set_yscale("log")
            panel.set_title(f"{world}: {LABELS[side]}", fontsize=9)
            panel.spines[["top", "right"]].set_visible(False)
    grid[0][0].legend(fontsize=8, loc="upper left")
    figure.supxlabel("seconds (grey: the primary is down)")
    figure.supylabel("seconds that a call took")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> int:
    """Run the sides in both worlds; print, write, draw, judge."""
    wish = command("a primary that comes and goes", SIDES).parse_args()
    up, down, times = (4.0, 3.0, 2) if wish.quick else (UP, DOWN, TIMES)
    sides, outages = chosen(wish, SIDES), spans(up, down, times)
    results: dict[str, dict[str, dict[str, Any]]] = {}
    said: list[str] = []
    for name, silent in WORLDS.items():
        world = {"kind": "flapping", "service": SERVICE, "down": outages, "silent": silent}
        load = {"rate": RATE, "seconds": outages[-1][1] + up, "drain": 12.0}
        settings = {"patience": PATIENCE, "fallback": True, "first_byte": FIRST_BYTE if silent else None}
        seen = play(sides, dict.fromkeys(sides, world), load, settings, 1)
        results[name] = {side: measured(it, outages, up) for side, it in seen.items()}
        said += [f"WRONG: {name}: {words}" for words in too_busy(seen)]
        for side, run in results[name].items():
            if side.startswith("ours") and run["served"] < 100:
                said.append(f"MISSED: {name}: {LABELS[side]}: {run['served']:.1f} % served in the outages (aim: all)")
        print(f"{name} done", file=sys.stderr, flush=True)
    rows = [[f"{name}, {LABELS[side]}", *_row(run)] for name, found in results.items() for side, run in found.items()]
    foot = (
        f"Up {up:.0f} s, down {down:.0f} s, {times} times; {RATE:.0f} calls a second that take {SERVICE} s; "
        f"{', '.join(f'{name} {what}' for name, what in conditions().items())}."
    )
    text = f"{markdown([HEAD.split('|'), *rows])}\n\n{foot}" + "".join(f"\n\n{words}" for words in said)
    print(text)
    draw(results, outages, picture_of("fallback", wish))
    text += "\n\n![Latency of each call, and who served it](results/fallback.png)"
    bare = {  # without every call's point: the picture has them
        name: {side: {key: it for key, it in run.items() if key != "points"} for side, run in found.items()}
        for name, found in results.items()
    }
    record("fallback", {"outages": outages, "said": said, "results": bare}, text, wish)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
