"""Before an attempt and after it: the guards are asked, and told. Part of the engine.

Must not know any client, do any I/O, or read a clock by itself. The order: deadline > budget > gate > breaker >
attempt. What costs nothing is asked first, and nothing is taken that the next one may refuse, but for a token of the
budget, which stands for the wish to send once more.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import Any

from .calls import Call
from .contract.words import Cause, Certainty
from .effects import GuardCall, Outcome, Refusal, Rest
from .guards import breaker, budget, gate
from .guards.guarding import kind_of
from .guards.joining import JOIN, join
from .judging import judge_fault
from .policy.hints import spent_window
from .policy.model import Action, Decision, Fault, FaultKind, Observation
from .policy.user_words import user_message
from .streamed import counted

__all__ = ["WHY", "admitted", "affordable", "budgeted", "decision_of", "let_go", "present", "told"]

_MOST_IDLE = 100  # rests in which no time has passed
_LONGEST_REST = 30.0  # seconds: whoever waits looks again then, whatever rings
_LONGEST_FULL = 5.0  # where a permit is waited for: that of a stream nobody closed rings no bell

_FIRST, _FIRST_CREATE = 0.25, 2.0  # seconds that a process's first call waits for its store, and a paid create does

_SLOW = frozenset((FaultKind.READ_TIMEOUT, FaultKind.WRITE_TIMEOUT))
"""Faults after which the gateway may still be at work."""

WHY: dict[str, tuple[Cause, str]] = {
    "rate": (Cause.RATE, "the rate limit of this key and model was reached by other calls"),
    "quota": (Cause.QUOTA, "the quota of this key and model is used up"),
    "down": (Cause.TRANSIENT, "one call after another to this model has failed"),
    "full": (Cause.RATE, "as many requests of this key and model are out as may be"),
    "circuit": (Cause.TRANSIENT, "the circuit of this route and model is open: too many calls failed"),
}
"""Why a guard refuses: the cause it stands for, and the words."""


def present(call: Call) -> Generator[Any, Any, None]:
    """Be there, where guards are shared: a process's first call waits a moment until it knows what the others do."""
    fleet = call.course.guarding.shared.fleet
    assert fleet is not None
    if fleet.new:
        yield GuardCall(JOIN, partial(join, patience=_FIRST_CREATE if call.intent is not None else _FIRST))
    call.course.guarding.shared.come(call.store_said)


def admitted(call: Call) -> Generator[Any, Any, Refusal | None]:
    """Ask the guards whether the next attempt may go out, and wait in line for it. None: it may go now."""
    guarding = call.course.guarding
    shared, settings = guarding.shared, guarding.settings
    if not call.course.guarded or (shared.calm and settings.max_concurrency is None):
        return None
    shared.sweep(call.runtime.monotonic())
    if shared.calm and settings.max_concurrency is None:
        return None
    ticket = call.course.ticket = shared.ticket()
    row = call.course.fallback()
    breaks = guarding.breaks(row)
    if settings.gate or settings.max_concurrency is not None:
        refusal: Refusal | None = yield from _at_gate(call, ticket, breaks=breaks, falls=row is not None)
        if refusal is not None:
            return refusal
    if breaks:
        passage: breaker.Passage = yield GuardCall(call.course.breaker_key(call.key_id()), guarding.ask_breaker(ticket))
        if not passage.go:
            yield from let_go(call)
            return _refused(call, "circuit", passage.at)
        call.course.probes = passage.probe
    return None


def _at_gate(call: Call, ticket: str, *, breaks: bool, falls: bool) -> Generator[Any, Any, Refusal | None]:
    """Stand in line at the gate. ``breaks``: a breaker sees to outages; ``falls``: there is a fallback in one."""
    guarding, runtime = call.course.guarding, call.runtime
    key, said = call.course.gate_key(call.key_id(), call.operation), False
    call.course.stands = True
    since, bound = call.started, _bound(call)
    bell, idle = guarding.shared.bell(ticket), 0  # before it is asked: a place may be given back at any moment
    while True:
        passage: gate.Passage = yield GuardCall(
            key, guarding.ask_gate(ticket, since=since, bound=bound, u=runtime.random())
        )
        if passage.kind == "go":
            guarding.shared.unbell(ticket)
            return None
        away = (passage.why == "rate" and _leaves_on_rate(call)) or (passage.why == "down" and (breaks or falls))
        if passage.kind == "refuse" or away:
            yield from let_go(call)
            if passage.why == "down" and breaks:  # closed by calls that have no breaker: ours decides
                call.course.ticket = ticket
                return None
            return _refused(call, passage.why, passage.at)
        if not said:
            said = True
            why = passage.why or "full"
            call.watch.in_line(why, WHY[why][1], _model(call))
        began = runtime.monotonic()
        longest = _LONGEST_FULL if passage.why == "full" else _LONGEST_REST
        pause = max(0.0, min(passage.at - began, longest))
        rang: bool = yield Rest(bell, pause)
        passed = runtime.monotonic() - began
        _waited(call, passed, passage.why or "full")
        idle = 0 if rang or passed > 0 or pause == 0 else idle + 1
        if idle >= _MOST_IDLE:  # a clock that does not know of the sleep: nobody would ever go
            yield from let_go(call)
            return _refused(call, passage.why or "full", passage.at)


