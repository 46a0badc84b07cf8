"""Print the conformance matrix: ``python -m tests.conformance.matrix`` from the root of the repository.

Runs ``test_matrix.py`` by pytest, and shows each scenario on each client as Markdown: whether all its row says is so,
whoever looks on or not. ``--write`` also puts the short form, topics and counts, between the ``conformance`` marks of
docs/clients/index.md, or of the file that is named. Ends with 1 if anything failed, with 2 if nothing can be written.
Must not know how a scenario is played.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.scenario import Scenario
from tests.conformance.scenarios import TOPICS, case
from tests.conformance.surfaces import EVERY, Surface

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "clients" / "index.md"
BEGIN, END = "<!-- conformance:begin -->", "<!-- conformance:end -->"
HARMLESS = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # anyio, a plugin of pytest, is
OK, FAILED, ABSENT, MISSING = "ok", "**FAILED**", "–", "?"


@dataclass
class Results:
    """A pytest plugin that writes down how each cell of the matrix ended, and counts what else failed."""

    cells: dict[str, str] = field(default_factory=dict)
    failures: int = 0

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take a report of a test, from this process or from a worker's; a cell holds if it does observed, too."""
        self.failures += report.outcome == "failed"
        name, _, rest = report.nodeid.partition("::")[2].partition("[")
        if name == "test_observed" and report.outcome != "failed":
            return
        cell = rest.removesuffix("]")
        if name in ("test_scenario", "test_observed") and (report.when == "call" or report.outcome != "passed"):
            self.cells[cell] = "failed" if self.cells.get(cell) == "failed" else str(report.outcome)


@dataclass(frozen=True)
class Matrix:
    """What the run came to, cell by cell."""

    results: Results

    def cell(self, topic: str, scenario: Scenario, surface: Surface) -> str:
        """Return what stands in a cell of the long table."""
        if surface.param().marks:
            return ABSENT
        outcome = self.results.cells.get(case(topic, scenario, surface))
        if outcome in ("passed", "failed"):
            return OK if outcome == "passed" else FAILED
        if outcome is None or scenario.why_not(surface) is None:
            return MISSING
        return f"[{self.reasons().index(str(scenario.why_not(surface))) + 1}]"

    def reasons(self) -> list[str]:
        """Return why scenarios can't be played, each reason once."""
        return list(dict.fromkeys(why for held in TOPICS.values() for it in held for why in it.cannot.values()))

    def count(self, word: str) -> int:
        """Count the cells with this word."""
        return sum(self.cell(*at) == word for at in self.places())

    def places(self) -> Iterator[tuple[str, Scenario, Surface]]:
        """Yield each cell's place."""
        for topic, held in TOPICS.items():
            for scenario in held:
                for surface in EVERY:
                    yield topic, scenario, surface

    @property
    def whole(self) -> bool:
        """Whether every client was there and was asked."""
        return self.count(ABSENT) == self.count(MISSING) == 0

    @property
    def good(self) -> bool:
        """Whether nothing failed."""
        return not self.results.failures and self.count(MISSING) == 0

    def long(self) -> Iterator[str]:
        """Yield the lines of the long form: a row for each scenario."""
        yield from _head("scenario", "lessons", *map(str, EVERY))
        for topic, held in TOPICS.items():
            yield _row(f"**{topic}**", *[""] * (len(EVERY) + 1))
            for scenario in held:
                yield _row(
                    scenario.name,
                    " ".join(scenario.lessons),
                    *(self.cell(topic, scenario, surface) for surface in EVERY),
                )
        yield ""
        for number, why in enumerate(self.reasons(), 1):
            yield from (f"[{number}] {why}", "")
        yield self.summary()

    def short(self) -> Iterator[str]:
        """Yield the lines of the short form: how many scenarios of each topic hold, a column for each client."""
        clients: dict[str, list[Surface]] = {}
        for surface in EVERY:
            clients.setdefault(surface.library, []).append(surface)
        heads = (f"{name} ({', '.join(it.backend or 'sync' for it in held)})" for name, held in clients.items())
        yield from _head("scenarios", *heads)
        for topic, scenarios in TOPICS.items():
            yield _row(topic, *(self.share({topic: scenarios}, surfaces) for surfaces in clients.values()))
        yield _row("**all**", *(f"**{self.share(TOPICS, surfaces, notes=False)}**" for surfaces in clients.values()))
        yield ""
        for number, why in enumerate(self.reasons(), 1):
            barred = [it for held in TOPICS.values() for it in held if why in it.cannot.values()]
            names = sorted({name for it in barred for name, reason in it.cannot.items() if reason == why})
            yield f"[{number}] Not on {', '.join(names)}, since {why}: {'; '.join(it.name for it in barred)}."
            yield ""

    def share(self, topics: dict[str, list[Scenario]], surfaces: list[Surface], *, notes: bool = True) -> str:
        """Return how many scenarios hold on a client (for each loop where they differ), and the notes on the others."""
        places = [(topic, it) for topic, held in topics.items() for it in held]
        cells = [[self.cell(topic, it, surface) for topic, it in places] for surface in surfaces]
        counts = list(dict.fromkeys(column.count(OK) for column in cells))
        if all(cell == ABSENT for column in cells for cell in column):
            return ABSENT
        numbers = counts if len(counts) == 1 else [column.count(OK) for column in cells]
        marks = sorted({cell for column in cells for cell in column if notes and cell.startswith("[")})
        return " ".join([" / ".join(map(str, numbers)), *marks])

    def summary(self) -> str:
        """Return the figures."""
        scenarios = sum(map(len, TOPICS.values()))
        cells = list(self.places())
        impossible = sum(self.cell(*at).startswith("[") for at in cells)
        said = (
            f"{scenarios} scenarios on {len(EVERY)} surfaces, Python {sys.version_info[0]}.{sys.version_info[1]}: "
            f"{self.count(OK)} ok, {self.results.failures} failed, {impossible} that a client cannot do"
        )
        absent = sorted({surface.library for *_, surface in cells if surface.param().marks})
        said += f", {self.count(ABSENT)} without their client ({', '.join(absent)} not installed)" if absent else ""
        return said + (f", {self.count(MISSING)} not run" if self.count(MISSING) else "") + "."


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield _row(*["---"] * len(cells))


