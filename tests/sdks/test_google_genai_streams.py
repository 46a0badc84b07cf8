"""Streams of the google-genai SDK, on each client it takes: whole, or an exception that the application sees.

Must not know the SDK's inside but for what ``test_google_genai.py`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

genai = pytest.importorskip("google.genai", reason="google-genai is not installed (google-genai 3 needs Python 3.11)")
pytest.importorskip("aiohttp", reason="the async half of google-genai is tested on aiohttp too")

from google.genai.types import HttpOptions  # noqa: E402

from anyint_resilience import Action, Policy, StreamInterrupted, report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.conformance.surfaces import calling  # noqa: E402
from tests.sdks import kit  # noqa: E402
from tests.sdks.kit import KEY, TEXT, Surface  # noqa: E402

# google-genai's: it derives from aiohttp's session for a session of its own.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

ASK: dict[str, Any] = {"model": "gemini-3-pro", "contents": "hi"}
READ = 0.4
"""Seconds until nothing more is waited for, where nothing comes."""
AIOHTTP = Surface("aiohttp", "asyncio")
SURFACES = [*(Surface(library, backend) for library in ("httpx2", "httpx") for backend in (None, "asyncio")), AIOHTTP]
HELLO = b'data: {"candidates":[{"content":{"parts":[{"text":"Hello from"}],"role":"model"},"index":0}]}\n\n'
LAST = HELLO.replace(b"Hello from", b" the AnyInt emulator.").replace(b'"index":0', b'"index":0,"finishReason":"STOP"')


def told(events: bytes, **more: Any) -> Fault:
    return Fault(status=200, body=events, headers={"content-type": "text/event-stream"}, **more)


def dies(events: bytes) -> Fault:
    """Send these events, then nothing: the other half of the body never comes."""
    return told(events + b" " * len(events), stall="mid_body")


@dataclass(frozen=True, eq=False)
class Row:
    """One way to end, and what comes of it through us: see ``tests/real/stream_rows.py``."""

    name: str
    faults: list[Fault]
    why: str | None = None
    fails: bool = False
    warned: bool = False
    requests: int = 1
    policy: Policy | None = None
    silent: bool = False


ROWS = [
    Row("whole", []),
    Row("cut: connection lost after content", [Fault(cut_stream_after=2)], "broken"),
    Row("cut: reset after content", [Fault(reset="mid_body")], "broken"),
    Row("stall: read time-out after content", [dies(HELLO)], "idle", silent=True),
    Row("missing finish: clean EOF after content", [told(HELLO)], "cut"),
    Row("last event without its blank line", [told(HELLO + LAST[:-1])], warned=True),
    Row("content without its blank line", [told(HELLO + HELLO[:-1])], "cut"),
    Row("malformed event", [told(HELLO + b'data: {"broken": \n\n' + LAST)], fails=True),
    Row("error event first, once", [Fault(error_event=True)], requests=2),
    Row("error event first, each time", [Fault(error_event=True)] * 9, fails=True, requests=3),
    Row("error event mid-stream", [Fault(cut_stream_after=2, error_event=True)], fails=True),
    Row("slow first token, once", [Fault(delay_body=2.0)], requests=2, policy=Policy(first_byte_timeout=READ)),
    Row("reset after headers, once", [Fault(reset="after_headers")], requests=2),
    Row("reset after headers, each time", [Fault(reset="after_headers")] * 9, "broken", requests=3),
    Row("clean EOF before content, each time", [told(b"")] * 9, "cut", requests=3),
]


NO_WAY = "the SDK raises its own, which has no link to our response"
UNTOLD = {
    "malformed event": NO_WAY,
}
"""Where the application has no way from what is raised to our report."""


def cases(gaps: dict[str, str], wanted: Callable[[Row], bool] = lambda row: True) -> Any:
    """Make the mark that runs a test on rows, on each client."""
    rows = []
    for row in filter(wanted, ROWS):
        why = gaps.get(row.name)
        marks = [pytest.mark.xfail(reason=why, strict=True, raises=AssertionError)] if why else []
        rows.append(pytest.param(row, id=row.name, marks=marks))
    return lambda test: pytest.mark.parametrize("row", rows)(
        pytest.mark.parametrize("surface", SURFACES, ids=str)(test)
    )


@dataclass
class Played:
    """What an application saw of a stream, and what we told of it."""

    text: str = ""
    error: Exception | None = None
    requests: int = 0
    told: list[str] = field(default_factory=list)


def played(row: Row, surface: Surface, emu: Emulator) -> Played:
    """Read a stream through the SDK, on a client of ours."""
    name = "httpx_client" if surface.backend is None else f"{'aiohttp' if surface is AIOHTTP else 'httpx_async'}_client"
    emu.reset()
    emu.script(*row.faults)
    found = Played()

    def read(client: Any) -> None:
        for chunk in client.models.generate_content_stream(**ASK):
            found.text += chunk.text or ""

    async def aread(client: Any) -> None:
        async for chunk in await client.aio.models.generate_content_stream(**ASK):
            found.text += chunk.text or ""

    more: dict[str, Any] = {} if row.policy is None else {"policy": row.policy}
    more["listeners"] = [lambda event: found.told.append(event.name)]
    with calling(surface, kit.resilience(emu, **more), wrap=True) as caller:
        where = {"base_url": f"{emu.url}/gemini", "api_version": "v1beta"}
        options = HttpOptions(**{name: caller.client}, **where, timeout=int(1000 * READ) if row.silent else None)
        client = genai.Client(api_key=KEY, http_options=options)
        try:
            caller.call(read if surface.backend is None else aread, client)
        except Exception as error:
            found.error = error
    found.requests = len(emu.seen)
    return found


Play = Callable[[Row, Surface], Played]


@pytest.fixture(scope="module")
def play(gateway: Emulator) -> Play:
    """Play a row; each is played once, for all tests."""
    return cache(lambda row, surface: played(row, surface, gateway))


@cases({})
def test_a_stream_is_whole_or_an_exception(row: Row, surface: Surface, play: Play) -> None:
    """What is not whole is raised, as a StreamInterrupted; what failed before its content is repeated unseen."""
    found = play(row, surface)
    assert (found.error is None) == (row.why is None and not row.fails), found
    assert found.requests == row.requests
    assert ("stream unterminated" in found.told) is row.warned
    if found.error is None:
        assert found.text == TEXT
    if row.why is not None:
        assert isinstance(found.error, StreamInterrupted)
        assert (found.error.why, found.error.text) == (row.why, found.text)
        assert (found.error.events > 0) is (row.requests == 1), "with content it is never repeated"


@cases(UNTOLD, lambda row: row.why is not None or row.fails)
def test_the_report_is_found_on_what_is_raised(row: Row, surface: Surface, play: Play) -> None:
    """``report`` finds the call behind the exception that the application sees, and that says that it failed."""
    told = report(play(row, surface).error)
    assert told is not None
    assert told.decision is not None
    assert told.decision.action is Action.NO_RETRY
