"""Spans and metrics leave by OTLP/HTTP: what a receiver gets over a socket is the tree of a call, and nothing else.

Must not know how it is done. The receiver is a small server that reads with the official protobuf classes.
"""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the OTLP/HTTP exporter is not installed")

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

from anyint_resilience.emulator import Emulator
from tests.conformance.kit import ASK, CHAT, configured
from tests.conformance.surfaces import Surface, calling, every_surface
from tests.real.tracing_kit import OURS, THREE, Traces, instrumented, wire


class Receiver:
    """An OTLP/HTTP receiver: keeps what it was sent, and answers as OTLP's specification says."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.traces: list[Any] = []
        self.metrics: list[Any] = []
        self.wrong: list[str] = []

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Read a request: the status and the body to answer with."""
        self.headers.append(headers)
        if headers.get("content-type") != "application/x-protobuf" or headers.get("content-encoding") != "gzip":
            self.wrong.append(f"{path}: {headers}")
            return 415, b""
        known: dict[str, tuple[list[Any], Any, Any]] = {
            "/v1/traces": (self.traces, trace_pb.ExportTraceServiceRequest, trace_pb.ExportTraceServiceResponse),
            "/v1/metrics": (
                self.metrics,
                metrics_pb.ExportMetricsServiceRequest,
                metrics_pb.ExportMetricsServiceResponse,
            ),
        }
        kept, asked, answer = known[path]
        kept.append(asked.FromString(gzip.decompress(body)))
        return 200, answer().SerializeToString()

    def spans(self) -> list[tuple[Any, Any]]:
        """Return each span that came, in the order in which they began, with its scope."""
        found = [
            (span, scope)
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return sorted(found, key=lambda pair: pair[0].start_time_unix_nano)


class Handler(BaseHTTPRequestHandler):
    receiver: ClassVar[Receiver]
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, answer = self.receiver.take(self.path, headers, body)
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.block_on_close = False
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def receiver(server: ThreadingHTTPServer) -> Receiver:
    Handler.receiver = Receiver()
    return Handler.receiver


RESOURCE = Resource({"service.name": "shop"})


def address(server: ThreadingHTTPServer, signal: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/v1/{signal}"


@contextlib.contextmanager
def tracing(server: ThreadingHTTPServer, **more: Any) -> Iterator[TracerProvider]:
    """Give a provider that sends its spans, and has sent all at the end."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(address(server, "traces"), compression=Compression.Gzip, timeout=5, **more)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    try:
        yield provider
        assert provider.force_flush()
    finally:
        provider.shutdown()


@contextlib.contextmanager
def metering(server: ThreadingHTTPServer) -> Iterator[MeterProvider]:
    exporter = OTLPMetricExporter(address(server, "metrics"), compression=Compression.Gzip, timeout=5)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
    provider = MeterProvider([reader], resource=RESOURCE, shutdown_on_exit=False)
    try:
        yield provider
        assert provider.force_flush()
    finally:
        provider.shutdown()


def attributes(of: Any) -> dict[str, Any]:
    return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in of.attributes}


@every_surface
def test_the_tree_of_a_call_arrives(surface: Surface, emu: Emulator, server: Any, receiver: Receiver) -> None:
    """One call with three attempts: four spans of one trace, each where it belongs, with what was said of it."""
    emu.script(*THREE)
    with tracing(server) as provider:
        anyint = configured(emu, tracer_provider=provider)
        with calling(surface, anyint, base_url=emu.url) as caller:
            caller.request("POST", CHAT, json=ASK)
    assert receiver.wrong == []
    (call, scope), *attempts = receiver.spans()
    said = scope.schema_url or "https://opentelemetry.io/schemas/1.37.0"  # exporters before 1.31 leave it out
    assert (scope.scope.name, said) == (OURS, "https://opentelemetry.io/schemas/1.37.0")
    assert attributes(receiver.traces[0].resource_spans[0].resource) == {"service.name": "shop"}
    assert (call.kind, call.parent_span_id, call.status.code) == (
        Span.SPAN_KIND_INTERNAL,
        b"",
        Status.STATUS_CODE_UNSET,
    )
    assert [event.name for event in call.events] == ["gate closed", "backoff", "backoff", "gate opened", "recovered"]
    said = attributes(call)
    assert (said["anyint.attempts"], said["anyint.outcome"]) == (3, "success")
    assert [(it.kind, it.parent_span_id, it.trace_id) for it, _ in attempts] == [
        (Span.SPAN_KIND_CLIENT, call.span_id, call.trace_id)
    ] * 3
    states = [(it.status.code, attributes(it).get("error.type")) for it, _ in attempts]
    failed, fine = Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET
    assert [call.status.code, *(code for code, _ in states)] == [fine, failed, failed, fine]
    assert (states[0][1], states[2][1]) == ("429", None)
    assert [attributes(it).get("http.request.resend_count") for it, _ in attempts] == [None, 1, 2]
    assert [(int.from_bytes(it.trace_id, "big"), int.from_bytes(it.span_id, "big")) for it, _ in attempts] == wire(emu)
    assert all(it.start_time_unix_nano <= it.end_time_unix_nano <= call.end_time_unix_nano for it, _ in attempts)


@every_surface
def test_metrics_arrive(surface: Surface, emu: Emulator, server: Any, receiver: Receiver) -> None:
    """Every instrument that was used arrives under its name and unit, counters as monotonic sums."""
    emu.script(*THREE)
    with metering(server) as provider:
        anyint = configured(emu, meter_provider=provider, spans="off")
        with calling(surface, anyint, base_url=emu.url) as caller:
            caller.request("POST", CHAT, json=ASK)
    assert receiver.wrong == []
    (resource,) = receiver.metrics[0].resource_metrics
    found = {it.name: it for scope in resource.scope_metrics if scope.scope.name == OURS for it in scope.metrics}
    assert {name: it.unit for name, it in found.items()} == {
        "http.client.request.duration": "s",
        "anyint.calls": "{call}",
        "anyint.call.duration": "s",
        "anyint.call.attempts": "{attempt}",
        "anyint.failures": "{attempt}",
        "anyint.retries": "{retry}",
        "anyint.wait.time": "s",
        "anyint.gate.closed": "{closing}",
    }
    assert sum(point.count for point in found["http.client.request.duration"].histogram.data_points) == 3
    retries = found["anyint.retries"].sum
    assert retries.is_monotonic
    assert sum(point.as_int for point in retries.data_points) == 2


def test_what_exports_is_not_traced(emu: Emulator, server: Any, receiver: Receiver) -> None:
    """The exporter's own requests make no spans: not by requests' instrumentation, nor where they go through ours."""
    import requests

    import anyint_resilience_requests

    anyint = configured(emu)
    session = anyint_resilience_requests.wrap(requests.Session(), anyint)
    with session, tracing(server, session=session) as provider:
        traces = Traces()
        traces.provider = provider
        with instrumented("requests", traces):
            ours = configured(emu, tracer_provider=provider)
            with calling(Surface("requests"), ours, base_url=emu.url) as caller:
                caller.request("POST", CHAT, json=ASK)
            provider.force_flush()
    names = [(scope.scope.name, span.kind) for span, scope in receiver.spans()]
    assert names == [
        ("opentelemetry.instrumentation.requests", Span.SPAN_KIND_INTERNAL),
        (OURS, Span.SPAN_KIND_INTERNAL),
        (OURS, Span.SPAN_KIND_CLIENT),
    ]
    for headers in receiver.headers:
        assert not {"authorization", "x-api-key", "traceparent"} & headers.keys()


@every_surface
def test_an_exporter_may_call_anyint(surface: Surface, emu: Emulator) -> None:
    """An exporter that itself asks a model does not export its own calls, which would never end."""
    asked: list[str] = []

    class Summary(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            asked.extend(span.name for span in spans)
            if len(asked) > 2:
                raise AssertionError("it exports its own calls")
            with calling(Surface("requests"), anyint, base_url=emu.url) as another:
                another.request("POST", CHAT, json=ASK)
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            """Do nothing."""

        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Summary()))
    anyint = configured(emu, tracer_provider=provider)
    with calling(surface, anyint, base_url=emu.url) as caller:
        assert caller.request("POST", CHAT, json=ASK).status == 200
    assert asked == [f"POST {CHAT}", f"generate {CHAT}"]
    assert len(emu.seen) == 1 + len(asked)
    assert sum(named is None for named in wire(emu)) == len(asked)
