"""What became of each test of a run, read from pytest's JUnit file, and how two runs compare."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

__all__ = ["Run", "changed", "named", "read"]

T = TypeVar("T")
_RANK = {"passed": 0, "skipped": 1, "failed": 2, "error": 3}


@dataclass(frozen=True)
class Run:
    """The outcome of each test, and the first line of why, where it did not pass. Tests go by their pytest id."""

    outcomes: Mapping[str, str]
    why: Mapping[str, str]

    def count(self) -> Counter[str]:
        """How many tests ended in which way."""
        return Counter(self.outcomes.values())

    def passed(self) -> set[str]:
        """The tests that passed."""
        return {test for test, outcome in self.outcomes.items() if outcome == "passed"}


def read(junit: Path) -> Run:
    """Read a JUnit file (``junit_family=xunit1``, which names each test's file)."""
    outcomes: dict[str, str] = {}
    why: dict[str, str] = {}
    for case in ET.parse(junit).getroot().iter("testcase"):
        test = _id(case)
        outcome, reason = "passed", ""
        for child in case:
            now = {"failure": "failed"}.get(child.tag, child.tag)
            if now in _RANK and _RANK[now] > _RANK[outcome]:
                outcome = now
                reason = (child.get("message") or child.text or "").strip().partition("\n")[0]
        if _RANK[outcome] >= _RANK[outcomes.get(test, "passed")]:  # a test and its teardown are two entries
            outcomes[test] = outcome
            if reason:
                why[test] = reason
    return Run(outcomes, why)


def _id(case: ET.Element) -> str:
    file, names, name = case.get("file") or "", case.get("classname") or "", case.get("name") or ""
    module = file.removesuffix(".py").replace("/", ".")
    classes = names.removeprefix(module).strip(".")
    return "::".join(part for part in (file, *classes.split("."), name) if part)


def changed(bare: Run, ours: Run) -> list[str]:
    """The tests that pass bare and do not with us, be it that they fail, are skipped, or are gone."""
    return sorted(test for test in bare.passed() if ours.outcomes.get(test) != "passed")


def named(test: str, table: Mapping[str, T]) -> T | None:
    """What a table says of a test, by its name with parameters or without; None if nothing."""
    return table.get(test) or table.get(test.partition("[")[0])
