"""OpenTelemetry as the tests here use it: spans kept in memory, instrumentations for a while, and parts that fail.

Must not leave anything global behind, nor know what the spans of a call should be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from typing import Any

import pytest

pytest.importorskip("h11", reason="the emulator needs h11")
pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed")

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind

from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.surfaces import Caller

__all__ = [
    "FIXED",
    "NAMELESS",
    "OURS",
    "RAISING",
    "SILENT",
    "THREE",
    "Injecting",
    "Picky",
    "Traces",
    "broken",
    "dull",
    "foreign",
    "instrumentation",
    "instrumented",
    "instrumentor",
    "known",
    "make",
    "metering",
    "provided",
    "sdk",
    "some",
    "wire",
]

OURS = "anyint_resilience"
THREE = (Fault.error(429, retry_after=1), Fault(reset="before_headers"))
"""What makes a call of three attempts: a refusal, a lost connection, and then the answer."""

INSTRUMENTORS = {
    "httpx": ("httpx", "HTTPXClientInstrumentor"),
    "httpx2": ("httpx", "HTTPX2ClientInstrumentor"),
    "requests": ("requests", "RequestsInstrumentor"),
    "aiohttp": ("aiohttp_client", "AioHttpClientInstrumentor"),
    "urllib3": ("urllib3", "URLLib3Instrumentor"),
}


class Traces:
    """A tracer provider whose ended spans are kept."""

    def __init__(self, **options: Any) -> None:
        self.kept = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.tracer = self.provider.get_tracer("application")

    def spans(self, scope: str | None = None, kind: SpanKind | None = None) -> list[Any]:
        """Return the spans in the order in which they began; only those of a scope or a kind, if one is given."""
        spans: list[Any] = sorted(self.kept.get_finished_spans(), key=lambda span: span.start_time or 0)
        return [
            span for span in spans if scope in (None, span.instrumentation_scope.name) and kind in (None, span.kind)
        ]

    def attempts(self) -> list[Any]:
        """Return our spans of attempts."""
        return self.spans(OURS, SpanKind.CLIENT)

    def calls(self) -> list[Any]:
        """Return our spans of calls."""
        return self.spans(OURS, SpanKind.INTERNAL)

    def others(self) -> list[Any]:
        """Return the spans of instrumentations."""
        return [span for span in self.spans() if span.instrumentation_scope.name.startswith("opentelemetry.")]


def wire(emu: Emulator) -> list[tuple[int, int] | None]:
    """Return which trace and span the ``traceparent`` of each request names that came; None without one."""
    found: list[tuple[int, int] | None] = []
    for seen in emu.seen:
        values = [value for name, value in seen.raw_headers if name.lower() == b"traceparent"]
        assert len(values) <= 1, "two traceparent headers on one request"
        parts = values[0].decode().split("-") if values else ()
        found.append((int(parts[1], 16), int(parts[2], 16)) if parts else None)
    return found


def instrumentation(library: str) -> Any:
    """Return the module of OpenTelemetry's instrumentation of a client; skip the test where it is not installed."""
    name = INSTRUMENTORS[library][0]
    return pytest.importorskip(
        f"opentelemetry.instrumentation.{name}", reason=f"opentelemetry-instrumentation-{name} is not installed"
    )


def known(library: str, name: str) -> Any:
    """Return what the instrumentation of a client calls so; skip the test where it is older than that."""
    found = getattr(instrumentation(library), name, None)
    if found is None:
        pytest.skip(f"the installed instrumentation does not know {library}")
    return found


def instrumentor(library: str) -> Any:
    """Return the instrumentor of a client."""
    return known(library, INSTRUMENTORS[library][1])()


def provided(make: Callable[..., Any], traces: Traces, *given: Any) -> Any:
    """Call a function of an instrumentation's with providers: older ones take none of meters, and have none."""
    meters = {"meter_provider": NoOpMeterProvider()} if "meter_provider" in signature(make).parameters else {}
    return make(*given, tracer_provider=traces.provider, **meters)


