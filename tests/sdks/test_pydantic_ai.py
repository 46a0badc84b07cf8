"""pydantic-ai, which runs agents on the openai and anthropic SDKs, always async underneath.

Must not know the inside of any of them but for one thing: how long the SDKs wait before a retry of their own, which is
set to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pydantic_ai = pytest.importorskip("pydantic_ai", reason="pydantic-ai is not installed (it needs Python 3.11)")
anthropic = pytest.importorskip("anthropic")
openai = pytest.importorskip("openai")

from pydantic import BaseModel  # noqa: E402
from pydantic_ai import Agent  # noqa: E402
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UnexpectedModelBehavior  # noqa: E402
from pydantic_ai.models.anthropic import AnthropicModel  # noqa: E402
from pydantic_ai.models.fallback import FallbackModel  # noqa: E402
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: E402
from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: E402
from pydantic_ai.providers.openai import OpenAIProvider  # noqa: E402

from anyint_resilience import report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.sdks import canary, kit  # noqa: E402
from tests.sdks.kit import ATTEMPTS, KEY, LOST, TEXT, Figures, Surface, Waits  # noqa: E402

figures = kit.figures

PACKAGE = "pydantic-ai-slim"
BACKGROUND: Any = {"openai_background": True}
WRONG = kit.chat_answer(kit.tool_call("final_result", '{"name": "Bo"}'))
GOOD = kit.chat_answer(kit.tool_call("final_result", '{"name": "Bo", "age": 3}'))

every_surface = kit.on("httpx2")
every_kind = pytest.mark.parametrize("kind", ["chat", "responses", "anthropic"])


class User(BaseModel):
    """What the model is asked for."""

    name: str
    age: int


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    kit.without_waits(monkeypatch, openai, anthropic)


class Models:
    """Makes models on one of our clients, and runs agents, by ``run_sync`` or awaited."""

    def __init__(self, emu: Emulator, client: Any, run: Callable[..., Any], awaited: Callable[..., Any]) -> None:
        self.emu = emu
        self.client = client
        self.run = run
        self.awaited = awaited

    def model(self, kind: str = "chat", *, name: str = "gpt-5", retries: dict[str, int] | None = None) -> Any:
        """Make a model: its provider gets our client, or an SDK's client on it with a number of retries."""
        base = f"{self.emu.url}/{'anthropic' if kind == 'anthropic' else 'openai/v1'}"
        options = {"base_url": base, "api_key": KEY, "http_client": self.client}
        if kind == "anthropic":
            if retries:
                options = {"anthropic_client": anthropic.AsyncAnthropic(**options, **retries)}
            return AnthropicModel("claude-test", provider=AnthropicProvider(**options))
        if retries:
            options = {"openai_client": openai.AsyncOpenAI(**options, **retries)}
        return {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}[kind](
            name, provider=OpenAIProvider(**options)
        )

    def error(self, agent: Any, **more: Any) -> Any:
        """Run what must raise, and return that."""
        with pytest.raises(Exception) as caught:
            self.run(agent, "hi", **more)
        return caught.value


@contextmanager
def models(surface: Surface, emu: Emulator, *, waits: Waits | None = None) -> Iterator[Models]:
    """Open a client; pydantic-ai needs an async one for sync calls too, which it runs on the thread's event loop."""
    if surface.backend is not None:
        with kit.layered(surface, emu, waits=waits) as caller:
            yield Models(emu, caller.client, lambda agent, *a, **more: caller.call(agent.run, *a, **more), caller.call)
        return
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        client = surface.adapter.wrap(surface.module.AsyncClient(), kit.resilience(emu, waits=waits))
        try:
            run = lambda agent, *a, **more: agent.run_sync(*a, **more)  # noqa: E731
            yield Models(emu, client, run, lambda function: runner.run(function()))
        finally:
            runner.run(client.aclose())
            asyncio.set_event_loop(None)


def family(kind: str) -> str | None:
    return "anthropic" if kind == "anthropic" else None


# --- what goes well


@every_surface
@every_kind
def test_a_run_is_one_request(surface: Surface, kind: str, emu: Emulator) -> None:
    """A run is one request."""
    with models(surface, emu) as ai:
        assert ai.run(Agent(ai.model(kind)), "hi").output == TEXT
    assert kit.retry_counts(emu) == ["0"]


