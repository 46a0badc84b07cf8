"""The spans of a call in every mode, what is handed on to the server, and who else may be around."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled, suppress_instrumentation
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import SpanKind

from anyint_resilience import Policy
from anyint_resilience.telemetry.words import SCHEMA_URL, SCOPE
from tests.conformance.emitted import Emitted, Span
from tests.unit.telemetry_kit import CHAT, CREATE, HOST, KEY, STREAM, Wire, ask, calling

TWICE = (503, 200)


@pytest.fixture
def emitted() -> Iterator[Emitted]:
    with Emitted() as made:
        yield made


def parents(wire: Wire) -> list[str | None]:
    """The ids of the spans that the requests were sent under."""
    held = [request.headers.get("traceparent") for request in wire.sent]
    return [None if it is None else it.split("-")[2] for it in held]


def of_kind(spans: list[Span], kind: str) -> list[Span]:
    return [span for span in spans if span.kind == kind]


# --- modes


@pytest.mark.parametrize("mode", ["auto", "always"])
def test_a_call_has_its_attempts_below_it(mode: str, emitted: Emitted) -> None:
    """The call is a trace's root where nothing is around it; each attempt is sent under its own span."""
    wire = Wire(*TWICE)
    with calling(wire, emitted.settings(spans=mode)) as client:
        ask(client)
    call, first, second = emitted.spans()
    assert (call.kind, call.parent, call.name) == ("INTERNAL", None, f"generate {CHAT[0]}")
    assert [(it.kind, it.parent, it.name) for it in (first, second)] == [
        ("CLIENT", call.span_id, f"POST {CHAT[0]}")
    ] * 2
    assert parents(wire) == [first.span_id, second.span_id]
    assert "http.request.resend_count" not in first.attributes
    assert second.attributes["http.request.resend_count"] == 1


def test_the_scope_says_who_and_by_which_conventions(emitted: Emitted) -> None:
    """Name, version and schema are on spans and metrics."""
    with calling(Wire(), emitted.settings()) as client:
        ask(client)
    scope = emitted.spans()[0].sdk.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.schema_url) == (SCOPE, SCHEMA_URL)
    assert scope.version


def test_call_only_leaves_the_attempts_to_others(emitted: Emitted) -> None:
    """What is sent goes out under the call's span, and instrumentations below are not told to keep quiet."""
    wanted: list[bool] = []
    wire = Wire(lambda: wanted.append(is_http_instrumentation_enabled()) or 503, 200)
    with calling(wire, emitted.settings(spans="call-only")) as client:
        ask(client)
    (call,) = emitted.spans()
    assert parents(wire) == [call.span_id] * 2
    assert [name for name, _ in call.events] == ["backoff", "recovered"]
    assert (call.attributes["anyint.attempts"], wanted) == (2, [True])


def test_off_is_off(emitted: Emitted) -> None:
    """No span, no header, though somebody traces; events are told with the ids of the span around them."""
    wire = Wire(*TWICE)
    with calling(wire, emitted.settings(spans="off")) as client, emitted.application() as around:
        ask(client)
    trace_id = trace.format_trace_id(around.get_span_context().trace_id)
    assert emitted.spans() == []
    assert parents(wire) == [None, None]
    assert [(event.name, event.trace_id) for event in emitted.events] == [
        ("backoff", trace_id),
        ("recovered", trace_id),
    ]


@pytest.mark.parametrize(("mode", "wanted"), [("auto", False), ("always", True)])
def test_http_instrumentations_keep_quiet_while_we_send(mode: str, wanted: bool, emitted: Emitted) -> None:
    """Only while we do, and only in ``auto``: the attempt's span is current then, and so is its context."""
    seen: list[Any] = []

    def looked() -> int:
        seen.append((is_http_instrumentation_enabled(), trace.get_current_span()))
        return 200

    with calling(Wire(looked), emitted.settings(spans=mode)) as client:
        ask(client)
    ((enabled, span),) = seen
    assert enabled is wanted
    assert trace.format_span_id(span.get_span_context().span_id) == emitted.spans()[1].span_id
    assert is_http_instrumentation_enabled()
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize(
    ("mode", "scope", "kind"),
    [
        ("auto", "opentelemetry.instrumentation.requests", SpanKind.INTERNAL),
        ("auto", "opentelemetry.instrumentation.httpx", SpanKind.INTERNAL),
        ("auto", "opentelemetry.instrumentation.aiohttp_client", SpanKind.INTERNAL),
        ("auto", "opentelemetry.instrumentation.django", SpanKind.CLIENT),
        ("always", "opentelemetry.instrumentation.requests", SpanKind.CLIENT),
        ("call-only", "opentelemetry.instrumentation.requests", SpanKind.CLIENT),
    ],
)
def test_an_instrumentation_around_us_makes_way(mode: str, scope: str, kind: SpanKind, emitted: Emitted) -> None:
    """One request of the wire has one CLIENT span: in ``auto`` the span around the whole call becomes INTERNAL."""
    tracer = emitted.tracers.get_tracer(scope)
    with calling(Wire(), emitted.settings(spans=mode)) as client:
        with tracer.start_as_current_span("POST", kind=SpanKind.CLIENT) as around:
            ask(client)
    assert around.kind is kind  # type: ignore[attr-defined]


