"""The world of waits.py: an event loop whose clock jumps to the next timer, and a gateway that knows when tasks end.

Must not know what is measured. Nothing here sleeps: seconds are the loop's own.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from anyint_resilience import Resilience
from anyint_resilience.runtime import Runtime
from anyint_resilience.tasks.handle import CREATES, TaskHandle
from anyint_resilience.tasks.updates import TaskUpdate
from anyint_resilience.tasks.waiting import Looked
from anyint_resilience.waits import awaited, updates_async

__all__ = ["FAMILIES", "LATENCY", "JumpingLoop", "World", "rates", "run"]

LATENCY = 0.05
"""Seconds from a query to its answer."""
_EPOCH = 1_750_000_000.0
_URL = "https://gateway.api.anyint.ai"
_RESULT = "https://cdn.example/1"

FAMILIES: dict[str, tuple[str, Callable[[str, bool], dict[str, Any]]]] = {
    "dashscope": (
        "POST /dashscope/v1/services/aigc/video-generation/video-synthesis",
        lambda id, done: {
            "output": {"task_id": id, "task_status": "SUCCEEDED" if done else "RUNNING", "video_url": _RESULT}
        },
    ),
    "kling": (
        "POST /transtreams/kling/v1/videos/text2video",
        lambda id, done: {
            "code": 0,
            "data": {
                "task_id": id,
                "task_status": "succeed" if done else "processing",
                "task_result": {"videos": [{"url": _RESULT}]},
            },
        },
    ),
    "openai": (
        "POST /openai/v1/videos",
        lambda id, done: {"id": id, "object": "video", "status": "completed" if done else "in_progress"},
    ),
    "suno": (
        "POST /suno/generate",
        lambda id, done: {
            "code": 200,
            "data": {
                "taskId": id,
                "status": "SUCCESS" if done else "PENDING",
                "response": {"sunoData": [{"audioUrl": _RESULT}]},
            },
        },
    ),
}
"""Family -> the route that makes a task of it, and the answer to a query, by id, before its end and after."""


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Does not wait: the time that it should have waited has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Let the time pass, and look what is there."""
        if timeout is None:
            raise RuntimeError("everyone waits for somebody else")
        self.now += max(0.0, timeout)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop of asyncio on a clock of its own."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._jumping.now


class World:
    """Tasks at a gateway, and waits for them; all on one loop."""

    def __init__(self, loop: JumpingLoop, seed: int) -> None:
        self.loop = loop
        self.chance = Random(seed)
        runtime = Runtime(monotonic=loop.time, wall=lambda: _EPOCH + loop.time(), random=self.chance.random)
        self.anyint = Resilience(api_key="k", runtime=runtime, spans="off")
        self.ends: dict[str, float] = {}
        self.asked: defaultdict[str, list[float]] = defaultdict(list)
        """When each query went out, by family."""

    def task(self, family: str, ends: float) -> TaskHandle:
        """Make a task that has its end at this time."""
        route, _ = FAMILIES[family]
        task_id = f"{family}-{len(self.ends)}"
        self.ends[task_id] = ends
        return TaskHandle(
            family=CREATES[route].family,  # type: ignore[arg-type]
            route=route,
            task_id=task_id,
            gateway=_URL,
            created_at=_EPOCH + self.loop.time(),
        )

    async def look(self, url: str) -> Looked:
        """Answer a query as the gateway does."""
        now = self.loop.time()
        task_id = url.partition("?")[0].rpartition("/")[2] if "?" not in url else url.rpartition("=")[2]
        family = task_id.partition("-")[0]
        self.asked[family].append(now)
        body = FAMILIES[family][1](task_id, now >= self.ends[task_id])
        await asyncio.sleep(LATENCY)
        return Looked(200, ((b"content-type", b"application/json"),), json.dumps(body).encode())

    async def wait(self, handle: TaskHandle, deadline: float = 1e6) -> TaskUpdate:
        """Wait for a task with the real driver."""
        return await awaited(updates_async(self.anyint, handle, deadline, self.look, (OSError,)), None)

    def call_back(self, handle: TaskHandle) -> None:
        """Have the gateway's callback arrive when the task ends."""
        self.loop.call_at(self.ends[handle.task_id], self.anyint.ledger.news.ring, handle.task_id)


def run(work: Callable[[JumpingLoop], Any]) -> Any:
    """Run a coroutine made for a loop of this kind, on one."""
    loop = JumpingLoop()
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.close()


def rates(asked: Mapping[str, list[float]]) -> dict[str, int]:
    """Return the most queries that any one second saw, by family."""
    return {
        family: max(bisect_left(times, at + 1.0 - 1e-6) - place for place, at in enumerate(times))
        for family, times in asked.items()
    }
