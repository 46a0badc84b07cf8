"""What a ledger's store is still to be told: steps that it failed to run, or that nobody was there to wait for.

Must not know what a step does, nor how it is run. It is seen here until the store has it, while a flow is at it too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, TypeAlias

from ..forking import after_fork
from ..stores.protocol import Step

__all__ = ["MOST", "Arrears"]

MOST: Final = 10_000
"""Steps that are kept; of more the oldest are let go."""

_Item: TypeAlias = "tuple[str, Step]"


class Arrears:
    """Steps by key, in the order they came in. Added to anywhere, in the middle of a store's own work too."""

    def __init__(self) -> None:
        self._waiting: deque[_Item] = deque(maxlen=MOST)
        self._telling: deque[_Item] = deque()  # those that a flow is telling the store just now
        after_fork(self, Arrears._forked)

    def _forked(self) -> None:
        self._telling = deque()  # the parent goes on with it

    def __bool__(self) -> bool:
        """Whether any step waits that nobody is at."""
        return bool(self._waiting)

    def add(self, key: str, step: Step) -> None:
        """Keep a step for later."""
        self._waiting.append((key, step))

    def of(self, key: str) -> list[Step]:
        """Return the steps that the store does not know to have been run on a key, also those that a flow is at."""
        return [it for name, it in (*list(self._telling), *list(self._waiting)) if name == key]

    def due(self, only: str | None = None) -> dict[str, list[Step]]:
        """Return the steps that wait, by key; or those of one key."""
        found: dict[str, list[Step]] = {}
        for key, step in list(self._waiting):
            if only is None or key == only:
                found.setdefault(key, []).append(step)
        return found

    def taken(self, key: str, steps: Iterable[Step]) -> deque[Step]:
        """Take steps that are due, as far as they wait still: the store is being told of them."""
        mine = deque[Step]()
        for step in steps:
            self._telling.append((key, step))  # before it is gone: who wants to enter the same must see it all the time
            try:
                self._waiting.remove((key, step))
                mine.append(step)
            except (ValueError, IndexError):  # another thread was faster, or is at it
                self.told(key, step)
        return mine

    def told(self, key: str, step: Step) -> None:
        """Forget a step that was taken: the store has it, or it waits again."""
        with suppress(ValueError, IndexError):  # a fork's child tells nothing of its parent's
            self._telling.remove((key, step))

    def back(self, key: str, steps: Iterable[Step]) -> None:
        """Let steps that were taken wait again, behind those on other keys."""
        for step in steps:
            self._waiting.append((key, step))
            self.told(key, step)

    def keys(self) -> set[str]:
        """Return the keys of which a step waits."""
        return {key for key, _ in list(self._waiting)}
