"""Who looks on: settings, providers that come late or do nothing, and whoever fails while looking."""

from __future__ import annotations

import copy
import logging
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import NoOpTracerProvider

from anyint_resilience import Event, Resilience
from tests.conformance.emitted import Emitted
from tests.unit.telemetry_kit import CHAT, CREATE, KEY, STREAM, Wire, ask, calling

TWICE = (503, 200)


@pytest.fixture
def no_globals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nobody has set a provider yet."""
    for module, name in ((trace, "_TRACER_PROVIDER"), (metrics_internal, "_METER_PROVIDER")):
        monkeypatch.setattr(module, name, None)
        monkeypatch.setattr(module, f"{name}_SET_ONCE", type(getattr(module, f"{name}_SET_ONCE"))())


@pytest.fixture
def emitted() -> Iterator[Emitted]:
    with Emitted() as made:
        yield made


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [it.getMessage() for it in caplog.records if not hasattr(it, "anyint_event") and "failed" in it.getMessage()]


# --- settings


def test_all_problems_come_in_one_error() -> None:
    """Those of telemetry beside the others."""
    bad: dict[str, Any] = {
        "api_key": "two words",
        "spans": "sometimes",
        "tracer_provider": object(),
        "meter_provider": "global",
        "listeners": [print, 7],
    }
    with pytest.raises(ValueError) as caught:
        Resilience(**bad)
    said = str(caught.value)
    for words in ("api_key", "spans must be one of auto, always, call-only, off, not 'sometimes'"):
        assert words in said
    for words in ("tracer_provider must have a get_tracer", "meter_provider must have a get_meter", "not int"):
        assert words in said


@pytest.mark.parametrize("spans", [None, True, 1, "", ["auto"], "AUTO"])
def test_a_mode_there_is_not_is_a_named_problem(spans: Any) -> None:
    """Of whatever type it is."""
    with pytest.raises(ValueError, match="spans must be one of"):
        Resilience(spans=spans)


@pytest.mark.parametrize("listeners", [None, 7, print, "print", b"print", [None]])
def test_listeners_of_a_wrong_kind_are_a_named_problem(listeners: Any) -> None:
    """One alone is none of an iterable's either: it is named, too."""
    with pytest.raises(ValueError, match="listeners"):
        Resilience(listeners=listeners)


async def awaited(event: Event) -> None:
    raise AssertionError("nobody awaits it")


class Awaited:
    async def told(self, event: Event) -> None:
        raise AssertionError("nobody awaits it")


@pytest.mark.parametrize("listener", [awaited, Awaited().told], ids=["function", "method"])
def test_a_listener_that_would_have_to_be_awaited_is_a_named_problem(listener: Any) -> None:
    """Nobody would: it stands beside the others in the one error."""
    with pytest.raises(ValueError, match="coroutine function") as caught:
        Resilience(api_key="two words", listeners=[print, listener])
    assert "api_key" in str(caught.value)
    assert str(caught.value).count("listener") == 1


def test_listeners_may_be_any_iterable() -> None:
    """A generator as well, which is read once."""
    told: list[Event] = []
    with calling(Wire(*TWICE, 503), listeners=(it for it in [told.append])) as client:
        ask(client)
        ask(client)
    assert [event.name for event in told] == ["backoff", "recovered"] * 2


def test_the_whole_of_the_configuration_shows_no_provider() -> None:
    """Nor does it show a listener."""
    told = repr(Resilience(tracer_provider=NoOpTracerProvider(), listeners=[print]))
    assert "NoOp" not in told
    assert "print" not in told


# --- providers


@pytest.mark.usefixtures("no_globals")
def test_providers_set_after_the_configuration_was_made_are_found(emitted: Emitted) -> None:
    """Applications set up clients and telemetry in any order."""
    wire = Wire()
    with calling(wire) as client:
        ask(client)
        assert "traceparent" not in wire.sent[-1].headers
        trace.set_tracer_provider(emitted.tracers)
        ask(client)
        ask(client)
        assert len(emitted.spans()) == 4
        assert emitted.metrics() == {}
        metrics.set_meter_provider(emitted.meters)
        ask(client)
        assert sum(emitted.metrics()["anyint.calls"].sums.values()) == 1
    assert len(emitted.spans()) == 6
    assert wire.sent[-1].headers["traceparent"].split("-")[2] == emitted.spans()[-1].span_id


@pytest.mark.usefixtures("no_globals")
def test_a_meter_provider_may_come_first(emitted: Emitted) -> None:
    """Neither waits for the other."""
    with calling(Wire()) as client:
        metrics.set_meter_provider(emitted.meters)
        ask(client)
        assert emitted.spans() == []
        trace.set_tracer_provider(emitted.tracers)
        ask(client)
    assert sum(emitted.metrics()["anyint.calls"].sums.values()) == 2
    assert len(emitted.spans()) == 2


