"""The gate of a key and model, by a clock that only waits move: for whom it closes, and what becomes of who can't wait.

Must not know how a gate is kept: only what reaches the gateway, what was waited for, and what a call ends with.
"""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import Guards, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.policy.backoff import above_hint
from tests.conformance.guards_kit import ONCE, Call, Clock, Heard, called, guarded, not_sent
from tests.conformance.kit import KEY, client
from tests.conformance.scenario import CHAT, GEMINI, MESSAGES, MODELS, NOW, VIDEO, Ask
from tests.conformance.surfaces import Caller, Surface, every_surface, surfaces

OTHER = "another-key"
HINT = 30.0
blocking = surfaces(lambda surface: not surface.is_async)


@pytest.fixture
def gateway_of_two() -> Any:
    """A gateway that takes every key."""
    with Emulator() as running:
        yield running


def shut(caller: Caller, emu: Emulator, ask: Ask = CHAT, seconds: float = HINT) -> None:
    """Close the gate of a call's key and model."""
    emu.script(Fault.error(429, retry_after=seconds))
    assert called(caller, ask, policy=ONCE).status == 429


CANNOT_WAIT = {
    "deadline": Policy(deadline=HINT - 2),
    "retry window": Policy(retry_window=HINT - 2),
    "hold": Policy(hold=HINT - 2),
}


@every_surface
@pytest.mark.parametrize("policy", CANNOT_WAIT.values(), ids=CANNOT_WAIT)
def test_who_cannot_wait_that_long_fails_at_once(surface: Surface, policy: Policy, emu: Emulator) -> None:
    """The client's exception and ours, with the moment from which it makes sense again; nothing goes out."""
    clock, heard = Clock(), Heard()
    with client(surface, emu, guarded(emu, clock.runtime(), listeners=[heard]), pool=1) as caller:
        shut(caller, emu)
        clock.now += 1
        not_sent(caller, called(caller, CHAT, policy=policy), "rate", HINT)
        assert len(emu.seen) == 1
        assert clock.asked == []
        (refused,) = heard.named("refused")
        assert refused.details["anyint.guard"] == "rate"
        clock.now += HINT
        assert called(caller, CHAT, policy=policy).status == 200


@every_surface
def test_a_paid_create_that_cannot_wait_is_not_unknown(surface: Surface, emu: Emulator) -> None:
    """Nothing was sent, so that the ledger holds nothing back and the same create goes out later."""
    clock = Clock()
    anyint = guarded(emu, clock.runtime())
    with client(surface, emu, anyint) as caller:
        shut(caller, emu, VIDEO)
        not_sent(caller, called(caller, VIDEO, policy=Policy(hold=1)), "rate", HINT)
        assert anyint.ledger.unknown() == ()
        clock.now += 2 * HINT
        assert called(caller, VIDEO).status == 200
    assert len(emu.tasks) == 1


@every_surface
def test_one_key_is_not_another(surface: Surface, gateway_of_two: Emulator) -> None:
    """Each caller's key has a gate of its own, on one client with one configuration."""
    emu, clock = gateway_of_two, Clock()
    anyint = guarded(emu, clock.runtime(), api_key=None)
    mine, other = ({"Authorization": f"Bearer {key}"} for key in (KEY, OTHER))
    with client(surface, emu, anyint, pool=1) as caller:
        shut(caller, emu, CHAT.but(headers=mine))
        assert called(caller, CHAT.but(headers=other)).status == 200
        assert clock.asked == []
        not_sent(caller, called(caller, CHAT.but(headers=mine), policy=Policy(hold=1)), "rate", HINT)


