"""Slow shrink: the number of requests that a gateway takes at a time halves for 30 s. What do its callers make of it?

40 callers with one call after the other share a client process; the gateway takes 48 requests at a time, then 24, then
48 again, and answers 429 without a hint to any more. Throughput is held against what the gateway could have done;
Jain's index says how evenly the callers were served (1: all alike, 1/40: one had everything). Each side has a gateway
and a client process of its own; three sides run at the same time. With ``--sim`` it is a seeded simulation.

    python benchmarks/shrink.py [--sim] [--quick] [--sides httpx,ours-httpx] [--write-readme]
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from _load_run import Seen, chosen, command, conditions, percentile, picture_of, play, record, too_busy
from _load_sides import LABELS
from _report import markdown
from _shrink_world import ShrinkSpec, shrunk
from _sim_clients import Side, waits_of

from anyint_resilience import Guards

SIDES = ["httpx", "httpx-retries", "openai", "aiohttp-retry", "ours-httpx", "ours-aiohttp"]
TOGETHER = 3
SIM_SIDES = {
    "no retries": Side("none", waits=waits_of(1, 0.5)),
    "as the SDKs, 3 attempts": Side("sdk", waits=waits_of(3, 0.5)),
    "as tenacity, 4 attempts": Side("tenacity", waits=waits_of(4, 1.0, 60.0, plus=1.0)),
    "anyint-resilience, guards off": Side("off", guards=Guards.off()),
    "anyint-resilience": Side("ours"),
}
AFTER = 8.0  # seconds after it in which the way back is measured
HEAD = (
    "side|served of what it could, %|rejected requests, /s|failed calls, %|Jain's index|p99 of the good, s|"
    "served in 8 s after, %"
)
PLACES = {"served": 0, "rejected": 1, "failed": 1, "jain": 3, "p99": 1, "after": 0}


def measured(seen: Seen, spec: ShrinkSpec) -> dict[str, Any]:
    """Measure one side while the gateway bears less, and for a while after."""
    begins, ends, good = spec.begins, spec.ends, seen.good()
    made = [call for call in seen.calls if begins <= call[0] < ends]
    served = Counter(call[4] for call in good if begins <= call[1] < ends)
    later = sum(ends <= call[1] < ends + AFTER for call in good)
    squares = sum(number**2 for number in served.values())
    return {
        "served": 100 * sum(served.values()) / (spec.least / spec.service * (ends - begins)),
        "rejected": sum(it[2] == 429 and begins <= it[0] < ends for it in seen.arrivals) / (ends - begins),
        "failed": 100 * sum(call[2] != 200 for call in made) / len(made),
        "jain": sum(served.values()) ** 2 / (spec.callers * squares) if squares else 0.0,
        "p99": percentile([call[1] - call[0] for call in made if call[2] == 200], 0.99),
        "after": 100 * later / (min(spec.callers, spec.limit) / spec.service * AFTER),
        "seconds": [sum(at <= call[1] < at + 1 for call in good) for at in range(int(spec.seconds))],
    }


def _shown(values: list[float], places: int) -> str:
    middle, least, most = (f"{it:.{places}f}" for it in (median(values), min(values), max(values)))
    return middle if least == most else f"{middle} [{least}, {most}]"


def draw(results: dict[str, dict[str, Any]], spec: ShrinkSpec, path: Path) -> None:
    """Good answers a second, and what could have been."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panel = plt.subplots(figsize=(11, 4.6), layout="constrained")
    could = [min(spec.callers, spec.bears(at)) / spec.service for at in range(int(spec.seconds))]
    panel.step(range(len(could)), could, where="post", color="#888888", lw=1, label="could have been")
    for label, run in results.items():
        style = {"lw": 2.2} if label.startswith("anyint") else {"lw": 1.0, "alpha": 0.85}
        panel.plot(range(len(run["seconds"])), run["seconds"], label=label, **style)
    panel.set(xlabel="seconds", ylabel="good answers a second", ylim=(0, None))
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=8, loc="lower right", ncols=2)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def simulate(spec: ShrinkSpec, seeds: int) -> dict[str, list[dict[str, Any]]]:
    """Run all sides in the simulation, with each seed."""
    logging.disable()
    found: dict[str, list[dict[str, Any]]] = {}
    for label, side in SIM_SIDES.items():
        each = [ShrinkSpec(**{**asdict(spec), "seed": seed + 1}) for seed in range(seeds)]
        found[label] = [measured(Seen(*shrunk(it, side)), it) for it in each]
    return found


def loopback(spec: ShrinkSpec, sides: list[str], said: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Run the sides, some at a time."""
    world = {"kind": "shrinking", "service": spec.service, "limit": spec.limit, "least": spec.least}
    world |= {"shrunk": [spec.begins, spec.ends]}
    load = {"callers": spec.callers, "think": 0.0, "pause": spec.pause, "seconds": spec.seconds, "drain": 6.0}
    found: dict[str, list[dict[str, Any]]] = {}
    for at in range(0, len(sides), TOGETHER):
        some = sides[at : at + TOGETHER]
        seen = play(some, dict.fromkeys(some, world), load, {"patience": 5.0}, 1)
        found |= {LABELS[side]: [measured(it, spec)] for side, it in seen.items()}
        said += [f"WRONG: {words}" for words in too_busy(seen)]
        print(f"{', '.join(some)} done", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Run what is wanted; print, write, draw."""
    parser = command("a gateway that bears half as much for 30 s", SIDES)
    parser.add_argument("--sim", action="store_true", help="the simulation, not loopback")
    parser.add_argument("--seeds", type=int, default=5, help="of the simulation")
    wish = parser.parse_args()
    spec = ShrinkSpec(begins=4.0, ends=12.0, seconds=21.0) if wish.quick and not wish.sim else ShrinkSpec()
    said: list[str] = []
    results = simulate(spec, wish.seeds) if wish.sim else loopback(spec, chosen(wish, SIDES), said)
    rows = [
        [label, *(_shown([run[name] for run in runs], places) for name, places in PLACES.items())]
        for label, runs in results.items()
    ]
    about = f"medians of {wish.seeds} seeds, in brackets the least and the most" if wish.sim else ""
    about = about or ", ".join(f"{name} {what}" for name, what in conditions().items())
    text = (
        f"{markdown([HEAD.split('|'), *rows])}\n\n{spec.callers} callers; {spec.limit} requests at a time, "
        f"{spec.least} for {spec.ends - spec.begins:.0f} s; a request takes {spec.service} s; {about}."
    ) + "".join(f"\n\n{words}" for words in said)
    print(text)
    name = "shrink_sim" if wish.sim else "shrink"
    draw({label: runs[0] for label, runs in results.items()}, spec, picture_of(name, wish))
    text += f"\n\n![Good answers a second](results/{name}.png)"
    record(name, {"spec": asdict(spec), "said": said, "results": results}, text, wish)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
