"""What is no silence and what is no success: our own pool, a body that comes late, streams that break.

Must not know how a client is made to give up: only what becomes of the calls.
"""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import CircuitOpen, Guards, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.policy.model import FaultKind
from tests.conformance.fallback_kit import AMPLE, BUSY
from tests.conformance.guards_kit import ONCE, Call, Clock, another, called, guarded, moved, together
from tests.conformance.kit import client
from tests.conformance.scenario import CHAT, STREAM
from tests.conformance.surfaces import Caller, Surface, every_surface, surfaces

SOON, LATER = 0.15, 0.35
QUICK = Policy(attempts=1, first_byte_timeout=SOON)
CUT, WHOLE = Fault(cut_stream_after=3), Fault()

# --- silence


@surfaces(lambda surface: surface.library != "aiohttp")  # its pool has no time-out apart from the answer's
def test_waiting_for_ones_own_pool_is_no_silence(surface: Surface, emu: Emulator) -> None:
    """One connection, and another call's answer takes its time on it; the gateway has done nothing wrong."""
    anyint = guarded(emu, moved(), policy=QUICK, guards=Guards(failures=1, **AMPLE))
    with client(surface, emu, anyint, pool=1, timeout=10.0) as caller:
        emu.script(Fault(delay_body=LATER))
        calls = [Call(another(CHAT, number)) for number in range(2)]
        ends = together(caller, calls, lambda number: len(emu.seen) == number)
        assert [getattr(it, "status", it) for it in ends] == [200, 200]
        assert anyint.guarding.shared.calm


@every_surface
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_a_document_that_begins_late_is_not_cut(surface: Surface, kind: str, emu: Emulator) -> None:
    """Its headers came in time, whoever reads it and however; that a stream was asked for does not make it one."""
    with client(surface, emu, guarded(emu, Clock().runtime(), policy=QUICK), pool=1, timeout=10.0) as caller:
        emu.script(Fault(body=b'{"choices":[]}', headers={"content-type": kind}, delay_body=LATER))
        end = called(caller, STREAM)
        assert getattr(end, "status", end) == 200
        assert end.content == b'{"choices":[]}'


@every_surface
def test_a_stream_that_begins_late_is_silent(surface: Surface, emu: Emulator) -> None:
    """Its headers came in time and nothing of it: the client's own time-out, and its connection is not kept."""
    anyint = guarded(emu, Clock().runtime(), policy=QUICK, guards=Guards(failures=99, **AMPLE))
    with client(surface, emu, anyint, pool=1, timeout=10.0) as caller:
        emu.script(Fault(delay_body=LATER))
        end = called(caller, STREAM)
        # requests has no time-out of its own for a body, but a lost connection.
        assert isinstance(end, (surface.timeout_error, surface.transport_error)), repr(end)
        told = report(end)
        assert told is not None
        assert [it.fault.kind for it in told.attempts if it.fault is not None] == [FaultKind.READ_TIMEOUT]
        assert called(caller, another(STREAM, 2)).status == 200
        assert caller.in_use() == 0


TIMES: dict[str, dict[str, Any]] = {
    "total": {"total": 30},
    "total and read": {"total": 30, "connect": 5, "read": 10},
    "read": {"read": 10},
    "none": {},
}
CLOSING = {"connection": "close"}
requests_only = surfaces(lambda surface: surface.library == "requests")


@requests_only
@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("headers", [{}, CLOSING], ids=["kept", "closed"])
def test_urllib3s_own_time_outs_are_kept(
    surface: Surface, times: dict[str, Any], headers: dict[str, str], emu: Emulator
) -> None:
    """A good answer was thrown away, or its body cut where the connection ends with it."""
    import urllib3

    with client(surface, emu, guarded(emu, Clock().runtime(), policy=QUICK), pool=1) as caller:
        emu.script(Fault(delay_body=LATER, headers=headers))
        end = called(caller, CHAT, timeout=urllib3.Timeout(**times))
        assert getattr(end, "status", end) == 200
        assert end.json()["choices"] != []
        assert len(emu.seen) == 1


