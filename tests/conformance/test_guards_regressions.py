"""What guards and fallbacks once did wrong on the wire: whose key goes where, what is kept, and what is not a silence.

Must not know how a guard is kept: only what reaches which gateway, and what the application is given and told.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from anyint_resilience import Guards, Policy, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.guards import gate
from tests.conformance.fallback_kit import (
    AMPLE,
    BUSY,
    HEADER,
    SPARE,
    falling,
    fell,
    model_of,
    models,
    row,
    stood,
)
from tests.conformance.guards_kit import ONCE, Clock, called, guarded
from tests.conformance.kit import KEY, client
from tests.conformance.scenario import CHAT, GEMINI, Ask
from tests.conformance.surfaces import Surface, every_surface

TENANT, OTHER_KEY = "tenant-key-999", "other-key-111"


@pytest.fixture(scope="module")
def second() -> Iterator[Emulator]:
    """A second gateway, which knows the configuration's key and another one."""
    with Emulator(keys=(KEY, OTHER_KEY)) as running:
        yield running
    assert running.internal_errors == []


@pytest.fixture
def other(second: Emulator) -> Emulator:
    """The second gateway, which has forgotten all tests before."""
    second.reset()
    return second


# --- keys

asks = pytest.mark.parametrize("ask", [CHAT, GEMINI], ids=["chat", "gemini"])


@every_surface
@asks
def test_another_host_without_a_key_of_its_own_has_the_configurations(
    surface: Surface, ask: Ask, emu: Emulator, other: Emulator
) -> None:
    """It did not go out without any."""
    anyint = falling(emu, row(ask, to=None, base_url=other.url), hosts=[other.url], policy=ONCE)
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(BUSY)
        host = other.url.removeprefix("http://")
        fell(called(caller, ask), "transient", origin=model_of(ask), target=f"{model_of(ask)}@{host}")
    (seen,) = other.seen
    assert seen.headers["authorization"] == f"Bearer {KEY}"


@every_surface
@asks
def test_a_callers_own_key_goes_to_no_other_host(surface: Surface, ask: Ask, emu: Emulator, other: Emulator) -> None:
    """Another tenant's, which only the first host is to see; it is said why there is no fallback."""
    anyint = falling(emu, row(ask, to=None, base_url=other.url), hosts=[other.url], policy=ONCE)
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(BUSY)
        end = called(caller, ask.but(headers={"Authorization": f"Bearer {TENANT}"}))
        stood(end, 503)
        told = report(end)
        assert told is not None
        assert any("key of its own" in note for note in told.notes)
        assert TENANT not in str(told)
    assert [it.headers["authorization"] for it in emu.seen] == [f"Bearer {TENANT}"]
    assert other.seen == []


AWAY = {"key": {"api_key": OTHER_KEY}, "host": {"base_url": ""}, "both": {"base_url": "", "api_key": OTHER_KEY}}


@every_surface
@asks
@pytest.mark.parametrize("more", AWAY.values(), ids=AWAY)
def test_a_key_in_the_query_stays_with_the_first_host_and_key(
    surface: Surface, ask: Ask, more: dict[str, str], emu: Emulator, other: Emulator
) -> None:
    """Whatever else stands there goes on."""
    here = {**more, "base_url": other.url} if "base_url" in more else more
    anyint = falling(emu, row(ask, **here), hosts=[other.url], policy=ONCE)
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(BUSY)
        called(caller, ask.but(path=f"{ask.path}?key={TENANT}&alt=json"))
    assert emu.seen[0].query == f"key={TENANT}&alt=json"
    last = other.seen[-1] if "base_url" in more else emu.seen[-1]
    assert SPARE.encode() in last.path.encode() + last.body
    assert last.query == "alt=json"
    assert last.headers["authorization"] == f"Bearer {more.get('api_key', KEY)}"
    assert TENANT not in repr(last.raw_headers)


# --- what is told

WRITTEN = [
    pytest.param("line one\nline two of a secret prompt", id="a prompt"),
    pytest.param("x" * 200_000, id="much"),
    pytest.param(f"my key is {KEY}", id="words with a key"),
    pytest.param(
        KEY,
        id="a key",
    ),
]


