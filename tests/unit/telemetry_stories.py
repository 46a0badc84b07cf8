"""Stories that tell what is emitted of calls: the answers they get, and the events and outcomes that follow.

Must not know how any of it is emitted. Those of guards and fallbacks are in ``telemetry_stories_guards``,
those of streams in ``telemetry_stories_streams``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import httpx

from anyint_resilience import Policy, TaskHandle
from anyint_resilience.contract.words import Family
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience_httpx import task_updates, wait_for_task
from tests.unit.telemetry_kit import CHAT, CREATE, HOST, MADE, Clock, ask

__all__ = ["HANDLE", "LOST", "STORIES", "Story", "video"]

TASK = ("/dashscope/v1/tasks/t", None)
FAILED_TASK = json.dumps({"output": {"task_id": "t", "task_status": "FAILED", "code": "DataInspectionFailed"}}).encode()
HANDLE = TaskHandle(
    family=Family.OPENAI, route="POST /openai/v1/videos", task_id="video_1", gateway=HOST, created_at=1e9
)
KLING = ("/transtreams/kling/v1/videos/text2video", {"model_name": "k", "prompt": "a fox"})
KLING_MADE = json.dumps(
    {"code": 0, "message": "ok", "request_id": "r", "data": {"task_id": "7", "task_status": "submitted"}}
).encode()
CLOCK = Clock()


class Down(MemoryStore):
    """A store that fails."""

    def update(self, *args: Any) -> Any:
        raise OSError("down")


class Away:
    """This process's part in a store that many share: it was away, and answers again."""

    serves, started, new, company, why, ears, peers = True, False, False, None, "gone", None, 1
    backend = SimpleNamespace(owner="p", where="it", now=lambda: 0.0)

    def start(self) -> None:
        if not self.started:
            self.started = True
            self.ears.turned(up=False)  # type: ignore[attr-defined]
            self.ears.turned(up=True)  # type: ignore[attr-defined]


