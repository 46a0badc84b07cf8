"""How the demonstration looks: a timeline per scenario, a table at the end.

Must not decide whether anything is right: a run brings its verdict along.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ...policy.given import one_line
from ...policy.model import Action, Attempt
from ..terminal import mark, plain
from .clients import CALLS, Sent
from .runner import Demonstration, Run

__all__ = ["ending", "opening", "scenario"]

_STYLES: Final[dict[Action, str]] = {
    Action.DELIVER: "green",
    Action.NO_RETRY: "red",
    Action.BACKOFF: "yellow",
    Action.POLL: "cyan",
    Action.FALLBACK: "magenta",
}
_TEXT: Final = 240  # of an answer or an error
_WIDE: Final = 96  # columns in which the last table has room for the client too


def opening(console: Console, url: str) -> None:
    """Say what will be seen."""
    console.print(Text("anyint-resilience: three clients, one faulty gateway", style="bold"))
    console.print(f"The gateway is an emulator on {url}; the SDKs keep their own default retries.")


def scenario(console: Console, number: int, run: Run) -> None:
    """Show one scenario."""
    made = CALLS[run.scenario.call]
    console.print()
    _heading(console, f"{number}. {run.scenario.title}")
    console.print(Text(run.scenario.story, style="italic"))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("call", Text(f"{made.client}: {made.written}   model {run.scenario.model}"))
    for sent in run.sent:
        for row in _sent(sent, run):
            grid.add_row(*row)
    explained = next((it for it in reversed(run.decisions) if it.cause is not None or it.action is Action.POLL), None)
    if explained is not None:
        if explained.retry_at is not None and explained.action is Action.NO_RETRY:
            grid.add_row("retry at", _date(explained.retry_at))
        grid.add_row("guidance", Text(explained.guidance))
        if explained is run.decisions[-1]:  # what healed is nothing to tell an end user about
            grid.add_row("to the user", Text(explained.user_message))
    grid.add_row("gateway saw", Text(_gateway(run)))
    grid.add_row("outcome", _outcome(run))
    for problem in run.wrong:
        grid.add_row("", Text(problem, style="bold red"))
    console.print(Padding(grid, (0, 0, 0, 2)))


def _heading(console: Console, title: str) -> None:
    """A heading with a rule, and without one in a pipe or a file."""
    text = Text(title, style="bold")
    console.print(text if plain() else Rule(text, align="left", style="dim"))


def _sent(sent: Sent, run: Run) -> Iterable[tuple[str, Text]]:
    """One line an attempt, with what was decided and how long was waited."""
    offset = sent.began - run.began
    found = sent.report
    if found is None:
        yield f"{offset:5.2f} s", Text(f"no report ({sent.error or 'answered'})", style="red")
        return
    if found.outer_retries:
        yield f"{offset:5.2f} s", Text(f"the SDK itself sends the call again (its retry {found.outer_retries})")
    if not found.attempts:
        yield "", Text(f"{sent.error}: {found.notes[-1] if found.notes else 'not sent'}", style="red")
        return
    for attempt in found.attempts:
        yield f"{offset + attempt.started:5.2f} s", _attempt(attempt)
    for note in found.notes:
        yield "", Text(f"note: {note}", style="dim")


def _attempt(attempt: Attempt) -> Text:
    end = f"HTTP {attempt.status}" if attempt.fault is None else attempt.fault.kind.value
    text = Text(f"attempt {attempt.number}: {end}")
    decision = attempt.decision
    if attempt.asked is not None:
        return text.append(f"  asked by our layer: {attempt.asked}", style="dim")
    if decision is None:
        return text.append("  a good first answer: nothing to decide", style="dim")
    words = [decision.action.value, "" if decision.cause is None else decision.cause.value, decision.certainty.value]
    text.append("  ").append(" · ".join(word for word in words if word), style=_STYLES[decision.action])
    if attempt.waited:
        text.append(f"  waits {attempt.waited:.2f} s", style="yellow")
    return text.append(f"\n{decision.reason}", style="dim")


def _gateway(run: Run) -> str:
    asked = run.sent[0].key_in if run.sent else "no header"
    moved = "" if asked == run.key_in else f" (the client had put it in {asked})"
    tasks = f", {_count(run.tasks, 'task')} made" if run.tasks else ""
    return f"{_count(len(run.seen), 'request')}{tasks}, the key in {run.key_in}{moved}"


def _outcome(run: Run) -> Text:
    said = one_line(textwrap.shorten(run.answer.text, _TEXT, placeholder=" ..."), _TEXT)
    text = Text(f"{run.answer.outcome}", style="bold")
    text.append(f"  {said}" if said else "", style="not bold")
    verdict = ("not what the contract says", "bold red") if run.wrong else ("as the contract says", "bold green")
    return text.append("\n").append(f"{mark(not run.wrong)} {verdict[0]}", style=verdict[1])


def ending(console: Console, shown: Demonstration) -> None:
    """Show the table of all scenarios, and the verdict."""
    runs, own = shown.runs, shown.own
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("scenario", no_wrap=True)
    wide = console.width >= _WIDE
    if wide:
        table.add_column("client", no_wrap=True)
    table.add_column("sent", justify="right")
    table.add_column("waited", justify="right", no_wrap=True)
    table.add_column("tasks", justify="right")
    table.add_column("outcome", overflow="fold")
    for run in runs:
        verdict = Text(mark(not run.wrong), style="bold red" if run.wrong else "green")
        waited = f"{run.waited:.2f} s" if run.waited else ""
        table.add_row(
            verdict,
            Text(run.scenario.title),
            *([CALLS[run.scenario.call].client] if wide else []),
            str(len(run.seen)),
            waited,
            str(run.tasks) if run.tasks else "",
            Text(run.answer.outcome),
        )
    console.print()
    _heading(console, "all scenarios")
    console.print(table)
    console.print()
    for problem in own:
        console.print(Text(problem, style="bold red"))
    bad = sum(1 for run in runs if run.wrong)
    if bad or own:
        console.print(Text(f"{bad} of {len(runs)} outcomes are not what the contract says.", style="bold red"))
    else:
        console.print(
            Text(f"All {len(runs)} outcomes are what the contract says, in {shown.seconds:.1f} s.", style="bold green")
        )


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%H:%M:%S UTC")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
