"""The one protocol that guards and tasks need of a store. Must not know any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

__all__ = ["State", "Step", "Store"]

State: TypeAlias = "dict[str, Any]"
"""What a store holds under a key: JSON values only, so that every backend can hold it."""

Step: TypeAlias = "Callable[[State | None, float], tuple[State | None, Any]]"
"""A pure transition: (state or None, now) -> (new state or None to forget it, verdict)."""


class Store(Protocol):
    """Shared state: every change is one atomic ``update``."""

    def update(self, key: str, step: Step, ttl: float) -> Any:
        """Run ``step`` on the state under ``key`` atomically and return its verdict.

        The state is forgotten ``ttl`` seconds after its last update.
        """
        ...

    def scan(self, prefix: str) -> Iterator[tuple[str, State]]:
        """Yield the live keys that begin with ``prefix`` and their states, as of one moment."""
        ...

    def close(self) -> None:
        """Release what the store holds open."""
        ...