@every_surface
def test_a_model_in_the_path_has_a_gate_too(surface: Surface, emu: Emulator) -> None:
    """Gemini's body names no model; its URL does."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime())) as caller:
        shut(caller, emu, GEMINI)
        assert called(caller, GEMINI.but(path=GEMINI.path.replace("flash", "pro"))).status == 200
        not_sent(caller, called(caller, GEMINI, policy=Policy(hold=1)), "rate", HINT)


@every_surface
def test_a_call_that_was_answered_gets_that_answer(surface: Surface, emu: Emulator) -> None:
    """It meant to try again, but another closed the gate for longer than it can wait: its own 429, body and all."""
    clock, others = Clock(), list[Any]()
    body = b'{"error":{"code":"rate_limit_exceeded","message":"my own"}}'
    with client(surface, emu, guarded(emu, clock.runtime()), pool=1) as caller:

        def another() -> Any:
            others.append(Call(CHAT, {"policy": ONCE, "json": {**CHAT.json, "user": "2"}}).to(caller))
            return others[-1]

        emu.script(Fault(status=429, body=body, headers={"x-mine": "1"}), Fault.error(429, retry_after=900))
        clock.meanwhile = [another]
        end = called(caller, CHAT)
        assert (end.status, end.content, end.headers["x-mine"]) == (429, body, "1")
        assert end.headers["x-should-retry"] == "false"
        told = report(end)
        assert told is not None
        assert [it.status for it in told.attempts] == [429]
        assert told.decision is not None
        assert told.decision.retry_at == pytest.approx(NOW + clock.now + 900)
        assert "not sent" in told.decision.reason
        assert len(emu.seen) == 2
        assert caller.in_use() == 0


@every_surface
def test_a_waiter_does_not_hold_the_only_connection(surface: Surface, emu: Emulator) -> None:
    """While it stands in line another call goes out and comes back on it."""
    clock, statuses = Clock(), list[int]()
    with client(surface, emu, guarded(emu, clock.runtime()), pool=1) as caller:
        if surface.is_async:

            async def asked() -> None:
                statuses.append((await Call(MODELS).to(caller)).status)
        else:

            def asked() -> None:  # type: ignore[misc]
                statuses.append(Call(MODELS).to(caller).status)

        shut(caller, emu, seconds=2)
        clock.meanwhile = [asked]
        assert called(caller, CHAT).status == 200
        assert statuses == [200]
        assert [it.path for it in emu.seen] == [CHAT.path, MODELS.path, CHAT.path]
        assert clock.asked == pytest.approx([above_hint(2.0, 1.0)])


@blocking
def test_who_is_interrupted_in_line_leaves_no_place_behind(surface: Surface, emu: Emulator) -> None:
    """Ctrl-C while it waits: the next one is first in line, and goes when the gate opens."""
    clock = Clock()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with client(surface, emu, guarded(emu, clock.runtime()), pool=1) as caller:
        shut(caller, emu, seconds=2)
        clock.meanwhile = [interrupt]
        clock.moves = lambda seconds: setattr(clock, "now", clock.now - seconds if clock.meanwhile else clock.now)
        with pytest.raises(KeyboardInterrupt):
            called(caller, CHAT)
        assert clock.now == 0, "it was interrupted before any time had passed"
        assert called(caller, CHAT).status == 200
        assert clock.asked == pytest.approx([above_hint(2.0, 1.0)] * 2)
        assert caller.in_use() == 0


@every_surface
def test_the_wait_in_line_is_told(surface: Surface, emu: Emulator) -> None:
    """The report has the seconds, and whoever listens hears of it."""
    clock, heard = Clock(), Heard()
    with client(surface, emu, guarded(emu, clock.runtime(), listeners=[heard])) as caller:
        shut(caller, emu, seconds=2)
        told = report(called(caller, CHAT))
    assert told is not None
    assert told.held == told.waited == pytest.approx(above_hint(2.0, 1.0))
    assert len(told.attempts) == 1
    assert [len(heard.named(name)) for name in ("gate closed", "gate wait", "gate opened")] == [1, 1, 1]


@every_surface
def test_failures_in_a_row_close_it_and_the_first_success_opens_it(surface: Surface, emu: Emulator) -> None:
    """Who comes then waits for a probe, or fails at once; no model but this one is meant."""
    clock = Clock()
    guards = Guards(failures=2)
    with client(surface, emu, guarded(emu, clock.runtime(), guards=guards), pool=1) as caller:
        emu.script(Fault(), *[Fault.error(503)] * 2)
        assert [called(caller, CHAT, policy=ONCE).status for _ in range(3)] == [200, 503, 503]
        end = called(caller, CHAT, policy=Policy(hold=0.01))
        assert end.retry_at > NOW
        not_sent(caller, end, "down", end.retry_at - NOW)
        assert called(caller, MESSAGES).status == 200
        assert clock.asked == []
        assert called(caller, CHAT).status == 200
        assert len(clock.asked) == 1
        assert called(caller, CHAT).status == 200
        assert len(clock.asked) == 1


@every_surface
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_of_the_request_closes_nothing(surface: Surface, status: int, emu: Emulator) -> None:
    """However often the caller is wrong."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime(), guards=Guards(failures=2))) as caller:
        emu.script(*[Fault.error(status)] * 5)
        assert [called(caller, CHAT, policy=ONCE).status for _ in range(6)] == [status] * 5 + [200]
    assert clock.asked == []


@every_surface
def test_a_policy_that_is_off_passes_by(surface: Surface, emu: Emulator) -> None:
    """``enabled=False`` means that nothing of ours is in the way."""
    clock = Clock()
    anyint: Resilience = guarded(emu, clock.runtime())
    with client(surface, emu, anyint) as caller:
        shut(caller, emu)
        assert called(caller, CHAT, policy=Policy(enabled=False)).status == 200
    assert clock.asked == []


@every_surface
def test_a_call_that_was_refused_is_not_made_again_by_its_client(surface: Surface, emu: Emulator) -> None:
    """aiohttp repeats a GET that lost its connection; this one never had any."""
    clock, heard = Clock(), Heard()
    with client(surface, emu, guarded(emu, clock.runtime(), listeners=[heard]), pool=1) as caller:
        shut(caller, emu, MODELS)
        not_sent(caller, called(caller, MODELS, policy=Policy(hold=1)), "rate", HINT)
        assert len(heard.named("refused")) == 1
        assert len(emu.seen) == 1
