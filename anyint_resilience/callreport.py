"""What became of one call, attempt by attempt: ``CallReport``, a value.

Must not know any rule or client. It stands above ``policy`` because it holds a task's handle, which ``tasks`` makes.
Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .contract.words import Family, Operation
from .policy.model import Attempt, Decision
from .tasks.handle import TaskHandle

__all__ = ["CallReport", "FallbackUsed"]

_NOTICED: Final = 0.1  # seconds
_IN_LINE: Final = "in line with the other calls of its key and model"


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackUsed:
    """A fallback that a call took: of which workload, from where to where (models, or ``model@host``), and why."""

    workload: str
    origin: str
    target: str
    cause: str

    def __str__(self) -> str:
        return f"from={self.origin}, to={self.target}, cause={self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """What happened to one call of the application; read it with ``report(response_or_exception)``.

    ``decision`` is the one the call ended by, None where the first answer was good and nothing had to be
    decided. ``attempts`` in order; ``route`` is ``METHOD /template``; ``outer_retries`` is how many times a retry
    layer above us had already sent this call (``x-stainless-retry-count``), 0 if none was seen. ``repeats`` is how many
    times the same request had failed through us within the minute before: a retry layer above that says nothing of
    itself, or the same question asked anew. ``intent`` names a
    paid create of unknown outcome in the ledger (``ledger.forget(intent)`` lets it out again); None for any other call.
    ``task`` is the handle of the task that a create made, or that was found in its place: wait for it, keep it.
    ``held``: seconds in line before the first attempt. ``fallback``: the one that served in the primary's place.
    ``nearest_models``: names like the one that the gateway does not know, from its own list.
    """

    route: str
    family: Family | None
    operation: Operation
    decision: Decision | None = None
    attempts: tuple[Attempt, ...] = ()
    outer_retries: int = 0
    repeats: int = 0
    intent: str | None = None
    task: TaskHandle | None = None
    held: float = 0.0
    fallback: FallbackUsed | None = None
    nearest_models: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Every decision taken, in order."""
        return tuple(attempt.decision for attempt in self.attempts if attempt.decision is not None)

    @property
    def waited(self) -> float:
        """Seconds spent waiting, between attempts and in line."""
        return self.held + sum(attempt.waited for attempt in self.attempts)

    def __str__(self) -> str:
        return self.timeline()

    def timeline(self) -> str:
        """Tell the call in words, one line an attempt."""
        lines = [f"{self.route}: {len(self.attempts)} attempt(s), waited {self.waited:.2f} s"]
        for attempt in self.attempts:
            end = str(attempt.status) if attempt.fault is None else attempt.fault.kind.value
            asked = "" if attempt.asked is None else f" {attempt.asked}:"
            asked += "" if attempt.to is None else f" fallback to {attempt.to}:"
            line = f"  {attempt.number}. +{attempt.started:.2f} s:{asked} {end}"
            if attempt.decision is not None:
                line += f" -> {attempt.decision.action.value}: {attempt.decision.reason}"
                delay = 0.0 if attempt.decision.delay is None else attempt.decision.delay
                line += f" (waited {attempt.waited:.2f} s: {_IN_LINE})" if attempt.waited - delay > _NOTICED else ""
            lines.append(line)
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])
