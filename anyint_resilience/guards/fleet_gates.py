"""The gates of a fleet, as one process goes through them. Must not know any call, nor which store is shared.

A call that meets no trouble asks nobody: the view says that nothing is closed. Where something is, the first in this
process's line asks for all of them, the oldest call; who can't wait is told so by the view. A limit and a used-up quota
are shared at once. Failures in a row are counted here first, for a few of them among many processes are no outage: the
gate closes for all when several processes say so, and none has had a success meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ..stores.flows import Flow
from ..stores.protocol import StoreError
from . import gate
from .sharing import LEASE, Failed, Sharing
from .turns import Turns
from .view import CAUSES

__all__ = ["Gates"]

_PLACE: Final = 3.0  # seconds for which a place in the fleet's line is kept for who does not look again,
_LOOK: Final = 1.0  # after which its holder looks again,
_LOOK_HERE: Final = 10.0  # and after which one does who stands behind it here
_SAY_SO: Final = 3  # times that it must be said to be down, by as many processes if there are so many
_LATE_HINT: Final = 0.1  # seconds by which a hint must reach further to be told once more
_MOST: Final = 4096  # gates whose failures are counted
_STALE: Final = 60.0  # seconds after which a failure says nothing any more


class Gates:
    """Tickets that are known to the store are in ``asked`` (they have a place there) or ``outs`` (a permit)."""

    def __init__(self, sharing: Sharing) -> None:
        self.turns = Turns()
        self.asked: dict[str, str] = {}
        self.streaks: dict[str, tuple[int, float]] = {}
        """Failures in a row in this process, and when the last one was."""
        self._since: dict[str, float] = {}  # when a permit that is out was renewed first
        self._sharing = sharing

    def ask(self, key: str, step: Any, failed: Failed) -> Flow:
        """Ask whether an attempt may go out."""
        sharing, words = self._sharing, step.keywords
        ticket = words["ticket"]
        if not sharing.serves:
            self._leave_there(key, ticket)
            return sharing.local(key, step)
        brief, now, bound = sharing.view.gate(key), sharing.now(), words["bound"] + sharing.ahead()
        if words["most"] is None and (brief is None or brief.free):
            self._leave_there(key, ticket)
            return gate.Passage("go")
        refusal = None if brief is None else brief.refuses(now, bound)
        if refusal is not None:
            self._leave_there(key, ticket)
            return self._here(refusal)
        if now < bound and not self.turns.first(key, ticket, words["since"], sharing.clock()):
            why = "full" if brief is None or not brief.cause else brief.cause
            return gate.Passage("wait", min(words["bound"], sharing.clock() + _LOOK_HERE), why)
        self.asked[ticket] = key
        self._sharing.keep(ticket)
        try:
            passage: gate.Passage = yield from sharing.update(key, step, lease=LEASE, keep=_PLACE)
        except StoreError as error:
            failed(error)
            self._leave_there(key, ticket)
            return sharing.local(key, step)
        if passage.kind == "wait":
            return self._here(passage)._replace(at=min(passage.at - sharing.ahead(), sharing.clock() + _LOOK))
        if passage.kind == "go":
            sharing.outs[ticket] = key
        self.asked.pop(ticket, None)
        self._leave_turn(key, ticket)
        return self._here(passage)

    def told(self, key: str, step: Any, failed: Failed) -> Flow:
        """Say how an attempt went."""
        sharing, words = self._sharing, step.keywords
        kind, ticket = words["kind"], words["ticket"]
        held, streak = sharing.outs.pop(ticket, None) is not None, self._streak(key, kind)
        if not sharing.serves:
            if held:
                self._give_back(key, ticket)
            return sharing.local(key, step)
        if not self._is_news(key, words, streak):
            if held and words["stays"]:
                sharing.outs[ticket] = key
            elif held:
                self._give_back(key, ticket)
            sharing.stir()
            return gate.Told()
        try:
            found = yield from sharing.update(key, step, lease=LEASE, few=_SAY_SO)
        except BaseException as error:
            if held:
                self._give_back(key, ticket)
            if not isinstance(error, StoreError):
                raise
            failed(error)
            return sharing.local(key, step)
        if held and words["stays"]:
            sharing.outs[ticket] = key
        sharing.stir()
        return found

    def leave(self, key: str, step: Any, failed: Failed) -> Flow:
        """Give a place or a permit back."""
        ticket = step.keywords["ticket"]
        self._leave_there(key, ticket)
        if self._sharing.outs.pop(ticket, None) is not None:
            self._give_back(key, ticket)
        yield from ()
        return self._sharing.local(key, step)

    def changed(self, key: str) -> None:
        """Have the first of this process look again: the gate is wide open."""
        head = self.turns.head(key)
        if head is not None:
            self._sharing.ring(head)

    def beat(self) -> None:
        """Renew the permits of those that are out still."""
        held: dict[str, list[str]] = {}
        now, outs = self._sharing.clock(), dict(self._sharing.outs)
        self._since = {it: self._since.get(it, now) for it, key in outs.items() if key.startswith("gate:")}
        for ticket, since in self._since.items():
            if now - since < gate.LEASE:  # longer than any call takes: its event loop has ended without a word
                held.setdefault(outs[ticket], []).append(ticket)
            else:
                self._sharing.outs.pop(ticket, None)
        for key, tickets in held.items():
            self._sharing.post(key, partial(gate.renew, tickets=tuple(tickets), lease=LEASE))

    def sweep(self) -> None:
        """Forget failures that say nothing any more."""
        now = self._sharing.clock()
        for key, (_, at) in list(self.streaks.items()):
            if now - at > _STALE:
                self.streaks.pop(key, None)

    def vanished(self, ticket: str) -> None:
        """Leave for one that can't be woken: its event loop is gone."""
        for key in {*self.turns.lines_of(ticket), *filter(None, (self.asked.get(ticket),))}:
            self._leave_there(key, ticket)

    def wake(self) -> None:
        """Have all who wait in this process's lines look again."""
        for ticket in self.turns.clear():
            self._sharing.ring(ticket)

    def clear(self) -> None:
        """Forget everything, as a forked child does."""
        self.turns.forked()
        self.asked.clear()
        self.streaks.clear()

    # the parts

    def _here(self, passage: gate.Passage) -> gate.Passage:
        """Return a passage of the fleet's on this process's clock; what holds it up in a word that is known here."""
        why = passage.why if passage.why in CAUSES else "full"
        return passage._replace(at=passage.at - self._sharing.ahead(), why=why)

    def _streak(self, key: str, kind: str) -> int:
        if kind in ("good", "spent"):
            self.streaks.pop(key, None)
            return 0
        if kind != "down":
            return 0
        streak = self.streaks.get(key, (0, 0.0))[0] + 1
        if len(self.streaks) >= _MOST:
            self.streaks.clear()
        self.streaks[key] = streak, self._sharing.clock()
        return streak

    def _is_news(self, key: str, words: Mapping[str, Any], streak: int) -> bool:
        """Whether the fleet must hear how an attempt went, and not only that it is back."""
        kind, brief, sharing = words["kind"], self._sharing.view.gate(key), self._sharing
        if kind == "down":
            return streak >= words["few"] or (brief is not None and brief.cause == "down")
        if kind == "rate" and brief is not None and brief.cause == "rate" and words["hint"] is not None:
            old = words["began"] + sharing.ahead() < brief.shut
            return not old or sharing.now() + words["hint"] > brief.until + _LATE_HINT
        if kind == "other":
            return brief is not None and brief.cause == "down"
        return kind in ("rate", "quota", "spent") or brief is not None

    def _leave_turn(self, key: str, ticket: str) -> None:
        after = self.turns.leave(key, ticket)
        if after is not None:
            self._sharing.ring(after)

    def _leave_there(self, key: str, ticket: str) -> None:
        """Leave this process's line, and the fleet's if it may have a place there."""
        self._leave_turn(key, ticket)
        if self.asked.pop(ticket, None) is not None:
            self._give_back(key, ticket)

    def _give_back(self, key: str, ticket: str) -> None:
        self._sharing.give_back(key, partial(gate.leave, ticket=ticket), ticket)
