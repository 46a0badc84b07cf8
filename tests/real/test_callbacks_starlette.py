"""Music callbacks into a Starlette application, over real sockets; docs/tasks.md shows the same code."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

pytest.importorskip("h11")

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import anyint_resilience_httpx
from anyint_resilience import Resilience, TaskHandle, TaskUpdate, parse_callback
from tests.real.callbacks_kit import LESSONS, LIMIT, Stage, assert_shown, staged


def application(anyint: Resilience, handle: Callable[[str], object]) -> Starlette:
    async def called_back(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > 1_048_576:
                return Response(status_code=413)
        try:
            callback = parse_callback(bytes(body))
            new = anyint.ledger.accept_callback(callback, url=str(request.url))
        except ValueError:
            return Response("this is no callback", status_code=400)
        if new:
            handle(f"{callback.task_id} {callback.phase}")  # quickly: a queue, not the work itself
        return Response("ok")

    return Starlette(routes=[Route("/hooks/suno", called_back, methods=["POST"])])


@contextmanager
def serve(anyint: Resilience, handle: Callable[[str], object]) -> Iterator[str]:
    """Serve the application by uvicorn, in a thread."""
    server = uvicorn.Server(uvicorn.Config(application(anyint, handle), log_config=None, lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(LIMIT)
            assert not thread.is_alive()


def follow(anyint: Resilience, handle: TaskHandle, told: Callable[[TaskUpdate], object]) -> None:
    with anyint_resilience_httpx.wrap(httpx.Client(), anyint) as client:
        anyint_resilience_httpx.wait_for_task(client, handle, told)


def test_the_docs_show_this_code() -> None:
    """What docs/tasks.md tells people to write is what is tested here."""
    assert_shown(application)


@pytest.mark.parametrize("form", ["flat", "wrapped"])
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.__name__)
def test_callbacks(lesson: Callable[[Stage], None], form: Any) -> None:
    """Each lesson holds for both forms of a callback."""
    with staged(serve, follow, form) as stage:
        lesson(stage)
