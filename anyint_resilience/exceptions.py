"""The exceptions of the library.

Must not know any client. Each adapter has classes that derive from these *and* from its client's own,
so that code which catches the client's exceptions goes on working.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .callreport import CallReport
from .contract.words import Cause, Certainty
from .policy.model import Decision
from .tasks.handle import TaskHandle

if TYPE_CHECKING:
    from .stores.flows import Flow
    from .tasks.updates import TaskUpdate

__all__ = [
    "MADE",
    "MISMATCH",
    "REFUSED",
    "WAITING",
    "CircuitOpen",
    "DeadlineExceeded",
    "GateClosed",
    "NotRecorded",
    "OutcomeUnknown",
    "QueryRefused",
    "ResilienceError",
    "StreamInterrupted",
    "TaskError",
    "TaskFailed",
    "TaskTimeout",
]

REFUSED = (
    "Not sent: the same create went out before and nobody knows what became of it; it may have been done and billed. "
    "Look for its task first. Only if it is certain that there is none, anyint.ledger.forget(error.intent) lets it out."
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


HELD_BACK: dict[str, str] = {REFUSED: "held_back", WAITING: "on_its_way", MADE: "made", MISMATCH: "mismatch"}
"""What ``OutcomeUnknown.why`` is for each of these."""


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
    """A paid create or upload may have been done and billed, now or before, and has no answer to show for it.

    The same request is not sent again through us until the application calls
    ``Resilience.ledger.forget(error.intent)``, once it is certain that there is no such task, or sends another
    ``Idempotency-Key``. ``intent`` names the request in the ledger; it is None where the body could be sent only once.

    ``why`` is ``unknown`` (it went out, and nobody knows what became of it), or says why it was not sent: ``held_back``
    (the same create is of unknown outcome), ``on_its_way`` (the same create has not ended yet), ``made`` (it was made,
    and its answer is not kept), ``mismatch`` (its ``Idempotency-Key`` belongs to a create with another body).
    """

    intent: str | None = None
    why: str = "unknown"


class NotRecorded(ResilienceError):
    """A paid create was not sent, because the ledger could not record it and ``strict_ledger`` is on.

    The store's own exception is the ``__cause__``.
    """


class DeadlineExceeded(ResilienceError):
    """The deadline the user set has passed."""


class GateClosed(ResilienceError):
    """Not sent: the calls of this key and model are limited, used up or failing, and this one could not wait for that.

    ``why``: ``rate`` (a limit was reached), ``quota`` (used up), ``down`` (one call after another failed), ``full``
    (``max_concurrency``), or ``circuit``. ``retry_at``: the Unix time from which it makes sense to try again, None
    where nobody knows. Nothing was done and nothing is billed.
    """

    why: str = ""
    retry_at: float | None = None


class CircuitOpen(GateClosed):
    """Not sent: the circuit of this route and model is open, since too many calls failed."""


class StreamInterrupted(ResilienceError):
    """A streamed answer had begun and did not come to its end: what arrived is not the whole answer.

    Nothing was sent again, and nothing will be: the application knows what it has shown. Where ``safe_to_repeat`` it
    may ask anew (``resume_stream`` does), and drops what it has; two answers are never put together.

    ``why``: ``cut`` (it ended without its last event), ``broken`` (the connection was lost), ``idle`` (nothing, or no
    content, came for too long), ``failed`` (an event of its own says so). ``events``: how many events with content
    arrived; ``bytes``: how many bytes. ``text``: the text for people in them, None where that is not known or too long
    to keep. ``last_event_id``, ``usage`` (tokens, as the family counts them) and ``finish_reason``: the last that was
    said of each, None if nothing was. The client's own exception, where there was one, is the ``__cause__``.
    """

    why: str = "cut"
    events: int = 0
    bytes: int = 0
    text: str | None = None
    last_event_id: str | None = None
    usage: dict[str, Any] | None = None
    finish_reason: str | None = None
    safe_to_repeat: bool = False
    retried: bool = False
    """It failed before any content on each attempt that the policy allows: asking anew was tried already."""
    spend: Callable[[], bool] | None = None
    """Takes what asking anew costs from the retry budget of its key and gateway; False: it is spent."""
    spending: Callable[[], Flow] | None = None
    """Does as ``spend``, for those who must not wait in their thread."""

    def __reduce__(self) -> tuple[Any, ...]:
        kept = {name: it for name, it in self.__dict__.items() if name not in ("spend", "spending")}
        return type(self), self.args, kept

    @property
    def cause(self) -> Cause | None:
        """Why it was interrupted, as far as that is known."""
        return None if self.decision is None else self.decision.cause

    @property
    def certainty(self) -> Certainty:
        """What became of the request: it went out, and part of its answer came."""
        return Certainty.UNKNOWN if self.decision is None else self.decision.certainty


class TaskError(ResilienceError):
    """A wait for a task ended without its result. The ``handle`` is whole: the task can be asked for again.

    ``update`` is the last that was heard of the task, None if nothing was; after a failure its ``document`` has the
    gateway's own words. ``decision`` is the one that ended the wait, None for a time-out and for an answer too long.
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
    """The task came to its end without a result, or the gateway knows it no more: asking on changes nothing.

    ``on_update`` was told of it before. A new task is a new paid job.
    """


class QueryRefused(TaskError):
    """The task can't be asked for like this: the key is refused or not the one that made it, or the query is wrong.

    So it is with an answer over 16 MiB: read that at ``handle.url``. The task itself may go on. Ask again with the
    handle when that is mended.
    """


class TaskTimeout(TaskError, TimeoutError):
    """The deadline of a wait has passed. The task goes on: wait again with the handle, do not create it again."""
