"""Events in the log: one record each, with the event's fields, at the level of its row, if anybody wants it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from anyint_resilience import Event, Guards
from anyint_resilience.contract.words import Family, Operation
from anyint_resilience.telemetry import logs
from anyint_resilience.telemetry.words import EVENTS
from tests.conformance.emitted import Emitted
from tests.unit.telemetry_kit import CHAT, CREATE, KEY, Wire, ask, calling, silently
from tests.unit.telemetry_stories_guards import SPARE

BACKOFF = Event(
    name="backoff",
    level=logging.INFO,
    route="POST /x",
    family=Family.OPENAI,
    operation=Operation.GENERATE,
    attempt=1,
    details={"anyint.attempt": 1, "http.response.status_code": 503, "error.type": "x", "anyint.reason": "busy"},
    trace_id="t" * 32,
    span_id="s" * 16,
)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "anyint_resilience"):
        yield caplog


def test_a_record_has_the_fields_of_its_event(log: pytest.LogCaptureFixture) -> None:
    """Plain names without dots, for whatever formats them; the ids of the span, so that logs and traces meet."""
    logs.write(BACKOFF)
    (record,) = log.records
    held = {name: value for name, value in vars(record).items() if name.startswith("anyint_")}
    assert held == {
        "anyint_event": "backoff",
        "anyint_route": "POST /x",
        "anyint_family": "openai",
        "anyint_operation": "generate",
        "anyint_attempt": 1,
        "anyint_http_response_status_code": 503,
        "anyint_error_type": "x",
        "anyint_reason": "busy",
    }
    assert (record.trace_id, record.span_id) == ("t" * 32, "s" * 16)  # type: ignore[attr-defined]
    assert (record.name, record.levelno) == ("anyint_resilience", logging.INFO)
    assert record.getMessage() == "POST /x: backoff: busy"


def test_a_record_of_a_route_without_a_family(log: pytest.LogCaptureFixture) -> None:
    """What is not known is None; without a reason the message ends with the event's name."""
    logs.write(Event(name="poll", level=10, route="* /x", family=None, operation=Operation.OTHER, attempt=0))
    (record,) = log.records
    assert record.getMessage() == "* /x: poll"
    assert (record.anyint_family, record.trace_id) == (None, None)  # type: ignore[attr-defined]


def test_a_percent_sign_is_a_percent_sign(log: pytest.LogCaptureFixture) -> None:
    """A reason is no format."""
    details: dict[str, Any] = {"anyint.reason": "100 %s %d"}
    logs.write(
        Event(name="poll", level=20, route="* /%s", family=None, operation=Operation.OTHER, attempt=0, details=details)
    )
    assert log.records[0].getMessage() == "* /%s: poll: 100 %s %d"


