"""The sides of aiohttp in overhead.py, on a socket that answers at once.

Must not know how anything is measured. aiohttp has no transport to replace as httpx has: a middleware stands on the
connector, the request's writer and the response's parser. What does nothing lies below all of them: a connector whose
connections are aiohttp's own protocol on a transport that drops what is written and has the bytes of an answer as soon
as the body's end was written. So every side runs the same code of aiohttp, and only the layer differs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

import aiohttp
from _sides import ANSWER, ANSWER_HEADERS, BODY, GUARDED, HEADERS, RETRIED, URL, anyint_of

__all__ = ["post_of"]

HEAD = "".join(f"{name}: {value}\r\n" for name, value in ANSWER_HEADERS)
RAW_ANSWER = f"HTTP/1.1 200 OK\r\n{HEAD}\r\n".encode() + ANSWER
LAST_BYTES = json.dumps(BODY).encode()[-8:]
EXAMPLE_RETRIES = 3

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


class NullTransport(asyncio.Transport):
    """A socket that drops what is written and has the answer as soon as the request is whole."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self._closing = False

    def write(self, data: Any) -> None:
        """Drop it; at the end of the body the answer is there."""
        if data[-8:] == LAST_BYTES:
            self._protocol.data_received(RAW_ANSWER)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Drop them."""
        for data in list_of_data:
            self.write(data)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._closing

    def close(self) -> None:
        """Tell the protocol in the loop's next round, as a socket does."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close


class NullConnector(aiohttp.BaseConnector):
    """aiohttp's own pool, its connections on that socket."""

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        protocol = self._factory()
        protocol.connection_made(NullTransport(protocol))
        return protocol


async def do_nothing(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """The least a middleware can cost."""
    return await handler(request)


async def cookbook(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """The retry middleware of aiohttp's cookbook: three tries, the first good answer is it."""
    for _ in range(3):
        response = await handler(request)
        if response.ok:
            return response
    return response


class Example:
    """What aiohttp's examples/retry_middleware.py does, in our words: chosen statuses, waits that grow."""

    def __init__(self) -> None:
        names = ("TOO_MANY_REQUESTS", "INTERNAL_SERVER_ERROR", "BAD_GATEWAY", "SERVICE_UNAVAILABLE", "GATEWAY_TIMEOUT")
        self.statuses = {HTTPStatus[name] for name in names}
        self.first_wait = 1.0
        self.factor = 2.0

    async def __call__(self, request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        """Try until the status is none of those, or the tries are used up."""
        wait = self.first_wait
        for attempt in range(EXAMPLE_RETRIES + 1):
            response = await handler(request)
            if response.status not in self.statuses or attempt == EXAMPLE_RETRIES:
                break
            await asyncio.sleep(wait)
            wait *= self.factor
        return response


def ours(side: str) -> Any:
    """This library, by default or with the guards of the side."""
    from anyint_resilience_aiohttp import ResilientMiddleware

    return ResilientMiddleware(anyint_of(side))


def middlewares_of(side: str) -> tuple[Any, ...]:
    """The middlewares of a side; those that stand around the session have none."""
    if side == "wrapper":
        return (do_nothing,)
    if side == "cookbook":
        return (cookbook,)
    if side == "example":
        return (Example(),)
    return (ours(side),) if side == "ours" or side in GUARDED else ()


def post_of(name: str, mode: str, side: str, closing: AsyncExitStack) -> Callable[[], Any]:
    """One call of a side, made in the running loop; the body is read to its end."""
    session = aiohttp.ClientSession(connector=NullConnector(), headers=HEADERS, middlewares=middlewares_of(side))
    closing.push_async_callback(session.close)
    send: Callable[[], Any] = lambda: session.post(URL, json=BODY)  # noqa: E731
    if side == "aiohttp-retry":
        from aiohttp_retry import ExponentialRetry, RetryClient

        client = RetryClient(session, retry_options=ExponentialRetry(attempts=3))
        send = lambda: client.post(URL, json=BODY)  # noqa: E731
    elif side == "tenacity":
        import tenacity

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_exponential_jitter(),
            retry=tenacity.retry_if_exception_type((aiohttp.ClientConnectionError, asyncio.TimeoutError))
            | tenacity.retry_if_result(lambda response: response.status in RETRIED),
        )

        async def once() -> aiohttp.ClientResponse:
            # session.post gives a context manager, and tenacity awaits only coroutine functions.
            return await session.post(URL, json=BODY)

        send = lambda: retrying(once)  # noqa: E731

    async def post() -> bytes:
        response = await send()
        return await response.read()  # type: ignore[no-any-return]

    return post
