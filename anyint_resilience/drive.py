"""The only two drivers, sync and async, side by side, with the fast lane.

Must not know any client or any rule: a surface (an adapter's transport) sends, peeks and closes, the
engine says in which order. An adapter may send a request that it knows to be in order by itself, and come
here by :func:`resume_sync` when the answer is not good. Raising happens outside every ``except`` block, so
that an error handed to the caller carries no context of ours and no reference cycle.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from inspect import isawaitable
from typing import Any, TypeVar, cast

from .calls import Call
from .credentials import HeaderEdit
from .driven import AsyncSurface, Keyed, Surface, SyncSurface
from .effects import Answer, Discard, GuardCall, Outcome, Peek, Peeked, Rest, Result, Send, Sleep, StateCall, is_own
from .engine import run
from .exceptions import ResilienceError
from .policy.model import FaultKind
from .reports import attach
from .router import Plan
from .runtime import in_time
from .stores.flows import Flow, awaited, waited
from .streams.choosing import streams
from .telemetry.watch import Watch

__all__ = [
    "answered",
    "drive_async",
    "drive_sync",
    "failed",
    "resume_async",
    "resume_sync",
]

Q = TypeVar("Q")
R = TypeVar("R")


def drive_sync(surface: SyncSurface[Q, R], request: Q, known: Plan | None = None) -> R:
    """Make one call and return the last real response, or raise; ``known``: its plan, where it is in order."""
    ticket = surface.ticket(request) if known is None else known
    wire, edit = request, None
    if type(ticket) is Plan:
        plan = ticket
    elif ticket is None:
        return surface.send(surface.stranger(request))
    elif isinstance(ticket, Keyed):
        plan, wire, edit = ticket.plan, ticket.request, ticket.edit
    else:
        return _end(surface, ticket, _flow_sync(surface, request, ticket, None))
    watch = surface.watch(request, plan)
    started, tally = surface.monotonic(), plan.tally
    tally.out += 1
    try:
        if watch is not None:
            wire = surface.rewrite(request, Send(1, watch.sending(1, edit)))
        response = surface.send(wire)
    except Exception as error:
        first = failed(surface, error)
    except BaseException as error:
        if watch is not None:
            watch.cut(error)
        raise
    else:
        if surface.clean(response, plan):
            tally.good += 1
            tally.last, tally.flew = started, tally.out
            if watch is not None:
                surface.watched(response, watch)
            return response
        first = answered(surface, response)
        del response
    finally:
        tally.out -= 1
        if watch is not None:
            watch.back()
    try:
        return resume_sync(surface, request, plan, started, first, edit, watch)
    finally:
        del first  # it may hold the error, whose traceback holds this frame


def resume_sync(
    surface: SyncSurface[Q, R],
    request: Q,
    plan: Plan,
    started: float,
    first: Outcome[R],
    edit: HeaderEdit | None = None,
    watch: Watch | None = None,
) -> R:
    """Go on with a call whose first attempt went out on a fast lane, and was not good."""
    first = _pacing(surface, request, first, Send(1))
    peek = surface.opening(plan, first)
    if peek is not None:
        try:
            peeked = _heard(surface, surface.peek(peek.response, peek), peek)
        except BaseException as error:
            if watch is not None:
                watch.cut(error)
            raise
        if surface.opened(request, plan, started, edit, first, peek, peeked, watch):
            return peek.response
        del peeked
    call = surface.open_call(request, plan, started, sent=True, edit=edit, watch=watch)
    try:
        return _end(surface, call, _flow_sync(surface, request, call, first))
    finally:
        del first


async def drive_async(surface: AsyncSurface[Q, R], request: Q, known: Plan | None = None) -> R:
    """Make one call and return the last real response, or raise; the twin of :func:`drive_sync`."""
    ticket = surface.ticket(request) if known is None else known
    wire, edit = request, None
    if type(ticket) is Plan:
        plan = ticket
    elif ticket is None:
        return await surface.send(surface.stranger(request))
    elif isinstance(ticket, Keyed):
        plan, wire, edit = ticket.plan, ticket.request, ticket.edit
    else:
        return _end(surface, ticket, await _flow_async(surface, request, ticket, None))
    watch = surface.watch(request, plan)
    started, tally = surface.monotonic(), plan.tally
    tally.out += 1
    try:
        if watch is not None:
            wire = surface.rewrite(request, Send(1, watch.sending(1, edit)))
        response = await surface.send(wire)
    except Exception as error:
        first = failed(surface, error)
    except BaseException as error:
        if watch is not None:
            watch.cut(error)
        raise
    else:
        if surface.clean(response, plan):
            tally.good += 1
            tally.last, tally.flew = started, tally.out
            if watch is not None:
                surface.watched(response, watch)
            return response
        first = answered(surface, response)
        del response
    finally:
        tally.out -= 1
        if watch is not None:
            watch.back()
    try:
        return await resume_async(surface, request, plan, started, first, edit, watch)
    finally:
        del first  # it may hold the error, whose traceback holds this frame


async def resume_async(
    surface: AsyncSurface[Q, R],
    request: Q,
    plan: Plan,
    started: float,
    first: Outcome[R],
    edit: HeaderEdit | None = None,
    watch: Watch | None = None,
) -> R:
    """Go on with a call whose first attempt went out on a fast lane; the twin of :func:`resume_sync`."""
    peek = surface.opening(plan, first)
    if peek is not None:
        try:
            peeked = _heard(surface, await surface.peek(peek.response, peek), peek)
        except BaseException as error:
            if watch is not None:
                watch.cut(error)
            raise
        if surface.opened(request, plan, started, edit, first, peek, peeked, watch):
            return peek.response
        del peeked
    call = surface.open_call(request, plan, started, sent=True, edit=edit, watch=watch)
    try:
        return _end(surface, call, await _flow_async(surface, request, call, first))
    finally:
        del first


def _flow_sync(surface: SyncSurface[Q, R], request: Q, call: Call, first: Outcome[R] | None) -> Result[R]:
    flow: Any = run(call)
    effect: Any = None
    reply: Any = None
    thrown: BaseException | None = None
    try:
        effect = next(flow)
        if first is not None:
            effect = flow.send(first)
        while True:
            try:
                reply, thrown = _perform_sync(surface, request, call, effect), None
            except BaseException as error:  # also a cancellation: the engine must settle the ledger first
                thrown = error
                attach(thrown, call.report())  # for a client that makes an exception of its own out of it
            effect = flow.send(reply) if thrown is None else flow.throw(thrown)
    except StopIteration as stop:
        return cast("Result[R]", stop.value)  # a local of that name would keep the error, and the error this frame
    except BaseException as error:
        call.cut(error)
        raise
    finally:
        del effect, reply, thrown, first


async def _flow_async(surface: AsyncSurface[Q, R], request: Q, call: Call, first: Outcome[R] | None) -> Result[R]:
    flow: Any = run(call)
    effect: Any = None
    reply: Any = None
    thrown: BaseException | None = None
    try:
        effect = next(flow)
        if first is not None:
            effect = flow.send(first)
        while True:
            try:
                reply, thrown = await _perform_async(surface, request, call, effect), None
            except BaseException as error:  # also a cancellation: the engine must settle the ledger first
                thrown = error
                attach(thrown, call.report())  # for a client that makes an exception of its own out of it
            effect = flow.send(reply) if thrown is None else flow.throw(thrown)
    except StopIteration as stop:
        return cast("Result[R]", stop.value)  # a local of that name would keep the error, and the error this frame
    except BaseException as error:
        call.cut(error)
        raise
    finally:
        del effect, reply, thrown, first


def _perform_sync(surface: SyncSurface[Q, R], request: Q, call: Call, effect: Any) -> Any:
    if isinstance(effect, Send):
        effect.edit = call.watch.sending(effect.number, effect.edit, effect.ask, call.bound_for(effect))
        call.plan.tally.out += 1
        try:
            made = surface.rewrite(request, effect)
            response = surface.send(made)
            outcome = answered(surface, response)
            if effect.silent is not None or effect.paced:
                if effect.paced and streams(outcome.headers):
                    outcome.pace = partial(surface.paced, made, response, effect)
                else:
                    surface.paced(made, response, effect, None)
            return _pacing(surface, made, outcome, effect)
        except Exception as error:
            return failed(surface, error)
        finally:
            call.plan.tally.out -= 1
            call.watch.back()
    if isinstance(effect, GuardCall):
        return waited(call.course.guarding.shared.changing(effect.key, effect.step, call.store_said))
    if isinstance(effect, Sleep):
        call.runtime.sleep(effect.seconds)
        return call.watch.rested(effect.seconds)
    if isinstance(effect, Rest):
        return call.runtime.rest(effect.bell, effect.seconds)
    if isinstance(effect, Peek):
        return _heard(surface, surface.peek(effect.response, effect), effect)
    if isinstance(effect, Discard):
        with suppress(Exception):  # what can't even be closed is gone; the call goes on
            surface.discard(effect.response)
        return None
    if isinstance(effect, StateCall):
        return waited(_changing(surface, call, effect))
    if isinstance(effect, Answer):
        return surface.made(request, effect)
    key = call.credentials.ask(effect.used)
    if isawaitable(key):
        _close(key)
        raise ResilienceError("the key source is async and can't be used by a sync client")
    return call.credentials.accept(key)


def _pacing(surface: SyncSurface[Q, R], made: Q, outcome: Outcome[R], effect: Send) -> Outcome[R]:
    """Let reads of an error's body be bounded while it is looked at: it must not fall silent for ever."""
    if outcome.response is not None and outcome.status >= 400 and outcome.pace is None:
        outcome.pace = partial(surface.paced, made, outcome.response, effect)
    return outcome


