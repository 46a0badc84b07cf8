"""The exceptions of the library.

Must not know any client. Each adapter has classes that derive from these *and* from its client's own,
so that code which catches the client's exceptions goes on working.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .callreport import CallReport
from .policy.model import Decision
from .tasks.handle import TaskHandle

if TYPE_CHECKING:
    from .tasks.updates import TaskUpdate

__all__ = [
    "MADE",
    "MISMATCH",
    "REFUSED",
    "WAITING",
    "DeadlineExceeded",
    "NotRecorded",
    "OutcomeUnknown",
    "QueryRefused",
    "ResilienceError",
    "TaskError",
    "TaskFailed",
    "TaskTimeout",
]

REFUSED = (
    "Not sent: the same create went out before and nobody knows what became of it; it may have been done and billed. "
    "Look for its task first. Only if it is certain that there is none, forget(error.intent) on the ledger lets it out."
)
"""What is said of a create that the ledger holds back. It never invites a new one."""

MADE = (
    "Not sent: the same create was made before, by its Idempotency-Key or because it is a retry of it, and its answer "
    "is not kept. Look for its task; report(error).task names it where it is known. For one more, send another key."
)
"""What is said of a create that was made already, where its answer can't be given again."""

WAITING = (
    "Not sent: the same create is on its way, by its Idempotency-Key or by dedupe, and did not end in time. It will be "
    "answered where it was sent; ask again later, and this one gets its answer. There is nothing to forget."
)
"""What is said of a create whose twin is on its way."""

MISMATCH = (
    "Not sent: this Idempotency-Key was used for a create with another body, which was made. One key is for one "
    "create: send another one for this; report(error).task names the task of the first where it is known."
)
"""What is said of a create whose key belongs to another."""


class ResilienceError(Exception):
    """Base of everything this library raises by itself.

    Read what happened with ``report(error)``; the original exception, where there was one, is the
    ``__cause__``.
    """

    anyint_report: CallReport | None = None

    @property
    def decision(self) -> Decision | None:
        """The last decision taken in the call."""
        return None if self.anyint_report is None else self.anyint_report.decision


class OutcomeUnknown(ResilienceError):
    """A paid create or upload went out and nobody knows what became of it.

    It may have been done and billed. The same request is not sent again through us until the
    application calls ``Resilience.ledger.forget(error.intent)`` or sends another ``Idempotency-Key``.
    ``intent`` names the request in the ledger; it is None where the body could be sent only once.
    """

    intent: str | None = None


class NotRecorded(ResilienceError):
    """A paid create was not sent, because the ledger could not record it and ``strict_ledger`` is on.

    The store's own exception is the ``__cause__``.
    """


class DeadlineExceeded(ResilienceError):
    """The deadline the user set has passed."""


class TaskError(ResilienceError):
    """A wait for a task ended without its result. The ``handle`` is whole: the task can be asked for again.

    ``update`` is the last that was heard of the task, None if nothing was. ``decision`` is the one that ended the wait,
    None for a time-out.
    """

    def __init__(
        self, text: str, *, handle: TaskHandle, update: TaskUpdate | None = None, decision: Decision | None = None
    ) -> None:
        super().__init__(text)
        self.handle = handle
        self.update = update
        self._decision = decision

    def __reduce__(self) -> tuple[Any, ...]:
        again = partial(type(self), handle=self.handle, update=self.update, decision=self._decision)
        return again, (str(self),)

    @property
    def decision(self) -> Decision | None:
        """The decision that ended the wait: why, and what to do about it."""
        return self._decision


class TaskFailed(TaskError):
    """The task came to its end without a result, or its state is lost: asking on changes nothing.

    A new task is a new paid job.
    """


class QueryRefused(TaskError):
    """The gateway does not answer questions about the task: the key is refused, or may not see it.

    The task itself may go on. Ask again with the handle when that is mended.
    """


class TaskTimeout(TaskError, TimeoutError):
    """The deadline of a wait has passed. The task goes on: wait again with the handle, do not create it again."""
