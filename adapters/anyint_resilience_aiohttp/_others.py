"""Requests like another one, and responses that never were on a wire. aiohttp makes neither by any public name.

Must not decide anything.
"""

from __future__ import annotations

from copy import copy
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import StreamReader, hdrs
from aiohttp.base_protocol import BaseProtocol
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from anyint_resilience.driven import NOT_ASKED
from anyint_resilience.effects import Answer

__all__ = ["answering", "asking", "going", "holding"]


def asking(request: aiohttp.ClientRequest, target: bytes) -> aiohttp.ClientRequest:
    """Return a GET to the same server, with the headers that are not of a body."""
    made: Any = _like(request)
    for name in NOT_ASKED:
        made.headers.popall(name, None)
    made.method = hdrs.METH_GET
    made.url = made.original_url = URL(f"{request.url.origin()}{target.decode('ascii')}", encoded=True)
    made.chunked = made.compress = None
    found: aiohttp.ClientRequest = made
    return found


def going(request: aiohttp.ClientRequest, url: str, body: bytes | None) -> aiohttp.ClientRequest:
    """Return a request that goes somewhere else, with another body or the same one."""
    made: Any = _like(request) if body is None else holding(request, body)
    if body is None:
        held: Any = request
        made._body = held._body
    place = URL(url, encoded=True)
    made.url = made.original_url = place
    made.headers[hdrs.HOST] = place.host_port_subcomponent or ""
    found: aiohttp.ClientRequest = made
    return found


def holding(request: aiohttp.ClientRequest, body: bytes) -> aiohttp.ClientRequest:
    """Return a request with another body."""
    made: Any = _like(request)
    for name in (hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING, hdrs.CONTENT_ENCODING):
        made.headers.popall(name, None)
    made.chunked = made.compress = None  # aiohttp would compress it while it is sent: it goes as it is
    made.update_body_from_data(body)
    made.headers[hdrs.CONTENT_LENGTH] = str(len(body))
    found: aiohttp.ClientRequest = made
    return found


def _like(request: aiohttp.ClientRequest) -> Any:
    """Return a copy that shares nothing which an attempt changes."""
    made: Any = copy(request)
    made.headers = request.headers.copy()
    made.__dict__.pop("body", None)  # where aiohttp keeps it in the first 3.12s
    made._body = None
    return made


def answering(request: aiohttp.ClientRequest, answer: Answer) -> aiohttp.ClientResponse:
    """Return a response with this answer, as if it had just come."""
    held: Any = request
    make: Any = getattr(held, "response_class", None) or aiohttp.ClientResponse
    known = {
        "writer": None,
        "continue100": None,
        "timer": None,
        "request_info": held.request_info,
        "traces": [],
        "loop": held.loop,
        "session": held.session,
    }
    try:
        made: Any = make(held.method, held.original_url, **known, stream_writer=SimpleNamespace(output_size=0))
    except TypeError:  # before aiohttp 3.13
        made = make(held.method, held.original_url, **known)
    made.version, made.status, made.reason = aiohttp.HttpVersion11, answer.status, _phrase(answer.status)
    raw = [(name.encode("latin-1", "replace"), it.encode("latin-1", "replace")) for name, it in answer.headers]
    # as aiohttp's own parser reads them
    read = [(name.decode("utf-8", "surrogateescape"), it.decode("utf-8", "surrogateescape")) for name, it in raw]
    made._headers, made._raw_headers = CIMultiDictProxy(CIMultiDict(read)), tuple(raw)
    made.content = StreamReader(BaseProtocol(loop=held.loop), 2**16, loop=held.loop)
    made.content.feed_data(answer.body)
    made.content.feed_eof()
    found: aiohttp.ClientResponse = made
    return found


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
