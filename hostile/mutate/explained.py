"""Why a mutant that nobody sees makes no difference, read from ``survivors/*.toml``. Must not play one.

A mutant is known by its module, its function and what the change is, so that lines may move. What is explained there
and does not survive any more is stale, and is said too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hostile.mutate.making import Mutant

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

__all__ = ["Key", "explanations", "key"]

Key = tuple[str, str, str, str]
FOLDER = Path(__file__).parent / "survivors"


def key(mutant: Mutant) -> Key:
    """What makes a mutant this one: module, function, what was and what is."""
    return mutant.module.removeprefix("anyint_resilience."), mutant.function, mutant.was, mutant.now


def explanations(room: str) -> dict[Key, str]:
    """Mutant -> why nobody can see it."""
    path = FOLDER / f"{room}.toml"
    if not path.exists():
        return {}
    known: dict[Key, str] = {}
    groups: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8")).get("because", [])
    for group in groups:
        for module, function, was, now in group["mutants"]:
            known[(module, function, was, now)] = group["why"]
    return known
