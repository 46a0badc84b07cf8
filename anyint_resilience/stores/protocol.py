"""The one protocol that guards and tasks need of a store. Must not know any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, TypeAlias

__all__ = ["Spell", "State", "Step", "Store", "StoreError", "kept_for", "no_number"]

State: TypeAlias = "dict[str, Any]"
"""What a store holds under a key: JSON values only, so that every backend can hold it.

One with ``"keep": True`` at its top level outlasts the others when the store is full. ``"busy"``: the names of the
processes (:attr:`Store.owner`) that have work under way by it, for stores in which a name lives by its lease.
"""

Step: TypeAlias = "Callable[[State | None, float], tuple[State | None, Any]]"
"""A pure transition: (state or None, now) -> (new state or None to forget it, verdict)."""


def no_number(word: str) -> None:
    """Refuse ``NaN`` and the infinities, which Python's JSON reads and JSON does not have. Raises ValueError."""
    raise ValueError(f"{word} is no number of JSON's")


class Spell(float):
    """Seconds for which a state is kept while work is under way by it, and ``idle``: those for which any other is.

    It is the former to a store that knows no such difference.
    """

    idle: float

    def __new__(cls, seconds: float, *, idle: float) -> Spell:
        """Make one of both."""
        made = super().__new__(cls, seconds)
        made.idle = idle
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Spell, idle=self.idle), (float(self),)


def kept_for(ttl: float, state: State) -> float:
    """Return the seconds for which a new state is kept."""
    return ttl.idle if isinstance(ttl, Spell) and not state.get("busy") else ttl


class StoreError(Exception):
    """A store can't be opened, read or written. The text names the store and what is wrong; nothing was changed.

    ``why``: the same in a few words that may be shown to anybody, such as ``AuthenticationError``.
    """

    def __init__(self, text: str = "", *, why: str = "") -> None:
        super().__init__(text)
        self.why = why


class Store(Protocol):
    """Shared state: every change is one atomic ``update``.

    A full store forgets states without ``"keep": True`` first, the one least recently updated before the others; then
    the others in that order.
    """

    @property
    def owner(self) -> str:
        """A name for this process, unique among all that ever shared the store: for states that tell who works.

        It may change when what the processes share is made anew. Raises StoreError if there is none to be had.
        """
        ...

    def gone(self, owner: str) -> bool:
        """Whether the process of that name is known to have ended: what it left in flight will never be settled.

        Never True of this process's own name. A step may ask it. Raises StoreError if it can't be found out.
        """
        ...

    def update(self, key: str, step: Step, ttl: float) -> Any:
        """Run ``step`` on the state under ``key`` atomically and return its verdict.

        The state is forgotten ``ttl`` seconds after its last update (:func:`kept_for`, where it is a :class:`Spell`).
        What a step raises goes on to the caller.
        Raises StoreError if the store fails. After either, the state is what it was.
        """
        ...

    def scan(self, prefix: str) -> Iterator[tuple[str, State | None]]:
        """Yield the live keys that begin with ``prefix`` and their states, as of one moment, in any order.

        None: what stands there can't be read. That is not the same as absent, and no trouble of the others.
        Raises StoreError if the store fails.
        """
        ...

    def close(self) -> None:
        """Release what the store holds open. It may be called twice, and the store used again after it."""
        ...
