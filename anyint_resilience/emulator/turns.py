"""The turns a task can take: from an outcome to phases over the task's age, one row each.

Must not know families' words for them, clocks or sockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["INSTEAD", "TURNS", "Phase", "Turn"]


class Phase(Enum):
    """How far a task is, in no family's words."""

    PENDING = "pending"
    RUNNING = "running"
    NEARLY = "nearly"
    STRANGE = "strange"
    CANCELLING = "cancelling"
    SUCCESS = "success"
    PARTIAL = "partial"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    GONE = "gone"


INSTEAD: Final = {
    Phase.NEARLY: Phase.RUNNING,
    Phase.STRANGE: Phase.RUNNING,
    Phase.CANCELLING: Phase.RUNNING,
    Phase.RUNNING: Phase.PENDING,
    Phase.PARTIAL: Phase.SUCCESS,
    Phase.UNDELIVERED: Phase.SUCCESS,
    Phase.CANCELLED: Phase.FAILED,
    Phase.EXPIRED: Phase.GONE,
}
"""What a family that has no word for a phase is in; ``GONE`` needs no word, for there is no record of the task."""


@dataclass(frozen=True, slots=True)
class Turn:
    """From this age on (seconds) the task is in this phase; ``result`` says whether its result is there."""

    age: float
    phase: Phase
    result: bool = False


_PENDING: Final = Turn(0.0, Phase.PENDING)
_RUNNING: Final = Turn(5.0, Phase.RUNNING)
_USUAL: Final = (_PENDING, _RUNNING, Turn(7.5, Phase.NEARLY))


def _ends(phase: Phase, *, result: bool = False) -> tuple[Turn, ...]:
    return (*_USUAL, Turn(10.0, phase, result))


TURNS: Final[dict[str, tuple[Turn, ...]]] = {
    "success": _ends(Phase.SUCCESS, result=True),
    "failed": _ends(Phase.FAILED),
    "policy": _ends(Phase.FAILED),
    "stuck": _USUAL,
    "cancelled": (_PENDING, _RUNNING, Turn(7.5, Phase.CANCELLING), Turn(10.0, Phase.CANCELLED)),
    "expired": _ends(Phase.EXPIRED),
    "partial": _ends(Phase.PARTIAL, result=True),
    "callback_exception": _ends(Phase.UNDELIVERED, result=True),
    "callback_exception_empty": _ends(Phase.UNDELIVERED),
    "late_result": (*_ends(Phase.SUCCESS), Turn(15.0, Phase.SUCCESS, result=True)),
    "strange": (_PENDING, Turn(5.0, Phase.STRANGE), Turn(10.0, Phase.SUCCESS, result=True)),
    "backwards": (
        *(_PENDING, _RUNNING, Turn(7.5, Phase.PENDING), Turn(10.0, Phase.RUNNING)),
        Turn(12.5, Phase.SUCCESS, result=True),
    ),
}
"""Outcome -> its turns by age.

``policy`` is refused content, ``stuck`` runs for good. ``partial`` succeeds with a part missing. ``callback_exception``
could not deliver its webhook, with the result there or not. ``late_result`` succeeds 5 s before its result is there.
``strange`` runs in a state no document knows. ``backwards`` is pending once more after it ran.
"""