@every_surface
@every_kind
def test_a_fault_that_passes_is_not_seen(surface: Surface, kind: str, emu: Emulator) -> None:
    """What heals within our attempts is a plain output, after the wait the server asked for."""
    waits = Waits()
    emu.script(Fault.error(503, family=family(kind)), Fault.error(429, family=family(kind), retry_after=1))
    with models(surface, emu, waits=waits) as ai:
        assert ai.run(Agent(ai.model(kind)), "hi").output == TEXT
    assert kit.retry_counts(emu) == ["0"] * 3
    assert waits.asked == pytest.approx([0.05, 1.1])


@every_surface
@every_kind
def test_a_stream_is_read_to_its_end(surface: Surface, kind: str, emu: Emulator) -> None:
    """A streamed run comes after a fault in the stream's place, and one that lasts is pydantic-ai's exception."""
    with models(surface, emu) as ai:

        async def streamed() -> str:
            async with Agent(ai.model(kind)).run_stream("hi") as told:
                return "".join([text async for text in told.stream_text(delta=True)])

        emu.script(Fault.error(503, family=family(kind)))
        assert ai.awaited(streamed) == TEXT
        assert len(emu.seen) == 2
        kit.unavailable(emu, family=family(kind))
        with pytest.raises(ModelHTTPError):
            ai.awaited(streamed)
    assert kit.retry_counts(emu) == ["0"] * (2 + ATTEMPTS)


@every_surface
def test_a_tool_is_called_and_its_result_sent_back(surface: Surface, emu: Emulator) -> None:
    """A tool call comes through a fault, and the turn that carries the tool's result survives one too."""

    def weather(city: str) -> str:
        return f"rain in {city}"

    emu.script(Fault.error(503), kit.chat_answer(kit.tool_call("weather", '{"city": "Oslo"}')), LOST)
    with models(surface, emu) as ai:
        assert ai.run(Agent(ai.model(), tools=[weather]), "hi").output == TEXT
    assert [len(seen.json()["messages"]) for seen in emu.seen] == [1, 1, 3, 3]
    assert emu.seen[3].json()["messages"][2]["content"] == "rain in Oslo"
    assert not kit.sdk_retried(emu)


# --- what fails


@every_surface
@every_kind
@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (401, 1), (404, 1), (500, ATTEMPTS), (503, ATTEMPTS)])
def test_an_error_is_pydantic_ais_own(surface: Surface, kind: str, status: int, attempts: int, emu: Emulator) -> None:
    """An error is a ModelHTTPError with the status and the body, and our report can be read off it."""
    fault: Any = Fault.error(status, family=family(kind))
    emu.script(*[fault] * 20)
    with models(surface, emu) as ai:
        raised = ai.error(Agent(ai.model(kind)))
    assert isinstance(raised, ModelHTTPError)
    assert raised.status_code == status
    assert raised.body == (fault.body if kind == "anthropic" else fault.body["error"])
    assert len(emu.seen) == len(report(raised).attempts) == attempts  # type: ignore[union-attr]


@every_surface
@every_kind
@kit.retried_or_not
def test_a_503_that_lasts_is_three_attempts(
    surface: Surface, kind: str, retries: dict[str, int], emu: Emulator, figures: Figures
) -> None:
    """An agent's ``retries`` are for what a model says: the wire sees our attempts alone."""
    kit.unavailable(emu, family=family(kind))
    with models(surface, emu) as ai:
        ai.error(Agent(ai.model(kind, retries=retries), retries=5))
    column = "no retries" if retries else "default retries"
    assert figures.note(column, surface, len(emu.seen)) == ATTEMPTS
    assert not kit.sdk_retried(emu)


@every_surface
@every_kind
@pytest.mark.parametrize(("retries", "counts"), [({}, "000112"), ({"max_retries": 0}, "000")])
def test_connections_that_break_are_shared_out(
    surface: Surface, kind: str, retries: dict[str, int], counts: str, emu: Emulator
) -> None:
    """The SDK under the agent retries a broken connection and says so: each time fewer attempts are left to us."""
    emu.script(*[Fault(reset="before_headers")] * 20)
    with models(surface, emu) as ai:
        raised = ai.error(Agent(ai.model(kind, retries=retries)))
    assert isinstance(raised, ModelAPIError)
    assert "".join(map(str, kit.retry_counts(emu))) == counts
    assert report(raised).outer_retries == len(set(counts)) - 1  # type: ignore[union-attr]


@every_surface
@pytest.mark.parametrize(("retries", "requests"), [({}, 2), ({"retries": 0}, 1), ({"retries": 3}, 4)])
def test_an_output_that_does_not_fit_is_asked_for_again(
    surface: Surface, retries: dict[str, int], requests: int, emu: Emulator
) -> None:
    """A wrong output is asked for again with what was wrong: another request, and another answer to pay for."""
    emu.script(*[WRONG] * 20)
    with models(surface, emu) as ai:
        raised = ai.error(Agent(ai.model(), output_type=User, **retries))
    assert isinstance(raised, UnexpectedModelBehavior)
    bodies = [seen.body for seen in emu.seen]
    assert len(bodies) == len(set(bodies)) == requests