@pytest.mark.usefixtures("no_globals")
def test_providers_set_before_are_found_too(emitted: Emitted) -> None:
    """And those given to a configuration are stronger."""
    trace.set_tracer_provider(emitted.tracers)
    metrics.set_meter_provider(emitted.meters)
    with Emitted() as own, calling(Wire(), own.settings()) as client:
        ask(client)
        assert len(own.spans()) == 2
        assert own.metrics()
    assert emitted.spans() == []
    with calling(Wire()) as client:
        ask(client)
    assert len(emitted.spans()) == 2


@pytest.mark.usefixtures("no_globals")
def test_without_any_provider_nothing_is_added() -> None:
    """A request goes out as it is, on the fast lane."""
    wire = Wire()
    with calling(wire) as client:
        assert not client._transport.anyint.telemetry.active()  # type: ignore[attr-defined]
        ask(client)
    assert not {"traceparent", "tracestate"} & wire.sent[0].headers.keys()


@pytest.mark.usefixtures("no_globals")
@pytest.mark.parametrize("what", [CHAT, CREATE, STREAM], ids=["chat", "create", "stream"])
def test_providers_that_do_nothing_do_nothing(what: Any) -> None:
    """NoOp ones, given or set for the process."""
    given = {"tracer_provider": NoOpTracerProvider(), "meter_provider": NoOpMeterProvider()}
    for settings in (given, {}):
        wire = Wire(*TWICE)
        with calling(wire, settings) as client:
            assert ask(client, what).status_code == 200
        assert [it for it in wire.sent if "traceparent" in it.headers] == []
        trace.set_tracer_provider(NoOpTracerProvider())
        metrics.set_meter_provider(NoOpMeterProvider())


def test_providers_that_do_nothing_hand_the_trace_on(emitted: Emitted) -> None:
    """The application's own span is what the server is told."""
    wire = Wire(*TWICE)
    with calling(wire, tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider()) as client:
        with emitted.application() as span:
            ask(client)
    held = trace.format_span_id(span.get_span_context().span_id)
    assert [it.headers["traceparent"].split("-")[2] for it in wire.sent] == [held, held]


def test_metrics_without_spans_and_spans_without_metrics(emitted: Emitted) -> None:
    """Each can be turned off alone."""
    with calling(Wire(*TWICE), emitted.settings(spans="off")) as client:
        ask(client)
    assert emitted.spans() == []
    assert sum(emitted.metrics()["anyint.call.attempts"].sums.values()) == 2
    with calling(Wire(*TWICE), emitted.settings(meter_provider=NoOpMeterProvider())) as client:
        ask(client)
    assert len(emitted.spans()) == 3
    assert sum(emitted.metrics()["anyint.call.attempts"].sums.values()) == 2


def test_a_process_has_one_count_however_many_configurations(emitted: Emitted) -> None:
    """Two of them share the instruments of one provider, without a word from the SDK."""
    for _ in range(2):
        with calling(Wire(), emitted.settings()) as client:
            ask(client)
    assert sum(emitted.metrics()["anyint.calls"].sums.values()) == 2
    assert emitted.log.complaints == []


# --- whoever fails


def broken_listener(event: Event) -> None:
    raise RuntimeError("secret")


def test_a_listener_that_raises_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """The call goes on, the other listeners are told, and the report says who it was and not what it said."""
    told: list[Event] = []
    with calling(Wire(*TWICE * 3), listeners=[broken_listener, told.append]) as client:
        for _ in range(3):
            assert ask(client).status_code == 200
    assert [event.name for event in told] == ["backoff", "recovered"] * 3
    (said,) = complaints(caplog)
    assert said.startswith("the listener broken_listener failed (RuntimeError)")
    assert "secret" not in said


def test_a_listener_can_change_nothing_for_the_others(emitted: Emitted, caplog: pytest.LogCaptureFixture) -> None:
    """An event is told to each as it was; whoever tries to change it has failed."""
    told: list[dict[str, Any]] = []

    def meddles(event: Any) -> None:
        event.details["anyint.reason"] = "changed"

    def wipes(event: Any) -> None:
        event.details.clear()

    with calling(
        Wire(*TWICE), emitted.settings(listeners=[meddles, wipes, lambda it: told.append(dict(it.details))])
    ) as client:
        ask(client)
    assert len(emitted.log.complaints) == len(complaints(caplog)) == 2
    emitted.log.complaints.clear()
    assert told == [details for _, details in emitted.spans()[0].events]
    assert [it["anyint.action"] for it in told] == ["backoff", "deliver"]