async def _perform_async(surface: AsyncSurface[Q, R], request: Q, call: Call, effect: Any) -> Any:
    if isinstance(effect, Send):
        effect.edit = call.watch.sending(effect.number, effect.edit, effect.ask, call.bound_for(effect))
        call.plan.tally.out += 1
        made = None
        try:
            made = surface.rewrite(request, effect)
            sending, bound = surface.send(made), effect.remaining if surface.times_silence else effect.patience
            response = await (sending if bound is None else in_time(bound, sending))
            if effect.silent is not None or effect.paced:
                surface.paced(made, response, effect, None)
            return answered(surface, response)
        except Exception as error:
            return failed(surface, error if made is None else surface.cut(made, effect, error))
        finally:
            call.plan.tally.out -= 1
            call.watch.back()
    if isinstance(effect, GuardCall):
        return await awaited(call.course.guarding.shared.changing(effect.key, effect.step, call.store_said))
    if isinstance(effect, Sleep):
        await call.runtime.asleep(effect.seconds)
        return call.watch.rested(effect.seconds)
    if isinstance(effect, Rest):
        return await call.runtime.arest(effect.bell, effect.seconds)
    if isinstance(effect, Peek):
        return _heard(surface, await surface.peek(effect.response, effect), effect)
    if isinstance(effect, Discard):
        with suppress(Exception):  # what can't even be closed is gone; the call goes on
            await surface.discard(effect.response)
        return None
    if isinstance(effect, StateCall):
        return await awaited(_changing(surface, call, effect))
    if isinstance(effect, Answer):
        return surface.made(request, effect)
    key = call.credentials.ask(effect.used)
    return call.credentials.accept(await key if isawaitable(key) else key)


