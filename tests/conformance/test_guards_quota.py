"""A quota that is used up, and a circuit that is open, by a clock that only waits move: who fails at once, who probes.

Must not know how either is kept: only what reaches the gateway, and what a call ends with.
"""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import Cause, CircuitOpen, Guards, Policy, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.guards.gate import USED_UP
from anyint_resilience.guards.opening import CALM
from tests.conformance.guards_kit import ONCE, Call, Clock, Heard, called, guarded, not_sent, together
from tests.conformance.kit import client
from tests.conformance.scenario import CHAT, GEMINI, KLING, MESSAGES, SONG, STREAM, VIDEO, WAN, Ask
from tests.conformance.surfaces import Caller, Surface, every_surface

USED = Fault.error(429, code="insufficient_quota")
FIRST = USED_UP.at(0, 1.0)
"""Seconds after which somebody finds out for the first time, the jitter at its longest."""

QUOTAS: dict[str, tuple[Ask, Fault]] = {
    "openai": (CHAT, USED),
    "openai stream": (STREAM, USED),
    "http 402": (CHAT, Fault.error(402)),
    "kling 1102": (KLING, Fault.error(200, family="kling", code=1102)),
    "suno 429": (SONG, Fault.error(200, family="suno", code=429)),
    "dashscope": (WAN, Fault.error(400, family="dashscope", code="Arrearage")),
    "paid create": (VIDEO, USED),
}


@every_surface
@pytest.mark.parametrize(("ask", "fault"), QUOTAS.values(), ids=QUOTAS)
def test_others_fail_at_once(surface: Surface, ask: Ask, fault: Fault, emu: Emulator) -> None:
    """With the reason and the moment from which it makes sense again; nothing goes out, whoever can wait for long."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime()), pool=1) as caller:
        emu.script(fault)
        assert called(caller, ask).status == fault.status
        clock.now += 1
        end = called(caller, ask, policy=Policy.batch())
        not_sent(caller, end, "quota", FIRST)
        told = report(end)
        assert told is not None
        assert told.decision is not None
        assert told.decision.cause is Cause.QUOTA
        assert len(emu.seen) == 1
        assert clock.asked == []


@every_surface
def test_only_that_model(surface: Surface, emu: Emulator) -> None:
    """Another model and another family go on."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime())) as caller:
        emu.script(USED)
        called(caller, CHAT)
        for ask in (CHAT.but(json={**CHAT.json, "model": "gpt-5-mini"}), MESSAGES, GEMINI):
            assert called(caller, ask).status == 200
        not_sent(caller, called(caller, CHAT), "quota", FIRST)


@every_surface
def test_one_probe_finds_the_top_up_and_all_is_open(surface: Surface, emu: Emulator) -> None:
    """The first who comes at that moment goes out; with its success everybody does."""
    clock, heard = Clock(), Heard()
    with client(surface, emu, guarded(emu, clock.runtime(), listeners=[heard])) as caller:
        emu.script(USED)
        called(caller, CHAT)
        clock.now += FIRST
        assert [called(caller, CHAT).status for _ in range(4)] == [200] * 4
        assert clock.asked == []
        assert [len(heard.named(name)) for name in ("gate closed", "gate opened", "refused")] == [1, 1, 0]


@every_surface
def test_one_probe_at_a_time(surface: Surface, emu: Emulator) -> None:
    """Of many who come at that moment one goes out; it finds the quota used up still, and the next is later."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime()), pool=8) as caller:
        emu.script(*[USED] * 9)
        called(caller, CHAT)
        clock.now += FIRST
        ends = together(caller, [Call(CHAT)] * 6)
        refused = [it for it in ends if isinstance(it, surface.adapter.GateClosed)]
        assert [it.why for it in refused] == ["quota"] * 5
        assert len(emu.seen) == 2
        clock.now += FIRST - 0.01
        not_sent(caller, called(caller, CHAT), "quota", FIRST + USED_UP.at(1, 1.0))
        assert len(emu.seen) == 2


@every_surface
def test_a_moment_that_is_named_opens_it(surface: Surface, emu: Emulator) -> None:
    """A quota with a Retry-After of an hour: told so until then, and from then on no probe is needed."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime()), pool=4) as caller:
        emu.script(Fault.error(429, code="insufficient_quota", retry_after=3600))
        called(caller, CHAT)
        clock.now += CALM - 1
        not_sent(caller, called(caller, CHAT), "quota", 3600)
        clock.now = 3600
        assert [getattr(it, "status", it) for it in together(caller, [Call(CHAT)] * 4)] == [200] * 4


