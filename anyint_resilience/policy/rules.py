"""What is done about what was seen: ``Policy`` and its functions, which read the table of ``verdicts``.

Must not know any client, envelope or code, nor a clock or a random source: an ``Observation`` comes in with the
time and the random number to use, a ``Decision`` goes out. Total: every input has a Decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from ..contract.matching import RouteTable, route_table
from ..contract.routes import Route
from ..contract.tasks import TASKS
from ..contract.words import Cause, Certainty, Operation, Origin
from .backoff import above_hint, broken_limit, scheduled
from .echoes import word_of
from .given import (
    Invalid,
    bytes_of,
    clock_of,
    count_of,
    kind_of,
    operation_of,
    path_of,
    problems_of,
    seconds_of,
    status_of,
    text_of,
    unit_of,
)
from .model import Action, Decision, Fault, FaultKind, HeaderPairs, Observation
from .polling import LONGEST_POLL, interval
from .reading import read_fault, read_response
from .user_words import user_message
from .verdicts import IDEMPOTENT, NEVER_REPEATED, RULES, is_unsafe, refusal
from .wording import guidance, log_line

__all__ = ["DEFAULT_TABLE", "IDEMPOTENT", "LONGEST_READ", "NEVER_REPEATED", "RULES", "Policy", "is_unsafe"]

DEFAULT_TABLE: Final = route_table(seedance=False)

LONGEST_READ: Final = 2_000_000.0
"""Seconds, some 23 days, that one read of a socket may take: not all of them take more, and none takes ``inf``."""

_MOST: Final[dict[Cause, int]] = {Cause.SERVER: 3, Cause.UNKNOWN: 2}
"""Attempts in all, however many the policy allows: a provider's fault may come from the request itself."""

_FEW: Final = 2  # attempts in all where the contract calls one retry reasonable
_TIMED: Final = frozenset({Cause.RATE, Cause.QUOTA, Cause.TRANSIENT, Cause.SERVER})
"""Causes that time can heal, so that ``retry_at`` means something."""


class _Call(NamedTuple):
    """What the rules need to know about the call, made usable."""

    route: Route
    operation: Operation
    unsafe: bool
    attempt: int
    elapsed: float
    now: float | None
    u: float


