"""Waits for tasks, sync and async side by side: they carry the effects of ``tasks.waiting`` out.

Must not know any client or any rule: an adapter looks (one query, its answer read whole), the flow says when.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from .config import Resilience
from .contract.tasks import POLL_DEADLINE
from .contract.words import Family, Operation
from .exceptions import ResilienceError
from .policy.bodies import plain
from .policy.hints import normal_headers
from .policy.model import Fault, FaultKind, HeaderPairs
from .policy.rules import Policy
from .reports import report
from .runtime import Bell
from .tasks.handle import TaskHandle
from .tasks.updates import MAX_DOCUMENT, TaskUpdate, query_route
from .tasks.waiting import LAST_LOOK, Ask, Looked, Rest, Tell, Wait, follow
from .telemetry.tasks import WaitWatch

__all__ = ["Gathered", "Task", "awaited", "unwrapped", "updates_async", "updates_sync", "waited"]

Errors: TypeAlias = "tuple[type[BaseException], ...]"

Task: TypeAlias = object
"""What to wait for: a :class:`TaskHandle`, its JSON, or what a create came back with."""


class Gathered:
    """The answer to a query, put together piece by piece and never longer than what is read of it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._left = MAX_DOCUMENT

    def full(self, piece: bytes) -> bool:
        """Take a piece; True when no more is to be read."""
        self._pieces.append(piece)
        self._left -= len(piece)
        return self._left <= 0

    def looked(self, status: int, headers: HeaderPairs) -> Looked:
        """Return the answer that this is the body of; what its client left coded is opened, to no more than is read."""
        body = plain(b"".join(self._pieces), normal_headers(headers).get("content-encoding", []), most=MAX_DOCUMENT)
        long = self._left <= 0 or (body is not None and len(body) >= MAX_DOCUMENT)
        return Looked(status, headers, b"" if body is None else body, too_long=long)


def unwrapped(client: object, wanted: str) -> TypeError:
    """Return the error for a client that is not ours."""
    return TypeError(f"wait_for_task takes {wanted} that was made resilient (wrap it), not {type(client).__name__}")


def handle_of(task: Task) -> TaskHandle:
    """Return the handle to wait for.

    Raises:
        ValueError: if there is none: the answer names no task, or the text is no handle.
    """
    if isinstance(task, TaskHandle):
        return task
    if isinstance(task, (str, bytes)):
        return TaskHandle.from_json(task)
    told = report(task)
    if told is None or told.task is None:
        raise ValueError(f"this {type(task).__name__} names no task: give a TaskHandle, its JSON, or a create's answer")
    return told.task


