"""The table: Cause x safe/unsafe x Certainty -> may the same request be sent again?

Must not know hints, counts or clocks: they only ever take a yes back (``rules``).
"""

from __future__ import annotations

from typing import Final

from ..contract.words import Cause, Certainty, Operation
from .model import Action, Observation

__all__ = ["IDEMPOTENT", "NEVER_REPEATED", "PAID", "RULES", "is_unsafe", "refusal"]

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods whose repetition does no new work (RFC 9110). They decide for operation ``other`` only."""

NEVER_REPEATED: Final = frozenset({Cause.INVALID, Cause.AUTH, Cause.PERMISSION, Cause.MODEL, Cause.QUOTA, Cause.POLICY})
"""The same request would fail in the same way, whatever a header says about retrying (AnyInt's retry table)."""

_COLUMNS: Final = (Certainty.NOT_SENT, Certainty.REJECTED, Certainty.UNKNOWN, Certainty.COMMITTED)
_YES, _NO = Action.BACKOFF, Action.NO_RETRY
_ROWS: Final[dict[tuple[Cause, bool], tuple[Action, Action, Action, Action]]] = {
    # cause, unsafe            not_sent rejected unknown committed
    (Cause.RATE, False): (_YES, _YES, _YES, _NO),
    (Cause.RATE, True): (_YES, _YES, _NO, _NO),
    (Cause.TRANSIENT, False): (_YES, _YES, _YES, _NO),
    (Cause.TRANSIENT, True): (_YES, _YES, _NO, _NO),
    (Cause.SERVER, False): (_YES, _YES, _YES, _NO),
    (Cause.SERVER, True): (_YES, _YES, _NO, _NO),
    (Cause.UNKNOWN, False): (_YES, _NO, _YES, _NO),
    (Cause.UNKNOWN, True): (_NO, _NO, _NO, _NO),
    **{(cause, unsafe): (_NO, _NO, _NO, _NO) for cause in sorted(NEVER_REPEATED) for unsafe in (False, True)},
}
RULES: Final[dict[tuple[Cause, bool, Certainty], Action]] = {
    (cause, unsafe, certainty): action
    for (cause, unsafe), row in _ROWS.items()
    for certainty, action in zip(_COLUMNS, row, strict=True)
}
"""May the same request be sent again? Everything after it only takes a yes back: attempts, window, deadline."""

_GENERATIONS: Final = frozenset({Operation.GENERATE, Operation.STREAM})
PAID: Final = frozenset({Operation.CREATE, Operation.UPLOAD})
"""Operations that the ledger knows: done twice, they are billed twice."""


def is_unsafe(operation: Operation, method: str, *, repeat_generation: bool = True) -> bool:
    """Tell whether repeating a request whose outcome is unknown could do (and bill) the work twice."""
    if operation is Operation.OTHER:
        return method.upper() not in IDEMPOTENT
    return operation in PAID or (operation in _GENERATIONS and not repeat_generation)


def refusal(seen: Observation, cause: Cause, *, unsafe: bool) -> str | None:
    """Say why the table, the server or the contract refuses a repetition, or None if it may be made."""
    if RULES[cause, unsafe, seen.certainty] is Action.BACKOFF:
        return "server or contract forbids a repetition" if seen.may_repeat is False else None
    if seen.few and seen.may_repeat is True and seen.certainty is Certainty.REJECTED:
        return None  # the contract's ambiguous rows: one retry is reasonable though the cause says no
    if cause in NEVER_REPEATED:
        return "the same request would fail again"
    if seen.certainty is Certainty.COMMITTED:
        return "the work was done"
    if unsafe and seen.certainty is Certainty.UNKNOWN:
        return "it may have been done, so it is not sent twice"
    # The one thing a server's "retry" can add: an outcome nobody documented, which it says did no work.
    helps = seen.may_repeat is True and seen.certainty is Certainty.REJECTED
    return None if helps else "nothing says that it would help"
