"""OpenTelemetry as an application sets it up: metrics at an endpoint that Prometheus scrapes, spans in memory.

Must not know what is called. Everything listens on loopback, on a free port.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import start_http_server

__all__ = ["metrics_endpoint", "spans_in_memory"]

RESOURCE = Resource.create({"service.name": "observed"})


@contextlib.contextmanager
def metrics_endpoint() -> Iterator[tuple[MeterProvider, int]]:
    """Serve metrics while the block runs; yields the provider to record with and the port they are at."""
    provider = MeterProvider(metric_readers=[PrometheusMetricReader()], resource=RESOURCE)
    server, thread = start_http_server(0, "127.0.0.1")
    try:
        yield provider, server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        provider.shutdown()


@contextlib.contextmanager
def spans_in_memory() -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    """Keep every span that ends while the block runs."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    try:
        yield provider, exporter
    finally:
        provider.shutdown()