def wait_of(anyint: Resilience, task: Task, deadline: float | None) -> Wait:
    """Return the wait for a task.

    Raises:
        ValueError: if there is no task, if it is at a gateway that is none of this configuration's (no key goes there),
            or if the deadline is no positive number.
    """
    handle = handle_of(task)
    seconds = POLL_DEADLINE if deadline is None else deadline
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or math.isnan(seconds) or seconds <= 0:
        raise ValueError(f"deadline must be a number of seconds above 0, not {deadline!r}")
    parts = urlsplit(handle.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    plan = anyint.router.plan(parts.scheme, parts.hostname or "", parts.port, "GET", target.encode())
    if plan is None or plan.route.family is not handle.family or plan.route.tasks is None:
        more = ", and seedance=True knows its routes" if handle.family is Family.SEEDANCE else ""
        raise ValueError(f"the task's gateway is none of this configuration's: base_url and hosts say which are{more}")
    if not plan.secure:
        raise ValueError(
            "the task's gateway is asked over plain http: no key goes there, and anyone could answer for it"
        )
    return Wait(
        handle=handle,
        deadline=float(seconds),
        runtime=anyint.runtime,
        timetable=anyint.timetable,
        policy=anyint.policy,
        other_key=handle.key_id is not None and anyint.credentials.key_id() not in (None, handle.key_id),
    )


def looked(wait: Wait, error: Exception, errors: Errors) -> Looked:
    """Return what an exception makes of a query: a failed one, if it comes of the gateway, the way there or the key.

    Raises:
        Exception: the same one, if it says nothing of those: a client that is closed, a wrong setting.
    """
    told = report(error)
    if type(error) is ResilienceError or (told is None and not isinstance(error, errors)):
        raise error
    decision = None if told is None else told.decision
    if decision is None:
        fault = Fault(FaultKind.READ_ERROR, type(error).__name__)
        route, wall = query_route(wait.handle), wait.runtime.wall()
        decision = wait.policy.on_fault(
            route, Operation.QUERY, fault, method="GET", attempt=1, elapsed=0.0, now=wall, u=1.0
        )
    return Looked(failed=decision)


def updates_sync(
    anyint: Resilience, task: Task, deadline: float | None, look: Callable[[str], Looked], errors: Errors
) -> Generator[TaskUpdate]:
    """Yield how a task stands, until it is done; see :func:`~anyint_resilience.tasks.waiting.follow`.

    ``errors``: what the client raises where a call failed.
    """
    return _updates_sync(anyint, wait_of(anyint, task, deadline), look, errors)


def _updates_sync(
    anyint: Resilience, wait: Wait, look: Callable[[str], Looked], errors: Errors
) -> Generator[TaskUpdate]:
    bell, flow, watch = Bell(), follow(wait), WaitWatch(anyint, wait)
    unlisten = anyint.ledger.news.listen(wait.handle.task_id, bell.ring)
    try:
        effect: Any = next(flow)
        while True:
            reply: Any = None
            if isinstance(effect, Rest):
                reply = anyint.runtime.rest(bell, effect.seconds) if effect.seconds > 0 else False
            elif isinstance(effect, Ask):
                reply = _look_sync(anyint, wait, look, errors, effect)
            elif isinstance(effect, Tell):
                watch.update(effect.update)
                yield effect.update
            effect = flow.send(reply)
    except StopIteration:
        watch.ended(None)
    except BaseException as error:
        watch.ended(error)
        raise
    finally:
        unlisten()
        flow.close()


async def _updates_async(
    anyint: Resilience, wait: Wait, look: Callable[[str], Awaitable[Looked]], errors: Errors
) -> AsyncGenerator[TaskUpdate]:
    bell, flow, watch = Bell(), follow(wait), WaitWatch(anyint, wait)
    unlisten = anyint.ledger.news.listen(wait.handle.task_id, bell.ring)
    try:
        effect: Any = next(flow)
        while True:
            reply: Any = None
            if isinstance(effect, Rest):
                reply = await anyint.runtime.arest(bell, effect.seconds) if effect.seconds > 0 else False
            elif isinstance(effect, Ask):
                reply = await _look_async(anyint, wait, look, errors, effect)
            elif isinstance(effect, Tell):
                watch.update(effect.update)
                yield effect.update
            effect = flow.send(reply)
    except StopIteration:
        watch.ended(None)
    except BaseException as error:
        watch.ended(error)
        raise
    finally:
        unlisten()
        flow.close()


def updates_async(
    anyint: Resilience, task: Task, deadline: float | None, look: Callable[[str], Awaitable[Looked]], errors: Errors
) -> AsyncGenerator[TaskUpdate]:
    """Do as :func:`updates_sync`, awaiting."""
    return _updates_async(anyint, wait_of(anyint, task, deadline), look, errors)


def _look_sync(anyint: Resilience, wait: Wait, look: Callable[[str], Looked], errors: Errors, ask: Ask) -> Looked:
    try:
        with anyint.override(_bounded(anyint, wait, ask)):
            return look(ask.url)
    except Exception as error:
        return looked(wait, error, errors)


async def _look_async(
    anyint: Resilience, wait: Wait, look: Callable[[str], Awaitable[Looked]], errors: Errors, ask: Ask
) -> Looked:
    try:
        with anyint.override(_bounded(anyint, wait, ask)):
            return await look(ask.url)
    except Exception as error:
        return looked(wait, error, errors)


def _bounded(anyint: Resilience, wait: Wait, ask: Ask) -> Policy:
    """Return the policy in force, with no more time than the wait has left: a query must not outlast it."""
    policy = anyint.in_force()
    least = max(ask.left, min(LAST_LOOK, wait.deadline))
    return replace(policy, deadline=least if policy.deadline is None else min(policy.deadline, least))


def waited(updates: Generator[TaskUpdate], on_update: Callable[[TaskUpdate], object] | None) -> TaskUpdate:
    """Return the last update, having handed each one on; what ``on_update`` raises ends the wait, not the task."""
    last: TaskUpdate | None = None
    with closing(updates) as held:
        for last in held:
            if on_update is not None:
                on_update(last)
    assert last is not None
    return last


async def awaited(updates: AsyncGenerator[TaskUpdate], on_update: Callable[[TaskUpdate], object] | None) -> TaskUpdate:
    """Do as :func:`waited`, awaiting."""
    last: TaskUpdate | None = None
    async with aclosing(updates) as held:
        async for last in held:
            if on_update is not None:
                on_update(last)
    assert last is not None
    return last
