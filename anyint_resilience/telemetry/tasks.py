"""``WaitWatch``: one wait for a task as those see it who look on. Must not know any client, nor change the wait.

A wait has a span of its own, linked to the create's; its queries are calls like any other, each with its own spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..contract.words import Operation
from ..exceptions import QueryRefused, TaskFailed, TaskTimeout
from ..policy.echoes import id_of, word_of
from ..router import Plan
from ..tasks.updates import query_route
from .details import FINE
from .telling import Teller, safe

if TYPE_CHECKING:
    from ..config import Resilience
    from ..tasks.updates import TaskUpdate
    from ..tasks.waiting import Wait

__all__ = ["WaitWatch"]

_OUTCOMES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (TaskFailed, "task_failed"),
    (TaskTimeout, "late"),
    (QueryRefused, "failed"),
    (GeneratorExit, "abandoned"),
    (Exception, "error"),
    (BaseException, "cancelled"),
)


class WaitWatch(Teller):
    """What is told of one wait: ``update`` for each query, and ``ended``, once."""

    __slots__ = ("handle", "last", "noted", "polls", "runtime", "word")

    def __init__(self, anyint: Resilience, wait: Wait) -> None:
        route = query_route(wait.handle)
        super().__init__(anyint.telemetry, NO_SOURCE, None, Plan(route, secure=True), Operation.QUERY)
        self.handle = wait.handle
        self.runtime = wait.runtime
        self.word: str | None = None
        self.noted: set[str] = set()
        self.last: TaskUpdate | None = None
        self.polls = 0
        self._begin()

    @safe
    def _begin(self) -> None:
        hub, handle = self.hub, self.handle
        if not hub.active():
            return
        task = id_of(handle.task_id)
        begun: dict[str, Any] = {"anyint.family": self.family, "url.template": self.plan.route.template}
        if task is not None:
            begun["anyint.task.id"] = task
        link = (handle.trace_id, handle.span_id)
        self.spans = hub.call_spans(f"wait {self.plan.route.template}", begun, (), link)

    @safe
    def update(self, update: TaskUpdate) -> None:
        """Say how the task stands, where that has changed or is strange."""
        self.last, self.polls = update, update.polls
        word = word_of(update.state) or update.phase
        details: dict[str, Any] = {"anyint.task.state": word, "anyint.polls": update.polls}
        strange = update.note and update.problem is None and update.phase != "partial"
        if strange and update.note not in self.noted and len(self.noted) < 16:
            self.noted.add(update.note)
            self.say("strange state", {**details, "anyint.reason": update.note})
        elif word != self.word:
            self.say("task state", details)
        self.word = word

    def ended(self, error: BaseException | None) -> None:
        """Close the wait; ``error``: what ended it, None for success."""
        self.foreign = isinstance(error, GeneratorExit)  # perhaps within the garbage collector: told a little later
        self._ended(error)

    @safe
    def _ended(self, error: BaseException | None) -> None:
        outcome = "success" if error is None else next(word for kind, word in _OUTCOMES if isinstance(error, kind))
        if self.hub.meters is not None:
            age = max(0.0, self.runtime.wall() - self.handle.created_at)
            self.hub.meters.wait_over(self.family, outcome, age)
        details: dict[str, Any] = {"anyint.outcome": outcome, "anyint.polls": self.polls}
        if error is not None:
            details["error.type"] = type(error).__name__
        self.say("wait over", details)
        if self.spans is not None:
            self.spans.end(details if self.spans.recording else {}, failed=outcome not in FINE)


class _NoSource:
    """A wait has no request of its own."""

    def method_of(self, request: Any, /) -> str:
        return "GET"

    def place_of(self, request: Any, /) -> tuple[str, str, int | None, bytes]:
        return "https", "", None, b"/"

    def body_of(self, request: Any, /) -> Any:
        return None

    def around(self, request: Any, /) -> tuple[()]:
        return ()


NO_SOURCE: Final = _NoSource()
