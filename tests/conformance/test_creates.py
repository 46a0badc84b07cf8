"""Paid creates, on every client: what became of each is known, remembered, and never paid twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import OutcomeUnknown, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.stores.memory import MemoryStore
from tests.conformance.kit import FILM, VIDEOS, client, configured
from tests.conformance.surfaces import Surface, every_surface, sends


@every_surface
def test_a_lost_paid_create_is_known_again(surface: Surface, emu: Emulator) -> None:
    """It reaches the gateway once; the same create is refused without touching the wire until it is forgotten."""
    emu.script(Fault(reset="before_headers", process=True))
    anyint = configured(emu)
    with client(surface, emu, anyint) as caller:
        first = caller.error("POST", VIDEOS, json=FILM)
        second = caller.error("POST", VIDEOS, json=FILM)
        for error in (first, second):
            assert isinstance(error, surface.adapter.OutcomeUnknown)
            assert isinstance(error, OutcomeUnknown)
            assert isinstance(error, surface.transport_error)
            assert "billed" in str(error)
        assert isinstance(first, OutcomeUnknown)
        assert isinstance(first.__cause__, surface.transport_error)
        assert len(emu.seen) == len(emu.tasks) == 1
        assert caller.request("POST", VIDEOS, json=FILM, headers={"Idempotency-Key": "another"}).status == 200
        assert first.intent is not None
        anyint.ledger.forget(first.intent)
        assert caller.request("POST", VIDEOS, json=FILM).status == 200


@every_surface
def test_a_lost_create_is_known_on_every_client_of_the_configuration(surface: Surface, emu: Emulator) -> None:
    """Whoever asks for the same, by whatever client, is told; nothing goes over the wire."""
    emu.script(Fault(reset="before_headers", process=True))
    anyint, ask = configured(emu), json.dumps(FILM).encode()
    with client(surface, emu, anyint) as caller, client(Surface("httpx"), emu, anyint) as another:
        assert isinstance(caller.error("POST", VIDEOS, content=ask), OutcomeUnknown)
        assert isinstance(another.error("POST", VIDEOS, content=ask), OutcomeUnknown)
    assert len(emu.seen) == 1


@every_surface
def test_a_form_with_another_file_is_another_create(surface: Surface, emu: Emulator) -> None:
    """Only its boundary makes no difference."""
    emu.script(Fault(reset="before_headers", process=True))
    with client(surface, emu) as caller:
        error = caller.error("POST", VIDEOS, data=FILM, files={"input_reference": ("a.png", b"png")})
        assert isinstance(error, OutcomeUnknown)
        answer = caller.request("POST", VIDEOS, data=FILM, files={"input_reference": ("a.png", b"another")})
        assert answer.status == 200


@every_surface
def test_a_create_whose_answer_stalls_is_also_a_timeout(surface: Surface, emu: Emulator) -> None:
    """Code that catches the client's time-outs goes on catching it."""
    if surface.library == "requests":
        pytest.skip("requests itself calls a time-out in the middle of a body a ConnectionError")
    emu.script(Fault(stall="mid_body", process=True))
    with client(surface, emu, timeout=(5, 0.2)) as caller:
        error = caller.error("POST", VIDEOS, json=FILM)
    assert isinstance(error, surface.adapter.OutcomeUnknownTimeout)
    assert isinstance(error, surface.timeout_error)


@every_surface
@pytest.mark.parametrize("step", [1, 2])
def test_a_store_that_fails_is_no_new_way_to_fail(surface: Surface, emu: Emulator, step: int) -> None:
    """The answer comes back and the report says that the ledger was not there."""

    class Failing(MemoryStore):
        steps = 0

        def update(self, *args: Any) -> Any:
            self.steps += 1
            if self.steps == step:
                raise OSError("down")
            return super().update(*args)

    with client(surface, emu, configured(emu, store=Failing(lambda: 0.0))) as caller:
        answer = caller.request("POST", VIDEOS, json=FILM)
    assert answer.status == 200
    found = report(answer)
    assert found is not None
    if step == 1:
        assert any("store failed" in note for note in found.notes)


@every_surface
def test_a_path_that_is_not_anyints_is_not_in_the_ledger(surface: Surface, emu: Emulator) -> None:
    """On a host of yours that also serves other things, a failed POST to those is nobody's paid create."""
    emu.script(Fault(status=500, body=b"{}"), match="POST /login")
    with client(surface, emu) as caller:
        assert caller.request("POST", "/login", json={}).status == 500
        assert caller.request("POST", "/login", json={}).status == 404


@every_surface
def test_a_failed_cancel_can_be_sent_again_by_the_application(surface: Surface, emu: Emulator) -> None:
    """Only what makes paid work is held back after an unknown outcome; cancelling makes none."""
    emu.script(Fault(status=500))
    with client(surface, emu) as caller:
        for _ in range(2):
            caller.request("POST", "/openai/v1/batches/b1/cancel")
    assert len(emu.seen) == 2


@every_surface
def test_the_report_names_the_intent_of_a_create_that_ended_in_a_502(surface: Surface, emu: Emulator) -> None:
    """The answer is handed over, and says what to forget once the application has looked."""
    emu.script(Fault(status=502))
    anyint = configured(emu)
    with client(surface, emu, anyint) as caller:
        found = report(caller.request("POST", VIDEOS, json=FILM))
        assert found is not None
        assert found.intent is not None
        assert isinstance(caller.error("POST", VIDEOS, json=FILM), OutcomeUnknown)
        anyint.ledger.forget(found.intent)
        assert caller.request("POST", VIDEOS, json=FILM).status == 200


@every_surface
def test_keyboard_interrupt_passes_at_once_and_settles_the_ledger(surface: Surface, emu: Emulator) -> None:
    """Ctrl-C in the middle of a paid create is not swallowed, and the create is unknown from then on."""
    if surface.is_async:
        pytest.skip("on an event loop Ctrl-C is a cancellation, which has a test of its own")

    def interrupted(request: Any) -> Any:
        raise KeyboardInterrupt

    anyint = configured(emu)
    with client(surface, emu, anyint, inner=sends(surface, interrupted)) as caller, pytest.raises(KeyboardInterrupt):
        caller.request("POST", VIDEOS, json=FILM)
    assert len(anyint.ledger.unknown()) == 1


@every_surface
def test_a_lost_create_says_which_one_it_was(surface: Surface, emu: Emulator) -> None:
    """The exception's text has the route and the intent, and requests' has the request, as each of its exceptions."""
    emu.script(Fault(reset="before_headers", process=True))
    with client(surface, emu) as caller:
        first, second = (caller.error("POST", VIDEOS, json=FILM) for _ in range(2))
        for error in (first, second):
            assert isinstance(error, OutcomeUnknown)
            assert str(error).startswith(f"POST {VIDEOS}: ")
            assert str(error.intent) in str(error)
            found = report(error)
            assert found is not None
            assert found.repeats == 0  # the ledger's, not a riddle
    if surface.library == "requests":
        assert first.request.method == "POST"  # type: ignore[attr-defined]
