"""What may be shown: URLs without secrets, models, keys' names, and labels of which there are only so many.

Must not know any client, nor emit anything.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ..contract.routes import Route
from ..credentials import RawHeaders, key_id

__all__ = ["REQUEST_IDS", "Bounded", "full_url", "injected", "model_of", "name_of_key", "request_ids"]

SHOWN: Final = frozenset((b"alt", b"after", b"before", b"limit", b"order", b"pageNum", b"pageSize", b"taskId"))
"""Query parameters whose values are shown; of any other (``key``, a signature, a callback) only the name is."""

REDACTED: Final = b"REDACTED"
REQUEST_IDS: Final = frozenset(
    (
        b"x-request-id",
        b"request-id",
        b"x-dashscope-request-id",
        b"x-litellm-call-id",
        b"x-goog-request-id",
        b"cf-ray",
    )
)
"""The only response headers put on spans (contract 4)."""

_LONGEST: Final = 2048
_MODEL: Final = re.compile(rb'"model(?:_name)?"\s*:\s*"([A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127})"')
_IN_PATH: Final = re.compile(r"/models/([A-Za-z0-9][A-Za-z0-9._@+-]{0,127}):[A-Za-z]+$")
_MOST_JSON: Final = 65_536
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")
_VALUE: Final = re.compile(r"[\x20-\x7e]{0,8192}\Z")
_NEVER: Final = frozenset(("authorization", "x-api-key", "x-goog-api-key", "host", "content-length"))


def full_url(scheme: str, host: str, port: int | None, target: bytes) -> str:
    """Return ``url.full``: no user, no fragment, and of the query only what is known to be harmless."""
    path, mark, query = target.partition(b"?")
    if mark:
        path += b"?" + b"&".join(_shown(part) for part in query.partition(b"#")[0].split(b"&"))
    place = host if port is None else f"{host}:{port}"
    return f"{scheme}://{place}{path[:_LONGEST].decode('latin-1')}"


def _shown(part: bytes) -> bytes:
    name, mark, _ = part.partition(b"=")
    return part if name in SHOWN or not mark else name + b"=" + REDACTED


def model_of(route: Route, path: bytes, body: bytes | None) -> str | None:
    """Return the model a request names, None where that is not plain to see. Never a piece of a prompt.

    A body's top-level ``model`` (``model_name`` for Kling), or the path's for Gemini. Where the body has several
    of that name, the whole of a small one is parsed; a large one then has none.
    """
    if "{model}" in route.template:
        found = _IN_PATH.search(path.partition(b"?")[0].decode("latin-1"))
        return None if found is None else found[1]
    if not body:
        return None
    first = _MODEL.search(body)
    if first is None:
        return None
    if _MODEL.search(body, first.end()) is None and body.count(b'"model') == 1:
        return first[1].decode()
    return _top_level(body) if len(body) <= _MOST_JSON else None


def _top_level(body: bytes) -> str | None:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    named = document.get("model", document.get("model_name"))
    fits = isinstance(named, str) and _MODEL.fullmatch(b'"model":"' + named.encode("utf-8", "replace") + b'"')
    return str(named) if fits else None


def name_of_key(key: bytes | None) -> str | None:
    """Return what stands for a key: a short hash, the same in every process, from which it can't be had back."""
    return key_id(key).hex() if key else None


def request_ids(headers: Any) -> list[tuple[str, str]]:
    """Return the request ids among a response's headers, as names and values."""
    found = []
    for name, value in headers:
        raw = name if isinstance(name, bytes) else str(name).encode("latin-1", "replace")
        lowered = raw.lower()
        if lowered in REQUEST_IDS:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            found.append((lowered.decode(), text[:128]))
    return found


def injected(carrier: Any) -> RawHeaders:
    """Return what propagators want sent, less what could not be a header or is none of theirs."""
    return [
        (name.lower().encode(), value.encode())
        for name, value in carrier.items()
        if isinstance(name, str)
        and isinstance(value, str)
        and _NAME.match(name)
        and _VALUE.match(value)
        and name.lower() not in _NEVER
    ]


class Bounded:
    """A label that takes so many values and no more; what comes later is ``other``. Safe between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str | None) -> str | None:
        """Return the value if it is among the first, else ``other``; None stays None."""
        if value is None or value in self._known:
            return value
        if len(self._known) >= self._most:
            return "other"
        self._known.add(value)
        return value
