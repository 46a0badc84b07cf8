"""Tasks that advance with a clock one can move: pending, running, then done.

Must not know families' words for states, routes or sockets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from ..contract.words import Family

__all__ = ["Clock", "Phase", "Task", "TaskStore"]

PENDING_SECONDS: Final = 5.0
RUNNING_SECONDS: Final = 10.0


class Clock:
    """Seconds for task states. Virtual: it moves by ``advance`` alone. Real: it runs, and ``advance`` jumps ahead."""

    def __init__(self, *, virtual: bool = True) -> None:
        self.virtual = virtual
        self._started = time.monotonic()
        self._epoch = time.time()
        self._ahead = 0.0
        self._lock = threading.Lock()

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


class Phase(Enum):
    """How far a task is, in no family's words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class Task:
    """One created task.

    ``kind`` is the name of its row in the contract's task table, ``path`` the path that created it. ``outcome`` is what
    becomes of it in the end: ``success``, ``failed`` or ``policy`` (refused content); ``stuck`` stays running for good.
    """

    id: str
    family: Family
    kind: str
    path: str
    created_at: float
    wall: int
    body: dict[str, Any]
    outcome: str = "success"
    clock: Callable[[], float] = field(repr=False)

    @property
    def age(self) -> float:
        """Seconds since it was created."""
        return self.clock() - self.created_at

    @property
    def phase(self) -> Phase:
        """How far it is now."""
        if self.age < PENDING_SECONDS:
            return Phase.PENDING
        if self.age < RUNNING_SECONDS or self.outcome == "stuck":
            return Phase.RUNNING
        return Phase.SUCCESS if self.outcome == "success" else Phase.FAILED

    @property
    def state(self) -> str:
        """How far it is now, as a word."""
        return self.phase.value

    @property
    def done(self) -> bool:
        """Whether it succeeded and its result is there."""
        return self.phase is Phase.SUCCESS

    def to_json(self) -> dict[str, Any]:
        """Return what the control endpoint shows."""
        names = ("id", "kind", "path", "created_at", "outcome", "state", "body")
        return {"family": self.family.value, **{name: getattr(self, name) for name in names}}


class TaskStore:
    """Every task that was created, in order."""

    OUTCOMES: Final = ("success", "failed", "policy", "stuck")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._tasks: dict[str, Task] = {}

    def create(
        self, *, ident: str, family: Family, kind: str, path: str, body: dict[str, Any], outcome: str, keep: bool
    ) -> Task:
        """Create a task; with ``keep`` False it is forgotten at once (the work was not done)."""
        if outcome not in self.OUTCOMES:
            raise ValueError(f"a task's outcome is one of {', '.join(self.OUTCOMES)}, not {outcome!r}")
        task = Task(
            id=ident,
            family=family,
            kind=kind,
            path=path,
            created_at=self.clock.now(),
            wall=self.clock.wall(),
            body=body,
            outcome=outcome,
            clock=self.clock.now,
        )
        if keep:
            self._tasks[ident] = task
        return task

    def get(self, ident: str, kind: str) -> Task | None:
        """Return the task with this id if it is of this kind."""
        task = self._tasks.get(ident)
        return task if task is not None and task.kind == kind else None

    def all(self) -> list[Task]:
        """Return the tasks in the order of their creation."""
        return list(self._tasks.values())

    def clear(self) -> None:
        """Forget every task."""
        self._tasks.clear()
