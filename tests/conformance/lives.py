"""What the tests of paid tasks share: a create for each route that makes one, a gateway that has the time of the waits.

Must not know any test, nor how a task is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anyint_resilience import Resilience, TaskHandle, TaskUpdate, report
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Family
from anyint_resilience.emulator import Emulator, Fault, Seen, Task
from anyint_resilience.runtime import Runtime
from anyint_resilience.tasks.handle import CREATES
from tests.alone import ALONE
from tests.conformance.kit import KEY
from tests.conformance.playing import NO_TLS
from tests.conformance.surfaces import Answer, Caller, Surface, calling

__all__ = [
    "FAMILIES",
    "FILM",
    "HOOK",
    "KLING",
    "LOST",
    "MARKED",
    "ROUTES",
    "SONG",
    "World",
    "body_of",
    "creates",
    "made",
    "missed",
    "other",
    "path_of",
    "queries",
    "task_of",
    "updates",
    "waited",
    "words",
]

HOOK = "https://app.example/hook?x=1"
_OWN: dict[str, dict[str, Any]] = {
    "openai_response": {"model": "gpt-5", "input": "a fox", "background": True},
    "openai_batch": {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
    "openai_video": {"model": "kling-3.0", "prompt": "a fox in the snow"},
    "dashscope": {"model": "wan2.5-t2v-preview", "input": {"prompt": "a fox in the snow"}},
    "kling": {"model_name": "kling-v3", "prompt": "a fox in the snow"},
    "seedance_anyint": {"model": "seedance-1", "prompt": "a fox in the snow"},
}
_SONG = {"model": "V5", "prompt": "a song about a fox", "taskId": "source-1", "callBackUrl": HOOK}

ROUTES: dict[str, Route] = {name: row for name, row in CREATES.items() if row.tasks is not None and "{" not in name}
"""The routes that make a task, by name; but for those that make one of another."""

FAMILIES: dict[str, str] = {str(row.tasks): name for name, row in reversed(ROUTES.items())}
"""Vocabulary -> its first route."""

FILM, SONG, KLING = FAMILIES["openai_video"], FAMILIES["suno_song"], "POST /transtreams/kling/v1/videos/text2video"
LOST = Fault(reset="before_headers", process=True)
"""Done, and its answer lost."""
MARKED = "x-anyint-resilience"
"""The header of an answer that is not the create's own."""


def body_of(route: str) -> dict[str, Any]:
    """Return the body of a create."""
    return dict(_OWN.get(str(ROUTES[route].tasks), _SONG))


def path_of(route: str) -> str:
    """Return the path of a create."""
    return route.partition(" ")[2]


class World:
    """A gateway and whoever waits for it: its clock and theirs move with the waits asked for, and by nothing else."""

    def __init__(self, emu: Emulator) -> None:
        self.emu = emu
        self.asked: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.emu.clock.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def wall(self) -> float:
        """Return Unix seconds."""
        return 1e9 + self.emu.clock.now()

    def anyint(self, **more: Any) -> Resilience:
        """Return a configuration for the gateway."""
        runtime = Runtime(
            sleep=self.sleep,
            asleep=self.asleep,
            random=lambda: 0.5,
            monotonic=self.emu.clock.now,
            wall=self.wall,
        )
        return Resilience(
            **{"api_key": KEY, "base_url": self.emu.url, "seedance": True, "runtime": runtime, "guards": ALONE, **more}
        )

    @contextmanager
    def client(self, surface: Surface, anyint: Resilience | None = None, **options: Any) -> Iterator[Caller]:
        """Open a client on the gateway, and see in the end that every connection came back."""
        made = self.anyint() if anyint is None else anyint
        own = {"verify": NO_TLS} if surface.is_httpx else {}
        with calling(surface, made, base_url=self.emu.url, **own, **options) as caller:
            yield caller
            assert caller.in_use() == 0


def waited(caller: Caller, task: Any, **options: Any) -> TaskUpdate:
    """Wait for a task on a client."""
    held = task.response if isinstance(task, Answer) else task
    found: TaskUpdate = caller.call(caller.surface.adapter.wait_for_task, caller.client, held, **options)
    return found


def updates(caller: Caller, task: Any, most: int | None = None, **options: Any) -> list[TaskUpdate]:
    """Iterate over a task's updates, and leave after so many of them."""
    held = task.response if isinstance(task, Answer) else task
    found: list[TaskUpdate] = []

    def blocking() -> None:
        came = caller.surface.adapter.task_updates(caller.client, held, **options)
        for update in came:
            found.append(update)
            if len(found) == most:
                break
        came.close()

    async def awaiting() -> None:
        came = caller.surface.adapter.task_updates(caller.client, held, **options)
        async for update in came:
            found.append(update)
            if len(found) == most:
                break
        await came.aclose()

    caller.call(awaiting if caller.surface.is_async else blocking)
    return found


def creates(emu: Emulator) -> list[Seen]:
    """Return the requests that make something."""
    return emu.requests("POST")


def queries(emu: Emulator) -> list[Seen]:
    """Return the requests that ask for something."""
    return emu.requests("GET")


def words(emu: Emulator, task: Task) -> list[str | None]:
    """Return the word that the gateway had for a task at each query: None where it had none."""
    found = []
    for seen in queries(emu):
        turn = [it for it in task.turns if it.age <= seen.clock - task.created_at][-1]
        word = task.words.get(turn.phase)
        refused = task.family is Family.SUNO and task.kind != "suno_cover" and task.outcome == "policy"
        if refused and turn.phase.value == "failed":
            word = "SENSITIVE_WORD_ERROR"
        found.append(None if word is None else str(word))
    return found


def other(surface: Surface) -> Surface:
    """Return a surface of another client library that is there, on which a wait goes on."""
    found = {
        "httpx": Surface("requests"),
        "httpx2": Surface("aiohttp", "asyncio"),
        "requests": Surface("httpx2", "trio"),
        "aiohttp": Surface("httpx"),
    }[surface.library]
    return Surface("httpx") if found.param().marks else found


def made(caller: Caller, route: str, body: dict[str, Any] | None = None, **headers: str) -> Answer:
    """Create a task, whatever comes back."""
    ask = body_of(route) if body is None else body
    return caller.request("POST", path_of(route), json=ask, headers=headers)


def missed(caller: Caller, route: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
    """Create a task, which must raise."""
    ask = body_of(route) if body is None else body
    return caller.error("POST", path_of(route), json=ask, headers=headers)


def task_of(answer: object) -> TaskHandle:
    """Return the handle that an answer comes with."""
    found = report(answer)
    assert found is not None
    assert found.task is not None
    return found.task
