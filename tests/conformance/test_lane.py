"""A request like one that was in order goes out without a look: what may still keep it back, on every client.

Must not know how a client's lane is built, only that the second request like another one is on it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from anyint_resilience import OutcomeUnknown, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.kit import ASK, CHAT, KEY, VIDEOS, client, configured
from tests.conformance.surfaces import Caller, Surface, every_surface

OWN = {"Authorization": f"Bearer {KEY}"}
LOST = Fault(reset="before_headers", process=True)


@contextmanager
def warm(surface: Surface, emu: Emulator, anyint: Resilience | None = None) -> Iterator[Caller]:
    """Open a client on which this request has been made before."""
    with client(surface, emu, anyint, headers=OWN) as caller:
        for _ in range(2):
            assert caller.request("POST", CHAT, json=ASK).status == 200
        emu.reset()
        yield caller


@every_surface
def test_a_fault_is_met_as_ever(surface: Surface, emu: Emulator) -> None:
    """The first attempt's answer is judged and told, and so is a lost connection."""
    with warm(surface, emu) as caller:
        for fault, status in ((Fault(status=503), 503), (LOST, None)):
            emu.script(fault)
            found = report(caller.request("POST", CHAT, json=ASK))
            assert found is not None
            assert [attempt.status for attempt in found.attempts] == [status, 200]
        emu.script(*[LOST] * 3)
        error = caller.error("POST", CHAT, json=ASK)
    assert isinstance(error, surface.transport_error)
    assert len(report(error).attempts) == 3  # type: ignore[union-attr]


@every_surface
def test_an_override_still_holds(surface: Surface, emu: Emulator) -> None:
    """A policy for one call is not passed by."""
    with warm(surface, emu) as caller:
        emu.script(*[Fault(status=503)] * 2)
        assert caller.request("POST", CHAT, json=ASK, policy=Policy(attempts=1)).status == 503
    assert len(emu.seen) == 1


@every_surface
@pytest.mark.parametrize("second", ["x-api-key", "x-goog-api-key"])
def test_a_key_in_a_second_header_still_comes_off(surface: Surface, second: str, emu: Emulator) -> None:
    """Only what is in order in every header goes out unseen."""
    with warm(surface, emu) as caller:
        assert caller.request("POST", CHAT, json=ASK, headers={second: KEY}).status == 200
    assert second not in emu.seen[0].headers


@every_surface
def test_what_a_layer_above_says_still_counts(surface: Surface, emu: Emulator) -> None:
    """The report of a good answer too says how often it was sent before."""
    with warm(surface, emu) as caller:
        found = report(caller.request("POST", CHAT, json=ASK, headers={"x-stainless-retry-count": "2"}))
    assert found is not None
    assert found.outer_retries == 2


@every_surface
def test_spans_are_made_of_calls_whose_like_was_in_order(surface: Surface, emu: Emulator) -> None:
    """One for each of them, and not only for the first."""
    from tests.real.tracing_kit import Traces  # late: it is skipped without OpenTelemetry's SDK, the others are not

    traces = Traces()
    with warm(surface, emu, configured(emu, tracer_provider=traces.provider)) as caller:
        assert caller.request("POST", CHAT, json=ASK).status == 200
    assert (len(traces.calls()), len(traces.attempts())) == (3, 3)


@every_surface
def test_another_key_is_looked_at(surface: Surface, emu: Emulator) -> None:
    """What is remembered is the key's own header, not that there was one."""
    with warm(surface, emu) as caller:
        assert caller.request("POST", CHAT, json=ASK, headers={"Authorization": KEY}).status == 200
    assert emu.seen[0].headers["authorization"] == f"Bearer {KEY}"


@every_surface
def test_a_paid_create_never_goes_out_unseen(surface: Surface, emu: Emulator) -> None:
    """However often it was made: it is entered in the ledger each time."""
    with client(surface, emu, headers=OWN) as caller:
        for number in range(3):
            assert caller.request("POST", VIDEOS, json={"model": "m", "prompt": str(number)}).status == 200
        emu.script(LOST)
        for _ in range(2):
            assert isinstance(caller.error("POST", VIDEOS, json={"model": "m", "prompt": "lost"}), OutcomeUnknown)
    assert len(emu.seen) == 4


@every_surface
def test_a_layer_above_that_says_nothing_is_named(
    surface: Surface, emu: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Lesson M20: the same request that failed comes again; reports count it, a warning says it once."""
    told: list[Any] = []
    emu.script(*[Fault(status=503)] * 9)
    with caplog.at_level(logging.WARNING, "anyint_resilience"), client(surface, emu, configured(emu)) as caller:
        for _ in range(3):
            told.append(report(caller.request("POST", CHAT, json=ASK)))
    assert [it.repeats for it in told] == [0, 1, 2]
    assert [any("attempts multiply" in note for note in it.notes) for it in told] == [False, True, True]
    assert [it.name for it in caplog.records if "attempts multiply" in it.getMessage()] == ["anyint_resilience"]
    assert KEY not in caplog.text
