"""One logical call: a generator that yields effects and is told outcomes.

Must not know any client, do any I/O, or read a clock by itself. The order of operations of every call,
sync or async, on every client, is written here once; ``drive`` carries the effects out.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

from .contract.routes import Route
from .contract.words import Cause, Certainty, Operation
from .credentials import Credentials, HeaderEdit, RawHeaders
from .policy.model import Action, Attempt, CallReport, Decision, Fault, FaultKind, HeaderPairs, Observation
from .policy.reading import needs_body, read_response
from .policy.rules import Policy
from .router import Plan
from .runtime import Runtime
from .stores.protocol import Step
from .tasks.ledger import Ledger

__all__ = ["AskKey", "Call", "Discard", "Effect", "Outcome", "Peek", "Peeked", "Result", "Send", "Sleep", "StateCall", "run"]

R = TypeVar("R")
PEEK_BYTES = 64 * 1024
PEEK_SECONDS = 10.0
PROXY_AUTH_REQUIRED = 407  # RFC 9110 15.5.8: the proxy's, not AnyInt's


@dataclass(slots=True)
class Send:
    """Put the request on the wire; told: an :class:`Outcome`. ``remaining`` bounds it, in seconds."""

    number: int
    edit: HeaderEdit | None = None
    remaining: float | None = None


@dataclass(slots=True)
class Peek(Generic[R]):
    """Read the start of a body without taking it from the caller; told: a :class:`Peeked`."""

    response: R
    max_bytes: int = PEEK_BYTES
    until: float = float("inf")


@dataclass(slots=True)
class Discard(Generic[R]):
    """Close a response that nobody will see."""

    response: R


@dataclass(slots=True)
class Sleep:
    """Wait; the only place where a call waits on purpose."""

    seconds: float


@dataclass(slots=True)
class StateCall:
    """Change shared state in one atomic step; told: the step's verdict."""

    key: str
    step: Step
    ttl: float


@dataclass(slots=True)
class AskKey:
    """Ask the key source, because ``used`` was refused (None: there is no key yet)."""

    used: bytes | None


@dataclass(slots=True)
class Outcome(Generic[R]):
    """What a Send came back with: a response with its status and headers, or an error and its kind."""

    response: R | None = None
    status: int = 0
    headers: HeaderPairs = ()
    error: Exception | None = None
    fault: Fault | None = None


@dataclass(slots=True)
class Peeked:
    """What a Peek saw. ``complete``: this is the whole body. ``error``: it broke after these bytes."""

    body: bytes = b""
    complete: bool = False
    error: Exception | None = None


@dataclass(slots=True)
class Result(Generic[R]):
    """What the call ends with: the response to hand over, or an error to raise."""

    report: CallReport
    decision: Decision | None = None
    response: R | None = None
    error: Exception | None = None
    refused: bool = False  # the ledger did not let it out
    unknown: bool = False  # a paid create or upload of unknown fate
    late: bool = False  # the user's deadline has passed


Effect: TypeAlias = "Send | Peek[R] | Discard[R] | Sleep | StateCall | AskKey"
Flow: TypeAlias = "Generator[Send | Peek[R] | Discard[R] | Sleep | StateCall | AskKey, Any, Result[R]]"

_UNSAFE = (Operation.CREATE, Operation.UPLOAD)


