"""Where the doctor sees requests go: hosts, paths, proxies and certificates, as pure look-ups."""

from __future__ import annotations

from pathlib import Path

import pytest

from anyint_resilience.cli.doctor import proxies
from anyint_resilience.cli.doctor.address import hold_back, looks_alike
from anyint_resilience.cli.doctor.context import Context, Options
from anyint_resilience.cli.doctor.paths import SDKS, is_gateway, is_open, path_problem, shown
from anyint_resilience.cli.doctor.proxies import named_proxies, proxy_for, unusable


@pytest.mark.parametrize(
    ("host", "trap"),
    [
        ("gateway.api.anyint.com", True),
        ("api.anyint.net", True),
        ("anyint.org", True),
        ("anyint-ai.com", True),
        ("xn--nyint-3ve.ai", True),
        ("api.anyint.co.uk", True),
        ("api.anint.ai", True),
        ("api.ayint.ai", True),
        ("api.anyiint.ai", True),
        ("api.nayint.ai", True),
        ("gw.mint.ai", False),
        ("gw.paint.ai", False),
        ("any.ai", False),
        ("anyint.example.com", False),
        ("::1", False),
        ("", False),
        ("gateway.api.anyint.ai", False),
        ("api.anyint.ai", False),
        ("eu.api.anyint.ai", False),
        ("llm.example.com", False),
        ("anyint-proxy.internal.example.com", False),
        ("127.0.0.1", False),
        ("localhost", False),
        ("gateway.api.anyint.io", True),
        ("gateway.api.anylnt.ai", True),
        ("api.any-int.ai", True),
        ("api.anyint.ai.example.com", True),
        ("api.anyint.aii", True),
    ],
)
def test_a_host_that_looks_like_anyints_is_told(host: str, trap: bool) -> None:
    """A slip of the pen or a trap is held back from; a proxy of one's own is not taken for one."""
    assert looks_alike(host) is trap


@pytest.mark.parametrize(
    ("url", "environ", "variable"),
    [
        ("https://api.anyint.ai/x", {"HTTPS_PROXY": "http://proxy:3128"}, "HTTPS_PROXY"),
        ("https://api.anyint.ai/x", {"https_proxy": "proxy:3128", "HTTPS_PROXY": "http://other"}, "https_proxy"),
        ("https://api.anyint.ai/x", {"ALL_PROXY": "socks5://proxy"}, "ALL_PROXY"),
        ("https://api.anyint.ai/x", {"HTTP_PROXY": "http://proxy"}, None),
        ("https://api.anyint.ai/x", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "localhost, .anyint.ai"}, None),
        ("https://api.anyint.ai/x", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, None),
        ("https://api.anyint.ai/x", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "int.ai"}, "HTTPS_PROXY"),
        ("http://127.0.0.1:80/x", {"HTTP_PROXY": "http://user:pass@proxy:3128"}, "HTTP_PROXY"),
        ("http://127.0.0.1:80/x", {"HTTP_PROXY": "http://proxy", "NO_PROXY": "127.0.0.1:80"}, None),
        ("http://127.0.0.1/x", {"HTTP_PROXY": "http://proxy", "NO_PROXY": "127.0.0.1:80"}, None),
        ("http://127.0.0.1:81/x", {"HTTP_PROXY": "http://proxy", "NO_PROXY": "127.0.0.1:80"}, "HTTP_PROXY"),
        ("http://127.0.0.1:81/x", {"HTTP_PROXY": "http://proxy", "NO_PROXY": "nonsense/8, 10.0.0.0/8"}, "HTTP_PROXY"),
    ],
)
def test_the_proxy_that_counts_is_found(url: str, environ: dict[str, str], variable: str | None) -> None:
    """By scheme, with the lower case first, and past what NO_PROXY names; never with its password."""
    found = proxy_for(url, environ)
    assert (None if found is None else found.variable) == variable
    assert found is None or "pass" not in found.place


