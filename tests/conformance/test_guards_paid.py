"""Paid creates and fallbacks: one task at the most, and nothing of unknown outcome is asked for a second time.

Must not know how a way is made: only the tasks there are, and what the application is told.
"""

from __future__ import annotations

import pytest

from anyint_resilience import Guards, OutcomeUnknown, Policy
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.fallback_kit import (
    AMPLE,
    BUSY,
    LOST,
    SPARE,
    falling,
    fell,
    models,
    row,
    stood,
)
from tests.conformance.guards_kit import another, called
from tests.conformance.kit import client
from tests.conformance.scenario import CHAT, VIDEO
from tests.conformance.surfaces import Surface, every_surface


@every_surface
@pytest.mark.parametrize("fault", [BUSY, Fault(status=503, body="no")], ids=["503", "503 of a proxy"])
def test_a_refused_create_falls_back_and_makes_one_task(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """It surely was not done; its handle is the fallback's."""
    with client(surface, emu, falling(emu, row(VIDEO)), pool=1) as caller:
        emu.script(fault, fault)
        fell(called(caller, VIDEO), "transient", origin="kling-3.0")
        assert len(emu.tasks) == 1


@every_surface
def test_a_create_at_an_open_circuit_falls_back(surface: Surface, emu: Emulator) -> None:
    """It was not sent to the primary, and is made once."""
    guards = Guards(min_volume=2, **AMPLE)
    with client(surface, emu, falling(emu, row(VIDEO), guards=guards), pool=1) as caller:
        emu.script(BUSY, BUSY)
        fell(called(caller, VIDEO), "transient", origin="kling-3.0")
        emu.reset()
        fell(called(caller, another(VIDEO, 2)), "circuit", origin="kling-3.0")
        assert models(emu.seen) == [SPARE]
        assert len(emu.tasks) == 1


@every_surface
def test_a_create_that_may_have_been_done_never_falls_back(surface: Surface, emu: Emulator) -> None:
    """Nobody knows whether a second one would be a second bill."""
    with client(surface, emu, falling(emu, row(VIDEO)), pool=1) as caller:
        emu.script(LOST)
        end = called(caller, VIDEO)
        assert isinstance(end, OutcomeUnknown)
        stood(end)
        assert models(emu.seen) == ["kling-3.0"]


@every_surface
def test_a_create_whose_fallback_is_lost_is_unknown(surface: Surface, emu: Emulator) -> None:
    """Not the primary's refusal, which would invite to make it anew."""
    anyint = falling(emu, row(VIDEO))
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(BUSY, BUSY, LOST)
        assert isinstance(called(caller, VIDEO), OutcomeUnknown)
        assert len(anyint.ledger.unknown()) == 1
        assert len(emu.tasks) == 1


@every_surface
def test_an_unrepeatable_generation_does_not_fall_back_when_lost(surface: Surface, emu: Emulator) -> None:
    """``repeat_generation=False``: nothing of unknown outcome is asked for a second time, of no model."""
    with client(surface, emu, falling(emu, policy=Policy.strict()), pool=1) as caller:
        emu.script(LOST)
        end = called(caller, CHAT)
        assert isinstance(end, surface.error)
        stood(end)
        assert models(emu.seen) == ["gpt-5"]
