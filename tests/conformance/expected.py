"""What must be emitted of a call, told from its report and what the application got of it.

Must not know any scenario or client by name, nor how anything is emitted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from anyint_resilience import Action, Certainty
from anyint_resilience.callreport import CallReport
from anyint_resilience.contract.routes import ROUTES, SEEDANCE_ROUTES, Route
from anyint_resilience.contract.words import Operation
from anyint_resilience.policy.model import Attempt, Decision
from anyint_resilience.policy.verdicts import PAID
from anyint_resilience.telemetry.words import GEN_AI_OPERATIONS, PROVIDERS
from tests.conformance.emitted import Labels, labels
from tests.conformance.scenario import Ask

if TYPE_CHECKING:
    from tests.conformance.expected_guards import Passed

__all__ = ["FINE", "ROWS", "Happened", "Made", "failed_task", "failure", "named"]

ROWS = {row.name: row for row in (*ROUTES, *SEEDANCE_ROUTES)}
"""The contract's routes, by name."""

FINE = {"success", "task_failed", "abandoned", "cancelled", "replayed"}
"""Outcomes that are no errors."""

Happened = tuple[str, dict[str, Any]]
"""An event's name and details."""


def named(**given: Any) -> dict[str, Any]:
    """Return attributes by their names, ``__`` for a dot, less those that are None."""
    return {name.replace("__", "."): value for name, value in given.items() if value is not None}


def failed_task(attempt: Attempt) -> bool:
    """Whether an answer was good and told of a task that has failed."""
    decision = attempt.decision
    told = decision is not None and decision.cause is not None and decision.certainty is Certainty.COMMITTED
    return told and attempt.fault is None and attempt.status is not None and attempt.status < 400


def failure(attempt: Attempt) -> str | None:
    """Return ``error.type`` of an attempt, None if it did not fail."""
    if attempt.fault is not None:
        return attempt.fault.kind.value
    if attempt.status is not None and attempt.status >= 400:
        return str(attempt.status)
    cause = None if attempt.decision is None or failed_task(attempt) else attempt.decision.cause
    return None if cause is None else cause.value


