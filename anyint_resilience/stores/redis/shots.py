"""Steps that run here, on states that stand there: compare and set, as often as it takes. Must not know any connection.

A step runs on what is believed to stand there, with the server's time as far as it is known; the server takes what came
of it if that is what stands there, and else says what does. Steps on one key that wait at the same time go together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from ..protocol import State, StoreError, kept_for, no_number
from ..roles import Op

__all__ = ["Held", "NeedsNames", "Shot", "state_of"]

_GARBLED = "an entry on the server is not as it was written; nothing was changed"


class NeedsNames(Exception):
    """A step asked whether a process lives that the server was not asked about."""


@dataclass(slots=True)
class Held:
    """What stands under a key, as far as this process knows: the text, None for nothing."""

    text: bytes | None = None

    @property
    def digest(self) -> str:
        """What tells it from anything else that may stand there."""
        return "" if self.text is None else sha1(self.text, usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Shot:
    """The steps on one key, in their order, and what came of them the last time that they ran."""

    key: str
    ops: list[Op]
    held: Held | None = None
    """What is believed to stand there; None: that must be asked first."""
    dead: frozenset[str] | None = None
    """Which of those that have work under way in it have ended; None: not asked."""
    new: bytes | None = None
    ttl: float = 0.0
    keep: bool = False
    busy: tuple[str, ...] = ()
    verdicts: list[tuple[Op, Any, BaseException | None]] = field(default_factory=list)

    def fire(self, now: float) -> bool:
        """Run the steps; False if that must wait for what stands there."""
        if self.held is None:
            return False
        state, text = state_of(self.held.text), self.held.text
        if state is None and text is not None:
            self.verdicts, self.new = [(op, None, StoreError(_GARBLED)) for op in self.ops], text
            return True
        self.verdicts, self.new, self.keep, self.busy = [], text, False, _busy(state)
        for op in self.ops:
            try:  # each step has a state of its own, which it may change as it likes
                after, verdict = op.step(state_of(self.new), now)
                text = None if after is None else _text_of(after)
            except NeedsNames:
                return False
            except BaseException as error:
                self.verdicts.append((op, None, error))
                continue
            self.new, self.busy, state = text, _busy(after), after
            self.ttl = op.ttl if after is None else kept_for(op.ttl, after)
            self.verdicts.append((op, verdict, None))
        self.keep = state is not None and state.get("keep") is True
        return True

    @property
    def text(self) -> bytes:
        """What to write, as the script takes it: all that failed changed nothing."""
        if all(error is not None for _, _, error in self.verdicts):
            return b"="
        return b"" if self.new is None else self.new

    def gone(self, name: str, own: str) -> bool:
        """Whether that process has ended, as far as was asked. Raises NeedsNames if it was not."""
        if name == own:
            return False
        if self.dead is None:
            raise NeedsNames
        state = None if self.held is None else state_of(self.held.text)
        return name in self.dead or name not in _busy(state)  # nobody who lives can have that name

    def settle(self) -> None:
        """Tell everyone what came of his step."""
        for op, verdict, error in self.verdicts:
            op.pending.tell(verdict, error)


def _text_of(state: State) -> bytes:
    if not isinstance(state, dict):
        raise TypeError(f"a step's new state must be a dict or None, not {type(state).__name__}")
    try:
        return json.dumps(state, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        problem = StoreError("a state that JSON can't hold; nothing was changed")
    raise problem


def state_of(text: bytes | None) -> State | None:
    """Read a state; None where there is none, or nothing that could have been written."""
    if text is None:
        return None
    try:
        found = json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _busy(state: State | None) -> tuple[str, ...]:
    names = None if state is None else state.get("busy")
    return tuple(it for it in names if isinstance(it, str)) if isinstance(names, Sequence) else ()
