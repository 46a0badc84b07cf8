"""Instrumentations whose spans go elsewhere than ours, or where we make none: they keep them.

Must not know how it is done: only spans count.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import NoOpTracerProvider

from anyint_resilience.emulator import Emulator
from tests.conformance.kit import configured
from tests.conformance.surfaces import EVERY, Surface
from tests.real.test_instrumentations import Setup, ask, kinds, opened, setups
from tests.real.tracing_kit import THREE, Traces


def where(wanted: Any) -> Any:
    """Make the mark that runs a test on each client in each of the set-ups wanted."""
    found = [
        pytest.param(surface, setup, id=f"{surface}-{setup}", marks=surface.param().marks)
        for surface in EVERY
        if surface.backend != "trio"
        for setup in setups(surface, wrap=True)
        if wanted(surface, setup)
    ]
    return pytest.mark.parametrize(("surface", "setup"), found)


SILENT = {
    "one that does nothing": NoOpTracerProvider,
    "one whose sampler drops all": lambda: Traces(sampler=ALWAYS_OFF).provider,
}


@where(lambda surface, setup: setup.around(surface) + setup.below(surface))
@pytest.mark.parametrize("provider", SILENT.values(), ids=SILENT)
def test_where_we_make_no_spans_an_instrumentation_keeps_its_own(
    surface: Surface, setup: Setup, provider: Any, emu: Emulator
) -> None:
    """With a provider of ours that records nothing there is nothing in place of its CLIENT spans: all are there."""
    traces = Traces(sampler=ALWAYS_ON)
    emu.script(*THREE)
    with opened(surface, configured(emu, tracer_provider=provider()), setup, traces, wrap=True) as caller:
        ask(caller, traces)
    assert (traces.calls(), traces.attempts()) == ([], [])
    assert kinds(traces.others()) == Counter(CLIENT=3 * setup.below(surface) + setup.around(surface))


@where(lambda surface, setup: setup.around(surface))
def test_an_instrumentation_around_us_that_tells_others_stays_a_client(
    surface: Surface, setup: Setup, emu: Emulator
) -> None:
    """It is the only CLIENT span there, as each attempt's is where ours go."""
    theirs, ours = Traces(), Traces()
    emu.script(*THREE)
    with opened(surface, configured(emu, tracer_provider=ours.provider), setup, theirs, wrap=True) as caller:
        ask(caller, theirs)
    around = [span for span in theirs.others() if span.kind.name == "CLIENT"]
    assert len(around) == setup.around(surface)
    assert kinds(ours.spans()) == Counter(INTERNAL=1, CLIENT=3)