class Call:
    """The state of one call. Born with it, shared with nobody."""

    __slots__ = (
        "attempts",
        "certainty",
        "credentials",
        "edit",
        "headers",
        "intent",
        "ledger",
        "method",
        "notes",
        "operation",
        "outer_retries",
        "plan",
        "policy",
        "replayable",
        "runtime",
        "started",
        "used",
    )

    def __init__(
        self,
        *,
        plan: Plan,
        method: str,
        operation: Operation,
        policy: Policy,
        runtime: Runtime,
        credentials: Credentials,
        ledger: Ledger,
        headers: RawHeaders,
        started: float,
        replayable: bool,
        intent: str | None,
        outer_retries: int,
    ) -> None:
        self.plan = plan
        self.method = method
        self.operation = operation
        self.runtime = runtime
        self.credentials = credentials
        self.ledger = ledger
        self.headers = headers
        self.started = started
        self.replayable = replayable
        self.intent = intent
        self.outer_retries = outer_retries
        self.notes: list[str] = []
        if outer_retries:
            left = max(1, policy.attempts - outer_retries)
            self.notes.append(
                f"a retry layer above has sent this call {outer_retries} time(s) before; "
                f"{left} of {policy.attempts} attempts are left to this one"
            )
            policy = replace(policy, attempts=left)
        self.policy = policy
        self.attempts: list[Attempt] = []
        self.certainty = Certainty.NOT_SENT
        self.edit: HeaderEdit | None = None
        self.used: bytes | None = None

    @property
    def route(self) -> Route:
        """The contract's row for this request."""
        return self.plan.route

    def elapsed(self) -> float:
        """Return seconds since the call began."""
        return self.runtime.monotonic() - self.started

    def remaining(self) -> float | None:
        """Return seconds left of the user's deadline, None without one."""
        deadline = self.policy.deadline
        return None if deadline is None else deadline - self.elapsed()

    def report(self) -> CallReport:
        """Return what is known of the call so far."""
        return CallReport(
            route=self.route.name,
            family=self.route.family,
            operation=self.operation,
            attempts=tuple(self.attempts),
            outer_retries=self.outer_retries,
            notes=tuple(self.notes),
        )


def run(call: Call) -> Flow[R]:
    """Run one call: enter a paid create in the ledger, make the attempts, settle it whatever happens."""
    if call.credentials.wants_key and call.plan.secure:
        yield AskKey(None)
    call.edit = call.credentials.edit(call.headers, call.route.family, call.plan.style, secure=call.plan.secure)
    if not call.plan.secure:
        call.notes.append("plain http to another machine: no key was sent")
    if not call.policy.enabled:
        return (yield from _once(call))
    if call.intent is None:
        return (yield from _attempts(call))
    ledger, key = call.ledger, call.ledger.key(call.intent)
    since = yield StateCall(key, ledger.enter, ledger.window)
    if since is not None:
        call.notes.append(f"refused: the same create ended with an unknown outcome {since:.0f} s ago")
        return Result(report=call.report(), refused=True, unknown=True)
    try:
        result: Result[R] = yield from _attempts(call)
    except GeneratorExit:
        raise  # nobody drives us any more; the entry expires by itself
    except BaseException:
        yield StateCall(key, ledger.leave(call.certainty), ledger.window)
        raise
    yield StateCall(key, ledger.leave(call.certainty), ledger.window)
    return result


def _once(call: Call) -> Flow[R]:
    """Send once and decide nothing: the user has switched us off for this call."""
    began = call.elapsed()
    outcome: Outcome[R] = yield Send(1, call.edit, call.remaining())
    status = outcome.status if outcome.response is not None else None
    duration = call.elapsed() - began
    call.attempts.append(
        Attempt(number=1, started=began, duration=duration, status=status, fault=outcome.fault, decision=None)
    )
    return Result(report=call.report(), response=outcome.response, error=outcome.error)


