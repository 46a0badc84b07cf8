"""The head of an answer: whether it came to its end, and which of several answers is the final one.

Must not decide anything, nor read a body.
"""

from __future__ import annotations

import http.client
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3._collections import HTTPHeaderDict
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

__all__ = ["final", "sized"]

_MOST_EARLY = 8  # answers below 200 before the final one
_HTTP_1_0 = 10  # as http.client writes it


def final(response: requests.Response, request: requests.PreparedRequest) -> requests.Response:
    """Return the final answer to a request, whose head came to its end.

    http.client takes 103, and every other status below 200 but 100, for the answer; and the end of the connection for
    that of the head too, and of a body without a length: an answer that broke off there would be an empty success.
    Nothing tells it from one that is empty and ends with its connection. So that of HTTP/1.0, or with ``Connection:
    close``, which announce such an end, is what it says; any other, empty and without a length, is a broken one.

    Raises:
        requests.RequestException: if nothing comes after what came of the head.
    """
    if sized(response) or response.status_code >= 300:
        return response
    raw: Any = response.raw
    wire: Any = getattr(raw, "_fp", None)
    if not _is_plain(wire) or wire.fp is None:
        return response
    error: Exception = ProtocolError("the connection ended in the head of an answer, or before its body")
    try:
        with raw._error_catcher():
            early = wire.status
            for _ in range(_MOST_EARLY + 1):
                if not 100 <= wire.status < 200 or wire.status == http.client.SWITCHING_PROTOCOLS:
                    break
                wire.headers = wire.msg = None
                wire.begin()
            else:
                raise ProtocolError("early answers, and no end of them")
            if wire.status != early:
                return final(_after(response, request), request)
            if _is_whole(raw, wire):
                return response
    except HTTPError as broken:
        error = broken
    response.close()
    kind = requests.ReadTimeout if isinstance(error, ReadTimeoutError) else requests.ConnectionError
    try:
        raise kind(error, request=request)
    finally:
        del error


def sized(response: requests.Response) -> bool:
    """Whether its head says how long its body is; one that an adapter made up may hold anything there."""
    said: object = response.headers.get("content-length")
    return isinstance(said, str) and said.isdigit()


def _is_plain(wire: object) -> bool:
    """Whether it is http.client's own response, which is read as it is known to be."""
    return type(wire) is http.client.HTTPResponse


def _is_whole(raw: Any, wire: Any) -> bool:
    """Whether a head came to its end, as far as that can be told."""
    garbled = getattr(raw, "chunked", False) and not wire.chunked  # urllib3 reads the coding more leniently
    return not garbled and bool(wire.chunked or wire.length is not None or _closes(wire) or wire.fp.peek(1))


def _closes(wire: http.client.HTTPResponse) -> bool:
    """Whether an answer says that its connection ends with it; http.client's ``will_close`` also holds for a guess."""
    said = ",".join(wire.headers.get_all("connection", ()))
    return wire.version == _HTTP_1_0 or "close" in (it.strip().lower() for it in said.split(","))


def _after(response: requests.Response, request: requests.PreparedRequest) -> requests.Response:
    """Return the answer after an early one, over the same connection."""
    raw: Any = response.raw
    wire = raw._original_response
    made: Any = HTTPResponse(
        body=wire,
        headers=HTTPHeaderDict(wire.msg.items()),
        status=wire.status,
        version=wire.version,
        reason=wire.reason,
        preload_content=False,
        decode_content=raw.decode_content,
        original_response=wire,
        retries=raw.retries,
        request_method=request.method,
        request_url=request.url,
    )
    made._pool, made._connection = raw._pool, raw._connection
    raw._connection = raw._fp = raw._original_response = None  # else it would close them with itself
    adapter: Any = response.connection
    return HTTPAdapter.build_response(adapter, request, made)
