"""The google-genai SDK on httpx2, httpx and aiohttp, which it takes for async calls wherever aiohttp is installed.

Must not know the SDK's inside but for one thing: how long its aiohttp path waits before it sends once more, which is
set to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

genai = pytest.importorskip("google.genai", reason="google-genai is not installed (google-genai 3 needs Python 3.11)")
aiohttp = pytest.importorskip("aiohttp", reason="the async half of google-genai is tested on aiohttp too")

from google.genai import errors  # noqa: E402
from google.genai.types import FunctionDeclaration, HttpOptions, HttpRetryOptions, Tool  # noqa: E402

from anyint_resilience import report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.sdks import canary, kit  # noqa: E402
from tests.sdks.kit import ATTEMPTS, KEY, LOST, TEXT, Figures, Sdk, Surface, Waits  # noqa: E402

# google-genai's: it derives from aiohttp's session for a session of its own.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
figures = kit.figures

PACKAGE = "google-genai"
ASK: dict[str, Any] = {"model": "gemini-3-pro", "contents": "hi"}
BATCH: dict[str, Any] = {"model": "gemini-3-pro", "src": [{"contents": [{"parts": [{"text": "hi"}]}]}]}
AIOHTTP = Surface("aiohttp", "asyncio")
SURFACES = [*(Surface(library, backend) for library in ("httpx2", "httpx") for backend in (None, "asyncio")), AIOHTTP]

every_surface = pytest.mark.parametrize("surface", SURFACES, ids=str)
no_retries = HttpRetryOptions(attempts=1)
its_own = HttpRetryOptions(initial_delay=0, max_delay=0, jitter=0)  # five attempts; only the waits are taken away


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the 1-10 s that the SDK's aiohttp path waits before it sends once more."""
    assert callable(genai._api_client.random.randint), "the SDK has moved it: these tests would wait for real"
    monkeypatch.setattr(genai._api_client, "random", SimpleNamespace(randint=lambda *args: -1))


def error(status: int, **more: Any) -> Fault:
    return Fault.error(status, family="gemini", **more)


def anyint(emu: Emulator) -> dict[str, Any]:
    return {"base_url": f"{emu.url}/gemini", "api_version": "v1beta"}


@contextmanager
def sdk(surface: Surface, emu: Emulator, *, waits: Waits | None = None, **options: Any) -> Iterator[Sdk]:
    """Open the SDK on a client of ours; AnyInt documents v1beta, and the SDK's own default is v1."""
    name = (
        "httpx_client" if surface.backend is None else "aiohttp_client" if surface is AIOHTTP else "httpx_async_client"
    )
    with kit.layered(surface, emu, waits=waits) as caller:
        taken = {name: caller.client, **anyint(emu), **options}
        client = genai.Client(api_key=KEY, http_options=HttpOptions(**taken))
        yield Sdk(caller, client if surface.backend is None else client.aio, Exception)


def streamed(ai: Sdk) -> str:
    return "".join(chunk.text for chunk in ai.listed(ai.call("models.generate_content_stream", **ASK)))


# --- what goes well


@every_surface
def test_a_generation_is_one_request(surface: Surface, emu: Emulator) -> None:
    """A generation is one request, plain and streamed, and the SDK's x-goog-api-key becomes the header AnyInt wants."""
    with sdk(surface, emu) as ai:
        assert ai.call("models.generate_content", **ASK).text == TEXT
        assert streamed(ai) == TEXT
    assert len(emu.seen) == 2
    for seen in emu.seen:
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert "x-goog-api-key" not in seen.headers


@every_surface
def test_a_fault_that_passes_is_not_seen(surface: Surface, emu: Emulator) -> None:
    """What heals within our attempts is a plain answer, after the wait that stands in Gemini's error body."""
    waits = Waits()
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}
    emu.script(error(503), error(429, details=[delay]))
    with sdk(surface, emu, waits=waits) as ai:
        assert ai.call("models.generate_content", **ASK).text == TEXT
        emu.script(error(503))
        assert streamed(ai) == TEXT
    assert len(emu.seen) == 5
    assert waits.asked == pytest.approx([0.05, 2.2, 0.05])


