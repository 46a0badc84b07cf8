"""Redirects of all kinds, on every client: whom they lead to, and what of a key goes along."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from tests.conformance.surfaces import Surface, every_surface
from tests.hostile.keys_kit import GATEWAY, KEY, Net, configured, opened

FROM, TO = "/openai/v1/models", "/openai/v1/files"
EVIL = "https://evil.test"


@dataclass(frozen=True)
class Hop:
    """A chain of redirects. ``came``: who was asked, in this order, and with what key of ours."""

    name: str
    moves: dict[str, tuple[int, str]]
    came: list[tuple[str, str, list[str]]]
    method: str = "GET"
    fails: bool = False


OURS, NONE = [f"Bearer {KEY}"], list[str]()
BESIDE = {"Authorization": "Bearer another-key"}
FIRST = ("gateway", FROM, OURS)


def straight(name: str, to: str, *came: tuple[str, str, list[str]], status: int = 307, method: str = "GET") -> Hop:
    """Return one redirect of the gateway's."""
    return Hop(name, {FROM: (status, to)}, [FIRST, *came], method)


HOPS = [
    *(
        straight(f"{method} {status}", f"{EVIL}/x", ("other", "/x", NONE), status=status, method=method)
        for status in (301, 302, 303, 307, 308)
        for method in ("GET", "POST")
    ),
    straight("no scheme", "//evil.test/x", ("other", "/x", NONE)),
    straight("no scheme, three slashes", "///evil.test/x", ("gateway", "/evil.test/x", OURS)),
    straight("a path", TO, ("gateway", TO, OURS)),
    straight("a path that goes up", "../../openai/v1/files", ("gateway", TO, OURS)),
    straight("a query", "?a=//evil.test/", ("gateway", f"{FROM}?a=//evil.test/", OURS)),
    straight("another name of the gateway", f"https://api.anyint.ai{TO}", ("gateway", TO, OURS)),
    straight("another port", f"{GATEWAY}:8443{TO}", ("other", TO, NONE)),
    straight("the same port, said", f"{GATEWAY}:443{TO}", ("gateway", TO, OURS)),
    straight("no TLS", f"http://gateway.api.anyint.ai{TO}", ("plain", TO, NONE)),
    Hop("no TLS where TLS is", {FROM: (307, f"http://gateway.api.anyint.ai:443{TO}")}, [FIRST], fails=True),
    Hop("TLS where none is", {FROM: (307, f"https://gateway.api.anyint.ai:80{TO}")}, [FIRST], fails=True),
    straight("upper case", f"https://EVIL.TEST{TO}", ("other", TO, NONE)),
    Hop(
        "there and back",
        {FROM: (302, f"{EVIL}/back"), "/back": (302, f"{GATEWAY}{TO}")},
        [FIRST, ("other", "/back", NONE), ("gateway", TO, OURS)],
    ),
    Hop(
        "there and back and there",
        {
            FROM: (307, f"{EVIL}/back"),
            "/back": (307, f"{GATEWAY}{TO}"),
            TO: (307, f"https://gateway.api.anyint.ai.evil.test{TO}/2"),
        },
        [FIRST, ("other", "/back", NONE), ("gateway", TO, OURS), ("other", f"{TO}/2", NONE)],
    ),
    Hop(
        "down and up",
        {FROM: (308, f"http://gateway.api.anyint.ai{TO}"), TO: (308, "https://evil.test/x")},
        [FIRST, ("plain", TO, NONE), ("other", "/x", NONE)],
    ),
]


@every_surface
@pytest.mark.parametrize("own", [False, True], ids=["ours", "own"])
def test_a_key_goes_no_further_than_the_gateway_on_any_way(
    surface: Surface, net: Net, tmp_path: Path, own: bool
) -> None:
    """The configuration's key, and one that the caller gave, which a client may leave out after a redirect."""
    headers = {"Authorization": f"Bearer {KEY}"} if own else {}
    wrong = []
    with opened(surface, configured(api_key=None if own else KEY), tmp_path, timeout=5.0) as caller:
        for hop in HOPS:
            net.reset()
            net.moves(hop.moves)
            lost = None
            try:
                caller.request(hop.method, f"{GATEWAY}{FROM}", headers=headers)
            except surface.error as error:  # who is there does not speak TLS, or speaks nothing else
                lost = error
            leaked, came = net.spilled(), net.came()
            ways = [(name, target) for name, target, _ in came] == [(name, target) for name, target, _ in hop.came]
            keys = all(it[2] == due[2] or (own and not it[2]) for it, due in zip(came, hop.came, strict=False))
            if leaked or not ways or not keys or (lost is not None) is not hop.fails:
                wrong.append(f"{hop.name}: {came} {leaked} {lost!r}")
    assert wrong == []


@every_surface
def test_a_key_in_a_header_that_is_not_for_keys_followed_a_redirect(surface: Surface, net: Net, tmp_path: Path) -> None:
    """Other gateways want it there, and a client's headers may be those of two."""
    beside = {"api-key": KEY, "X-Auth-Token": f"Token {KEY}", "Proxy-Authorization": f"Bearer {KEY}"}
    with opened(surface, configured(), tmp_path, headers=beside) as caller:
        net.moves({FROM: (307, f"{EVIL}/x")})
        caller.request("GET", f"{GATEWAY}{FROM}")
        caller.request("GET", f"{EVIL}/y")
    assert [it.target for it in net.other.seen] == [b"/x", b"/y"]
    assert not net.spilled()


@every_surface
def test_a_key_that_the_gateway_never_got_goes_nowhere_else_either(surface: Surface, net: Net, tmp_path: Path) -> None:
    """Taken off as the wrong header, or for want of TLS: the client still has it, and goes where the answer points."""
    wrong = []
    for header, beside, scheme in product(("x-api-key", "X-Goog-Api-Key"), ({}, BESIDE), ("https", "http")):
        net.reset()
        net.moves({FROM: (307, f"{EVIL}/x")})
        with opened(surface, configured(api_key=None), tmp_path, headers={header: KEY, **beside}) as caller:
            caller.request("GET", f"{scheme}://gateway.api.anyint.ai{FROM}")
        assert [it.target for it in net.other.seen] == [b"/x"]
        if net.spilled():
            wrong.append((header, beside, scheme))
    assert wrong == []