class _Plan(NamedTuple):
    action: Action
    delay: float | None
    why: str
    limit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often, how long and how late. Times in seconds; every field has a default that fits most programs.

    Args:
        attempts: of one call, all of them counted. Whatever is set, a 500 gets at most 3, a 502 of a relay and an
            undocumented answer 2.
        retry_window: no new attempt starts later than this after the call began (``inf`` for no bound); a running one
            is never cut.
        deadline: hard: attempts and waits count, and the client's time-outs shrink to what is left.
        transient_base: where the waits begin after a failure: full jitter between 0 and base times factor to the n.
        rate_base: the same after a rate limit without a hint.
        factor: by which they grow.
        max_delay: the longest of our own waits; a server's hint wins over it.
        repeat_generation: whether a generation is repeated when its outcome is unknown: it is billed but keeps no
            state.
        hold: so long a call may wait at a time, in line while a guard lets nothing through or for the next attempt.
            None: within the ``retry_window``.
        first_byte_timeout: an answer must begin within so long, or the attempt has failed (None: the client's own
            time-outs alone); never for paid creates, of which nobody would know what became. A stream begins with its
            first byte, any other answer with its headers.
        stream_hold: so long what a stream sends before its first content is held back, so that a failure there can be
            repeated unseen (0: its first piece is handed over as it comes).
        stream_idle_timeout: so long a stream may be silent once it has begun.
        content_idle_timeout: so long a stream may be without content, whatever keep-alives come.
        enabled: False: nothing is retried and nothing changed on the answer; only the auth header is seen to.

    Raises:
        ValueError: naming every problem at once.
    """

    attempts: int = 3
    retry_window: float = 60.0
    deadline: float | None = None
    transient_base: float = 0.05
    rate_base: float = 1.0
    factor: float = 2.0
    max_delay: float = 20.0
    repeat_generation: bool = True
    hold: float | None = None
    first_byte_timeout: float | None = None
    stream_hold: float = 5.0
    stream_idle_timeout: float | None = None
    content_idle_timeout: float | None = None
    enabled: bool = True

    @property
    def paced(self) -> bool:
        """Whether it bounds single reads of an answer."""
        return not (
            self.first_byte_timeout is None and self.stream_idle_timeout is None and self.content_idle_timeout is None
        )

    @property
    def idle(self) -> float | None:
        """Seconds that a read in the middle of a stream may take, None for any time."""
        given = [it for it in (self.stream_idle_timeout, self.content_idle_timeout) if it is not None]
        return min(*given, LONGEST_READ) if given else None

    @property
    def first_byte(self) -> float | None:
        """Seconds in which an answer must begin, None for any time."""
        return None if self.first_byte_timeout is None else min(self.first_byte_timeout, LONGEST_READ)

    @classmethod
    def default(cls) -> Policy:
        """Return what fits most programs: three attempts within a minute."""
        return cls()

    @classmethod
    def interactive(cls) -> Policy:
        """Return what fits where a person waits: two attempts, short waits, an answer that begins within 30 s."""
        return cls(attempts=2, retry_window=45.0, max_delay=2.0, hold=7.0, first_byte_timeout=30.0)

    @classmethod
    def batch(cls) -> Policy:
        """Return what fits where nobody waits: many attempts, long waits, an hour in line if need be."""
        return cls(attempts=8, retry_window=3600.0, transient_base=1.0, rate_base=2.0, max_delay=120.0)

    @classmethod
    def strict(cls) -> Policy:
        """Return what fits where nothing may be billed twice: no generation of unknown outcome is repeated."""
        return cls(attempts=2, retry_window=30.0, repeat_generation=False)

    def __post_init__(self) -> None:
        problems = problems_of(self)
        if problems:
            raise Invalid("Policy", problems)

    def decide_response(
        self,
        method: str,
        url: str,
        status: int,
        headers: HeaderPairs = (),
        body: bytes = b"",
        *,
        attempt: int = 1,
        elapsed: float = 0.0,
        now: float | None = None,
        u: float = 1.0,
        operation: Operation | str | None = None,
        table: RouteTable = DEFAULT_TABLE,
    ) -> Decision:
        """Return what to do about an answer. Total; the host is not looked at: a base URL may be anyone's.

        ``now`` (Unix seconds) is needed to read dates and to give ``retry_at``; ``u`` is the random number of the
        jitter, and its default 1.0 gives the longest wait. ``operation``: what the request's body made of the call
        (``create`` for a background response); by default, and for a word nobody knows, it is the route's.
        """
        verb, when = text_of(method, 32).strip(), clock_of(now)
        route = table.match(verb, path_of(url))
        does = operation_of(operation, route.operation)
        seen = read_response(route, does, status_of(status), headers, bytes_of(body), now=when)
        call = _call(self, route, does, verb, attempt, elapsed, when, u)
        return _decide(self, call, seen, None)

    def decide_exception(
        self,
        method: str,
        url: str,
        kind: FaultKind | str,
        *,
        status: int | None = None,
        attempt: int = 1,
        elapsed: float = 0.0,
        now: float | None = None,
        u: float = 1.0,
        operation: Operation | str | None = None,
        table: RouteTable = DEFAULT_TABLE,
    ) -> Decision:
        """Return what to do about an attempt that gave no (whole) answer. ``status``: of the answer that broke."""
        verb = text_of(method, 32).strip()
        route = table.match(verb, path_of(url))
        fault = Fault(kind_of(kind), status=status_of(status) or None)
        call = _call(self, route, operation_of(operation, route.operation), verb, attempt, elapsed, now, u)
        return _decide(self, call, read_fault(route, fault), fault)

    def on_response(
        self,
        route: Route,
        operation: Operation,
        seen: Observation,
        *,
        method: str,
        attempt: int,
        elapsed: float,
        now: float | None,
        u: float,
    ) -> Decision:
        """Decide about an answer that was read already. ``operation`` may differ from the route's (its body says)."""
        return _decide(self, _call(self, route, operation, method, attempt, elapsed, now, u), seen, None)

    def on_fault(
        self,
        route: Route,
        operation: Operation,
        fault: Fault,
        *,
        method: str,
        attempt: int,
        elapsed: float,
        now: float | None,
        u: float,
    ) -> Decision:
        """Decide about an exception. ``operation`` may differ from the route's (its body says)."""
        call = _call(self, route, operation, method, attempt, elapsed, now, u)
        return _decide(self, call, read_fault(route, fault), fault)


def _call(
    policy: Policy,
    route: Route,
    operation: Operation,
    method: str,
    attempt: int,
    elapsed: float,
    now: float | None,
    u: float,
) -> _Call:
    unsafe = is_unsafe(operation, method, repeat_generation=policy.repeat_generation)
    return _Call(route, operation, unsafe, count_of(attempt), seconds_of(elapsed), clock_of(now), unit_of(u))


# --- the decision


