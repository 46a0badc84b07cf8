"""Runs the mutants of one room in a copy of the tree. Must not judge what survives."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from hostile.mutate.making import Mutant, made
from hostile.mutate.rooms import TESTS

__all__ = ["Fate", "Order", "played"]

HERE = Path(__file__).resolve().parents[2]
COPIED = ("anyint_resilience", "adapters", "tests", "hostile", "docs", "benchmarks", "observability", "tools")
WORK, DONE, SECOND = "mutate-work.json", "mutate-done.jsonl", "MUTATE_SECOND_LOOK"  # loop.py's, which imports pytest


@dataclass(frozen=True)
class Fate:
    """What became of one mutant."""

    mutant: Mutant
    became: str
    seconds: float
    by: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be played, and how."""

    room: str
    copy: Path
    """A folder that is not there yet."""
    jobs: int
    cap: float | None
    only: str | None
    sample: int | None
    seed: int


def played(order: Order, *, say: Callable[[str], None]) -> list[Fate]:
    """Every mutant of a room, or a sample of them, and its fate."""
    copy = order.copy
    _copied(copy)
    mutants = _all_of(order.room, copy, order.only)
    modules = sorted({mutant.module for mutant in mutants})
    random.Random(order.seed).shuffle(mutants)  # so that what was played until now is a fair sample at any time
    mutants = mutants[: order.sample]
    say(f"{order.room}: {len(mutants)} mutants in {len(modules)} modules")
    work = {
        "modules": modules,
        "jobs": order.jobs,
        "cap": order.cap,
        "mutants": [{**asdict(mutant), "mangled": mutant.mangled} for mutant in mutants],
    }
    (copy / WORK).write_text(json.dumps(work), encoding="utf-8")
    files = _tests(order.room, copy)
    fates = _looped(copy, files, {mutant.name: mutant for mutant in mutants}, say)
    return _looked_again(copy, files, fates, say)


def _copied(copy: Path) -> None:
    for name in COPIED:
        if (HERE / name).is_dir():
            shutil.copytree(HERE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    for name in ("pyproject.toml", "README.md", "SECURITY.md", "CHANGELOG.md"):
        if (HERE / name).exists():
            shutil.copy(HERE / name, copy)
    (copy / "setup.cfg").write_text("[mutmut]\nsource_paths=anyint_resilience\n", encoding="utf-8")
    # Figures of a room that was played just before stand on no page yet, which is a test of policy's.
    env = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'adapters'}"}
    subprocess.run(
        [sys.executable, "-m", "tools.site.tables", "--write"], cwd=copy, env=env, check=True, stdout=subprocess.DEVNULL
    )


def _all_of(room: str, copy: Path, only: str | None) -> list[Mutant]:
    """Mutmut reads its settings where the process is: so it is made elsewhere than here."""
    before = Path.cwd()
    os.chdir(copy)
    try:
        paths = sorted(Path("anyint_resilience", room).glob("*.py"))
        chosen = [path for path in paths if only is None or path.stem in only.split(",")]
        return [one for path in chosen for one in made(path, ".".join(path.with_suffix("").parts))]
    finally:
        os.chdir(before)


def _tests(room: str, copy: Path) -> list[str]:
    folder = copy / "tests" / "unit"
    found = [sorted(folder.glob(f"test_{name}.py")) for name in TESTS[room].split()]
    return [str(path.relative_to(copy)) for paths in found for path in paths]


def _pytest(copy: Path, files: list[str], log: str, **env: str) -> subprocess.Popen[bytes]:
    told = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'adapters'}", "PYTHONHASHSEED": "0", **env}
    told["ANYINT_TESTS"] = "brief"
    plugins = ["hostile.mutate.loop", "no:cacheprovider", "no:anyint_resilience_pytest", "no:xdist"]
    args = [word for plugin in plugins for word in ("-p", plugin)]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *args,
        "--rootdir=.",
        f"--basetemp={copy.parent / (copy.name + '-tmp')}",
        "--timeout=0",
        "--tb=short",
        "-q",
        *files,
    ]
    with (copy / log).open("ab") as out:
        return subprocess.Popen(command, cwd=copy, env=told, stdout=out, stderr=out)


def _looped(copy: Path, files: list[str], mutants: dict[str, Mutant], say: Callable[[str], None]) -> list[dict]:
    """All in forks of one process, which writes down one after the other."""
    began = time.monotonic()
    running = _pytest(copy, files, "mutate.log", MUTANT_UNDER_TEST="")
    shown = 0
    while True:
        try:
            code = running.wait(timeout=20)
        except subprocess.TimeoutExpired:
            code = None
        done = copy / DONE
        lines = done.read_text(encoding="utf-8").splitlines() if done.exists() else []
        if len(lines) // 200 > shown or code is not None:
            shown = len(lines) // 200
            say(f"  {len(lines)} of {len(mutants)} after {time.monotonic() - began:.0f} s")
        if code is not None:
            break
    if code not in (0, 5) or len(lines) != len(mutants):
        sys.stderr.write((copy / "mutate.log").read_text(encoding="utf-8", errors="replace")[-4000:])
        raise SystemExit(f"the mutants' process ended with {code}, {len(lines)} of {len(mutants)} played")
    return [{**json.loads(line), "mutant": mutants[json.loads(line)["name"]]} for line in lines]


def _looked_again(copy: Path, files: list[str], fates: list[dict], say: Callable[[str], None]) -> list[Fate]:
    """What an import calls has done its work before a fork: it is played from the start."""
    again = [fate for fate in fates if fate["imported"] and fate["became"] in ("survived", "no tests")]
    if again:
        say(f"  {len(again)} of them once more, in a process each: an import calls them")
    for fate in again:
        began = time.monotonic()
        running = _pytest(copy, [*files, "-x"], "mutate-again.log", MUTANT_UNDER_TEST=fate["name"], **{SECOND: "1"})
        try:
            fate["became"] = "survived" if running.wait(timeout=180) == 0 else "killed"
            fate["by"] = "a process of its own"
        except subprocess.TimeoutExpired:
            running.kill()
            fate["became"] = "timed out"
        fate["seconds"] += time.monotonic() - began
    return [Fate(fate["mutant"], fate["became"], fate["seconds"], fate["by"]) for fate in fates]
