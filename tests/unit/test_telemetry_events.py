"""What an event, an attempt and a count say where that is easily got wrong: which create it was, whose time it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from anyint_resilience import report
from tests.conformance.emitted import Emitted, labels
from tests.unit.telemetry_kit import CREATE, Clock, Wire, ask, calling, silently


@pytest.fixture
def emitted() -> Iterator[Emitted]:
    with Emitted() as made:
        yield made


def intents(emitted: Emitted, *events: str) -> set[Any]:
    """Return what names the creates: on the calls' spans, in the events on them, for listeners, and in the log."""
    calls = [span for span in emitted.spans() if span.kind == "INTERNAL"]
    on_spans = [(name, details) for span in calls for name, details in span.events]
    assert [name for name, _ in on_spans] == [event.name for event in emitted.events] == list(events)
    assert [record.anyint_event for record in emitted.log.records] == list(events)  # type: ignore[attr-defined]
    return {
        *(span.attributes.get("anyint.intent") for span in calls),
        *(details.get("anyint.intent") for _, details in on_spans),
        *(event.details.get("anyint.intent") for event in emitted.events),
        *(getattr(record, "anyint_intent", None) for record in emitted.log.records),
    }


def test_a_lost_create_and_the_one_held_back_are_told_by_their_intent(emitted: Emitted) -> None:
    """Everywhere, so that whoever reads the log can forget it."""
    errors: list[Any] = []
    with calling(Wire(httpx.ReadError("reset")), emitted.settings()) as client:
        for _ in range(2):
            with pytest.raises(httpx.TransportError) as caught:
                ask(client, CREATE)
            errors.append(report(caught.value))
    assert errors[0].intent
    assert intents(emitted, "outcome unknown", "held back") == {errors[0].intent} == {errors[1].intent}


def test_a_create_that_was_cut_off_is_told_by_its_intent(emitted: Emitted) -> None:
    """What stops it from outside leaves it as unknown as a lost connection does."""
    with calling(Wire(KeyboardInterrupt()), emitted.settings()) as client:
        silently(ask, client, CREATE)
    (intent,) = intents(emitted, "outcome unknown")
    assert intent


def test_what_is_held_back_failed_for_no_cause_of_its_own(emitted: Emitted) -> None:
    """Nothing was sent, so that nothing can have gone wrong: only the first has a cause, on its span and counted."""
    with calling(Wire(httpx.ReadError("reset")), emitted.settings()) as client:
        for _ in range(2):
            silently(ask, client, CREATE)
    lost, held = (span for span in emitted.spans() if span.kind == "INTERNAL")
    assert lost.attributes["anyint.cause"] == "transient"
    assert "anyint.cause" not in held.attributes
    assert "anyint.cause" not in dict(held.events)["held back"]
    create = {"anyint.family": "openai", "anyint.operation": "create"}
    assert emitted.metrics()["anyint.calls"].sums == {
        labels({**create, "anyint.outcome": "unknown", "anyint.cause": "transient"}): 1,
        labels({**create, "anyint.outcome": "held_back"}): 1,
    }


def test_the_time_of_a_key_source_is_no_attempts(emitted: Emitted) -> None:
    """It is asked when the attempt before is over, for telemetry and for the report; a slow vault is no slow server."""
    clock, keys = Clock(), iter(("stale-key", "fresh-key"))
    ended: list[int] = []

    def vault() -> str:
        ended.append(len(emitted.ended.get_finished_spans()))
        clock.pass_by(60)
        return next(keys)

    def after(seconds: int, status: int) -> Any:
        return lambda: clock.pass_by(seconds) or status  # type: ignore[func-returns-value]

    with calling(Wire(after(2, 401), after(3, 200)), emitted.settings(api_key=vault, runtime=clock.runtime)) as client:
        told: Any = report(ask(client))
    assert ended == [0, 1], "the first attempt's span has ended when the source is asked again"
    assert [attempt.duration for attempt in told.attempts] == [2, 3]
    seconds = emitted.metrics()["http.client.request.duration"].sums
    assert {dict(key)["http.response.status_code"]: value for key, value in seconds.items()} == {401: 2, 200: 3}
