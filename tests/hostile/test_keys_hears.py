"""The net hears a key: each rule that keeps one in is switched off in turn, and then it is somewhere it must not be."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from anyint_resilience.credentials import Credentials
from anyint_resilience.router import Plan, Router
from tests.conformance.surfaces import Caller, Surface
from tests.hostile.keys_kit import GATEWAY, KEY, Net, configured, opened, spilled

MODELS = "/openai/v1/models"
PROXY = "http://proxy.test:3128"
HERE = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "told",
    [
        KEY,
        KEY.upper(),
        quote(KEY, safe=""),
        KEY.encode().hex(),
        *(base64.b64encode(f"{'x' * shift}{KEY}:y".encode()).decode() for shift in range(3)),
    ],
)
def test_a_key_is_heard_in_whatever_form_it_comes(told: str) -> None:
    """As it is, percent-encoded, in hexadecimal, and in base64 wherever it begins."""
    assert spilled(f"GET / HTTP/1.1\r\nx: {told}\r\n".encode())
    assert not spilled(f"GET / HTTP/1.1\r\nx: {told[:-8]}\r\n".encode()[: len(told) - 8])


def looks_alike(router: Router, scheme: str, host: str, port: int | None, *more: Any) -> Any:
    """Take whoever has the gateway's name in his own for the gateway."""
    return MAKE(router, "https", "gateway.api.anyint.ai" if "gateway" in host else host, None, *more)


MAKE, PLAN = Router._make, Plan.__init__


def secure(plan: Plan, route: Any, **more: Any) -> None:
    """Take every way for one by TLS."""
    PLAN(plan, route, **{**more, "secure": True})


def asked(path: str, **options: Any) -> Callable[[Caller], Any]:
    """Return what makes one request."""
    return lambda caller: caller.request("GET", path, **options)


RULES: dict[str, tuple[Any, str, Any, Callable[[Caller], Any], dict[str, Any]]] = {
    "strip": (Credentials, "strip", lambda *_: None, asked(f"{GATEWAY}/away", headers={"x-api-key": KEY}), {}),
    "the host": (Router, "_make", looks_alike, asked(f"https://gateway.api.anyint.ai.evil.test{MODELS}"), {}),
    "the port": (Router, "_make", looks_alike, asked(f"{GATEWAY}:8443{MODELS}"), {}),
    "TLS": (Plan, "__init__", secure, asked(f"http://gateway.api.anyint.ai{MODELS}"), {}),
    "a proxy": (Plan, "exposed", lambda plan: plan, asked(f"{HERE}{MODELS}"), {"proxy": PROXY}),
    "the host header": (Router, "knows", lambda *_: True, asked(f"{GATEWAY}{MODELS}", headers={"Host": "e.test"}), {}),
}


@pytest.mark.filterwarnings("ignore:a request to")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("off", [False, True])
def test_without_a_rule_the_key_gets_out(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, off: bool
) -> None:
    """With all of them it does not, and nothing else is different."""
    place, name, instead, ask, options = RULES[rule]
    if off:
        monkeypatch.setattr(place, name, instead)
    net.moves({"/away": (307, "https://evil.test/x")})
    net.places["proxy.test", 3128] = net.proxy
    with opened(Surface("requests"), configured(base_url=HERE), tmp_path, **options) as caller:
        ask(caller)
    beyond = [seen for seen in net.gateway.seen if seen.all("host") == ["e.test"] and seen.all("authorization")]
    assert bool(net.spilled() or beyond) is off
