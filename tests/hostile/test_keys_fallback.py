"""Another host that serves as a fallback, by TLS and under its own name, on every client: its own key alone."""

from __future__ import annotations

from pathlib import Path

from anyint_resilience import Fallback, report
from tests.conformance.surfaces import Surface, every_surface
from tests.hostile.keys_kit import GATEWAY, KEY, Net, configured, opened

ROUTE = "/gemini/v1beta/models/{model}:generateContent"
SPARE = "https://spare.test"


@every_surface
def test_a_foreign_fallback_gets_its_own_key_alone(surface: Surface, net: Net, tmp_path: Path) -> None:
    """Not the configuration's, nor any that the caller put anywhere; and its redirect takes neither key along."""
    row = Fallback(workload="w", route=ROUTE, model="m", base_url=SPARE, api_key="spare-key")
    net.gateway.answer = lambda seen: (503, {}, b"{}")
    net.other.answer = lambda seen: (
        (307, {"Location": "https://evil.test/x"}, b"") if seen.all("host") == ["spare.test"] else (200, {}, b"{}")
    )
    anyint = configured(hosts=(SPARE,), fallbacks=[row])
    headers = {"Host": "gateway.api.anyint.ai", "x-goog-api-key": KEY, "x-api-key": KEY, "Cookie": "session=mine"}
    with opened(surface, anyint, tmp_path) as caller:
        url = f"{GATEWAY}{ROUTE.replace('{model}', 'm')}?key={KEY}&alt=sse"
        answer = caller.request("POST", url, json={"contents": []}, headers=headers)
    assert report(answer.history[0]) is not None
    spare, evil = net.other.seen
    assert (spare.target, spare.all("host")) == (b"/gemini/v1beta/models/m:generateContent?alt=sse", ["spare.test"])
    assert [spare.all(name) for name in ("authorization", "x-api-key", "x-goog-api-key", "cookie")] == [
        ["Bearer spare-key"],
        [],
        [],
        [],
    ]
    assert evil.target == b"/x"
    assert not [value for _, value in evil.headers if b"spare-key" in value]
    assert net.spilled() == {}