# --- the circuit

COOLDOWN = 5.0
FEW = Guards(breaker=True, min_volume=2, cooldown=COOLDOWN, probes=1)
LONGEST = COOLDOWN * 1.1  # with its jitter

FAILURES: dict[str, Fault] = {
    "503": Fault.error(503),
    "500": Fault.error(500),
    "reset": Fault(reset="before_headers", process=True),
    "hung up": Fault(half_close=True),
}


def broken(caller: Caller, emu: Emulator, fault: Fault = FAILURES["503"]) -> None:
    """Open the circuit."""
    emu.script(fault, fault)
    for _ in range(2):
        end = called(caller, CHAT, policy=ONCE)
        assert not isinstance(end, CircuitOpen)


@every_surface
@pytest.mark.parametrize("fault", FAILURES.values(), ids=FAILURES)
def test_failures_open_it(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """``CircuitOpen`` at once, whoever can wait; another model and another route go on."""
    clock, heard = Clock(), Heard()
    with client(surface, emu, guarded(emu, clock.runtime(), guards=FEW, listeners=[heard]), pool=1) as caller:
        broken(caller, emu, fault)
        not_sent(caller, called(caller, CHAT, policy=Policy.batch()), "circuit", LONGEST)
        assert len(emu.seen) == 2
        assert called(caller, CHAT.but(json={**CHAT.json, "model": "gpt-5-mini"})).status == 200
        assert called(caller, MESSAGES).status == 200
        assert clock.asked == []
        assert len(heard.named("circuit opened")) == 1


@every_surface
def test_a_probe_closes_it(surface: Surface, emu: Emulator) -> None:
    """After the cooldown one call finds out, and its success is everybody's."""
    clock, heard = Clock(), Heard()
    with client(surface, emu, guarded(emu, clock.runtime(), guards=FEW, listeners=[heard])) as caller:
        broken(caller, emu)
        clock.now += LONGEST
        assert [called(caller, CHAT).status for _ in range(3)] == [200] * 3
        assert clock.asked == []
        assert len(heard.named("circuit closed")) == 1


@every_surface
def test_a_probe_that_fails_opens_it_anew(surface: Surface, emu: Emulator) -> None:
    """One probe at a time: the others fail at once, and after it all do."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime(), guards=FEW), pool=8) as caller:
        broken(caller, emu)
        clock.now += LONGEST
        emu.script(*[Fault(status=503, delay_headers=0.1)] * 6)
        ends: list[Any] = together(caller, [Call(CHAT, {"policy": ONCE})] * 6)
        assert sorted(it.why if isinstance(it, CircuitOpen) else str(it.status) for it in ends) == [
            "503",
            *["circuit"] * 5,
        ]
        assert len(emu.seen) == 3
        not_sent(caller, called(caller, CHAT), "circuit", 2 * LONGEST)


@every_surface
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429])
def test_the_callers_own_mistakes_never_open_it(surface: Surface, status: int, emu: Emulator) -> None:
    """Nor do limits: those are the gate's."""
    clock = Clock()
    guards = Guards(breaker=True, min_volume=2, gate=False)
    with client(surface, emu, guarded(emu, clock.runtime(), guards=guards)) as caller:
        emu.script(*[Fault.error(status)] * 6)
        assert [called(caller, CHAT, policy=ONCE).status for _ in range(7)] == [status] * 6 + [200]


@every_surface
def test_no_circuit_where_nobody_asked_for_one(surface: Surface, emu: Emulator) -> None:
    """Without a fallback it is the gate's to hold calls back while the gateway is down."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime(), guards=Guards(min_volume=2))) as caller:
        emu.script(*[Fault.error(503)] * 6)
        ends = [called(caller, CHAT, policy=ONCE) for _ in range(7)]
        assert [it.status for it in ends] == [503] * 6 + [200]
    assert clock.asked != []
