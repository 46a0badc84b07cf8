"""Whose turn it is in this process, where all of a fleet stand in one line: the first asks for all, the oldest call.

Must not know what is asked. Safe to use from many threads.
"""

from __future__ import annotations

from bisect import insort
from threading import Lock
from typing import Final

__all__ = ["Turns"]

_VANISHED: Final = 45.0  # seconds: whoever waits looks again before that


class Turns:
    """The lines of one process, one for each gate."""

    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[float, str]]] = {}
        self._seen: dict[str, float] = {}
        self._lock = Lock()

    def first(self, key: str, ticket: str, since: float, now: float) -> bool:
        """Stand in line, or look again; whether it is this ticket's turn. ``since``: its call's beginning."""
        with self._lock:
            line = self._lines.setdefault(key, [])
            if ticket not in self._seen:
                insort(line, (since, ticket))
            self._seen[ticket] = now
            while line[0][1] != ticket and now - self._seen.get(line[0][1], now) > _VANISHED:
                self._seen.pop(line.pop(0)[1], None)
            return line[0][1] == ticket

    def leave(self, key: str, ticket: str) -> str | None:
        """Leave the line; return whose turn it is now, if that has changed."""
        with self._lock:
            if self._seen.pop(ticket, None) is None:
                return None
            line = self._lines.get(key, [])
            left = [it for it in line if it[1] != ticket]
            if not left:
                self._lines.pop(key, None)
                return None
            self._lines[key] = left
            return left[0][1] if line[0][1] == ticket else None

    def head(self, key: str) -> str | None:
        """Return whose turn it is."""
        with self._lock:
            line = self._lines.get(key)
            return line[0][1] if line else None

    def forked(self) -> None:
        """Forget everybody, whoever of the parent's threads was at it."""
        self._lock = Lock()
        self.clear()

    def lines_of(self, ticket: str) -> list[str]:
        """Return where a ticket stands."""
        with self._lock:
            return [key for key, line in self._lines.items() if any(it[1] == ticket for it in line)]

    def clear(self) -> list[str]:
        """Forget everybody; return who stood in line."""
        with self._lock:
            waiting = list(self._seen)
            self._lines.clear()
            self._seen.clear()
            return waiting
