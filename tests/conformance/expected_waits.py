"""What must be emitted of a wait for a task, told from the updates that the application got.

Must not know any scenario or client by name, nor how anything is emitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anyint_resilience import CallReport, QueryRefused, TaskFailed, TaskHandle, TaskTimeout, TaskUpdate, report
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.exceptions import TaskError
from tests.conformance.emitted import Labels, labels
from tests.conformance.expected import Happened, named
from tests.conformance.playing import Played

__all__ = ["Waited", "waits_of"]


@dataclass(frozen=True)
class Waited:
    """One wait for a task, as the application saw it."""

    create: CallReport
    updates: list[TaskUpdate]
    error: TaskError | None

    @property
    def handle(self) -> TaskHandle:
        """Which task."""
        assert self.create.task is not None
        return self.create.task

    @property
    def outcome(self) -> str:
        """How it ended."""
        if self.error is None:
            return "success"
        kinds = {TaskFailed: "task_failed", TaskTimeout: "late", QueryRefused: "failed"}
        return kinds[type(self.error)]

    @property
    def template(self) -> str:
        """The path of its queries."""
        return RouteTable(seedance=True).match("GET", self.handle.path.partition("?")[0]).template

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of its span."""
        begun = {"anyint.family": self.handle.family.value, "anyint.task.id": self.handle.task_id}
        return {**begun, "url.template": self.template, **self.end}

    @property
    def end(self) -> dict[str, Any]:
        """The details of its end: queries that it told of no more are counted by whoever asks."""
        kind = None if self.error is None else type(self.error).__name__
        return named(anyint__outcome=self.outcome, anyint__polls=len(self.updates), error__type=kind)

    def events(self) -> list[Happened]:
        """Return what must have happened in it, in order."""
        found, word, noted = list[Happened](), "", set[str]()
        for update in self.updates:
            state = update.state or update.phase
            details = {"anyint.task.state": state, "anyint.polls": update.polls}
            strange = update.note and update.problem is None and update.phase != "partial"
            if strange and update.note not in noted:
                noted.add(update.note)
                found.append(("strange state", {**details, "anyint.reason": update.note}))
            elif state != word:
                found.append(("task state", details))
            word = state
        return [*found, ("wait over", self.end)]

    def points(self) -> Iterator[tuple[str, Labels, float]]:
        """Yield what each instrument must have been told of it."""
        key = labels({"anyint.family": self.handle.family.value, "anyint.outcome": self.outcome})
        last = self.updates[-1:] if self.error is None or self.error.update is None else [self.error.update]
        yield "anyint.task.waits", key, 1
        if self.outcome in ("success", "task_failed"):
            yield "anyint.task.duration", key, self.create.waited + sum(it.elapsed for it in last)


def waits_of(played: Played) -> list[Waited]:
    """Return the waits for tasks that a scenario came to."""
    found = []
    for ask, end in zip(played.scenario.asks, played.ends, strict=True):
        told = report(end.answer)
        if ask.follow is not None and told is not None:
            found.append(Waited(told, end.updates, end.error if isinstance(end.error, TaskError) else None))
    return found
