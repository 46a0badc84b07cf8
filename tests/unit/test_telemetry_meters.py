"""Instruments that many configurations and threads share: made once, with labels that are bounded for all together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider

from anyint_resilience import Resilience
from anyint_resilience.telemetry import name_of_key
from tests.conformance.emitted import Emitted
from tests.unit.telemetry_kit import CHAT, Wire, ask, calling

TENANTS = 60
MODELS = 2
MOST = {"anyint.key": 50, "gen_ai.request.model": 100}


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


def refused(emitted: Emitted, tenant: int) -> None:
    """Have a tenant, with a configuration and a key of its own, ask for models of its own and be refused."""
    settings = emitted.settings(spans="off", api_key=f"key-of-tenant-{tenant}")
    with calling(Wire(*[401] * MODELS), settings) as client:
        for number in range(MODELS):
            ask(client, (CHAT[0], {**CHAT[1], "model": f"model-{tenant}-{number}"}))


def values(emitted: Emitted, label: str) -> set[Any]:
    return {dict(key).get(label) for key in emitted.metrics()["anyint.failures"].sums}


def test_labels_are_bounded_over_all_configurations(emitted: Emitted) -> None:
    """A configuration for each tenant, with a key and models of its own, makes no series without end."""
    for tenant in range(TENANTS):
        refused(emitted, tenant)
    for label, most in MOST.items():
        found = values(emitted, label)
        assert "other" in found
        assert len(found) == most + 1
    assert sum(emitted.metrics()["anyint.failures"].sums.values()) == TENANTS * MODELS


def test_another_provider_has_labels_of_its_own(emitted: Emitted) -> None:
    """What one has had enough of is still told to the next."""
    for tenant in range(TENANTS):
        refused(emitted, tenant)
    with Emitted() as another:
        refused(another, TENANTS)
    assert values(another, "anyint.key") == {name_of_key(f"key-of-tenant-{TENANTS}")}


@pytest.mark.usefixtures("no_globals")
def test_two_threads_that_find_a_late_provider_make_its_instruments_once(emitted: Emitted) -> None:
    """It is set after the configuration was made, and the second call comes while the first one still looks at it."""
    telemetry, made, seconds = Resilience().telemetry, list[int](), list[threading.Thread]()

    class Slow(MeterProvider):
        def get_meter(self, *args: Any, **more: Any) -> Any:
            made.append(threading.get_ident())
            if len(made) == 1:
                seconds.append(threading.Thread(target=telemetry.active, daemon=True))
                seconds[0].start()
                seconds[0].join(0.05)  # it waits for us, or it has made them a second time by then
            return emitted.meters.get_meter(*args, **more)

    metrics.set_meter_provider(Slow(shutdown_on_exit=False))
    trace.set_tracer_provider(emitted.tracers)
    assert telemetry.active()
    seconds[0].join(20)
    assert not seconds[0].is_alive()
    assert made == [threading.get_ident()]
