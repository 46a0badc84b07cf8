"""Requests like another one, and answers that never were on a wire.

Must not decide anything.
"""

from __future__ import annotations

import io
from copy import copy
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3 import HTTPResponse, Timeout

from anyint_resilience.credentials import HeaderEdit
from anyint_resilience.driven import NOT_ASKED, OF_LENGTH
from anyint_resilience.effects import Answer

__all__ = ["Whole", "answering", "asking", "bounded", "edited", "going", "holding", "unbind"]


class Whole(io.BytesIO):
    """A body that is closed once it was read, like a connection's: urllib3 streams until then."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if not found or size is None or size < 0:
            self.close()
        return found


def answering(answer: Answer) -> HTTPResponse:
    """Return what urllib3 would have made of an answer, had it just come."""
    return HTTPResponse(Whole(answer.body), dict(answer.headers), answer.status, preload_content=False)


def edited(request: requests.PreparedRequest, edit: HeaderEdit) -> requests.PreparedRequest:
    """Return a request with its own headers."""
    made = copy(request)  # whatever else is on it, for the adapter below
    made.headers = request.headers.copy()
    for name in edit.remove:
        made.headers.pop(name.decode("ascii"), None)
    for name, value in edit.add:
        made.headers[name.decode("ascii")] = value.decode("latin-1")
    return made


def asking(request: requests.PreparedRequest, target: bytes) -> requests.PreparedRequest:
    """Return a GET to the same server, with the headers that are not of a body."""
    made = copy(request)
    parts = urlsplit(request.url or "")
    made.method, made.url = "GET", f"{parts.scheme}://{parts.netloc}{target.decode('ascii')}"
    made.headers = request.headers.copy()
    for name in NOT_ASKED:
        made.headers.pop(name, None)
    made.body = None
    return made


def holding(request: requests.PreparedRequest, body: bytes) -> requests.PreparedRequest:
    """Return a request with another body."""
    made = copy(request)
    made.headers = request.headers.copy()
    for name in OF_LENGTH:
        made.headers.pop(name, None)
    made.headers["Content-Length"] = str(len(body))
    made.body = body
    return made


def going(request: requests.PreparedRequest, url: str) -> requests.PreparedRequest:
    """Return a request that goes somewhere else; a ``Host`` header that its caller set stays behind."""
    made = copy(request)
    made.headers = request.headers.copy()
    if urlsplit(request.url or "").netloc != urlsplit(url).netloc:
        made.headers.pop("Host", None)
    made.url = url
    return made


def unbind(response: requests.Response, given: Any, left: float | None) -> None:
    """Set the socket's time-out, for the rest of an answer, to the caller's own (and no more than ``left`` seconds)."""
    connection: Any = getattr(response.raw, "_connection", None)
    sock = getattr(connection, "sock", None)
    if sock is None:  # http.client lets go of it where the answer ends with the connection
        reader: Any = getattr(getattr(response.raw, "_fp", None), "fp", None)
        sock = getattr(getattr(reader, "raw", None), "_sock", None)
    if sock is None:  # all of it has come
        return
    read = given[1] if isinstance(given, tuple) else given
    bounds = [read, left]
    if isinstance(given, Timeout):  # its own properties start a clock, and refuse to be asked without one
        bounds = [getattr(given, "_read", None), given.total, left]
    numbers = [it for it in bounds if isinstance(it, (int, float))]
    sock.settimeout(max(0.001, min(numbers)) if numbers else None)


def bounded(timeout: Any, left: float) -> Any:
    """Return a time-out of requests that is no longer than ``left``; what is none stays, for requests to say."""
    if timeout is None:
        return left
    if isinstance(timeout, Timeout):
        made = timeout.clone()
        made.total = left if not isinstance(made.total, (int, float)) else min(left, made.total)
        return made
    if isinstance(timeout, tuple):
        return tuple(bounded(part, left) for part in timeout)
    return min(left, timeout) if isinstance(timeout, (int, float)) else timeout