class Back(MemoryStore):
    """A store that many share."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.member = Away()


LOST = httpx.ReadError("reset")


def late() -> Exception:
    CLOCK.pass_by(10)
    return httpx.ReadTimeout("slow")


def overslept(seconds: float) -> None:
    CLOCK.pass_by(seconds + 10)


def video(state: str) -> tuple[int, bytes]:
    return 200, json.dumps({"id": "video_1", "object": "video", "status": state}).encode()


def waited(client: httpx.Client) -> None:
    wait_for_task(client, HANDLE, deadline=20)


def looked_once(client: httpx.Client) -> None:
    for _ in task_updates(client, HANDLE):
        break


@dataclass(frozen=True)
class Story:
    """Calls, the answers they get, and what is emitted: events of all calls in order, the outcome of each."""

    name: str
    answers: tuple[Any, ...]
    events: tuple[str, ...]
    outcomes: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    asks: tuple[Any, ...] = (CHAT,)
    how: Callable[..., Any] = ask
    more: dict[str, Any] = field(default_factory=dict)
    settings: Callable[[], dict[str, Any]] = dict


WAITED = ("anyint.task.waits", "anyint.task.duration")
STORIES = [
    Story("a good answer", (), (), ("success",)),
    Story(
        "a failure that passes",
        (503, 200),
        ("backoff", "recovered"),
        ("success",),
        ("anyint.failures", "anyint.retries", "anyint.wait.time"),
    ),
    Story("a task that is made", ((200, MADE),), ("poll",), ("success",), asks=(CREATE,)),
    Story("a task that has failed", ((200, FAILED_TASK),), ("task failed",), ("task_failed",), asks=(TASK,)),
    Story("a refusal", (400,), ("given up",), ("failed",), ("anyint.failures",)),
    Story(
        "nobody there",
        (httpx.ConnectError("no"),) * 3,
        ("backoff", "backoff", "given up"),
        ("error",),
        ("anyint.failures", "anyint.retries", "anyint.wait.time"),
    ),
    Story(
        "a lost create that is asked for again",
        (LOST,),
        ("outcome unknown", "held back"),
        ("unknown", "held_back"),
        ("anyint.failures", "anyint.duplicates_prevented"),
        asks=(CREATE, CREATE),
    ),
    Story(
        "a new key",
        (401, 200),
        ("key rotated", "recovered"),
        ("success",),
        ("anyint.failures", "anyint.retries"),
        settings=lambda: {"api_key": iter(("stale-key", "fresh-key")).__next__},
    ),
    Story(
        "a layer above that says so",
        (),
        ("nested retry seen",),
        ("success",),
        ("anyint.nested_retry.factor",),
        more={"headers": {"x-stainless-retry-count": "1"}},
    ),
    Story(
        "a layer above that does not",
        (400, 400),
        ("given up", "nested retry seen", "given up", "attempts multiply"),
        ("failed", "failed"),
        ("anyint.failures", "anyint.nested_retry.factor"),
        asks=(CHAT, CHAT),
    ),
    Story(
        "a deadline",
        (late,),
        ("given up", "deadline exceeded"),
        ("late",),
        ("anyint.failures",),
        settings=lambda: {"policy": Policy(deadline=5), "runtime": CLOCK.runtime},
    ),
    Story(
        "a deadline that passes while we wait",
        (503,),
        ("backoff", "deadline exceeded"),
        ("late",),
        ("anyint.failures", "anyint.wait.time"),
        settings=lambda: {"policy": Policy(deadline=5), "runtime": replace(CLOCK.runtime, sleep=overslept)},
    ),
    Story(
        "a store that fails",
        ((200, MADE),),
        ("store failure", "poll"),
        ("success",),
        ("anyint.store.failures",),
        asks=(CREATE,),
        settings=lambda: {"store": Down(lambda: 0.0)},
    ),
    Story(
        "a store that answers again",
        ((200, b"{}"),),
        ("store failure", "store back"),
        ("success",),
        ("anyint.store.failures",),
        settings=lambda: {"store": Back(lambda: 0.0)},
    ),
    Story("Ctrl-C", (KeyboardInterrupt(),), ("cut off",), ("cancelled",)),
    Story(
        "a create that is sent twice with one Idempotency-Key",
        ((200, MADE),),
        ("poll", "create replayed"),
        ("success", "replayed"),
        ("anyint.duplicates_prevented",),
        asks=(CREATE, CREATE),
        more={"headers": {"Idempotency-Key": "mine"}},
    ),
    Story(
        "a create whose task is not finished",
        ((200, MADE), video("in_progress")),
        ("poll", "poll", "create polled"),
        ("success", "replayed"),
        ("anyint.duplicates_prevented",),
        asks=(CREATE, CREATE),
        settings=lambda: {"dedupe": "fingerprint"},
    ),
    Story(
        "a lost create that is found by its mark",
        (LOST, (200, KLING_MADE)),
        ("outcome unknown", "poll", "create found"),
        ("success",),
        ("anyint.failures",),
        asks=(KLING,),
        settings=lambda: {"reconcile": True},
    ),
    Story(
        "a wait for a task, which is in a strange state for a while",
        (video("queued"), video("dreaming"), video("completed")),
        ("poll", "task state", "poll", "strange state", "task state", "wait over"),
        ("success",) * 4,
        WAITED,
        asks=(None,),
        how=waited,
    ),
    Story(
        "a wait for a task that goes back",
        (video("in_progress"), video("queued"), video("completed")),
        ("poll", "task state", "poll", "strange state", "task state", "wait over"),
        ("success",) * 4,
        WAITED,
        asks=(None,),
        how=waited,
    ),
    Story(
        "a wait for a task that fails",
        (video("failed"),),
        ("task failed", "task state", "wait over"),
        ("task_failed",) * 2,
        WAITED,
        asks=(None,),
        how=waited,
    ),
    Story(
        "a wait that ends before its task",
        (video("queued"),) * 3,
        ("poll", "task state", "poll", "poll", "wait over"),
        ("late", *("success",) * 3),
        WAITED[:1],
        asks=(None,),
        how=waited,
    ),
    Story(
        "a wait whose queries are refused",
        (401,),
        ("given up", "wait over"),
        ("failed",) * 2,
        ("anyint.failures", *WAITED[:1]),
        asks=(None,),
        how=waited,
    ),
    Story(
        "a wait that is left",
        (video("queued"),),
        ("poll", "task state", "wait over"),
        ("abandoned", "success"),
        WAITED[:1],
        asks=(None,),
        how=looked_once,
    ),
]
