"""Keys by HTTP/2, which httpx and httpx2 speak: ``:authority`` for ``Host``, and one connection for many calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from anyint_resilience import report
from tests.conformance.surfaces import Surface, every_httpx
from tests.hostile.keys_kit import CHAT, GATEWAY, KEY, Net, configured, opened

MODELS = "/openai/v1/models"
ASK = {"model": "gpt-5", "messages": []}
OURS = [f"Bearer {KEY}"]


@pytest.mark.filterwarnings("ignore:a request to")
@every_httpx
def test_a_key_goes_to_the_gateway_alone_by_http_2_too(surface: Surface, net: Net, tmp_path: Path) -> None:
    """By a redirect, to a host that looks alike, and to another one behind the same address."""
    net.moves({"/openai/v1/files": (307, f"https://evil.test{MODELS}")})
    with opened(surface, configured(), tmp_path, http2=True) as caller:
        for _ in range(2):
            answer = caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK)
            assert answer.response.http_version == "HTTP/2"
        assert caller.request("GET", f"{GATEWAY}/openai/v1/files").status == 200
        caller.request("GET", f"https://gateway.api.anyint.ai.evil.test{MODELS}")
        strayed = caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers={"Host": "evil.test"})
        assert report(strayed) is None
    assert [seen.all("authorization") for seen in net.gateway.seen] == [OURS, OURS, OURS, []]
    assert [seen.all("host") for seen in net.gateway.seen][-1] == ["evil.test"]
    assert [seen.all("host") for seen in net.other.seen] == [["evil.test"], ["gateway.api.anyint.ai.evil.test"]]
    assert net.spilled() == {}


@every_httpx
def test_a_proxy_sees_no_key_by_http_2(surface: Surface, net: Net, tmp_path: Path) -> None:
    """It gets CONNECT as ever; in the tunnel HTTP/2 is spoken."""
    net.places["proxy.test", 3128] = net.proxy
    with opened(surface, configured(), tmp_path, http2=True, proxy="http://proxy.test:3128") as caller:
        assert caller.request("GET", f"{GATEWAY}{MODELS}").response.http_version == "HTTP/2"
    assert [seen.method for seen in net.proxy.seen] == ["CONNECT"]
    assert [seen.all("authorization") for seen in net.gateway.seen] == [OURS]
    assert net.spilled() == {}
