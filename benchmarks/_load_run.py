"""Sides of a client under load, each with a gateway of its own, at the same time or one after the other.

Must not know what a world or a side does, nor what is measured of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _load_sides import PACKAGES
from _processes import START_SECONDS, Ask, child
from _report import write_readme

__all__ = ["Seen", "chosen", "command", "conditions", "percentile", "picture_of", "play", "record", "too_busy"]

HERE = Path(__file__).resolve().parent
LATE = 0.2  # seconds: a tenth of the windows in which goodput is counted
AHEAD = 0.5  # seconds from telling everybody to the beginning


@dataclass(frozen=True)
class Seen:
    """What came of one side: ``arrivals`` at the gateway, ``calls`` of the applications, with those they name."""

    arrivals: list[list[Any]] = field(default_factory=list)
    calls: list[list[Any]] = field(default_factory=list)

    def good(self) -> list[list[Any]]:
        """Return the calls that were told of success."""
        return [call for call in self.calls if call[2] == 200]

    def late(self) -> float:
        """Return the seconds by which one call in a hundred began too late: above ``LATE`` the machine was too busy."""
        return percentile([call[5] for call in self.calls], 0.99)


def too_busy(seen: dict[str, Seen]) -> list[str]:
    """Say of which sides the machine was too busy to measure anything."""
    return [f"{side}: calls began {it.late():.2f} s late: too busy" for side, it in seen.items() if it.late() > LATE]


def _clients(closing: ExitStack, side: str, settings: dict[str, Any], processes: int) -> tuple[Ask, list[Ask]]:
    url, gateway = closing.enter_context(child(str(HERE / "_load_gateway.py")))
    words = (str(HERE / "_load_worker.py"), side, url, json.dumps(settings))
    return gateway, [closing.enter_context(child(*words))[1] for _ in range(processes)]


def _one(
    gateway: Ask, clients: list[Ask], world: dict[str, Any], load: dict[str, Any], begun: float
) -> Callable[[], Seen]:
    """Tell a gateway and its clients to begin; the result waits for them."""
    gateway(json.dumps({**world, "begun": begun}), START_SECONDS)
    patience = AHEAD + load["seconds"] + load["drain"] + START_SECONDS
    number = len(clients)
    each = {**load, "begun": begun, "rate": load.get("rate", 0.0) / number}
    lines = [json.dumps({**each, "seed": seed + 1, "share": seed / number}) for seed in range(number)]

    def wait() -> Seen:
        with ThreadPoolExecutor(number) as pool:
            told = list(pool.map(lambda ask, line: ask(line, patience), clients, lines))
        calls = [[*call[:4], f"{at}:{call[4]}", call[5]] for at, made in enumerate(told) for call in made]
        return Seen(gateway("arrivals", START_SECONDS), calls)

    return wait


def play(
    sides: list[str], worlds: dict[str, dict[str, Any]], load: dict[str, Any], settings: dict[str, Any], processes: int
) -> dict[str, Seen]:
    """Run sides at the same time, each in its world, ``processes`` clients for each."""
    with ExitStack() as closing, ThreadPoolExecutor(len(sides)) as pool:
        made = list(pool.map(lambda side: _clients(closing, side, settings, processes), sides))
        begun = time.monotonic() + AHEAD
        waits = [_one(*pair, worlds[side], load, begun) for side, pair in zip(sides, made, strict=True)]
        return dict(zip(sides, pool.map(lambda wait: wait(), waits), strict=True))


def percentile(values: list[float], share: float) -> float:
    """Return the value that so large a share of them is not above; NaN where there are none."""
    found = sorted(values)
    return found[min(len(found) - 1, int(share * len(found)))] if found else float("nan")


def conditions() -> dict[str, str]:
    """Return what was measured, where."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    return {"python": platform.python_version(), "machine": machine, **{name: version(name) for name in PACKAGES}}


def command(what: str, sides: list[str]) -> argparse.ArgumentParser:
    """Return the command line that these benchmarks share."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--sides", default="", help=f"of {', '.join(sides)}")
    parser.add_argument("--quick", action="store_true", help="a short run, of which nothing is recorded")
    parser.add_argument("--write-readme", action="store_true", help="put the table into benchmarks/README.md")
    return parser


def chosen(wish: argparse.Namespace, sides: list[str]) -> list[str]:
    """Return the sides that are wanted."""
    words = list(filter(None, wish.sides.split(",")))
    strange = [word for word in words if word not in sides]
    if strange:
        raise SystemExit(f"no side {', '.join(strange)}; there are: {', '.join(sides)}")
    return [side for side in sides if not words or side in words]


def picture_of(name: str, wish: argparse.Namespace) -> Path:
    """Return where a plot goes."""
    return _folder(wish) / f"{name}.png"


def record(name: str, document: dict[str, Any], text: str, wish: argparse.Namespace) -> None:
    """Write a document to results/, and ``text`` into README.md between the benchmark's marks where that is wanted."""
    document = {"versions": conditions(), **document}
    (_folder(wish) / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if wish.write_readme and not wish.quick:
        write_readme(HERE / "README.md", name, f"\n{text}\n")


def _folder(wish: argparse.Namespace) -> Path:
    folder = Path(tempfile.gettempdir()) if wish.quick else HERE / "results"
    folder.mkdir(exist_ok=True)
    return folder
