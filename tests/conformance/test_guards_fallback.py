"""Fallback routes on the wire: when another model serves, and when the primary's own answer stands.

Must not know how a way is made: only what reaches the gateway, and what the application is given and told.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from anyint_resilience import Action, Cause, GateClosed, Guards, Policy, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.guards import budget
from tests.conformance.fallback_kit import (
    AMPLE,
    BUSY,
    HEADER,
    LOST,
    SPARE,
    falling,
    fell,
    models,
    row,
    stood,
)
from tests.conformance.guards_kit import ONCE, Call, Clock, Heard, another, called, guarded, together
from tests.conformance.kit import KEY, client
from tests.conformance.scenario import CHAT
from tests.conformance.surfaces import Surface, every_surface
from tests.waiting import until

# --- when

FAILURES: dict[str, tuple[Fault, str]] = {
    "503": (BUSY, "transient"),
    "500": (Fault.error(500), "server"),
    "reset": (LOST, "transient"),
    "hung up": (Fault(half_close=True), "transient"),
}


@every_surface
@pytest.mark.parametrize(("fault", "cause"), FAILURES.values(), ids=FAILURES)
def test_a_failing_primary_is_served_by_its_fallback(
    surface: Surface, fault: Fault, cause: str, emu: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Once more on its own route, then on the other; header, report, log and whoever listens say so."""
    heard = Heard()
    with caplog.at_level(logging.WARNING, "anyint_resilience"):
        with client(surface, emu, falling(emu, listeners=[heard]), pool=1) as caller:
            emu.script(fault, fault)
            fell(called(caller, CHAT), cause)
            assert models(emu.seen) == ["gpt-5", "gpt-5", SPARE]
            assert caller.in_use() == 0
    (event,) = heard.named("fallback")
    assert (event.details["anyint.fallback.to"], event.details["anyint.fallback.cause"]) == (SPARE, cause)
    assert [it for it in caplog.records if "fallback" in it.getMessage()] != []
    assert KEY not in caplog.text


@every_surface
def test_an_open_circuit_goes_to_the_fallback_at_once(surface: Surface, emu: Emulator) -> None:
    """The breaker is on where there is a fallback; while it is open the primary is not asked."""
    with client(surface, emu, falling(emu, guards=Guards(min_volume=2, **AMPLE)), pool=1) as caller:
        emu.script(BUSY, BUSY)
        fell(called(caller, CHAT), "transient")
        emu.reset()
        fell(called(caller, CHAT), "circuit")
        assert models(emu.seen) == [SPARE]


@every_surface
def test_the_primary_is_asked_again_after_the_cooldown(surface: Surface, emu: Emulator) -> None:
    """One probe finds it well, and the fallback is not needed."""
    clock, guards = Clock(), Guards(min_volume=2, **AMPLE)
    anyint = guarded(emu, clock.runtime(), fallbacks=[row()], guards=guards)
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(BUSY, BUSY)
        fell(called(caller, CHAT), "transient")
        emu.reset()
        clock.now += guards.cooldown * 2
        for _ in range(2):
            end = called(caller, CHAT)
            assert end.status == 200
            assert HEADER not in end.headers
        assert models(emu.seen) == ["gpt-5", "gpt-5"]


@every_surface
def test_the_attempts_of_a_policy_are_all_of_them(surface: Surface, emu: Emulator) -> None:
    """The primary has two of them, the fallback the others; the report counts all, and says whose each was."""
    with client(surface, emu, falling(emu, policy=Policy(attempts=4)), pool=1) as caller:
        emu.script(*[BUSY] * 3)
        end = called(caller, CHAT)
        fell(end, "transient")
        told = report(end)
        assert told is not None
        tos = [None, None, SPARE, SPARE]
        assert [(it.number, it.to) for it in told.attempts] == list(enumerate(tos, 1))
        assert models(emu.seen) == [it or "gpt-5" for it in tos]


