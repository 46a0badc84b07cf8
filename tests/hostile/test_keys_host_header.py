"""A ``Host`` header that names another host than the URL, on every client: it says who gets what is sent to the URL's.

Behind one address stand many hosts, which a front server tells apart by this header alone, whatever the certificate.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from anyint_resilience import report
from tests.conformance.surfaces import Surface, every_httpx, every_surface, surfaces
from tests.hostile.keys_kit import CHAT, GATEWAY, KEY, Net, configured, opened, spilled

MODELS = "/openai/v1/models"
ASK = {"model": "gpt-5", "messages": []}
OURS = [f"Bearer {KEY}"]

pytestmark = pytest.mark.filterwarnings("ignore:a request to")  # said: test_strays_told.py

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


@every_httpx
@pytest.mark.parametrize(
    "target", [b"https://evil.test/x", b"http://evil.test/x", b"//evil.test@x", b"*", b"evil.test:443"]
)
def test_a_target_written_by_hand_that_names_a_host_takes_no_key_along(
    surface: Surface, net: Net, tmp_path: Path, target: bytes
) -> None:
    """It counts more than ``Host``, and httpx keeps it after a redirect."""
    net.other.answer = lambda seen: (307, {"Location": f"{GATEWAY}{MODELS}"}, b"")
    with opened(surface, configured(), tmp_path) as caller:
        for _ in range(2):  # the second time by the fast lane
            caller.request("GET", f"{GATEWAY}{MODELS}")
        straight = caller.request("GET", f"{GATEWAY}{MODELS}", extensions={"target": target})
        caller.request("GET", "https://evil.test/x", extensions={"target": target})
    assert [report(straight) is None, straight.status] == [not target.startswith(b"/"), 200]
    came = [(seen.target, seen.all("authorization")) for seen in net.gateway.seen[2:]]
    assert came[0] == (target, OURS if target.startswith(b"/") else [])
    assert not [seen for seen in came if seen[1] and not seen[0].startswith(b"/")]
    assert net.spilled() == {}


@every_httpx
def test_a_paid_create_is_known_by_a_target_written_by_hand(surface: Surface, net: Net, tmp_path: Path) -> None:
    """What is on the wire counts: the URL says that it is a harmless question."""
    net.gateway.answer = lambda seen: (503, {}, b"{}")
    ask = {"model": "m", "prompt": "a fox"}
    with opened(surface, configured(), tmp_path) as caller:
        caller.request("POST", f"{GATEWAY}{MODELS}", json=ask)
        target = {"target": b"/openai/v1/videos"}
        told = report(caller.request("POST", f"{GATEWAY}{MODELS}", json=ask, extensions=target))
    assert told is not None
    assert told.route == "POST /openai/v1/videos"


@surfaces(lambda surface: surface.is_httpx or surface.library == "aiohttp")
@pytest.mark.parametrize(
    ("name", "ours"), [("evil.test", False), ("api.anyint.ai", True), ("gateway.api.anyint.ai", True)]
)
def test_no_key_goes_where_the_certificate_is_checked_for_a_foreign_name(
    surface: Surface, net: Net, tmp_path: Path, name: str, ours: bool
) -> None:
    """Whoever has it for that name could answer; both clients keep the name after a redirect."""
    more = {"extensions": {"sni_hostname": name}} if surface.is_httpx else {"server_hostname": name}
    net.moves({"/x": (307, f"{GATEWAY}{MODELS}")})
    with opened(surface, configured(), tmp_path) as caller:
        caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK)
        caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK)
        net.reset()
        for host in ("gateway.api.anyint.ai", "api.anyint.ai"):  # whose DNS somebody has poisoned
            net.places[host, 443] = net.other
        caller.request("POST", f"https://api.anyint.ai{CHAT}", json=ASK, **more)
        caller.request("POST", f"https://api.anyint.ai{CHAT}", json=ASK, headers={"Authorization": OURS[0]}, **more)
    assert [seen.all("authorization") for seen in net.other.seen] == [OURS if ours else []] * 2


@surfaces(lambda surface: surface.is_httpx or surface.library == "aiohttp")
def test_the_certificates_name_is_looked_at_where_a_request_like_it_was_in_order(
    surface: Surface, net: Net, tmp_path: Path
) -> None:
    """The same request but for that name, which comes by the fast lane."""
    more = {"extensions": {"sni_hostname": "evil.test"}} if surface.is_httpx else {"server_hostname": "evil.test"}
    own = {"Authorization": OURS[0]}
    with opened(surface, configured(), tmp_path) as caller:
        for _ in range(2):
            assert caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers=own).status == 200
        net.reset()
        net.places["gateway.api.anyint.ai", 443] = net.other
        assert caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers=own, **more).status == 200
    assert [seen.all("authorization") for seen in (*net.gateway.seen, *net.other.seen)] == [[]]
