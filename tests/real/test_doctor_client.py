"""``doctor --client``: the client of a user's own module is taken apart, and what is wrong with it is named.

Each row writes a module into an empty folder, as a user has it, with a real client of a real library in it.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("h11")

from anyint_resilience.emulator import Emulator
from tests.real.doctor_kit import Place, Row, place_of, reports

NAMES = count()
NEWER = sys.version_info >= (3, 11)  # httpx2, and the SDKs on it
HTTPX = """\
import httpx
import anyint_resilience_httpx as layer
from anyint_resilience import Policy, Resilience

anyint = Resilience.from_env()
"""
HTTPX2 = HTTPX.replace("httpx", "httpx2")
REQUESTS = HTTPX.replace("httpx", "requests") + "from requests.adapters import HTTPAdapter\nfrom urllib3 import Retry\n"
AIOHTTP = HTTPX.replace("httpx", "aiohttp")
OPENAI = HTTPX2 + "import openai\nhttp = layer.wrap(httpx2.Client(), anyint)\n"
GOOD = "client = layer.wrap(httpx.Client(timeout=600), anyint)"
ONLY = tuple(
    it for name in ("layer", "target", "retries", "timeouts", "ways-out", "instrumentation") for it in ("--only", name)
)


@pytest.fixture
def place(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield from place_of(emu, monkeypatch, tmp_path, capsys)


def module(place: Place, text: str) -> str:
    """Write a module; return its name, which no other test has used."""
    name = f"shop_{next(NAMES)}"
    place.write(f"{name}.py", textwrap.dedent(text))
    return name


def client(place: Place, text: str, attribute: str = "client") -> dict[str, dict[str, Any]]:
    """Run the checks of a client on a module; return what they found."""
    return place.found("--client", f"{module(place, text)}:{attribute}", *ONLY)[1]


def row(planted: str, check: str, status: str, cause: str, advice: str, text: str, **more: Any) -> Any:
    """Make a row whose module is this text."""
    also = frozenset(more.pop("also", ()))
    return pytest.param(
        Row(planted, check, status, cause, advice, also=also, **more), text, id=planted.replace(" ", "-")
    )


ROWS = (
    # our layer on its way
    row("a bare httpx client", "layer", "failed", "go past our layer", "anyint_resilience_httpx.wrap(client, anyint)",
        HTTPX + "client = httpx.Client(timeout=600)"),
    row("mounted after wrap", "layer", "failed", "stands on the default transport", "Mount first, wrap then",
        HTTPX + GOOD + "\nclient._mounts[httpx._utils.URLPattern('http://')] = httpx.HTTPTransport()"),
    row("an adapter mounted after wrap", "layer", "failed", "what was mounted after wrap() is bare", "Mount first",
        REQUESTS + "client = layer.wrap(requests.Session(), anyint)\nclient.mount('http://', HTTPAdapter())"),
    row("a bare session", "layer", "failed", "go past our layer", "anyint_resilience_requests.wrap",
        REQUESTS + "client = requests.Session()"),
    row("a bare aiohttp session", "layer", "failed", "go past our layer", "anyint_resilience_aiohttp.wrap",
        AIOHTTP + "client = lambda: aiohttp.ClientSession()"),
    row("a layer for another gateway", "layer", "failed", "for a foreign host", 'base_url="{url}"',
        HTTPX + "anyint = Resilience(api_key='test-key')\n" + GOOD),
    row("a layer that is off", "layer", "warning", "Policy(enabled=False)", "Leave enabled out",
        HTTPX + "anyint = Resilience.from_env(policy=Policy(enabled=False))\n" + GOOD),
    row("a layer without a key", "layer", "warning", "has a key", "Set ANYINT_API_KEY",
        HTTPX + "import os\nanyint = Resilience(base_url=os.environ['ANYINT_BASE_URL'])\n" + GOOD),
    row("ours is not the last middleware", "layer", "warning", "sees each attempt", "Put ours last",
        AIOHTTP + "async def log(request, handler): return await handler(request)\n"
        "def client(): return aiohttp.ClientSession(middlewares=[layer.ResilientMiddleware(anyint), log])"),
    # where it goes
    row("an SDK with /v1", "target", "failed", "it ends in /v1", 'base_url="{url}/openai/v1"',
        OPENAI + "client = openai.OpenAI(api_key='test-key', base_url=anyint.url + '/v1', http_client=http)",
        needs="openai"),
    row("an SDK at OpenAI", "target", "failed", "https://api.openai.com/v1/, not the gateway", "{url}/openai/v1",
        OPENAI + "client = openai.OpenAI(api_key='test-key', http_client=http)", needs="openai"),
    row("anthropic with /v1", "target", "failed", "/anthropic/v1", 'base_url="{url}/anthropic"',
        HTTPX2 + "import anthropic\nhttp = layer.wrap(httpx2.Client(), anyint)\nclient = anthropic.Anthropic("
        "api_key='test-key', base_url=anyint.url + '/anthropic/v1', http_client=http)", needs="anthropic"),
    row("an SDK with another key", "target", "warning", "another key than ANYINT_API_KEY's", "api_key=os.environ",
        OPENAI + "client = openai.OpenAI(api_key='sk-0123456789', base_url=anyint.url + '/openai/v1', "
        "http_client=http)", needs="openai"),
    row("a client with another base", "target", "warning", "not the gateway", 'base_url="{url}"',
        HTTPX + "client = layer.wrap(httpx.Client(base_url='https://example.com/', timeout=600), anyint)"),
    row("quotes in a header", "target", "failed", "can't be a key", "without blanks and quotation marks",
        HTTPX + "client = layer.wrap(httpx.Client(headers={'authorization': 'Bearer a b'}, timeout=600), anyint)"),
    # who else sends again
    row("an SDK that insists", "retries", "warning", "max_retries=5: 3 requests for an error that lasts, 9 requests",
        "Leave it as it is (2)", OPENAI + "client = openai.OpenAI(api_key='test-key', base_url=anyint.url + "
        "'/openai/v1', http_client=http, max_retries=5)", needs="openai"),
    row("a transport that connects again", "retries", "warning",
        "httpx.HTTPTransport(retries=4) below ours sends or connects again by itself: 3 requests for an error that "
        "lasts, 15 requests", "retries=0",
        HTTPX + "client = layer.wrap(httpx.Client(transport=httpx.HTTPTransport(retries=4), timeout=600), anyint)"),
    row("httpx-retries above", "retries", "warning", "with 6 attempts above our 3: 18 requests", "httpx-retries.md",
        HTTPX + "from httpx_retries import Retry, RetryTransport\nclient = httpx.Client(transport=RetryTransport("
        "layer.ResilientTransport(anyint), Retry(total=5)), timeout=600)", needs="httpx_retries"),
    row("httpx-retries below", "retries", "failed", "11 attempts below our 3: 33 requests for an error that lasts, 33 "
        "requests where connections fail; a paid create that it repeats is paid again", "httpx-retries.md",
        HTTPX + "from httpx_retries import RetryTransport\n"
        "client = layer.wrap(httpx.Client(transport=RetryTransport(), timeout=600), anyint)", needs="httpx_retries"),
    row("aiohttp-retry above", "retries", "warning", "with 4 attempts above our 3: 12 requests", "aiohttp-retry.md",
        AIOHTTP + "from aiohttp_retry import ExponentialRetry, RetryClient\ndef client():\n    session = layer.wrap("
        "aiohttp.ClientSession(), anyint)\n    return RetryClient(session, retry_options=ExponentialRetry(attempts=4))",
        needs="aiohttp_retry"),
    row("ours twice", "retries", "failed", "our own layer is there 2 times (3 x 3 attempts): 9 requests", "once",
        HTTPX + "inner = layer.ResilientTransport(anyint)\n"
        "client = httpx.Client(transport=layer.ResilientTransport(anyint, transport=inner), timeout=600)"),
    row("a retry layer of the users own", "retries", "warning", "with an unknown number of attempts above our 3",
        "let one layer retry", HTTPX + "class RetryingTransport(httpx.BaseTransport):\n    def __init__(self, inner):\n"
        "        self._wrapped = inner\n    def handle_request(self, request):\n        raise NotImplementedError\n"
        "client = httpx.Client(transport=RetryingTransport(layer.ResilientTransport(anyint)), timeout=600)"),
    row("Retry without us", "retries", "warning", "requests.HTTPAdapter(retries=5) below it", "let one layer retry",
        REQUESTS + "client = requests.Session()\nclient.mount('http://', HTTPAdapter(max_retries=Retry(5)))",
        also={"layer"}),
    # how patient it is
    row("httpx with its own five seconds", "timeouts", "warning", "time-out of 5 s", "timeout=600",
        HTTPX + "client = layer.wrap(httpx.Client(), anyint)"),
    row("httpx that waits for ever", "timeouts", "warning", "no time-out", "timeout=600",
        HTTPX + "client = layer.wrap(httpx.Client(timeout=None), anyint)"),
    row("aiohttp with thirty seconds for all", "timeouts", "warning", "spans all attempts", "sock_read=300",
        AIOHTTP + "def client():\n    timeout = aiohttp.ClientTimeout(total=30)\n"
        "    return layer.wrap(aiohttp.ClientSession(timeout=timeout), anyint)"),
    row("an SDK with ten seconds", "timeouts", "warning", "time-out of 10 s", "timeout=600",
        OPENAI + "client = openai.OpenAI(api_key='test-key', base_url=anyint.url + '/openai/v1', http_client=http, "
        "timeout=10)", needs="openai"),
    # the way out
    row("aiohttp past the proxy", "ways-out", "warning", "trust_env is False, aiohttp's default", "trust_env=True",
        AIOHTTP + "import os\nos.environ['HTTP_PROXY'] = 'http://127.0.0.1:1'\n"
        "client = lambda: layer.wrap(aiohttp.ClientSession(), anyint)"),
    row("httpx past the proxy", "ways-out", "warning", "given transport= ignores it", "use wrap()",
        HTTPX + "import os\nos.environ['HTTP_PROXY'] = 'http://127.0.0.1:1'\n"
        "client = httpx.Client(transport=layer.ResilientTransport(anyint), timeout=600)"),
    # a client that is none
    row("a client that is closed", "client", "failed", "is closed", "open", HTTPX + GOOD + "\nclient.close()"),
    row("a factory that raises", "client", "failed", "ended in KeyError", "without arguments",
        "def client():\n    raise KeyError('DATABASE_URL')", also=()),
    row("a factory with arguments", "client", "failed", "missing 1 required positional argument", "without arguments",
        "def client(settings): ..."),
    row("a module that fails", "client", "failed", "ended in ZeroDivisionError", "only makes the client", "1 / 0"),
    row("a module that exits", "client", "failed", "ended in SystemExit", "only makes the client",
        "raise SystemExit(3)"),
    row("a module that is interrupted", "client", "failed", "ended in KeyboardInterrupt", "only makes the client",
        "raise KeyboardInterrupt"),
    row("a module that closes its output", "client", "failed", "is a builtins.int", "Give a client of httpx",
        "import sys\nsys.stdout.close()\nclient = 1"),
    row("a module that asks", "client", "failed", "ended in EOFError", "only makes the client",
        "client = input('which key? ')"),
    row("a module that needs what is not there", "client", "failed", "No module named 'no_such_library'",
        "Install what it needs", "import no_such_library"),
    row("no such attribute", "client", "failed", "has no client", "behind the colon", "clients = 1"),
    row("something else", "client", "failed", "is a builtins.dict", "Give a client of httpx", "client = {}"),
    row("a factory of something else", "client", "failed", "returned a builtins.int", "Give a client of httpx",
        "client = lambda: 7"),
)  # fmt: skip


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


def test_what_a_module_prints_does_not_stand_in_the_json(place: Place) -> None:
    """stdout is one JSON object also where the user's module prints; what it printed goes to stderr."""
    name = module(place, HTTPX + "print('hello from the shop')\n" + GOOD)
    code, out, err = place.run("--json", "--client", f"{name}:client", "--only", "client")
    assert code == 0
    assert out.startswith("{")
    assert "hello from the shop" in err


