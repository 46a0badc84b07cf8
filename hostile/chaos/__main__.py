"""The command line: all surfaces, two side by side; or one part of that, in a process of its own.

Must not know what is judged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .plan import plan_of

__all__ = ["main"]

RESULT = Path(__file__).resolve().parent.parent / "results" / "chaos.json"
CALLS, BRIEF = 20_000, 200
SEED = 20_260_727
PACKAGES = "anyio h11 httpx httpcore httpx2 httpcore2 requests urllib3 aiohttp trio".split()
_MOST_SECONDS = 7200
_RUNNING: list[subprocess.Popen[str]] = []


def options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hostile.chaos", description="faults on the wire, and what must hold"
    )
    parser.add_argument("--brief", action="store_true", help=f"{BRIEF} calls on each surface")
    parser.add_argument("--calls", type=int, help=f"on each surface ({CALLS})")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--surfaces", default="", help="names with commas between; all by default")
    parser.add_argument("--at-once", type=int, default=2, help="surfaces side by side (2)")
    parser.add_argument(
        "--write", action="store_true", help="write hostile/results/chaos.json: of some surfaces, their rows"
    )
    parser.add_argument("--world", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ports", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def serve(seed: int, ports: int, first: int) -> None:
    """Be the other end."""
    from .world import World

    world = World(partial(plan_of, seed), ports=ports, first=first)
    asyncio.run(world.run(lambda: print(world.control_port, flush=True)))
    for odd in world.odd:
        print(f"the world: {odd}", file=sys.stderr)


def one(surface: str, seed: int, calls: int) -> dict[str, Any]:
    """Run a surface in a process of its own; return its row."""
    line = [sys.executable, "-m", "hostile.chaos", "--one", surface, "--seed", str(seed), "--calls", str(calls)]
    # In a session of its own: a busy system shares its processors out by session.
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        _RUNNING.append(process)
        late = threading.Timer(_MOST_SECONDS, process.kill)
        late.start()
        assert process.stdout is not None
        told = process.stdout.read()
        code = process.wait()
        late.cancel()
    if code not in (0, 1) or not told.strip():
        return {"surface": surface, "seed": seed, "violations": 1, "wrong": {"hang": int(code == 3)}, "exit": code}
    row: dict[str, Any] = json.loads(told.strip().splitlines()[-1])
    print(shown(row), flush=True)
    return row


def shown(row: dict[str, Any]) -> str:
    """Return a row for people."""
    names = "calls faults attempts survived good answers exceptions creates made duplicates violations seconds".split()
    return f"{row['surface']:>16}: " + ", ".join(f"{row.get(name, 0):,} {name}" for name in names)


def record(wish: argparse.Namespace, rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Return the whole result."""
    names = "calls faults attempts tries survived good answers exceptions creates made duplicates violations".split()
    faults: dict[str, int] = {}
    for row in rows:
        for name, count in row.get("by_fault", {}).items():
            faults[name] = faults.get(name, 0) + count
    return {
        "command": "nox -s chaos -- --write",
        "date": datetime.now(timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "seed": wish.seed,
        "seconds": round(seconds, 1),
        "figures": {name: sum(row.get(name, 0) for row in rows) for name in names},
        "by_fault": dict(sorted(faults.items())),
        "rows": rows,
    }


def others(wish: argparse.Namespace, names: list[str]) -> list[dict[str, Any]]:
    """Return the rows that stand in the result file of surfaces that were not run now, if they are to stay there."""
    if not (wish.write and wish.surfaces and RESULT.exists()):
        return []
    held = json.loads(RESULT.read_text(encoding="utf-8"))
    return [row for row in held["rows"] if row["surface"] not in names and row["seed"] == wish.seed]


def main() -> int:
    """Run what is wanted; 1 if anything did not hold."""
    wish = options()
    calls = wish.calls if wish.calls is not None else BRIEF if wish.brief else CALLS
    if wish.world:
        serve(wish.seed, wish.ports, wish.first)
        return 0
    from .surface import EVERY, run

    if wish.one:
        row = run(wish.one, wish.seed, calls)
        print(json.dumps(row), flush=True)
        return 1 if row["violations"] else 0
    names = [name for name in wish.surfaces.split(",") if name] or [str(it) for it in EVERY]
    began = time.monotonic()
    with ThreadPoolExecutor(wish.at_once) as pool:
        try:
            rows = list(pool.map(lambda name: one(name, wish.seed, calls), names))
        except KeyboardInterrupt:
            for process in _RUNNING:
                process.kill()  # which ends its other end too
            raise
    result = record(wish, [*others(wish, names), *rows], time.monotonic() - began)
    print(json.dumps(result["figures"]), f"{result['seconds']} s, seed {wish.seed}")
    if wish.write:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if result["figures"]["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
