"""What guards must have done to a scenario's calls, told from their reports: a plain model of the gate, call by call.

Must not know any scenario or client by name, nor the guards' own steps: calls come one after the other here, so that a
gate is no more than what closed it, and how many failures there were in a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from anyint_resilience import Action, Cause, Certainty, Guards
from anyint_resilience.admission import WHY
from anyint_resilience.contract.words import Operation
from anyint_resilience.guards.budget import SPENT
from anyint_resilience.policy.model import Attempt, FaultKind
from anyint_resilience.telemetry.guarded import CLOSED_BY
from tests.conformance.emitted import Labels, labels
from tests.conformance.expected import Happened, Made, named

__all__ = ["BUDGET", "Gates", "Passed"]

BUDGET = SPENT
"""What a decision's reason says where the budget was empty."""

FORGET = 60.0
"""Seconds after which a gate that nobody asks remembers nothing."""

ASKING = {Operation.QUERY, Operation.LIST, Operation.DOWNLOAD}
OURS = {FaultKind.POOL_TIMEOUT, FaultKind.LOCAL_ERROR, FaultKind.TLS_CERTIFICATE}
FAILURES = {Cause.TRANSIENT, Cause.SERVER, Cause.UNKNOWN}
LIMITS = {Cause.RATE: "rate", Cause.QUOTA: "quota"}


@dataclass
class Gate:
    """One gate: what closed it, failures in a row, and when it was told of one."""

    cause: str = ""
    bad: int = 0
    heard: float = 0.0


@dataclass(frozen=True)
class Passed:
    """What guards did to one call: before its first attempt, and to each of its attempts after its answer came.

    ``rests``: the waits in line, each with what it was for.
    """

    first: list[Happened] = field(default_factory=list)
    each: list[list[Happened]] = field(default_factory=list)
    after: list[list[Happened]] = field(default_factory=list)
    rests: list[tuple[str, float]] = field(default_factory=list)

    def points(self, family: Mapping[str, str]) -> list[tuple[str, Labels, float]]:
        """Return what each instrument of the guards must have been told."""
        counted = {"gate closed": "anyint.gate.closed", "refused": "anyint.refused"}
        happened = [it for these in (self.first, *self.each, *self.after) for it in these]
        found = [
            (counted[name], labels({**family, **details, "anyint.reason": None}), 1.0)
            for name, details in happened
            if name in counted
        ]
        waited = [("anyint.gate.wait", labels({**family, "anyint.guard": why}), it) for why, it in self.rests]
        return found + waited


class Gates:
    """The gates of one configuration."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self._known: dict[tuple[Any, ...], Gate] = {}
        self._lives = False  # anything has succeeded: one failure more is needed then

    def passed(self, call: Made, keys: list[str]) -> Passed:
        """Return what guards must have done to a call, and go on from there; ``keys``: those its attempts had."""
        found = Passed()
        if call.refused is not None:
            found.first.append(("refused", self._about(call, call.refused) | _reason(call.refused)))
        if call.told.held:
            gate = self._gate(call, keys[0] if keys else "")
            self._rested(found, found.first, call, gate, call.told.held)
        for number, (attempt, key) in enumerate(zip(call.attempts, keys, strict=True)):
            here, then = list[Happened](), list[Happened]()
            found.each.append(here)
            found.after.append(then)
            self._lives = self._lives or (attempt.asked is None and _kind(attempt) == "good")
            if attempt.asked is not None or attempt.decision is None or call.route.family is None:
                continue
            gate = self._gate(call, key)
            if attempt.started - gate.heard >= FORGET:
                gate.cause, gate.bad = "", 0
            gate.heard = attempt.started
            spent = call.spent and number == len(call.attempts) - 1
            if self._guards.gate:
                here += self._told(gate, call, "spent" if spent else _kind(attempt))
            if BUDGET in attempt.decision.reason:
                here.append(("refused", self._about(call, "budget") | {"anyint.reason": BUDGET}))
            line = attempt.waited - (attempt.decision.delay or 0.0)
            if attempt.decision.action is Action.BACKOFF and line > 0:
                self._rested(found, then, call, gate, line)
        return found

    def _rested(self, found: Passed, here: list[Happened], call: Made, gate: Gate, seconds: float) -> None:
        why = gate.cause or "full"
        here.append(("gate wait", self._about(call, why) | {"anyint.reason": WHY[why][1]}))
        found.rests.append((why, seconds))

    def _told(self, gate: Gate, call: Made, kind: str) -> list[Happened]:
        """Tell a gate how an attempt went; return what that did."""
        before = gate.cause
        if kind in ("good", "spent"):
            gate.cause, gate.bad = "rate" if kind == "spent" else "", 0
        elif kind in LIMITS.values():
            gate.cause = kind
        elif kind == "down":
            gate.bad += 1
            if not gate.cause and gate.bad >= max(1, self._guards.failures - (not self._lives)):
                gate.cause = "down"
        shut = kind in ("spent", *LIMITS.values()) or (kind == "down" and gate.cause and not before)
        if shut:
            return [("gate closed", self._about(call, gate.cause) | {"anyint.reason": CLOSED_BY[gate.cause][0]})]
        return [("gate opened", self._about(call, None))] if before and not gate.cause else []

    def _gate(self, call: Made, key: str) -> Gate:
        """Return the gate of a call: one for each key, host, family and model, and one for all that asks."""
        kind = call.operation if call.model is None or call.operation in ASKING else call.model
        parts = urlsplit(call.url)
        return self._known.setdefault((key, parts.hostname, parts.port, call.route.family, kind), Gate())

    @staticmethod
    def _about(call: Made, guard: str | None) -> dict[str, Any]:
        return named(anyint__guard=guard, gen_ai__request__model=call.model)


def _reason(guard: str) -> dict[str, Any]:
    return {"anyint.reason": WHY[guard][1]}


def _kind(attempt: Attempt) -> str:
    """Return what an attempt says to the gate of its model."""
    decision = attempt.decision
    if decision is None:
        return "good" if attempt.status is not None and attempt.status < 400 else "other"
    if decision.cause is None or decision.certainty is Certainty.COMMITTED:
        return "good"
    if attempt.fault is not None and attempt.fault.kind in OURS:
        return "other"
    return "down" if decision.cause in FAILURES else LIMITS.get(decision.cause, "other")