@every_surface
def test_a_tool_is_called_and_its_result_sent_back(surface: Surface, emu: Emulator) -> None:
    """A tool call comes through a fault, and the turn that carries the tool's result survives one too."""
    part = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}
    called = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}]}
    emu.script(error(503), Fault(status=200, body=called), Fault(reset="before_headers"))
    tools = {"tools": [Tool(function_declarations=[FunctionDeclaration(name="weather")])]}
    with sdk(surface, emu) as ai:
        first = ai.call("models.generate_content", **ASK, config=tools)
        call = first.function_calls[0]
        result = {"role": "user", "parts": [{"functionResponse": {"name": call.name, "response": {"it": "rains"}}}]}
        told = [{"role": "user", "parts": [{"text": "hi"}]}, first.candidates[0].content, result]
        answer = ai.call("models.generate_content", model="gemini-3-pro", contents=told, config=tools)
    assert (call.name, call.args) == ("weather", {"city": "Oslo"})
    assert answer.text == TEXT
    assert [len(seen.json()["contents"]) for seen in emu.seen] == [1, 1, 3, 3]
    assert emu.seen[3].json()["contents"][2]["parts"][0]["functionResponse"]["response"] == {"it": "rains"}


# --- what fails


@every_surface
@pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [
        (400, errors.ClientError, 1),
        (403, errors.ClientError, 1),
        (404, errors.ClientError, 1),
        (429, errors.ClientError, ATTEMPTS),
        (500, errors.ServerError, ATTEMPTS),
        (503, errors.ServerError, ATTEMPTS),
    ],
)
def test_an_error_is_the_sdks_own(
    surface: Surface, status: int, kind: type[Exception], attempts: int, emu: Emulator
) -> None:
    """Each status keeps the exception class its users catch, with its body, and our report can be read off it."""
    fault = error(status)
    emu.script(*[fault] * 20)
    with sdk(surface, emu) as ai:
        raised = ai.error("models.generate_content", **ASK)
    assert type(raised) is kind
    assert (raised.code, raised.details) == (status, fault.body)
    assert len(emu.seen) == len(report(raised).attempts) == attempts  # type: ignore[union-attr]


@every_surface
@pytest.mark.parametrize(
    ("options", "column"),
    [({}, "default retries"), ({"retry_options": no_retries}, "no retries")],
    ids=["default retries", "no retries"],
)
def test_a_503_that_lasts_is_three_attempts(
    surface: Surface, options: dict[str, Any], column: str, emu: Emulator, figures: Figures
) -> None:
    """The SDK retries no answer unless it is asked to: the wire sees our attempts alone, plain and streamed."""
    kit.unavailable(emu, family="gemini")
    with sdk(surface, emu, **options) as ai:
        ai.error("models.generate_content", **ASK)
        assert figures.note(column, surface, len(emu.seen)) == ATTEMPTS
        with pytest.raises(errors.ServerError):
            streamed(ai)
    assert len(emu.seen) == 2 * ATTEMPTS