@pytest.mark.parametrize(
    ("client", "variable"), [("httpx2", None), ("requests", None), ("httpx", "HTTP_PROXY"), ("aiohttp", "HTTP_PROXY")]
)
def test_a_range_of_addresses_counts_where_the_client_knows_it(
    client: str, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the clients two go past the proxy for NO_PROXY=127.0.0.0/8, and two do not."""
    monkeypatch.setattr(proxies, "first_client", lambda: client)
    found = proxy_for("http://127.0.0.1:80/x", {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "127.0.0.0/8"})
    assert (None if found is None else found.variable) == variable


@pytest.mark.parametrize("password", ["Secr3t#1", "Secr3t/1", "1#Secr3t", "1/Secr3t", "1?Secr3t", "a#b:c"])
def test_a_proxy_whose_password_breaks_its_url_is_none(password: str) -> None:
    """Neither its host nor its port is what it seems to be, and may be a piece of the password."""
    (found,) = named_proxies({"HTTP_PROXY": f"http://user:{password}@127.0.0.1:3128"}).values()
    assert (found.host, found.port) == ("", None)


@pytest.mark.parametrize(
    ("variable", "content", "word"),
    [
        ("SSL_CERT_FILE", b"", "no certificate"),
        ("SSL_CERT_FILE", b"not a certificate", "no certificate"),
        ("REQUESTS_CA_BUNDLE", b"", "no certificate"),
        ("SSL_CERT_FILE", None, "can't be read"),
        ("SSL_CERT_FILE", "nowhere", "not there"),
        ("SSL_CERT_DIR", "nowhere", "a folder that is not there"),
        ("REQUESTS_CA_BUNDLE", None, None),
        ("SSL_CERT_DIR", None, None),
    ],
)
def test_certificates_are_loaded_and_not_only_there(
    variable: str, content: bytes | str | None, word: str | None, tmp_path: Path
) -> None:
    """A file without a certificate in it stops every https request; a folder will do where the client takes one."""
    place = tmp_path / "place"
    if content is None:
        place.mkdir()
    elif isinstance(content, bytes):
        place.write_bytes(content)
    found = unusable({variable: str(place)})
    assert (found == {}) if word is None else (word in found[variable])


def test_a_file_of_certificates_can_be_used() -> None:
    """As certifi has one."""
    certifi = pytest.importorskip("certifi")
    assert unusable({"SSL_CERT_FILE": certifi.where()}) == {}


@pytest.mark.parametrize(
    ("sdk", "url", "right"),
    [
        ("openai", "https://api.anyint.ai/openai/v1/", True),
        ("openai", "https://api.anyint.ai/v1", False),
        ("openai", "https://api.anyint.ai", False),
        ("openai", "https://api.anyint.ai/openai", False),
        ("anthropic", "https://api.anyint.ai/anthropic", True),
        ("anthropic", "https://api.anyint.ai/anthropic/v1", False),
        ("google-genai", "https://api.anyint.ai/gemini", True),
        ("google-genai", "https://api.anyint.ai/gemini/v1beta", False),
    ],
)
def test_each_sdk_has_one_right_path(sdk: str, url: str, right: bool) -> None:
    """What an SDK puts behind its base URL decides on where that must end."""
    (row,) = [it for it in SDKS if it.name == sdk]
    problem = path_problem(row, url, "https://api.anyint.ai")
    assert (problem is None) is right
    assert path_problem(row, f"https://example.com/relay{row.path}", "https://example.com/relay") is None


def test_a_url_is_shown_without_its_secrets() -> None:
    """No user, no password, no query; what cannot be read is not shown at all."""
    assert shown("https://me:secret@example.com:8443/x?key=secret#secret") == "https://example.com:8443/x"
    assert shown("secret") == shown("https://[secret") == shown("https://example.com:secret/") == ""
    assert is_gateway("http://127.0.0.1:8080/x", "http://127.0.0.1:8080")
    assert not is_gateway("http://127.0.0.1:8081/x", "http://127.0.0.1:8080")
    assert is_gateway("https://api.anyint.ai/openai/v1", "http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("url", "gateway", "openly"),
    [
        ("http://gateway.api.anyint.ai/openai/v1", True, True),
        ("http://api.anyint.ai", True, True),
        ("https://gateway.api.anyint.ai:443", True, False),
        ("https://gateway.api.anyint.ai:8443", False, False),
        ("http://gateway.api.anyint.ai:8443", False, True),
        ("http://llm.example.com", True, True),
        ("https://llm.example.com", True, False),
        ("http://127.0.0.1:8080", False, False),
    ],
)
def test_plain_http_is_told_of_at_the_gateway_too(url: str, gateway: bool, openly: bool) -> None:
    """Scheme and port count: a key that goes there goes openly, or is taken off."""
    assert (is_gateway(url, "https://llm.example.com"), is_open(url)) == (gateway, openly)


@pytest.mark.parametrize(
    ("url", "named", "held"),
    [
        ("https://llm.example.test", "", True),
        ("https://llm.example.test", "--config", False),
        ("https://llm.example.test", "--base-url", False),
        ("https://llm.example.test", "ANYINT_RESILIENCE_CONFIG", False),
        ("https://llm.example.test", "ANYINT_BASE_URL", False),
        ("https://gateway.api.anyint.ai", "", False),
        ("http://127.0.0.1:8080", "", False),
    ],
)
def test_a_key_goes_to_a_strangers_host_only_if_somebody_said_so(
    url: str, named: str, held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was merely found may have come with a project that nobody has read."""
    file = tmp_path / "anyint-resilience.toml"
    file.write_text(f'base_url = "{url}"')
    monkeypatch.chdir(tmp_path)
    given = {"--config": {"config": str(file)}, "--base-url": {"base_url": url}}.get(named, {})
    said = {"ANYINT_RESILIENCE_CONFIG": str(file), "ANYINT_BASE_URL": url}
    environ = {"ANYINT_API_KEY": "a-key-of-mine", **{it: said[it] for it in said if it == named}}
    ctx = Context(Options(**given), environ=environ)
    assert ctx.base_url == url
    assert (hold_back(ctx) is not None) is held