@every_surface
def test_a_chain_goes_on(surface: Surface, emu: Emulator) -> None:
    """A fallback may have one of its own; what is told is from the primary to the one that serves."""
    rows = (row(), row(model=SPARE, to="last-model"))
    with client(surface, emu, falling(emu, *rows), pool=1) as caller:
        emu.script(*[BUSY] * 3)
        fell(called(caller, CHAT), "transient", target="last-model")
        assert models(emu.seen) == ["gpt-5", "gpt-5", SPARE, "last-model"]


NEVER: dict[str, Fault] = {
    "auth": Fault.error(401),
    "permission": Fault.error(403),
    "invalid": Fault.error(400),
    "unprocessable": Fault.error(422),
    "model": Fault.error(404, code="model_not_found"),
    "quota": Fault.error(429, code="insufficient_quota"),
    "payment": Fault.error(402),
    "policy": Fault.error(400, code="content_policy_violation"),
    "rate": Fault.error(429, retry_after=900),
}


@every_surface
@pytest.mark.parametrize("fault", NEVER.values(), ids=NEVER)
def test_what_another_model_does_not_mend_is_handed_over(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """The primary's own answer; nobody else is asked."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(fault)
        stood(called(caller, CHAT), fault.status)
        assert set(models(emu.seen)) == {"gpt-5"}


@every_surface
def test_a_rate_limit_only_where_the_row_says_so(surface: Surface, emu: Emulator) -> None:
    """``on_rate=True``: neither the one who is told nor those after it wait."""
    clock = Clock()
    anyint = guarded(emu, clock.runtime(), fallbacks=[row(on_rate=True)])
    with client(surface, emu, anyint, pool=1) as caller:
        emu.script(Fault.error(429, retry_after=900))
        fell(called(caller, CHAT), "rate")
        assert models(emu.seen) == ["gpt-5", SPARE]
        emu.reset()
        assert called(caller, CHAT).headers[HEADER].startswith(f"from=gpt-5, to={SPARE}")
        assert models(emu.seen) == [SPARE]
        assert clock.asked == []


@every_surface
def test_a_fallback_costs_a_token_of_the_budget(surface: Surface, emu: Emulator) -> None:
    """Next to nothing, but not nothing: then the first answer is handed over."""
    guards = Guards(budget_reserve=1 + budget.ELSEWHERE, budget_ratio=0, breaker=False, failures=99)
    with client(surface, emu, falling(emu, guards=guards), pool=1) as caller:
        emu.script(BUSY, BUSY, match="POST /openai")
        fell(called(caller, CHAT), "transient")
        emu.reset()
        emu.script(BUSY)
        end = called(caller, CHAT)
        stood(end, 503)
        assert "budget" in report(end).decision.reason  # type: ignore[union-attr]
        assert models(emu.seen) == ["gpt-5"]


@every_surface
def test_a_fallback_without_a_token_is_not_taken(surface: Surface, emu: Emulator) -> None:
    """The last token is not spent on the primary where a fallback helps; without any there is none."""
    heard, guards = Heard(), Guards(budget_reserve=0, budget_ratio=0)
    with client(surface, emu, falling(emu, guards=guards, listeners=[heard]), pool=1) as caller:
        emu.script(BUSY, BUSY)
        stood(called(caller, CHAT), 503)
        assert models(emu.seen) == ["gpt-5"]
        (event,) = heard.named("fallback refused")
        assert "retry budget" in event.details["anyint.reason"]


# --- where it does not help

PRIMARYS = Fault(status=503, body=b'{"error":{"message":"the primary\'s own"}}', headers={"x-whose": "primary"})
UNHELPFUL: dict[str, Fault] = {
    "limited": Fault.error(429, retry_after=900),
    "failing": Fault.error(500),
    "refusing": Fault.error(401),
    "unknown model": Fault.error(404, code="model_not_found"),
    "lost": LOST,
}


@every_surface
@pytest.mark.parametrize("fault", UNHELPFUL.values(), ids=UNHELPFUL)
def test_a_fallback_that_fails_leaves_the_primarys_own_answer(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """With its body and headers, and nothing that says another model had served."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(PRIMARYS, PRIMARYS, *[fault] * 3)
        end = called(caller, CHAT)
        stood(end, 503)
        assert (end.content, end.headers["x-whose"]) == (PRIMARYS.body, "primary")
        assert SPARE in models(emu.seen)
        told = report(end)
        assert told is not None
        assert told.decision is not None
        assert (told.decision.action, told.decision.cause) == (Action.NO_RETRY, Cause.TRANSIENT)
        assert caller.in_use() == 0


@every_surface
def test_a_primary_that_is_lost_and_a_fallback_that_fails(surface: Surface, emu: Emulator) -> None:
    """The client's own exception of the primary's attempt."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(LOST, LOST, *[Fault.error(500)] * 3)
        end = called(caller, CHAT)
        assert isinstance(end, surface.transport_error)
        stood(end)


@every_surface
def test_a_fallback_whose_gate_is_closed_is_not_waited_for(surface: Surface, emu: Emulator) -> None:
    """It is itself limited for longer than the call can wait: the primary's own answer."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(Fault.error(429, retry_after=900))
        spare = CHAT.but(json={**CHAT.json, "model": SPARE})
        assert called(caller, spare, policy=ONCE).status == 429
        assert isinstance(called(caller, spare), GateClosed)
        emu.reset()
        emu.script(PRIMARYS, PRIMARYS)
        end = called(caller, CHAT)
        stood(end, 503)
        assert end.content == PRIMARYS.body
        assert models(emu.seen) == ["gpt-5"] * 2


REFUSING: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "the user's word is needed": ({"silent_ok": False}, {}, "silent_ok"),
    "a feature of the primary": ({"features": ["reasoning"]}, {"reasoning": {"effort": "high"}}, "reasoning"),
}


