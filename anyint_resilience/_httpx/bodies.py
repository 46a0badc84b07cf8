"""Request bodies: whether they can be sent twice, and by what a paid create is known again.

Must not import either client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..contract.routes import HOSTS
from ..credentials import Credentials, key_id
from ..policy.request import same_body
from ..tasks.ledger import intent_of
from .shapes import Kit, RequestLike

__all__ = ["body_of", "intent_of_request", "is_rereadable"]


def body_of(request: RequestLike, kit: Kit) -> bytes | None:
    """Return the body if it is bytes; None if it is a stream."""
    if isinstance(request.stream, kit.module.ByteStream):
        return b"".join(request.stream)
    return None


def is_rereadable(request: RequestLike, kit: Kit) -> bool:
    """Whether a stream can be read again: a form all of whose parts can.

    Such a form has a Content-Length; one with a file that can't be rewound has none.
    """
    return isinstance(request.stream, kit.multipart) and any(
        name.lower() == b"content-length" for name, _ in request.headers.raw
    )


def intent_of_request(request: RequestLike, kit: Kit, credentials: Credentials) -> str | None:
    """Name a paid create, so that it is known when a layer above sends it anew; None where it can't be."""
    raw = request.headers.raw
    values = {name.lower(): value for name, value in raw}
    # AnyInt's two hosts are one gateway; any other host is a gateway of its own.
    host = b"" if request.url.host in HOSTS else f"{request.url.host}:{request.url.port}".encode()
    what = (request.method.encode(), host, request.url.raw_path, key_id(credentials.used(raw, None)))
    given = values.get(b"idempotency-key")
    if given:
        return intent_of(b"given", *what, given)
    kind = values.get(b"content-type", b"")
    body = body_of(request, kit)
    if body is not None:
        return intent_of(b"body", *what, same_body(body, kind))
    if is_rereadable(request, kit):
        chunks: Iterable[bytes] = request.stream
        return intent_of(b"form", *what, *(same_body(chunk, kind) for chunk in chunks))
    return None