def _changing(surface: Surface[Q, R], call: Call, effect: StateCall) -> Flow:
    """Run a step on the ledger's store, telling of one that fails."""
    try:
        return (yield from call.ledger.changing(effect, call.store_failed))
    except Exception as error:
        failure = surface.unrecorded(call, error)
    try:
        raise failure
    finally:
        del failure


def _heard(surface: Surface[Q, R], peeked: Peeked, effect: Peek[R]) -> Peeked:
    """Tell apart how a body broke. A time-out of our own becomes the client's."""
    error = peeked.error
    if error is not None:
        peeked.fault = surface.fault(error)
        if is_own(error) and peeked.fault.kind is FaultKind.READ_TIMEOUT:
            peeked.error = surface.silence(effect.first)
    return peeked


def answered(surface: Surface[Q, R], response: R) -> Outcome[R]:
    """Return what a response makes of an attempt."""
    return Outcome(response=response, status=surface.status(response), headers=surface.headers(response))


def failed(surface: Surface[Q, R], error: Exception) -> Outcome[R]:
    """Return what an exception of the client makes of an attempt."""
    return Outcome(error=error, fault=surface.fault(error))


def _end(surface: Surface[Q, R], call: Call, result: Result[R]) -> R:
    surface.ended(call, result)
    if result.response is not None and (result.error is None or result.opened):
        response = surface.deliver(result.response, call, result)
        surface.closed(call, result, response)
        return response
    surface.closed(call, result, None)
    try:
        raise surface.failure(call, result)
    finally:
        del result  # it holds the error, whose traceback holds this frame


def _close(awaitable: object) -> None:
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()