@dataclass(frozen=True)
class Made:
    """One call of ours.

    ``refused``: the guard that did not let it out. ``spent``: its good answer said that it was the last one for now.
    """

    ask: Ask
    url: str
    route: Route
    operation: Operation
    told: CallReport
    outcome: str
    instead: str | None = None
    intent: str | None = None
    refused: str | None = None
    spent: bool = False

    @property
    def own(self) -> list[Attempt]:
        """Its attempts but for queries in the place of a create."""
        return [attempt for attempt in self.attempts if attempt.asked is None]

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Its attempts."""
        return self.told.attempts

    @property
    def decision(self) -> Decision | None:
        """The decision it ended by: where the body broke later, the one by which the answer was handed over."""
        last = self.attempts[-1].decision if self.attempts else None
        fine = self.told.decision is None and self.outcome in FINE
        return last if fine or self.cut_short else self.told.decision

    @property
    def cut_short(self) -> bool:
        """Whether its answer was a stream that was not whole, or says that it failed: that is known afterwards."""
        last = self.attempts[-1].decision if self.attempts else None
        good = last is None or last.cause is None
        return self.operation is Operation.STREAM and self.outcome in ("interrupted", "failed") and good

    @property
    def family(self) -> str:
        """Its family, as a metric has it."""
        return "none" if self.route.family is None else self.route.family.value

    @property
    def cause(self) -> str | None:
        """Why it failed; what was not sent failed for no reason of its own."""
        if self.decision is None or self.decision.cause is None or self.outcome == "held_back":
            return None
        return self.decision.cause.value

    @property
    def model(self) -> str | None:
        """The model that it is plain to see it asks for."""
        if "{model}" in self.route.template:
            return self.url.rpartition("/models/")[2].partition(":")[0]
        document, content = self.ask.json, self.ask.content
        if isinstance(content, (str, bytes)) and content[:1] in ("{", b"{"):
            document = json.loads(content)
        found = document.get("model", document.get("model_name")) if isinstance(document, dict) else None
        return None if found is None else str(found)

    def in_line(self, attempt: Attempt) -> float:
        """Return the seconds for which a guard held the next attempt, on top of the wait that was decided."""
        decision = attempt.decision
        waits = decision is not None and decision.action is Action.BACKOFF
        return attempt.waited - (decision.delay or 0) if waits and decision is not None else 0.0

    def again(self, attempt: Attempt) -> bool:
        """Whether another attempt was to follow."""
        late = self.outcome == "late" and attempt.decision is not None and attempt.decision.action is Action.BACKOFF
        return attempt.asked is None and (attempt is not self.own[-1] or late)

    def row(self, attempt: Attempt) -> Route:
        """Return the contract's row that an attempt went to."""
        return self.route if attempt.asked is None else ROWS[attempt.asked]

    def method(self, attempt: Attempt) -> str:
        """Return the method that an attempt went out by."""
        return self.ask.method if attempt.asked is None else "GET"

    # its span and its attempts'

    def attributes(self) -> dict[str, Any]:
        """Return those of its span."""
        told, family = self.told, self.route.family
        return named(
            url__template=self.route.template,
            anyint__family=None if family is None else family.value,
            anyint__operation=self.operation.value,
            gen_ai__request__model=self.model,
            anyint__attempts=len(self.attempts),
            anyint__waited=self.told.waited or None,
            anyint__outcome=self.outcome,
            anyint__cause=self.cause,
            anyint__certainty=None if self.decision is None else self.decision.certainty.value,
            anyint__outer_retries=told.outer_retries or None,
            anyint__repeats=told.repeats or None,
            anyint__intent=self.intent,
        )

    def place(self, attempt: Attempt) -> dict[str, Any]:
        """Return the attributes of where an attempt goes, which spans and metrics share."""
        parts = urlsplit(self.url)
        return named(
            http__request__method=self.method(attempt),
            server__address=parts.hostname,
            server__port=parts.port,
            url__template=self.row(attempt).template,
        )

    def result(self, attempt: Attempt) -> dict[str, Any]:
        """Return the attributes of how an attempt ended, which spans and metrics share."""
        return named(http__response__status_code=attempt.status, error__type=failure(attempt))

    def attempted(self, attempt: Attempt, target: str) -> dict[str, Any]:
        """Return those of an attempt's span, less the answer's headers; ``target``: the path that was asked for."""
        family, template = self.route.family, self.row(attempt).template
        operation = next((it for end, it in GEN_AI_OPERATIONS if template.endswith(end)), None)
        more = named(
            url__full=self.url if attempt.asked is None else urljoin(self.url, target),
            gen_ai__provider__name=None if family is None else PROVIDERS[family],
            gen_ai__operation__name=None if family is None else operation,
            gen_ai__request__model=self.model if attempt.asked is None else None,
            http__request__resend_count=attempt.number - 1 or None,
        )
        return {**self.place(attempt), **self.result(attempt), **more}

    # what happened in it

    def events(self, keys: list[str], passed: Passed) -> list[Happened]:
        """Return what must have happened in it, in order.

        ``keys``: the names of those its attempts had; ``passed``: what guards did to it.
        """
        told, found = self.told, list[Happened]()
        if told.outer_retries or told.repeats:
            found.append(("nested retry seen", {"anyint.sends": (told.outer_retries or told.repeats) + 1}))
        found += passed.first
        for number, (attempt, key) in enumerate(zip(self.attempts, keys, strict=True)):
            found += passed.each[number]
            name = self._event(attempt)
            if name is not None and attempt.decision is not None:
                found.append((name, self._details(attempt, attempt.decision, key)))
            found += passed.after[number]
        if told.repeats == 1 and self.attempts and self.outcome not in FINE | {"unknown"}:
            found.append(("attempts multiply", {"anyint.attempts": len(self.attempts)}))
        if self.instead is not None:
            found.append((f"create {self.instead}", {}))
        ends = {"held_back": "held back", "late": "deadline exceeded"}
        if self.cut_short:
            ends = {"interrupted": "stream interrupted", "failed": "stream failed"}
        return [*found, (ends[self.outcome], {})] if self.outcome in ends else found

    def _event(self, attempt: Attempt) -> str | None:
        """Return what an attempt and its decision are called."""
        decision = attempt.decision
        if decision is None:
            return None
        if self.again(attempt):
            return "backoff" if decision.action is Action.BACKOFF else "key rotated"
        if attempt.asked is None and self.operation in PAID and decision.certainty is Certainty.UNKNOWN:
            return "outcome unknown"
        if decision.action is Action.POLL:
            return "poll"
        if decision.cause is not None:
            return "task failed" if failed_task(attempt) else "given up"
        return "recovered" if attempt.number > 1 and attempt.asked is None else None

    def _details(self, attempt: Attempt, decision: Decision, key: str) -> dict[str, Any]:
        cause = decision.cause
        return named(
            anyint__attempt=attempt.number,
            anyint__action=decision.action.value,
            http__response__status_code=attempt.status,
            error__type=None if attempt.fault is None else attempt.fault.kind.value,
            anyint__cause=None if cause is None else cause.value,
            anyint__certainty=decision.certainty.value,
            anyint__delay=(attempt.waited - self.in_line(attempt) or None) if self.again(attempt) else None,
            anyint__retry_at=decision.retry_at,
            gen_ai__request__model=self.model,
            anyint__reason=decision.reason,
            anyint__key=None if cause is None else key,
        )

    # the metrics

    def points(self, keys: list[str]) -> Iterator[tuple[str, Labels, float]]:
        """Yield what each instrument must have been told of it: labels and value; durations are those of the waits."""
        told, family = self.told, {"anyint.family": self.family}
        ended = {**family, "anyint.operation": self.operation.value, "anyint.outcome": self.outcome}
        yield "anyint.calls", labels({**ended, "anyint.cause": self.cause}), 1
        yield "anyint.call.duration", labels(ended), told.waited
        yield "anyint.call.attempts", labels(ended), len(self.attempts)
        if self.outcome in ("held_back", "replayed"):
            yield "anyint.duplicates_prevented", labels(family), 1
        ended_later = self.cut_short or self.outcome in ("success", "abandoned", "late")
        if self.operation is Operation.STREAM and ended_later:
            yield "anyint.streams", labels({**family, "anyint.outcome": self.outcome}), 1
        if told.outer_retries or told.repeats:
            how = {"anyint.nested.kind": "header" if told.outer_retries else "repeat"}
            yield "anyint.nested_retry.factor", labels({**family, **how}), (told.outer_retries or told.repeats) + 1
        for attempt, key in zip(self.attempts, keys, strict=True):
            yield "http.client.request.duration", labels({**self.place(attempt), **self.result(attempt)}), 0
            cause = None if attempt.decision is None or failed_task(attempt) else attempt.decision.cause
            if cause is not None:
                why = {**family, "anyint.cause": cause.value}
                yield "anyint.failures", labels({**why, "gen_ai.request.model": self.model, "anyint.key": key}), 1
                if self.again(attempt):
                    yield "anyint.retries", labels(why), 1
                    yield "anyint.wait.time", labels(why), attempt.waited - self.in_line(attempt)
