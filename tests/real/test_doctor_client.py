"""``doctor --client``: the client of a user's own module is taken apart, and what is wrong with it is named.

Each row writes a module into an empty folder, as a user has it, with a real client of a real library in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("h11")

from anyint_resilience.cli import main
from anyint_resilience.emulator import Emulator
from tests.real.doctor_client_rows import AIOHTTP, HTTPX2, KEPT, OPENAI, REQUESTS, ROWS
from tests.real.doctor_kit import GOOD, HTTPX, ONLY, Place, Row, client, module, place_of, reports


@pytest.fixture
def place(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield from place_of(emu, monkeypatch, tmp_path, capsys)


@pytest.mark.parametrize(("planted", "text"), ROWS)
def test_what_is_planted_in_a_client_is_named(place: Place, planted: Row, text: str) -> None:
    """The check it belongs to says what is wrong and what to do, and the others say nothing."""
    if "httpx2" in text:
        pytest.importorskip("httpx2", reason="httpx2 needs Python 3.11")
    if planted.needs:
        pytest.importorskip(planted.needs)
    if "HTTP_PROXY" in text:
        place.set(HTTP_PROXY="")
    spec = ("--client", f"{module(place, text)}:client")
    reports(place, Row(**{**vars(planted), "argv": (*spec, *ONLY)}))


def test_a_module_that_is_not_there_is_named(place: Place) -> None:
    """A name that cannot be imported is told as such."""
    found = place.found("--client", "no_such_shop:client", *ONLY)[1]
    assert found["client"]["status"] == "failed"
    assert "no module no_such_shop" in found["client"]["found"]
    assert found["layer"]["status"] == "skipped"


GOODS = {
    "httpx": HTTPX + GOOD,
    "httpx async": HTTPX + "client = layer.wrap(httpx.AsyncClient(timeout=600), anyint)",
    "httpx on our transport": HTTPX + "client = httpx.Client(transport=layer.ResilientTransport(anyint), timeout=600)",
    "httpx2": HTTPX2 + GOOD.replace("httpx.", "httpx2."),
    "requests": REQUESTS + "client = layer.wrap(requests.Session(), anyint)",
    "requests over urllib3's Retry": REQUESTS + "client = requests.Session()\nclient.mount('http://', HTTPAdapter("
    "max_retries=Retry(5)))\nlayer.wrap(client, anyint)",
    "aiohttp": AIOHTTP + "client = lambda: layer.wrap(aiohttp.ClientSession(), anyint)",
    "aiohttp, awaited": AIOHTTP + "async def client(): return layer.wrap(aiohttp.ClientSession(), anyint)",
    "a context manager": HTTPX + "from contextlib import contextmanager\n@contextmanager\ndef client():\n"
    "    with layer.wrap(httpx.Client(timeout=600), anyint) as made:\n        yield made",
    "a dependency of a web framework": HTTPX
    + "def client():\n    with layer.wrap(httpx.Client(timeout=600), anyint) as "
    "made:\n        yield made",
    "the same, awaited": HTTPX
    + "async def client():\n    async with layer.wrap(httpx.AsyncClient(timeout=600), anyint) "
    "as made:\n        yield made",
    "in a transport of the users own": HTTPX + KEPT + "client = httpx.Client(transport=Own(layer.ResilientTransport("
    "anyint)), timeout=600)",
    "aiohttp with a total and a silence": AIOHTTP + "client = lambda: layer.wrap(aiohttp.ClientSession(timeout=aiohttp."
    "ClientTimeout(total=600, sock_read=90)), anyint)",
    "aiohttp with a silence alone": AIOHTTP + "client = lambda: layer.wrap(aiohttp.ClientSession(timeout=aiohttp."
    "ClientTimeout(total=None, sock_read=90)), anyint)",
    "aiohttp-retry that is off": AIOHTTP
    + "from aiohttp_retry import ExponentialRetry, RetryClient\ndef client():\n    "
    "session = layer.wrap(aiohttp.ClientSession(), anyint)\n    return RetryClient(session, "
    "retry_options=ExponentialRetry(attempts=1))",
    "an attribute of an object": HTTPX + GOOD + "\nclass Shop: http = client\nclient = Shop()",
    "openai": OPENAI + "client = openai.OpenAI(api_key='test-key', base_url=anyint.url + '/openai/v1', "
    "http_client=http)",
    "openai async": HTTPX2 + "import openai\nclient = openai.AsyncOpenAI(api_key='test-key', base_url=anyint.url + "
    "'/openai/v1', http_client=layer.wrap(httpx2.AsyncClient(), anyint))",
    "openai on httpx": HTTPX + "import openai\nclient = openai.OpenAI(api_key='test-key', base_url=anyint.url + "
    "'/openai/v1', http_client=layer.wrap(httpx.Client(), anyint))",
    "anthropic": HTTPX2 + "import anthropic\nclient = anthropic.Anthropic(api_key='test-key', base_url=anyint.url + "
    "'/anthropic', http_client=layer.wrap(httpx2.Client(), anyint))",
}


@pytest.mark.parametrize("name", GOODS)
def test_a_good_client_brings_no_warning(place: Place, name: str) -> None:
    """Our layer is found on each kind of client, and nothing is wrong with it."""
    text = GOODS[name]
    if "httpx2" in text or "openai" in text:
        pytest.importorskip("httpx2", reason="httpx2 needs Python 3.11, and the SDKs need httpx2")
    found = client(place, text, "client.http" if "Shop" in text else "client")
    assert {it["status"] for it in found.values()} == {"ok"}, found
    assert "Resilient" in found["layer"]["found"]


PROXIED = {
    "a proxy of its transport": HTTPX + "client = httpx.Client(transport=layer.ResilientTransport(anyint, proxy="
    "'http://127.0.0.1:2'), timeout=600)",
    "a proxy of a transport below": HTTPX + "client = layer.wrap(httpx.Client(transport=httpx.HTTPTransport(proxy="
    "'http://127.0.0.1:2'), timeout=600), anyint)",
    "a proxy of its own": HTTPX + "client = layer.wrap(httpx.Client(proxy='http://127.0.0.1:2', trust_env=False, "
    "timeout=600), anyint)",
    "the environment's": HTTPX + GOOD,
    "requests with a proxy of its own": REQUESTS + "client = layer.wrap(requests.Session(), anyint)\n"
    "client.trust_env, client.proxies = False, {'http': 'http://127.0.0.1:2'}",
    "aiohttp with a proxy of its own": AIOHTTP + "client = lambda: layer.wrap(aiohttp.ClientSession(proxy="
    "'http://127.0.0.1:2'), anyint)",
}


@pytest.mark.parametrize("name", PROXIED)
def test_a_client_that_goes_through_a_proxy_is_not_told_to(place: Place, name: str) -> None:
    """Whoever gave it: what the client really sends through counts."""
    place.set(HTTP_PROXY="http://127.0.0.1:1")
    found = client(place, PROXIED[name])
    assert {it["status"] for it in found.values()} == {"ok"}, found


def test_client_alone_stands_for_all_that_look_at_one(place: Place) -> None:
    """Who asks for the client is told of a bare one, and may leave one of the checks out."""
    name = module(place, HTTPX + "client = httpx.Client(timeout=600)")
    code, checks = place.found("--client", f"{name}:client", "--only", "client")
    assert (code, checks["client"]["status"], checks["layer"]["status"]) == (1, "ok", "failed")
    assert "layer" not in place.found("--client", f"{name}:client", "--only", "client", "--skip", "layer")[1]


def test_a_check_of_a_client_wants_one(place: Place) -> None:
    """To look at nothing is no success."""
    assert main(["doctor", "--only", "layer"]) == 2
    assert "--client MODULE:ATTR" in place.capsys.readouterr().err


def test_double_instrumentation_is_named(place: Place) -> None:
    """OpenTelemetry's instrumentation beside spans="always" makes two spans of an attempt."""
    instrumentation = pytest.importorskip("opentelemetry.instrumentation.httpx")
    text = HTTPX.replace("from_env()", 'from_env(spans="always")') + GOOD
    instrumentor = instrumentation.HTTPXClientInstrumentor()
    instrumentor.instrument()
    try:
        found = client(place, text)["instrumentation"]
        quiet = client(place, HTTPX + GOOD)["instrumentation"]
    finally:
        instrumentor.uninstrument()
    assert found["status"] == "warning"
    assert "HTTPXClientInstrumentor" in found["found"]
    assert 'spans="auto"' in found["advice"]
    assert quiet["status"] == "ok"
    assert client(place, text)["instrumentation"]["status"] == "ok"


def test_a_secret_in_an_exception_is_not_shown(place: Place) -> None:
    """What a factory raises is told without the values of the environment's secrets."""
    place.set(SHOP_API_TOKEN="tok-Zx81Qw-secret")
    text = "import os\ndef client():\n    raise ValueError(f'bad token {os.environ[\"SHOP_API_TOKEN\"]}')"
    found = client(place, text)["client"]
    assert "ValueError: bad token" in found["found"]
    assert "Zx81Qw" not in found["found"]
