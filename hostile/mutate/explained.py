"""Why a mutant that nobody sees makes no difference, read from ``survivors/*.toml``. Must not play one.

A mutant is known by its module, its function and what the change is, so that lines may move. ``mutants`` lists such
ones; ``changes`` are pairs of texts that mean the same wherever one stands for the other; ``patterns`` are parts of a
line in which a change means nothing. What is listed and does not survive any more is stale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostile.mutate.making import Mutant

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

__all__ = ["Explained", "Key", "explanations", "key"]

Key = tuple[str, str, str, str]
FOLDER = Path(__file__).parent / "survivors"


def key(mutant: Mutant) -> Key:
    """What makes a mutant this one: module, function, what was and what is."""
    return mutant.module.removeprefix("anyint_resilience."), mutant.function, mutant.was, mutant.now


@dataclass
class Explained:
    """What is known of a room."""

    listed: dict[Key, str] = field(default_factory=dict)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    patterns: list[tuple[re.Pattern[str], str]] = field(default_factory=list)

    def why(self, mutant: Mutant) -> str | None:
        """Say why nobody can see this one, None where nobody has said so."""
        listed = self.listed.get(key(mutant))
        if listed is not None:
            return listed
        for old, new, why in self.changes:
            if _changed(mutant.was, mutant.now, old, new):
                return why
        return next((why for it, why in self.patterns if it.sub("", mutant.was) == it.sub("", mutant.now)), None)

    def stale(self, alive: set[Key]) -> list[Key]:
        """What is listed and survives no more."""
        return sorted(set(self.listed) - alive)


def _changed(was: str, now: str, old: str, new: str) -> bool:
    at = was.find(old)
    while at >= 0:
        if was[:at] + new + was[at + len(old) :] == now:
            return True
        at = was.find(old, at + 1)
    return False


def explanations(room: str) -> Explained:
    """Read what is said of all rooms, and of this one."""
    found = Explained()
    for path in (FOLDER / "all.toml", FOLDER / f"{room}.toml"):
        groups: list[dict[str, Any]] = []
        if path.exists():
            groups = tomllib.loads(path.read_text(encoding="utf-8")).get("because", [])
        for group in groups:
            for module, function, was, now in group.get("mutants", []):
                found.listed[(module, function, was, now)] = group["why"]
            found.patterns += [(re.compile(it), group["why"]) for it in group.get("patterns", [])]
            found.changes += [(old, new, group["why"]) for old, new in group.get("changes", [])]
    return found
