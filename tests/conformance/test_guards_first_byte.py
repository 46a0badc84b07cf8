"""``first_byte_timeout`` on the wire: who does not begin to answer in time has failed, who has begun is left alone.

Must not know how a client is made to give up, only what becomes of the call and of its connection.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from anyint_resilience import Guards, Policy, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.policy.model import FaultKind
from tests.conformance.fallback_kit import AMPLE, HEADER, SPARE, falling, fell, model_of, models, row, stood
from tests.conformance.guards_kit import Call, Clock, called, guarded
from tests.conformance.kit import client
from tests.conformance.scenario import CHAT, MESSAGES, STREAM, VIDEO, Ask
from tests.conformance.surfaces import Surface, every_surface, surfaces
from tests.waiting import until

SOON = 0.1
LATER = 2 * SOON
QUICK = Policy(first_byte_timeout=SOON)
SILENT = Fault(stall="before_headers")
asks = pytest.mark.parametrize("ask", [CHAT, STREAM, MESSAGES], ids=["chat", "stream", "messages"])
CLAUDE = MESSAGES.but(json={**MESSAGES.json, "stream": True}, streamed=True)
OWN: list[Any] = [None, 5.0, (5.0, None), (None, 5.0)]
SLOW: list[tuple[Ask, Any]] = [(ask, timeout) for ask in (CHAT, MESSAGES) for timeout in OWN]
STREAMS: list[tuple[Ask, Any]] = [(ask, timeout) for ask in (STREAM, CLAUDE) for timeout in OWN]
"""What is asked for, and the client's own time-outs."""


@every_surface
@asks
def test_a_silent_primary_is_left_for_its_fallback(surface: Surface, ask: Ask, emu: Emulator) -> None:
    """After one attempt: the same route would most likely be silent again. No connection is kept."""
    before = emu.connections_open  # of a test before: requests keeps one as long as its response
    with client(surface, emu, falling(emu, row(ask), policy=QUICK), pool=1) as caller:
        emu.script(SILENT)
        end = called(caller, ask)
        fell(end, "transient", origin=model_of(ask))
        told = report(end)
        assert told is not None
        first = told.attempts[0].fault
        assert first is not None
        assert first.kind is FaultKind.READ_TIMEOUT
        assert models(emu.seen) == [model_of(ask), SPARE]
        assert caller.in_use() == 0
        until(lambda: emu.connections_open <= before + 1)


@every_surface
@pytest.mark.parametrize(("ask", "timeout"), SLOW, ids=lambda it: str(getattr(it, "path", it)))
def test_a_slow_answer_that_has_begun_is_not_cut(surface: Surface, ask: Ask, timeout: Any, emu: Emulator) -> None:
    """A document's body takes longer than the first byte may; whatever the client's own time-outs are."""
    with client(surface, emu, falling(emu, row(ask), policy=QUICK), pool=1, timeout=timeout) as caller:
        whole = called(caller, ask)
        emu.reset()
        emu.script(Fault(delay_body=LATER))
        end = called(caller, ask)
        assert getattr(end, "status", end) == 200
        assert len(end.content) == len(whole.content)
        assert HEADER not in end.headers
        assert models(emu.seen) == [model_of(ask)]
        assert caller.in_use() == 0


@every_surface
@pytest.mark.parametrize(("ask", "timeout"), STREAMS, ids=lambda it: str(getattr(it, "path", it)))
def test_a_stream_that_is_only_headers_has_not_begun(surface: Surface, ask: Ask, timeout: Any, emu: Emulator) -> None:
    """They are there at once, the first byte after them is not: another serves, and no connection is kept."""
    before = emu.connections_open  # of a test before: requests keeps one as long as its response
    with client(surface, emu, falling(emu, row(ask), policy=QUICK), pool=1, timeout=timeout) as caller:
        emu.script(Fault(delay_body=LATER))
        end = called(caller, ask)
        fell(end, "transient", origin=model_of(ask))
        told = report(end)
        assert told is not None
        first = told.attempts[0]
        assert first.fault is not None
        assert (first.status, first.fault.kind) == (200, FaultKind.READ_TIMEOUT)
        assert models(emu.seen) == [model_of(ask), SPARE]
        assert caller.in_use() == 0
        until(lambda: emu.connections_open <= before + 1)


