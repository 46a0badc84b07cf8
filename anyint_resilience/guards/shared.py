"""Where the guards' states are kept and who waits for them: one for all callers of a process.

Must not know what a step does. It tells quickly, on the fast lane, whether any guard stands in anybody's way.
"""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from ..runtime import Bell, Runtime
from ..stores.flows import Flow, waited
from ..stores.memory import MemoryStore
from ..stores.protocol import State, Step, Store, StoreError
from . import breaker
from .gate import leave, settle
from .tally import Tally

if TYPE_CHECKING:
    from ..stores.member import Member
    from .fleet import Fleet

__all__ = ["MOST_STATES", "Shared", "guards_of", "shared_guards"]

_SWEEP = 10.0  # seconds between looks for states that are over
_TTL = 3600.0
_GATE, _BUDGET = "gate:", "budget:"
_MOST = 4096
MOST_STATES = 10_000
"""States that a process keeps: of more, those that were not touched for longest are forgotten."""


class Shared:
    """The states of all guards, who waits at them, and whether all is ``calm``: nothing closed, counted or limited.

    Safe to use from many threads; every change of a state is one atomic update of the store. ``member``: this process's
    part in a store that many processes share; that has the states then, and ``store`` serves while it is down.
    """

    def __init__(self, store: Store, member: Member | None = None, clock: Callable[[], float] | None = None) -> None:
        self.calm = member is None
        self._store = store
        self._troubled: OrderedDict[str, None] = OrderedDict()  # in the order in which the store forgets
        self._bells: dict[str, Bell] = {}
        self._tallies: dict[str, Tally] = {}
        self._dropped: deque[tuple[str, Step]] = deque()  # no more of them than tickets
        self._numbers = count(1)
        self.models: dict[str, tuple[float, tuple[str, ...]]] = {}
        """What a gateway's list of models said, and when."""
        self._swept = float("-inf")
        self.fleet: Fleet | None = None
        if member is not None:
            from .fleet import Fleet  # late: most programs share nothing
            from .sharing import Sharing

            assert clock is not None
            sharing = Sharing(member, clock=clock, local=self._change, ring=self._rung, stir=self._settle)
            self.fleet = Fleet(sharing, forget=self._begin_anew, tidy=self._catch_up)
        _ALL.add(self)

    def tally(self, host: str) -> Tally:
        """Return what is counted of a host."""
        found = self._tallies.get(host)
        if found is None:
            if len(self._tallies) >= _MOST:
                self._tallies.clear()  # those who hold one go on counting for nobody: an estimate
            found = self._tallies.setdefault(host, Tally())
        return found

    def ticket(self) -> str:
        """Return a name for one attempt, unlike all others of all processes that share the states."""
        name = "" if self.fleet is None else self.fleet.name
        return f"{name}{next(self._numbers)}"

    def bell(self, ticket: str) -> Bell:
        """Return what rings when it may be this ticket's turn."""
        return self._bells.setdefault(ticket, Bell())

    def unbell(self, ticket: str) -> None:
        """Forget a ticket's bell: it does not wait any more."""
        self._bells.pop(ticket, None)

    def change(self, key: str, step: Step) -> Any:
        """Run a step on a guard's state, and ring whom it says. Raises what the store raises."""
        self._catch_up()
        if self.fleet is None:
            return self._change(key, step)
        return waited(self.fleet.deciding(key, step, _nobody))

    def changing(self, key: str, step: Step, failed: Callable[[StoreError | None], object]) -> Flow:
        """Do as :meth:`change`, and leave the waiting for a store that many share to whoever carries this out.

        ``failed`` hears of one that does not answer.
        """
        if self.fleet is None:
            return self.change(key, step)
        self._catch_up()
        return (yield from self.fleet.deciding(key, step, failed))

    def tell(self, key: str, step: Step) -> None:
        """Run a step whose verdict nobody waits for."""
        if self.fleet is None:
            self.change(key, step)
        else:
            self._catch_up()
            self.fleet.tell(key, step)

    def _catch_up(self) -> None:
        while self._dropped:
            with suppress(IndexError):  # another thread was faster
                key, step = self._dropped.popleft()
                if self.fleet is None:
                    self._change(key, step)
                else:
                    self.fleet.tell(key, step)

    def come(self, failed: Callable[[StoreError | None], object]) -> None:
        """Be there, where a fleet is, for a call that finds things not calm; and see whether they are by now."""
        if self.fleet is not None:
            self.fleet.come(failed)
            self._settle()

    def later(self, key: str, step: Step) -> None:
        """Run a step before the next one: this may be within the garbage collector, in the middle of another."""
        self._dropped.append((key, step))
        self.calm = False  # so that somebody comes by

    def sweep(self, now: float) -> None:
        """Forget the states that are over, now and then, so that all may be calm again."""
        if now - self._swept < _SWEEP and now >= self._swept:
            return
        self._swept = now
        if self.fleet is not None:
            self.fleet.sweep()
        for key in list(self._troubled):
            self._change(key, settle if key.startswith(_GATE) else breaker.settle)
        self._settle()

    def _settle(self) -> None:
        self.calm = not self._troubled and not self._dropped and (self.fleet is None or self.fleet.calm)

    def _begin_anew(self) -> None:
        """Forget what was learnt while the fleet's store was down, and have those who wait ask there."""
        for key in list(self._troubled):
            self._update(key, _forgotten)
        for bell in list(self._bells.values()):
            bell.ring()

    def _rung(self, ticket: str) -> None:
        """Ring a ticket of a fleet's; whoever waited there may be gone with its event loop."""
        bell = self._bells.get(ticket)
        if bell is not None and not bell.ring():
            self.unbell(ticket)
            assert self.fleet is not None
            self.fleet.vanished(ticket)

    def _change(self, key: str, step: Step) -> Any:
        verdict = self._update(key, step)
        rung = deque(getattr(verdict, "ring", ()))
        while rung:
            ticket = rung.popleft()
            bell = self._bells.get(ticket)
            if bell is not None and not bell.ring():  # whoever waited there is gone with its event loop
                self.unbell(ticket)
                rung.extend(self._update(key, partial(leave, ticket=ticket)).ring)
        return verdict

    def _update(self, key: str, step: Step) -> Any:
        def noted(state: State | None, now: float) -> tuple[State | None, Any]:
            new, verdict = step(state, now)
            if not key.startswith(_BUDGET):  # within the store's own lock, or two steps might be noted crosswise
                self._troubled.pop(key, None)
                if new is not None:
                    self._troubled[key] = None
                    if len(self._troubled) > MOST_STATES:
                        self._troubled.popitem(last=False)
                self._settle()
            return new, verdict

        return self._store.update(key, noted, _TTL)

    def clear(self) -> None:
        """Forget everything: a process that was forked has none of its parent's calls, and tests begin anew."""
        self._store = self._store if not isinstance(self._store, MemoryStore) else self._store.anew()
        self._troubled.clear()
        self._bells.clear()
        self._tallies.clear()
        self.models.clear()
        self._dropped.clear()
        if self.fleet is not None:
            self.fleet.clear()
        self.calm = self.fleet is None


_ALL: WeakSet[Shared] = WeakSet()


def _forked() -> None:
    global _sharing  # noqa: PLW0603 - a thread of the parent may have held it
    _sharing = Lock()
    for it in list(_ALL):
        it.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

_sharing = Lock()
_SHARED = Shared(MemoryStore(Runtime().monotonic, max_entries=MOST_STATES))


def shared_guards() -> Shared:
    """Return the guards of this process, which all configurations with the real clock share."""
    return _SHARED


def guards_of(store: Store | None, runtime: Runtime) -> Shared:
    """Return the guards that a configuration shares: with all who share its store, else with all of this process.

    Who has clocks of his own has guards of his own.
    """
    member: Member | None = getattr(store, "member", None)
    if member is None:
        return _SHARED if runtime == Runtime() else Shared(MemoryStore(runtime.monotonic, max_entries=MOST_STATES))
    with _sharing:
        if member.company is None:
            memory = MemoryStore(runtime.monotonic, max_entries=MOST_STATES)
            member.company = Shared(memory, member, runtime.monotonic)
        return cast("Shared", member.company)


def _forgotten(state: State | None, now: float) -> tuple[None, None]:
    return None, None


def _nobody(error: StoreError | None) -> None:
    """Nobody is told."""
