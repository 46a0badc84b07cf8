"""The tables of what is emitted: each row is emitted by a story here, and the stories emit nothing else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes, url_attributes
from opentelemetry.semconv.metrics.http_metrics import HTTP_CLIENT_REQUEST_DURATION
from opentelemetry.semconv.schemas import Schemas

from anyint_resilience import Cause
from anyint_resilience.contract.words import Family
from anyint_resilience.policy.backoff import above_hint
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
from anyint_resilience_httpx import wait_for_task
from tests.conformance.emitted import Emitted, labels
from tests.conformance.telemetry import hold_against_tables
from tests.unit import telemetry_stories
from tests.unit.telemetry_kit import Clock, Wire, ask, calling, silently
from tests.unit.telemetry_stories import HANDLE, Story, video
from tests.unit.telemetry_stories_guards import GUARDED, RETRY_AFTER, SPARE
from tests.unit.telemetry_stories_streams import STREAMED

STORIES = [*telemetry_stories.STORIES, *STREAMED, *GUARDED]
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


def points(story: str, metric: str) -> Any:
    """Return what one instrument was told in a story."""
    (row,) = (it for it in STORIES if it.name == story)
    with Emitted() as emitted, calling(Wire(*row.answers), {**emitted.settings(), **row.settings()}) as client:
        for what in row.asks:
            silently(row.how, client, what)
    return emitted.metrics()[metric].sums


OF = {"anyint.family": "openai", "gen_ai.request.model": "gpt-5"}
HELD = above_hint(RETRY_AFTER, 1.0)
LIMITED, FAILING = "a limit, and a call that waits for it", "failures in a row"
USED, BUDGET = "a quota that is used up, and a call that is not sent", "a retry budget that is spent"
CIRCUIT = "a circuit that opens and closes again"


@pytest.mark.parametrize(
    ("story", "metric", "wanted"),
    [
        (LIMITED, "anyint.gate.closed", [({**OF, "anyint.guard": "rate"}, 1)]),
        (LIMITED, "anyint.gate.wait", [({"anyint.family": "openai", "anyint.guard": "rate"}, HELD)]),
        (USED, "anyint.gate.closed", [({**OF, "anyint.guard": "quota"}, 1)]),
        (USED, "anyint.refused", [({**OF, "anyint.guard": "quota"}, 1)]),
        (FAILING, "anyint.gate.closed", [({**OF, "anyint.guard": "down"}, 1)]),
        (BUDGET, "anyint.refused", [({**OF, "anyint.guard": "budget"}, 1)]),
        (CIRCUIT, "anyint.refused", [({**OF, "anyint.guard": "circuit"}, 1)]),
        (CIRCUIT, "anyint.circuit.changes", [({**OF, "anyint.circuit": word}, 1) for word in ("opened", "closed")]),
        (
            "a fallback that serves",
            "anyint.fallbacks",
            [
                (
                    {
                        "anyint.family": "openai",
                        "anyint.cause": "transient",
                        "anyint.workload": SPARE.workload,
                        "anyint.fallback.from": "gpt-5",
                        "anyint.fallback.to": "gpt-5-mini",
                    },
                    1,
                )
            ],
        ),
    ],
)
def test_a_guard_says_which_and_where(story: str, metric: str, wanted: list[tuple[dict[str, Any], float]]) -> None:
    """Each instrument of the guards tells which guard it was, of which family and model, and for how long."""
    assert points(story, metric) == {labels(named): pytest.approx(value) for named, value in wanted}


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


def _numbers(schema: str) -> list[int]:
    return [int(it) for it in schema.rpartition("/")[2].split(".")]


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
    known = {schema.value for schema in Schemas}
    assert SCHEMA_URL in known or max(map(_numbers, known)) < _numbers(SCHEMA_URL)  # of an older SDK
    assert set(PROVIDERS) == set(Family)
    assert set(QUIET_CAUSES) <= set(Cause)
    assert BUCKETS[-1] >= 600, "a good generation may take ten minutes"
    assert MODES == ("auto", "always", "call-only", "off")
