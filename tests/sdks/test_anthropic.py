"""The anthropic SDK, which takes clients of httpx2 only.

Must not know the SDK's inside but for one thing: how long it waits before a retry of its own, which is set to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed")

from anyint_resilience import report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.sdks import canary, kit  # noqa: E402
from tests.sdks.kit import ATTEMPTS, HI, KEY, TEXT, Figures, Sdk, Surface, Waits  # noqa: E402

figures = kit.figures

PACKAGE = "anthropic"
MESSAGE: dict[str, Any] = {"model": "claude-test", "max_tokens": 64, "messages": HI}
TOOLS = [{"name": "weather", "description": "Tell it.", "input_schema": {"type": "object", "properties": {}}}]

every_surface = kit.on("httpx2", backends=(None, "asyncio", "trio"))


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    kit.without_waits(monkeypatch, anthropic)


def error(status: int, **more: Any) -> Fault:
    return Fault.error(status, family="anthropic", **more)


@contextmanager
def sdk(surface: Surface, emu: Emulator, *, waits: Waits | None = None, **options: Any) -> Iterator[Sdk]:
    with kit.layered(surface, emu, waits=waits) as caller:
        kind = anthropic.Anthropic if surface.backend is None else anthropic.AsyncAnthropic
        client = kind(api_key=KEY, base_url=f"{emu.url}/anthropic", http_client=caller.client, **options)
        yield Sdk(caller, client, anthropic.AnthropicError)


def final_message(ai: Sdk, **arguments: Any) -> Any:
    """Read a stream through the SDK's helper and return the message it puts together."""

    def read() -> Any:
        with ai.client.messages.stream(**arguments) as stream:
            return stream.get_final_message()

    async def aread() -> Any:
        async with ai.client.messages.stream(**arguments) as stream:
            return await stream.get_final_message()

    return ai.caller.call(read if ai.caller.surface.backend is None else aread)


# --- what goes well


@every_surface
def test_a_message_is_one_request(surface: Surface, emu: Emulator) -> None:
    """A message is one request, plain, raw with its report, and streamed; the key goes where AnyInt wants it."""
    with sdk(surface, emu) as ai:
        assert ai.call("messages.create", **MESSAGE).content[0].text == TEXT
        raw = ai.call("messages.with_raw_response.create", **MESSAGE)
        assert final_message(ai, **MESSAGE).content[0].text == TEXT
    assert report(raw).route == "POST /anthropic/v1/messages"  # type: ignore[union-attr]
    assert kit.retry_counts(emu) == ["0"] * 3
    for seen in emu.seen:
        assert seen.headers["x-api-key"] == KEY
        assert "authorization" not in seen.headers


@every_surface
def test_a_fault_that_passes_is_not_seen(surface: Surface, emu: Emulator) -> None:
    """What heals within our attempts is a plain message, after the wait the server asked for."""
    waits = Waits()
    emu.script(error(529), error(429, retry_after=1))
    with sdk(surface, emu, waits=waits) as ai:
        assert ai.call("messages.create", **MESSAGE).content[0].text == TEXT
        emu.script(error(503))
        assert final_message(ai, **MESSAGE).content[0].text == TEXT
    assert kit.retry_counts(emu) == ["0"] * 5
    assert waits.asked == pytest.approx([0.05, 1.1, 0.05])