@requests_only
@pytest.mark.parametrize("headers", [{}, CLOSING], ids=["kept", "closed"])
def test_a_total_of_urllib3_still_ends_a_body(surface: Surface, headers: dict[str, str], emu: Emulator) -> None:
    """What is taken off is the bound of the first byte, not the caller's own."""
    import urllib3

    with client(
        surface, emu, guarded(emu, Clock().runtime(), policy=Policy(attempts=1, first_byte_timeout=5.0))
    ) as caller:
        emu.script(Fault(stall="mid_body", headers=headers))
        end = called(caller, CHAT, timeout=urllib3.Timeout(total=SOON))
        assert isinstance(end, surface.error)


# --- streams that break


def breaking(emu: Emulator, clock: Clock, **more: Any) -> Resilience:
    """Return a configuration with circuit breakers alone."""
    guards = Guards(gate=False, breaker=True, window=60.0, **{**AMPLE, **more})
    return guarded(emu, clock.runtime(), policy=ONCE, guards=guards)


def streamed(caller: Caller, number: int) -> str:
    """Read a stream; return what became of it."""
    ask = another(STREAM, number)
    try:
        _, _, broken = caller.stream("POST", ask.path, json=ask.json)
    except caller.surface.error as error:
        return "refused" if isinstance(error, CircuitOpen) else repr(error)
    return "whole" if broken is None else "broken"


RATES: dict[str, tuple[float, int]] = {"all of them": (0.9, 0), "four of five": (0.5, 5)}
"""The share that opens the circuit, and every how many streams one is whole."""


@every_surface
@pytest.mark.parametrize(("rate", "good"), RATES.values(), ids=RATES)
def test_a_stream_that_breaks_counts_once(surface: Surface, rate: float, good: int, emu: Emulator) -> None:
    """Its headers are no success: with one of each, half of the outcomes at the most would be failures."""
    least = 10
    with client(surface, emu, breaking(emu, Clock(), failure_rate=rate, min_volume=least), pool=1) as caller:
        emu.script(*(WHOLE if good and number % good == 1 else CUT for number in range(2 * least)))
        became = [streamed(caller, number) for number in range(2 * least)]
    assert became.index("refused") == len(emu.seen) == least
    assert set(became[least:]) == {"refused"}


@every_surface
def test_a_whole_stream_closes_the_circuit(surface: Surface, emu: Emulator) -> None:
    """What was heard to its end is a success: one failure after it is only the first of a new window."""
    clock, cooldown = Clock(), 5.0
    with client(surface, emu, breaking(emu, clock, min_volume=2, cooldown=cooldown), pool=1) as caller:
        emu.script(CUT, CUT)
        assert [streamed(caller, number) for number in range(3)] == ["broken", "broken", "refused"]
        clock.now += 2 * cooldown
        emu.script(WHOLE, CUT)
        assert [streamed(caller, number) for number in range(3)] == ["whole", "broken", "whole"]


@every_surface
@pytest.mark.parametrize("fault", [BUSY, CUT], ids=["refused", "broken"])
def test_a_probes_stream_that_breaks_closes_nothing(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """After each cooldown one is sent, breaks after its headers, and the others are refused as before."""
    clock, cooldown = Clock(), 5.0
    with client(surface, emu, breaking(emu, clock, min_volume=2, cooldown=cooldown, probes=1), pool=1) as caller:
        emu.script(BUSY, BUSY)
        for number in range(2):
            called(caller, another(STREAM, number))
        for _ in range(3):
            emu.reset()
            emu.script(*[fault] * 9)
            clock.now += 2 * cooldown
            became = [_became(caller, number, fault) for number in range(4)]
            assert became[1:] == ["refused"] * 3
            assert len(emu.seen) == 1


def _became(caller: Caller, number: int, fault: Fault) -> str:
    if fault is CUT:
        return streamed(caller, number)
    end = called(caller, another(STREAM, number))
    return "refused" if isinstance(end, CircuitOpen) else "answered"
