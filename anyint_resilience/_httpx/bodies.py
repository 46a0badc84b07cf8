"""Request bodies: whether they can be sent twice.

Must not import either client, nor decide anything.
"""

from __future__ import annotations

from ..surface import Body
from .shapes import Kit, RequestLike

__all__ = ["body_of"]


def body_of(request: RequestLike, kit: Kit) -> Body:
    """Return the body: bytes, or a form all of whose parts can be read again, or a stream of which nothing is known.

    Such a form has a Content-Length; one with a file that can't be rewound has none.
    """
    stream = request.stream
    if isinstance(stream, kit.module.ByteStream):
        return Body(b"".join(stream))
    form = isinstance(stream, kit.multipart) and any(
        name.lower() == b"content-length" for name, _ in request.headers.raw
    )
    return Body(chunks=lambda: stream) if form else Body()
