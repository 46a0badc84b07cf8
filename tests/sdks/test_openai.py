"""The openai SDK, 2 and 3, on each client library it takes.

Must not know the SDK's inside but for two things: how long it waits before a retry of its own and before it polls
again. Both are set to nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

openai = pytest.importorskip("openai", reason="openai is not installed")

from anyint_resilience import Action, OutcomeUnknown, report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.sdks import canary, kit  # noqa: E402
from tests.sdks.kit import ATTEMPTS, HI, KEY, LOST, TEXT, Figures, Sdk, Surface, Waits  # noqa: E402
from tests.waiting import arrived  # noqa: E402

pytestmark = [
    # openai's: it ended its own Sora API; AnyInt's /openai/v1/videos is AnyInt's own and stays.
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
    # openai's: it leaves a stream, and the client's generators under it, at [DONE]; trio alone tells.
    pytest.mark.filterwarnings("ignore:Async generator '(openai|httpcore|httpx):ResourceWarning"),
]
figures = kit.figures

PACKAGE = "openai"
CHAT: dict[str, Any] = {"model": "gpt-5", "messages": HI}
VIDEO: dict[str, Any] = {"model": "sora-2", "prompt": "a cat"}
SLOW = Fault(stall="before_headers", process=True)
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


def takes(library: str) -> bool:
    """Tell whether the installed openai takes a client of this library."""
    if importlib.util.find_spec(library) is None:
        return False
    with importlib.import_module(library).Client() as client:
        try:
            openai.OpenAI(api_key=KEY, http_client=client)
        except TypeError:
            return False
    return True


every_surface = kit.on(*filter(takes, ("httpx", "httpx2")), backends=(None, "asyncio", "trio"))


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    kit.without_waits(monkeypatch, openai)


@contextmanager
def sdk(surface: Surface, emu: Emulator, *, waits: Waits | None = None, **options: Any) -> Iterator[Sdk]:
    with kit.layered(surface, emu, waits=waits) as caller:
        kind = openai.OpenAI if surface.backend is None else openai.AsyncOpenAI
        client = kind(api_key=KEY, base_url=f"{emu.url}/openai/v1", http_client=caller.client, **options)
        yield Sdk(caller, client, openai.OpenAIError)


# --- what goes well


@every_surface
def test_a_chat_is_one_request(surface: Surface, emu: Emulator) -> None:
    """A chat is one request, plain, raw with its report, and streamed."""
    with sdk(surface, emu) as ai:
        assert ai.call("chat.completions.create", **CHAT).choices[0].message.content == TEXT
        raw = ai.call("chat.completions.with_raw_response.create", **CHAT)
        chunks = ai.listed(ai.call("chat.completions.create", **CHAT, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert report(raw).route == "POST /openai/v1/chat/completions"  # type: ignore[union-attr]
    assert kit.retry_counts(emu) == ["0"] * 3


@every_surface
def test_a_fault_that_passes_is_not_seen(surface: Surface, emu: Emulator) -> None:
    """What heals within our attempts is a plain answer, after the wait the server asked for."""
    waits = Waits()
    emu.script(Fault.error(503), Fault.error(429, retry_after=1))
    with sdk(surface, emu, waits=waits) as ai:
        assert ai.call("chat.completions.create", **CHAT).choices[0].message.content == TEXT
    assert kit.retry_counts(emu) == ["0"] * 3
    assert waits.asked == pytest.approx([0.05, 1.1])


@every_surface
def test_a_tool_is_called_and_its_result_sent_back(surface: Surface, emu: Emulator) -> None:
    """A tool call comes through a fault, and the turn that carries the tool's result survives one too."""
    emu.script(Fault.error(503), kit.chat_answer(kit.tool_call("weather", '{"city": "Oslo"}')), LOST)
    with sdk(surface, emu) as ai:
        message = ai.call("chat.completions.create", **CHAT, tools=TOOLS).choices[0].message
        called = message.tool_calls[0]
        told = [*HI, message, {"role": "tool", "tool_call_id": called.id, "content": "rain"}]
        answer = ai.call("chat.completions.create", model="gpt-5", messages=told, tools=TOOLS)
    assert (called.function.name, called.function.arguments) == ("weather", '{"city": "Oslo"}')
    assert answer.choices[0].message.content == TEXT
    assert [len(seen.json()["messages"]) for seen in emu.seen] == [1, 1, 3, 3]
    assert emu.seen[3].json()["messages"][2]["content"] == "rain"
    assert not kit.sdk_retried(emu)