def run(workers: int) -> Matrix:
    """Run the scenarios by pytest, whose own words go to the standard error."""
    results = Results()
    args = [str(HERE / "test_matrix.py"), "-q", "--no-header", "-p", "no:cacheprovider", "-W", HARMLESS]
    if workers > 1 and importlib.util.find_spec("xdist") is not None:
        args += ["-n", str(workers)]
    with contextlib.redirect_stdout(sys.stderr):
        code = pytest.main(args, plugins=[results])
    results.failures += code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    return Matrix(results)


def write(matrix: Matrix, path: Path) -> str | None:
    """Put the short form between the marks of a file; return what is against it."""
    if not (matrix.good and matrix.whole):
        return "only a whole matrix in which nothing failed is written"
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return f"{path} lacks the marks {BEGIN} and {END}"
    table = "\n".join(matrix.short()).rstrip()
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    return None


def main() -> int:
    """Run, print and write; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.matrix", description="The conformance matrix.")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=PAGE,
        metavar="FILE",
        help="put the short form between the marks of this file (default: docs/clients/index.md)",
    )
    parser.add_argument("--short", action="store_true", help="print the short form")
    parser.add_argument("-n", "--workers", type=int, default=min(4, os.cpu_count() or 1), help="processes to use")
    options = parser.parse_args()
    os.environ.setdefault("PYTHONHASHSEED", "0")
    matrix = run(options.workers)
    print("\n".join(matrix.short() if options.short else matrix.long()))
    if options.short:
        print(f"\n{matrix.summary()}")
    problem = None if options.write is None else write(matrix, options.write)
    if problem is not None:
        print(problem, file=sys.stderr)
    return 1 if not matrix.good else 0 if problem is None else 2


if __name__ == "__main__":
    sys.exit(main())
