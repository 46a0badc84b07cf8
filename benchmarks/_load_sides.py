"""The sides of the benchmarks under load: a client with our layer, with another one, or alone.

Must not know the load, nor what the gateway does. Settings: ``patience``, the seconds for which a client waits for an
answer; ``first_byte``, the same before a fallback, or None; ``fallback``: whether there is one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from _load_gateway import MODEL, OTHER_MODEL

from anyint_resilience import Fallback, Policy, Resilience

__all__ = ["LABELS", "PACKAGES", "is_async", "side_of"]

PATH = "/openai/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Say hello."}]
THREADS = 512
RETRIED = (429, 502, 503, 504)
PACKAGES = "httpx httpx2 requests urllib3 aiohttp openai httpx-retries aiohttp-retry tenacity".split()

LABELS = {
    "httpx": "httpx alone",
    "httpx-retries": "httpx-retries, 3 retries, POST allowed",
    "tenacity": "tenacity on httpx, honours Retry-After",
    "openai": "openai SDK, 2 retries",
    "aiohttp-retry": "aiohttp-retry, 3 attempts",
    "urllib3": "requests, urllib3 Retry of 3",
    "openai-else": "openai SDK, 2 retries, then except: the other model",
    "openai-0-else": "openai SDK, no retries, then except: the other model",
    "ours-httpx-sync": "anyint-resilience on httpx, threads",
    "ours-httpx": "anyint-resilience on httpx, asyncio",
    "ours-requests": "anyint-resilience on requests, threads",
    "ours-aiohttp": "anyint-resilience on aiohttp",
}
"""Every side there is, and its name in the tables."""

Call = Callable[[], Any]
"""Makes a call: the status that the application is told at last, and the model that served."""


def is_async(side: str) -> bool:
    """Whether a side's calls are awaited."""
    return side not in ("urllib3", "ours-httpx-sync", "ours-requests")


def side_of(side: str, url: str, settings: dict[str, Any]) -> tuple[Call, Callable[[], Any]]:
    """Return how a side makes a call, and how it is closed; built in the loop where there is one."""
    if side.startswith("openai"):
        return _openai(side, url, settings)
    if "aiohttp" in side:
        return _aiohttp(side, url, settings)
    return (_requests if side in ("urllib3", "ours-requests") else _httpx)(side, url, settings)


def _anyint(url: str, settings: dict[str, Any]) -> Resilience:
    """Make our configuration: its defaults, but for what is measured."""
    row = Fallback(workload="chat", route=PATH, model=MODEL, to=OTHER_MODEL)
    policy = Policy(first_byte_timeout=settings["first_byte"]) if settings.get("first_byte") else Policy()
    return Resilience(api_key="k", base_url=url, policy=policy, fallbacks=[row] if settings.get("fallback") else [])


def _body() -> dict[str, Any]:
    return {"model": MODEL, "messages": MESSAGES}


def _told(status: int, body: Callable[[], Any]) -> tuple[int, str]:
    return status, body()["model"] if status == 200 else ""


def _httpx(side: str, url: str, settings: dict[str, Any]) -> tuple[Call, Callable[[], Any]]:
    import httpx

    awaits = is_async(side)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    inner: Any = (httpx.AsyncHTTPTransport if awaits else httpx.HTTPTransport)(limits=limits)
    if side == "httpx-retries":
        from httpx_retries import Retry, RetryTransport

        inner = RetryTransport(transport=inner, retry=Retry(total=3, allowed_methods=["POST"], backoff_factor=0.5))
    kind: Any = httpx.AsyncClient if awaits else httpx.Client
    session = kind(transport=inner, timeout=settings["patience"], headers={"authorization": "Bearer k"})
    if side.startswith("ours"):
        importlib.import_module("anyint_resilience_httpx").wrap(session, _anyint(url, settings))

    async def post() -> Any:
        return await session.post(url + PATH, json=_body())

    ask = _tenacious(post) if side == "tenacity" else post

    async def call() -> tuple[int, str]:
        answer = await ask()
        return _told(answer.status_code, answer.json)

    def call_sync() -> tuple[int, str]:
        answer = session.post(url + PATH, json=_body())
        return _told(answer.status_code, answer.json)

    return (call, session.aclose) if awaits else (call_sync, session.close)


