"""The sides of duplicates.py: each client alone, with our layer and with its peers, a retry layer around every one.

Must not know the faults, nor what is counted. A side is a client and what repeats requests inside it. Around a plain
client stands tenacity: three attempts, after any exception and any status from 500 on, without waiting. The openai SDK
brings its own loop, also three attempts, and keeps it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

from anyint_resilience import OutcomeUnknown, Resilience

__all__ = ["LAYERS", "SIDES", "UNKNOWN", "USERS", "is_async", "side_of", "told_of"]

USERS = 24  # threads or tasks that call at once: few enough that a call is seldom late because the machine is busy
READ_PATIENCE = 0.15  # seconds an answer is waited for: what a stalled request costs
PATIENCE = 20.0  # seconds for everything else
ATTEMPTS = 3
PATH = "/openai/v1/videos"
MODEL = "kling-3.0"
UNKNOWN = "OutcomeUnknown"

LAYERS = {
    "ours": "anyint-resilience",
    "alone": "",
    "httpx-retries": "httpx-retries, POST allowed",
    "urllib3": "urllib3 Retry, POST allowed",
    "aiohttp-retry": "aiohttp-retry, defaults",
}
"""What repeats requests inside a client, and its name in the table."""

SIDES = [
    *(
        f"{client}:{layer}"
        for client in ("httpx", "httpx-async", "httpx2", "httpx2-async")
        for layer in ("ours", "alone", "httpx-retries")
    ),
    *(f"requests:{layer}" for layer in ("ours", "alone", "urllib3")),
    *(f"aiohttp:{layer}" for layer in ("ours", "alone", "aiohttp-retry")),
    *(f"{client}:{layer}" for client in ("openai", "openai-async") for layer in ("ours", "alone")),
]
"""Every side, as CLIENT:LAYER, in the order of the table."""

Made = tuple[Callable[[str], Any], Callable[[], Any]]


def is_async(side: str) -> bool:
    """Whether a side's calls are awaited."""
    return side.partition(":")[0].endswith("-async") or side.startswith("aiohttp:")


def told_of(result: Any) -> tuple[str, str]:
    """Return what the application was told, in a word, and the task's id where it was told of success."""
    if isinstance(result, Exception):
        causes: list[BaseException] = []
        at: BaseException | None = result
        while at is not None and at not in causes:
            causes.append(at)
            at = at.__cause__
        if any(isinstance(cause, OutcomeUnknown) for cause in causes):
            return UNKNOWN, ""
        status = getattr(result, "status_code", None)
        return (type(result).__name__ if status is None else f"HTTP {status}"), ""
    status, body = result
    return ("ok", json.loads(body)["id"]) if status < 300 else (f"HTTP {status}", "")


def side_of(side: str, url: str) -> Made:
    """Return how a side creates something from a prompt, and how it is closed; built in the loop where there is one."""
    client, _, layer = side.partition(":")
    library = client.removesuffix("-async")
    builder = {"requests": _requests, "aiohttp": _aiohttp, "openai": _openai}.get(library, _httpx)
    return builder(library, layer, url, is_async(side))


def _retrying(awaits: bool) -> Any:
    """Make the layer that stands around a plain client. In the end it gives back what came last, whatever that is."""
    import tenacity

    return (tenacity.AsyncRetrying if awaits else tenacity.Retrying)(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        retry=tenacity.retry_if_exception_type(Exception) | tenacity.retry_if_result(lambda result: result[0] >= 500),
        retry_error_callback=lambda state: None if state.outcome is None else state.outcome.result(),
    )


def _httpx_client(client: Any, layer: str, url: str, awaits: bool) -> Any:
    """Make a client of httpx or httpx2."""
    settings: dict[str, Any] = {"timeout": client.Timeout(PATIENCE, read=READ_PATIENCE), "base_url": url}
    settings["headers"] = {"authorization": "Bearer k"}
    if layer == "httpx-retries":
        from httpx_retries import Retry, RetryTransport

        inner = client.AsyncHTTPTransport() if awaits else client.HTTPTransport()
        retry = Retry(total=ATTEMPTS - 1, allowed_methods=["POST"])  # its waits are none unless asked for
        settings["transport"] = RetryTransport(transport=inner, retry=retry)
    session = (client.AsyncClient if awaits else client.Client)(**settings)
    if layer == "ours":
        adapter = importlib.import_module(f"anyint_resilience_{client.__name__}")
        adapter.wrap(session, Resilience(api_key="k", base_url=url))
    return session