# --- sampled or not


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF)])
def test_a_call_that_is_not_sampled_is_handed_on_as_such(sampler: Sampler) -> None:
    """No spans, a header that says so, and everything else as ever."""
    wire = Wire(*TWICE)
    with Emitted(sampler) as emitted, calling(wire, emitted.settings()) as client:
        assert ask(client, STREAM).status_code == 200
    assert emitted.spans() == []
    flags = [request.headers["traceparent"].rpartition("-")[2] for request in wire.sent]
    assert [int(it, 16) & 1 for it in flags] == [0, 0]
    assert sum(emitted.metrics()["anyint.streams"].sums.values()) == 1
    assert [event.name for event in emitted.events] == ["backoff", "recovered"]
    assert all(event.trace_id is not None for event in emitted.events)


class CallsOnly(Sampler):
    """Takes calls and leaves attempts out."""

    def should_sample(self, *args: Any, **more: Any) -> SamplingResult:
        kind = more.get("kind", args[3] if len(args) > 3 else None)
        return SamplingResult(Decision.DROP if kind is SpanKind.CLIENT else Decision.RECORD_AND_SAMPLE)

    def get_description(self) -> str:
        return "calls only"


def test_a_sampler_may_leave_the_attempts_out() -> None:
    """Then the call's span stands alone, and still has its events."""
    with Emitted(CallsOnly()) as emitted, calling(Wire(*TWICE), emitted.settings()) as client:
        ask(client)
    (call,) = emitted.spans()
    assert [name for name, _ in call.events] == ["backoff", "recovered"]


def test_where_everybody_is_told_to_keep_quiet_we_do(emitted: Emitted) -> None:
    """An exporter's own calls must not make spans to export."""
    wire = Wire()
    with calling(wire, emitted.settings()) as client:
        with suppress_instrumentation():
            ask(client)
    assert emitted.spans() == []
    assert parents(wire) == [None]


# --- propagation


def test_what_the_caller_wrote_gives_way(emitted: Emitted) -> None:
    """One ``traceparent`` goes out, the attempt's; the caller's request keeps its own."""
    wire = Wire()
    theirs = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    with calling(wire, emitted.settings()) as client:
        request = client.build_request("POST", CHAT[0], json=CHAT[1], headers={"traceparent": theirs})
        client.send(request)
    assert parents(wire) == [emitted.spans()[1].span_id]
    assert request.headers["traceparent"] == theirs
    assert len(wire.sent[0].headers.get_list("traceparent")) == 1


def test_the_propagators_of_the_process_are_used(emitted: Emitted) -> None:
    """Whatever they are; a key they set is not sent."""

    class Own(TextMapPropagator):
        def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
            carrier["X-Own"] = trace.get_current_span(context).get_span_context().span_id.to_bytes(8, "big").hex()
            carrier["Authorization"] = "Bearer stolen"

        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            return context

        @property
        def fields(self) -> set[str]:
            return {"X-Own"}

    wire, before = Wire(), propagate.get_global_textmap()
    propagate.set_global_textmap(Own())
    try:
        with calling(wire, emitted.settings()) as client:
            ask(client)
    finally:
        propagate.set_global_textmap(before)
    assert wire.sent[0].headers["x-own"] == emitted.spans()[1].span_id
    assert wire.sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert "traceparent" not in wire.sent[0].headers


