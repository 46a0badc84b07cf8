"""The sides of overhead.py: the same POST through each layer, on a transport that answers at once.

Must not know how anything is measured. Every builder is given the client's module (httpx or httpx2).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["SIDES", "async_post", "sync_post"]

SIDES = {
    "bare": "bare client",
    "wrapper": "wrapper that does nothing",
    "ours": "anyint-resilience",
    "httpx-retries": "httpx-retries, POST allowed",
    "httpx-retries-defaults": "httpx-retries, defaults (POST is not retried)",
    "tenacity": "tenacity around client.post",
}
URL = "https://gateway.api.anyint.ai/openai/v1/chat/completions"
HEADERS = {"Authorization": "Bearer k"}
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0.2}
ANSWER_HEADERS = [
    (b"content-type", b"application/json"),
    (b"date", b"Mon, 05 Jan 2026 10:00:00 GMT"),
    (b"x-request-id", b"req_0123456789"),
    (b"x-ratelimit-remaining-requests", b"4999"),
]
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
).encode()
RETRIED = {408, 429, 500, 502, 503, 504}


def null_transport(client: Any, mode: str) -> Any:
    """The transport below every side: a good answer, at once."""

    def answer() -> Any:
        headers = [*ANSWER_HEADERS, (b"content-length", str(len(ANSWER)).encode())]
        return client.Response(200, headers=headers, content=ANSWER)

    class Null(client.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return answer()

    class AsyncNull(client.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            return answer()

    return Null() if mode == "sync" else AsyncNull()


def do_nothing(client: Any, mode: str, inner: Any) -> Any:
    """The least a layer can cost: one more call."""

    class Wrapper(client.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return inner.handle_request(request)

    class AsyncWrapper(client.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            return await inner.handle_async_request(request)

    return Wrapper() if mode == "sync" else AsyncWrapper()


def ours(client: Any, mode: str, inner: Any) -> Any:
    """This library with its defaults."""
    from anyint_resilience import Resilience

    adapter = importlib.import_module(f"anyint_resilience_{client.__name__}")
    kind = adapter.ResilientTransport if mode == "sync" else adapter.AsyncResilientTransport
    return kind(Resilience(api_key="k"), transport=inner)


def httpx_retries(inner: Any, **options: Any) -> Any:
    """httpx-retries, on whichever client answers to the name httpx in this process."""
    from httpx_retries import Retry, RetryTransport

    return RetryTransport(transport=inner, retry=Retry(total=3, **options))


def transport_of(side: str, client: Any, mode: str) -> Any:
    """The whole transport of a side."""
    inner = null_transport(client, mode)
    if side == "wrapper":
        return do_nothing(client, mode, inner)
    if side == "ours":
        return ours(client, mode, inner)
    if side == "httpx-retries":
        return httpx_retries(inner, allowed_methods=["GET", "POST"])
    if side == "httpx-retries-defaults":
        return httpx_retries(inner)
    return inner


def tenacity_options(client: Any) -> dict[str, Any]:
    """What people write around an LLM call: three attempts, exponential waits with jitter, on faults and on answers."""
    import tenacity

    return {
        "stop": tenacity.stop_after_attempt(3),
        "wait": tenacity.wait_exponential_jitter(),
        "retry": tenacity.retry_if_exception_type(client.TransportError)
        | tenacity.retry_if_result(lambda response: response.status_code in RETRIED),
    }


def sync_post(side: str, client: Any) -> Callable[[], Any]:
    """One call of a sync side."""
    session = client.Client(transport=transport_of(side, client, "sync"), headers=HEADERS)
    if side != "tenacity":
        return lambda: session.post(URL, json=BODY)
    import tenacity

    retrying = tenacity.Retrying(**tenacity_options(client))
    return lambda: retrying(session.post, URL, json=BODY)


def async_post(side: str, client: Any) -> Callable[[], Awaitable[Any]]:
    """One call of an async side."""
    session = client.AsyncClient(transport=transport_of(side, client, "async"), headers=HEADERS)
    if side != "tenacity":
        return lambda: session.post(URL, json=BODY)
    import tenacity

    retrying = tenacity.AsyncRetrying(**tenacity_options(client))
    return lambda: retrying(session.post, URL, json=BODY)
