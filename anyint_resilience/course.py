"""How one call passes the guards: the way that it is on, its place in line, the fallback it took. Part of its state.

Must not know any client, nor the order of what is done.
"""

from __future__ import annotations

from typing import Any

from .callreport import FallbackUsed
from .contract.routes import Route
from .contract.words import Operation
from .effects import Outcome
from .guards.guarding import Guarding
from .keys import NO_KEY
from .policy.fallback import Fallback
from .router import Plan
from .ways import Origin, Way, first_way

__all__ = ["Course"]

_ASKING = frozenset((Operation.QUERY, Operation.LIST, Operation.DOWNLOAD))


class Course:
    """Born with its call.

    ``guarded``: guards are asked and told at all. ``on``: the way it is on, None until somebody needs to know.
    ``ticket``: its name at the guards while an attempt is out or waits; ``stands``: it has a place or a permit at the
    gate; ``permit``: the name by which its stream holds one until it ends; ``probes``: it is a circuit breaker's probe.
    ``held``: seconds in line before the first attempt. ``fallen``: the fallback that it is on, ``taken``: all that it
    was on. ``nearest``: names like its model's. ``last``: the outcome that its way ended with.
    """

    __slots__ = (
        *("fallen", "guarded", "guarding", "held", "last", "nearest", "on", "origin", "permit", "probes"),
        *("route", "stands", "taken", "ticket"),
    )

    def __init__(self, guarding: Guarding, origin: Origin, plan: Plan, *, guarded: bool) -> None:
        self.guarding = guarding
        self.origin = origin
        self.route: Route = plan.route
        self.guarded = guarded and plan.secure and plan.route.family is not None
        self.on: Way | None = None
        self.ticket: str | None = None
        self.permit: str | None = None
        self.stands = self.probes = False
        self.held = 0.0
        self.taken: tuple[Fallback, ...] = ()
        self.fallen: FallbackUsed | None = None
        self.nearest: tuple[str, ...] = ()
        self.last: Outcome[Any] | None = None

    @property
    def shares(self) -> bool:
        """Whether its guards are shared with other processes."""
        return self.guarded and self.guarding.shared.fleet is not None

    @property
    def way(self) -> Way:
        """The way it is on."""
        if self.on is None:
            self.on = first_way(self.route, self.origin)
        return self.on

    @property
    def fallback_name(self) -> str | None:
        """What to call the fallback it is on, None on its own way."""
        return None if self.on is None or self.on.row is None else self.on.name

    def fallback(self) -> Fallback | None:
        """Return the fallback of the way that it is on, None where there is none, or none that was not taken."""
        rows = self.guarding.fallbacks
        row = rows.get((self.route.name, self.way.model or "")) if rows else None
        return None if row is None or row in self.taken else row

    def takes(self, row: Fallback, way: Way, cause: str) -> FallbackUsed:
        """Go over to a fallback's way; return what to tell of it."""
        origin = self.way.name if self.fallen is None else self.fallen.origin
        self.on, self.taken = way, (*self.taken, row)
        self.fallen = FallbackUsed(workload=row.workload, origin=origin, target=way.name, cause=cause)
        return self.fallen

    def budget_key(self, key_id: str | None) -> str:
        """Return the name of the retry budget's state: one for each key and gateway."""
        return f"budget:{_account(key_id)}:{self.way.gateway}"

    def gate_key(self, key_id: str | None, operation: Operation) -> str:
        """Return the name of the gate's state: one for each key, gateway, family and model.

        What asks and lists has gates of its own: a limit on tasks made is none on asking for them. Where the model is
        not known (a form, a file) the route stands for it.
        """
        family, model = self.route.family, self.way.model
        kind = f"({operation.value})" if operation in _ASKING else f"({self.route.name})" if model is None else model
        return f"gate:{_account(key_id)}:{self.way.gateway}:{None if family is None else family.value}:{kind}"

    def breaker_key(self, key_id: str | None) -> str:
        """Return the name of the circuit breaker's state: one for each key, gateway, route and model."""
        return f"breaker:{_account(key_id)}:{self.way.gateway}:{self.route.name}:{self.way.model}"


def _account(key_id: str | None) -> str:
    return NO_KEY if key_id is None else key_id