def test_a_level_nobody_wants_costs_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for before anything is put together."""
    asked: list[int] = []

    def enabled(level: int) -> bool:
        asked.append(level)
        return False

    monkeypatch.setattr(logs.LOG, "isEnabledFor", enabled)
    monkeypatch.setattr(logs.LOG, "log", lambda *args, **more: pytest.fail("a record was made"))
    logs.write(BACKOFF)
    assert asked == [logging.INFO]


def test_the_level_is_the_loggers(caplog: pytest.LogCaptureFixture) -> None:
    """WARNING shows what was given up and hides what passed."""
    with caplog.at_level(logging.WARNING, "anyint_resilience"), calling(Wire(503, 200, 503, 503, 503)) as client:
        ask(client)
        ask(client)
    assert [record.anyint_event for record in caplog.records] == ["given up"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answers", "levels"),
    [
        ((503, 200), [("backoff", "INFO"), ("recovered", "INFO")]),
        ((400,), [("given up", "INFO")]),
        ((404,), [("given up", "INFO")]),
        ((401,), [("given up", "WARNING")]),
        ((503, 400), [("backoff", "INFO"), ("given up", "WARNING")]),
        ((503, 503, 503), [("backoff", "INFO"), ("backoff", "INFO"), ("given up", "WARNING")]),
    ],
)
def test_a_refusal_of_the_requests_own_is_no_warning(
    answers: tuple[int, ...], levels: list[tuple[str, str]], log: pytest.LogCaptureFixture
) -> None:
    """The application gets the answer and knows what it asked for; all else that is given up is one."""
    with calling(Wire(*answers)) as client:
        ask(client)
    assert [(it.anyint_event, it.levelname) for it in log.records if it.name == "anyint_resilience"] == levels  # type: ignore[attr-defined]


def test_events_are_logged_without_any_provider(log: pytest.LogCaptureFixture) -> None:
    """The log needs no OpenTelemetry: there are no ids then, and the rest is the same."""
    with calling(Wire(KeyboardInterrupt())) as client:
        silently(ask, client, CREATE)
    (record,) = [it for it in log.records if it.name == "anyint_resilience"]
    assert (record.anyint_event, record.anyint_operation, record.trace_id) == ("outcome unknown", "create", None)  # type: ignore[attr-defined]


def test_nothing_is_set_up(log: pytest.LogCaptureFixture) -> None:
    """No handler, level or filter of ours stands on any logger."""
    assert logs.LOG.handlers == [] == logs.LOG.filters
    assert logs.LOG.propagate
    assert {row.level for row in EVENTS.values()} <= {logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR}


def test_the_log_says_no_key(log: pytest.LogCaptureFixture) -> None:
    """Only what stands for it."""
    with Emitted() as emitted, calling(Wire(401), emitted.settings()) as client:
        ask(client, CHAT)
    assert emitted.log.records
    assert all(KEY not in repr(vars(record)) for record in emitted.log.records)


@pytest.mark.parametrize("name", ["trace_id", "span_id"])
def test_a_record_factory_that_knows_the_trace_loses_no_event(name: str, log: pytest.LogCaptureFixture) -> None:
    """Many an application puts the ids on every record itself."""
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **more: Any) -> logging.LogRecord:
        record = before(*args, **more)
        setattr(record, name, "the application's")
        return record

    logging.setLogRecordFactory(factory)
    try:
        with calling(Wire(503)) as client:
            ask(client)
    finally:
        logging.setLogRecordFactory(before)
    told = [it for it in log.records if it.name == "anyint_resilience"]
    assert [getattr(it, "anyint_event", it.getMessage()) for it in told] == ["backoff", "recovered"]


def test_a_handler_that_looks_for_a_key_does_not_log_twice(log: pytest.LogCaptureFixture) -> None:
    """The handlers before it have the record, and get no other."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise KeyError("missing")

    with Emitted() as emitted:  # its handler comes first
        broken = Broken()
        logs.LOG.addHandler(broken)
        try:
            with calling(Wire(503), emitted.settings()) as client:
                ask(client)
        finally:
            logs.LOG.removeHandler(broken)
    told = [record.anyint_event for record in emitted.log.records]  # type: ignore[attr-defined]
    assert told == [event.name for event in emitted.events] == ["backoff", "recovered"]


def test_the_line_of_a_fallback_names_workload_models_and_cause(log: pytest.LogCaptureFixture) -> None:
    """A fallback is seen in the plainest log (AnyInt: log every fallback with workload, primary, fallback, reason)."""
    with calling(Wire(503, 503, 200), fallbacks=[SPARE]) as client:
        ask(client)
    (said,) = [it.getMessage() for it in log.records if it.anyint_event == "fallback"]  # type: ignore[attr-defined]
    assert said.endswith("/chat/completions: fallback: chat goes from gpt-5 to gpt-5-mini, cause transient")


def test_a_gate_that_a_rate_limit_closes_is_no_warning(log: pytest.LogCaptureFixture) -> None:
    """It is everyday business; a used-up quota is a warning. Both lines say what closed it."""
    quota = b'{"error": {"code": "insufficient_quota", "type": "insufficient_quota", "message": "out of credits"}}'
    with calling(Wire(429, 200, (429, quota)), guards=Guards()) as client:
        ask(client)
        ask(client)
    said = [(it.levelname, it.getMessage().partition(": gate closed: ")[2]) for it in log.records]
    assert [it for it in said if it[1]] == [
        ("INFO", "a rate limit: calls of this key and model wait in line"),
        ("WARNING", "a used-up quota: calls of this key and model are refused"),
    ]
