"""How findings look: a table on a terminal with rich, plain lines elsewhere, or JSON. Must not know any check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any, Final

from ..terminal import console, fold, lively, plain, print_json, say, styled, table
from .finding import Check, Status
from .running import Done

__all__ = ["progress", "show_all", "show_list", "summary"]

_STYLES: Final[dict[Status, str]] = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
_LABEL: Final = 18
_STATUS: Final = 8
_INTERRUPTED: Final = 130


def show_all(rows: Sequence[Done], mask: Callable[[str], str], *, code: int, json: bool) -> None:
    """Print what was found: one object, a table or lines, and how it stands in all. ``code``: the exit code."""
    if json:
        ended = {"error": "interrupted", "exit_code": code} if code == _INTERRUPTED else {}
        print_json({"checks": [it.as_dict(mask) for it in rows], "ok": code == 0, **ended})
        return
    if not plain() and find_spec("rich") is not None:
        _table(rows, mask)
    else:
        for row in rows:
            _line(row, mask)
        say()
    say(summary(rows))


def _table(rows: Sequence[Done], mask: Callable[[str], str]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    grid.add_column("", justify="right", no_wrap=True)
    grid.add_column("check", no_wrap=True)
    grid.add_column("", no_wrap=True)
    grid.add_column("found, and what to do", ratio=1, overflow="fold")  # nothing that is to be copied may be cut
    for row in rows:
        finding, style = row.finding, _STYLES[row.finding.status]
        told = Text(mask(finding.found))
        if finding.advice and finding.status != "ok":
            told.append(f"\n→ {mask(finding.advice)}", style="italic")
        step = "" if row.check.step is None else str(row.check.step)
        grid.add_row(step, Text(row.check.id), Text(finding.status, style=style), told)
    console().print(grid)


def _line(row: Done, mask: Callable[[str], str]) -> None:
    """Print one check: in a pipe as one line, for grep; on a terminal without rich wrapped."""
    finding = row.finding
    status = styled(f"{finding.status:<{_STATUS}}", _STYLES[finding.status])
    advice = f"-> {mask(finding.advice)}" if finding.advice and finding.status != "ok" else ""
    if plain():
        say(f"{status}{row.check.id:<{_LABEL}}{mask(finding.found)} {advice}".rstrip())
        return
    indent = " " * (_STATUS + _LABEL)
    found = fold(mask(finding.found), indent=len(indent))
    say(f"{status}{row.check.id:<{_LABEL}}{found[len(indent) :]}")
    if advice:
        say(fold(advice, indent=len(indent) + 3, first=indent))


def show_list(checks: Sequence[Check], *, json: bool) -> None:
    """Print what would be checked."""
    if json:
        print_json([{"id": it.id, "title": it.title, "step": it.step, "tokens": it.tokens} for it in checks])
        return
    rows = [
        ["" if it.step is None else str(it.step), it.id, it.title, "some tokens" if it.tokens else ""] for it in checks
    ]
    say(table(["step", "check", "", "costs"], rows))


def summary(rows: Sequence[Done]) -> str:
    """Return how it stands in all."""
    words: dict[Status, str] = {"ok": "ok", "warning": "warned", "failed": "failed", "skipped": "skipped"}
    counts = [(word, sum(it.finding.status == status for it in rows)) for status, word in words.items()]
    told = ", ".join(f"{count} {word}" for word, count in counts if count)
    return f"{told} in {sum(it.seconds for it in rows):.1f} s"


def progress(*, quiet: bool) -> tuple[AbstractContextManager[Any], Callable[[str], object]]:
    """Return a line on stderr that says what is being done, where that is a terminal, and what changes it."""
    if quiet or not lively() or find_spec("rich") is None:
        return nullcontext(), lambda _: None
    status = console(stderr=True).status("")
    return status, status.update
