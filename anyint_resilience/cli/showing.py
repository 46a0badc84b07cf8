"""How a wait looks while it lasts: a bar on a terminal, a line for each change elsewhere. All of it on stderr.

Must not know how a task is asked for. What a gateway says is shown as words only.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..policy.echoes import word_of
from ..tasks.handle import TaskHandle
from ..tasks.updates import TaskUpdate
from .terminal import console, tell

if TYPE_CHECKING:
    from rich.progress import Task
    from rich.text import Text

__all__ = ["Lines", "Show", "Turn", "again", "bar"]

_WAIT: Final = ("anyint-resilience", "wait")


def again(handle: TaskHandle, *options: str) -> str:
    """Return how to wait again: a command for POSIX shells, where others have none that all of them read alike."""
    if os.name == "nt":
        command = " ".join([*_WAIT, "handle.json", *options])
        return f"wait again: save {handle.to_json()} as handle.json, then: {command}"
    return f"wait again with: {shlex.join([*_WAIT, handle.to_json(), *options])}"


class Show:
    """What is told of a wait: each update, and the seconds until the next look. This one shows nothing."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End."""

    def update(self, update: TaskUpdate) -> None:
        """Take an update."""

    def next_look(self, seconds: float) -> None:
        """Take the seconds until the next look."""


class _Gone(BaseException):
    """Nobody waits any more: ends a wait that was left behind."""


class Turn:
    """What a wait tells while somebody waits for it. ``seen``: the last update, for an end that brings none."""

    def __init__(self, show: Show, sleep: Callable[[float], object]) -> None:
        self.seen: TaskUpdate | None = None
        self._show = show
        self._sleep = sleep
        self._over = False

    def __enter__(self) -> None:
        """Begin."""
        self._show.__enter__()

    def __exit__(self, *_: object) -> None:
        """End: a wait that goes on ends when it tells the next thing."""
        self._over = True
        self._show.__exit__()

    def sleep(self, seconds: float) -> None:
        """Sleep until the next look, and say so."""
        self._go_on()
        self._show.next_look(seconds)
        self._sleep(seconds)
        self._go_on()

    def noted(self, update: TaskUpdate) -> None:
        """Keep an update, and show it."""
        self._go_on()
        self.seen = update
        self._show.update(update)

    def _go_on(self) -> None:
        if self._over:
            raise _Gone


class Lines(Show):
    """A plain line for each change."""

    def __init__(self, handle: TaskHandle) -> None:
        self._handle = handle
        self._said: object = None
        self._last: TaskUpdate | None = None

    def __exit__(self, *_: object) -> None:
        """Say how it stands, if that was not said yet."""
        if self._last is not None:
            self._line("")

    def update(self, update: TaskUpdate) -> None:
        """Keep an update: it is said with the time of the next look."""
        self._last = update

    def next_look(self, seconds: float) -> None:
        """Say how the task stands, if that has changed."""
        self._line(f", next look in {seconds:.1f} s")

    def _line(self, after: str) -> None:
        last = self._last
        shown = None if last is None else (_words(last), last.progress)
        if self._said == (shown,):
            return
        self._said = (shown,)
        if last is None:
            tell(f"{self._handle}{after}")
            return
        percent = "" if last.progress is None else f", {last.progress:.0f} %"
        tell(f"{last.handle.family.value}: {_words(last)}{percent}, {last.elapsed:.0f} s{after}")


def _words(update: TaskUpdate) -> str:
    state = word_of(update.state) or update.phase
    return f"{state} ({update.note})" if update.note else state


def bar(handle: TaskHandle, clock: Callable[[], float]) -> Show:
    """Return a bar that moves by itself. Needs rich; ``clock`` in seconds."""
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class NextLook(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = float(task.fields["due"]) - clock()
            return Text(f"next look in {left:.0f} s" if left > 0 else "looking")

    text = "{task.fields[family]}: {task.fields[said]}"
    progress = Progress(
        TextColumn(text, markup=False),
        BarColumn(),
        TextColumn("{task.fields[percent]}", markup=False),
        TimeElapsedColumn(),
        NextLook(),
        console=console(stderr=True),
        transient=True,
        get_time=clock,
    )
    family = handle.family.value
    row = progress.add_task("", total=None, family=family, said="asked for soon", percent="", due=clock())

    class Bar(Show):
        def __enter__(self) -> None:
            progress.start()

        def __exit__(self, *_: object) -> None:
            progress.stop()

        def update(self, update: TaskUpdate) -> None:
            known = update.progress
            percent = "" if known is None else f"{known:.0f} %"
            total = None if known is None else 100
            progress.update(row, said=_words(update), percent=percent, total=total, completed=known or 0)

        def next_look(self, seconds: float) -> None:
            progress.update(row, due=clock() + seconds)

    return Bar()
