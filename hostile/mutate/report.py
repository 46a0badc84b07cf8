"""Counts what became of the mutants, and says it. Must not play one.

Killed are those that a test saw, and those that ran into a time-out. All others count against the score, explained or
not; an explanation only says that somebody has looked.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from hostile.mutate.explained import Explained, explanations, key
from hostile.mutate.running import Fate

__all__ = ["ENOUGH", "Score", "told", "written"]

ENOUGH = 90.0
RESULT = Path(__file__).resolve().parents[1] / "results" / "mutation.json"


@dataclass(frozen=True)
class Score:
    """One room, or one module of it."""

    name: str
    mutants: int
    killed: int
    timed_out: int
    survived: int
    no_tests: int
    explained: int
    seconds: float

    @property
    def percent(self) -> float:
        """What share was killed, time-outs among them."""
        return 100.0 * (self.killed + self.timed_out) / self.mutants if self.mutants else 100.0

    @property
    def unexplained(self) -> int:
        """How many of the others nobody has looked at."""
        return self.survived + self.no_tests - self.explained

    def row(self) -> dict[str, object]:
        """For the result's file."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**fields, "seconds": round(self.seconds, 1), "percent": round(self.percent, 1)} | {
            "unexplained": self.unexplained
        }


def scored(name: str, fates: Iterable[Fate], known: Explained, seconds: float | None = None) -> Score:
    """Count the fates; ``seconds`` where more was spent than on the mutants alone."""
    fates = list(fates)
    count = {
        word: sum(fate.became == word for fate in fates) for word in ("killed", "timed out", "survived", "no tests")
    }
    return Score(
        name=name,
        mutants=len(fates),
        killed=count["killed"],
        timed_out=count["timed out"],
        survived=count["survived"],
        no_tests=count["no tests"],
        explained=sum(_open(fate) and known.why(fate.mutant) is not None for fate in fates),
        seconds=sum(fate.seconds for fate in fates) if seconds is None else seconds,
    )


def told(
    room: str, fates: list[Fate], seconds: float, *, whole: bool, say: Callable[[str], None]
) -> tuple[Score, list[Score]]:
    """Say the room's score, each module's, and every survivor that is not explained."""
    known = explanations(room)
    score = scored(room, fates, known, seconds)
    modules = sorted({fate.mutant.module for fate in fates})
    parts = [scored(name, (fate for fate in fates if fate.mutant.module == name), known) for name in modules]
    for one in (*parts, score):
        name = one.name.removeprefix("anyint_resilience.")
        say(
            f"{name:28} {one.mutants:5} mutants {one.percent:6.1f} % killed"
            f" ({one.timed_out} by time-out), {one.survived + one.no_tests} not, {one.explained} of them explained"
        )
    for fate in fates:
        if _open(fate) and known.why(fate.mutant) is None:
            module, function, was, now = key(fate.mutant)
            say(f"unexplained ({fate.became}) {module} {function}\n  - {was}\n  + {now}")
    if whole:
        for module, function, was, now in known.stale({key(fate.mutant) for fate in fates if _open(fate)}):
            say(f"stale explanation: {module} {function}\n  - {was}\n  + {now}")
    return score, parts


def written(command: str, scores: list[Score], modules: list[Score], seed: int) -> None:
    """Keep the figures where the documents read them; rooms not played now keep what they had."""
    old = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {"rows": [], "modules": []}
    rows = _merged(old["rows"], scores)
    parts = _merged(old["modules"], modules)
    total = sum(row["mutants"] for row in rows)
    killed = sum(row["killed"] + row["timed_out"] for row in rows)
    figures = {f"{row['name']} percent killed": row["percent"] for row in rows}
    result = {
        "command": command,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("mutmut", "pytest", "hypothesis", "libcst")},
        "seed": seed,
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "figures": {"mutants": total, "percent killed": round(100.0 * killed / total, 1), **figures},
        "rows": rows,
        "modules": parts,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _merged(old: list[dict], new: list[Score]) -> list[dict]:
    rows = {row["name"]: row for row in old} | {score.name: score.row() for score in new}
    return list(rows.values())


def _open(fate: Fate) -> bool:
    return fate.became in ("survived", "no tests")
