"""``python -m hostile.soak [--brief | --seconds N] [--seed N] [--write]``: runs, judges, tells, keeps.

Must not know how a call is made. The exit code says whether anything broke: a series that is not flat, a create paid
twice, a lost answer, an exception or an error answer that no fault explains, a process that ended as it should not.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.redis_server import missing

from .account import Account, account
from .judge import BOUNDS, Verdict, judge
from .run import KINDS, Notes, Plan, run

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
FULL, BRIEF = 1800.0, 120.0
SEED: Final = 20_261_127
WARM: Final = 0.33
"""The share of the run in which pools, caches and what the ledger remembers come to rest."""
PACKAGES: Final = "aiohttp celery gunicorn httpx httpx2 redis requests trio uvicorn anyio opentelemetry-api".split()
NOT_JUDGED: Final = {
    "gateway": "it keeps a log of all that it saw",
    "asker": "it is not ours",
}
RECYCLED: Final = {"gunicorn": "workers recycled", "celery": "workers recycled"}
BELOW: Final = frozenset({"gunicorn", "uvicorn", "celery"})
"""Kinds whose workers are judged too; those of others come and go."""


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hostile.soak", description="half an hour of everything at once")
    parser.add_argument("--brief", action="store_true", help="two minutes")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", action="store_true", help="keep figures and pictures in hostile/results")
    parser.add_argument("--keep", help="a folder for what the processes write down; else it goes")
    parser.add_argument("--only", help="kinds of processes, with commas")
    leaks = ("memory", "blocks", "sockets", "threads")
    parser.add_argument("--plant", choices=leaks, default="", help="leak on purpose: the run must fail")
    return parser.parse_args()


def verdicts(notes: Notes, seconds: float) -> dict[tuple[str, str], Verdict]:
    """Judge every series for which there is a bound."""
    found = {}
    for kind, measures in notes.series.items():
        if kind in NOT_JUDGED:
            continue
        for name, series in measures.items():
            below, measure = name.startswith("children."), name.removeprefix("children.")
            if measure in BOUNDS and (not below or kind in BELOW):
                found[kind, name] = judge(series, BOUNDS[measure], warm=WARM * seconds)
    return found


def figures(notes: Notes, told: Account, judged: dict[tuple[str, str], Verdict]) -> dict[str, float]:
    """Return the figures of the run."""
    words = told.words
    made = notes.log["made"]
    ends = sum(told.ends.values(), start=type(words)())
    return {
        "calls": sum(told.calls.values()),
        "requests": notes.log["requests"],
        "faults met": notes.log["faults"],
        "paid creates": len(made),
        "creates paid twice": len(told.duplicates),
        "lost answers": len(told.lost),
        "not expected": len(told.unexpected),
        "ended good": ends["200"],
        "outcome unknown": ends["OutcomeUnknown"],
        "forks": words["fork"],
        "spawned": words["spawn"],
        "killed": sum(count for word, count in words.items() if word.startswith("killed ")),
        "gunicorn workers": len(told.pids["gunicorn"]) - 1,
        "celery workers": len(told.pids["celery"]) - 1,
        "processes that made calls": sum(len(pids) for pids in told.pids.values()),
        "series judged": len(judged),
        "series not flat": sum(not it.flat for it in judged.values()),
        "processes left behind": notes.left,
        "connections left open": notes.connections_left,
        "longest call, s": round(told.longest[0], 1),
        "not recorded": told.not_recorded,
        "store failures": notes.events.get("store failure", 0),
        "cores used": round(notes.cores, 2),
    }


def rows(told: Account, judged: dict[tuple[str, str], Verdict], notes: Notes) -> list[dict[str, Any]]:
    """Return one row for each kind of process: its calls, ends, and each series from its first third to its last."""
    kinds = dict.fromkeys([*KINDS, *(kind for kind, _ in judged)])
    found = []
    for kind in kinds:
        series = {name: it for (of, name), it in judged.items() if of == kind}
        shown = {
            name: {"first": round(it.first, 2), "last": round(it.last, 2), "may grow": round(it.allowed, 2)}
            for name, it in series.items()
        }
        flat = all(it.flat for it in series.values())
        calls = told.calls.get(kind, 0)
        ends = dict(told.ends[kind].most_common()) if kind in told.ends else {}
        pids = len(told.pids.get(kind, ()))
        found.append({"kind": kind, "calls": calls, "pids": pids, "flat": flat, "ends": ends, "series": shown})
    return found


def broken(notes: Notes, told: Account, judged: dict[tuple[str, str], Verdict], plan: Plan) -> list[str]:
    """Return all that broke."""
    found = [*notes.broken, *told.problems()]
    found += [f"{kind}: {name} is not flat: {it}" for (kind, name), it in judged.items() if not it.flat]
    found += [f"{kind} made no call" for kind in plan.kinds if kind != "asker" and not told.calls[kind]]
    for kind in RECYCLED:
        if kind in plan.kinds and len(told.pids[kind]) < 4:
            found.append(f"{kind}: no worker was recycled")
    return found


def write(wish: argparse.Namespace, notes: Notes, record: dict[str, Any]) -> None:
    """Keep the figures and the pictures."""
    from .plots import draw

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "soak.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for path in draw(notes, RESULTS):
        print(f"{path.name}: {path.stat().st_size // 1024} KB")


def main() -> int:
    """Run, judge, tell, keep."""
    if not Path("/proc/self/fd").is_dir():
        print("the soak counts sockets in /proc: it needs Linux")
        return 2
    if missing():
        print(missing())
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    wish = options()
    seconds = wish.seconds if wish.seconds is not None else BRIEF if wish.brief else FULL
    kinds = tuple(wish.only.split(",")) if wish.only else tuple(KINDS)
    every = 4.0 if seconds > 300 else 2.0
    plan = Plan(seconds=seconds, seed=wish.seed, plant=wish.plant, kinds=kinds, every=every, keep=wish.keep)
    began = time.monotonic()
    notes = run(plan)
    told = account(dict(notes.journals), notes.log)
    judged = verdicts(notes, seconds)
    problems = broken(notes, told, judged, plan)
    numbers = figures(notes, told, judged)
    for (kind, name), it in judged.items():
        print(f"{kind:14} {name:18} {'flat' if it.flat else 'NOT FLAT'}: {it}")
    for name, number in numbers.items():
        print(f"{name:26} {number:,}")
    print(f"faults {notes.log['met']}\nevents {notes.events}")
    print("ends " + json.dumps({kind: dict(ends.most_common()) for kind, ends in told.ends.items()}))
    print(f"{'BROKEN' if problems else 'nothing broke'} in {time.monotonic() - began:.0f} s")
    for problem in problems:
        print(f"- {problem}")
    if wish.write:
        record = {
            "command": f"python -m hostile.soak --seconds {seconds:.0f} --seed {plan.seed}",
            "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in PACKAGES},
            "seed": plan.seed,
            "seconds": seconds,
            "figures": numbers,
            "faults": notes.log["met"],
            "events": notes.events,
            "bounds": {name: [it.absolute, it.share] for name, it in BOUNDS.items()},
            "broken": problems,
            "rows": rows(told, judged, notes),
        }
        write(wish, notes, record)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