@every_surface
@pytest.mark.parametrize(("settings", "more", "word"), REFUSING.values(), ids=REFUSING)
def test_a_row_may_refuse(
    surface: Surface, settings: dict[str, Any], more: dict[str, Any], word: str, emu: Emulator
) -> None:
    """The primary's own answer, and whoever listens hears why no other model was asked."""
    heard = Heard()
    with client(surface, emu, falling(emu, row(**settings), listeners=[heard]), pool=1) as caller:
        emu.script(PRIMARYS, PRIMARYS, PRIMARYS)
        end = called(caller, CHAT.but(json={**CHAT.json, **more}))
        stood(end, 503)
        told = report(end)
        assert told is not None
        assert any(word in note for note in told.notes)
        assert end.content == PRIMARYS.body
        assert set(models(emu.seen)) == {"gpt-5"}
        (event,) = heard.named("fallback refused")
        assert word in event.details["anyint.reason"]


@every_surface
def test_a_feature_that_is_not_used_refuses_nothing(surface: Surface, emu: Emulator) -> None:
    """Absent, or null."""
    with client(surface, emu, falling(emu, row(features=["reasoning"])), pool=1) as caller:
        emu.script(BUSY, BUSY)
        fell(called(caller, CHAT.but(json={**CHAT.json, "reasoning": None})), "transient")


@every_surface
def test_an_override_that_is_off_takes_no_fallback(surface: Surface, emu: Emulator) -> None:
    """``enabled=False``: the first answer."""
    with client(surface, emu, falling(emu), pool=1) as caller:
        emu.script(PRIMARYS)
        assert called(caller, CHAT, policy=Policy(enabled=False)).status == 503
        assert models(emu.seen) == ["gpt-5"]


@every_surface
def test_many_at_once_are_all_served(surface: Surface, emu: Emulator) -> None:
    """The primary is down for good: after the circuit opened nobody waits for it, on threads and on tasks."""
    size = 12
    guards = Guards(min_volume=2, **AMPLE)
    with client(surface, emu, falling(emu, guards=guards), pool=4) as caller:
        emu.script(BUSY, BUSY)
        fell(called(caller, CHAT), "transient")
        emu.reset()
        ends = together(caller, [Call(another(CHAT, number)) for number in range(size)])
        for end in ends:
            fell(end, "circuit")
        assert models(emu.seen) == [SPARE] * size
        until(lambda: caller.in_use() == 0)