@contextlib.contextmanager
def instrumented(library: str, traces: Traces) -> Iterator[None]:
    """Instrument every client of a library."""
    it = instrumentor(library)
    it.instrument(tracer_provider=traces.provider, meter_provider=NoOpMeterProvider())
    try:
        assert it.is_instrumented_by_opentelemetry, f"this version of {library} is none it instruments"
        yield
    finally:
        it.uninstrument()


def make(
    caller: Caller,
    around: Callable[[], contextlib.AbstractContextManager[Any]],
    *request: Any,
    streamed: bool = False,
    **more: Any,
) -> Any:
    """Make a request with something ``around`` it, on the client's own thread or event loop.

    See ``Caller.direct``, or ``Caller.along`` for a ``streamed`` one, which is read to its end. Whatever becomes of it:
    the context must be after it what it was before.
    """
    begin = partial(caller.along, *request, None, None) if streamed else partial(caller.direct, *request)

    @contextlib.contextmanager
    def unchanged() -> Iterator[None]:
        with around():
            before = contexts.get_current()
            try:
                yield
            finally:
                assert contexts.get_current() is before

    def made() -> Any:
        with unchanged():
            return begin(**more)

    async def awaited() -> Any:
        with unchanged():
            return await begin(**more)

    return caller.call(awaited if caller.surface.is_async else made)


# What fails: each is one more thing that a call must survive.


class Broken(Exception):
    """What everything here fails with."""


def broken(*args: Any, **kwargs: Any) -> Any:
    raise Broken("a secret")


def some(base: Any, *failing: str, **attributes: Any) -> Any:
    """Return an object of a new class, some of whose methods fail."""
    return type("Some", (base,), {**dict.fromkeys(failing, broken), **attributes})()


class Picky(Sampler):
    """A sampler that fails for one kind of spans."""

    def __init__(self, kind: SpanKind) -> None:
        self.kind = kind

    def should_sample(self, parent: Any, trace_id: int, name: str, kind: Any = None, *args: Any, **more: Any) -> Any:
        return broken() if kind is self.kind else ALWAYS_ON.should_sample(parent, trace_id, name, kind, *args, **more)

    def get_description(self) -> str:
        return "picky"


class Injecting(TextMapPropagator):
    """A propagator that sets these headers; given none it fails."""

    fields: set[str] = set()  # noqa: RUF012

    def __init__(self, headers: Any) -> None:
        self.headers = headers

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
        return context

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        carrier.update(broken() if self.headers is None else self.headers)


class Nowhere(trace.NonRecordingSpan):
    """A span of another implementation that belongs to no trace."""

    def __init__(self) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)


METHODS = sorted(trace.Span.__abstractmethods__)
SILENT = some(trace.Span, **dict.fromkeys(METHODS, lambda self, *args, **kwargs: None))
"""A span whose methods return nothing."""
RAISING = some(trace.Span, *METHODS)
NAMELESS = some(Nowhere, instrumentation_scope=object())
"""One that has something else in its scope's place."""
FIXED = some(
    Nowhere,
    instrumentation_scope=some(object, name="opentelemetry.instrumentation.httpx"),
    _kind=property(lambda self: SpanKind.CLIENT),
)
"""One that looks like an instrumentation's, but whose kind can't be changed."""


def foreign(span: Any) -> Any:
    """Return a tracer provider that makes nothing but this span."""
    return some(object, get_tracer=lambda self, *args, **kwargs: some(object, start_span=lambda *args, **kwargs: span))


def metering(**methods: Any) -> Any:
    """Return a meter provider whose meter has these methods."""
    made = {name: lambda self, *args, it=it, **kwargs: it(*args, **kwargs) for name, it in methods.items()}
    return some(object, get_meter=lambda self, *args, **kwargs: some(object, **made))


def dull(*args: Any, **kwargs: Any) -> Any:
    return some(object, "add", "record")


def sdk(processor: Any = None, **options: Any) -> Callable[[], Any]:
    """Return what makes a provider of the SDK, with this in it."""

    def made() -> Any:
        provider = TracerProvider(shutdown_on_exit=False, **options)
        if processor is not None:
            provider.add_span_processor(processor)
        return provider

    return made
