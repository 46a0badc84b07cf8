"""What may be shown: URLs without secrets, models, keys' names, and labels of which there are only so many.

Must not know any client, nor emit anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from ..contract.errors import REQUEST_ID_HEADERS
from ..contract.routes import Route
from ..credentials import RawHeaders
from ..keys import key_id
from ..policy.echoes import id_of

__all__ = ["REQUEST_IDS", "Bounded", "full_url", "injected", "model_of", "name_of_key", "request_ids"]

SHOWN: Final = frozenset((b"alt", b"after", b"before", b"limit", b"order", b"pageNum", b"pageSize", b"taskId"))
"""Query parameters whose values are shown; of any other (``key``, a signature, a callback) only the name is."""

REDACTED: Final = b"REDACTED"
REQUEST_IDS: Final[dict[str | bytes, str]] = {
    spelt: f"http.response.header.{name}"
    for names in REQUEST_ID_HEADERS
    for name in names
    for spelt in (name, name.encode())
}
"""The only response headers put on spans, and their attributes (contract 4)."""

_LONGEST: Final = 2048
_PLAIN: Final = re.compile(rb"[A-Za-z0-9._-]{0,128}\Z")
_PARAMETER: Final = re.compile(rb"[A-Za-z][A-Za-z0-9._\[\]-]{0,39}\Z")
_MODEL: Final = re.compile(rb'"model(?:_name)?"\s*:\s*"([A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127})"')
_IN_PATH: Final = re.compile(r"/models/([A-Za-z0-9][A-Za-z0-9._@+-]{0,127}):[A-Za-z]+$")
_MOST_JSON: Final = 65_536
_END: Final = 4096
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")
_LONGEST_VALUE: Final = 8192
_NEVER: Final = frozenset(
    (
        *("authorization", "x-api-key", "x-goog-api-key", "host"),
        *("connection", "content-encoding", "content-length", "content-type", "expect", "keep-alive", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    )
)
"""What no propagator may set: keys, and what says how the message is framed or its connection used."""


def full_url(scheme: str, host: str, port: int | None, target: bytes) -> str:
    """Return ``url.full``: no user, no fragment, and of the query only what is known to be harmless."""
    path, mark, query = target.partition(b"?")
    if mark:
        path += b"?" + b"&".join(_shown(part) for part in query.partition(b"#")[0].split(b"&"))
    host = f"[{host}]" if ":" in host and host[0] != "[" else host
    place = host if port is None else f"{host}:{port}"
    return f"{scheme}://{place}{path[:_LONGEST].decode('latin-1')}"


def _shown(part: bytes) -> bytes:
    name, _, value = part.partition(b"=")
    if name in SHOWN and _PLAIN.match(value):
        return part
    return (
        name + b"=" + REDACTED if value.strip(b"=") and _PARAMETER.match(name) else REDACTED
    )  # a bare token has no name


def model_of(route: Route, path: bytes, body: bytes | None) -> str | None:
    """Return the model a request names, None where that is not plain to see. Never a piece of a prompt.

    A body's top-level ``model`` (``model_name`` for Kling), or the path's for Gemini. Where the body has several
    of that name, or it does not stand where it is surely the document's own, the whole of a small body is parsed; a
    large one then has none.
    """
    if "{model}" in route.template:
        found = _IN_PATH.search(path.partition(b"?")[0].decode("latin-1"))
        return None if found is None else found[1]
    if not body:
        return None
    if len(body) > _MOST_JSON:
        return _at_an_end(body)
    times = body.count(b'"model')
    if times == 1:
        only = _MODEL.match(body, body.find(b'"model'))
        if only is None or _at_top(body, *only.span()):
            return None if only is None else only[1].decode()
    return _top_level(body) if times else None


def _at_an_end(body: bytes) -> str | None:
    """Return the model that a large document names within its first or last pieces, outside of any other object."""
    if body[:1] != b"{":
        return None
    head, tail = body[:_END], body[-_END:]
    found = _MODEL.search(head)
    if (
        found is not None
        and head.count(b"{", 0, found.start()) == 1
        and head[found.start() - 1 : found.start()] != b"\\"
    ):
        return found[1].decode()
    found = _MODEL.search(tail)
    if found is not None and tail[-1:] == b"}" and tail.count(b"}", found.end()) == 1:
        return found[1].decode()
    return None


def _at_top(body: bytes, start: int, end: int) -> bool:
    """Whether a member is surely the document's own: no object but that one opens before it, or none closes after."""
    if body[:1] != b"{" or body[start - 1 : start] == b"\\":
        return False
    return body.count(b"{", 0, start) == 1 or (body[-1:] == b"}" and body.count(b"}", end) == 1)


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


def name_of_key(key: str | bytes | None) -> str | None:
    """Return what stands for a key (``anyint.key``): a short hash, the same everywhere, that does not give it away."""
    return key_id(key.encode() if isinstance(key, str) else key).hex() if key else None


def request_ids(headers: Any, hides: Callable[[str], bool]) -> dict[str, list[str]]:
    """Return the request ids among a response's headers, by their attributes' names; ``hides``: a secret is in it."""
    found = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        attribute = REQUEST_IDS.get(name.lower())
        if attribute is not None:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            if id_of(text) is not None and not hides(text):
                found[attribute] = [text]
    return found


def injected(carrier: Any) -> RawHeaders:
    """Return what propagators want sent, less what could not be a header or is none of theirs."""
    return [
        (name, value.encode())
        for given, value in carrier.items()
        if (name := _injectable(given)) is not None
        and isinstance(value, str)
        and value.isascii()
        and value.isprintable()
        and value == value.strip()  # h11 refuses it otherwise
        and len(value) <= _LONGEST_VALUE
    ]


@lru_cache(maxsize=64)
def _injectable(given: object) -> bytes | None:
    """Return a header's name as it is sent, None for what is no name or none that a propagator may set."""
    if not isinstance(given, str) or not _NAME.match(given) or given.lower() in _NEVER:
        return None
    return given.lower().encode()


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
