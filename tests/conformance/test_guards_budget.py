"""The retry budget of a key and host, for callers at the same time, of two keys, and for who waits for a task.

Must not know how tokens are counted: only how many requests reach the gateway. ``scenarios_guards`` has the rest.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from anyint_resilience import Guards, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.guards_kit import Call, Clock, Heard, another, called, guarded, together
from tests.conformance.kit import KEY, client
from tests.conformance.scenario import CHAT, VIDEO
from tests.conformance.surfaces import Surface, every_surface

CROWD, TOKENS = 6, 3
BUSY = Fault.error(503)
NO_TOKENS = Guards(budget_reserve=0, budget_ratio=0, failures=99)
FAULTS = {"503": BUSY, "reset": Fault(reset="before_headers"), "hung up": Fault(half_close=True)}


@every_surface
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_all_callers_share_it(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """However many fail at the same time: so many requests more than calls as there are tokens, and not one beyond."""
    guards = Guards(budget_reserve=TOKENS, budget_ratio=0, failures=999)
    with client(surface, emu, guarded(emu, Clock().runtime(), guards=guards), pool=CROWD) as caller:
        emu.script(*[fault] * (3 * CROWD))
        ends = together(caller, [Call(another(CHAT, number)) for number in range(CROWD)])
        told = [report(it) for it in ends]
        assert len(emu.seen) == CROWD + TOKENS == sum(len(it.attempts) for it in told if it is not None)
        spent = [it for it in told if it is not None and "retry budget" in it.decision.reason]  # type: ignore[union-attr]
        assert len(spent) >= CROWD - TOKENS
        assert caller.in_use() == 0


@every_surface
def test_each_key_has_its_own(surface: Surface) -> None:
    """What one key spent is not missing to another."""
    guards = Guards(budget_reserve=1, budget_ratio=0, failures=99)
    with Emulator() as emu:
        anyint = guarded(emu, Clock().runtime(), guards=guards, api_key=None)
        with client(surface, emu, anyint, pool=1) as caller:
            sent = []
            for key in (KEY, KEY, "another-key"):
                emu.reset()
                emu.script(*[BUSY] * 3)
                assert called(caller, CHAT.but(headers={"Authorization": f"Bearer {key}"})).status == 503
                sent.append(len(emu.seen))
    assert sent == [2, 1, 2]


@every_surface
def test_it_is_told_when_it_is_spent(surface: Surface, emu: Emulator) -> None:
    """The first answer at once, with its body, and whoever listens hears why."""
    clock, heard = Clock(), Heard()
    anyint = guarded(emu, clock.runtime(), guards=NO_TOKENS, listeners=[heard])
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(Fault(status=503, body=b"busy"))
        end = called(caller, CHAT)
        assert (end.status, end.content, end.headers["x-should-retry"]) == (503, b"busy", "false")
        assert clock.asked == []
        (event,) = heard.named("refused")
        assert event.details["anyint.guard"] == "budget"


@every_surface
def test_who_waits_for_a_task_goes_on_asking(surface: Surface, emu: Emulator) -> None:
    """A query that fails is not sent again at once, but the next one comes in its time, and the wait ends well."""
    clock: Any = Clock(moves=emu.clock.advance)
    with client(surface, emu, guarded(emu, clock.runtime(), guards=NO_TOKENS), pool=1) as caller:
        made = called(caller, VIDEO)
        emu.script(*[BUSY] * 2, match="GET /openai/v1/videos")
        wait = surface.adapter.wait_for_task
        done = caller.call(wait, caller.client, made.response, deadline=1800)
        assert done.phase == "success"
        queries = emu.requests("GET", "/openai/v1/videos")
        assert [it.answered for it in queries][:2] == [503, 503]
        gaps = [two.clock - one.clock for one, two in pairwise(queries)]
        assert min(gaps) >= 1.0, "no faster than the polls of a wait"
