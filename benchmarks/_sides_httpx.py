"""The sides of httpx and httpx2 in overhead.py, on a transport that answers at once.

Must not know how anything is measured. The client is a module, httpx or httpx2.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from _sides import ANSWER, ANSWER_HEADERS, BODY, GUARDED, HEADERS, RETRIED, URL, anyint_of

__all__ = ["post_of"]


def null_transport(client: Any, mode: str) -> Any:
    """The transport below every side: a good answer, at once."""
    headers = [(name.encode(), value.encode()) for name, value in ANSWER_HEADERS]

    class Null(client.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return client.Response(200, headers=headers, content=ANSWER)

    class AsyncNull(client.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            return client.Response(200, headers=headers, content=ANSWER)

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


def ours(client: Any, mode: str, inner: Any, side: str) -> Any:
    """This library, by default or with the guards of the side."""
    adapter = importlib.import_module(f"anyint_resilience_{client.__name__}")
    kind = adapter.ResilientTransport if mode == "sync" else adapter.AsyncResilientTransport
    return kind(anyint_of(side), transport=inner)


def httpx_retries(inner: Any, **options: Any) -> Any:
    """httpx-retries, on whichever client answers to the name httpx in this process."""
    from httpx_retries import Retry, RetryTransport

    return RetryTransport(transport=inner, retry=Retry(total=3, **options))


def transport_of(side: str, client: Any, mode: str) -> Any:
    """The whole transport of a side."""
    inner = null_transport(client, mode)
    if side == "wrapper":
        return do_nothing(client, mode, inner)
    if side == "ours" or side in GUARDED:
        return ours(client, mode, inner, side)
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


def post_of(name: str, mode: str, side: str, closing: AsyncExitStack) -> Callable[[], Any]:
    """One call of a side; the client reads the body before it returns."""
    client = importlib.import_module(name)
    kind = client.Client if mode == "sync" else client.AsyncClient
    session = kind(transport=transport_of(side, client, mode), headers=HEADERS)
    if mode == "sync":
        closing.callback(session.close)
    else:
        closing.push_async_callback(session.aclose)
    if side != "tenacity":
        return lambda: session.post(URL, json=BODY)
    import tenacity

    retrying: Any = (tenacity.Retrying if mode == "sync" else tenacity.AsyncRetrying)(**tenacity_options(client))
    return lambda: retrying(session.post, URL, json=BODY)
