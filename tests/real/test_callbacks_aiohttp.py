"""Music callbacks into an application of aiohttp.web, over real sockets; docs/tasks.md shows the same code."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

pytest.importorskip("h11")

from anyint_resilience import Resilience, TaskHandle, TaskUpdate, parse_callback
from anyint_resilience_aiohttp import ResilientMiddleware, wait_for_task
from tests.real.callbacks_kit import LESSONS, LIMIT, Stage, assert_shown, staged

TURNS = 50


def application(anyint: Resilience, handle: Callable[[str], object]) -> web.Application:
    async def called_back(request: web.Request) -> web.Response:
        body = await request.read()  # of at most client_max_size bytes
        try:
            callback = parse_callback(body)
            new = anyint.ledger.accept_callback(callback, url=str(request.url))
        except ValueError:
            return web.Response(text="this is no callback", status=400)
        if new:
            handle(f"{callback.task_id} {callback.phase}")  # quickly: a queue, not the work itself
        return web.Response(text="ok")

    app = web.Application(client_max_size=1_048_576)
    app.router.add_post("/hooks/suno", called_back)
    return app


@contextmanager
def serve(anyint: Resilience, handle: Callable[[str], object]) -> Iterator[str]:
    """Serve the application in a thread."""
    ready: queue.Queue[tuple[str, Callable[[], object]]] = queue.Queue()

    async def run() -> None:
        runner = web.AppRunner(application(anyint, handle))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            loop, over = asyncio.get_running_loop(), asyncio.Event()
            ready.put((f"http://127.0.0.1:{runner.addresses[0][1]}", lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()
        finally:
            await runner.cleanup()
            for _ in range(TURNS):  # what was closed is closed in one of the loop's next turns
                await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    address, stop = ready.get(timeout=LIMIT)
    try:
        yield address
    finally:
        stop()
        thread.join(LIMIT)
        assert not thread.is_alive()


def follow(anyint: Resilience, handle: TaskHandle, told: Callable[[TaskUpdate], object]) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession(middlewares=[ResilientMiddleware(anyint)]) as session:
            await wait_for_task(session, handle, told)

    asyncio.run(run())


def test_the_docs_show_this_code() -> None:
    """What docs/tasks.md tells people to write is what is tested here."""
    assert_shown(application)


@pytest.mark.parametrize("form", ["flat", "wrapped"])
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.__name__)
def test_callbacks(lesson: Callable[[Stage], None], form: Any) -> None:
    """Each lesson holds for both forms of a callback."""
    with staged(serve, follow, form) as stage:
        lesson(stage)
