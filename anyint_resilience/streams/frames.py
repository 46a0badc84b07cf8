"""Bytes -> server-sent events: where one ends, and what its lines say. Pure.

Must not know any dialect. Source: the WHATWG HTML standard, "Server-sent events", 9.2.6: lines end with CR, LF or CRLF,
an empty one ends an event, and what no empty line ends is no event.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Event", "event_of", "plain"]

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: ``name`` of its ``event:`` line, its ``data``, its ``id``, and its comments."""

    name: str
    data: bytes | None
    id: str | None
    comments: tuple[bytes, ...]


def plain(block: bytes, *, first: bool) -> tuple[bytes, bytes]:
    """Return a block with LF alone at the ends of its lines, and a CR at its end that may be the half of a CRLF.

    ``first``: it is the beginning of a stream, which may have a byte order mark.
    """
    if first and block[:1] == _BOM[:1]:
        block = block.removeprefix(_BOM)
    if block.find(b"\r") < 0:
        return block, b""
    left = b""
    if block.endswith(b"\r") and not block.endswith(b"\r\r"):
        block, left = block[:-1], b"\r"
    return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), left


def event_of(raw: bytes) -> Event | None:
    """Read an event of a plain block, None where nothing is in it."""
    name, ident, data, comments = "", None, [], []
    for line in raw.split(b"\n"):
        if not line:
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not field:
            comments.append(line)
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            ident = value.decode("utf-8", "replace")
    if not (data or name or comments or ident is not None):
        return None
    return Event(name, b"\n".join(data) if data else None, ident, tuple(comments))
