"""``Watch``: one call as those see it who look on. Born with the call, shared with nobody.

Must not know any client, nor change what becomes of the call: whatever goes wrong here is reported once and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..contract.words import Cause, Operation
from ..credentials import HeaderEdit
from ..policy.echoes import id_of
from ..policy.model import Attempt, HeaderPairs, Observation
from .details import FINE, details_of, error_type, event_of, with_headers
from .facts import Facts, Shape, asked_facts, facts_of, sent_facts
from .guarded import GuardTeller
from .hub import Telemetry
from .safety import model_of, name_of_key, request_ids
from .telling import LOOKERS, Source, safe
from .words import EVENTS

if TYPE_CHECKING:
    from ..router import Plan
    from .events import Value

__all__ = ["Watch"]


class Watch(GuardTeller):
    """What is told of one call.

    ``sending`` and ``back`` stand around each attempt, ``over`` and ``decided`` say how it went and what was decided,
    ``told`` is for all else that happens, and one of ``ended`` and ``cut`` closes it.
    """

    __slots__ = (
        "asked",
        "began",
        "cause",
        "done",
        "facts",
        "more",
        "out",
        "passing",
        "retry",
        "shape",
        "started",
        "task",
    )

    def __init__(self, hub: Telemetry, source: Source, request: Any, plan: Plan, operation: Operation) -> None:
        super().__init__(hub, source, request, plan, operation)
        self.facts: Facts | None = None
        self.asked: Facts | None = None
        self.shape: Shape | None = None
        self.retry: tuple[str, bool] | None = None
        self.passing = False
        self.task: str | None = None
        self.cause: str | None = None
        self.more: dict[str, Value] | None = None
        self.taken = None
        self.waited = 0.0
        self.done = self.out = False
        self.started = self.began = hub.clock()

    def begin(self, body: bytes | None) -> None:
        """Begin the call's span, where anybody wants one; ``body`` is the request's, where that is in memory."""
        hub, route = self.hub, self.plan.route
        if hub.tracing is None:
            self.passing = True
            return
        try:
            self.facts = facts = facts_of(self.plan, self.source, self.request)
            self.model = model = self.shown(model_of(route, facts.target, body))
            self.shape = shape = facts.shape(route, self.operation, model)
            self.spans = hub.call_spans(shape.name, shape.call, self.source.around(self.request))
        except Exception as error:
            hub.broke(LOOKERS, error)

    # around an attempt

    def sending(self, number: int, edit: HeaderEdit | None, ask: Any = None, to: Any = None) -> HeaderEdit | None:
        """Begin an attempt; return what to change on its request, the trace's headers among it.

        ``ask``: it is a query in the place of the call's own request. ``to``: it goes there, to a fallback.
        """
        self.began = self.hub.clock()
        self.attempts = number
        self.out = True
        spans, facts, shape = self.spans, self.facts, self.shape
        try:
            self.asked = None if ask is None else asked_facts(ask.plan, self.source, self.request, ask.target)
            if to is not None:
                self.asked = sent_facts(self.plan, self.source, self.request, to)
            if self.asked is not None:
                facts, shape = self.asked, Shape("", {}, self.asked.attempt)
            if self.retry is not None:
                cause, self.retry = self.retry[0], None
                if self.hub.meters is not None:
                    self.hub.meters.retry(self.family, cause)
            if spans is not None and facts is not None and shape is not None:
                begun = shape.attempt
                if number > 1:
                    begun = {**begun, "http.request.resend_count": number - 1}
                extra = spans.send(facts.name, begun)
            elif self.passing:
                extra = self.hub.headers()
            else:
                return edit
        except Exception as error:
            self.hub.broke(LOOKERS, error)
            return edit
        return with_headers(edit, extra)

    def rested(self, seconds: float) -> None:
        """Say that a wait between attempts is over."""
        self.waited += seconds
        if self.retry is not None and self.hub.meters is not None:
            self.hub.meters.wait(self.family, self.retry[0], seconds, hint=self.retry[1])

    def back(self) -> None:
        """Leave the attempt's context: what is read of its answer, and waits, are the call's."""
        spans = self.spans
        if spans is not None and spans.token is not None:
            try:
                self.foreign = not spans.back()
            except Exception as error:
                self.hub.broke(LOOKERS, error)

    def _attempt_over(self, status: int | None, error: str | None, headers: HeaderPairs) -> None:
        hub, spans, self.out = self.hub, self.spans, False
        if hub.meters is not None:
            facts = facts_of(self.plan, self.source, self.request) if self.facts is None else self.facts
            facts = facts if self.asked is None else self.asked
            hub.meters.attempt(facts.labels, hub.clock() - self.began, status, error)
        if spans is not None and spans.attempt is not None:
            seen: dict[str, Any] = request_ids(headers, hub.hides)
            if status is not None:
                seen["http.response.status_code"] = status
            if error is not None:
                seen["error.type"] = error
            spans.attempt_ended(seen, failed=error is not None)

    def over(self, status: int | None, error: str | None, headers: HeaderPairs) -> None:
        """Say that an attempt is over: its status, and ``error.type`` where it failed."""
        if self.foreign:
            return  # its span ends with the call's
        try:
            self._attempt_over(status, error, headers)
        except Exception as failure:
            self.hub.broke(LOOKERS, failure)

    @safe
    def decided(
        self,
        attempt: Attempt,
        seen: Observation | None,
        used: Callable[[], bytes | None],
        *,
        again: bool,
        lost: bool,
        intent: str | None,
    ) -> None:
        """Say what was decided about an attempt.

        ``used`` returns the key it had; ``again``: another attempt follows; ``lost``: paid work of unknown outcome,
        named by ``intent`` in the ledger.
        """
        self.attempts = attempt.number
        decision, meters = attempt.decision, self.hub.meters
        if decision is None:
            return
        cause = decision.cause
        failed = meters is not None and cause is not None and error_type(attempt.status, attempt.fault, decision)
        if again:  # counted when it comes to that: a wait may be cut short
            self.retry = "unknown" if cause is None else cause.value, seen is not None and seen.hint is not None
        if seen is not None and seen.task_id is not None:
            self.task = id_of(seen.task_id)
        name, level = ("outcome unknown", None) if lost else event_of(decision, attempt, again=again)
        told = name is not None and self.heard(name, level)
        key = name_of_key(used()) if cause is not None and (failed or told) else None
        if meters is not None and cause is not None and failed:
            meters.failure(self.family, cause.value, self.model_name(), key)
        if name is not None and told:
            details = details_of(attempt, decision, self.model_name())
            more = {"anyint.key": key, "anyint.intent": intent if lost else None}
            self.say(name, details | {key: it for key, it in more.items() if it is not None}, level)

    # the end

    def settled(self, cause: Cause | None, **more: Value | None) -> None:
        """Say what is known of the call's end before it has come: why it failed, and whatever else has a value."""
        self.cause = None if cause is None else cause.value
        self.more = {f"anyint.{key}": value for key, value in more.items() if value}

    @safe
    def ended(self, outcome: str, at: tuple[float, float] | None = None) -> None:
        """Close the call: count it, end its span. Only the first end counts; ``at``: when it was, on both clocks."""
        if self.done:
            return
        self.done = True
        hub, spans, cause = self.hub, self.spans, self.cause
        self.request = None  # nothing more is read of it
        if hub.meters is not None:
            taken = (hub.clock() if at is None else at[0]) - self.started
            hub.meters.call(self.family, self.operation.value, outcome, cause, taken, self.attempts)
        if spans is not None:
            attributes: dict[str, Any] = {}
            if spans.recording:
                attributes = {"anyint.attempts": self.attempts, "anyint.outcome": outcome}
                if self.waited:
                    attributes["anyint.waited"] = self.waited
                if cause is not None:
                    attributes["anyint.cause"] = cause
                if self.task is not None:
                    attributes["anyint.task.id"] = self.task
                if self.more is not None:
                    attributes.update(self.more)
                if self.taken is not None:
                    attributes.update(self.taken)
            spans.end(attributes, failed=outcome not in FINE, at=None if at is None else at[1])

    @safe
    def stream_over(
        self,
        outcome: str,
        error: str | None,
        at: tuple[float, float] | None = None,
        *,
        why: str = "",
        soft: str = "",
    ) -> None:
        """Say how a streamed answer ended, and close the call. ``soft``: what a whole one lacked."""
        if self.done:
            return
        if self.hub.meters is not None:
            self.hub.meters.stream(self.family, outcome)
        if soft:
            self.say("stream unterminated", {"anyint.reason": soft})
        elif outcome == "failed":
            self.say("stream failed", {"anyint.reason": "its last event says that it failed, after a good status"})
        elif outcome == "late":
            self.say("deadline exceeded", {"anyint.reason": "the deadline passed while the answer was streamed"})
        elif outcome == "interrupted":
            reason = "it ended without its last event"
            if error is not None:
                reason = f"the body broke off with a {error} after the answer had begun"
            self.say("stream interrupted", {"error.type": why if error is None else error, "anyint.reason": reason})
        self.ended(outcome, at)

    def dropped(self, outcome: str, error: str | None = None) -> None:
        """Say that a streamed answer is garbage: told with the next call, since this may be anywhere."""
        self.request = None  # nothing more is read of it, and it may hold a prompt
        at = self.hub.clock(), self.hub.wall()
        self.hub.dropped.append(lambda: self.stream_over(outcome, error, at))

    @property
    def follows(self) -> bool:
        """Whether anybody wants to know when a streamed answer ends."""
        recording = self.spans is not None and self.spans.recording
        return self.operation is Operation.STREAM and (recording or self.hub.meters is not None)

    def cut(self, error: BaseException, *, lost: bool = False, intent: str | None = None) -> None:
        """Close a call that an exception from outside ended: a cancellation, a key source that failed.

        ``lost``: it was paid work, named by ``intent``, and nobody knows what became of it.
        """
        if self.done:
            return
        self.back()
        self.foreign = self.foreign or isinstance(error, GeneratorExit)
        self._cut(type(error).__name__, "error" if isinstance(error, Exception) else "cancelled", lost, intent)

    @safe
    def _cut(self, name: str, outcome: str, lost: bool, intent: str | None) -> None:
        if self.out:
            self._attempt_over(None, outcome, ())
        reason = f"stopped from outside by {name}"
        details: dict[str, Value] = {"error.type": name, "anyint.reason": reason}
        if lost:
            details["anyint.reason"] = f"{reason} while it was out: it may have been done, so it is not sent twice"
        if lost and intent is not None:
            details["anyint.intent"] = intent
        level = EVENTS["given up"].level if outcome == "error" and not lost else None
        self.say("outcome unknown" if lost else "cut off", details, level)
        self.ended("unknown" if lost else outcome)
