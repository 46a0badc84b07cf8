"""The applications of gunicorn and uvicorn: each request makes a call through our layer; must not know who asks.

``wsgi`` is for ``gunicorn --preload``: its configuration is made, and used, in the master, and forks go on with it.
``asgi`` is for ``uvicorn --workers``: each worker imports it anew and makes its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from typing import Any

from .jobs import Drawer
from .journal import Journal
from .sampling import Sampler
from .setting import Setting, dies_with_parent
from .surfaces import BLOCKING, ON_ASYNCIO, Awaiting, Blocking, awaiting, blocking

__all__ = ["asgi", "wsgi"]

logging.getLogger("anyint_resilience").setLevel(logging.CRITICAL + 1)
warnings.simplefilter("ignore")
setting = Setting.from_env()
journal = Journal(setting.path(f"journal-{setting.label}.jsonl"))
anyint = setting.resilience()


def _used() -> None:
    """Use the configuration once, in the process that is forked later."""
    drawer = Drawer(setting.seed, setting.place("master"), setting.store_name)
    (surface,) = blocking(("httpx",), setting.url, anyint, journal)
    surface.make(drawer.draw("keyed"))
    surface.close()


class Worker:
    """What one worker process holds: made by its first request."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.drawer = Drawer(setting.seed, setting.place(), setting.store_name, cancels=True)
        self.surfaces: list[Any] = []

    def next(self) -> tuple[Any, Any]:
        """Return the surface whose turn it is, and its job; waits are left to those who have the time."""
        surface = self.surfaces[self.drawer.count % len(self.surfaces)]
        job = self.drawer.draw()
        return surface, self.drawer.draw("chat") if job.kind == "wait" else job


_here: Worker | None = None


def _worker() -> Worker:
    global _here  # noqa: PLW0603  # one for each process, and a fork has none
    if _here is None or _here.pid != os.getpid():
        _here = Worker()
    return _here


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Make a call for a request."""
    worker = _worker()
    if not worker.surfaces:
        worker.surfaces = [Blocking(name, setting.url, anyint, journal) for name in BLOCKING]
    surface, job = worker.next()
    surface.make(job)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Make a call for a request; be told of the start and the end of the worker."""
    if scope["type"] == "lifespan":
        await _life(receive, send)
        return
    surface, job = _worker().next()
    await surface.make(job)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


async def _life(receive: Any, send: Any) -> None:
    await receive()
    dies_with_parent()
    sampler = Sampler(setting, journal)
    sampler.watch_loop("uvicorn", asyncio.get_running_loop())
    surfaces: list[Awaiting] = awaiting(ON_ASYNCIO, setting.url, anyint, journal)
    _worker().surfaces = surfaces
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for surface in surfaces:
        await surface.close()
    sampler.stop()
    await send({"type": "lifespan.shutdown.complete"})


if os.environ.get("SOAK_MASTER"):
    _used()
