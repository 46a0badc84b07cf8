"""The command ``python -m tools.check_docs``: what is checked, in which order, and what is said of it."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import links, looking, outputs, running
from .blocks import ROOT, Page, Program, named, read

__all__ = ["main"]

# Of these the blocks are looked up and not run: they are for who has the whole tree, and run its checks.
LOOKED_UP = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md")
RUN = ("README.md", "observability/README.md")
SDKS = ROOT / "docs" / "sdks"
SLOW = 3.0
JOBS = (os.cpu_count() or 1) + 2  # many blocks wait for a clock


def main(words: Sequence[str] | None = None) -> int:
    """Check, print what is wrong, return how the process should exit."""
    options = _options(words)
    began = time.monotonic()
    try:
        paths = _paths(options.only)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    pages = [read(path) for path in paths]
    found = [problem for page in pages for problem in _looked_up(page)]
    if not options.only:
        found += _changelog()
    programs, left = _programs(pages, insist=bool(options.only))
    for words_ in left:
        print(words_)
    results = list(_run(programs, options.jobs))
    found += [problem for result in results if (problem := running.problem(result))]
    said = {program: block for page in pages for program, block in outputs.expected(page).items()}
    for result in results:
        if result.code == 0 and result.program in said:
            found += outputs.unlike(said[result.program], result.output)
    _tell(pages, results, found, time.monotonic() - began)
    return 1 if found else 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.check_docs", description="Check that the documents are true."
    )
    parser.add_argument("--only", nargs="+", metavar="PAGE", help="these pages, such as docs/load.md or docs/sdks")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"how many blocks run at a time ({JOBS})")
    return parser.parse_args(words)


def _paths(only: Sequence[str] | None) -> list[Path]:
    """The documents to check."""
    if not only:
        return [*(ROOT / name for name in (*RUN, *LOOKED_UP)), *sorted(ROOT.glob("docs/**/*.md"))]
    paths: list[Path] = []
    for name in only:
        path = (ROOT / name).resolve()
        found = sorted(path.rglob("*.md")) if path.is_dir() else [path]
        if not found or not all(it.exists() for it in found):
            raise FileNotFoundError(f"no document {name}")
        paths += found
    return paths


def _looked_up(page: Page) -> Iterator[str]:
    """What is wrong with a page as far as it can be seen without running anything."""
    yield from page.problems
    for block in page.blocks:
        if block.language in ("toml", "json") and block.mark == "skip":
            continue
        if block.language == "bash" and block.mark != "skip" and named(page.path) not in LOOKED_UP:
            continue  # it is run
        if block.language in looking.CHECKS:
            yield from looking.CHECKS[block.language](block)
    yield from looking.spans(page.path)
    yield from links.check(page.path)


def _programs(pages: Sequence[Page], *, insist: bool) -> tuple[list[Program], list[str]]:
    """What to run, and what is left to the environment of an SDK that is not installed in this one."""
    programs: list[Program] = []
    left: list[str] = []
    for page in pages:
        if named(page.path) in LOOKED_UP:
            continue
        lacking = sorted({name for block in page.blocks for name in looking.missing(block)})
        if lacking and page.path.parent == SDKS and not insist:
            left.append(f"{named(page.path)}: compiled only, no {', '.join(lacking)} here: `nox -s sdk` runs it")
            continue
        programs += page.programs()
    return programs, left


def _run(programs: list[Program], jobs: int) -> Iterator[running.Result]:
    for result in running.run(programs, jobs=jobs):
        if result.seconds > SLOW:
            print(f"slow: {result.program.where}: {result.seconds:.1f} s")
        yield result


def _changelog() -> Iterator[str]:
    """The changelog has an Unreleased part, and it says something."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    part = re.search(r"(?ms)^## \[Unreleased\]\s*$(.*?)(?=^## |\Z)", text)
    if part is None or not re.search(r"(?m)^- \S", part[1]):
        yield "CHANGELOG.md: no entry under ## [Unreleased]"


def _tell(pages: Sequence[Page], results: Sequence[running.Result], found: Sequence[str], seconds: float) -> None:
    blocks = sum(block.language in looking.CHECKS for page in pages for block in page.blocks)
    ran = sum(len(result.program.blocks) for result in results)
    did = (
        f"{blocks} code blocks in {len(pages)} documents, {ran} of them run as {len(results)} programs, {seconds:.0f} s"
    )
    if found:
        print("\n".join(found))
        print(f"{len(found)} {'problem' if len(found) == 1 else 'problems'} in {did}")
    else:
        print(f"the documents hold: {did}")


if __name__ == "__main__":
    sys.exit(main())