@every_surface
def test_a_tool_is_called_and_its_result_sent_back(surface: Surface, emu: Emulator) -> None:
    """A tool call comes through a fault, and the turn that carries the tool's result survives one too."""
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test", "stop_sequence": None}
    usage = {"input_tokens": 1, "output_tokens": 1}
    asked = Fault(status=200, body={**head, "content": [use], "stop_reason": "tool_use", "usage": usage})
    emu.script(error(529), asked, Fault(reset="before_headers"))
    with sdk(surface, emu) as ai:
        message = ai.call("messages.create", **MESSAGE, tools=TOOLS)
        result = {"type": "tool_result", "tool_use_id": message.content[0].id, "content": "rain"}
        told = [*HI, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
        answer = ai.call("messages.create", **{**MESSAGE, "messages": told}, tools=TOOLS)
    assert message.content[0].input == {"city": "Oslo"}
    assert answer.content[0].text == TEXT
    assert [len(seen.json()["messages"]) for seen in emu.seen] == [1, 1, 3, 3]
    assert emu.seen[3].json()["messages"][2]["content"][0]["content"] == "rain"
    assert not kit.sdk_retried(emu)


# --- what fails


@every_surface
@pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [
        (400, "BadRequestError", 1),
        (401, "AuthenticationError", 1),
        (403, "PermissionDeniedError", 1),
        (404, "NotFoundError", 1),
        (413, "RequestTooLargeError", 1),
        (429, "RateLimitError", 2),
        (500, "InternalServerError", ATTEMPTS),
        (503, "ServiceUnavailableError", ATTEMPTS),
        (529, "OverloadedError", ATTEMPTS),
    ],
)
def test_an_error_is_the_sdks_own(surface: Surface, status: int, kind: str, attempts: int, emu: Emulator) -> None:
    """Each status keeps the exception class its users catch, with its body, and our report can be read off it."""
    fault = error(status)
    emu.script(*[fault] * 20)
    named = getattr(anthropic, kind, None) or getattr(anthropic._exceptions, kind)
    with sdk(surface, emu) as ai:
        raised = ai.error("messages.create", **MESSAGE)
    assert type(raised) is named
    assert raised.body == fault.body
    assert len(emu.seen) == len(report(raised).attempts) == attempts  # type: ignore[union-attr]


@every_surface
@kit.retried_or_not
def test_a_503_that_lasts_is_three_attempts(
    surface: Surface, retries: dict[str, int], emu: Emulator, figures: Figures
) -> None:
    """With the SDK's default retries or none, plain or streamed, the wire sees our attempts alone."""
    kit.unavailable(emu, family="anthropic")
    with sdk(surface, emu, **retries) as ai:
        ai.error("messages.create", **MESSAGE)
        plain = len(emu.seen)
        with pytest.raises(anthropic.APIStatusError):
            final_message(ai, **MESSAGE)
    column = "no retries" if retries else "default retries"
    assert figures.note(column, surface, plain) == ATTEMPTS
    figures.without("duplicates", surface.library, why="no paid create")
    assert kit.retry_counts(emu) == ["0"] * 2 * ATTEMPTS


@every_surface
@pytest.mark.parametrize(
    ("retries", "counts"), [(0, "000"), (1, "00011"), (2, "000112"), (4, "00011234")], ids=lambda it: str(it)
)
def test_connections_that_break_are_shared_out(surface: Surface, retries: int, counts: str, emu: Emulator) -> None:
    """The SDK retries a broken connection itself and says so in a header: each time fewer attempts are left to us."""
    emu.script(*[Fault(reset="before_headers")] * 20)
    with sdk(surface, emu, max_retries=retries) as ai:
        raised = ai.error("messages.create", **MESSAGE)
    assert type(raised) is anthropic.APIConnectionError
    assert "".join(map(str, kit.retry_counts(emu))) == counts
    assert report(raised).outer_retries == retries  # type: ignore[union-attr]


# --- what is said of it


@every_surface
def test_nothing_that_is_planted_is_emitted(surface: Surface) -> None:
    """Keys, prompts and URLs given to the SDK, and said back by the server, are in nothing that we emit."""
    tool = {**TOOLS[0], "name": canary.TOOL, "description": canary.PROMPT}
    asked = {
        **MESSAGE,
        "system": canary.SYSTEM,
        "messages": [{"role": "user", "content": canary.PROMPT}],
        "tools": [tool],
    }
    with canary.under(surface) as it:
        kind = anthropic.Anthropic if surface.backend is None else anthropic.AsyncAnthropic
        at = {"base_url": f"{it.emu.url}/anthropic", "http_client": it.caller.client}
        client = kind(api_key=it.key, default_headers=it.headers, default_query=it.query, **at)
        ai = Sdk(it.caller, client, anthropic.AnthropicError)
        it.sings(
            lambda: ai.call("messages.create", **asked), lambda: final_message(ai, **asked).content, family="anthropic"
        )