@every_surface
def test_each_question_has_its_own_attempts(surface: Surface, emu: Emulator) -> None:
    """A question asked anew after a wrong output is another call: two turns through faults are up to six requests."""
    bad = Fault.error(503)
    emu.script(bad, bad, WRONG, bad, bad, GOOD)
    with models(surface, emu) as ai:
        assert ai.run(Agent(ai.model(), output_type=User), "hi").output == User(name="Bo", age=3)
    assert kit.retry_counts(emu) == ["0"] * 2 * ATTEMPTS


@every_surface
def test_each_model_of_a_fallback_has_its_own_attempts(surface: Surface, emu: Emulator) -> None:
    """A fallback asks each of its models in turn: two models are up to six requests."""
    kit.unavailable(emu)
    with models(surface, emu) as ai:
        ai.error(Agent(FallbackModel(ai.model(), ai.model(name="gpt-5-mini"))))
    assert [seen.json()["model"] for seen in emu.seen] == ["gpt-5"] * ATTEMPTS + ["gpt-5-mini"] * ATTEMPTS
    assert not kit.sdk_retried(emu)


# --- paid creates


@every_surface
@kit.retried_or_not
def test_a_lost_background_response_is_one_task(
    surface: Surface, retries: dict[str, int], emu: Emulator, figures: Figures
) -> None:
    """A background response without an answer reaches the gateway once, although SDK, agent and user ask again."""
    emu.script(LOST)
    with models(surface, emu) as ai:
        agent = Agent(ai.model("responses", retries=retries), retries=5)
        raised = [ai.error(agent, model_settings=BACKGROUND) for _ in range(2)]
    assert len(emu.seen) == 1
    assert figures.note("duplicates", surface, len(emu.tasks) - 1) == 0
    for error in raised:
        assert isinstance(error, ModelAPIError)
        assert report(error).intent is not None  # type: ignore[union-attr]


@every_surface
@pytest.mark.parametrize(("second", "tasks"), [("gpt-5", 1), ("gpt-5-mini", 2)])
def test_a_fallback_after_a_lost_create(surface: Surface, second: str, tasks: int, emu: Emulator) -> None:
    """A fallback to the same model is held back; one to another model is another create, and makes another task."""
    emu.script(*[LOST] * 9)
    with models(surface, emu) as ai:
        agent = Agent(FallbackModel(ai.model("responses"), ai.model("responses", name=second)))
        ai.error(agent, model_settings=BACKGROUND)
    assert len(emu.seen) == len(emu.tasks) == tasks


@every_surface
def test_a_background_response_is_polled_to_its_end_through_faults(surface: Surface, emu: Emulator) -> None:
    """pydantic-ai polls the one task it made to its end, whatever becomes of single answers on the way."""

    async def step(seconds: float) -> None:
        emu.clock.advance(6)

    emu.script(Fault.error(503), Fault.error(429, retry_after=1), match="POST")
    emu.script(LOST, Fault.error(503), match="GET")
    with models(surface, emu) as ai, Agent.using_sleep(step):
        assert ai.run(Agent(ai.model("responses")), "hi", model_settings=BACKGROUND).output == TEXT
    assert len(emu.tasks) == 1
    assert [seen.method for seen in emu.seen] == ["POST"] * 3 + ["GET"] * 4
    assert not kit.sdk_retried(emu)


# --- what is said of it


@kit.on("httpx2", backends=["asyncio"])
def test_nothing_that_is_planted_is_emitted(surface: Surface) -> None:
    """Keys, prompts and URLs given to an agent, and said back by the server, are in nothing that we emit."""

    def weather(city: str) -> str:
        return city

    with canary.under(surface) as it:
        at = {"base_url": f"{it.emu.url}/openai/v1", "http_client": it.caller.client}
        sdk = openai.AsyncOpenAI(api_key=it.key, default_headers=it.headers, default_query=it.query, **at)
        model = OpenAIChatModel("gpt-5", provider=OpenAIProvider(openai_client=sdk))
        agent = Agent(model, system_prompt=canary.SYSTEM, tools=[weather])

        async def streamed() -> list[str]:
            async with agent.run_stream(canary.PROMPT) as told:
                return [text async for text in told.stream_text(delta=True)]

        it.sings(lambda: it.caller.call(agent.run, canary.PROMPT), lambda: it.caller.call(streamed))
