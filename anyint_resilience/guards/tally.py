"""What the fast lane counts. Must not know any guard, lock or clock."""

from __future__ import annotations

__all__ = ["Tally"]


class Tally:
    """What the fast lane counts of one host, without any lock: an estimate, never a promise.

    ``good``: successes that the budget has not been told of; ``out``: requests that are out now.
    """

    __slots__ = ("good", "out")

    def __init__(self) -> None:
        self.good = 0
        self.out = 0

    def take(self) -> int:
        """Return the successes counted, and begin anew."""
        good, self.good = self.good, 0
        return good