@every_surface
def test_a_streamed_tool_call_arrives_in_pieces(surface: Surface, emu: Emulator) -> None:
    """A tool call in a stream is put together by the SDK as without us, after a 503 in the stream's place."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    deltas = [
        {"role": "assistant", "tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather"}}]},
        *({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in ('{"city"', ': "Oslo"}')),
    ]
    pieces = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    emu.script(Fault.error(503), kit.events(*pieces))
    with sdk(surface, emu) as ai:
        chunks = ai.listed(ai.call("chat.completions.create", **CHAT, tools=TOOLS, stream=True))
    calls = [chunk.choices[0].delta.tool_calls[0].function for chunk in chunks]
    assert calls[0].name == "weather"
    assert "".join(call.arguments or "" for call in calls) == '{"city": "Oslo"}'
    assert kit.retry_counts(emu) == ["0"] * 2


# --- what fails


@every_surface
@pytest.mark.parametrize(
    ("status", "code", "kind", "attempts"),
    [
        (400, None, "BadRequestError", 1),
        (401, None, "AuthenticationError", 1),
        (403, None, "PermissionDeniedError", 1),
        (404, None, "NotFoundError", 1),
        (409, None, "ConflictError", 2),
        (422, None, "UnprocessableEntityError", 1),
        (429, None, "RateLimitError", ATTEMPTS),
        (429, "insufficient_quota", "RateLimitError", 1),
        (500, None, "InternalServerError", ATTEMPTS),
        (503, None, "InternalServerError", ATTEMPTS),
    ],
)
def test_an_error_is_the_sdks_own(
    surface: Surface, status: int, code: str | None, kind: str, attempts: int, emu: Emulator
) -> None:
    """Each status keeps the exception class its users catch, with its body, and our report can be read off it."""
    fault = Fault.error(status, code=code)
    emu.script(*[fault] * 20)
    with sdk(surface, emu) as ai:
        raised = ai.error("chat.completions.create", **CHAT)
    assert type(raised) is getattr(openai, kind)
    assert raised.body == fault.body["error"]  # type: ignore[index]
    assert len(emu.seen) == len(report(raised).attempts) == attempts  # type: ignore[union-attr]


@every_surface
@kit.retried_or_not
def test_a_503_that_lasts_is_three_attempts(
    surface: Surface, retries: dict[str, int], emu: Emulator, figures: Figures
) -> None:
    """With the SDK's default retries or none, plain or streamed, the wire sees our attempts alone."""
    kit.unavailable(emu)
    with sdk(surface, emu, **retries) as ai:
        ai.error("chat.completions.create", **CHAT)
        plain = len(emu.seen)
        ai.error("chat.completions.create", **CHAT, stream=True)
    column = "no retries" if retries else "default retries"
    assert figures.note(column, surface, plain) == ATTEMPTS
    assert kit.retry_counts(emu) == ["0"] * 2 * ATTEMPTS


@every_surface
@pytest.mark.parametrize(
    ("retries", "counts"), [(0, "000"), (1, "00011"), (2, "000112"), (4, "00011234")], ids=lambda it: str(it)
)
def test_connections_that_break_are_shared_out(surface: Surface, retries: int, counts: str, emu: Emulator) -> None:
    """The SDK retries a broken connection itself and says so in a header: each time fewer attempts are left to us."""
    emu.script(*[Fault(reset="before_headers")] * 20)
    with sdk(surface, emu, max_retries=retries) as ai:
        raised = ai.error("chat.completions.create", **CHAT)
    assert type(raised) is openai.APIConnectionError
    assert "".join(map(str, kit.retry_counts(emu))) == counts
    assert report(raised).outer_retries == retries  # type: ignore[union-attr]


# --- paid creates


