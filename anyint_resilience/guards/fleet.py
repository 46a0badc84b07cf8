"""The guards of a fleet: what this process tells the others, what it asks them, and what it knows without asking.

Must not know any call or client, nor which store the fleet shares. While that is down, or slower than calls wait for
it, this process's memory serves; what was learnt there ends with the outage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from ..stores.flows import Flow
from ..stores.protocol import StoreError
from ..stores.roles import View as Looked
from . import breaker, gate
from .fleet_circuits import Circuits
from .fleet_gates import Gates
from .joining import JOIN, join
from .sharing import EVERY, Failed, Sharing, account_of

__all__ = ["Fleet"]

_WINDOW = 10.0  # seconds: what an outcome counts for in a circuit that was inherited


class Fleet:
    """One process's guards in a fleet, and the ears of its member.

    ``forget`` drops what its own memory holds; ``tidy`` tells of permits that the garbage collector has left behind.
    """

    def __init__(self, sharing: Sharing, *, forget: Callable[[], object], tidy: Callable[[], object]) -> None:
        self.sharing = sharing
        self.gates = Gates(sharing)
        self.circuits = Circuits(sharing)
        self._forget = forget
        self._tidy = tidy
        self._said: deque[StoreError | None] = deque(maxlen=2)
        self._missed = False
        self._does: dict[Any, Callable[[str, Any, Failed], Flow]] = {
            gate.ask: self.gates.ask,
            gate.told: self.gates.told,
            gate.leave: self.gates.leave,
            breaker.ask: self.circuits.ask,
            breaker.told: self.circuits.told,
            breaker.leave: self.circuits.leave,
            join: self._join,
        }
        sharing.member.ears = self

    @property
    def name(self) -> str:
        """What the tickets of this process begin with."""
        return self.sharing.name

    @property
    def calm(self) -> bool:
        """Whether there is nothing that a call would have to ask, tell or say."""
        known = self.sharing.serves and self.sharing.concerns()
        return not known and not self.gates.streaks and not self._said and self.sharing.member.started

    @property
    def new(self) -> bool:
        """Whether it is not known yet what the others know, nor that this can't be known."""
        return self.sharing.member.new

    def makes_calls_of(self, accounts: Iterable[str | None]) -> None:
        """Note whose calls this process makes, by key id; None: whoever's comes."""
        for it in accounts:
            self.sharing.makes_calls_of(EVERY if it is None else it)

    def come(self, failed: Failed) -> None:
        """Be there, for a call; and tell it what is to be told of the store, once."""
        self.sharing.member.start()
        while self._said:
            with suppress(IndexError):  # another thread was faster
                failed(self._said.popleft())

    def deciding(self, key: str, step: Any, failed: Failed) -> Flow:
        """Run a step where it belongs, and return its verdict. Yields what is to be waited for."""
        if key != JOIN:
            self.sharing.makes_calls_of(account_of(key))
        does = self._does.get(getattr(step, "func", None), self._whole)
        return (yield from does(key, step, failed))

    def tell(self, key: str, step: Any) -> None:
        """Do as :meth:`deciding` beside the call, whose verdict nobody waits for."""
        self.sharing.member.spawn(self.deciding(key, step, _nobody))

    def sweep(self) -> None:
        """Have what is over forgotten by all."""
        self.gates.sweep()
        if self.sharing.serves:
            for key in self.sharing.concerns():
                self.sharing.post(key, partial(gate.settle if key.startswith("gate:") else breaker.settle))

    def clear(self) -> None:
        """Forget everything, as a forked child does."""
        self.sharing.clear()
        self._said.clear()
        self._missed = False
        self.gates.clear()
        self.circuits.clear()

    # what a member hears: most of it on a thread of its own

    def viewed(self, view: Looked) -> None:
        """Take in all there is."""
        if view.anew:  # another server, perhaps, with another clock
            self.sharing.view.clear()
        self.sharing.view.renew(view.briefs, view.now)
        self.sharing.stir()

    def told(self, key: str, brief: Mapping[str, Any] | None, at: float) -> None:
        """Take in what a state is now; whoever stands first there looks again, if nothing holds it back any more."""
        if self.sharing.view.note(key, brief, min(at, self.sharing.now() + 1.0)):  # no news are of the future
            self.sharing.stir()
            if brief is None:
                self.gates.changed(key)

    def rung(self, key: str, ticket: str) -> None:
        """It may be this ticket's turn; of one that nobody here waits with, the others are not to wait either."""
        if ticket in self.gates.asked:
            self.sharing.ring(ticket)
        elif ticket not in self.sharing.outs:  # else it has gone already
            self.sharing.give_back(key, partial(gate.leave, ticket=ticket), ticket)

    def beat(self) -> None:
        """Renew what this process has, but for what it only seems to have."""
        self._tidy()
        self.gates.beat()

    def turned(self, *, up: bool) -> None:
        """Begin to share, or to do without: who waits must ask anew, here or there."""
        if not up or self._missed:
            member = self.sharing.member
            self._said.append(
                None if up else StoreError(f"{member.backend.where} is down: {member.why}", why=member.why)
            )
        self._missed = not up
        if up:
            self._forget()
        else:
            self._inherit()
        self.gates.wake()
        self.sharing.stir()

    def vanished(self, ticket: str) -> None:
        """Leave for one that can't be woken: its event loop is gone."""
        self.gates.vanished(ticket)

    def _inherit(self) -> None:
        """Go on alone from what is known of the others: else all who wait would go at once."""
        sharing = self.sharing
        ahead, peers = sharing.ahead(), max(1, sharing.member.peers)
        for key in sharing.concerns():
            brief = sharing.view.gate(key) if key.startswith("gate:") else None
            if brief is not None:
                times = {name: getattr(brief, name) - ahead for name in ("until", "shut")}
                probe = brief.probe - ahead if brief.probe else 0.0
                known: dict[str, Any] = {"cause": brief.cause, "named": brief.named, "limit": brief.limit / peers}
                sharing.local(key, partial(gate.inherit, probe=probe, **known, **times))
            elif key.startswith("breaker:"):
                known_circuit = sharing.view.circuit(key, sharing.now())
                if known_circuit is not None and not known_circuit.go:
                    step = partial(breaker.inherit, until=known_circuit.at - ahead, window=_WINDOW)
                    sharing.local(key, step)

    def _join(self, key: str, step: Any, failed: Failed) -> Flow:
        """Wait until this process is one of the fleet, or is known not to be."""
        with suppress(StoreError):  # it was too long: the call goes on alone, and the store comes later
            yield self.sharing.member.joining(step.keywords["patience"])

    def _whole(self, key: str, step: Any, failed: Failed) -> Flow:
        """Run a step at the fleet's store as it is, or here while that is down."""
        if self.sharing.serves:
            try:
                return (yield from self.sharing.update(key, step))
            except StoreError as error:
                failed(error)
        return self.sharing.local(key, step)


def _nobody(error: StoreError | None) -> None:
    """Nobody is told."""
