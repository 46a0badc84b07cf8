"""What the tests of telemetry share. Must not import any client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.metrics import _internal as metrics_internal

from tests.conformance.emitted import Emitted


@pytest.fixture
def emitted() -> Iterator[Emitted]:
    with Emitted() as made:
        yield made


@pytest.fixture
def no_globals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nobody has set a provider yet."""
    for module, name in ((trace, "_TRACER_PROVIDER"), (metrics_internal, "_METER_PROVIDER")):
        monkeypatch.setattr(module, name, None)
        monkeypatch.setattr(module, f"{name}_SET_ONCE", type(getattr(module, f"{name}_SET_ONCE"))())
