"""How an observed run looks in a terminal: what was driven, what each query showed, and traces as waterfalls.

Must not decide whether anything is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from findings import Finding
from load import Done
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from traces import Row, Trace

__all__ = ["alerts", "console", "findings", "load", "number", "short", "waterfall"]

WIDTH = 118
BAR = 44  # columns of a waterfall's bars
MOST = 4  # series named in a cell
HASH = 32  # characters of an intent
KINDS = {"INTERNAL": "cyan", "CLIENT": "blue"}


def console() -> Console:
    """Return a console that is as wide as the tables need, where no terminal says how wide it is."""
    made = Console(highlight=False)
    made.width = max(made.width, WIDTH) if made.is_terminal else WIDTH
    return made


def _table(*columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def _head(console: Console, title: str) -> None:
    console.print()
    console.print(Rule(Text(title, style="bold"), align="left", style="dim"))


def load(console: Console, done: Done) -> None:
    """Show how many calls of each kind each client made."""
    clients = sorted({client for client, _ in done.calls})
    kinds = Counter(kind for _, kind in done.calls.elements())
    _head(console, f"{done.calls.total()} calls in {done.phases[-1][2] - done.phases[0][1]:.0f} s")
    table = _table("call", *clients, right=clients)
    for kind, _ in kinds.most_common():
        table.add_row(kind, *(str(done.calls[client, kind]) for client in clients))
    console.print(table)
    raised = ", ".join(f"{name} {count}" for name, count in done.raised.most_common())
    console.print(Text(f"raised to the application: {raised}", style="dim"))


def number(value: float) -> str:
    """Write a value with three figures."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def findings(console: Console, title: str, found: Iterable[Finding]) -> None:
    """Show each query: how many series, the largest value of the run, the last values."""
    _head(console, title)
    console.print(Text("most: the largest value of any series during the run; last values: at its end", style="dim"))
    table = _table("", "query", "series", "most", "last values", right=("series", "most"))
    for finding in found:
        mark = Text("✘", style="bold red") if finding.problem else Text("✔", style="green")
        latest = finding.latest
        last = ", ".join(f"{name} {number(value)}".strip() for name, value in latest[:MOST])
        if len(latest) > MOST:
            last += f", {len(latest) - MOST} more"
        most = "" if finding.most is None else number(finding.most)
        table.add_row(mark, finding.query.title, str(len(finding.series)), most, finding.problem or last)
    console.print(table)


def alerts(console: Console, rules: Iterable[Mapping[str, Any]]) -> None:
    """Show in which state each alert ended, and one of its summaries."""
    _head(console, "alerts at the end")
    console.print(
        Text("pending: its condition holds, but its for: asks for more minutes than this run has", style="dim")
    )
    table = _table("alert", "severity", "state", "summary of the first")
    for rule in rules:
        if rule["type"] == "alerting":
            held = rule["alerts"]
            summary = held[0]["annotations"]["summary"] if held else ""
            style = {"firing": "red", "pending": "yellow"}.get(rule["state"], "dim")
            table.add_row(rule["name"], rule["labels"]["severity"], Text(rule["state"], style=style), summary)
    console.print(table)


def waterfall(console: Console, trace: Trace) -> None:
    """Show one trace: a line for each span with its bar, below it what it says and the events on it."""
    _head(console, f"trace: {trace.title}, {trace.seconds:.2f} s")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=WIDTH - BAR - 14)
    grid.add_column(no_wrap=True, width=BAR)
    grid.add_column(no_wrap=True, justify="right")
    for row in trace.rows:
        style = "red" if row.failed else KINDS.get(row.kind, "green")
        name = Text("  " * row.depth + row.name, style=style)
        grid.add_row(name, _bar(row, trace.seconds, style), f"{row.end - row.start:.3f} s")
    console.print(grid)
    for row in trace.rows:
        if row.attributes or row.events:
            _said(console, row)


def _bar(row: Row, seconds: float, style: str) -> Text:
    begin = round(row.start / seconds * BAR)
    width = max(1, round((row.end - row.start) / seconds * BAR))
    begin = min(begin, BAR - 1)
    bar = Text(" " * begin + "━" * min(width, BAR - begin), style=style)
    for at, _, _ in row.events:
        column = min(BAR - 1, int(at / seconds * BAR))
        if len(bar) <= column:
            bar.pad_right(column + 1 - len(bar))
        bar = Text.assemble(bar[:column], ("◆", "yellow"), bar[column + 1 :])
    return bar


def short(attributes: Mapping[str, Any]) -> str:
    """Write attributes in one line, numbers and hashes short."""
    return "  ".join(f"{name.removeprefix('anyint.')}={_value(value)}" for name, value in attributes.items())


def _value(value: Any) -> str:
    text = number(value) if isinstance(value, float) else str(value)
    return f"{text[:8]}…" if len(text) == HASH else text


def _said(console: Console, row: Row) -> None:
    pad = "  " * row.depth
    console.print(Text(f"{pad}{row.name}", style="bold"))
    if row.attributes:
        console.print(Text(f"{pad}  {short(row.attributes)}", style="dim"))
    for at, name, said in row.events:
        console.print(Text.assemble(f"{pad}  ", ("◆ ", "yellow"), f"{at:.3f} s {name}  ", (short(said), "dim")))
