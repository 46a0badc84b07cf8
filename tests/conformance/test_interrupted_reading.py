"""Every way that a client has to read a stream: what came is given as it is and at once, and its end is not missed.

Must not know how a stream is watched.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from anyint_resilience import StreamInterrupted
from anyint_resilience.emulator import Emulator, Fault
from tests.brief import one_each
from tests.conformance.kit import client
from tests.conformance.streams_kit import CHAT
from tests.conformance.surfaces import EVERY, Caller, Surface
from tests.conformance.test_pool_of_one import only_our_warnings
from tests.waiting import until

EVENT = 'data: {"choices":[{"index":0,"delta":{"content":"grüß %d"},"finish_reason":null}]}\n\n'
CONTENT = "".join(EVENT % number for number in range(6)).encode()
BODY = CONTENT + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
KIND = {"content-type": "text/event-stream"}

Way = Callable[[Any], Any]
Enough = Callable[[bytes], bool] | None


async def lines_of(response: Any) -> AsyncIterator[bytes]:
    """Read as most who read events with aiohttp do."""
    while line := await response.content.readline():
        yield line


async def events_of(response: Any) -> AsyncIterator[bytes]:
    """Read event by event."""
    while event := await response.content.readuntil(b"\n\n"):
        yield event


async def pieces_of(response: Any) -> AsyncIterator[bytes]:
    """Read no more than so many bytes at a time."""
    while piece := await response.content.read(100):
        yield piece


async def chunks_of(response: Any) -> AsyncIterator[bytes]:
    """Read the chunks of HTTP."""
    async for piece, _ in response.content.iter_chunks():
        yield piece


async def exactly(response: Any) -> AsyncIterator[bytes]:
    """Read so many bytes each time."""
    while True:
        yield await response.content.readexactly(7)


async def all_at_once(response: Any) -> AsyncIterator[bytes]:
    """Read all of it."""
    yield await response.read()


async def all_with_httpx(response: Any) -> AsyncIterator[bytes]:
    """Read all of it."""
    yield await response.aread()


def read_by(size: int) -> Way:
    """Return what reads urllib3's response by so many bytes."""
    return lambda response: iter(lambda: response.raw.read(size), b"")


AT_ONCE: dict[str, dict[str, Way]] = {
    "requests": {
        "iter_content(None)": lambda it: it.iter_content(None),
        "iter_content()": lambda it: it.iter_content(),
        "iter_content(100)": lambda it: it.iter_content(100),
        "iter_content(4096)": lambda it: it.iter_content(4096),
        "iter_lines": lambda it: it.iter_lines(),
        "raw.stream": lambda it: it.raw.stream(4096),
    },
    "aiohttp": {
        "iter_any": lambda it: it.content.iter_any(),
        "iter_chunked": lambda it: it.content.iter_chunked(100),
        "async for": lambda it: it.content,
        "readline": lines_of,
        "readuntil": events_of,
        "read(100)": pieces_of,
        "iter_chunks": chunks_of,
    },
    "httpx": {name: lambda it, name=name: getattr(it, name)() for name in ("iter_bytes", "iter_raw", "iter_lines")},
    "async httpx": {
        name: lambda it, name=name: getattr(it, name)() for name in ("aiter_bytes", "aiter_raw", "aiter_lines")
    },
}
"""Ways that give what is there."""

WAITING: dict[str, dict[str, Way]] = {
    "requests": {"raw.read(100)": read_by(100), "content": lambda it: iter([it.content])},
    "aiohttp": {"readexactly": exactly, "read": all_at_once},
    "httpx": {"read": lambda it: iter([it.read()])},
    "async httpx": {"read": all_with_httpx},
}
"""Ways that wait for as much as they were asked for."""


def ways(*tables: dict[str, dict[str, Way]]) -> Any:
    """Return the mark that reads in each way on each surface."""
    held = []
    for surface in filter(one_each, EVERY):
        library = surface.library if not surface.is_httpx else "async httpx" if surface.is_async else "httpx"
        for name, way in (it for table in tables for it in table[library].items()):
            held.append(pytest.param(surface, way, id=f"{surface}-{name}", marks=surface.param().marks))
    return pytest.mark.parametrize(("surface", "way"), held)


def read(caller: Caller, way: Way, enough: Enough = None) -> tuple[bytes, Exception | None]:
    """Ask for a stream and read it so, until that is ``enough``; return what came, and what ended it."""
    return caller.call(_awaited if caller.surface.is_async else _read, caller, way, enough)  # type: ignore[no-any-return]


def _bytes(piece: Any) -> bytes:
    return piece.encode() if isinstance(piece, str) else bytes(piece)