def _bound(call: Call) -> float:
    """Return until when it may wait in line, on the runtime's clock."""
    policy = call.policy
    until = call.started + policy.retry_window
    if policy.deadline is not None:
        until = min(until, call.started + policy.deadline)
    return until if policy.hold is None else min(until, call.runtime.monotonic() + policy.hold)


def _model(call: Call) -> str | None:
    """Return the model that is told of: what a request names only where that is fit to be shown."""
    row = call.course.way.row
    return call.watch.model_name() if row is None else row.target


def _leaves_on_rate(call: Call) -> bool:
    """Whether it falls back rather than wait for a rate limit."""
    row = call.course.fallback()
    return row is not None and row.on_rate


def _waited(call: Call, seconds: float, why: str) -> None:
    """Note a wait in line, for the report."""
    call.watch.held(seconds, why)
    if call.attempts:
        last = call.attempts[-1]
        call.attempts[-1] = replace(last, waited=last.waited + seconds)
    else:
        call.course.held += seconds


def _user_message(call: Call, cause: Cause) -> str:
    """Return what an end user may be told where a guard did not let a call out."""
    seen = Observation(cause=cause, certainty=Certainty.NOT_SENT, source="")
    return user_message(call.operation, seen, Action.NO_RETRY)


def _refused(call: Call, why: str, at: float) -> Refusal:
    now = call.runtime.monotonic()
    known = at < float("inf") and why not in ("full",)
    retry_at = call.runtime.wall() + max(0.0, at - now) if known else None
    words = WHY[why][1]
    after = f"; it makes sense again in {max(0.0, at - now):.1f} s" if known else ""
    call.notes.append(f"not sent: {words}{after}")
    call.watch.refused(why, words, _model(call))
    return Refusal(why, retry_at, f"not sent: {words}{after}")


def let_go(call: Call, *, later: bool = False) -> Generator[Any, Any, None]:
    """Give back the place and the permit of an attempt that does not go out, or of which nothing is known."""
    ticket, shared = call.course.ticket, call.course.guarding.shared
    if call.course.permit is not None:  # of a stream that nobody gets
        call.course.stands, ticket, call.course.permit = True, call.course.permit, None
    if ticket is None:
        return
    call.course.ticket = None
    shared.unbell(ticket)
    keys: list[tuple[str, Any]] = (
        [(call.course.gate_key(call.key_id(), call.operation), partial(gate.leave, ticket=ticket))]
        if call.course.stands
        else []
    )
    if call.course.probes:
        keys.append((call.course.breaker_key(call.key_id()), partial(breaker.leave, ticket=ticket)))
    call.course.stands = call.course.probes = False
    for key, step in keys:
        if later:
            shared.later(key, step)
        else:
            yield GuardCall(key, step)


def budgeted(call: Call, outcome: Outcome[Any], decision: Decision, *, falls: bool) -> Generator[Any, Any, bool]:
    """Take a token of the retry budget for one sending more, after this outcome. False: there is none.

    ``falls``: a fallback would serve in its place; what that costs is left, and nobody is told of a refusal. After a
    rate limit it costs nothing where the gate has heard of it: no more go out than that lets through, this or another.
    """
    paced = decision.cause is Cause.RATE and decision.certainty is Certainty.REJECTED
    if paced and call.course.guarding.settings.gate and not falls:
        return True
    slow = outcome.fault is not None and outcome.fault.kind in _SLOW
    cost = budget.SLOW if slow else 1.0
    return (yield from _spend(call, cost, budget.ELSEWHERE if falls else 0.0, quietly=falls))


