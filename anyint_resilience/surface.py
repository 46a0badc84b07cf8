"""What every adapter's surface shares: opening a call for a request, and saying how it failed.

Must not import any client, nor decide anything. An adapter adds how its client's requests and responses are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from .callreport import CallReport
from .calls import Call
from .config import OVERRIDES, Resilience
from .contract.words import AuthStyle, Certainty
from .credentials import HeaderEdit, RawHeaders, outer_retries
from .driven import FALLBACK_HEADER, MARK_HEADER, Keyed
from .effects import Answer, Refusal, Result, Send
from .exceptions import (
    HELD_BACK,
    REFUSED,
    CircuitOpen,
    DeadlineExceeded,
    GateClosed,
    NotRecorded,
    OutcomeUnknown,
    ResilienceError,
    StreamInterrupted,
)
from .following import Following
from .intents import OWN, attempt_before, name_of, paper_of
from .interrupting import interrupted
from .policy.request import GZIP, operation_of
from .policy.rules import Policy
from .policy.verdicts import PAID
from .repeats import MULTIPLY
from .reports import attach
from .router import MAX_CACHED, Plan
from .streams.watcher import Watcher
from .tasks.paper import NO_PAPER
from .telemetry.watch import Watch
from .watched import Body, Place, WatchedSurface, tells_off
from .ways import Origin

__all__ = ["Body", "Errors", "Place", "SurfaceBase", "settled", "tells_off"]

_READS = frozenset(("GET", "HEAD", "OPTIONS"))

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Errors:
    """A client's exceptions: ours that are also its own, and those it raises when time runs out."""

    unknown: type[OutcomeUnknown]
    unknown_timeout: type[OutcomeUnknown]
    unrecorded: type[NotRecorded]
    closed: type[GateClosed]
    circuit: type[CircuitOpen]
    silent: Callable[[str], Exception]
    interrupted: type[StreamInterrupted]
    interrupted_timeout: type[StreamInterrupted]
    late: type[DeadlineExceeded]
    timeouts: tuple[type[BaseException], ...]


def settled(anyint: Resilience | None) -> Resilience:
    """Return the configuration an adapter was given, or the environment's; TypeError if it is something else."""
    if anyint is not None and not isinstance(anyint, Resilience):
        raise TypeError(f"anyint must be a Resilience, not {type(anyint).__name__}")
    return Resilience.from_env() if anyint is None else anyint


def _may_switch(watch: bytes, content: bytes | None) -> bool:
    """Whether a body may turn its route into a paid one."""
    return content is not None and (watch in content or content[:2] == GZIP)


