"""How far an attempt had come when it was cut: httpcore and httpcore2 look up a time-out as each phase of it begins.

Must not import either client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Phases"]

_BEFORE = {"pool": "PoolTimeout", "connect": "ConnectTimeout"}
"""The phases before anything of a request goes out, and the exception of a client whose time is up in one of them."""


class Phases(dict[str, float | None]):
    """The time-outs of one attempt, that note which of them were asked for."""

    __slots__ = ("_last", "_went_on")

    def __init__(self, times: dict[str, float | None]) -> None:
        super().__init__(times)
        self._last = ""
        self._went_on = False

    @property
    def unsent(self) -> str | None:
        """Which exception of the client says what an attempt was at that has not begun to send; None if it may have."""
        return None if self._went_on else _BEFORE.get(self._last)

    def get(self, phase: str, default: Any = None) -> Any:
        """Return a time-out."""
        self._note(phase)
        return dict.get(self, phase, default)

    def __getitem__(self, phase: str) -> float | None:
        self._note(phase)
        return dict.__getitem__(self, phase)

    def __iter__(self) -> Iterator[str]:
        self._went_on = True  # who reads them all may do anything with them
        return dict.__iter__(self)

    def keys(self) -> Any:
        """Return the names."""
        self._went_on = True
        return dict.keys(self)

    def values(self) -> Any:
        """Return the time-outs."""
        self._went_on = True
        return dict.values(self)

    def items(self) -> Any:
        """Return both."""
        self._went_on = True
        return dict.items(self)

    def copy(self) -> dict[str, float | None]:
        """Return a plain copy."""
        return dict(self)

    def _note(self, phase: str) -> None:
        self._last = phase
        self._went_on = self._went_on or phase not in _BEFORE
