"""``Watch``: one call as those see it who look on. Born with the call, shared with nobody.

Must not know any client, nor change what becomes of the call: whatever goes wrong here is reported once and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol

from ..contract.words import Cause, Operation
from ..credentials import HeaderEdit
from ..policy.echoes import id_of
from ..policy.model import Attempt, HeaderPairs, Observation
from .details import FINE, NESTED, details_of, error_type, event_of, with_headers
from .facts import Facts, Shape, facts_of
from .hub import Telemetry
from .safety import model_of, name_of_key, request_ids
from .words import EVENTS

if TYPE_CHECKING:
    from ..router import Plan
    from .events import Value

__all__ = ["Source", "Watch"]

P = ParamSpec("P")

LOOKERS = "a span processor, sampler, propagator or metric reader"


class Source(Protocol):
    """What a watch reads of a request, where somebody wants to know: an adapter's surface."""

    def method_of(self, request: Any, /) -> str:
        """Return the method."""
        ...

    def place_of(self, request: Any, /) -> tuple[str, str, int | None, bytes]:
        """Return where it goes."""
        ...

    def body_of(self, request: Any, /) -> Any:
        """Return its body."""
        ...

    def around(self, request: Any, /) -> Iterable[object]:
        """Return spans of others around it."""
        ...


