"""The table: Cause x safe/unsafe x Certainty -> may the same request be sent again?

Must not know hints, counts or clocks: they only ever take a yes back (``rules``).
"""

from __future__ import annotations

from typing import Final

from ..contract.words import Cause, Certainty, Operation
from .model import Action

__all__ = ["IDEMPOTENT", "NEVER_REPEATED", "PAID", "RULES", "is_unsafe"]

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
