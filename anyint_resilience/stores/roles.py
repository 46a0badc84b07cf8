"""What a member of a shared store, its backend and who listens to it are to each other. Must not know any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from .flows import Pending
from .protocol import Step

__all__ = ["Ask", "Backend", "Ears", "Hears", "Nobody", "Op", "View"]


class Op:
    """One update to make: a step on the state under a key; what it comes to is told to ``pending``.

    ``again``: it may be made more than once, and is until it surely was.
    """

    __slots__ = ("again", "key", "pending", "step", "ttl")

    def __init__(self, key: str, step: Step, ttl: float, pending: Pending, *, again: bool = False) -> None:
        self.again = again
        self.key = key
        self.step = step
        self.ttl = ttl
        self.pending = pending


class Ask:
    """Something to ask of the backend."""

    __slots__ = ("pending", "what")

    def __init__(self, what: Callable[[], Awaitable[Any]], pending: Pending) -> None:
        self.what = what
        self.pending = pending


class View(NamedTuple):
    """What is known of all states that others must know of: a brief of each. ``now``: on the store's clock.

    ``peers``: how many processes share it; ``anew``: what was known before says nothing any more.
    """

    briefs: Mapping[str, Mapping[str, Any] | None]
    now: float
    peers: int
    anew: bool = False


class Ears(Protocol):
    """Who listens to a member. Called on the companion's thread, and must not wait.

    ``viewed``: all there is to know; ``told``: what a state is now, on the store's clock; ``rung``: whose turn it is;
    ``beat``: now and then; ``turned``: whether the store answers has changed.
    """

    def viewed(self, view: View) -> None: ...
    def told(self, key: str, brief: Mapping[str, Any] | None, at: float) -> None: ...
    def rung(self, key: str, ticket: str) -> None: ...
    def beat(self) -> None: ...
    def turned(self, *, up: bool) -> None: ...


class Hears(Protocol):
    """Whom a backend tells what it heard. ``seen``: all there is to know, where news may have been lost;
    ``peered``: how many share the store; ``reborn``: it lost what it held.
    """

    def told(self, key: str, brief: Mapping[str, Any] | None, at: float) -> None: ...
    def rung(self, key: str, ticket: str) -> None: ...
    def seen(self, view: View) -> None: ...
    def peered(self, peers: int) -> None: ...
    def reborn(self) -> None: ...


class Backend(Protocol):
    """What speaks to a store. All of it runs on the companion's loop; what it raises means that the store is down."""

    @property
    def where(self) -> str: ...
    @property
    def owner(self) -> str: ...
    async def open(self, hears: Hears) -> None: ...
    async def look(self, hears: Hears) -> View: ...
    async def run(self, ops: list[Op], hears: Hears) -> None: ...
    async def listen(self, hears: Hears) -> None: ...
    async def beat(self) -> None: ...
    def now(self) -> float: ...
    async def close(self) -> None: ...
    def forked(self) -> None: ...


class Nobody:
    """Ears of a member that nobody listens to."""

    def viewed(self, view: View) -> None:
        """Nobody looks."""

    def told(self, key: str, brief: Mapping[str, Any] | None, at: float) -> None:
        """Nobody hears."""

    def rung(self, key: str, ticket: str) -> None:
        """Nobody waits."""

    def beat(self) -> None:
        """Nobody counts."""

    def turned(self, *, up: bool) -> None:
        """Nobody cares."""
