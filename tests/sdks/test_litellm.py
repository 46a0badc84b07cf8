"""litellm, which takes our clients in three ways: as a session, as an SDK's client, and inside a handler of its own.

Must not know its inside but for two things: how long the openai SDK and a router wait before a retry, both set to
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or it fetches a list of prices while it is imported
litellm = pytest.importorskip("litellm", reason="litellm is not installed")
httpx = pytest.importorskip("httpx")
openai = pytest.importorskip("openai")
pytest.importorskip("tenacity", reason="litellm's num_retries needs it")

from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, HTTPHandler  # noqa: E402
from litellm.router_python_host import PythonHost  # noqa: E402

from anyint_resilience import OutcomeUnknown, report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.sdks import canary, kit  # noqa: E402
from tests.sdks.kit import ATTEMPTS, HI, KEY, LOST, TEXT, Caller, Figures, Surface, Waits  # noqa: E402

# litellm's: the types it hands to pydantic.
pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict class:UserWarning")
figures = kit.figures

PACKAGE = "litellm"
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
SYNC, ASYNC, AIOHTTP = Surface("httpx"), Surface("httpx", "asyncio"), Surface("aiohttp", "asyncio")

every_surface = pytest.mark.parametrize("surface", [SYNC, ASYNC, AIOHTTP], ids=str)
every_family = pytest.mark.parametrize("family", ["openai", "anthropic"])


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away the waits and what litellm keeps between calls."""
    kit.without_waits(monkeypatch, openai)
    monkeypatch.setattr(litellm, "suppress_debug_info", True)
    yield
    litellm.in_memory_llm_clients_cache.flush_cache()


class Lite:
    """litellm's functions, called and awaited alike, on one of our clients."""

    def __init__(self, emu: Emulator, caller: Caller, session: dict[str, Any], handler: Any) -> None:
        self.emu = emu
        self.caller = caller
        self.session = session
        self.handler = handler

    def call(self, name: str, model: str, *, at: Any = litellm, **arguments: Any) -> Any:
        """Call ``litellm.<name>`` or its async twin."""
        function = getattr(at, name if self.caller.surface.backend is None else f"a{name}")
        base = f"{self.emu.url}/{'anthropic' if model.startswith('anthropic/') else 'openai/v1'}"
        return self.caller.call(function, model=model, api_base=base, api_key=KEY, **arguments)

    def chat(self, family: str = "openai", **more: Any) -> Any:
        """Ask a model: openai's over the session, anthropic's over the handler."""
        if family == "anthropic":
            asked = {"messages": HI, "client": self.handler, **more}
            return self.call("completion", "anthropic/claude-test", **asked)
        return self.call("completion", "openai/gpt-5", **{"messages": HI, **self.session, **more})

    def create(self, what: str, **more: Any) -> Any:
        """Create something that is paid for, over the handler."""
        if what == "video":
            return self.call("video_generation", "openai/sora-2", **{"prompt": "a cat", "client": self.handler, **more})
        asked = {"input": "hi", "background": True, "client": self.handler, **more}
        return self.call("responses", "openai/gpt-5", **asked)

    def streamed(self, family: str = "openai") -> str:
        """Ask for a stream and read it."""
        chunks = kit.listed(self.caller, self.chat(family, stream=True))
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@contextmanager
def lite(surface: Surface, emu: Emulator, *, waits: Waits | None = None) -> Iterator[Lite]:
    with kit.layered(surface, emu, waits=waits) as caller, pytest.MonkeyPatch.context() as patch:
        session: dict[str, Any] = {}
        if surface is AIOHTTP:
            session = {"shared_session": caller.client}
        else:
            patch.setattr(litellm, "client_session" if surface is SYNC else "aclient_session", caller.client)
        handler: Any = None
        if surface is SYNC:
            handler = HTTPHandler(client=caller.client)
        elif surface is ASYNC:
            config = kit.resilience(emu, waits=waits)
            handler = AsyncHTTPHandler(transport=surface.adapter.AsyncResilientTransport(config))
        else:
            handler = AsyncHTTPHandler(shared_session=caller.client)
        try:
            yield Lite(emu, caller, session, handler)
        finally:
            if surface is ASYNC:
                caller.call(handler.close)
            if surface is not SYNC:
                caller.call(litellm.close_litellm_async_clients)  # its own, where a call went past us


