"""``Guarding``: the guards of one configuration, with the names of their states and the steps to run on them.

Must not know any client, clock or call: what a step needs comes in, the step goes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ..contract.words import Cause, Certainty
from ..credentials import Credentials
from ..policy.fallback import OWN_FAULTS, Fallback
from ..policy.model import Decision, Fault, Hint
from ..policy.rules import Policy
from ..stores.protocol import Step
from . import breaker, budget, gate
from .opening import Pace
from .settings import Guards
from .shared import Shared
from .tally import Tally

__all__ = ["Guarding", "kind_of"]

_KINDS: dict[Cause, str] = {
    Cause.RATE: "rate",
    Cause.QUOTA: "quota",
    Cause.TRANSIENT: "down",
    Cause.SERVER: "down",
    Cause.UNKNOWN: "down",
}


def kind_of(decision: Decision, fault: Fault | None, status: int = 0) -> str:
    """Return what an outcome is to the guards: ``good``, ``rate``, ``quota``, ``down``, or ``other``.

    A fault of this process says nothing of the gateway, nor does a refusal that is the request's own (a 409, a 408).
    """
    if decision.cause is None or decision.certainty is Certainty.COMMITTED:
        return "good"
    if fault is not None and fault.kind in OWN_FAULTS:
        return "other"
    kind = _KINDS.get(decision.cause, "other")
    return "other" if kind == "down" and 400 <= status < 500 else kind


class Guarding:
    """Shared between calls and threads; what changes is in ``shared``."""

    def __init__(
        self,
        settings: Guards,
        shared: Shared,
        fallbacks: Mapping[tuple[str, str], Fallback],
        keys: Mapping[Fallback, Credentials] | None = None,
    ) -> None:
        self.settings = settings
        self.shared = shared
        self.fallbacks = fallbacks
        self._keys = {} if keys is None else keys

    def key_of(self, row: Fallback) -> Credentials | None:
        """Return the credentials of a fallback with a key of its own."""
        return self._keys.get(row)

    def key_ids(self) -> list[str | None]:
        """Return what stands for the keys of fallbacks; None for one that is not known beforehand."""
        return [it.key_id() for it in self._keys.values()]

    def breaks(self, row: Fallback | None) -> bool:
        """Whether a circuit breaker stands before a way with this fallback."""
        own = self.settings.breaker
        return row is not None if own is None else own

    # steps

    def spend(self, good: int, *, cost: float = 1.0, keep: float = 0.0) -> Step:
        """Return the step that takes tokens of the retry budget and leaves some."""
        it = self.settings
        return partial(budget.spend, good=good, reserve=it.budget_reserve, ratio=it.budget_ratio, cost=cost, keep=keep)

    def ask_gate(self, ticket: str, *, since: float, bound: float, u: float) -> Step:
        """Return the step that asks the gate."""
        return partial(gate.ask, ticket=ticket, since=since, bound=bound, most=self.settings.max_concurrency, u=u)

    def tell_gate(
        self,
        ticket: str,
        kind: str,
        *,
        began: float,
        policy: Policy,
        hint: Hint | None,
        least: float,
        tally: Tally,
        now: float,
        u: float,
        stays: bool = False,
    ) -> Step:
        """Return the step that tells the gate how an attempt went."""
        pace = gate.RATES
        if kind in ("rate", "spent"):
            most = policy.max_delay if hint is None or not hint.at_most else min(policy.max_delay, hint.seconds)
            pace = Pace(min(policy.rate_base, most), policy.factor, most, least=least)
        named = None if hint is None or hint.at_most else hint.seconds
        few = self.settings.failures - (0 if tally.lives(now) else 1)  # nothing speaks against it being down
        return partial(
            gate.told,
            ticket=ticket,
            kind=kind,
            began=began,
            flying=max(0, tally.flew - 1) if kind == "down" and self.shared.fleet is not None else tally.out,
            hint=named,
            pace=pace,
            few=max(1, few),
            u=u,
            stays=stays,
        )

    def ask_breaker(self, ticket: str) -> Step:
        """Return the step that asks the circuit breaker."""
        return partial(breaker.ask, ticket=ticket, probes=self.settings.probes)

    def tell_breaker(self, ticket: str, *, good: bool, began: float, u: float) -> Step:
        """Return the step that tells the circuit breaker how an attempt went."""
        it = self.settings
        return partial(
            breaker.told,
            ticket=ticket,
            good=good,
            began=began,
            window=it.window,
            failure_rate=it.failure_rate,
            least=it.min_volume,
            cooldown=it.cooldown,
            u=u,
        )