def _httpx(library: str, layer: str, url: str, awaits: bool) -> Made:
    client = importlib.import_module(library)
    if layer == "httpx-retries" and library == "httpx2":
        client.alias_httpx()  # it says `import httpx`, and has this process for itself
    session, retrying = _httpx_client(client, layer, url, awaits), _retrying(awaits)

    def once(prompt: str) -> tuple[int, bytes]:
        answer = session.post(PATH, json={"model": MODEL, "prompt": prompt})
        return answer.status_code, answer.content

    async def once_async(prompt: str) -> tuple[int, bytes]:
        answer = await session.post(PATH, json={"model": MODEL, "prompt": prompt})
        return answer.status_code, answer.content

    if awaits:
        return lambda prompt: retrying(once_async, prompt), session.aclose
    return lambda prompt: retrying(once, prompt), session.close


def _requests(library: str, layer: str, url: str, awaits: bool) -> Made:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session, retrying = requests.Session(), _retrying(awaits)
    session.trust_env = False
    session.headers["authorization"] = "Bearer k"
    # Without raise_on_status=False it would hide the last 502 in an exception: as wrong, but harder to read.
    retries: Any = 0
    if layer == "urllib3":
        retries = Retry(total=ATTEMPTS - 1, allowed_methods=None, status_forcelist=[502], raise_on_status=False)
    session.mount("http://", HTTPAdapter(pool_maxsize=USERS, max_retries=retries))
    if layer == "ours":
        importlib.import_module("anyint_resilience_requests").wrap(session, Resilience(api_key="k", base_url=url))
    times = (PATIENCE, READ_PATIENCE)

    def once(prompt: str) -> tuple[int, bytes]:
        answer = session.post(url + PATH, json={"model": MODEL, "prompt": prompt}, timeout=times)
        return answer.status_code, answer.content

    return lambda prompt: retrying(once, prompt), session.close


def _aiohttp(library: str, layer: str, url: str, awaits: bool) -> Made:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, connect=PATIENCE, sock_read=READ_PATIENCE)
    session: Any = aiohttp.ClientSession(timeout=timeout, headers={"authorization": "Bearer k"})
    if layer == "ours":
        importlib.import_module("anyint_resilience_aiohttp").wrap(session, Resilience(api_key="k", base_url=url))
    elif layer == "aiohttp-retry":
        from aiohttp_retry import ExponentialRetry, RetryClient

        session = RetryClient(session, retry_options=ExponentialRetry(attempts=ATTEMPTS, start_timeout=0))
    retrying = _retrying(awaits)

    async def once(prompt: str) -> tuple[int, bytes]:
        async with session.post(url + PATH, json={"model": MODEL, "prompt": prompt}) as answer:
            return answer.status, await answer.read()

    return lambda prompt: retrying(once, prompt), session.close


def _openai(library: str, layer: str, url: str, awaits: bool) -> Made:
    """Make the SDK with its default of two retries; only its waits between them (0.5 s and 1 s) are left out."""
    import httpx2
    import openai

    settings: dict[str, Any] = {"api_key": "k", "base_url": f"{url}/openai/v1"}
    settings["timeout"] = httpx2.Timeout(PATIENCE, read=READ_PATIENCE)
    if layer == "ours":
        ours = importlib.import_module("anyint_resilience_httpx2")
        anyint = Resilience(api_key="k", base_url=url)
        client = httpx2.AsyncClient() if awaits else httpx2.Client()
        settings["http_client"] = ours.wrap(client, anyint)
    sdk: Any = (openai.AsyncOpenAI if awaits else openai.OpenAI)(**settings)
    sdk._calculate_retry_timeout = lambda *args, **options: 0.0

    def create(prompt: str) -> tuple[int, str]:
        video = sdk.videos.create(model=MODEL, prompt=prompt)
        return 200, json.dumps({"id": video.id})

    async def create_async(prompt: str) -> tuple[int, str]:
        video = await sdk.videos.create(model=MODEL, prompt=prompt)
        return 200, json.dumps({"id": video.id})

    return (create_async if awaits else create), sdk.close
