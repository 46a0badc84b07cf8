"""The guards of a fleet: what this process tells the others, what it asks them, and what it knows without asking.

Must not know any call or client, nor which store the fleet shares. A call that meets no trouble asks nobody: a view of
the others' states, which they change as they learn, says that all is well. Of those that stand in line only the first
of this process asks. While the store is down, or slower than calls wait for it, this process's memory serves.

What is shared at once: a limit, a used-up quota, a limit of concurrency, a circuit. Failures in a row are judged here
first, for a few of them in a fleet of many are no outage: the fleet closes when several processes say so and none has
had a success meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from ..stores.flows import Flow, Pending
from ..stores.member import Member
from ..stores.member import View as Looked
from ..stores.protocol import Step, StoreError
from . import breaker, gate
from .turns import Turns
from .view import View

__all__ = ["Fleet"]

LEASE: Final = 30.0
"""Seconds after which the permit of a process that has died is free; one that lives renews it."""

_PLACE: Final = 6.0  # seconds for which a place in the fleet's line is kept for who does not look again
_LOOK: Final = 2.0  # seconds after which the first of a process looks again
_SAY_SO: Final = 3  # processes that must say that it is down, if there are so many
_LATE_HINT: Final = 0.1  # seconds by which a hint must reach further to be told once more
_GOODS: Final = 0.25  # seconds from one telling of good outcomes to the next, while a circuit counts failures
_STALE: Final = 60.0  # seconds after which a failure says nothing any more
_TTL: Final = 3600.0
_MOST_OWED: Final = 10_000
_TIMES: Final = ("since", "bound", "began")  # arguments on the clock of this process

Failed: TypeAlias = "Callable[[StoreError | None], object]"


class Fleet:
    """One process's guards in a fleet. ``local`` runs a step on this process's own memory, ``ring`` rings a ticket."""

    def __init__(
        self,
        member: Member,
        *,
        clock: Callable[[], float],
        local: Callable[[str, Step], Any],
        troubled: Mapping[str, None],
        ring: Callable[[str], None],
        stir: Callable[[], object],
    ) -> None:
        self.member = member
        self.view = View()
        self.outs: dict[str, str] = {}
        """Permits and probes that this process has from the fleet: ticket -> key."""
        self._clock = clock
        self._local = local
        self._troubled = troubled  # keys of which this process's own memory holds a state
        self._ring = ring
        self._stir = stir
        self._turns = Turns()
        self._asked: set[str] = set()  # tickets in the fleet's line
        self._streaks: dict[str, tuple[int, float]] = {}  # failures in a row here, and when the last one was
        self._goods: dict[str, tuple[int, float]] = {}
        self._owed: deque[tuple[str, str]] = deque(maxlen=_MOST_OWED)
        self._said: deque[StoreError | None] = deque(maxlen=2)
        self._missed = False
        self._does: dict[Any, Callable[[str, Any, Failed], Flow]] = {
            gate.ask: self._ask,
            gate.told: self._told,
            gate.leave: self._leave,
            breaker.ask: self._ask_circuit,
            breaker.told: self._told_circuit,
            breaker.leave: self._leave,
        }
        member.ears = self

    @property
    def name(self) -> str:
        """What the tickets of this process begin with."""
        return self.member.backend.owner + "."

    @property
    def calm(self) -> bool:
        """Whether there is nothing that a call would have to ask, tell or say."""
        return not self.view.standing and not self._streaks and not self._said and self.member.started

    def come(self, failed: Failed) -> None:
        """Be there, for a call; and tell it what is to be told of the store, once."""
        self.member.start()
        while self._said:
            failed(self._said.popleft())

    def clear(self) -> None:
        """Forget everything, as a forked child does."""
        self.view.clear()
        self._turns.clear()
        for it in (self.outs, self._asked, self._streaks, self._goods, self._owed, self._said):
            it.clear()

    # what calls do

    def deciding(self, key: str, step: Any, failed: Failed) -> Flow:
        """Run a step where it belongs, and return its verdict. Yields what is to be waited for."""
        does = self._does.get(getattr(step, "func", step), self._whole)
        return (yield from does(key, step, failed))

    def tell(self, key: str, step: Any) -> None:
        """Do as :meth:`deciding` beside the call, whose verdict nobody waits for."""
        self.member.spawn(self.deciding(key, step, _nobody))

    def sweep(self) -> None:
        """Have what is over forgotten by all."""
        now = self._clock()
        for key, (_, at) in list(self._streaks.items()):
            if now - at > _STALE:
                self._streaks.pop(key, None)
        for key in list(self.view.standing):
            settled = gate.settle if key.startswith("gate:") else breaker.settle
            self.member.spawn(self._whole(key, partial(settled), _nobody))

    def _ask(self, key: str, step: Any, failed: Failed) -> Flow:
        words, now = step.keywords, self._now()
        ticket = words["ticket"]
        if key in self._troubled or not self.member.serves:
            passage: gate.Passage = self._local(key, step)
            if passage.kind != "go" or not self.member.serves:
                return passage
        brief, bound = self.view.gate(key), words["bound"] + self._ahead()
        if words["most"] is None and (brief is None or brief.free(now)):
            self._leave_turn(key, ticket)
            return gate.Passage("go")
        refusal = None if brief is None else brief.refuses(now, bound)
        why = "full" if brief is None or not brief.cause else brief.cause
        if refusal is None and not self._turns.first(key, ticket, words["since"], self._clock()):
            if now < bound:
                return gate.Passage("wait", min(words["bound"], self._clock() + _LOOK * 5), why)
            refusal = gate.Passage("refuse", float("inf"), why)
        if refusal is not None:
            self._leave_turn(key, ticket)
            return self._here(refusal)
        pending = self._update(key, step, lease=LEASE, keep=_PLACE)
        pending.late = partial(self._too_late, key, ticket)
        self._asked.add(ticket)
        try:
            passage = yield from self._heard(pending)
        except StoreError as error:
            failed(error)
            self._leave_turn(key, ticket)
            return self._local(key, step)
        if passage.kind == "wait":
            return self._here(passage)._replace(at=min(passage.at - self._ahead(), self._clock() + _LOOK))
        self._asked.discard(ticket)
        if passage.kind == "go":
            self.outs[ticket] = key
        self._leave_turn(key, ticket)
        return self._here(passage)

    def _told(self, key: str, step: Any, failed: Failed) -> Flow:
        words = step.keywords
        kind, ticket = words["kind"], words["ticket"]
        held = self.outs.pop(ticket, None) is not None
        own = self._local(key, step) if key in self._troubled or not self.member.serves else gate.Told()
        streak = self._streak(key, kind)
        if not self.member.serves:
            if held:
                self._owed.append((key, ticket))
            return own
        if not held and not self._is_news(key, words, streak):
            self._stir()
            return own
        few = words["few"] if kind != "down" else _SAY_SO
        if held and words["stays"]:
            self.outs[ticket] = key
        try:
            return (yield from self._heard(self._update(key, step, lease=LEASE, few=few)))
        except StoreError as error:
            failed(error)
            if held:
                self.outs.pop(ticket, None)
                self._owed.append((key, ticket))
            return own if key in self._troubled else self._local(key, step)

    def _leave(self, key: str, step: Any, failed: Failed) -> Flow:
        ticket = step.keywords["ticket"]
        self._leave_turn(key, ticket)
        own = self._local(key, step)
        held = self.outs.pop(ticket, None) is not None or ticket in self._asked
        self._asked.discard(ticket)
        if held and self.member.serves:
            try:
                return (yield from self._heard(self._update(key, step)))
            except StoreError as error:
                failed(error)
        if held:
            self._owed.append((key, ticket))
        return own

    def _ask_circuit(self, key: str, step: Any, failed: Failed) -> Flow:
        if key in self._troubled or not self.member.serves:
            passage: breaker.Passage = self._local(key, step)
            if not passage.go or not self.member.serves:
                return passage
        known = self.view.circuit(key, self._now())
        if known is not None:
            return known._replace(at=known.at - self._ahead()) if known.at else known
        try:
            passage = yield from self._heard(self._update(key, step))
        except StoreError as error:
            failed(error)
            return self._local(key, step)
        if passage.probe:
            self.outs[step.keywords["ticket"]] = key
        return passage._replace(at=passage.at - self._ahead()) if passage.at else passage

    def _told_circuit(self, key: str, step: Any, failed: Failed) -> Flow:
        words, now = step.keywords, self._clock()
        held = self.outs.pop(words["ticket"], None) is not None
        own = self._local(key, step) if key in self._troubled or not self.member.serves else ""
        if not self.member.serves or (words["good"] and not held and not self.view.knows(key)):
            return own
        count, since = self._goods.get(key, (0, 0.0))
        if words["good"] and not held and now - since < _GOODS and self.view.circuit(key, self._now()) is not None:
            self._goods[key] = (count + 1, since)
            return own
        self._goods[key] = (0, now)
        try:
            return (yield from self._heard(self._update(key, step, more=count)))
        except StoreError as error:
            failed(error)
            return own if key in self._troubled else self._local(key, step)

    def _whole(self, key: str, step: Any, failed: Failed) -> Flow:
        """Run a step at the fleet's store as it is, or here while that is down."""
        if not self.member.serves:
            return self._local(key, step)
        try:
            return (yield from self._heard(self._update(key, step)))
        except StoreError as error:
            failed(error)
        return self._local(key, step)

    # what a member hears, on a thread of its own

    def viewed(self, view: Looked) -> None:
        """Take in all there is."""
        self.view.renew(view.briefs, view.now)
        self._stir()

    def told(self, key: str, brief: Mapping[str, Any] | None, at: float) -> None:
        """Take in what a state is now; whoever stands first there looks again, if nothing holds it back any more."""
        if not self.view.note(key, brief, at):
            return
        self._stir()
        head = self._turns.head(key) if brief is None else None
        if head is not None:
            self._ring(head)

    def rung(self, ticket: str) -> None:
        """It may be this ticket's turn."""
        self._ring(ticket)

    def beat(self) -> None:
        """Renew the permits of those that are out still."""
        held: dict[str, list[str]] = {}
        for ticket, key in list(self.outs.items()):
            if key.startswith("gate:"):
                held.setdefault(key, []).append(ticket)
        for key, tickets in held.items():
            self.member.updating(key, partial(gate.renew, tickets=tuple(tickets), lease=LEASE), _TTL)

    def turned(self, *, up: bool) -> None:
        """Begin to share, or to do without; give back what could not be given back meanwhile."""
        if not up or self._missed:
            self._said.append(None if up else StoreError(f"{self.member.backend.where} is down: {self.member.down}"))
        self._missed = not up
        while up and self._owed:
            key, ticket = self._owed.popleft()
            self.member.updating(key, partial(gate.leave, ticket=ticket), _TTL)
        if not up:
            self.view.clear()
            for key in self._turns.clear():
                self._ring(key)
        self._stir()

    def vanished(self, ticket: str) -> None:
        """Leave for one that can't be woken: its event loop is gone."""
        for key in self._turns.lines_of(ticket):
            self.tell(key, partial(gate.leave, ticket=ticket))

    # the parts

    def _now(self) -> float:
        return self.member.backend.now()

    def _ahead(self) -> float:
        """Return how far the store's clock is ahead of this process's."""
        return self._now() - self._clock()

    def _here(self, passage: gate.Passage) -> gate.Passage:
        """Return a passage of the fleet's on this process's clock."""
        return passage._replace(at=passage.at - self._ahead())

    def _update(self, key: str, step: Any, **more: Any) -> Pending:
        ahead = self._ahead()
        words = {name: it + ahead if name in _TIMES else it for name, it in step.keywords.items()}
        return self.member.updating(key, partial(step.func, **{**words, **more}), _TTL)

    def _heard(self, pending: Pending) -> Flow:
        """Wait for a verdict, and ring whom it names of this process; the store rings the others."""
        verdict = yield pending
        for ticket in getattr(verdict, "ring", ()):
            if ticket.startswith(self.name):
                self._ring(ticket)
        return verdict

    def _streak(self, key: str, kind: str) -> int:
        if kind in ("good", "spent"):
            self._streaks.pop(key, None)
            return 0
        if kind != "down":
            return 0
        streak = self._streaks.get(key, (0, 0.0))[0] + 1
        self._streaks[key] = streak, self._clock()
        return streak

    def _is_news(self, key: str, words: Mapping[str, Any], streak: int) -> bool:
        """Whether the fleet must hear how an attempt went that it gave no permit."""
        kind, brief = words["kind"], self.view.gate(key)
        if kind == "down":
            return brief is not None or streak >= words["few"]
        if kind == "rate" and brief is not None and brief.cause == "rate" and words["hint"] is not None:
            old = words["began"] + self._ahead() < brief.shut
            return not old or self._now() + words["hint"] > brief.until + _LATE_HINT
        return kind in ("rate", "quota", "spent") or (kind == "good" and brief is not None)

    def _leave_turn(self, key: str, ticket: str) -> None:
        after = self._turns.leave(key, ticket)
        if after is not None:
            self._ring(after)

    def _too_late(self, key: str, ticket: str, passage: gate.Passage) -> None:
        """Give back what was granted after its call had gone on without it."""
        if passage.kind != "refuse":
            self.member.updating(key, partial(gate.leave, ticket=ticket), _TTL)


def _nobody(error: StoreError | None) -> None:
    """Nobody is told."""
