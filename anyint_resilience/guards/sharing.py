"""How one process speaks to the store that a fleet's guards share: times on its clock, and who is rung by what it says.

Must not know what a step does, nor any call. ``outs`` are the permits and probes that this process has from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from ..stores.flows import Flow, Pending
from ..stores.member import Member
from ..stores.protocol import Step, StoreError
from .view import View

__all__ = ["EVERY", "LEASE", "Failed", "Sharing", "account_of"]

LEASE: Final = 30.0
"""Seconds after which the permit of a process that has died is free; one that lives renews it."""

_TTL: Final = 3600.0
_TIMES: Final = ("since", "bound", "began")  # arguments on the clock of this process

_MOST: Final = 10_000  # accounts

EVERY: Final = "*"
"""Stands for all accounts there are."""


def account_of(key: str) -> str:
    """Return whose state a key names: ``kind:account:...``."""
    return key.split(":", 2)[1]


Failed: TypeAlias = "Callable[[StoreError | None], object]"
"""Who is told of a store that does not answer, and, by None, of one that does so again."""


class Sharing:
    """What the guards of a fleet need of their store, and of this process.

    ``local`` runs a step on this process's own memory, which serves while the store does not; ``ring`` wakes a ticket;
    ``stir`` says that something may have changed.
    """

    def __init__(
        self,
        member: Member,
        *,
        clock: Callable[[], float],
        local: Callable[[str, Step], Any],
        ring: Callable[[str], None],
        stir: Callable[[], object],
    ) -> None:
        self.member = member
        self.view = View()
        self.outs: dict[str, str] = {}
        self._owed: dict[str, Pending] = {}
        self.accounts: set[str] = set()
        """Whose calls this process makes; ``EVERY``: nobody knows."""
        self.clock = clock
        self.local = local
        self.ring = ring
        self.stir = stir

    @property
    def serves(self) -> bool:
        """Whether the store answers, and in time."""
        return self.member.serves

    @property
    def name(self) -> str:
        """What the tickets of this process begin with."""
        return self.member.backend.owner + "."

    def makes_calls_of(self, account: str) -> None:
        """Note whose calls this process makes; of too many it is nobody's in particular."""
        accounts = self.accounts
        if account not in accounts and EVERY not in accounts:
            accounts.add(account if len(accounts) < _MOST else EVERY)

    def concerns(self) -> list[str]:
        """Return of which gates and circuits there is something to know, of accounts whose calls this process makes."""
        standing = list(self.view.standing)
        if not standing or EVERY in self.accounts:
            return standing
        return [key for key in standing if account_of(key) in self.accounts]

    def now(self) -> float:
        """Return the time on the store's clock."""
        return self.member.backend.now()

    def ahead(self) -> float:
        """Return how far the store's clock is ahead of this process's."""
        return self.now() - self.clock()

    def update(self, key: str, step: Any, **more: Any) -> Flow:
        """Run a step at the store, and ring whom its verdict names of this process; the store rings the others.

        Raises StoreError.
        """
        verdict = yield self.member.updating(key, self._there(step, more), _TTL)
        self._rings(verdict)
        return verdict

    def post(self, key: str, step: Any) -> None:
        """Have a step run there by and by, when the store answers."""
        self.member.posting(key, self._there(step, {}), _TTL, late=self._rings)

    def give_back(self, key: str, leave: Any, ticket: str) -> None:
        """Have what a ticket has there, or may have, given back by and by, until that surely was done."""
        late = partial(self._given_back, ticket)
        owed = self._owed[ticket] = self.member.posting(key, self._there(leave, {}), _TTL, again=True, late=late)
        if owed.done:  # already, or not at all
            self._owed.pop(ticket, None)

    def keep(self, ticket: str) -> None:
        """Do not give back what a ticket has, for it asks anew: that would be taken from it."""
        owed = self._owed.pop(ticket, None)
        if owed is not None:
            owed.drop()

    def clear(self) -> None:
        """Forget everything, as a forked child does."""
        self.view.clear()
        self.outs.clear()
        self._owed.clear()

    def _given_back(self, ticket: str, verdict: Any) -> None:
        self._owed.pop(ticket, None)
        self._rings(verdict)

    def _there(self, step: Any, more: Mapping[str, Any]) -> Step:
        words, ahead = getattr(step, "keywords", {}), self.ahead()
        moved = {name: it + ahead if name in _TIMES else it for name, it in words.items()}
        return partial(step, **{**moved, **more})

    def _rings(self, verdict: Any) -> None:
        for ticket in getattr(verdict, "ring", ()):
            if ticket.startswith(self.name):
                self.ring(ticket)