def _decide(policy: Policy, call: _Call, seen: Observation, fault: Fault | None) -> Decision:
    cause, route = seen.cause, call.route
    if cause is None:
        plan = _poll(call, seen) if seen.pending else _Plan(Action.DELIVER, None, "handed over")
    else:
        plan = _repeat(policy, call, seen, cause)
    lost = cause is not None and call.unsafe and seen.certainty is Certainty.UNKNOWN
    return Decision(
        action=plan.action,
        cause=cause,
        certainty=seen.certainty,
        delay=plan.delay,
        retry_at=_retry_at(call, seen, plan, lost=lost),
        reason=log_line(seen, fault, plan.why),
        guidance=guidance(
            route,
            call.operation,
            seen,
            plan.action,
            kind=None if fault is None else fault.kind,
            lost=lost,
            limit=plan.limit,
        ),
        user_message=user_message(call.operation, seen, plan.action, lost=lost),
        route=None if route.family is None else route.name,
        family=route.family,
        operation=call.operation,
        source=seen.source if route.family is not None else Origin.ASSUMED,
    )


def _poll(call: _Call, seen: Observation) -> _Plan:
    """A first look after a create, one step further apart after a query; the server's word wins over both."""
    word = word_of(seen.task_state)
    state = f"the task's state is {word}" if word else "the task is not finished"
    if seen.hint is not None:
        return _Plan(Action.POLL, min(seen.hint.seconds, LONGEST_POLL), f"{state}; poll as {seen.hint.source} says")
    delay = interval(TASKS.get(call.route.tasks or ""), int(call.operation is Operation.QUERY))
    return _Plan(Action.POLL, delay, f"{state}; poll, do not create again")


def _repeat(policy: Policy, call: _Call, seen: Observation, cause: Cause) -> _Plan:
    """Ask the table, then every bound; the first no stands."""
    refusal = _refusal(policy, call, seen, cause)
    if refusal is not None:
        return _Plan(Action.NO_RETRY, None, refusal)
    most = min(policy.attempts, _FEW if seen.few else policy.attempts, _MOST.get(cause, policy.attempts))
    if call.attempt >= most:
        return _Plan(Action.NO_RETRY, None, f"attempt {call.attempt} of {most} was the last")
    least, delay = _delay(policy, call, seen, cause)
    limit = _broken(policy, call, least)
    if limit is not None:
        bound = {"deadline": policy.deadline, "hold": policy.hold}.get(limit, policy.retry_window)
        return _Plan(Action.NO_RETRY, None, f"waiting {least:.2f} s would pass the {limit} of {bound:g} s", limit)
    if _broken(policy, call, delay) is not None:
        delay = least  # only the jitter above the hint did not fit
    return _Plan(Action.BACKOFF, delay, f"attempt {call.attempt} of {most}; the next in {delay:.2f} s")


def _refusal(policy: Policy, call: _Call, seen: Observation, cause: Cause) -> str | None:
    """Say why the same request must not be sent again, or None if it may."""
    if not policy.enabled:
        return "the policy is switched off"
    return "not an AnyInt route" if call.route.family is None else refusal(seen, cause, unsafe=call.unsafe)


def _delay(policy: Policy, call: _Call, seen: Observation, cause: Cause) -> tuple[float, float]:
    """Return the least wait and the one to use: the same, unless jitter is added to a server's hint."""
    hint = seen.hint
    if hint is not None and not hint.at_most:
        return hint.seconds, above_hint(hint.seconds, call.u)
    base = policy.rate_base if cause is Cause.RATE else policy.transient_base
    wait = seen.least + scheduled(base, policy.factor, policy.max_delay, attempt=call.attempt, u=call.u)
    if hint is not None:
        wait = min(wait, hint.seconds)
    return wait, wait


def _broken(policy: Policy, call: _Call, delay: float) -> str | None:
    broken = broken_limit(delay, elapsed=call.elapsed, retry_window=policy.retry_window, deadline=policy.deadline)
    return "hold" if broken is None and policy.hold is not None and delay > policy.hold else broken


def _retry_at(call: _Call, seen: Observation, plan: _Plan, *, lost: bool) -> float | None:
    """Return when trying again makes sense: never for work that may have been done, only by a hint without a plan."""
    if (
        call.now is None
        or lost
        or plan.action in (Action.DELIVER, Action.POLL)
        or seen.certainty is Certainty.COMMITTED
    ):
        return None
    if plan.delay is not None:
        return call.now + plan.delay
    if seen.hint is None or seen.hint.at_most or seen.cause not in _TIMED:
        return None
    return call.now + seen.hint.seconds