def behind(error: BaseException, kind: type) -> bool:
    """Tell whether an exception of this kind stands somewhere behind an error."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, kind):
        found = found.__cause__ or found.__context__
    return found is not None


# --- what goes well


@every_surface
@every_family
def test_a_chat_is_one_request(surface: Surface, family: str, emu: Emulator) -> None:
    """A question is one request, plain and streamed."""
    with lite(surface, emu) as ai:
        assert ai.chat(family).choices[0].message.content == TEXT
        assert ai.streamed(family) == TEXT
    assert len(emu.seen) == 2


@every_surface
@every_family
def test_a_fault_that_passes_is_not_seen(surface: Surface, family: str, emu: Emulator) -> None:
    """What heals within our attempts is a plain answer, after the wait the server asked for."""
    waits = Waits()
    emu.script(Fault.error(503, family=family), Fault.error(429, family=family, retry_after=1))
    with lite(surface, emu, waits=waits) as ai:
        assert ai.chat(family).choices[0].message.content == TEXT
        emu.script(Fault.error(503, family=family))
        assert ai.streamed(family) == TEXT
    assert len(emu.seen) == 5
    assert waits.asked == pytest.approx([0.05, 1.1, 0.05])


@every_surface
def test_a_tool_is_called_and_its_result_sent_back(surface: Surface, emu: Emulator) -> None:
    """A tool call comes through a fault, and the turn that carries the tool's result survives one too."""
    emu.script(Fault.error(503), kit.chat_answer(kit.tool_call("weather", '{"city": "Oslo"}')), LOST)
    with lite(surface, emu) as ai:
        message = ai.chat(tools=TOOLS).choices[0].message
        told = [*HI, message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}]
        answer = ai.chat(messages=told, tools=TOOLS)
    assert message.tool_calls[0].function.arguments == '{"city": "Oslo"}'
    assert answer.choices[0].message.content == TEXT
    assert [len(seen.json()["messages"]) for seen in emu.seen] == [1, 1, 3, 3]
    assert emu.seen[3].json()["messages"][2]["content"] == "rain"
    assert not kit.sdk_retried(emu)


# --- what fails

ERRORS = pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [
        (400, "BadRequestError", 1),
        (401, "AuthenticationError", 1),
        (404, "NotFoundError", 1),
        (429, "RateLimitError", ATTEMPTS),
        (503, "ServiceUnavailableError", ATTEMPTS),
    ],
)


@every_surface
@ERRORS
def test_an_error_is_litellms_own(surface: Surface, status: int, kind: str, attempts: int, emu: Emulator) -> None:
    """Each status is the exception class litellm's users catch, and tells what the body said."""
    fault: Any = Fault.error(status)
    emu.script(*[fault] * 20)
    with lite(surface, emu) as ai, pytest.raises(openai.APIStatusError) as caught:
        ai.chat()
    assert type(caught.value) is getattr(litellm.exceptions, kind)
    assert caught.value.status_code == status
    assert fault.body["error"]["message"] in str(caught.value)
    assert len(emu.seen) == attempts


@pytest.mark.parametrize("surface", [SYNC, ASYNC], ids=str)  # over aiohttp litellm builds its answers anew
def test_our_report_can_be_read_off_an_error(surface: Surface, emu: Emulator) -> None:
    """What happened is found behind litellm's exception, which has no cause but a context."""
    kit.unavailable(emu)
    with lite(surface, emu) as ai, pytest.raises(openai.APIStatusError) as caught:
        ai.chat()
    assert len(report(caught.value).attempts) == ATTEMPTS  # type: ignore[union-attr]


@every_surface
@every_family
@pytest.mark.parametrize("retries", [{}, {"max_retries": 0}, {"max_retries": 5}], ids=str)
def test_a_503_that_lasts_is_three_attempts(
    surface: Surface, family: str, retries: dict[str, int], emu: Emulator, figures: Figures
) -> None:
    """Whatever ``max_retries`` says, the wire sees our attempts alone."""
    kit.unavailable(emu, family=family)
    with lite(surface, emu) as ai, pytest.raises(openai.APIStatusError):
        ai.chat(family, **retries)
    column = "no retries" if retries.get("max_retries") == 0 else "default retries"
    assert figures.note(column, surface, len(emu.seen)) == ATTEMPTS
    assert not kit.sdk_retried(emu)


