"""The only two drivers, sync and async, side by side, with the fast lane.

Must not know any client or any rule: a surface (an adapter's transport) sends, peeks and closes, the
engine says in which order. An adapter may send a request that it knows to be in order by itself, and come
here by :func:`resume_sync` when the answer is not good. Raising happens outside every ``except`` block, so
that an error handed to the caller carries no context of ours and no reference cycle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from inspect import isawaitable
from typing import Any, Generic, Protocol, TypeVar, cast

from .calls import Call
from .credentials import HeaderEdit
from .effects import Discard, Outcome, Peek, Peeked, Result, Send, Sleep, StateCall
from .engine import run
from .exceptions import ResilienceError
from .policy.model import Fault, HeaderPairs
from .reports import attach
from .router import Plan
from .runtime import in_time

__all__ = [
    "AsyncSurface",
    "Keyed",
    "Surface",
    "SyncSurface",
    "answered",
    "drive_async",
    "drive_sync",
    "failed",
    "resume_async",
    "resume_sync",
]

Q = TypeVar("Q")
R = TypeVar("R")


class Keyed(Generic[Q]):
    """A request that takes the fast lane once its header is right: its plan, the edit, and what goes on the wire."""

    __slots__ = ("edit", "plan", "request")

    def __init__(self, plan: Plan, edit: HeaderEdit, request: Q) -> None:
        self.plan = plan
        self.edit = edit
        self.request = request


class Surface(Protocol[Q, R]):
    """What an adapter supplies whether it is sync or async. No decision stands in it."""

    monotonic: Callable[[], float]

    def ticket(self, request: Q, /) -> Plan | Keyed[Q] | Call | None:
        """None: not ours. A plan: take the fast lane; keyed: take it with this request. A call: drive it."""
        ...

    def open_call(
        self, request: Q, plan: Plan, started: float, /, *, sent: bool = False, edit: HeaderEdit | None = None
    ) -> Call:
        """Make the state of a call; ``sent``: it leaves the fast lane after a first attempt that had this edit."""
        ...

    def stranger(self, request: Q, /) -> Q:
        """Return the request for a foreign host: as it is, less any key of AnyInt's."""
        ...

    def status(self, response: R, /) -> int:
        """Return the HTTP status."""
        ...

    def headers(self, response: R, /) -> HeaderPairs:
        """Return the response's headers."""
        ...

    def fault(self, error: Exception, /) -> Fault:
        """Tell an exception of the client apart."""
        ...

    def rewrite(self, request: Q, effect: Send, /) -> Q:
        """Return the request for one attempt: edited headers, time-outs within what remains."""
        ...

    def clean(self, response: R, plan: Plan, /) -> bool:
        """Whether a first answer is good (below 400); if so, note the plan on it for a report."""
        ...

    def deliver(self, response: R, call: Call, result: Result[R], /) -> R:
        """Hand over the last real response: body readable, report attached, outer retries told off."""
        ...

    def ended(self, call: Call, result: Result[R], /) -> None:
        """Take note of how a call ended."""
        ...

    def failure(self, call: Call, result: Result[R], /) -> Exception:
        """Return what to raise: the original exception, or one of ours that is also the client's."""
        ...


class SyncSurface(Surface[Q, R], Protocol[Q, R]):
    """A surface that blocks."""

    @property
    def send(self) -> Callable[[Q], R]:
        """Put a request on the wire."""
        ...

    def peek(self, response: R, effect: Peek[R], /) -> Peeked:
        """Read the start of the body; the caller will still get all of it."""
        ...

    def discard(self, response: R, /) -> None:
        """Close a response."""
        ...


class AsyncSurface(Surface[Q, R], Protocol[Q, R]):
    """A surface that awaits."""

    @property
    def send(self) -> Callable[[Q], Awaitable[R]]:
        """Put a request on the wire."""
        ...

    def peek(self, response: R, effect: Peek[R], /) -> Awaitable[Peeked]:
        """Read the start of the body; the caller will still get all of it."""
        ...

    def discard(self, response: R, /) -> Awaitable[None]:
        """Close a response."""
        ...


def drive_sync(surface: SyncSurface[Q, R], request: Q) -> R:
    """Make one call and return the last real response, or raise."""
    ticket = surface.ticket(request)
    wire, edit = request, None
    if type(ticket) is Plan:
        plan = ticket
    elif ticket is None:
        return surface.send(surface.stranger(request))
    elif isinstance(ticket, Keyed):
        plan, wire, edit = ticket.plan, ticket.request, ticket.edit
    else:
        return _end(surface, ticket, _flow_sync(surface, request, ticket, None))
    started = surface.monotonic()
    try:
        response = surface.send(wire)
    except Exception as error:
        first = failed(surface, error)
    else:
        if surface.clean(response, plan):
            return response
        first = answered(surface, response)
        del response
    try:
        return resume_sync(surface, request, plan, started, first, edit)
    finally:
        del first  # it may hold the error, whose traceback holds this frame