def _read(caller: Caller, way: Way, enough: Enough) -> tuple[bytes, Exception | None]:
    came, error = b"", None
    if caller.surface.is_httpx:
        response = caller.client.send(caller.client.build_request("POST", CHAT.path, json=CHAT.json), stream=True)
    else:
        url = caller.setup.base_url + CHAT.path
        response = caller.client.post(url, json=CHAT.json, stream=True, timeout=caller.setup.timeout)
    with contextlib.closing(response):
        try:
            for piece in way(response):
                came += _bytes(piece)
                if enough is not None and enough(came):
                    break
        except caller.surface.error as broken:
            error = broken
    return came, error


async def _awaited(caller: Caller, way: Way, enough: Enough) -> tuple[bytes, Exception | None]:
    came, error = b"", None
    async with contextlib.AsyncExitStack() as stack:
        if caller.surface.is_httpx:
            request = caller.client.build_request("POST", CHAT.path, json=CHAT.json)
            response = await caller.client.send(request, stream=True)
            stack.push_async_callback(response.aclose)
        else:
            url = caller.setup.base_url + CHAT.path
            response = await stack.enter_async_context(caller.client.post(url, json=CHAT.json))
        pieces = way(response)
        if hasattr(pieces, "aclose"):
            stack.push_async_callback(pieces.aclose)
        try:
            async for piece in pieces:
                came += _bytes(piece)
                if enough is not None and enough(came):
                    break
        except Exception as broken:
            error = broken
    return came, error


def same(came: bytes, sent: bytes) -> bool:
    """Whether all came as it was sent; some ways give lines without their ends."""
    return came in (sent, sent.replace(b"\n", b""))


@contextlib.contextmanager
def one_way(surface: Surface, emu: Emulator) -> Iterator[Caller]:
    """Open a client with one connection, which no stream may keep."""
    with client(surface, emu, pool=1) as caller:
        yield caller
        assert caller.in_use() == 0
        assert len(emu.seen) == 1


@ways(AT_ONCE, WAITING)
def test_a_whole_stream_is_given_as_it_is(surface: Surface, way: Way, emu: Emulator) -> None:
    """To the byte, and it ends as without us."""
    emu.script(Fault(body=BODY, headers=KIND))
    with one_way(surface, emu) as caller:
        came, error = read(caller, way)
    if way is exactly:  # what is left is too short for it
        assert isinstance(error, EOFError)
        came += error.partial  # type: ignore[attr-defined]
    else:
        assert error is None
    assert same(came, BODY)


@ways(AT_ONCE, WAITING)
@pytest.mark.parametrize("why", ["cut", "broken"])
def test_a_stream_that_is_not_whole_is_never_taken_for_one(surface: Surface, way: Way, why: str, emu: Emulator) -> None:
    """A clean end without the last event, and a lost connection: all that came is given first, then it is raised."""
    more = {"truncate": len(CONTENT)} if why == "broken" else {}
    emu.script(Fault(body=CONTENT if why == "cut" else BODY, headers=KIND, **more))
    with one_way(surface, emu) as caller:
        came, error = read(caller, way)
    assert isinstance(error, StreamInterrupted)
    assert isinstance(error, surface.body_error)
    assert isinstance(error, surface.adapter.StreamInterrupted)
    assert (error.why, error.events, error.bytes) == (why, 6, len(CONTENT))
    whole_reads = (*WAITING["requests"].values(), all_at_once, all_with_httpx, WAITING["httpx"]["read"], exactly)
    assert way in whole_reads or same(came, CONTENT)


@contextlib.contextmanager
def left_half_read(surface: Surface) -> Iterator[None]:
    """Let pass what both clients say on trio of generators of their own that nobody reads to the end."""
    with only_our_warnings(surface):
        warnings.filterwarnings("ignore", r"Async generator 'httpx2\._models", ResourceWarning)
        yield


@ways(AT_ONCE)
@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
def test_what_came_is_given_at_once(
    surface: Surface, way: Way, gzip: bool, emu: Emulator, request: pytest.FixtureRequest
) -> None:
    """Nothing more is sent meanwhile: whoever waited for it would wait for ever."""
    emu.script(Fault(stall="mid_body", gzip=gzip))
    with left_half_read(surface), client(surface, emu, pool=1, timeout=(5.0, 0.3)) as caller:
        raw = gzip and "raw" in request.node.name
        came, error = read(caller, way, lambda came: len(came) >= 300 if raw else b'" the"' in came)
        assert error is None
        assert raw or b'" the"' in came
        until(lambda: caller.in_use() == 0)
