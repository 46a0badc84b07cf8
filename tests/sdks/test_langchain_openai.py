"""LangChain's ChatOpenAI, which hands our clients on to the openai SDK.

Must not know the inside of either but for one thing: how long the openai SDK waits before a retry of its own, which is
set to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

langchain_openai = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
openai = pytest.importorskip("openai")

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage  # noqa: E402
from langchain_core.tools import tool  # noqa: E402

from anyint_resilience import OutcomeUnknown, report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.sdks import canary, kit  # noqa: E402
from tests.sdks.kit import ATTEMPTS, KEY, LOST, TEXT, Figures, Sdk, Surface, Waits  # noqa: E402

figures = kit.figures

PACKAGE = "langchain-openai"

every_surface = kit.on(kit.native(openai))


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    kit.without_waits(monkeypatch, openai)


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


class Chat(Sdk):
    """A model, asked and awaited alike."""

    def invoke(self, asked: Any, *, model: Any = None, **more: Any) -> Any:
        """Ask once."""
        model = self.client if model is None else model
        return self.caller.call(model.invoke if self.caller.surface.backend is None else model.ainvoke, asked, **more)

    def refused(self, asked: Any = "hi", *, model: Any = None, **more: Any) -> Any:
        """Ask what must raise one of openai's exceptions, and return that."""
        with pytest.raises(openai.OpenAIError) as caught:
            self.invoke(asked, model=model, **more)
        return caught.value

    def streamed(self) -> str:
        """Ask for a stream and read it."""
        half = self.client.stream if self.caller.surface.backend is None else self.client.astream

        def opened() -> Any:
            return half("hi")

        return "".join(chunk.text for chunk in self.listed(opened()))


@contextmanager
def chat(surface: Surface, emu: Emulator, *, waits: Waits | None = None, **options: Any) -> Iterator[Chat]:
    name = "http_client" if surface.backend is None else "http_async_client"
    with kit.layered(surface, emu, waits=waits) as caller:
        taken = {name: caller.client, "api_key": KEY, "base_url": f"{emu.url}/openai/v1", **options}
        yield Chat(caller, langchain_openai.ChatOpenAI(model="gpt-5", **taken), openai.OpenAIError)


# --- what goes well


@every_surface
def test_a_chat_is_one_request(surface: Surface, emu: Emulator) -> None:
    """A question is one request, plain and streamed, on chat completions and on responses."""
    with chat(surface, emu) as ai:
        assert ai.invoke("hi").text == TEXT
        assert ai.streamed() == TEXT
    with chat(surface, emu, use_responses_api=True) as ai:
        assert ai.invoke("hi").text == TEXT
        assert ai.streamed() == TEXT
    paths = [f"/openai/v1/{name}" for name in ("chat/completions", "responses") for _ in range(2)]
    assert [seen.path for seen in emu.seen] == paths


@every_surface
def test_a_fault_that_passes_is_not_seen(surface: Surface, emu: Emulator) -> None:
    """What heals within our attempts is a plain answer, after the wait the server asked for."""
    waits = Waits()
    emu.script(Fault.error(503), Fault.error(429, retry_after=1))
    with chat(surface, emu, waits=waits) as ai:
        assert ai.invoke("hi").text == TEXT
        emu.script(Fault(reset="before_headers"))
        assert ai.streamed() == TEXT
    assert kit.retry_counts(emu) == ["0"] * 5
    assert waits.asked == pytest.approx([0.05, 1.1, 0.05])


@every_surface
def test_a_tool_is_called_and_its_result_sent_back(surface: Surface, emu: Emulator) -> None:
    """A tool call comes through a fault, and the turn that carries the tool's result survives one too."""
    emu.script(Fault.error(503), kit.chat_answer(kit.tool_call("weather", '{"city": "Oslo"}')), LOST)
    with chat(surface, emu) as ai:
        model = ai.client.bind_tools([weather])
        first = ai.invoke("hi", model=model)
        asked = first.tool_calls[0]
        result = ToolMessage(weather.invoke(asked["args"]), tool_call_id=asked["id"])
        answer = ai.invoke([HumanMessage("hi"), first, result], model=model)
    assert answer.text == TEXT
    assert [len(seen.json()["messages"]) for seen in emu.seen] == [1, 1, 3, 3]
    assert emu.seen[3].json()["messages"][2]["content"] == "rain in Oslo"
    assert not kit.sdk_retried(emu)


# --- what fails


