"""Proxies, on every client: what of a key they get to see, set by hand or by the environment."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from anyint_resilience import Fallback, Policy, report
from tests.conformance.surfaces import Surface, every_surface
from tests.hostile.keys_kit import CHAT, GATEWAY, KEY, Net, configured, opened, serving
from tests.hostile.keys_servers import CONNECTED, Line, Listener

MODELS = "/openai/v1/models"
PROXY = "http://user:secret@proxy.test:3128"
ONCE = Policy(attempts=1)


@pytest.fixture
def proxied(net: Net) -> Net:
    """The net with a proxy in it."""
    net.places["proxy.test", 3128] = net.proxy
    return net


@every_surface
def test_a_proxy_never_sees_the_key_of_a_request_by_tls(surface: Surface, proxied: Net, tmp_path: Path) -> None:
    """It gets CONNECT, with its own login and nothing of ours; the gateway gets the key through the tunnel."""
    with opened(surface, configured(), tmp_path, proxy=PROXY) as caller:
        assert caller.request("GET", f"{GATEWAY}{MODELS}").status == 200
    asked = proxied.proxy.seen
    assert [(seen.method, seen.target) for seen in asked] == [("CONNECT", b"gateway.api.anyint.ai:443")]
    names = {name for name, _ in asked[0].headers}
    assert not names & {b"authorization", b"x-api-key", b"x-goog-api-key", b"anthropic-version"}
    assert asked[0].all("proxy-authorization") == ["Basic dXNlcjpzZWNyZXQ="]
    assert [seen.all("authorization") for seen in proxied.gateway.seen] == [[f"Bearer {KEY}"]]
    assert proxied.gateway.seen[0].all("proxy-authorization") == []
    assert proxied.spilled() == {}


@every_surface
@pytest.mark.parametrize("host", ["gateway.api.anyint.ai", "evil.test", "127.0.0.1:8080", "localhost:8080"])
def test_a_proxy_never_sees_a_key_without_tls(surface: Surface, proxied: Net, tmp_path: Path, host: str) -> None:
    """Nor one for an address of this machine: to the proxy that means another one."""
    anyint = configured(base_url=f"http://{host}") if ":" in host else configured()
    with opened(surface, anyint, tmp_path, proxy="http://proxy.test:3128") as caller:
        for _ in range(2):  # the second time by the fast lane
            assert caller.request("GET", f"http://{host}{MODELS}").status == 200
        assert caller.request("GET", f"http://{host}{MODELS}", headers={"Authorization": f"Bearer {KEY}"}).status == 200
        assert caller.request("GET", f"http://{host}/anthropic/v1/models", headers={"x-api-key": KEY}).status == 200
    assert {seen.target.partition(b"//")[2].partition(b"/")[0].decode() for seen in proxied.proxy.seen} == {host}
    assert proxied.spilled() == {}


@every_surface
def test_a_fallback_to_this_machine_is_not_asked_by_a_proxy(surface: Surface, proxied: Net, tmp_path: Path) -> None:
    """The gateway is away; a gateway of this machine would get the key on plain http, and so would the proxy."""
    url = "http://127.0.0.1:8080"
    row = Fallback(workload="chat", route=CHAT, model="gpt-5", base_url=url)
    proxied.gateway.answer = lambda seen: (503, {}, b"{}")
    anyint = configured(hosts=(url,), fallbacks=[row], policy=ONCE)
    with opened(surface, anyint, tmp_path, proxy="http://proxy.test:3128") as caller:
        answer = caller.request("POST", f"{GATEWAY}{CHAT}", json={"model": "gpt-5", "messages": []})
    assert answer.status == 503
    told = report(answer)
    assert told is not None
    assert [note for note in told.notes if "no key goes there" in note]
    assert [seen.method for seen in proxied.proxy.seen] == ["CONNECT"]
    assert proxied.spilled() == {}


@every_surface
@pytest.mark.parametrize("path", [CHAT, "/openai/v1/responses"], ids=["on the fast lane", "looked at"])
def test_a_client_without_a_proxy_does_not_lend_its_way_to_one_with(
    surface: Surface, proxied: Net, tmp_path: Path, path: str
) -> None:
    """Two clients of one configuration: what is in order straight to this machine is not by way of a proxy."""
    own = {"Authorization": f"Bearer {KEY}"}
    here = Listener("here")
    anyint = configured(base_url=here.url)
    with opened(surface, anyint, tmp_path) as straight:
        for _ in range(2):
            assert straight.request("POST", f"{here.url}{path}", json={}, headers=own).status == 200
    assert [seen.all("authorization") for seen in here.seen] == [[f"Bearer {KEY}"]] * 2
    with opened(surface, anyint, tmp_path, proxy="http://proxy.test:3128") as caller:
        assert caller.request("POST", f"{here.url}{path}", json={}, headers=own).status == 200
    here.close()
    assert len(proxied.proxy.seen) == 1
    assert proxied.spilled() == {}


def named(given: object) -> str | None:
    """Name a test after its variables."""
    return "-".join(given) if isinstance(given, dict) else None


ENVIRONMENTS = [
    ({"HTTPS_PROXY": "http://proxy.test:3128"}, True),
    ({"https_proxy": "http://proxy.test:3128"}, True),
    ({"ALL_PROXY": "http://proxy.test:3128"}, True),
    ({"HTTP_PROXY": "http://proxy.test:3128"}, False),
    ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "api.anyint.ai"}, False),
    ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "evil.test"}, True),
]


@every_surface
@pytest.mark.parametrize(
    ("environment", "through"), ENVIRONMENTS, ids=lambda it: "-".join(it) if isinstance(it, dict) else None
)
def test_proxies_of_the_environment_are_the_clients_affair(
    surface: Surface,
    proxied: Net,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    through: bool,
) -> None:
    """The same way with our layer as without it, and the key reaches the gateway on both."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options = {"trust_env": True} if surface.library == "aiohttp" else {}
    if surface.library == "aiohttp" and "ALL_PROXY" in environment:
        through = False  # which aiohttp does not know
    with opened(surface, configured(), tmp_path, wrap=True, **options) as caller:
        assert caller.request("GET", f"{GATEWAY}{MODELS}").status == 200
    assert len(proxied.proxy.seen) == int(through)
    assert [seen.all("authorization") for seen in proxied.gateway.seen] == [[f"Bearer {KEY}"]]
    assert proxied.spilled() == {}