@every_surface
@kit.retried_or_not
@pytest.mark.parametrize(
    ("path", "arguments", "fault"),
    [
        ("videos.create", VIDEO, LOST),
        ("videos.create_and_poll", VIDEO, LOST),
        ("videos.create_and_poll", VIDEO, SLOW),
        ("videos.create", {**VIDEO, "input_reference": ("cat.png", b"\x89PNG", "image/png")}, LOST),
        ("responses.create", {"model": "gpt-5", "input": "hi", "background": True}, LOST),
    ],
    ids=["video", "video, polled", "video, polled, slow", "video from a picture", "background response"],
)
def test_a_lost_create_is_one_task(
    surface: Surface,
    retries: dict[str, int],
    path: str,
    arguments: dict[str, Any],
    fault: Fault,
    emu: Emulator,
    figures: Figures,
) -> None:
    """A paid create without an answer reaches the gateway once, although the SDK retries and the user asks again."""
    emu.script(fault, match="POST")
    with sdk(surface, emu, timeout=openai.Timeout(30, read=0.2 if fault is SLOW else 30), **retries) as ai:
        raised = [ai.error(path, **arguments) for _ in range(2)]
    assert arrived(emu, 1)
    assert figures.note("duplicates", surface, len(emu.tasks) - 1) == 0
    for error in raised:
        assert isinstance(error, openai.APIConnectionError)
        assert isinstance(error.__cause__, OutcomeUnknown)


@every_surface
def test_a_video_is_polled_to_its_end_through_faults(
    surface: Surface, emu: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``create_and_poll`` makes one task and finds its end, whatever becomes of single answers on the way."""

    def step(*args: Any) -> None:
        emu.clock.advance(6)

    async def astep(*args: Any) -> None:
        emu.clock.advance(6)

    resource = importlib.import_module("openai._resource")  # openai loads it when it is first needed
    monkeypatch.setattr(resource.SyncAPIResource, "_sleep", step)
    monkeypatch.setattr(resource.AsyncAPIResource, "_sleep", astep)
    emu.script(Fault.error(503), Fault.error(429, retry_after=1), match="POST")
    emu.script(LOST, Fault.error(503), match="GET")
    with sdk(surface, emu) as ai:
        video = ai.call("videos.create_and_poll", **VIDEO)
    assert video.status == "completed"
    assert [task.id for task in emu.tasks] == [video.id]
    assert [seen.method for seen in emu.seen] == ["POST"] * 3 + ["GET"] * 5
    assert not kit.sdk_retried(emu)


@every_surface
def test_a_task_that_was_made_says_poll(surface: Surface, emu: Emulator) -> None:
    """A create that went well carries the decision to poll, readable through the SDK's raw answer."""
    with sdk(surface, emu) as ai:
        raw = ai.call("videos.with_raw_response.create", **VIDEO)
    assert report(raw).decision.action is Action.POLL  # type: ignore[union-attr]


# --- what is said of it


@every_surface
def test_nothing_that_is_planted_is_emitted(surface: Surface) -> None:
    """Keys, prompts and URLs given to the SDK, and said back by the server, are in nothing that we emit."""
    system, user = {"role": "system", "content": canary.SYSTEM}, {"role": "user", "content": canary.PROMPT}
    tool = {**TOOLS[0], "function": {"name": canary.TOOL, "parameters": {"type": "object"}}}
    asked = {"model": "gpt-5", "messages": [system, user], "tools": [tool], "user": canary.PROMPT}
    with canary.under(surface) as it:
        kind = openai.OpenAI if surface.backend is None else openai.AsyncOpenAI
        at = {"base_url": f"{it.emu.url}/openai/v1", "http_client": it.caller.client}
        ai = Sdk(
            it.caller,
            kind(api_key=it.key, default_headers=it.headers, default_query=it.query, **at),
            openai.OpenAIError,
        )
        it.sings(
            lambda: ai.call("chat.completions.create", **asked),
            lambda: ai.listed(ai.call("chat.completions.create", **asked, stream=True)),
            create=lambda: ai.call("videos.create", model="sora-2", prompt=canary.PROMPT),
        )
