"""The steps of a create and of a wait as numbered points at which the process may die, by SIGKILL, of its own hand.

Must not know what is created, nor the gateway. Every effect of the engine and of a wait is a point before and after it
is carried out; every SQL statement is one too, under the name of the change that it belongs to. The names:

``create: enter, before``    the engine asks for it, nothing has happened
``sql: enter, after BEGIN``  within the transaction
``wait: Ask, after``         the query is answered, the wait does not know yet
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from anyint_resilience import drive, waits
from anyint_resilience.stores import schema
from anyint_resilience.stores.sqlite import SqliteStore

__all__ = ["POINTS", "Points", "kind_of"]

_EFFECTS = (
    *("create: enter", "create: settle", "create: Send", "create: Peek", "create: Sleep", "create: Discard"),
    *("create: Answer", "wait: Rest", "wait: Ask", "wait: Tell"),
)
_CHANGES = ("enter", "settle")
_SQL = (
    *("before BEGIN", "after BEGIN", "within the step", "before INSERT", "after INSERT"),
    *("before COMMIT", "after COMMIT"),
)
_OPENS = ("before CREATE", "after CREATE", "before PRAGMA", "after PRAGMA", "before INSERT", "before COMMIT")
POINTS: tuple[str, ...] = (
    *(f"{effect}, {when}" for effect in _EFFECTS for when in ("before", "after")),
    *(f"sql: {change}, {when}" for change in _CHANGES for when in _SQL),
    *(f"sql: open, {when}" for when in _OPENS),
)
"""Every point that a run can die at by its own hand."""


def kind_of(effect: Any) -> str:
    """Return what an effect is called in the names of points."""
    name = type(effect).__name__
    if name != "StateCall":
        return name
    return "enter" if effect.enters else getattr(effect.step.func, "__name__", "change")


class Points:
    """Counts the points that are passed, and dies at the one that was chosen: the ``turn``-th of that name."""

    def __init__(self, wanted: str = "", turn: int = 1, note: Callable[..., None] = lambda *_: None) -> None:
        self.wanted = wanted
        self.turn = turn
        self.note = note
        self.passed: Counter[str] = Counter()
        self.change = "open"

    def reach(self, name: str) -> None:
        """Pass a point, or die there."""
        self.passed[name] += 1
        if name == self.wanted and self.passed[name] == self.turn:
            self.note("died", name)
            os.kill(os.getpid(), signal.SIGKILL)

    def followed(self, flow: Generator[Any, Any, Any], word: str) -> Generator[Any, Any, Any]:
        """Drive a flow, with a point before and after each of its effects."""
        go_on: Callable[[], Any] = partial(next, flow)
        while True:
            try:
                effect = go_on()
            except StopIteration as stop:
                return stop.value
            kind = kind_of(effect)
            self.change = kind if kind in _CHANGES else "other"
            self.reach(f"{word}: {kind}, before")
            try:
                reply = yield effect
            except GeneratorExit:
                flow.close()
                raise
            except BaseException as error:
                go_on = partial(flow.throw, error)
            else:
                self.reach(f"{word}: {kind}, after")
                go_on = partial(flow.send, reply)

    def install(self, told: Callable[[Any], None] = lambda _: None) -> None:
        """Put the points into this process; ``told`` hears of every create that is about to be entered."""
        run, follow, update = drive.run, waits.follow, SqliteStore.update

        def running(call: Any) -> Generator[Any, Any, Any]:
            if call.intent is not None:
                told(call)
            return (yield from self.followed(run(call), "create"))

        def following(wait: Any) -> Generator[Any, Any, Any]:
            return (yield from self.followed(follow(wait), "wait"))

        def updating(store: Any, key: str, step: Any, ttl: float) -> Any:
            def stepping(state: Any, now: float) -> Any:
                new = step(state, now)
                self.reach(f"sql: {self.change}, within the step")
                return new

            return update(store, key, stepping, ttl)

        patched: Any = (drive, waits, SqliteStore, schema)
        patched[0].run, patched[1].follow, patched[2].update = running, following, updating
        patched[3].sqlite3 = _Connecting(self)


class _Connecting:
    """The module sqlite3, as far as a store's file is opened with it; its connections pass points."""

    Error = sqlite3.Error
    OperationalError = sqlite3.OperationalError

    def __init__(self, points: Points) -> None:
        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *values: Any) -> Any:  # type: ignore[override]
                word = statement.split(maxsplit=1)[0]
                points.reach(f"sql: {points.change}, before {word}")
                made = super().execute(statement, *values)
                if word == "COMMIT" and points.change in _CHANGES:
                    points.note(points.change)  # from here on it is on the disk
                points.reach(f"sql: {points.change}, after {word}")
                return made

        self._kind = Connection

    def connect(self, *args: Any, **settings: Any) -> sqlite3.Connection:
        """Open a database."""
        return sqlite3.connect(*args, factory=self._kind, **settings)
