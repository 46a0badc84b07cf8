"""``python -m hostile.fuzz [TARGET...] --seconds 600 --seed 1``: fuzz, two targets at a time, and say what came of it.

Exits with 1 where anything broke: the input that did it is kept beside the results, and its error is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from .corpora import kept
from .running import HERE, Run, finished, scratch, started
from .targets import TARGETS, target

__all__ = ["main"]

BRIEF: Final = 5
"""Seconds for each target, in CI."""
RESULTS: Final = HERE / "hostile" / "results" / "fuzz.json"
_PACKAGES: Final = (
    "anyint-resilience",
    "atheris",
    "httpx",
    "httpx2",
    "requests",
    "urllib3",
    "aiohttp",
    "yarl",
    "redis",
)


def main(arguments: Sequence[str]) -> int:
    """Run the targets that are named, all of them if none is; return the exit code."""
    given = _parser().parse_args(arguments)
    names = list(given.targets) or list(TARGETS)
    seconds = BRIEF if given.brief else given.seconds
    with scratch() as folder:
        rows = _fuzzed(names, seconds=seconds, seed=given.seed, jobs=given.jobs, folder=Path(folder))
        crashed = [row for row in rows if row["crashes"]]
        for row in crashed:
            _show(row, Path(folder) / row["target"], given.crashes)
        if given.keep:
            for name in [row["target"] for row in rows if not row["crashes"]]:
                files, size = kept(name, Path(folder) / name / "found", Path(folder) / name / "seeds")
                print(f"{name}: a corpus of {files} files, {size} bytes")
    if given.write:
        _write(rows, seconds=seconds, seed=given.seed)
    return 1 if crashed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hostile.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is named")
    parser.add_argument("--seconds", type=int, default=600, help="for each target (600)")
    parser.add_argument("--brief", action="store_true", help=f"{BRIEF} s for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="targets side by side (2)")
    parser.add_argument("--write", action="store_true", help="write hostile/results/fuzz.json")
    parser.add_argument("--keep", action="store_true", help="add what was found to the corpora, and make them small")
    parser.add_argument(
        "--crashes", type=Path, default=Path("fuzz-crashes"), help="where inputs that broke something go"
    )
    return parser


def _fuzzed(names: list[str], *, seconds: int, seed: int, jobs: int, folder: Path) -> list[dict[str, Any]]:
    """Run all, so many at a time; each starts as soon as there is room."""
    for name in names:
        target(name)  # a name that is none is said before anything runs
    waiting, flying, rows = deque(names), deque[Run](), list[dict[str, Any]]()
    try:
        while waiting or flying:
            while waiting and len(flying) < jobs:
                name = waiting.popleft()
                flying.append(started(name, seconds=seconds, seed=seed, folder=folder / name))
            rows.append(finished(flying[0]))
            flying.popleft()
            print(_line(rows[-1]), flush=True)
    finally:
        for run in flying:  # it was interrupted
            run.process.kill()
            run.process.wait()
    return rows


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['target']:<10} {row['inputs']:>9} inputs  {row['edges']:>5} edges  {row['features']:>6} features"
        f"  corpus {row['corpus']:>4}  crashes {row['crashes']}  {row['seconds']:>6.1f} s  seed {row['seed']}"
    )


def _show(row: dict[str, Any], folder: Path, keep: Path) -> None:
    print(f"\n{row['target']} broke: {row['why']}\n{(folder / 'log').read_text(errors='replace')[-4000:]}")
    keep.mkdir(parents=True, exist_ok=True)
    for path in (folder / "crashes").iterdir():
        shutil.copy(path, keep / f"{row['target']}-{path.name}")
        print(f"the input is in {keep / (row['target'] + '-' + path.name)}")


def _write(rows: list[dict[str, Any]], *, seconds: int, seed: int) -> None:
    """Put the rows into the results; those of targets that were not run this time stay as they are."""
    before = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []
    mine = {row["target"]: row for row in (*before, *rows)}
    all_rows = [mine[name] for name in TARGETS if name in mine]
    document = {
        "command": f"python -m hostile.fuzz --seconds {seconds} --seed {seed} --write",
        "date": datetime.now(timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
        "cores": os.cpu_count(),
        "seed": seed,
        "seconds": round(sum(row["seconds"] for row in all_rows), 1),
        "figures": {
            "targets": len(all_rows),
            "inputs": sum(row["inputs"] for row in all_rows),
            "crashes": sum(row["crashes"] for row in all_rows),
        },
        "rows": all_rows,
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