def test_a_secret_in_an_exception_is_not_shown(place: Place) -> None:
    """What a factory raises is told without the values of the environment's secrets."""
    place.set(SHOP_API_TOKEN="tok-Zx81Qw-secret")
    text = "import os\ndef client():\n    raise ValueError(f'bad token {os.environ[\"SHOP_API_TOKEN\"]}')"
    found = client(place, text)["client"]
    assert "ValueError: bad token" in found["found"]
    assert "Zx81Qw" not in found["found"]


def test_a_factory_that_hangs_holds_nothing_up(place: Place) -> None:
    """A factory that never returns is left behind when its time is over."""
    name = module(place, "import threading\nclient = threading.Event().wait")
    code, checks = place.found("--client", f"{name}:client", "--timeout", "0.3", *ONLY)
    assert code == 1
    assert "did not end within" in checks["client"]["found"]
    assert all(it["status"] in ("failed", "skipped") for it in checks.values())


def test_a_client_made_by_a_factory_is_closed_again(place: Place) -> None:
    """What was made for the doctor is closed at the end; what the module holds is left as it is."""
    make = "def client():\n    made.append(httpx.Client())\n    return made[0]"
    text = f"import httpx\nkept, made = httpx.Client(), []\n{make}"
    name = module(place, text)
    place.run("--client", f"{name}:client", "--only", "client")
    place.run("--client", f"{name}:kept", "--only", "client")
    assert sys.modules[name].made[0].is_closed
    assert not sys.modules[name].kept.is_closed
    sys.modules[name].kept.close()
