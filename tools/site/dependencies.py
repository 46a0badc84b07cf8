"""The tables of docs/dependencies.md: what is depended on, why, and with which versions the tests have passed.

Versions and licences are read from hostile/results/supply.json. Must not know how anything is tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .layout import code, codes, table

__all__ = ["TABLES", "WHY"]

RESULT = Path(__file__).resolve().parents[2] / "hostile" / "results" / "supply.json"

WHY: Mapping[str, str] = {
    "aiohttp": "the client; before 3.12.6 a connection stays open, or its loss is told to nobody",
    "backoff": "the ceilings of waits, and its decorators for applications",
    "h11": "HTTP of the emulator; below 0.16 it takes chunks with anything at their end (CVE-2025-43859)",
    "hatchling": "builds wheel and sdist; 1.26.0 to 1.26.2 were taken back",
    "httpx": "the client",
    "httpx2": "the client; needs Python 3.11",
    "multidict": "headers of aiohttp, which brings it",
    "opentelemetry-api": "spans and metrics, which cost nothing where no SDK is there",
    "pytest": "the fixtures for tests of applications",
    "redis": "states that processes share; before 6, a cluster's client cannot be told not to repeat",
    "requests": "the client; 2.32.0 and 2.32.1 were taken back",
    "rich": "colours and tables on a terminal",
    "shtab": "completions; before 1.9.3 it fails on our options for zsh",
    "tomli": "reads a configuration file where Python itself cannot: on 3.10",
    "urllib3": "responses of requests, which brings it; before 2.6 it opens compressed bombs whole (CVE-2025-66471)",
    "yarl": "URLs of aiohttp, which brings it",
}
"""Why each is there, and why not an older one."""


@cache
def result() -> Any:
    """What ``nox -s lowest -- --write`` has noted."""
    return json.loads(RESULT.read_text(encoding="utf-8"))


def direct() -> str:
    """Each dependency."""
    rows = [
        (
            code(row["name"]),
            _askers(row["asked by"]),
            WHY[row["name"]],
            _versions(row["lowest"]),
            _versions(row["newest"]),
            row["licence"],
        )
        for row in result()["rows"]
    ]
    return table(("dependency", "of", "why", "lowest tested", "newest tested", "licence"), rows)


def _askers(extras: list[str]) -> str:
    words = {"(always)": "the core", "(to build)": "the build"}
    return ", ".join(words.get(it, code(it)) for it in extras)


def _versions(tested: Mapping[str, str]) -> str:
    return ", ".join(sorted(set(tested.values())))


def brought() -> str:
    """What those bring."""
    rows = [(code(it["name"]), codes(it["asked by"]), it["version"], it["licence"]) for it in result()["brought"]]
    return table(("brought along", "by", "newest tested", "licence"), rows)


TABLES: Mapping[str, Callable[[], str]] = {"dependencies": direct, "dependencies-brought": brought}