@every_surface
@pytest.mark.parametrize(
    ("status", "code", "kind", "attempts"),
    [
        (400, None, "BadRequestError", 1),
        (401, None, "AuthenticationError", 1),
        (404, None, "NotFoundError", 1),
        (429, None, "RateLimitError", ATTEMPTS),
        (429, "insufficient_quota", "RateLimitError", 1),
        (503, None, "InternalServerError", ATTEMPTS),
    ],
)
def test_an_error_is_openais_own(
    surface: Surface, status: int, code: str | None, kind: str, attempts: int, emu: Emulator
) -> None:
    """LangChain's exceptions are openai's too, with the body, and our report can be read off them."""
    fault = Fault.error(status, code=code)
    emu.script(*[fault] * 20)
    with chat(surface, emu) as ai:
        raised = ai.refused()
    assert isinstance(raised, getattr(openai, kind))
    assert raised.body == fault.body["error"]  # type: ignore[index]
    assert len(emu.seen) == len(report(raised).attempts) == attempts  # type: ignore[union-attr]


@every_surface
@kit.retried_or_not
def test_a_503_that_lasts_is_three_attempts(
    surface: Surface, retries: dict[str, int], emu: Emulator, figures: Figures
) -> None:
    """With LangChain's default retries or none, plain or streamed, the wire sees our attempts alone."""
    kit.unavailable(emu)
    with chat(surface, emu, **retries) as ai:
        ai.refused()
        column = "no retries" if retries else "default retries"
        assert figures.note(column, surface, len(emu.seen)) == ATTEMPTS
        with pytest.raises(openai.InternalServerError):
            ai.streamed()
    assert kit.retry_counts(emu) == ["0"] * 2 * ATTEMPTS


@every_surface
def test_a_runnable_that_retries_multiplies(surface: Surface, emu: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """``with_retry`` is a loop that says nothing: each of its three turns gets our attempts anew, and we name it."""
    kit.unavailable(emu)
    with chat(surface, emu) as ai:
        retrying = ai.client.with_retry(wait_exponential_jitter=False, stop_after_attempt=3)
        raised = ai.refused(model=retrying)
    assert kit.retry_counts(emu) == ["0"] * 3 * ATTEMPTS
    told = report(raised)
    assert told is not None
    assert (told.outer_retries, told.repeats, kit.named(caplog)) == (0, 2, True)


# --- paid creates


@every_surface
@kit.retried_or_not
@pytest.mark.parametrize("looped", [False, True], ids=["plain", "with_retry"])
def test_a_lost_background_response_is_one_task(
    surface: Surface, retries: dict[str, int], looped: bool, emu: Emulator, figures: Figures
) -> None:
    """A background response without an answer reaches the gateway once, whichever loop above us sends it again."""
    emu.script(LOST)
    with chat(surface, emu, use_responses_api=True, **retries) as ai:
        model = ai.client.with_retry(wait_exponential_jitter=False, stop_after_attempt=3) if looped else ai.client
        raised = ai.refused(model=model, background=True)
        ai.refused(model=model, background=True)
    assert len(emu.seen) == 1
    assert figures.note("duplicates", surface, len(emu.tasks) - 1) == 0
    assert isinstance(raised, openai.APIConnectionError)
    assert report(raised).intent is not None  # type: ignore[union-attr]
    cause: Any = raised
    while cause is not None and not isinstance(cause, OutcomeUnknown):
        cause = cause.__cause__ or cause.__context__
    assert cause is not None


# --- how it takes a client


@every_surface
def test_the_other_half_goes_past_us(surface: Surface, emu: Emulator) -> None:
    """A client for sync calls leaves async ones alone, and the other way round: hand both over."""
    kit.unavailable(emu)
    other = Surface(surface.library, None if surface.backend else "asyncio")
    with chat(surface, emu, max_retries=0) as ai, kit.layered(other, emu) as caller:
        with pytest.raises(openai.InternalServerError) as caught:
            caller.call(ai.client.invoke if other.backend is None else ai.client.ainvoke, "hi")
    assert len(emu.seen) == 1
    assert report(caught.value) is None


# --- what is said of it


@every_surface
def test_nothing_that_is_planted_is_emitted(surface: Surface) -> None:
    """Keys, prompts and URLs given to LangChain, and said back by the server, are in nothing that we emit."""
    asked = [SystemMessage(canary.SYSTEM), HumanMessage(canary.PROMPT)]
    name = "http_client" if surface.backend is None else "http_async_client"
    with canary.under(surface) as it:
        more = {"default_headers": it.headers, "default_query": it.query, name: it.caller.client}
        at = {"api_key": it.key, "base_url": f"{it.emu.url}/openai/v1"}
        made = langchain_openai.ChatOpenAI(model="gpt-5", **at, **more)
        ai = Chat(it.caller, made.bind_tools([weather]), openai.OpenAIError)
        half = ai.client.stream if surface.backend is None else ai.client.astream
        it.sings(lambda: ai.invoke(asked), lambda: ai.listed(half(asked)))