@every_surface
@pytest.mark.parametrize("model", WRITTEN)
def test_what_is_no_models_name_is_told_to_nobody(surface: Surface, model: str, emu: Emulator) -> None:
    """Whatever a body has in its place: not in events, nor in spans, nor in the labels of metrics."""
    export = importlib.import_module("opentelemetry.sdk.metrics.export")
    tracing = importlib.import_module("opentelemetry.sdk.trace")
    spans = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    reader, tracer = export.InMemoryMetricReader(), tracing.TracerProvider()
    tracer.add_span_processor(importlib.import_module("opentelemetry.sdk.trace.export").SimpleSpanProcessor(spans))
    meter = importlib.import_module("opentelemetry.sdk.metrics").MeterProvider([reader])
    heard: list[Any] = []
    guards = Guards(breaker=True, min_volume=2, max_concurrency=1, **AMPLE)
    anyint = guarded(
        emu, Clock().runtime(), policy=Policy(attempts=2, retry_window=1), guards=guards,
        listeners=[heard.append], meter_provider=meter, tracer_provider=tracer,
    )  # fmt: skip
    with client(surface, emu, anyint, pool=1) as caller:
        for fault in (Fault.error(429, retry_after=30), BUSY, BUSY, Fault.error(404, code="model_not_found")):
            emu.script(fault, fault)
            called(caller, CHAT.but(json={**CHAT.json, "model": model}))
            anyint.guarding.shared.clear()
    meter.force_flush()
    shown = f"{[(it.name, it.details) for it in heard]}{[it.to_json() for it in spans.get_finished_spans()]}"
    shown += reader.get_metrics_data().to_json()
    assert {"gate closed", "given up"} <= {it.name for it in heard}
    assert model[-20:] not in shown


# --- what is given

HUGE = b'{"error":{"code":"x","message":"' + b"m" * 70_000 + b'"}}'
CODED = b"\x0b\x02\x80hello\x03"


@every_surface
def test_a_kept_answer_in_a_coding_of_its_own_comes_back(surface: Surface, emu: Emulator) -> None:
    """Where the fallback failed too: the primary's, as it came, in a coding that nobody here reads."""
    with client(surface, emu, falling(emu, policy=ONCE), pool=1) as caller:
        emu.script(Fault(status=503, body=CODED, headers={"content-encoding": "x-own"}), Fault.error(500))
        end = called(caller, CHAT)
        stood(end, 503)
        assert (end.content, end.headers["content-encoding"]) == (CODED, "x-own")
        assert models(emu.seen) == ["gpt-5", SPARE]
        assert caller.in_use() == 0


@every_surface
@pytest.mark.parametrize("value", ["gr\u00fc\u00dfe", "\u00e6\u009b31m"], ids=["latin-1", "control"])
def test_a_kept_answer_with_a_header_beyond_ascii_comes_back(surface: Surface, value: str, emu: Emulator) -> None:
    """A proxy's header may be anything; it is as if the answer had just come."""
    odd = Fault(status=503, headers={"x-said-by": value})
    anyint = falling(emu, row(CHAT), policy=ONCE)
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(odd)
        emu.script(odd, odd)
        end = called(caller, CHAT)
    stood(end, 503)
    assert len(emu.seen) == 2
    read = value.encode().decode("latin-1")  # it is UTF-8 on the wire, and requests reads all headers so
    assert end.headers["x-said-by"] == (read if surface.library == "requests" else value)


@every_surface
def test_an_answer_too_long_to_keep_is_the_fallbacks(surface: Surface, emu: Emulator) -> None:
    """And says so."""
    with client(surface, emu, falling(emu, policy=ONCE), pool=1) as caller:
        emu.script(Fault(status=503, body=HUGE), Fault.error(500))
        end = called(caller, CHAT)
        assert end.status == 500
        assert HEADER in end.headers
        assert len(end.content) < len(HUGE)


@every_surface
def test_an_answer_outlives_a_deadline_that_came_in_line(surface: Surface, emu: Emulator) -> None:
    """A 503 was had, and its retry stood in line behind others until the deadline: the 503 is given."""
    clock, body = Clock(), b'{"error":{"message":"the primary"}}'
    guards = Guards(max_concurrency=1, failures=50, **AMPLE)
    anyint = guarded(emu, clock.runtime(), guards=guards, policy=Policy(deadline=20.0, transient_base=2.0))
    shared = anyint.guarding.shared

    def taken() -> None:
        ((key, _),) = shared._store.scan("gate:")
        shared.change(key, partial(gate.ask, ticket="other", since=-1.0, bound=99.0, most=1))

    async def taken_too() -> None:
        taken()

    clock.meanwhile = [taken_too if surface.is_async else taken]
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(Fault(status=503, body=body))
        end = called(caller, CHAT)
        assert clock.now >= 20.0
        assert len(emu.seen) == 1
        assert getattr(end, "status", end) == 503
        assert end.content == body