@every_surface
def test_retries_that_it_was_asked_for_multiply(
    surface: Surface, emu: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """``retry_options`` is a loop that says nothing: each of its five turns gets our attempts anew, and we name it."""
    kit.unavailable(emu, family="gemini")
    with sdk(surface, emu, retry_options=its_own) as ai:
        raised = ai.error("models.generate_content", **ASK)
    assert len(emu.seen) == 5 * ATTEMPTS
    told = report(raised)
    assert told is not None
    assert (told.outer_retries, told.repeats, kit.named(caplog)) == (0, 4, True)


@every_surface
def test_a_connection_that_breaks(surface: Surface, emu: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """The client's own exception comes through; the aiohttp path alone sends once more by itself, and we name it."""
    emu.script(*[Fault(reset="before_headers")] * 20)
    with sdk(surface, emu) as ai:
        raised = ai.error("models.generate_content", **ASK)
    assert isinstance(raised, aiohttp.ClientOSError if surface is AIOHTTP else surface.module.ReadError)
    assert len(emu.seen) == (2 if surface is AIOHTTP else 1) * ATTEMPTS
    assert kit.named(caplog) is (surface is AIOHTTP)
    assert len(report(raised).attempts) == ATTEMPTS  # type: ignore[union-attr]


@every_surface
def test_a_lost_create_that_anyint_does_not_list(surface: Surface, emu: Emulator, figures: Figures) -> None:
    """We do not repeat a batch whose answer is lost; the aiohttp path sends it once more, as no ledger holds it."""
    emu.script(*[LOST] * 9)
    with sdk(surface, emu) as ai:
        ai.error("batches.create", **BATCH)
    assert figures.note("duplicates", surface, len(emu.seen) - 1) == (1 if surface is AIOHTTP else 0)


# --- how it takes a client


@pytest.mark.parametrize("surface", SURFACES[:4], ids=str)
def test_it_takes_a_transport(surface: Surface, emu: Emulator) -> None:
    """Our transport may be handed over in place of a client, and then carries every call."""
    name, kind = ("client_args", surface.adapter.ResilientTransport)
    if surface.backend is not None:
        name, kind = ("async_client_args", surface.adapter.AsyncResilientTransport)
    emu.script(error(503), error(503))
    with kit.layered(surface, emu) as caller:  # for its loop; the SDK makes its own client
        options = {name: {"transport": kind(kit.resilience(emu))}}
        client = genai.Client(api_key=KEY, http_options=HttpOptions(**options, **anyint(emu)))
        half = client if surface.backend is None else client.aio
        assert caller.call(half.models.generate_content, **ASK).text == TEXT
        caller.call(client.close if surface.backend is None else client.aio.aclose)
    assert len(emu.seen) == 3


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_a_client_for_sync_calls_leaves_async_ones_alone(library: str, emu: Emulator) -> None:
    """``httpx_client`` alone is half the work: async calls then go past us, over a session of the SDK's own."""
    with kit.layered(Surface(library), emu) as caller, kit.layered(AIOHTTP, emu) as loop:
        client = genai.Client(api_key=KEY, http_options=HttpOptions(httpx_client=caller.client, **anyint(emu)))
        with pytest.raises(errors.ClientError) as caught:
            loop.call(client.aio.models.generate_content, **ASK)
        loop.call(client.aio.aclose)
    assert report(caught.value) is None
    assert [(seen.answered, seen.headers["x-goog-api-key"]) for seen in emu.seen] == [(401, KEY)]


@every_surface
def test_its_own_version_is_none_of_anyints(surface: Surface, emu: Emulator) -> None:
    """Without ``api_version="v1beta"`` the SDK asks for v1, a path that no row of the contract names."""
    with sdk(surface, emu, api_version=None) as ai:
        raised = ai.error("models.generate_content", **ASK)
    assert raised.code == 404
    assert [seen.path for seen in emu.seen] == ["/gemini/v1/models/gemini-3-pro:generateContent"]
    assert report(raised).route == "* /gemini/{rest}"  # type: ignore[union-attr]


# --- what is said of it


@every_surface
def test_nothing_that_is_planted_is_emitted(surface: Surface) -> None:
    """Keys, prompts and URLs given to the SDK, and said back by the server, are in nothing that we emit."""
    name = (
        "httpx_client" if surface.backend is None else "aiohttp_client" if surface is AIOHTTP else "httpx_async_client"
    )
    config = {"system_instruction": canary.SYSTEM}
    asked = {"model": "gemini-3-pro", "contents": canary.PROMPT, "config": config}
    with canary.under(surface) as it:
        options = HttpOptions(**{name: it.caller.client}, headers=it.headers, **anyint(it.emu))
        client = genai.Client(api_key=it.key, http_options=options)
        ai = Sdk(it.caller, client if surface.backend is None else client.aio, Exception)
        it.sings(
            lambda: ai.call("models.generate_content", **asked),
            lambda: ai.listed(ai.call("models.generate_content_stream", **asked)),
            family="gemini",
            create=lambda: ai.call("batches.create", model="gemini-3-pro", src=[{"contents": canary.PROMPT}]),
        )