def says(answer: bytes) -> Callable[[Listener, Line, str], None]:
    """Return a proxy that answers CONNECT with this."""

    def tunnel(proxy: Listener, line: Line, target: str) -> None:
        line.write(answer)
        if answer.startswith(CONNECTED):
            line.raw()  # what the client begins TLS with

    return tunnel


def intercepting(by: str, name: str) -> Callable[[Listener, Line, str], None]:
    """Return a proxy that is the gateway itself, with a certificate of this authority for this name."""

    def tunnel(proxy: Listener, line: Line, target: str) -> None:
        line.write(CONNECTED)
        inner = Line(line.sock, proxy, serving(name, by=by))
        proxy.serve(inner)
        inner.idle = True

    return tunnel


BAD = {
    "407": says(b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"),
    "302": says(b"HTTP/1.1 302 There\r\nLocation: https://evil.test/x\r\nContent-Length: 0\r\n\r\n"),
    "401": says(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n"),
    "200 and garbage": says(CONNECTED + b"\x15\x03\x01 nothing that is TLS\r\n\r\n" * 9),
    "200 and an answer": says(CONNECTED + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "no HTTP": says(b"SSH-2.0-OpenSSH_9\r\n"),
    "its own authority": intercepting("untrusted", "gateway.api.anyint.ai"),
    "its own name": intercepting("trusted", "proxy.test"),
}


@every_surface
def test_a_bad_proxy_gets_no_key(surface: Surface, proxied: Net, tmp_path: Path) -> None:
    """It refuses, sends the client elsewhere, talks nonsense, or listens in with a certificate that nobody accepts."""
    wrong = []
    with opened(surface, configured(policy=ONCE), tmp_path, proxy="http://proxy.test:3128", timeout=5.0) as caller:
        for name, tunnel in BAD.items():
            proxied.proxy.tunnel = tunnel
            before = len(proxied.proxy.seen)
            try:
                answer = caller.request("GET", f"{GATEWAY}{MODELS}")
            except (*_errors(surface), ssl.SSLError) as error:
                ended = f"{error!r}{error}"
            else:
                ended = f"{KEY}: {answer.status}"
            if KEY in ended:
                wrong.append(f"{name}: {ended}")
            if len(proxied.proxy.seen) == before:
                wrong.append(f"{name}: not asked")
    assert wrong == []
    assert {seen.method for seen in proxied.proxy.seen} == {"CONNECT"}
    assert not proxied.gateway.seen
    assert not proxied.other.lines
    assert proxied.spilled() == {}


def _errors(surface: Surface) -> tuple[type[Exception], ...]:
    return surface.error if isinstance(surface.error, tuple) else (surface.error,)
