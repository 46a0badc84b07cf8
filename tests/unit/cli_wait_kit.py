"""How ``anyint-resilience wait`` is run in tests: against the emulator, whose clock its runtime moves."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

pytest.importorskip("h11")

import anyint_resilience_httpx
from anyint_resilience import Resilience, TaskHandle, report
from anyint_resilience.cli import main, wait
from anyint_resilience.emulator import Emulator
from anyint_resilience.runtime import Runtime

KEY = "test-key"
KLING = ("/transtreams/kling/v1/videos/text2video", {"model_name": "k", "prompt": "x"})
VIDEO = ("/openai/v1/videos", {"model": "kling-3.0", "prompt": "x"})
ANSWER = ("/openai/v1/responses", {"model": "gpt-5", "input": "x", "background": True})
SEEDANCE = ("/doubao/video/generations", {"model": "s", "prompt": "x"})
QUERY = "GET /transtreams/kling"
WAIT_KEYS = "ended handle phase state progress results note polls elapsed document reason"


@dataclass
class Place:
    """A gateway, a key in the environment, and a runtime that moves the gateway's clock."""

    gateway: Emulator
    slept: list[float] = field(default_factory=list)
    interrupt: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.interrupt()
        self.slept.append(seconds)
        self.gateway.clock.advance(seconds)

    @property
    def runtime(self) -> Runtime:
        now = self.gateway.clock.now
        return Runtime(sleep=self.sleep, monotonic=now, wall=lambda: 1e9 + now(), random=lambda: 0.5)

    def make(self, what: tuple[str, Any] = KLING, outcome: str = "success") -> TaskHandle:
        """Make a task; return its handle."""
        anyint = Resilience(api_key=KEY, base_url=self.gateway.url, runtime=self.runtime, seedance=True)
        with anyint_resilience_httpx.wrap(httpx.Client(base_url=self.gateway.url), anyint) as client:
            found = report(client.post(what[0], json=what[1], headers={"x-emulator-task": outcome}))
        assert found is not None
        assert found.task is not None
        return found.task


def place_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield a place whose gateway and key the environment names."""
    with Emulator(keys=(KEY,)) as gateway:
        made = Place(gateway)
        monkeypatch.setenv("ANYINT_API_KEY", KEY)
        monkeypatch.setenv("ANYINT_BASE_URL", gateway.url)
        monkeypatch.setattr(wait, "_RUNTIME", made.runtime)
        yield made
        assert gateway.internal_errors == []


def run(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str], list[str]]:
    """Run the command; return its exit code and the lines of stdout and stderr."""
    code = main(["wait", *options])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert KEY not in captured.out + captured.err
    return code, captured.out.splitlines(), captured.err.splitlines()


def again(errors: list[str]) -> list[str]:
    """Return the words of the command that waits again."""
    (line,) = [it for it in errors if it.startswith("wait again with: ")]
    return shlex.split(line.removeprefix("wait again with: "))
