"""Clients of a user's own modules with something wrong in each: which check must tell, and how.

Must not know how the doctor is run.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.real.doctor_kit import GOOD, HTTPX, Row

__all__ = ["AIOHTTP", "HTTPX2", "KEPT", "OPENAI", "REQUESTS", "ROWS"]

HTTPX2 = HTTPX.replace("httpx", "httpx2")
REQUESTS = HTTPX.replace("httpx", "requests") + "from requests.adapters import HTTPAdapter\nfrom urllib3 import Retry\n"
AIOHTTP = HTTPX.replace("httpx", "aiohttp")
OPENAI = HTTPX2 + "import openai\nhttp = layer.wrap(httpx2.Client(), anyint)\n"
KEPT = """
class Own(httpx.BaseTransport):
    def __init__(self, inner):
        self._t = inner
    def handle_request(self, request):
        return self._t.handle_request(request)
"""
DARK = """
class Own(httpx.BaseTransport):
    def __init__(self, inner):
        self.handle_request = lambda request: inner.handle_request(request)
"""


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
    row("a transport that can't be seen into", "layer", "warning", "Own, which can't be seen into", "in an attribute",
        HTTPX + DARK + "client = httpx.Client(transport=Own(layer.ResilientTransport(anyint)), timeout=600)"),
    row("a bare session", "layer", "failed", "go past our layer", "anyint_resilience_requests.wrap",
        REQUESTS + "client = requests.Session()"),
    row("a bare aiohttp session", "layer", "failed", "go past our layer", "anyint_resilience_aiohttp.wrap",
        AIOHTTP + "client = lambda: aiohttp.ClientSession()"),
    row("a layer for another gateway", "layer", "failed", "for a foreign host", 'base_url="{url}"',
        HTTPX + "anyint = Resilience(api_key='test-key')\n" + GOOD),
    row("a layer for another path", "layer", "failed", "another path before the API's own", 'base_url="{url}/relay"',
        HTTPX + "anyint = Resilience(api_key='test-key', base_url=anyint.url.removesuffix('/relay'))\n" + GOOD,
        plant=lambda place: place.set(ANYINT_BASE_URL=f"{place.gateway.url}/relay")),
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
    row("an SDK on plain http", "target", "failed", "plain http", 'base_url="{url}/openai/v1"',
        OPENAI + "client = openai.OpenAI(api_key='test-key', base_url='http://gateway.api.anyint.ai/openai/v1', "
        "http_client=http)", needs="openai"),
    row("a client on plain http", "target", "failed", "plain http", 'base_url="{url}"',
        HTTPX + "client = layer.wrap(httpx.Client(base_url='http://api.anyint.ai', timeout=600), anyint)"),
    row("an SDK on another port of AnyInt", "target", "failed", "not the gateway", "{url}/openai/v1",
        OPENAI + "client = openai.OpenAI(api_key='test-key', base_url='https://api.anyint.ai:8443/openai/v1', "
        "http_client=http)", needs="openai"),
    row("an SDK for Azure", "target", "failed", "openai's client for Azure", 'openai.OpenAI(base_url="{url}/openai/v1"',
        OPENAI + "client = openai.AzureOpenAI(api_key='test-key', base_url=anyint.url + '/openai/v1', "
        "api_version='2024-10-21', http_client=http)", needs="openai"),
    row("a layer with another key", "target", "warning", "our layer on it holds another key", "from_env()",
        HTTPX + "anyint = Resilience(api_key='another-key-0123456789', base_url=anyint.url)\n" + GOOD),
    row("another key in x-api-key", "target", "warning", "x-api-key header holds another key", "Leave the header out",
        HTTPX + "client = layer.wrap(httpx.Client(headers={'x-api-key': 'another-key-012345'}, timeout=600), anyint)"),
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
    row("a transport that connects again in the users own", "retries", "warning",
        "3 requests for an error that lasts, 12 requests where connections fail", "retries=0",
        HTTPX + KEPT + "inner = Own(httpx.HTTPTransport(retries=3))\n"
        "client = httpx.Client(transport=layer.ResilientTransport(anyint, transport=inner), timeout=600)"),
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
    row("aiohttp that bears little silence", "timeouts", "warning", "time-out of 20 s without a byte", "sock_read=300",
        AIOHTTP + "def client():\n    timeout = aiohttp.ClientTimeout(total=None, sock_read=20)\n"
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
    row("a module that ends the process", "client", "failed", "ended in SystemExit: 0", "only makes the client",
        "import os\nos._exit(0)"),
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
