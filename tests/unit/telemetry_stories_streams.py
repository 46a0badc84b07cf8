"""Stories of streams: how they end, and what is told of that.

Must not know how a stream is watched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from tests.unit.telemetry_kit import STREAM
from tests.unit.telemetry_stories import LOST, Story

__all__ = ["STREAMED"]

HELLO = b'data: {"choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
OVERLOADED = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'


def stream(*pieces: bytes | Exception) -> Callable[[], httpx.Response]:
    """Return what makes a stream of these pieces, which breaks off with an exception where one stands."""

    def come() -> Iterator[bytes]:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    return lambda: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=come())


def of_no_known_kind() -> httpx.Response:
    """Return an answer that does not say it is a stream, and breaks off."""
    answer = stream(HELLO, LOST)()
    del answer.headers["content-type"]
    return answer


def left(client: httpx.Client) -> None:
    with client.stream("POST", STREAM[0], json=STREAM[1]):
        pass


STREAMED = [
    Story(
        "a stream that breaks",
        (stream(HELLO, LOST),),
        ("stream interrupted",),
        ("interrupted",),
        ("anyint.streams",),
        asks=(STREAM,),
    ),
    Story(
        "a stream that does not say that it is one, and breaks",
        (of_no_known_kind,),
        ("stream interrupted",),
        ("interrupted",),
        ("anyint.streams",),
        asks=(STREAM,),
    ),
    Story(
        "a stream that ends without a reason",
        (stream(HELLO),),
        ("stream interrupted",),
        ("interrupted",),
        ("anyint.streams",),
        asks=(STREAM,),
    ),
    Story(
        "a stream that ends with a reason and without its last event",
        (stream(HELLO, STOP),),
        ("stream unterminated",),
        ("success",),
        ("anyint.streams",),
        asks=(STREAM,),
    ),
    Story(
        "a stream whose last event says that it failed",
        (stream(HELLO, OVERLOADED),),
        ("stream failed",),
        ("failed",),
        ("anyint.streams",),
        asks=(STREAM,),
    ),
    Story(
        "streams that fail before their content",
        (stream(OVERLOADED), stream(LOST), stream(HELLO, STOP, b"data: [DONE]\n\n")),
        ("backoff", "backoff", "recovered"),
        ("success",),
        ("anyint.failures", "anyint.retries", "anyint.wait.time", "anyint.streams"),
        asks=(STREAM,),
    ),
    Story(
        "a stream nobody reads",
        (stream(HELLO, LOST),),
        (),
        ("abandoned",),
        ("anyint.streams",),
        asks=(None,),
        how=left,
    ),
]