class SurfaceBase(WatchedSurface[Q, R]):
    """What does not wait, and is the same for every client. Adapters fill in the part that raises here."""

    errors: Errors
    times_silence = True
    per_request: ClassVar[bool] = False
    """Whether the client has a place on a request for a policy of its own."""

    def __init__(self, anyint: Resilience | None) -> None:
        super().__init__(settled(anyint))
        policy = self.anyint.policy
        guarding = self.anyint.guarding
        self.plain = (
            policy.enabled
            and policy.deadline is None
            and not policy.paced
            and guarding.settings.max_concurrency is None
        )
        self.shared = guarding.shared
        self.monotonic = self.anyint.runtime.monotonic
        self.plans: dict[Any, Plan | None] = {}
        self.lane = self.anyint.credentials.lane

    # what an adapter says of its client's requests

    def raw_of(self, request: Q, /) -> RawHeaders:
        """Return its headers as they go on the wire."""
        raise NotImplementedError

    def rewrite(self, request: Q, effect: Send, /) -> Q:
        """Return the request for one attempt; the caller's own is never changed, so a redirect can't carry our key."""
        raise NotImplementedError

    def made(self, request: Q, answer: Answer, /) -> R:
        """Return an answer that was given before as a response of the client's, its body unread."""
        raise NotImplementedError

    def own_policy(self, request: Q, /) -> object:
        """Return the policy the caller put on this request, None without one."""
        return None

    def plan_of(self, request: Q, /) -> Plan | None:
        """Return its plan, from ``self.plans`` where it is there; None for a foreign host. On the fast lane."""
        raise NotImplementedError

    def in_order(self, request: Q, style: AuthStyle, /) -> bool:
        """Whether its headers can go to AnyInt as they are. On the fast lane; False if that takes a closer look."""
        raise NotImplementedError

    def span_of(self, request: Q, /) -> float | None:
        """Return the seconds that the client itself gives all attempts together, None without such a bound."""
        return None

    def remarks(self, request: Q, /) -> Iterable[str]:
        """Return what the report should say of the client's set-up."""
        return ()

    # what follows from it

    def look_up(self, request: Q, key: object) -> Plan | None:
        """Find a request's plan by where it goes, and remember it under ``key`` unless that is None.

        Raises:
            ValueError: if its URL can't be read.
        """
        scheme, host, port, target = self.place_of(request)
        plan = self.anyint.router.plan(scheme, host, port, self.method_of(request), target)
        if key is not None:
            if len(self.plans) >= MAX_CACHED:
                self.plans.clear()
            self.plans[key] = plan
        return plan

    def ticket(self, request: Q, /) -> Plan | Keyed[Q] | Call | None:
        """Look the request up; the fast lane is for requests with nothing special about them."""
        plan = self.plan_of(request)
        if plan is None:
            return None
        if (
            plan.fast
            and self.plain
            and self.shared.calm
            and OVERRIDES.get() is None
            and (not self.per_request or self.own_policy(request) is None)
            and (plan.watch is None or not _may_switch(plan.watch, self.body_of(request).content))
        ):
            if self.in_order(request, plan.style):
                self.remember(request, plan)
                return plan
            return self.keyed(request, plan)
        return self.open_call(request, plan, self.monotonic())

    def lane_key(self, request: Q, /) -> object:
        """Return all that makes a request be in order, its key's header among it; None: it is looked at each time."""
        return None

    def remember(self, request: Q, plan: Plan, /) -> None:
        """Let the next request that is like this one go out without a look, where an adapter has a lane for that."""
        key = self.lane_key(request) if plan.bare else None
        if key is not None:
            if len(self.lane) >= MAX_CACHED:
                self.lane.clear()
            self.lane[key] = plan

    def keyed(self, request: Q, plan: Plan, /) -> Plan | Keyed[Q] | Call:
        """Put the key on a request that is quick but for its headers, if that can be done without asking anybody."""
        credentials, raw = self.anyint.credentials, self.raw_of(request)
        if credentials.wants_key or outer_retries(raw):
            return self.open_call(request, plan, self.monotonic())
        edit = credentials.edit(raw, plan.route.family, plan.style, secure=True)
        return plan if edit is None else Keyed(plan, edit, self.rewrite(request, Send(1, edit)))

    def stranger(self, request: Q, /) -> Q:
        """Return a request to a foreign host without any key of AnyInt's."""
        edit = self.anyint.credentials.strip(self.raw_of(request))
        return request if edit is None else self.rewrite(request, Send(1, edit))

    def open_call(
        self,
        request: Q,
        plan: Plan,
        started: float,
        /,
        *,
        sent: bool = False,
        edit: HeaderEdit | None = None,
        watch: Watch | None = None,
    ) -> Call:
        """Make the state of one call."""
        anyint, raw, body = self.anyint, self.raw_of(request), self.body_of(request)
        operation = operation_of(plan.route, body.content)
        policy = self.policy_of(request)
        paid = policy.enabled and operation in PAID
        # Reads are asked again and again by nature (polls); a file is read for nothing less than a paid create.
        known = self.method_of(request) not in _READS and body.content is not None
        method, place = self.method_of(request), self.place_of(request)
        used = anyint.credentials.known(raw, plan.route.family, plan.style, secure=plan.secure)
        name = name_of(method, place, raw, body, used, paid=paid) if policy.enabled and (paid or known) else None
        before = 0 if name is None or not policy.enabled else anyint.repeats.before(name)
        outer = outer_retries(raw)
        paper = NO_PAPER
        if paid and name is not None:
            last = attempt_before(name)
            paper = paper_of(anyint, plan.route, place, raw, body, name, used=used, outer=outer, before=last)
        watch = self.begin_watch(request, plan, operation, body.content) if watch is None else watch
        if outer:
            watch.nested(outer + 1, "header")
        elif before:
            watch.nested(before + 1, "repeat")
        return Call(
            watch=watch,
            plan=plan,
            method=method,
            operation=operation,
            policy=policy,
            runtime=anyint.runtime,
            credentials=anyint.credentials,
            ledger=anyint.ledger,
            headers=raw,
            started=started,
            replayable=body.replayable,
            intent=name if paid else None,
            paper=paper,
            outer_retries=outer,
            sent=sent,
            edit=edit,
            span=self.span_of(request),
            notes=self.remarks(request) if policy.enabled else (),
            name=name,
            repeats=before,
            guarding=anyint.guarding,
            origin=Origin(*place, body.content),
        )

    def policy_of(self, request: Q) -> Policy:
        """Return the policy in force for a request."""
        own = self.own_policy(request)
        if own is None:
            overridden = self.anyint.overridden()
            return self.anyint.policy if overridden is None else overridden
        if not isinstance(own, Policy):
            raise ResilienceError(f"the policy on a request must be a Policy, not {type(own).__name__}")
        return own

    def ended(self, call: Call, result: Result[R]) -> None:
        """Remember a call that ended without success, and in this context a create, for an SDK that sends it again."""
        if call.paid and call.intent is not None:
            OWN.set((call.intent, call.paper.ident))
        failed = result.error is not None or result.late or tells_off(result)
        guarded = call.paid and call.certainty is Certainty.UNKNOWN  # the ledger holds that back
        again = (
            failed
            and not guarded
            and call.attempts
            and call.name is not None
            and call.policy.enabled
            and not call.outer_retries
            and self.anyint.repeats.ended(call.name)
        )
        if again:
            call.watch.told("attempts multiply", attempts=len(call.attempts), reason=MULTIPLY)

    def failure(self, call: Call, result: Result[R]) -> Exception:
        """Return what to raise: the original exception unless ours says more, and then it is the cause."""
        error = result.error
        if result.closed is not None:
            return self.not_let_out(call, result, result.closed)
        if result.unknown:
            timed_out = isinstance(error, self.errors.timeouts)
            kind = self.errors.unknown_timeout if timed_out else self.errors.unknown
            said = result.said
            if said is None:
                said = REFUSED if result.decision is None else result.decision.guidance
            unknown = kind(f"{call.route.name}: {said}" + ("" if call.intent is None else f" (intent {call.intent})"))
            unknown.intent, unknown.why = call.intent, HELD_BACK.get(said, "unknown")
            unknown.__cause__ = error
            attach(unknown, result.report)
            return unknown
        if result.late or error is None:
            return self.late(call, error, result.report)
        attach(error, result.report)
        return error

    def not_let_out(self, call: Call, result: Result[R], refusal: Refusal) -> Exception:
        """Return what is raised where a guard did not let a call out and there is no answer to hand over."""
        kind = self.errors.circuit if refusal.why == "circuit" else self.errors.closed
        made = kind(f"{call.route.name}: {refusal.reason}")
        made.why, made.retry_at = refusal.why, refusal.retry_at
        attach(made, result.report)
        return made

    def paced(self, request: Q, response: R, effect: Send, seconds: float | None, /) -> None:
        """Bound each further read of a body, for a client that can be told so."""

    def silence(self, seconds: float | None) -> Exception:
        """Return the client's own exception for an answer that did not begin, or go on, in time."""
        said = "nothing came in time" if seconds is None else f"nothing came within {seconds:g} s"
        return self.errors.silent(f"{said} (Policy.first_byte_timeout, stream_idle_timeout)")

    def following_of(self, call: Call, watch: Watch | None) -> Following:
        """Return what follows the stream of a call; ``watch``: who is told of its end."""
        policy = call.policy

        def make(why: str, watcher: Watcher, error: Exception | None) -> StreamInterrupted:
            return interrupted(call, why, watcher, error, self.errors)

        return Following(
            watch,
            call.stream,
            then=call.stream_told,
            make=make,
            clock=call.runtime.monotonic,
            idle=None if call.paid else policy.stream_idle_timeout,
            content_idle=None if call.paid else policy.content_idle_timeout,
            timeouts=self.errors.timeouts,
        )

    def unrecorded(self, call: Call, error: Exception) -> Exception:
        """Return what is raised where a strict ledger could not enter a create."""
        made = self.errors.unrecorded(
            f"{call.route.name}: not sent: the ledger could not record it ({type(error).__name__})"
        )
        made.__cause__ = error
        attach(made, call.report())
        return made

    def told_on(self, call: Call, result: Result[R]) -> list[tuple[str, str]]:
        """Return the headers to add to an answer: for layers above, and where it is not the request's own."""
        told = [("x-should-retry", "false")] if tells_off(result) else []
        if call.course.fallen is not None:
            told.append((FALLBACK_HEADER, str(call.course.fallen)))
        return told if result.instead is None else [*told, (MARK_HEADER, result.instead)]

    def late(self, call: Call, cause: Exception | None, report: CallReport | None = None) -> ResilienceError:
        """Return what is raised when the user's deadline has passed."""
        late = self.errors.late(f"the deadline of {call.deadline} s has passed")
        late.__cause__ = cause
        attach(late, call.report() if report is None else report)
        return late

    def checker(self, call: Call) -> Callable[[], None]:
        """Return what to call between the pieces of a body: it raises when the user's deadline has passed."""

        def check() -> None:
            remaining = call.remaining()
            if remaining is not None and remaining <= 0:
                raise self.late(call, None)

        return check
