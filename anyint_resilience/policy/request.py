"""What a request asks for, read from its body: pure, bounded, and never an error.

Must not know headers of any client or what is decided.
"""

from __future__ import annotations

import json
import re
import zlib
from functools import lru_cache

from ..contract.routes import Route
from ..contract.words import Operation

__all__ = ["GZIP", "glance", "may_switch", "operation_of", "operation_within", "same_body", "same_json"]

_LARGE = 65_536
_END = 4096
_UNPACKED = 64 * 1024 * 1024
GZIP = b"\x1f\x8b"
"""How a body begins that was compressed by its caller: what is in it does not show."""

_BOUNDARY = re.compile(rb'boundary="?([^";,\s]{1,200})"?', re.IGNORECASE)


def operation_of(route: Route, body: bytes | None) -> Operation:
    """Return what this request does: the route's operation, or another if the body switches to it.

    A body of None (a stream, not known) leaves the route's operation.
    """
    if not route.body_switch or not body:
        return route.operation
    if body[:2] == GZIP:
        body = _unpacked(body)
    for needle in _switches(route):
        if needle in body:
            break
    else:
        return route.operation
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return route.operation
    if isinstance(document, dict):
        for key, operation in route.body_switch:
            if document.get(key) is True:
                return operation
    return route.operation


def _unpacked(body: bytes) -> bytes:
    """Return a body that its caller compressed, whole: pictures make it long, and the switch may stand behind them."""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, _UNPACKED)
    except zlib.error:
        return b""


@lru_cache(maxsize=128)
def _switches(route: Route) -> tuple[bytes, ...]:
    """Return what a body has in it that may switch a route to another operation."""
    return tuple(f'"{key}"'.encode() for key, _ in route.body_switch)


def glance(route: Route, body: bytes | None) -> Operation:
    """Do as :func:`operation_of` for who only looks on: of a large body no more than its two ends are read."""
    if body is None or len(body) <= _LARGE or not route.body_switch:
        return operation_of(route, body)
    for key, operation in route.body_switch:
        switch = re.compile(rb'"' + key.encode() + rb'"\s*:\s*true\b')
        if switch.search(body[:_END]) or switch.search(body[-_END:]):
            return operation
    return route.operation


def may_switch(watch: bytes, content: bytes | None) -> bool:
    """Whether a body may turn its route into a paid one; ``watch``: what stands in one that does."""
    return content is not None and (watch in content or content[:2] == GZIP)


def operation_within(route: Route, watch: bytes | None, content: bytes | None) -> Operation:
    """Return what a request does. A large body is only read whole where it may turn it into paid work."""
    paid = watch is not None and may_switch(watch, content)
    return operation_of(route, content) if paid else glance(route, content)


def same_body(chunk: bytes, content_type: bytes) -> bytes:
    """Return a piece of a body without its multipart boundary, which is new each time a body is built.

    An SDK's retry builds the multipart body anew; without this the same create would look like another.
    """
    found = _BOUNDARY.search(content_type)
    return chunk if found is None else chunk.replace(found[1], b"")


def same_json(body: bytes) -> bytes:
    """Return a JSON object as it would be written with its keys in order and no spaces; any other body as it is."""
    if body.lstrip()[:1] != b"{" or len(body) > _LARGE:
        return body
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body