def _tenacious(post: Callable[[], Any]) -> Callable[[], Any]:
    """Put tenacity around a call of httpx: four attempts; waits grow, or are what the answer asks for."""
    import httpx
    import tenacity

    growing = tenacity.wait_exponential_jitter()

    def wait(state: Any) -> float:
        answer = None if state.outcome.failed else state.outcome.result()
        hint = None if answer is None else answer.headers.get("retry-after")
        return float(growing(state)) if hint is None else float(hint)

    retrying = tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(4),
        wait=wait,
        retry=tenacity.retry_if_exception_type(httpx.TransportError)
        | tenacity.retry_if_result(lambda answer: answer.status_code in RETRIED),
        retry_error_callback=lambda state: None if state.outcome is None else state.outcome.result(),
    )
    return lambda: retrying(post)


def _requests(side: str, url: str, settings: dict[str, Any]) -> tuple[Call, Callable[[], Any]]:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    session.trust_env = False
    session.headers["authorization"] = "Bearer k"
    retries: Any = 0
    if side == "urllib3":
        retries = Retry(
            total=3, allowed_methods=None, status_forcelist=RETRIED, backoff_factor=0.5, raise_on_status=False
        )
    session.mount("http://", HTTPAdapter(pool_maxsize=THREADS, max_retries=retries))
    if side.startswith("ours"):
        importlib.import_module("anyint_resilience_requests").wrap(session, _anyint(url, settings))

    def call() -> tuple[int, str]:
        answer = session.post(url + PATH, json=_body(), timeout=settings["patience"])
        return _told(answer.status_code, answer.json)

    return call, session.close


def _aiohttp(side: str, url: str, settings: dict[str, Any]) -> tuple[Call, Callable[[], Any]]:
    import aiohttp

    patience = settings["patience"]
    session: Any = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience, sock_read=patience),
        headers={"authorization": "Bearer k"},
    )
    if side.startswith("ours"):
        importlib.import_module("anyint_resilience_aiohttp").wrap(session, _anyint(url, settings))
    else:
        from aiohttp_retry import ExponentialRetry, RetryClient

        faults: set[type[Exception]] = {aiohttp.ClientConnectionError, TimeoutError}
        session = RetryClient(session, retry_options=ExponentialRetry(attempts=3, statuses={429}, exceptions=faults))

    async def call() -> tuple[int, str]:
        async with session.post(url + PATH, json=_body()) as answer:
            body = await answer.json()
            return _told(answer.status, lambda: body)

    return call, session.close


def _openai(side: str, url: str, settings: dict[str, Any]) -> tuple[Call, Callable[[], Any]]:
    import httpx2
    import openai

    patience = settings.get("first_byte") or settings["patience"]
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    sdk = openai.AsyncOpenAI(
        api_key="k",
        base_url=f"{url}/openai/v1",
        timeout=patience,
        max_retries=0 if "-0" in side else 2,
        http_client=httpx2.AsyncClient(limits=limits, timeout=patience),
    )

    async def ask(model: str) -> tuple[int, str]:
        messages: Any = MESSAGES
        return 200, (await sdk.chat.completions.create(model=model, messages=messages)).model

    async def call() -> tuple[int, str]:
        try:
            return await ask(MODEL)
        except openai.APIStatusError as error:
            if not settings.get("fallback"):
                return error.status_code, ""
        except openai.APIConnectionError:
            if not settings.get("fallback"):
                raise
        return await ask(OTHER_MODEL)

    return call, sdk.close