def test_a_propagator_that_raises_changes_nothing(
    emitted: Emitted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The request goes out without a header, its spans are whole, and it is reported once."""

    def inject(*args: Any, **more: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(propagate.get_global_textmap(), "inject", inject)
    wire = Wire(*TWICE)
    with calling(wire, emitted.settings()) as client, emitted.application() as span:
        assert ask(client).status_code == 200
        assert trace.get_current_span() is span
    assert parents(wire) == [None, None]
    assert len([it for it in caplog.records if "failed (RuntimeError)" in it.getMessage()]) == 1
    emitted.log.complaints.clear()
    assert len(emitted.spans()) == 3


def test_baggage_goes_along_as_the_process_wants(emitted: Emitted) -> None:
    """It is the application's, and so is what it puts in."""
    wire = Wire()
    with calling(wire, emitted.settings()) as client:
        token = context.attach(baggage.set_baggage("tenant", "one"))
        try:
            ask(client)
        finally:
            context.detach(token)
    assert wire.sent[0].headers["baggage"] == "tenant=one"


def test_a_stranger_gets_nothing(emitted: Emitted) -> None:
    """No span, no header, though one is current."""
    wire = Wire(503)
    with calling(wire, emitted.settings()) as client, emitted.application():
        assert client.post("https://elsewhere.example/x", json={}).status_code == 503
    assert emitted.spans() == []
    assert parents(wire) == [None]
    assert emitted.metrics() == {}


# --- what stands on them


def test_an_unknown_method_is_other(emitted: Emitted) -> None:
    """As the conventions have it, with the original beside it."""
    with calling(Wire(), emitted.settings()) as client:
        client.request("BREW", "/openai/v1/things")
    call, attempt = emitted.spans()
    assert attempt.name == "HTTP /openai/{rest}"
    assert attempt.attributes["http.request.method"] == "_OTHER"
    assert attempt.attributes["http.request.method_original"] == "BREW"
    assert call.name == "other /openai/{rest}"


def test_a_query_is_not_remembered_for_another(emitted: Emitted) -> None:
    """Two calls to one path with other queries have each its own."""
    with calling(Wire(), emitted.settings()) as client:
        for number in (1, 2):
            client.get(f"/suno/query/task?taskId=t{number}&key=secret")
    urls = [span.attributes["url.full"] for span in of_kind(emitted.spans(), "CLIENT")]
    assert urls == [f"{HOST}/suno/query/task?taskId=t{number}&key=REDACTED" for number in (1, 2)]


def test_an_answers_request_id_stands_on_its_attempt(emitted: Emitted) -> None:
    """Each attempt's own; no other header does."""
    headers = [{"x-request-id": f"req_{number}", "set-cookie": "session=secret"} for number in (1, 2)]
    answers = [httpx.Response(status, headers=it) for status, it in zip(TWICE, headers, strict=True)]
    with calling(Wire(*answers), emitted.settings()) as client:
        ask(client)
    found = [
        {name: it for name, it in span.attributes.items() if ".header." in name}
        for span in of_kind(emitted.spans(), "CLIENT")
    ]
    assert found == [{"http.response.header.x-request-id": (f"req_{number}",)} for number in (1, 2)]


def test_a_key_source_that_fails_ends_the_call(emitted: Emitted) -> None:
    """Nothing was sent: no attempt, an error, and the log says what stopped it."""

    def source() -> str:
        raise RuntimeError("vault is down")

    with calling(Wire(), emitted.settings(api_key=source)) as client, pytest.raises(RuntimeError):
        ask(client)
    (call,) = emitted.spans()
    assert (call.attributes["anyint.outcome"], call.attributes["anyint.attempts"], call.failed) == ("error", 0, True)
    assert [name for name, _ in call.events] == ["cut off"]
    assert "vault" not in emitted.everything()


def test_a_call_that_is_switched_off_is_still_seen(emitted: Emitted) -> None:
    """``enabled=False`` decides nothing; what came of it is its status."""
    with calling(Wire(503, 200), emitted.settings(policy=Policy(enabled=False))) as client:
        assert ask(client).status_code == 503
        assert ask(client).status_code == 200
    calls = of_kind(emitted.spans(), "INTERNAL")
    assert [(it.attributes["anyint.outcome"], it.failed) for it in calls] == [("failed", True), ("success", False)]
    assert [it.failed for it in of_kind(emitted.spans(), "CLIENT")] == [True, False]


def test_a_lost_create_stands_in_the_trace_by_its_intent(emitted: Emitted) -> None:
    """By which it can be forgotten; the one held back has the same."""
    with calling(Wire(httpx.ReadError("reset")), emitted.settings()) as client:
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                ask(client, CREATE)
    first, second = of_kind(emitted.spans(), "INTERNAL")
    assert first.attributes["anyint.intent"] == second.attributes["anyint.intent"]
    assert [it.attributes["anyint.certainty"] for it in (first, second)] == ["unknown", "unknown"]


def test_a_body_that_was_read_already_is_no_stream_to_follow(emitted: Emitted) -> None:
    """A transport that gives whole answers, as caches and mocks do: the call is over when the answer is handed over."""
    answer = httpx.Response(200, content=b"data: [DONE]\n\n")
    with calling(Wire(answer), emitted.settings()) as client:
        ask(client, STREAM)
        assert len(emitted.spans()) == 2
