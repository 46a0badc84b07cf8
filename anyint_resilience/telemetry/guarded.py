"""What guards and fallbacks do to a call, as those see it who look on. Must not know how a guard works."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from .events import Value
from .telling import Teller, safe

if TYPE_CHECKING:
    from ..callreport import FallbackUsed

__all__ = ["CLOSED_BY", "GuardTeller"]

CLOSED_BY: Final = {
    "rate": ("a rate limit: calls of this key and model wait in line", logging.INFO),
    "quota": ("a used-up quota: calls of this key and model are refused", logging.WARNING),
    "down": ("failures in a row: calls of this key and model wait in line, one finds out", logging.WARNING),
}
"""What closed a gate: in words, and the level of the event. A rate limit is everyday business."""


class GuardTeller(Teller):
    """The part of a watch that is told of guards."""

    __slots__ = ("taken", "waited")
    taken: dict[str, Any] | None
    waited: float

    @safe
    def in_line(self, why: str, reason: str, model: str | None) -> None:
        """Say that the call waits at a gate."""
        self.say("gate wait", self._about(why, model, {"anyint.reason": reason}))

    @safe
    def held(self, seconds: float, why: str) -> None:
        """Say for how long it waited there."""
        self.waited += seconds
        if self.hub.meters is not None:
            self.hub.meters.held(self.family, why, seconds)

    @safe
    def refused(self, why: str, reason: str, model: str | None) -> None:
        """Say that a guard did not let it out."""
        if self.hub.meters is not None:
            self.hub.meters.guard("anyint.refused", self.family, why, model)
        self.say("refused", self._about(why, model, {"anyint.reason": reason}))

    @safe
    def gate(self, shut: str, model: str | None) -> None:
        """Say that this call's answer closed the gate, by what (or opened it: nothing)."""
        if shut and self.hub.meters is not None:
            self.hub.meters.guard("anyint.gate.closed", self.family, shut, model)
        if shut:
            reason, level = CLOSED_BY[shut]
            self.say("gate closed", self._about(shut, model, {"anyint.reason": reason}), level)
        else:
            self.say("gate opened", self._about(shut, model, {}))

    @safe
    def circuit(self, word: str, model: str | None) -> None:
        """Say that this call's answer ``opened`` or ``closed`` the circuit of its route and model."""
        if self.hub.meters is not None:
            self.hub.meters.guard("anyint.circuit.changes", self.family, word, model)
        self.say(f"circuit {word}", self._about("circuit", model, {}))

    @safe
    def fell_back(self, used: FallbackUsed) -> None:
        """Say that another model or host is asked to serve."""
        if self.hub.meters is not None:
            self.hub.meters.fallback(self.family, used.cause, used.origin, used.target, used.workload)
        self.taken = {
            "anyint.workload": used.workload,
            "anyint.fallback.from": used.origin,
            "anyint.fallback.to": used.target,
            "anyint.fallback.cause": used.cause,
        }
        # AnyInt's guide: log every fallback with workload, primary, fallback and reason
        said = f"{used.workload} goes from {used.origin} to {used.target}, cause {used.cause}"
        self.say("fallback", {**self.taken, "anyint.reason": said})

    @safe
    def no_fallback(self, workload: str, target: str, reason: str) -> None:
        """Say that a fallback is not taken."""
        self.say(
            "fallback refused",
            {"anyint.workload": workload, "anyint.fallback.to": target, "anyint.reason": reason},
        )

    def _about(self, why: str, model: str | None, more: dict[str, Value]) -> dict[str, Value]:
        named = {"anyint.guard": why, "gen_ai.request.model": model}
        return {key: it for key, it in named.items() if it} | more
