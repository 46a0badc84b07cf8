"""The tables of what is emitted: each row is emitted by a story here, and the stories emit nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes, url_attributes
from opentelemetry.semconv.metrics.http_metrics import HTTP_CLIENT_REQUEST_DURATION
from opentelemetry.semconv.schemas import Schemas

from anyint_resilience import Cause, Policy, TaskHandle
from anyint_resilience.contract.words import Family
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.telemetry.words import (
    BUCKETS,
    EVENTS,
    METRICS,
    MODES,
    OUTCOMES,
    PROVIDERS,
    QUIET_CAUSES,
    SCHEMA_URL,
)
from anyint_resilience_httpx import task_updates, wait_for_task
from tests.conformance.emitted import Emitted, labels
from tests.conformance.telemetry import hold_against_tables
from tests.unit.telemetry_kit import CHAT, CREATE, HOST, MADE, STREAM, Clock, Wire, ask, calling, silently

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


def broken() -> Iterator[bytes]:
    yield b"data: {}\n\n"
    raise httpx.ReadError("reset")


def failing() -> Iterator[bytes]:
    yield b'data: {"error":{"message":"overloaded"}}\n\n'


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


def left(client: httpx.Client) -> None:
    with client.stream("POST", STREAM[0], json=STREAM[1]):
        pass


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


LOST = httpx.ReadError("reset")
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
        ("store failure", "poll", "store failure"),
        ("success",),
        ("anyint.store.failures",),
        asks=(CREATE,),
        settings=lambda: {"store": Down(lambda: 0.0)},
    ),
    Story(
        "a stream that breaks",
        (lambda: httpx.Response(200, content=broken()),),
        ("stream interrupted",),
        ("interrupted",),
        ("anyint.streams",),
        asks=(STREAM,),
    ),
    Story(
        "a stream whose last event says that it failed",
        (lambda: httpx.Response(200, content=failing()),),
        ("stream failed",),
        ("failed",),
        ("anyint.streams",),
        asks=(STREAM,),
    ),
    Story(
        "a stream nobody reads",
        (lambda: httpx.Response(200, content=broken()),),
        (),
        ("abandoned",),
        ("anyint.streams",),
        asks=(None,),
        how=left,
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
ALWAYS = {"anyint.calls", "anyint.call.duration", "anyint.call.attempts", "http.client.request.duration"}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_emits_its_rows(story: Story) -> None:
    """These events, outcomes and metrics, each of which is in its table, and no other."""
    with Emitted() as emitted, calling(Wire(*story.answers), {**emitted.settings(), **story.settings()}) as client:
        for what in story.asks:
            silently(story.how, client, *(() if what is None else (what,)), **story.more)
    spans = [span for span in emitted.spans() if span.kind == "INTERNAL"]
    assert tuple(span.attributes["anyint.outcome"] for span in spans) == story.outcomes
    told = [name for span in spans for name, _ in span.events]
    assert sorted(told) == sorted(story.events)
    assert tuple(event.name for event in emitted.events) == story.events
    metrics = emitted.metrics()
    hold_against_tables(metrics)
    assert set(metrics) == ALWAYS | set(story.metrics)


def test_a_wait_is_a_hints_or_our_own() -> None:
    """What a server asked for is told from what we chose."""
    hinted = httpx.Response(429, headers={"retry-after": "3"})
    with Emitted() as emitted, calling(Wire(hinted, 503, 200), emitted.settings()) as client:
        ask(client)
    family = {"anyint.family": "openai"}
    assert emitted.metrics()["anyint.wait.time"].sums == {
        labels({**family, "anyint.cause": "rate", "anyint.wait.kind": "hint"}): pytest.approx(3.3),
        labels({**family, "anyint.cause": "transient", "anyint.wait.kind": "backoff"}): pytest.approx(0.1),
    }


@pytest.mark.parametrize(("end", "outcome"), [("completed", "success"), ("failed", "task_failed")])
def test_a_tasks_duration_counts_from_its_create(end: str, outcome: str) -> None:
    """However late a wait begins, a task took as long as from its create to its end; a wait counts once."""
    clock = Clock()
    clock.pass_by(100)
    with (
        Emitted() as emitted,
        calling(Wire(video("queued"), video(end)), emitted.settings(), runtime=clock.runtime) as it,
    ):
        silently(wait_for_task, it, HANDLE)
    metrics, of = emitted.metrics(), labels({"anyint.family": "openai", "anyint.outcome": outcome})
    assert metrics["anyint.task.waits"].sums == {of: 1}
    assert metrics["anyint.task.duration"].sums == {of: pytest.approx(clock.now)}
    assert clock.now > 100


def test_every_row_has_a_story() -> None:
    """No event, outcome or metric is in a table that nothing emits."""
    assert {name for story in STORIES for name in story.events} == set(EVENTS)
    assert {name for story in STORIES for name in story.outcomes} == set(OUTCOMES)
    assert {name for story in STORIES for name in story.metrics} | ALWAYS == set(METRICS)


def test_the_tables_are_in_order() -> None:
    """Names are ours or the conventions', buckets rise, every family has its provider, units are UCUM's."""
    theirs = {
        getattr(module, name)
        for module in (error_attributes, http_attributes, server_attributes, url_attributes)
        for name in dir(module)
        if name.isupper()
    }
    drafts = {"url.template", "gen_ai.request.model"}  # of the conventions, and not stable yet
    for name, row in METRICS.items():
        assert name.startswith("anyint.") or name == HTTP_CLIENT_REQUEST_DURATION
        assert {it for it in row.attributes if not it.startswith("anyint.")} <= theirs | drafts
        assert (row.kind, bool(row.buckets)) in (("counter", False), ("histogram", True))
        assert list(row.buckets) == sorted(set(row.buckets))
        assert row.unit == "s" or row.unit == f"{{{row.unit[1:-1]}}}"
        assert row.meaning.endswith(".")
    assert SCHEMA_URL in {schema.value for schema in Schemas}
    assert set(PROVIDERS) == set(Family)
    assert set(QUIET_CAUSES) <= set(Cause)
    assert BUCKETS[-1] >= 600, "a good generation may take ten minutes"
    assert MODES == ("auto", "always", "call-only", "off")