def affordable(call: Call) -> Generator[Any, Any, bool]:
    """Take what a fallback costs from the retry budget. False: there is not so much."""
    return (yield from _spend(call, budget.ELSEWHERE))


def _spend(call: Call, cost: float, keep: float = 0.0, *, quietly: bool = False) -> Generator[Any, Any, bool]:
    if not call.course.guarded or not call.course.guarding.settings.budget:
        return True
    step = call.course.guarding.spend(call.plan.tally.take(), cost=cost, keep=keep)
    may: bool = yield GuardCall(call.course.budget_key(call.key_id()), step)
    if not may and not quietly:
        call.watch.refused("budget", budget.SPENT, _model(call))
    return may


def told(
    call: Call, outcome: Outcome[Any], decision: Decision, seen: Observation | None, began: float
) -> Generator[Any, Any, None]:
    """Tell the guards how an attempt went. ``began``: seconds after the call did."""
    guarding, ticket = call.course.guarding, call.course.ticket
    if not call.course.guarded or not guarding.settings.watches:
        return
    kind = kind_of(decision, outcome.fault, outcome.status if outcome.fault is None else 0)
    hint = None if seen is None else seen.hint
    if kind == "good":
        call.plan.tally.good += 1
        call.plan.tally.last = call.started + began
        call.plan.tally.flew = call.plan.tally.out + 1  # this one is back already
        hint = spent_window(outcome.headers, now=call.runtime.wall())
        kind = "good" if hint is None else "spent"
    if ticket is None and guarding.shared.calm and kind in ("good", "other"):
        return
    started, u = call.started + began, call.runtime.random()
    name = "" if ticket is None else ticket
    breaks = guarding.breaks(call.course.fallback())  # which sees to outages then
    if guarding.settings.gate or guarding.settings.max_concurrency is not None:
        stays = call.stream is not None and kind in ("good", "spent") and call.course.stands
        call.course.permit = name if stays else None  # its stream gives it back
        word = "other" if (kind == "down" and breaks) or not guarding.settings.gate else kind
        step = guarding.tell_gate(
            name,
            word,
            began=started,
            policy=call.policy,
            hint=hint,
            least=0.0 if seen is None else seen.least,
            tally=call.plan.tally,
            now=call.runtime.monotonic(),
            u=u,
            stays=stays,
        )
        found: gate.Told = yield GuardCall(call.course.gate_key(call.key_id(), call.operation), step)
        call.course.stands = False
        if found.shut or found.opened:
            call.watch.gate(found.shut, _model(call))
    if breaks and not (kind in ("good", "spent") and counted(call)):  # a stream is told of when it has ended
        if kind in ("good", "spent", "down") or call.course.probes:
            yield from told_breaker(call, name, good=kind != "down", began=started, kind=kind, u=u)
        call.course.probes = False
    if not call.course.probes:
        call.course.ticket = None


def told_breaker(
    call: Call, ticket: str, *, good: bool, began: float, kind: str, u: float
) -> Generator[Any, Any, None]:
    """Tell the circuit breaker how an attempt went; what says nothing gives its probe back."""
    guarding = call.course.guarding
    step: Any = partial(breaker.leave, ticket=ticket)
    if kind in ("good", "spent", "down"):
        step = guarding.tell_breaker(ticket, good=good, began=began, u=u)
    word: str = yield GuardCall(call.course.breaker_key(call.key_id()), step)
    if word:
        call.watch.circuit(word, _model(call))


def decision_of(call: Call, refusal: Refusal) -> Decision:
    """Return what is decided about a call that a guard did not let out."""
    cause, words = WHY[refusal.why]
    bare = judge_fault(call, Fault(FaultKind.UNKNOWN), 1)
    fate = call.certainty if call.attempts else Certainty.NOT_SENT
    guidance = f"Not sent, so that nothing gets worse: {words}. "
    guidance += "Try again from retry_at on." if refusal.retry_at is not None else "Try again later."
    if refusal.why not in ("quota", "circuit"):  # nobody waits for those
        guidance += " More time (Policy.retry_window, Policy.hold, deadline) lets a call wait for it."
    return replace(
        bare,
        action=Action.NO_RETRY,
        cause=cause,
        certainty=fate,
        delay=None,
        retry_at=refusal.retry_at,
        reason=refusal.reason,
        guidance=guidance,
        user_message=_user_message(call, cause),
    )
