"""Tasks that advance with a clock one can move, by the turns of their outcome.

Must not know families' words for states, routes or sockets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from ..contract.words import Family
from .turns import INSTEAD, TURNS, Phase, Turn

__all__ = ["Clock", "Phase", "Task", "TaskStore"]


class Clock:
    """Seconds for task states. Virtual: it moves by ``advance`` alone. Real: it runs, and ``advance`` jumps ahead."""

    def __init__(self, *, virtual: bool = True) -> None:
        self.virtual = virtual
        self._started = time.monotonic()
        self._epoch = time.time()
        self._ahead = 0.0
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], object]] = []

    def watch(self, watcher: Callable[[], object]) -> None:
        """Call this, from whichever thread moves the clock, after every ``advance``."""
        self._watchers.append(watcher)

    def now(self) -> float:
        """Return the seconds since the clock was made."""
        with self._lock:
            ran = 0.0 if self.virtual else time.monotonic() - self._started
            return ran + self._ahead

    def wall(self) -> int:
        """Return the Unix time an answer shows."""
        return int(self._epoch + self.now())

    def advance(self, seconds: float) -> None:
        """Move the clock ahead; raises ValueError for a step that is not >= 0."""
        if not seconds >= 0 or seconds == float("inf"):
            raise ValueError(f"the clock moves ahead by a number of seconds >= 0, not {seconds!r}")
        with self._lock:
            self._ahead += seconds
        for watcher in list(self._watchers):
            watcher()


@dataclass(slots=True, kw_only=True)
class Task:
    """One created task.

    ``kind`` is the name of its row in the contract's task table, ``path`` the path that created it and ``base`` the
    address it was called at. ``outcome`` is the row of ``turns.TURNS`` it lives by; ``words`` are its family's words
    for phases. Until it is ``visible_after`` seconds old, queries do not find it. ``ended``: its end came early.
    """

    id: str
    family: Family
    kind: str
    path: str
    created_at: float
    wall: int
    body: dict[str, Any]
    outcome: str = "success"
    visible_after: float = 0.0
    words: Mapping[Phase, str | int] = field(default_factory=dict, repr=False)
    base: str = ""
    ended: bool = False
    clock: Callable[[], float] = field(repr=False)

    @property
    def age(self) -> float:
        """Seconds since it was created."""
        return self.clock() - self.created_at

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every turn it takes, each in a phase its family has a word for."""
        return tuple(Turn(turn.age, self._worded(turn.phase), turn.result) for turn in TURNS[self.outcome])

    def _worded(self, phase: Phase) -> Phase:
        """Return this phase, or what a family without a word for it is in."""
        while phase not in self.words and phase in INSTEAD:
            phase = INSTEAD[phase]
        return phase

    @property
    def turn(self) -> Turn:
        """The turn it has taken last."""
        turns, age = self.turns, self.age
        return turns[-1] if self.ended else [turn for turn in turns if turn.age <= max(age, 0.0)][-1]

    @property
    def phase(self) -> Phase:
        """How far it is now."""
        return self.turn.phase

    @property
    def state(self) -> str:
        """How far it is now, as a word."""
        return self.phase.value

    @property
    def word(self) -> str | int:
        """What its family calls that; raises KeyError once it is gone."""
        return self.words[self.phase]

    @property
    def done(self) -> bool:
        """Whether it succeeded, wholly or in part, and its result is there."""
        return self.turn.result

    @property
    def visible(self) -> bool:
        """Whether queries find it."""
        return self.age >= self.visible_after and self.phase is not Phase.GONE

    @property
    def external_id(self) -> str | None:
        """The id its creator gave it (Kling: ``external_task_id``), or None."""
        given = self.body.get("external_task_id")
        return given if isinstance(given, str) and given else None

    def settle(self, outcome: str, *, now: bool = False) -> None:
        """Decide what becomes of it, with ``now`` at once; raises ValueError for an outcome there is none of."""
        if outcome not in TURNS:
            raise ValueError(f"a task's outcome is one of {', '.join(TURNS)}, not {outcome!r}")
        self.outcome, self.ended = outcome, now

    def to_json(self) -> dict[str, Any]:
        """Return what the control endpoint shows."""
        names = ("id", "kind", "path", "created_at", "outcome", "state", "body", "external_id", "visible_after")
        return {"family": self.family.value, **{name: getattr(self, name) for name in names}, "visible": self.visible}


class TaskStore:
    """Every task that was created, in order."""

    OUTCOMES: Final = tuple(TURNS)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._tasks: dict[str, Task] = {}
        self._held: float | None = None

    def now(self) -> float:
        """Return the moment tasks are at."""
        held = self._held
        return self.clock.now() if held is None else held

    @contextmanager
    def holding(self) -> Generator[None, None, None]:
        """Keep tasks at one moment: an answer looks at a task more than once, and must not tell of two turns."""
        self._held = self.clock.now()
        try:
            yield
        finally:
            self._held = None

    def create(
        self,
        *,
        ident: str,
        family: Family,
        kind: str,
        path: str,
        body: dict[str, Any],
        outcome: str,
        keep: bool,
        words: Mapping[Phase, str | int],
        visible_after: float = 0.0,
        base: str = "",
    ) -> Task:
        """Create a task; with ``keep`` False it is forgotten at once (the work was not done)."""
        task = Task(
            id=ident,
            family=family,
            kind=kind,
            path=path,
            created_at=self.now(),
            wall=self.clock.wall(),
            body=body,
            visible_after=visible_after,
            words=words,
            base=base,
            clock=self.now,
        )
        task.settle(outcome)
        if keep:
            self._tasks[ident] = task
        return task

    def get(self, ident: str, kind: str) -> Task | None:
        """Return the task with this id if it is of this kind, and if queries find it."""
        task = self._tasks.get(ident)
        return task if task is not None and task.kind == kind and task.visible else None

    def all(self) -> list[Task]:
        """Return the tasks in the order of their creation, those that queries do not find among them."""
        return list(self._tasks.values())

    def clear(self) -> None:
        """Forget every task."""
        self._tasks.clear()
