"""A ``Host`` header that names another host than the URL, on every client: it says who gets what is sent to the URL's.

Behind one address stand many hosts, which a front server tells apart by this header alone, whatever the certificate.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from anyint_resilience import report
from tests.conformance.surfaces import Surface, every_surface
from tests.hostile.keys_kit import CHAT, GATEWAY, KEY, Net, configured, opened, spilled

MODELS = "/openai/v1/models"
ASK = {"model": "gpt-5", "messages": []}
OURS = [f"Bearer {KEY}"]

AWAY = ["evil.test", "evil.test:443", "gateway.api.anyint.ai.evil.test", "gateway.api.anyint.ai@evil.test", "[::2]"]
HOME = ["gateway.api.anyint.ai", "GATEWAY.api.anyint.ai.", "api.anyint.ai:443", "127.0.0.1:8080", "[::1]:1"]


@every_surface
@pytest.mark.parametrize("own", [False, True], ids=["ours", "own"])
def test_no_key_goes_to_a_foreign_host_behind_the_gateways_address(
    surface: Surface, net: Net, tmp_path: Path, own: bool
) -> None:
    """Such a request is none of ours, on the fast lane too: untouched, but without a key that AnyInt has seen."""
    headers = {"Authorization": f"Bearer {KEY}"} if own else {}
    with opened(surface, configured(api_key=None if own else KEY), tmp_path) as caller:
        for _ in range(2):  # the second time by the fast lane
            assert caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers=headers).status == 200
        for path in (CHAT, "/openai/v1/videos", "/anthropic/v1/messages"):
            for host in AWAY:
                sent = {**headers, "Host": host}
                answer = caller.request("POST", f"{GATEWAY}{path}", json=ASK, headers=sent)
                assert report(answer) is None
    came = net.gateway.seen
    assert [seen.all("authorization") for seen in came[:2]] == [OURS, OURS]
    assert [seen.all("host") for seen in came[2:]] == [[host] for host in AWAY] * 3
    assert not [seen.headers for seen in came[2:] if seen.all("authorization") or seen.all("x-api-key")]


@every_surface
def test_the_gateways_names_may_stand_in_the_header(surface: Surface, net: Net, tmp_path: Path) -> None:
    """Any of AnyInt's and of the configuration's, with any port; and this machine's."""
    with opened(surface, configured(), tmp_path) as caller:
        for host in HOME:
            assert report(caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers={"Host": host})) is not None
    assert [seen.all("authorization") for seen in net.gateway.seen] == [OURS] * len(HOME)


@every_surface
def test_a_foreign_host_that_is_called_the_gateway_gets_no_key(surface: Surface, net: Net, tmp_path: Path) -> None:
    """The connection goes where the URL says."""
    with opened(surface, configured(), tmp_path) as caller:
        caller.request("GET", f"https://evil.test{MODELS}", headers={"Host": "gateway.api.anyint.ai"})
    assert [seen.all("host") for seen in net.other.seen] == [["gateway.api.anyint.ai"]]
    assert net.spilled() == {}


@every_surface
def test_a_host_header_that_stays_after_a_redirect_takes_no_key_along(
    surface: Surface, net: Net, tmp_path: Path
) -> None:
    """requests keeps what the caller said of the first host; the gateway's address may lead back to that one."""
    net.moves({"/x": (302, f"{GATEWAY}{MODELS}")})
    with opened(surface, configured(), tmp_path) as caller:
        caller.request("GET", "https://evil.test/x", headers={"Host": "evil.test"})
    (came,) = net.gateway.seen
    assert came.all("authorization") == (OURS if came.all("host") == ["gateway.api.anyint.ai"] else [])
    assert net.spilled() == {}


def test_a_client_of_the_first_kind_is_among_them(net: Net, tmp_path: Path) -> None:
    """So that the test above says something: requests is one that keeps the header."""
    net.moves({"/x": (302, f"{GATEWAY}{MODELS}")})
    with opened(Surface("requests"), configured(), tmp_path) as caller:
        caller.request("GET", "https://evil.test/x", headers={"Host": "evil.test"})
    assert net.gateway.seen[0].all("host") == ["evil.test"]
    assert not spilled(net.gateway.heard)
