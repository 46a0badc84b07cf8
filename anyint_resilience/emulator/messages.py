"""What comes in and what goes out: a request as it was seen, and an answer before any fault touches it.

Must not know sockets, faults, routes or families.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

__all__ = ["KEEP_ALIVE", "Answer", "Seen", "array_stream", "binary", "form_fields", "json_answer", "sse", "sse_stream"]

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment of a stream of events: nothing but a sign of life."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """One request the emulator received.

    ``at`` is monotonic seconds, ``clock`` the seconds of the clock tasks run by, ``answered`` the status that went out
    (None: no status line was sent), ``fault`` the name of the fault it met, ``connection`` a number per client
    connection and ``complete`` False when the client left before its body was whole.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    raw_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    at: float = 0.0
    clock: float = 0.0
    answered: int | None = None
    fault: str | None = None
    connection: int = 0
    complete: bool = True

    def json(self) -> Any:
        """Return the request's body as JSON; raises ValueError when it is not."""
        return json.loads(self.body)

    def argument(self, name: str) -> str | None:
        """Return the first value of a query-string argument, or None."""
        values = parse_qs(self.query, keep_blank_values=True).get(name)
        return None if values is None else values[0]

    @property
    def base(self) -> str:
        """The address the client called, for links in answers."""
        return f"http://{self.headers.get('host', '127.0.0.1')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer: a body, or the events of a stream.

    ``terminal`` counts the events at the end which say that the stream is whole; ``error_event`` is how
    this stream would say that it failed, and ``error_first`` how it would as its first word, where that differs.
    ``keep_alive`` is what it sends so that nobody takes it for dead.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    events: tuple[bytes, ...] | None = None
    terminal: int = 1
    error_event: bytes = b""
    error_first: bytes | None = None
    keep_alive: bytes = b""


def json_answer(document: object, *, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Make an answer out of a JSON document."""
    body = _compact(document).encode()
    return Answer(status=status, headers=(("content-type", "application/json"), *headers), body=body)


def binary(body: bytes, content_type: str) -> Answer:
    """Make an answer out of raw bytes."""
    return Answer(headers=(("content-type", content_type),), body=body)


def sse(document: object, *, event: str | None = None) -> bytes:
    """Make one server-sent event; a plain string is sent as it is."""
    data = document if isinstance(document, str) else _compact(document)
    name = "" if event is None else f"event: {event}\n"
    return f"{name}data: {data}\n\n".encode()


def sse_stream(
    events: Iterable[bytes], *, error_event: bytes, terminal: int = 1, keep_alive: bytes = KEEP_ALIVE
) -> Answer:
    """Make a streamed answer out of ready events."""
    headers = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
    told = tuple(events)
    return Answer(headers=headers, events=told, terminal=terminal, error_event=error_event, keep_alive=keep_alive)


def array_stream(items: Iterable[object], *, error: object) -> Answer:
    """Make a streamed answer that is one JSON array, an event for each item and a last one for its closing bracket."""
    told = [_compact(item).encode() for item in items]
    events = [(b",\r\n" if number else b"[") + item for number, item in enumerate(told)]
    failure = _compact(error).encode() + b"\n]"
    return Answer(
        headers=(("content-type", "application/json"),),
        events=(*events, b"\n]"),
        error_event=b",\r\n" + failure,
        error_first=b"[" + failure,
        keep_alive=b"\n",
    )


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def form_fields(body: bytes, content_type: str) -> dict[str, Any]:
    """Read a multipart form: text parts as str, file parts as ``{"filename", "content"}``; lenient."""
    marker = content_type.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode()
    fields: dict[str, Any] = {}
    if not marker:
        return fields
    for part in body.split(b"--" + marker)[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank:
            continue
        names = _disposition(head.decode("utf-8", "replace"))
        content = content[:-2] if content.endswith(b"\r\n") else content
        if "filename" in names:
            fields[names.get("name", "file")] = {"filename": names["filename"], "content": content}
        else:
            fields[names.get("name", "")] = content.decode("utf-8", "replace")
    return fields


def _disposition(head: str) -> dict[str, str]:
    """Read the parameters of a part's Content-Disposition line."""
    for line in head.split("\r\n"):
        if line.lower().startswith("content-disposition:"):
            pairs = (piece.partition("=") for piece in line.split(";")[1:])
            return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    return {}
