"""What the fast lane counts. Must not know any guard, lock or clock."""

from __future__ import annotations

from typing import Final

__all__ = ["RECENT", "Tally"]

RECENT: Final = 10.0
"""Seconds for which a success says that a gateway is up."""


class Tally:
    """What the fast lane counts of one host, without any lock: an estimate, never a promise.

    ``good``: successes that the budget has not been told of; ``out``: requests that are out now; ``last``: when the
    last one that succeeded began, on the runtime's clock, and ``flew``: how many were out when it came back, itself
    among them. (When a gateway hangs ever more are out, which says nothing of how many it bears.)
    """

    __slots__ = ("flew", "good", "last", "out")

    def __init__(self) -> None:
        self.good = 0
        self.out = self.flew = 0
        self.last = float("-inf")

    def lives(self, now: float) -> bool:
        """Whether anything has succeeded of late."""
        return 0.0 <= now - self.last < RECENT

    def take(self) -> int:
        """Return the successes counted, and begin anew."""
        good, self.good = self.good, 0
        return good
