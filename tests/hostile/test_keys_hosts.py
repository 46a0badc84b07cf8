"""Hosts that look like AnyInt's, on every client: asked for directly, or by a redirect of the gateway's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.conformance.surfaces import Surface, every_surface
from tests.hostile.keys_kit import GATEWAY, KEY, Net, configured, opened, spilled

PATH = "/openai/v1/models"

OTHERS = [
    # longer, shorter, put before or behind
    "https://gateway.api.anyint.ai.evil.test",
    "https://gateway.api.anyint.ai.",
    "https://evilgateway.api.anyint.ai",
    "https://gateway-api.anyint.ai",
    "https://gateway.api-anyint.ai",
    "https://gateway.api.anyint.aiai",
    "https://gateway.api.anyint.a",
    "https://anyint.ai",
    "https://www.anyint.ai",
    "https://x.gateway.api.anyint.ai",
    "https://gateway.api.anyint.ai%2eevil.test",
    "https://gateway.api.anyint.ai%00.evil.test",
    "https://gateway.api.anyint.ai;evil.test",
    # a user's name that looks like a host
    "https://gateway.api.anyint.ai@evil.test",
    "https://gateway.api.anyint.ai:443@evil.test",
    "https://gateway.api.anyint.ai%2f@evil.test",
    "https://evil.test#@gateway.api.anyint.ai",
    "https://evil.test?@gateway.api.anyint.ai",
    "https://gateway.api.anyint.ai\\@evil.test",
    "https://evil.test\\@gateway.api.anyint.ai",
    "https://evil.test\\.gateway.api.anyint.ai",
    # other letters
    "https://gateway.api.anyint.аi",  # a Cyrillic a
    "https://gateway.api.anyınt.ai",  # an i without its dot
    "https://gateway.api.anyİnt.ai",
    "https://xn--gateway-9za.api.anyint.ai",
    "https://gateway.api.anyint.xn--i-7sb",
    "https://xn--a.test",  # which nobody can read
    "https://gateway。api。anyint。ai。evil.test",
    "https://ｇateway.api.anyint.ai.evil.test",
    "https://gateway.api.anyint.ai／.evil.test",
    "https://gateway.api.anyint.ai＠evil.test",
    # blanks and control characters
    "https://gateway.api.anyint.ai .evil.test",
    "https://gateway.api.anyint.ai\t.evil.test",
    "https://gateway.api.anyint.ai\n.evil.test",
    "https://evil.test\t@gateway.api.anyint.ai",
    # other ports, other schemes, no host at all
    "https://gateway.api.anyint.ai:8443",
    "https://gateway.api.anyint.ai:0",
    "https://gateway.api.anyint.ai:80",
    "https://api.anyint.ai:444",
    "https://gateway.api.anyint.ai:４４４",
    "http://gateway.api.anyint.ai",
    "http://gateway.api.anyint.ai:443",
    "http://gateway.api.anyint.ai:8080",
    "http://api.anyint.ai.",
    "ws://gateway.api.anyint.ai",
    "https:\\\\evil.test",
    "https:/\\evil.test",
    "https:evil.test",
    "https:///evil.test",
    "https://",
    # addresses
    "https://127.77.0.1",
    "https://0x7f.0.0.1",
    "https://2130706433",
    "https://[::ffff:127.0.0.1]",
    "https://[::1%25evil.test]",
]
"""Not AnyInt's, however a client reads them: it may also refuse them."""

OURS = [
    "https://gateway.api.anyint.ai",
    "https://api.anyint.ai",
    "https://GATEWAY.Api.AnyInt.AI",
    "HTTPS://gateway.api.anyint.ai",
    "https://gateway.api.anyint.ai:443",
    "https://gateway.api.anyint.ai:",
    "https://evil.test@gateway.api.anyint.ai",
]


def leaks(net: Net, surface: Surface, ask: Callable[[str], Any]) -> list[str]:
    """Ask for each host, and return those that the key came to. A client may refuse a URL that it can't read."""
    found = []
    errors = [*(surface.error if isinstance(surface.error, tuple) else (surface.error,)), ValueError]
    errors += [surface.module.InvalidURL] if surface.is_httpx else []
    for url in OTHERS:
        for listener in net.all:
            listener.lines.clear()
        with suppress(*errors):
            ask(url)
        heard = [part for it in net.all if it is not net.gateway for part in spilled(it.heard)]
        if heard:
            found.append(f"{url!r}: {heard}")
    return found


@every_surface
def test_no_key_goes_to_a_host_that_looks_like_anyints(surface: Surface, net: Net, tmp_path: Path) -> None:
    """Whoever wrote the URL: the key is for AnyInt's hosts, exactly those."""
    with opened(surface, configured(), tmp_path, timeout=2.0) as caller:
        assert leaks(net, surface, lambda url: caller.request("GET", f"{url}{PATH}")) == []
    assert len(net.other.seen) > 20
    assert net.spilled() == {}


@every_surface
def test_no_key_follows_a_redirect_to_a_host_that_looks_like_anyints(
    surface: Surface, net: Net, tmp_path: Path
) -> None:
    """The gateway itself sends the client there, with the caller's own key in a header that no client takes off."""
    headers = {"x-api-key": KEY}
    with opened(surface, configured(api_key=None), tmp_path, timeout=2.0) as caller:

        def ask(url: str) -> None:
            net.moves({PATH: (307, f"{url}/anthropic/v1/models")})
            caller.request("GET", f"{GATEWAY}{PATH}", headers=headers)

        assert leaks(net, surface, ask) == []
    assert len(net.other.seen) > 20
    assert net.spilled() == {}


@every_surface
def test_the_gateways_own_names_are_known_however_they_are_written(surface: Surface, net: Net, tmp_path: Path) -> None:
    """Each gets the key once, and nobody else is asked."""
    with opened(surface, configured(), tmp_path) as caller:
        for url in OURS:
            assert caller.request("GET", f"{url}{PATH}").status == 200, url
    assert [seen.all("authorization") for seen in net.gateway.seen] == [[f"Bearer {KEY}"]] * len(OURS)
    assert not net.other.lines
