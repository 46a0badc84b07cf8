"""The sides of requests in overhead.py, on a connection of urllib3 that answers at once.

Must not know how anything is measured. urllib3's Retry works inside the connection pool, so what does nothing must lie
below it: every side has the client's own HTTPAdapter, pool manager and pool, and only the connection sends and reads
nothing. ``trust_env`` is off on every side: with it requests looks for a .netrc on the disk in each call, which says
nothing of any layer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from io import BytesIO
from typing import Any

import requests
from _sides import ANSWER, ANSWER_HEADERS, BODY, GUARDED, HEADERS, RETRIED, URL, anyint_of
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse, HTTPSConnectionPool
from urllib3._collections import HTTPHeaderDict
from urllib3.connection import HTTPSConnection
from urllib3.util import Retry

__all__ = ["post_of"]


class NullConnection(HTTPSConnection):
    """A connection that is always up, sends nothing, and has a good answer at once."""

    is_closed = False
    is_connected = True
    is_verified = True

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send nothing."""

    def getresponse(self) -> HTTPResponse:
        """Return the answer, its body unread as requests wants it."""
        return HTTPResponse(
            BytesIO(ANSWER),
            HTTPHeaderDict(ANSWER_HEADERS),
            200,
            version=11,
            version_string="HTTP/1.1",
            reason="OK",
            preload_content=False,
            decode_content=False,
            request_method="POST",
        )


class NullPool(HTTPSConnectionPool):
    """The client's own pool, with those connections in it."""

    ConnectionCls = NullConnection


def null_adapter(**options: Any) -> HTTPAdapter:
    """The client's own adapter, on those pools."""
    adapter = HTTPAdapter(**options)
    adapter.poolmanager.pool_classes_by_scheme = {"https": NullPool}
    return adapter


class Wrapper(BaseAdapter):
    """The least a layer can cost: one more call."""

    def __init__(self, inner: BaseAdapter) -> None:
        super().__init__()
        self.inner = inner

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Hand the request on."""
        return self.inner.send(request, **kwargs)

    def close(self) -> None:
        """Close what it wraps."""
        self.inner.close()


def ours(inner: HTTPAdapter, side: str) -> BaseAdapter:
    """This library, by default or with the guards of the side."""
    from anyint_resilience_requests import ResilientAdapter

    return ResilientAdapter(anyint_of(side), adapter=inner)


def adapter_of(side: str) -> BaseAdapter:
    """The whole adapter of a side."""
    if side == "urllib3":
        return null_adapter(max_retries=Retry(total=3, allowed_methods=None, status_forcelist=[429, 502, 503, 504]))
    if side == "wrapper":
        return Wrapper(null_adapter())
    return ours(null_adapter(), side) if side == "ours" or side in GUARDED else null_adapter()


def post_of(name: str, mode: str, side: str, closing: AsyncExitStack) -> Callable[[], Any]:
    """One call of a side; the client reads the body before it returns."""
    session = requests.Session()
    closing.callback(session.close)
    session.trust_env = False
    session.headers.update(HEADERS)
    session.mount("https://", adapter_of(side))
    if side != "tenacity":
        return lambda: session.post(URL, json=BODY)
    import tenacity

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_exponential_jitter(),
        retry=tenacity.retry_if_exception_type((requests.ConnectionError, requests.Timeout))
        | tenacity.retry_if_result(lambda response: response.status_code in RETRIED),
    )
    return lambda: retrying(session.post, URL, json=BODY)
