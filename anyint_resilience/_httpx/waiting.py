"""Waiting for a task with a client of httpx or httpx2: one query, and which configuration a client has.

Must not import either client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

from ..config import Resilience
from ..tasks.updates import TaskUpdate
from ..tasks.waiting import Looked
from ..waits import Gathered, awaited, unwrapped, updates_async, updates_sync, waited
from .shapes import Kit
from .surface import Base

__all__ = ["updates", "wait"]


def wait(
    client: Any, task: object, on_update: Callable[[TaskUpdate], object] | None, deadline: float | None, kit: Kit
) -> TaskUpdate | Awaitable[TaskUpdate]:
    """Wait for a task: its last update, or for an async client what to await for it."""
    anyint, errors = anyint_of(client, kit), (kit.module.HTTPError, OSError)
    if isinstance(client, kit.module.AsyncClient):
        return awaited(updates_async(anyint, task, deadline, partial(_look_async, client), errors), on_update)
    return waited(updates_sync(anyint, task, deadline, partial(_look_sync, client), errors), on_update)


def updates(
    client: Any, task: object, deadline: float | None, kit: Kit
) -> Iterator[TaskUpdate] | AsyncIterator[TaskUpdate]:
    """Iterate over how a task stands, until it is done."""
    anyint, errors = anyint_of(client, kit), (kit.module.HTTPError, OSError)
    if isinstance(client, kit.module.AsyncClient):
        return updates_async(anyint, task, deadline, partial(_look_async, client), errors)
    return updates_sync(anyint, task, deadline, partial(_look_sync, client), errors)


def anyint_of(client: Any, kit: Kit) -> Resilience:
    """Return the configuration that a client's transport has.

    Raises:
        TypeError: if it is no client of the library, or none of ours is in it.
    """
    if not isinstance(client, (kit.module.Client, kit.module.AsyncClient)):
        raise unwrapped(client, f"an {kit.module.__name__} client")
    transports = (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values())
    for transport in transports:
        if isinstance(transport, Base):
            return transport.anyint
    raise unwrapped(client, f"an {kit.module.__name__} client")


_ASKED = {"accept-encoding": "gzip, deflate"}
"""What is decoded here. httpx opens all that a piece holds at once, however much that is."""


def _look_sync(client: Any, url: str) -> Looked:
    body = Gathered()  # of an answer that is in memory, as after a client's hook that read it, what there is
    with client.stream("GET", url, headers=_ASKED, follow_redirects=False) as response:
        for piece in (response.content,) if response.is_stream_consumed else response.iter_raw():
            if body.full(piece):
                break
    return body.looked(response.status_code, response.headers.raw)


async def _look_async(client: Any, url: str) -> Looked:
    body = Gathered()
    async with client.stream("GET", url, headers=_ASKED, follow_redirects=False) as response:
        if response.is_stream_consumed:
            body.full(response.content)
            return body.looked(response.status_code, response.headers.raw)
        async with aclosing(response.stream.__aiter__()) as pieces:  # not aiter_raw(), which leaves this one open
            async for piece in pieces:  # closed here: trio warns of one that is left in the middle
                if body.full(piece):
                    break
    return body.looked(response.status_code, response.headers.raw)
