"""An httpx client on scripted answers, whose calls are observed. Must not know what should be emitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

import anyint_resilience_httpx
from anyint_resilience import Resilience
from anyint_resilience.runtime import Runtime
from tests.alone import ALONE

__all__ = ["CHAT", "CREATE", "HOST", "KEY", "MADE", "STREAM", "Clock", "Wire", "ask", "calling", "silently"]

HOST = "https://gateway.api.anyint.ai"
KEY = "sk-unit-test-key"
CHAT = ("/openai/v1/chat/completions", {"model": "gpt-5", "messages": []})
STREAM = (CHAT[0], {**CHAT[1], "stream": True})
CREATE = ("/openai/v1/videos", {"model": "sora-2", "prompt": "a fox"})

MADE = b'{"id":"video_1","object":"video","status":"queued"}'

Answer = Any
"""A status, a status and a body, an exception, a response of httpx, or a callable that returns one of these."""


class Clock:
    """Clocks that move only when somebody waits, or says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @property
    def runtime(self) -> Runtime:
        """A runtime on these clocks."""
        return Runtime(monotonic=lambda: self.now, wall=lambda: 1e9 + self.now, random=lambda: 1.0, sleep=self.pass_by)


class Wire(httpx.BaseTransport):
    """Gives the answers in order, then 200 for ever; ``sent`` is what was asked for."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        answer = self.answers.pop(0) if self.answers else 200
        while callable(answer) and not isinstance(answer, type):
            answer = answer()
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        status, body = answer if isinstance(answer, tuple) else (answer, MADE)
        return httpx.Response(status, stream=httpx.ByteStream(body))  # unread, as from a wire


@contextmanager
def calling(wire: Wire, settings: dict[str, Any] | None = None, **more: Any) -> Iterator[httpx.Client]:
    """Open a client whose calls go to these answers."""
    given = {"api_key": KEY, "runtime": Clock().runtime, "guards": ALONE, **(settings or {}), **more}
    transport = anyint_resilience_httpx.ResilientTransport(Resilience(**given), transport=wire)
    with httpx.Client(transport=transport, base_url=HOST) as client:
        yield client


def ask(client: httpx.Client, what: tuple[str, Any] = CHAT, **more: Any) -> httpx.Response:
    """Make a call."""
    path, body = what
    return client.request("GET" if body is None else "POST", path, json=body, **more)


def silently(function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call a function whatever it raises, an interruption included."""
    try:
        function(*args, **kwargs)
    except (Exception, KeyboardInterrupt):  # what the caller is told is another test's
        return
