"""Known holes in what the package brings: pip-audit asks a vulnerability service, where one can be asked.

A service that cannot be reached must not look like one that knows of nothing: an old release with a hole that everybody
knows is asked about too. Only who names that hole has been asked; else the program says COULD NOT ASK and exits with 0.
Must not know what is installed: it is given names and versions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .closure import closure, version

__all__ = ["CANARY", "SERVICES", "ask", "main", "read"]

SERVICES = ("pypi", "osv")
CANARY = ("requests", "2.19.1")  # CVE-2018-18074: it sent a password on to another host
MOST = 120.0  # seconds


def read(printed: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the holes of each distribution (``name==version``), and those that could not be asked about."""
    try:
        rows: list[Any] = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return {}, ["all of them"]
    skipped = [f"{row['name']}: {row['skip_reason']}" for row in rows if "skip_reason" in row]
    asked = {f"{row['name']}=={row['version']}": row["vulns"] for row in rows if "skip_reason" not in row}
    return {name: [hole["id"] for hole in holes] for name, holes in asked.items()}, skipped


def ask(service: str, pins: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str]]:
    """Ask one service about these versions."""
    with tempfile.TemporaryDirectory(prefix="anyint-resilience-") as folder:
        asked = Path(folder, "pins.txt")
        asked.write_text("".join(f"{name}=={one}\n" for name, one in pins.items()), encoding="utf-8")
        command = (sys.executable, "-m", "pip_audit", "--requirement", str(asked), "--no-deps", "--disable-pip")
        said = ("--format", "json", "--progress-spinner", "off", "--vulnerability-service", service)
        try:
            done = subprocess.run([*command, *said], capture_output=True, text=True, check=False, timeout=MOST)
        except subprocess.TimeoutExpired:
            return {}, [f"no answer within {MOST:g} seconds"]
    holes, skipped = read(done.stdout)
    if not done.stdout.strip():
        skipped = [(done.stderr.strip().splitlines() or ["it said nothing"])[-1]]
    return holes, skipped


def answer(service: str, pins: Mapping[str, str]) -> dict[str, list[str]] | None:
    """Return the holes that a service knows; None where it could not be asked, which is said."""
    canary, skipped = ask(service, dict([CANARY]))
    if not any(canary.values()):
        print(f"{service}: COULD NOT ASK ({'; '.join(skipped) or 'it knows of no hole where there is one'})")
        return None
    holes, skipped = ask(service, pins)
    for one in skipped:
        print(f"{service}: COULD NOT ASK about {one}")
    return {name: ids for name, ids in holes.items() if ids}


def main(words: Sequence[str] = ()) -> int:
    """Ask each service about what is installed, or about the pins in a file. Return how the process should exit."""
    if words:
        lines = Path(words[0]).read_text(encoding="utf-8").split()
        pins = {name: one for name, _, one in (line.partition("==") for line in lines)}
    else:
        pins = {name: version(name) for name in closure()}
    bad = False
    for service in SERVICES:
        found = answer(service, pins)
        if found is not None:
            print("\n".join(f"{service}: {name} has {', '.join(ids)}" for name, ids in found.items()))
            print(f"{service}: asked about {len(pins)} distributions, {len(found)} have known holes")
            bad = bad or bool(found)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
