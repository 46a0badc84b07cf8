"""Whether a stream that broke off is asked for anew, when, and what the application is told of it.

Must not know any client or SDK, nor send anything.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from .exceptions import StreamInterrupted
from .following import FAILED, Heard
from .guards.budget import SPENT
from .policy.rules import Policy
from .repeating import Repeat, chain_of, delay_before, repeat_of
from .reports import attach
from .runtime import Runtime
from .stores.flows import Flow

__all__ = ["Restarted", "Runs"]

_SPENT = f"not asked anew: {SPENT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """What came so far is no whole answer, and the same is asked for anew: drop it, or keep it apart.

    ``number`` of the run that follows (2 is the first one anew), after ``delay`` seconds. ``items``: how many were
    given of the run before. ``why``: as on :class:`StreamInterrupted`. ``error``: the exception that ended it.
    """

    number: int
    delay: float
    items: int
    why: str
    error: Exception = field(repr=False)


class Runs:
    """How often, and how long, one stream has been asked for."""

    def __init__(self, policy: Policy | None, runtime: Runtime) -> None:
        self.policy = Policy() if policy is None else policy
        self.runtime = runtime
        self.began = runtime.monotonic()
        self.number, self.items, self.waited = 1, 0, 0.0
        self._failed: Heard = []

    @contextmanager
    def hearing(self) -> Generator[None, None, None]:
        """Hear of a stream that says itself that it failed, though an SDK raises its own exception for that."""
        token = FAILED.set(self._failed)
        try:
            yield
        finally:
            FAILED.reset(token)

    def ended(self, error: Exception | None) -> Flow:
        """Return that it is asked for anew; None where it was whole, or the exception is to be raised."""
        return None if error is None else (yield from self._again(error))

    def _again(self, error: Exception) -> Flow:
        policy, runtime = self.policy, self.runtime
        repeat = repeat_of(error, policy)
        last = None if repeat.interrupted is not None else self._said(error)
        if last is not None:  # an SDK made its own of an event that says so
            at = None if last.decision is None else last.decision.retry_at
            repeat = Repeat(last.safe_to_repeat, last.cause, at, last)
        if not repeat.safe or not policy.enabled or self.number >= policy.attempts or not self._broke(repeat):
            return None
        delay = delay_before(repeat, number=self.number, now=runtime.wall(), policy=policy, u=runtime.random())
        passed = runtime.monotonic() - self.began
        late = policy.deadline is not None and passed + delay >= policy.deadline
        if late or self.waited + delay > policy.retry_window or not (yield from self._paid(repeat)):
            return None
        self.number, self.waited, items, self.items = self.number + 1, self.waited + delay, self.items, 0
        why = "failed" if repeat.interrupted is None else repeat.interrupted.why
        return Restarted(number=self.number, delay=delay, items=items, why=why, error=error)

    def _said(self, error: Exception) -> StreamInterrupted | None:
        """Return the stream that said itself that it failed, and was closed because of this exception."""
        heard, self._failed[:] = list(self._failed), ()
        return next((it for it, why in heard if any(why is one for one in chain_of(error))), None)

    def _broke(self, repeat: Repeat) -> bool:
        """Whether a stream broke off: a call that never began has had all its attempts."""
        return self.items > 0 if repeat.interrupted is None else not repeat.interrupted.retried

    def _paid(self, repeat: Repeat) -> Flow:
        """Return whether the retry budget of its key and gateway pays for it."""
        spending = None if repeat.interrupted is None else repeat.interrupted.spending
        paid = True if spending is None else (yield from spending())
        told = None if paid or repeat.interrupted is None else repeat.interrupted.anyint_report
        if told is not None:
            attach(repeat.interrupted, replace(told, notes=(*told.notes, _SPENT)))
        return paid