def resume_sync(
    surface: SyncSurface[Q, R],
    request: Q,
    plan: Plan,
    started: float,
    first: Outcome[R],
    edit: HeaderEdit | None = None,
) -> R:
    """Go on with a call whose first attempt went out on a fast lane, and was not good."""
    call = surface.open_call(request, plan, started, sent=True, edit=edit)
    try:
        return _end(surface, call, _flow_sync(surface, request, call, first))
    finally:
        del first


async def drive_async(surface: AsyncSurface[Q, R], request: Q) -> R:
    """Make one call and return the last real response, or raise; the twin of :func:`drive_sync`."""
    ticket = surface.ticket(request)
    wire, edit = request, None
    if type(ticket) is Plan:
        plan = ticket
    elif ticket is None:
        return await surface.send(surface.stranger(request))
    elif isinstance(ticket, Keyed):
        plan, wire, edit = ticket.plan, ticket.request, ticket.edit
    else:
        return _end(surface, ticket, await _flow_async(surface, request, ticket, None))
    started = surface.monotonic()
    try:
        response = await surface.send(wire)
    except Exception as error:
        first = failed(surface, error)
    else:
        if surface.clean(response, plan):
            return response
        first = answered(surface, response)
        del response
    try:
        return await resume_async(surface, request, plan, started, first, edit)
    finally:
        del first  # it may hold the error, whose traceback holds this frame


async def resume_async(
    surface: AsyncSurface[Q, R],
    request: Q,
    plan: Plan,
    started: float,
    first: Outcome[R],
    edit: HeaderEdit | None = None,
) -> R:
    """Go on with a call whose first attempt went out on a fast lane; the twin of :func:`resume_sync`."""
    call = surface.open_call(request, plan, started, sent=True, edit=edit)
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
    finally:
        del effect, reply, thrown, first


def _perform_sync(surface: SyncSurface[Q, R], request: Q, call: Call, effect: Any) -> Any:
    if isinstance(effect, Send):
        try:
            return answered(surface, surface.send(surface.rewrite(request, effect)))
        except Exception as error:
            return failed(surface, error)
    if isinstance(effect, Sleep):
        return call.runtime.sleep(effect.seconds)
    if isinstance(effect, Peek):
        return surface.peek(effect.response, effect)
    if isinstance(effect, Discard):
        with suppress(Exception):  # what can't even be closed is gone; the call goes on
            surface.discard(effect.response)
        return None
    if isinstance(effect, StateCall):
        return _change_state(call, effect)
    key = call.credentials.ask(effect.used)
    if isawaitable(key):
        _close(key)
        raise ResilienceError("the key source is async and can't be used by a sync client")
    return call.credentials.accept(key)


async def _perform_async(surface: AsyncSurface[Q, R], request: Q, call: Call, effect: Any) -> Any:
    if isinstance(effect, Send):
        try:
            sending = surface.send(surface.rewrite(request, effect))
            response = await (sending if effect.remaining is None else in_time(effect.remaining, sending))
            return answered(surface, response)
        except Exception as error:
            return failed(surface, error)
    if isinstance(effect, Sleep):
        return await call.runtime.asleep(effect.seconds)
    if isinstance(effect, Peek):
        return await surface.peek(effect.response, effect)
    if isinstance(effect, Discard):
        with suppress(Exception):  # what can't even be closed is gone; the call goes on
            await surface.discard(effect.response)
        return None
    if isinstance(effect, StateCall):
        return _change_state(call, effect)
    key = call.credentials.ask(effect.used)
    return call.credentials.accept(await key if isawaitable(key) else key)


def _change_state(call: Call, effect: StateCall) -> Any:
    """Run a step on the store; one that fails must not be a new way for calls to fail, nor to pay twice."""
    try:
        return call.ledger.store.update(effect.key, effect.step, effect.ttl)
    except Exception as error:
        call.notes.append(f"the store failed, this process's memory served instead: {type(error).__name__}")
        return call.ledger.spare.update(effect.key, effect.step, effect.ttl)


def answered(surface: Surface[Q, R], response: R) -> Outcome[R]:
    """Return what a response makes of an attempt."""
    return Outcome(response=response, status=surface.status(response), headers=surface.headers(response))


def failed(surface: Surface[Q, R], error: Exception) -> Outcome[R]:
    """Return what an exception of the client makes of an attempt."""
    return Outcome(error=error, fault=surface.fault(error))


def _end(surface: Surface[Q, R], call: Call, result: Result[R]) -> R:
    surface.ended(call, result)
    if result.response is not None and result.error is None:
        return surface.deliver(result.response, call, result)
    try:
        raise surface.failure(call, result)
    finally:
        del result  # it holds the error, whose traceback holds this frame


def _close(awaitable: object) -> None:
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()
