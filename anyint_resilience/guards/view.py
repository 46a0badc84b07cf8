"""What this process knows of the states that a fleet shares: a brief of each, as of some moment. Must not know a store.

From it most calls learn what they need without asking: that all is well, or that it makes no sense to go out now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..policy.times import MAX_HINT
from .breaker import Passage as Way
from .gate import Passage

__all__ = ["CAUSES", "Brief", "View"]

_MOST: Final = 10_000
CAUSES: Final = ("", "rate", "quota", "down", "full")
"""What may hold a call up, in the words of ``gate``."""
_BACK: Final = 5.0  # seconds: what seems older than that comes from a clock that was put back


class Brief(NamedTuple):
    """What is known of a gate: the fields of its state that say whether anybody may go (see ``gate``)."""

    cause: str = ""
    until: float = 0.0
    shut: float = 0.0
    probe: float = 0.0
    named: bool = False
    limited: bool = False
    limit: float = 0.0

    @classmethod
    def of(cls, told: Mapping[str, Any] | None) -> Brief | None:
        """Read one; None where there is none, or none that can be read."""
        if told is None:
            return None
        try:
            until, shut, probe = (float(told[name]) for name in ("until", "shut", "probe"))
            if told["cause"] not in CAUSES:
                return None
            limit = told.get("limit")
            share = float(limit) if isinstance(limit, (int, float)) else 0.0
            return cls(str(told["cause"]), until, shut, probe, told["named"] is True, told["limited"] is True, share)
        except (KeyError, TypeError, ValueError):
            return None

    def refuses(self, now: float, bound: float) -> Passage | None:
        """Say no to whoever can't wait for so long, where that is certain already."""
        if self.until > now + MAX_HINT:  # nobody says so
            return None
        if self.probe:
            if now < self.probe and not (self.named and now >= self.until):
                return Passage("refuse", self.until if self.named else self.probe, self.cause)
            return None
        return Passage("refuse", self.until, self.cause) if now < self.until and self.until > bound else None

    @property
    def free(self) -> bool:
        """Whether there is nothing to ask for: no limit, nothing closed. (One that was is let go of in order.)"""
        return not self.limited and not self.probe and not self.cause


class View:
    """The briefs, by key. Changed by one thread at a time or another: each change is one assignment."""

    def __init__(self) -> None:
        self._briefs: dict[str, tuple[float, Mapping[str, Any] | None]] = {}
        self.standing: dict[str, None] = {}
        """Keys of which there is something to know."""

    def note(self, key: str, brief: Mapping[str, Any] | None, at: float) -> bool:
        """Take in what a state is now; False if something newer is known."""
        held = self._briefs.get(key)
        if held is not None and at < held[0] <= at + _BACK:
            return False
        if len(self._briefs) >= _MOST and held is None:
            self._forget_some()
        self._briefs[key] = (at, brief)
        if brief is None:
            self.standing.pop(key, None)
        else:
            self.standing[key] = None
        return True

    def renew(self, briefs: Mapping[str, Mapping[str, Any] | None], now: float) -> None:
        """Take in all there is: what is not among it is over."""
        for key in list(self.standing):
            if key not in briefs:
                self.note(key, None, now)
        for key, brief in briefs.items():
            self.note(key, brief, now)

    def gate(self, key: str) -> Brief | None:
        """Return what is known of a gate, None if it is wide open."""
        return Brief.of(self._briefs.get(key, _NOTHING)[1])

    def circuit(self, key: str, now: float) -> Way | None:
        """Say whether an attempt may pass a circuit breaker, None where that must be asked."""
        told = self._briefs.get(key, _NOTHING)[1]
        until = 0.0 if told is None else told.get("open")
        if not isinstance(until, (int, float)) or not until:
            return Way(True)
        if until > now + 2 * MAX_HINT:  # nobody says so
            return None
        return Way(False, float(until)) if now < until else None

    def knows(self, key: str) -> bool:
        """Whether there is something to know of a key."""
        return key in self.standing

    def clear(self) -> None:
        """Know nothing."""
        self._briefs.clear()
        self.standing.clear()

    def _forget_some(self) -> None:
        for key in [key for key, (_, brief) in list(self._briefs.items()) if brief is None]:
            self._briefs.pop(key, None)
        while len(self._briefs) >= _MOST:
            key = next(iter(self._briefs))
            self._briefs.pop(key, None)
            self.standing.pop(key, None)


_NOTHING: tuple[float, Mapping[str, Any] | None] = (0.0, None)
