"""The step that does nothing but wait until a process is one of those that share a store. Must not know any store."""

from __future__ import annotations

from typing import Final

from ..stores.protocol import State

__all__ = ["JOIN", "join"]

JOIN: Final = "join:*"
"""The key that stands for no state."""


def join(state: State | None, now: float, *, patience: float) -> tuple[State | None, None]:
    """Wait for ``patience`` seconds at the most, where a fleet runs this; it leaves everything as it is."""
    return state, None