@every_surface
def test_a_stream_that_pauses_is_not_cut(surface: Surface, emu: Emulator) -> None:
    """A comment came in time; the first event takes longer than that may."""
    with client(surface, emu, falling(emu, policy=QUICK), pool=1) as caller:
        emu.script(Fault(delay_body=LATER, keep_alive=0.9 * LATER))
        _, body, broken = caller.stream("POST", STREAM.path, json=STREAM.json)
        assert broken is None
        assert body.endswith(b"data: [DONE]\n\n")
        assert models(emu.seen) == ["gpt-5"]


@every_surface
def test_the_callers_own_time_out_still_holds_for_the_rest(surface: Surface, emu: Emulator) -> None:
    """A body that stalls ends as it does without us."""
    with client(surface, emu, falling(emu, policy=QUICK), pool=1, timeout=(5.0, LATER)) as caller:
        emu.script(Fault(stall="mid_body"))
        _, body, broken = caller.stream("POST", STREAM.path, json=STREAM.json)
        # requests has no time-out of its own for a body, but a lost connection.
        assert isinstance(broken, (surface.timeout_error, surface.transport_error))
        assert body != b""
        assert models(emu.seen) == ["gpt-5"]
        until(lambda: caller.in_use() == 0)


@every_surface
def test_without_a_fallback_it_is_tried_again(surface: Surface, emu: Emulator) -> None:
    """As after any time-out, and the last one is the client's own exception."""
    policy = Policy(attempts=2, first_byte_timeout=SOON)
    anyint = guarded(emu, Clock().runtime(), policy=policy, guards=Guards(failures=99, **AMPLE))
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(SILENT, SILENT)
        end = called(caller, CHAT)
        assert isinstance(end, surface.timeout_error)
        stood(end)
        told = report(end)
        assert told is not None
        assert [it.fault.kind for it in told.attempts if it.fault is not None] == [FaultKind.READ_TIMEOUT] * 2
        assert caller.in_use() == 0


@every_surface
def test_a_paid_create_is_never_cut(surface: Surface, emu: Emulator) -> None:
    """Nobody would know whether it was done."""
    with client(surface, emu, falling(emu, row(VIDEO), policy=QUICK), pool=1) as caller:
        emu.script(Fault(delay_headers=LATER))
        end = called(caller, VIDEO)
        assert getattr(end, "status", end) == 200
        assert HEADER not in end.headers
    assert len(emu.tasks) == 1


@every_surface
def test_a_policy_of_one_call(surface: Surface, emu: Emulator) -> None:
    """Given for a call alone, on a client whose fast lane knows the request."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        for _ in range(2):
            assert called(caller, CHAT).status == 200
        emu.reset()
        emu.script(SILENT)
        fell(called(caller, CHAT, policy=QUICK), "transient")


@every_surface
def test_it_is_over_with_its_call(surface: Surface, emu: Emulator) -> None:
    """The next call on the same connection, without it, waits as long as the client does."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        assert called(caller, CHAT, policy=QUICK).status == 200
        emu.script(Fault(delay_headers=LATER))
        end = called(caller, CHAT)
        assert getattr(end, "status", end) == 200
        assert HEADER not in end.headers
    assert len({it.connection for it in emu.seen}) == 1


@every_surface
def test_a_shorter_time_out_of_the_client_wins(surface: Surface, emu: Emulator) -> None:
    """It is no less a reason to fall back."""
    policy = Policy(first_byte_timeout=20)
    with client(surface, emu, falling(emu, policy=policy), pool=1, timeout=(5.0, SOON)) as caller:
        emu.script(SILENT)
        fell(called(caller, CHAT), "transient")


@surfaces(lambda surface: surface.is_async)
def test_a_call_that_is_cancelled_meanwhile_is_not_silent(surface: Surface, emu: Emulator) -> None:
    """Cancelled from outside before the time is over: it is cancelled, and no fallback is asked."""
    with client(surface, emu, falling(emu, policy=Policy(first_byte_timeout=20)), pool=1) as caller:

        async def run() -> bool:
            with anyio.move_on_after(SOON) as scope:
                await Call(CHAT).to(caller)
            return scope.cancelled_caught

        emu.script(SILENT)
        assert caller.call(run)
        until(lambda: len(emu.seen) == 1)
        assert caller.in_use() == 0
        assert called(caller, CHAT).status == 200
        assert models(emu.seen) == ["gpt-5", "gpt-5"]