def test_each_listener_that_raises_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """One that fails does not hide another."""

    class Another:
        def __call__(self, event: Event) -> None:
            raise KeyError("x")

    with calling(Wire(*TWICE), listeners=[broken_listener, Another()]) as client:
        ask(client)
    assert [said.split(" failed")[0] for said in complaints(caplog)] == [
        "the listener broken_listener",
        "the listener Another",
    ]


def test_an_interruption_in_a_listener_passes() -> None:
    """Ctrl-C is nobody's to keep."""

    def interrupted(event: Event) -> None:
        raise KeyboardInterrupt

    with calling(Wire(*TWICE), listeners=[interrupted]) as client, pytest.raises(KeyboardInterrupt):
        ask(client)


class BrokenHandler(logging.Handler):
    """A handler that raises, which the standard ones never do."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("full")


def test_a_log_handler_that_raises_is_reported_once_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the log itself is broken, a line on the standard error has to do; listeners are told all the same."""
    told: list[Event] = []
    handler = BrokenHandler()
    logger = logging.getLogger("anyint_resilience")
    logger.addHandler(handler)
    try:
        with calling(Wire(503, 503, 503, 503, 503, 503), listeners=[told.append]) as client:
            ask(client)
            ask(client)
    finally:
        logger.removeHandler(handler)
    assert len(told) >= 6
    assert capsys.readouterr().err.count("anyint_resilience: a log handler failed (RuntimeError)") == 1


def test_no_standard_error_at_all_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without a console has none."""
    handler = BrokenHandler()
    logger = logging.getLogger("anyint_resilience")
    logger.addHandler(handler)
    monkeypatch.setattr(sys, "stderr", None)
    try:
        with calling(Wire(503, 503, 503)) as client:
            assert ask(client).status_code == 503
    finally:
        logger.removeHandler(handler)


class Failing(SpanProcessor):
    """A processor that raises at one of its steps."""

    def __init__(self, step: str) -> None:
        self.step = step

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self.step == "start":
            raise RuntimeError("full")

    def on_end(self, span: Any) -> None:
        if self.step == "end":
            raise RuntimeError("full")


@pytest.mark.parametrize("step", ["start", "end"])
@pytest.mark.parametrize("what", [CHAT, CREATE, STREAM], ids=["chat", "create", "stream"])
def test_a_span_processor_that_raises_changes_nothing(
    step: str, what: Any, emitted: Emitted, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer comes, metrics and listeners are told all there is, and it is reported once."""
    emitted.tracers.add_span_processor(Failing(step))
    with calling(Wire(*TWICE * 2), emitted.settings()) as client:
        for number in range(2):
            assert ask(client, (what[0], {**what[1], "seed": number})).status_code == 200
    events = [event.name for event in emitted.events]
    assert events[:2] == ["backoff", "poll" if what is CREATE else "recovered"]
    found = emitted.metrics()
    assert sum(found["anyint.calls"].sums.values()) == 2
    assert sum(found["http.client.request.duration"].counts.values()) == 4
    assert sum(found["anyint.retries"].sums.values()) == 2
    assert len(complaints(caplog)) == 1
    assert not trace.get_current_span().get_span_context().is_valid


def test_providers_that_raise_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """At once or when they are asked for the first time; reported once each."""

    class Broken:
        def get_tracer(self, *args: Any, **more: Any) -> Any:
            raise RuntimeError("no")

        get_meter = get_tracer

    broken: Any = Broken()
    with calling(Wire(*TWICE), tracer_provider=broken, meter_provider=broken) as client:
        for _ in range(2):
            assert ask(client).status_code == 200
    assert len(complaints(caplog)) == 2


# --- copies


def test_a_configuration_with_providers_can_be_pickled(emitted: Emitted) -> None:
    """Providers stay behind, since they can't be: the copy has the process's. Spans' mode and listeners go along."""
    made = Resilience(api_key=KEY, **emitted.settings(spans="call-only", listeners=[broken_listener]))
    copied = pickle.loads(pickle.dumps(made))
    assert (copied.api_key, copied.spans, copied.listeners) == (KEY, "call-only", (broken_listener,))
    assert copied.tracer_provider is copied.meter_provider is None
    with calling(Wire(), tracer_provider=emitted.tracers) as client:
        client._transport = type(client._transport)(copied, transport=Wire())  # type: ignore[call-arg]
        assert ask(client).status_code == 200


def test_a_configuration_can_be_copied(emitted: Emitted) -> None:
    """In one process a copy works like what it is a copy of."""
    copied = copy.copy(Resilience(api_key=KEY, **emitted.settings()))
    with calling(Wire()) as client:
        client._transport = type(client._transport)(copied, transport=Wire())  # type: ignore[call-arg]
        assert ask(client).status_code == 200
