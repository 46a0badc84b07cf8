"""Who sends a request to a gateway that is somebody else's by what stands on it is told so, once, on every client.

Must not know which requests those are: test_keys_host_header.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import report, strays
from tests.conformance.surfaces import Surface, every_httpx, every_surface, surfaces
from tests.hostile.keys_kit import CHAT, GATEWAY, KEY, Net, configured, opened

ASK = {"model": "gpt-5", "messages": []}
MODELS = "/openai/v1/models"
by_name = surfaces(lambda surface: surface.is_httpx or surface.library == "aiohttp")


@pytest.fixture(autouse=True)
def nobody_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as a process does."""
    monkeypatch.setattr(strays, "_told", set())


@pytest.fixture
def said() -> Iterator[list[str]]:
    """All that the library warns of."""
    texts: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: texts.append(str(message))
        yield texts


@every_surface
@pytest.mark.parametrize("path", [CHAT, MODELS, "/openai/v1/videos", "/anthropic/v1/messages"])
def test_a_host_header_with_a_name_of_ones_own_lost_key_and_layer_in_silence(
    surface: Surface, net: Net, tmp_path: Path, said: list[str], path: str
) -> None:
    """A front server of one's own is called by it. On the fast lane too; once, whatever else is asked."""
    with opened(surface, configured(), tmp_path) as caller:
        for host in ("llm.corp", "llm.corp:443", "llm.corp"):
            assert report(caller.request("POST", f"{GATEWAY}{path}", json=ASK, headers={"Host": host})) is None
    assert [it for it in said if "llm.corp" in it] == said
    assert len(said) == 1
    assert "gateway.api.anyint.ai is for llm.corp by its Host header" in said[0]
    assert 'hosts=["https://llm.corp"]' in said[0]


@every_surface
def test_what_the_warning_says_to_do_helps(surface: Surface, net: Net, tmp_path: Path, said: list[str]) -> None:
    """The name among the hosts: the key is there, and nothing is said."""
    with opened(surface, configured(hosts=["https://llm.corp"]), tmp_path) as caller:
        answer = caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers={"Host": "llm.corp"})
    assert report(answer) is not None
    assert net.gateway.seen[0].all("authorization") == [f"Bearer {KEY}"]
    assert said == []


@by_name
def test_a_name_for_the_certificate_is_told_too(surface: Surface, net: Net, tmp_path: Path, said: list[str]) -> None:
    """What ``sni_hostname`` and ``server_hostname`` are for."""
    more: dict[str, Any] = {"server_hostname": "llm.corp"}
    if surface.is_httpx:
        more = {"extensions": {"sni_hostname": "llm.corp"}}
    net.places["gateway.api.anyint.ai", 443] = net.other
    with opened(surface, configured(), tmp_path) as caller:
        for path in (CHAT, MODELS):
            caller.request("POST", f"{GATEWAY}{path}", json=ASK, **more)
    assert len(said) == 1
    assert "is for llm.corp by the name that its certificate must have" in said[0]


@every_httpx
def test_a_target_that_is_no_path_is_told_too(surface: Surface, net: Net, tmp_path: Path, said: list[str]) -> None:
    """At a gateway; elsewhere it is nobody's business."""
    more = {"target": b"https://gateway.api.anyint.ai/openai/v1/models"}
    with opened(surface, configured(), tmp_path) as caller:
        caller.request("GET", f"https://evil.test{MODELS}", extensions=more)
        assert said == []
        for _ in range(2):
            caller.request("GET", f"{GATEWAY}{MODELS}", extensions=more)
    assert len(said) == 1
    assert "a target that is no path" in said[0]


@every_surface
def test_nothing_is_said_of_a_foreign_host_by_its_url(
    surface: Surface, net: Net, tmp_path: Path, said: list[str]
) -> None:
    """Whatever header a request to somebody else has, it was never the gateway's."""
    with opened(surface, configured(), tmp_path) as caller:
        caller.request("GET", f"https://evil.test{MODELS}", headers={"Host": "llm.corp"})
    assert said == []


@every_surface
@pytest.mark.parametrize("host", [KEY, f"{KEY}.corp", "a b", "x" * 300, "[::zz]", '"><script>'])
def test_neither_a_secret_nor_what_is_no_name_stands_in_the_warning(
    surface: Surface, net: Net, tmp_path: Path, said: list[str], host: str
) -> None:
    """A key in the wrong header is on its way already; it need not be in a log too."""
    with opened(surface, configured(api_key="sk-plain-0123456789"), tmp_path) as caller:
        try:
            caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers={"Host": "sk-plain-0123456789"})
            caller.request("POST", f"{GATEWAY}{CHAT}", json=ASK, headers={"Host": host})
        except (surface.error, ValueError):  # what the client itself does not send
            pass
    assert said
    assert not [it for it in said if "sk-plain" in it or host in it]


def test_no_more_pairs_are_told_of_than_are_remembered(said: list[str]) -> None:
    """Whoever makes names up without end fills neither memory nor a log."""
    for number in range(3 * strays.MOST_PAIRS):
        strays.tell("gateway.api.anyint.ai", f"{number}.test", strays.HEADER, secret=False)
    assert len(said) == len(strays._told) == strays.MOST_PAIRS
