"""Certificates that nobody should accept, on every client: the key has not left when the client says so."""

from __future__ import annotations

import datetime
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Fallback
from tests.conformance.surfaces import Surface, every_surface, surfaces
from tests.hostile.keys_kit import CHAT, GATEWAY, GATEWAYS, KEY, Net, ca, configured, opened, serving, spilled
from tests.hostile.keys_servers import Listener

MODELS = "/openai/v1/models"
PAST = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)
AHEAD = datetime.datetime(2201, 1, 1, tzinfo=datetime.timezone.utc)

BAD: dict[str, dict[str, Any] | None] = {
    "of an authority that nobody trusts": {"names": GATEWAYS, "by": "untrusted"},
    "expired": {"names": GATEWAYS, "not_before": PAST, "not_after": PAST + datetime.timedelta(days=90)},
    "not valid yet": {"names": GATEWAYS, "not_before": AHEAD, "not_after": AHEAD + datetime.timedelta(days=90)},
    "for somebody else": {"names": ("evil.test",)},
    "for a name that begins alike": {"names": ("gateway.api.anyint.ai.evil.test",)},
    "for the domain above": {"names": ("api.anyint.ai", "anyint.ai")},
    "for a star one label too high": {"names": ("*.anyint.ai",)},
    "for the address": {"names": ("127.0.0.1", "127.77.0.1")},
    "no TLS at all": None,
}


@pytest.fixture
def bad(net: Net) -> Iterator[Listener]:
    """A server in the gateway's place; each test says which certificate it has."""
    made = Listener("bad")
    for name in GATEWAYS:
        net.places[name, 443] = made
    yield made
    made.close()


def shows(server: Listener, certificate: dict[str, Any] | None) -> None:
    """Give the server this certificate."""
    known = dict(certificate or {})
    server.context = serving(*known.pop("names"), **known) if known else None


@every_surface
def test_no_byte_of_the_key_leaves_before_the_certificate_is_accepted(
    surface: Surface, net: Net, bad: Listener, tmp_path: Path
) -> None:
    """Asked once, and nobody else instead: it is a fault of this side or an attack, and neither passes."""
    spare = configured(fallbacks=[Fallback(workload="chat", route=CHAT, model="m", base_url="https://api.anyint.ai")])
    errors = surface.error if isinstance(surface.error, tuple) else (surface.error,)
    wrong = []
    for name, certificate in BAD.items():
        shows(bad, certificate)
        bad.lines.clear()
        with opened(surface, spare, tmp_path, timeout=5.0) as caller:
            try:
                caller.request("POST", f"{GATEWAY}{CHAT}", json={"model": "m", "messages": []})
            except (*errors, ssl.SSLError) as error:
                ended = f"{error!r}{error.__cause__!r}"
            else:
                ended = f"{KEY}: answered"
        until_read(bad)
        if spilled(bad.heard) or KEY in ended or bad.seen:
            wrong.append(f"{name}: {ended} {spilled(bad.heard)}")
        if certificate is not None and len(bad.lines) != 1:
            wrong.append(f"{name}: asked {len(bad.lines)} times: {ended}")
    assert wrong == []


def until_read(server: Listener) -> None:
    """Wait until all that was sent has been read."""
    from tests.waiting import until

    until(server.quiet)


@every_surface
def test_a_client_that_checks_no_certificate_says_so_once(
    surface: Surface, net: Net, bad: Listener, tmp_path: Path
) -> None:
    """That is the caller's word, and the key goes; urllib3 says so itself, with each request."""
    shows(bad, BAD["of an authority that nobody trusts"])
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    for given in (False, unchecked) if surface.library != "requests" else (False,):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with opened(surface, configured(), tmp_path, verify=given) as caller:
                for path in (MODELS, MODELS, CHAT):
                    assert caller.request("GET", f"{GATEWAY}{path}").status == 200
        said = [str(it.message) for it in told if "certificate" in str(it.message)]
        assert len(said) == (1 if surface.library != "requests" else 3)
        assert "gateway.api.anyint.ai" in said[0]
        assert not [it for it in said if KEY in it]
    assert {seen.all("authorization")[0] for seen in bad.seen} == {f"Bearer {KEY}"}


@surfaces(lambda surface: surface.library == "aiohttp")
def test_a_request_that_checks_no_certificate_says_so_though_others_like_it_do(
    surface: Surface, net: Net, tmp_path: Path
) -> None:
    """With aiohttp that is a word of each request; those before went out by the fast lane."""
    own = {"Authorization": f"Bearer {KEY}"}
    with opened(surface, configured(), tmp_path) as caller:
        for _ in range(2):
            assert caller.request("POST", f"{GATEWAY}{CHAT}", json={}, headers=own).status == 200
        with pytest.warns(UserWarning, match="does not check that a certificate is gateway"):
            assert caller.request("POST", f"{GATEWAY}{CHAT}", json={}, headers=own, ssl=False).status == 200


@surfaces(lambda surface: surface.library != "requests")
def test_of_a_client_that_checks_no_name_it_was_said_that_it_checks_no_certificate(
    surface: Surface, net: Net, bad: Listener, tmp_path: Path
) -> None:
    """It does: of an authority that it trusts, for whomever. What is said holds for both."""
    shows(bad, BAD["for somebody else"])
    nameless = trusted_for_any_name()
    with (
        opened(surface, configured(), tmp_path, verify=nameless) as caller,
        pytest.warns(UserWarning, match=r"does not check that a certificate is gateway\.api\.anyint\.ai's") as told,
    ):
        assert caller.request("GET", f"{GATEWAY}{MODELS}").status == 200
    assert len(told) == 1
    assert "no certificate" not in str(told[0].message)
    assert "check_hostname=False" in str(told[0].message)


def trusted_for_any_name() -> ssl.SSLContext:
    """Return TLS settings for which a good certificate need not be for the host that is asked."""
    made = ssl.create_default_context(cadata=ca("trusted").cert_pem.bytes().decode())
    made.check_hostname = False
    return made


@every_surface
def test_nothing_is_said_of_who_checks_nothing_elsewhere(surface: Surface, net: Net, tmp_path: Path) -> None:
    """At a foreign host, or on this machine, no key of AnyInt's is at stake."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        anyint = configured(base_url="https://localhost:1")
        with opened(surface, anyint, tmp_path, verify=False) as caller:
            assert caller.request("GET", f"https://evil.test{MODELS}").status == 200
            caller.error("GET", f"https://localhost:1{MODELS}")
    assert not [it for it in told if it.category is UserWarning]
