"""Many decisions in little space: equal texts, decisions and rows of them are kept once and named by number.

Must not know what a decision means.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Any, Generic, TypeVar

from anyint_resilience.policy.model import Decision

__all__ = ["Decisions", "Numbered"]

_T = TypeVar("_T", bound=Hashable)


class Numbered(Generic[_T]):
    """Values in the order in which they came, each once."""

    def __init__(self) -> None:
        self._numbers: dict[_T, int] = {}

    def __call__(self, value: _T) -> int:
        """Return the number of a value."""
        return self._numbers.setdefault(value, len(self._numbers))

    def __iter__(self) -> Any:
        return iter(self._numbers)


class Decisions:
    """Decisions by number, with the texts they are made of."""

    def __init__(self) -> None:
        self._texts: Numbered[str] = Numbered()
        self._pieces: Numbered[tuple[int, ...]] = Numbered()
        self._outcomes: Numbered[tuple[Any, ...]] = Numbered()
        self._decisions: Numbered[tuple[int, ...]] = Numbered()
        self._known: dict[str, int] = {}
        self._cells: Numbered[tuple[int, ...]] = Numbered()

    def text(self, text: str) -> int:
        """Return the number of a text as a list of its sentences and clauses."""
        if text not in self._known:
            self._known[text] = self._pieces(tuple(map(self._texts, re.split(r"(?<=[.;,:]) ", text))))
        return self._known[text]

    def cell(self, decisions: Iterable[Decision], head: str) -> int:
        """Return the number of a row of decisions.

        A reason that begins with ``head`` is kept without it, and then begins with a colon.
        """
        return self._cells(tuple(self._decision(it, head) for it in decisions))

    def _decision(self, decision: Decision, head: str) -> int:
        reason = decision.reason.removeprefix(head) if decision.reason.startswith(f"{head}: ") else decision.reason
        outcome = (
            decision.action.value,
            None if decision.cause is None else decision.cause.value,
            decision.certainty.value,
            _short(decision.delay),
            _short(decision.retry_at),
            decision.source,
        )
        texts = (reason, decision.guidance, decision.user_message)
        return self._decisions((self._outcomes(outcome), *map(self.text, texts)))

    def plain(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "words": list(self._texts),
            "texts": list(self._pieces),
            "outcomes": list(self._outcomes),
            "decisions": list(self._decisions),
            "cells": list(self._cells),
        }


def _short(seconds: float | None) -> float | None:
    """Return seconds without what only a computer's arithmetic made of them."""
    return None if seconds is None else round(seconds, 6)
