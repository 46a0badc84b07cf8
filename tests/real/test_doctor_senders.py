"""What the doctor's own requests carry, on each client: no key where none belongs, nothing that was not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("h11")

from anyint_resilience.cli.doctor import sending
from anyint_resilience.emulator import Emulator, Fault
from tests.real.doctor_kit import KEY, Place, place_of
from tests.real.doctor_rows import LIST, page


@pytest.fixture(params=["httpx2", "httpx", "requests", "aiohttp"])
def place(
    emu: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> Iterator[Place]:
    pytest.importorskip(request.param, reason="this client is not there on this Python")
    monkeypatch.setattr(sending, "CLIENTS", (request.param,))
    yield from place_of(emu, monkeypatch, tmp_path, capsys)


def test_a_redirect_is_told_and_not_followed(place: Place) -> None:
    """The key stays where it was sent to."""
    place.script(LIST, Fault(status=302, headers={"location": f"{place.gateway.url}/elsewhere"}))
    found = place.found("--only", "models")[1]["models"]
    assert "redirects to" in found["found"]
    assert [it.path for it in place.gateway.seen] == ["/openai/v1/models"]


def test_a_callback_carries_no_key_and_comes_twice(place: Place) -> None:
    """It goes past our layer, which would send a key or send it again; each is one request, whatever it brings."""
    place.script("POST /hook", Fault(status=503))
    url = f"{place.gateway.url}/hook?token=hunter2-hunter2"
    assert "HTTP 503" in place.found("--only", "callback", "--callback-url", url)[1]["callback"]["found"]
    assert len(place.gateway.seen) == 1
    place.script("POST /hook", Fault(status=200, body="{}"), Fault(status=200, body="{}"))
    _, out, err = place.run("--only", "callback", "--callback-url", url)
    assert "hunter2" not in out + err
    assert len(place.gateway.seen) == 3
    for request in place.gateway.seen:
        assert request.path == "/hook"
        assert not {"authorization", "x-api-key", "x-goog-api-key"} & set(request.headers)
        assert KEY not in str(request.headers)


def test_nothing_that_is_packed_is_asked_for(place: Place) -> None:
    """What must be unpacked has a size that nobody knows."""
    place.run("--only", "models", "--only", "stream")
    assert len(place.gateway.seen) == 2
    assert {it.headers["accept-encoding"] for it in place.gateway.seen} == {"identity"}


def test_the_environments_proxy_is_used(place: Place) -> None:
    """By each client, or what stands between it and the gateway would not be seen."""
    head = b"HTTP/1.1 407 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    place.set(HTTP_PROXY=f"http://user:hunter2@{place.server(head)}")
    found = place.found("--only", "models")[1]["models"]
    assert "wants a user and a password (HTTP 407)" in found["found"]
    assert place.gateway.seen == []


def test_an_id_that_steers_a_terminal_is_none(place: Place) -> None:
    """Names of models are shown as names only."""
    place.script(LIST, page("gpt-5\x1b[2J", "gpt-5-mini", "gpt\n5"))
    found = place.found("--only", "models", "--model", "gpt-5")[1]["models"]
    assert found["found"] == "no model 'gpt-5' among 1; names like it: gpt-5-mini"