def _attempts(call: Call) -> Flow[R]:
    """Send until a decision says to stop; the answer of the last attempt is never lost."""
    number, asked = 0, False
    while True:
        number += 1
        remaining = call.remaining()
        began = call.elapsed()
        call.certainty = Certainty.UNKNOWN  # until we know better: we may be cancelled while it is out
        outcome: Outcome[R] = yield Send(number, call.edit, remaining)
        decision, seen = yield from _judge(call, outcome, number)
        call.certainty = decision.certainty
        if decision.action is Action.BACKOFF and not call.replayable:
            decision = _final(decision, "the body can be sent only once")
        changed = False
        refused = decision.cause is Cause.AUTH and outcome.status != PROXY_AUTH_REQUIRED
        if refused and not asked and number < call.policy.attempts and call.replayable:
            asked = True
            changed = yield from _new_key(call)
        waiting = decision.action is Action.BACKOFF and not changed
        delay = decision.delay if waiting and decision.delay is not None else 0.0
        call.attempts.append(
            Attempt(
                number=number,
                started=began,
                duration=call.elapsed() - began,
                status=outcome.status if outcome.response is not None else None,
                fault=outcome.fault,
                decision=decision,
                waited=delay,
                request_id=seen.request_id if seen is not None else None,
            )
        )
        if not waiting and not changed:
            if outcome.response is not None and outcome.error is not None:
                yield Discard(outcome.response)  # its body broke: the error is what is handed over
            return _result(call, outcome, decision)
        if outcome.response is not None:
            yield Discard(outcome.response)
        del outcome  # an error kept here would keep its frames, and they this one
        if delay > 0:
            yield Sleep(delay)


def _judge(call: Call, outcome: Outcome[R], number: int) -> Generator[Peek[R], Any, tuple[Decision, Observation | None]]:
    """Turn an outcome into a decision, reading as much of the body as that takes."""
    wall, u = call.runtime.wall(), call.runtime.random()
    if outcome.response is not None:
        body = b""
        if needs_body(call.route, call.operation, outcome.status):
            peeked: Peeked = yield Peek(outcome.response, PEEK_BYTES, call.runtime.monotonic() + PEEK_SECONDS)
            body = peeked.body
            if peeked.error is not None:
                if outcome.status < 400:
                    outcome.error = peeked.error
                    outcome.fault = Fault(FaultKind.BODY_ERROR, type(peeked.error).__name__, outcome.status)
                else:
                    call.notes.append(f"the body of the {outcome.status} broke after {len(body)} bytes")
        if outcome.fault is None:
            seen = read_response(call.route, call.operation, outcome.status, outcome.headers, body, now=wall)
            return call.policy.on_response(
                call.route,
                call.operation,
                seen,
                method=call.method,
                attempt=number,
                elapsed=call.elapsed(),
                now=wall,
                u=u,
            ), seen
    fault = outcome.fault if outcome.fault is not None else Fault(FaultKind.UNKNOWN)
    return call.policy.on_fault(
        call.route,
        call.operation,
        fault,
        method=call.method,
        attempt=number,
        elapsed=call.elapsed(),
        now=wall,
        u=u,
    ), None


def _new_key(call: Call) -> Generator[AskKey, Any, bool]:
    """After a 401, ask the key source once; True if it gave another key than the one refused."""
    if not call.plan.secure:
        return False
    used = call.credentials.used(call.headers, call.edit)
    try:
        yield AskKey(used)
    except Exception as error:  # the 401 is the answer; a broken key source must not hide it
        call.notes.append(f"the key source failed after the key was refused: {type(error).__name__}")
        return False
    edit = call.credentials.rotated(call.headers, call.route.family, call.plan.style, used)
    if edit is None:
        return False
    call.edit = edit
    call.notes.append("the key was refused; the key source gave another one")
    return True


def _result(call: Call, outcome: Outcome[R], decision: Decision) -> Result[R]:
    paid = call.operation in _UNSAFE and outcome.fault is not None and decision.certainty is Certainty.UNKNOWN
    remaining = call.remaining()
    return Result(
        report=call.report(),
        decision=decision,
        response=outcome.response,
        error=outcome.error,
        unknown=paid,
        late=outcome.fault is not None and remaining is not None and remaining <= 0,
    )


def _final(decision: Decision, why: str) -> Decision:
    return replace(decision, action=Action.NO_RETRY, delay=None, reason=f"{decision.reason}; not sent again: {why}")
