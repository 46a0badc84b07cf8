"""An error whose body falls silent, in clients without time-outs, on every client. Must not know how a body is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from anyint_resilience import Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from tests.alone import ALONE
from tests.conformance.kit import ASK, CHAT
from tests.conformance.surfaces import Caller, Surface, Waits, calling, every_surface, surfaces
from tests.hostile.bounds_kit import Pouring


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyint_resilience.judging.PEEK_SECONDS", 0.2)


def silent(status: int) -> Fault:
    """An answer that stops in the middle of its body, and keeps its connection."""
    return Fault(status=status, body='{"error": {"message": "%s"}}' % ("x" * 200), stall="mid_body")


@contextmanager
def patient(surface: Surface, emu: Emulator, **policy: Any) -> Iterator[Caller]:
    """Open a client that waits for any time, with calls that go by the fast lane first."""
    anyint = Resilience(
        api_key="test-key", base_url=emu.url, guards=ALONE, runtime=Waits().runtime(), policy=Policy(**policy)
    )
    with calling(surface, anyint, base_url=emu.url, timeout=None) as caller:
        yield caller


@every_surface
@pytest.mark.parametrize("policy", [{}, {"first_byte_timeout": 5.0}, {"deadline": 60.0}], ids=repr)
def test_an_error_whose_body_fell_silent_was_waited_for_for_ever(
    surface: Surface, policy: dict[str, Any], emu: Emulator
) -> None:
    """In a client without time-outs: it is asked again, as any other 503."""
    emu.script(*[silent(503)] * 2)
    with patient(surface, emu, **policy) as caller:
        answer = caller.request("POST", CHAT, json=ASK)
    assert (answer.status, len(emu.seen)) == (200, 3)


@every_surface
def test_one_that_is_final_is_handed_over_with_what_came(surface: Surface, emu: Emulator) -> None:
    emu.script(silent(400))
    with patient(surface, emu) as caller:
        answer, body, _ = caller.stream("POST", CHAT, json=ASK)
        assert caller.request("POST", CHAT, json=ASK).status == 200
    assert (answer.status, body[:10], len(emu.seen)) == (400, b'{"error": ', 2)
    told = report(answer.response)
    assert told is not None


@surfaces(lambda surface: surface.is_httpx and surface.backend is None)
def test_a_request_that_is_sent_again_has_the_clients_own_time_outs(surface: Surface, emu: Emulator) -> None:
    """As an auth flow sends one: the bound on reading an error is none on the next answer."""
    emu.script(Fault(status=400), Fault(delay_headers=0.5))
    with patient(surface, emu, attempts=1) as caller:
        request = caller.client.build_request("POST", f"{emu.url}{CHAT}", json=ASK)
        assert [caller.client.send(request).status_code for _ in range(2)] == [400, 200]


@surfaces(lambda surface: surface.library == "requests")
def test_the_rest_of_an_error_may_take_as_long_as_the_client_waits(surface: Surface) -> None:
    """What is behind what was looked at."""

    def slow(head: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 400 Bad Request\r\ncontent-length: 80000\r\n\r\n" + b"x" * 70_000
        Event().wait(0.5)
        yield b"x" * 10_000

    with Pouring(slow) as server:
        anyint = Resilience(api_key="test-key", base_url=server.url, guards=ALONE, runtime=Waits().runtime())
        with calling(surface, anyint, base_url=server.url, timeout=None) as caller:
            assert caller.request("POST", CHAT, json=ASK).content == b"x" * 80_000
