"""A model that the gateway does not know: the report names those like it, and nobody is switched to one of them.

Must not know how names are compared.
"""

from __future__ import annotations

import pytest

from anyint_resilience import Cause, Fallback, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.guards_kit import Clock, called, guarded
from tests.conformance.kit import KEY, client
from tests.conformance.scenario import CHAT, MESSAGES, Ask
from tests.conformance.surfaces import Surface, every_surface

LISTS = {"openai": (CHAT, "gpt-5"), "anthropic": (MESSAGES, "claude-sonnet-5-5")}
PATHS = {CHAT.path: "/openai/v1/models", MESSAGES.path: "/anthropic/v1/models"}


def missing(ask: Ask, name: str) -> Ask:
    """Return a call for a model that is not there."""
    return ask.but(json={**ask.json, "model": f"{name}-missing"})


@every_surface
@pytest.mark.parametrize(("ask", "like"), LISTS.values(), ids=LISTS)
def test_names_like_it_are_told(surface: Surface, ask: Ask, like: str, emu: Emulator) -> None:
    """From the gateway's own list, asked for with the call's key; the answer is the 404 as it came."""
    with client(surface, emu, guarded(emu, Clock().runtime()), pool=1) as caller:
        end = called(caller, missing(ask, like))
        assert end.status == 404
        assert end.json()["error"]
        told = report(end)
        assert told is not None
        assert told.decision is not None
        assert told.decision.cause is Cause.MODEL
        assert like in told.nearest_models
        assert any(like in note for note in told.notes)
        assert [it.status for it in told.attempts if it.asked is None] == [404]
        assert [(it.method, it.path, it.answered) for it in emu.seen] == [
            ("POST", ask.path, 404),
            ("GET", PATHS[ask.path], 200),
        ]
        assert KEY in str(emu.seen[1].headers)
        assert emu.seen[1].body == b""
        assert caller.in_use() == 0


@every_surface
def test_the_list_is_asked_for_once(surface: Surface, emu: Emulator) -> None:
    """Whatever else is asked for meanwhile; after a while it is asked for anew."""
    clock = Clock()
    with client(surface, emu, guarded(emu, clock.runtime()), pool=1) as caller:
        for name in ("gpt-5", "gpt-5", "gpt-5-mini"):
            assert report(called(caller, missing(CHAT, name))).nearest_models  # type: ignore[union-attr]
        assert len(emu.requests("GET")) == 1
        clock.now += 3600
        called(caller, missing(CHAT, "gpt-5"))
        assert len(emu.requests("GET")) == 2


BROKEN = {
    "503": Fault.error(503),
    "no JSON": Fault(body="<html>"),
    "too long": Fault(body="x" * 3_000_000),
    "another shape": Fault(body={"data": [1, {"id": 2}, {"id": "\n"}], "models": "x"}),
    "lost": Fault(reset="before_headers"),
    "cut": Fault(truncate=5),
}


@every_surface
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_list_that_cannot_be_read_changes_nothing(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """The 404 is handed over, and its connection comes back."""
    with client(surface, emu, guarded(emu, Clock().runtime()), pool=1) as caller:
        emu.script(fault, match="GET /openai/v1/models")
        end = called(caller, missing(CHAT, "gpt-5"))
        assert end.status == 404
        assert end.json()["error"]["code"] == "model_not_found"
        assert report(end).nearest_models == ()  # type: ignore[union-attr]
        assert caller.in_use() == 0
        assert called(caller, CHAT).status == 200


@every_surface
def test_a_fallback_is_not_taken_for_a_name_that_is_wrong(surface: Surface, emu: Emulator) -> None:
    """That is the application's to mend."""
    wrong = missing(CHAT, "gpt-5")
    rows = [Fallback(workload="chat", route=CHAT.path, model="gpt-5-missing", to="gpt-5")]
    with client(surface, emu, guarded(emu, Clock().runtime(), fallbacks=rows), pool=1) as caller:
        assert called(caller, wrong).status == 404
        assert [it.json()["model"] for it in emu.requests("POST")] == ["gpt-5-missing"]