def _safe(method: Callable[Concatenate[Watch, P], None]) -> Callable[Concatenate[Watch, P], None]:
    """Let nothing out of a method of a watch; report it instead."""

    @wraps(method)
    def run(self: Watch, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.hub.broke(LOOKERS, error)

    return run


class Watch:
    """What is told of one call.

    ``sending`` and ``back`` stand around each attempt, ``attempted`` says how it went and what was decided, ``told``
    is for all else that happens, and one of ``ended`` and ``cut`` closes it.
    """

    __slots__ = (
        "attempts",
        "began",
        "cause",
        "done",
        "facts",
        "hub",
        "model",
        "more",
        "operation",
        "out",
        "passing",
        "plan",
        "request",
        "shape",
        "source",
        "spans",
        "started",
        "task",
        "waited",
    )

    def __init__(self, hub: Telemetry, source: Source, request: Any, plan: Plan, operation: Operation) -> None:
        self.hub = hub
        self.source = source
        self.request = request
        self.plan = plan
        self.operation = operation
        self.spans: Any = None
        self.facts: Facts | None = None
        self.shape: Shape | None = None
        self.model: str | None = None
        self.passing = False
        self.task: str | None = None
        self.cause: str | None = None
        self.more: dict[str, Value] | None = None
        self.attempts = 0
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
            self.model = model = model_of(route, facts.target, body)
            self.shape = shape = facts.shape(route, self.operation, model)
            self.spans = hub.call_spans(shape.name, shape.call, self.source.around(self.request))
        except Exception as error:
            hub.broke(LOOKERS, error)

    # around an attempt

    def sending(self, number: int, edit: HeaderEdit | None) -> HeaderEdit | None:
        """Begin an attempt; return what to change on its request, the trace's headers among it."""
        self.began = self.hub.clock()
        self.attempts = number
        self.out = True
        spans, facts, shape = self.spans, self.facts, self.shape
        try:
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

    def back(self) -> None:
        """Leave the attempt's context: what is read of its answer, and waits, are the call's."""
        spans = self.spans
        if spans is not None and spans.token is not None:
            try:
                spans.back()
            except Exception as error:
                self.hub.broke(LOOKERS, error)

    def good(self, status: int, headers: HeaderPairs) -> None:
        """Say that a first attempt was good at a glance."""
        try:
            self._attempt_over(status, None, headers)
        except Exception as error:
            self.hub.broke(LOOKERS, error)

    def _attempt_over(self, status: int | None, error: str | None, headers: HeaderPairs) -> None:
        hub, spans, self.out = self.hub, self.spans, False
        if hub.meters is not None:
            facts = facts_of(self.plan, self.source, self.request) if self.facts is None else self.facts
            hub.meters.attempt(facts.labels, hub.clock() - self.began, status, error)
        if spans is not None and spans.attempt is not None:
            seen: dict[str, Any] = request_ids(headers, hub.hides)
            if status is not None:
                seen["http.response.status_code"] = status
            if error is not None:
                seen["error.type"] = error
            spans.attempt_ended(seen, failed=error is not None)

    @_safe
    def attempted(
        self,
        attempt: Attempt,
        seen: Observation | None,
        headers: HeaderPairs,
        used: Callable[[], bytes | None],
        *,
        again: bool,
        lost: bool,
    ) -> None:
        """Say how an attempt went, and what was decided about it.

        ``used`` returns the key it had; ``again``: another attempt follows; ``lost``: paid work of unknown outcome.
        """
        self.attempts = attempt.number
        self.waited += attempt.waited
        decision, status = attempt.decision, attempt.status
        cause = None if decision is None else decision.cause
        error = error_type(attempt, cause)
        self._attempt_over(status, error, headers)
        if decision is None:
            return
        details = details_of(attempt, decision, self._model())
        if cause is not None:
            key = name_of_key(used())
            if key is not None:
                details["anyint.key"] = key
            if self.hub.meters is not None and error is not None:
                self.hub.meters.failure(self.family, cause.value, self._model(), key)
        if again and self.hub.meters is not None:
            hint = seen is not None and seen.hint is not None
            self.hub.meters.retry(self.family, "unknown" if cause is None else cause.value, attempt.waited, hint=hint)
        if seen is not None and seen.task_id is not None:
            self.task = id_of(seen.task_id)
        name, level = ("outcome unknown", None) if lost else event_of(decision, attempt, again=again)
        if name is not None:
            self._tell(name, details, level)

    # all else

    @_safe
    def told(self, /, name: str, **details: Value) -> None:
        """Say that something happened: a row of ``words.EVENTS``, its details by names without ``anyint.``."""
        self._tell(name, {f"anyint.{key}": value for key, value in details.items()})

    @_safe
    def nested(self, sends: int, how: str) -> None:
        """Say that a layer above has sent the same request ``sends`` times, this one included."""
        if self.hub.meters is not None:
            self.hub.meters.nested(self.family, sends, how)
        self._tell("nested retry seen", {"anyint.sends": sends, "anyint.reason": NESTED[how]})

    @_safe
    def store_failed(self, store: object, error: Exception) -> None:
        """Say that a step on the store failed."""
        name = type(store).__name__
        if self.hub.meters is not None:
            self.hub.meters.store_failure(name)
        kind = type(error).__name__
        reason = f"{name} raised {kind}; this process's memory served instead"
        self._tell("store failure", {"anyint.store": name, "error.type": kind, "anyint.reason": reason})

    def _tell(self, name: str, details: dict[str, Value], level: int | None = None) -> None:
        if self.spans is not None and self.spans.recording:
            self.spans.event(name, details)
        self.hub.tell(self._event(name, details, EVENTS[name].level if level is None else level))

    def _event(self, name: str, details: dict[str, Value], level: int) -> Any:
        from .events import Event  # late, since most calls have none

        route = self.plan.route
        ids = None if self.spans is None else self.spans.ids()
        trace_id, span_id = (None, None) if ids is None else ids
        return Event(
            name=name,
            level=level,
            route=route.name,
            family=route.family,
            operation=self.operation,
            attempt=self.attempts,
            details=details,
            trace_id=trace_id,
            span_id=span_id,
        )

    @property
    def family(self) -> str:
        """The route's family, ``none`` where it has none."""
        family = self.plan.route.family
        return "none" if family is None else family.value

    def _model(self) -> str | None:
        if self.model is None and self.request is not None:
            target = self.source.place_of(self.request)[3]
            self.model = model_of(self.plan.route, target, self.source.body_of(self.request).content)
        return self.model

    # the end

    def settled(self, cause: Cause | None, **more: Value | None) -> None:
        """Say what is known of the call's end before it has come: why it failed, and whatever else has a value."""
        self.cause = None if cause is None else cause.value
        self.more = {f"anyint.{key}": value for key, value in more.items() if value}

    @_safe
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
            spans.end(attributes, failed=outcome not in FINE, at=None if at is None else at[1])

    @_safe
    def stream_over(self, outcome: str, error: str | None, at: tuple[float, float] | None = None) -> None:
        """Say how a streamed answer ended, and close the call."""
        if self.done:
            return
        if self.hub.meters is not None:
            self.hub.meters.stream(self.family, outcome)
        if error is not None:
            reason = f"the body broke off with a {error} after the answer had begun"
            self._tell("stream interrupted", {"error.type": error, "anyint.reason": reason})
        self.ended(outcome, at)

    def dropped(self, outcome: str) -> None:
        """Say that a streamed answer is garbage: told with the next call, since this may be anywhere."""
        at = self.hub.clock(), self.hub.wall()
        self.hub.dropped.append(lambda: self.stream_over(outcome, None, at))

    @property
    def follows(self) -> bool:
        """Whether anybody wants to know when a streamed answer ends."""
        recording = self.spans is not None and self.spans.recording
        return self.operation is Operation.STREAM and (recording or self.hub.meters is not None)

    @_safe
    def cut(self, error: BaseException) -> None:
        """Close a call that an exception from outside ended: a cancellation, a key source that failed."""
        if self.done:
            return
        self.back()
        name = type(error).__name__
        if self.out:
            self._attempt_over(None, "error" if isinstance(error, Exception) else "cancelled", ())
        self._tell("cut off", {"error.type": name, "anyint.reason": f"stopped from outside by {name}"})
        self.ended("error" if isinstance(error, Exception) else "cancelled")
