"""The exceptions of the library.

Must not know any client. Each adapter has classes that derive from these *and* from its client's own,
so that code which catches the client's exceptions goes on working.
"""

from __future__ import annotations

from .policy.model import CallReport, Decision

__all__ = ["DeadlineExceeded", "OutcomeUnknown", "ResilienceError"]

REFUSED = (
    "Not sent: the same create went out before and nobody knows what became of it; it may have been done and billed. "
    "Look for its task first. Only if it is certain that there is none, forget(error.intent) on the ledger lets it out."
)
"""What is said of a create that the ledger holds back. It never invites a new one."""


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


class DeadlineExceeded(ResilienceError):
    """The deadline the user set has passed."""