@every_surface
@every_family
@pytest.mark.parametrize(("status", "attempts"), [(503, ATTEMPTS), (400, 1)])
@pytest.mark.parametrize("turns", [1, 2])
def test_num_retries_multiplies(
    surface: Surface,
    family: str,
    status: int,
    attempts: int,
    turns: int,
    emu: Emulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """``num_retries`` is a loop that says nothing, for any error: each turn gets our attempts anew, and we name it."""
    kit.unavailable(emu, family=family, status=status)
    with lite(surface, emu) as ai, pytest.raises(openai.APIStatusError):
        ai.chat(family, num_retries=turns)
    assert len(emu.seen) == (1 + turns) * attempts
    assert kit.named(caplog)
    assert set(kit.retry_counts(emu)) == {"0" if family == "openai" else None}


@pytest.mark.parametrize("surface", [SYNC, ASYNC], ids=str)
@pytest.mark.parametrize(("options", "requests"), [({}, 3 * ATTEMPTS), ({"num_retries": 0}, ATTEMPTS)])
def test_a_router_multiplies(
    surface: Surface,
    options: dict[str, int],
    requests: int,
    emu: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A router retries twice unless it is told not to: each of its turns gets our attempts anew, and we name it."""

    async def no_time(*args: Any) -> None:
        """Take the place of a wait."""

    monkeypatch.setattr(PythonHost, "sleep", no_time)
    monkeypatch.setattr(PythonHost, "sleep_sync", lambda *args: None)
    kit.unavailable(emu)
    params = {"model": "openai/gpt-5", "api_base": f"{emu.url}/openai/v1", "api_key": KEY}
    router = litellm.Router(model_list=[{"model_name": "any", "litellm_params": params}], **options)
    with lite(surface, emu) as ai, pytest.raises(openai.APIStatusError):
        ai.caller.call(router.completion if surface is SYNC else router.acompletion, model="any", messages=HI)
    assert len(emu.seen) == requests
    assert kit.named(caplog) is (requests > ATTEMPTS)


@every_surface
@pytest.mark.parametrize(("retries", "counts"), [({}, "000112"), ({"max_retries": 0}, "000")], ids=str)
def test_connections_that_break_are_shared_out(
    surface: Surface, retries: dict[str, int], counts: str, emu: Emulator
) -> None:
    """The openai SDK under litellm retries a broken connection and says so: fewer attempts are left to us."""
    emu.script(*[Fault(reset="before_headers")] * 20)
    with lite(surface, emu) as ai, pytest.raises(openai.APIError):
        ai.chat(**retries)
    assert "".join(map(str, kit.retry_counts(emu))) == counts


# --- paid creates


@every_surface
@pytest.mark.parametrize("retries", [{}, {"max_retries": 0}, {"num_retries": 3}], ids=str)
@pytest.mark.parametrize("create", ["video", "background response"])
def test_a_lost_create_is_one_task(
    surface: Surface, retries: dict[str, int], create: str, emu: Emulator, figures: Figures
) -> None:
    """A paid create without an answer reaches the gateway once, whatever litellm's retries say."""
    emu.script(*[LOST] * 9)
    with lite(surface, emu) as ai, pytest.raises(openai.APIError) as caught:
        ai.create(create, **retries)
    assert behind(caught.value, OutcomeUnknown)
    assert len(emu.seen) == 1
    assert figures.note("duplicates", surface, len(emu.tasks) - 1) == 0


@every_surface
@pytest.mark.parametrize("create", ["video", "background response"])
def test_a_lost_create_that_the_user_asks_for_again(surface: Surface, create: str, emu: Emulator) -> None:
    """It is held back, unless its body could be read only once: litellm hands forms to aiohttp as bare streams."""
    emu.script(*[LOST] * 9)
    with lite(surface, emu) as ai:
        for _ in range(2):
            with pytest.raises(openai.APIError):
                ai.create(create)
    assert len(emu.seen) == len(emu.tasks) == (2 if surface is AIOHTTP and create == "video" else 1)


@every_surface
@pytest.mark.parametrize("create", ["video", "background response"])
def test_a_refused_create(surface: Surface, create: str, emu: Emulator) -> None:
    """What was surely not begun is asked for again, by us, and made once, if its body can be read again."""
    emu.script(Fault.error(503), Fault.error(429, retry_after=1))
    with lite(surface, emu) as ai:
        if surface is AIOHTTP and create == "video":
            with pytest.raises(litellm.exceptions.ServiceUnavailableError):
                ai.create(create)
        else:
            assert ai.create(create).status == "queued"
            assert (len(emu.seen), len(emu.tasks)) == (3, 1)
    assert len(emu.tasks) == len(emu.seen) // 3


# --- how it takes a client


@pytest.mark.parametrize("surface", [SYNC, ASYNC, Surface("httpx2"), Surface("httpx2", "asyncio")], ids=str)
def test_it_takes_an_openai_client(surface: Surface, emu: Emulator) -> None:
    """An openai client on ours may be handed over with a call."""
    emu.script(Fault.error(503), Fault.error(503))
    with kit.layered(surface, emu) as caller:
        kind = openai.OpenAI if surface.backend is None else openai.AsyncOpenAI
        client = kind(api_key=KEY, base_url=f"{emu.url}/openai/v1", http_client=caller.client)
        assert Lite(emu, caller, {}, None).chat(client=client).choices[0].message.content == TEXT
    assert kit.retry_counts(emu) == ["0"] * 3


@every_surface
def test_a_session_does_not_carry_videos(surface: Surface, emu: Emulator) -> None:
    """A session carries what litellm asks openai's SDK for; a video without a handler goes past us."""
    emu.script(Fault.error(503))
    with lite(surface, emu) as ai:
        with pytest.raises(openai.APIStatusError):
            ai.create("video", client=None, **ai.session)
    assert len(emu.seen) == 1


@pytest.mark.parametrize("given", ["transport", "client"])
def test_a_connection_that_could_not_be_made_is_tried_once_more(given: str, emu: Emulator) -> None:
    """litellm's async handler then makes a new client: on our transport if it was given that, else past us."""

    def unreachable(request: Any) -> Any:
        tried.append(request)
        raise httpx.ConnectError("no route")

    tried: list[Any] = []
    ours = ASYNC.adapter.AsyncResilientTransport(kit.resilience(emu), transport=httpx.MockTransport(unreachable))
    with lite(ASYNC, emu) as ai:
        if given == "transport":
            with pytest.raises(openai.APIError):
                ai.chat("anthropic", client=AsyncHTTPHandler(transport=ours))
        else:
            handler = AsyncHTTPHandler()
            ai.caller.call(handler.client.aclose)
            handler.client = httpx.AsyncClient(transport=ours)
            ai.chat("anthropic", client=handler)
            ai.caller.call(handler.client.aclose)
    assert (len(tried), len(emu.seen)) == ((2 * ATTEMPTS, 0) if given == "transport" else (ATTEMPTS, 1))


# --- what is said of it


@every_surface
def test_nothing_that_is_planted_is_emitted(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, prompts and URLs given to litellm, and said back by the server, are in nothing that we emit."""
    system, user = {"role": "system", "content": canary.SYSTEM}, {"role": "user", "content": canary.PROMPT}
    with canary.under(surface) as it:
        session: dict[str, Any] = {"shared_session": it.caller.client} if surface is AIOHTTP else {}
        if surface is not AIOHTTP:
            monkeypatch.setattr(litellm, "client_session" if surface is SYNC else "aclient_session", it.caller.client)
        at = {"model": "openai/gpt-5", "api_base": f"{it.emu.url}/openai/v1", "api_key": it.key}
        asked = {**at, "messages": [system, user], "extra_headers": it.headers, "max_retries": 0, **session}
        function = litellm.completion if surface is SYNC else litellm.acompletion
        it.sings(
            lambda: it.caller.call(function, **asked),
            lambda: it.listed(it.caller.call(function, **asked, stream=True)),
        )
        if surface is not SYNC:
            it.caller.call(litellm.close_litellm_async_clients)
