"""What a review of streams found, in the openai and anthropic SDKs: nothing is paid for twice, no failure is silent.

Must not know how a stream is watched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("h11")
backoff = pytest.importorskip("backoff")
httpx2 = pytest.importorskip("httpx2", reason="httpx2 needs Python 3.11")
openai = pytest.importorskip("openai", reason="openai 3 stands on httpx2, which needs Python 3.11")
anthropic = pytest.importorskip("anthropic", reason="anthropic 2 stands on httpx2, which needs Python 3.11")

from anyint_resilience import Policy, interruption_of, report, resume_stream, safe_to_repeat  # noqa: E402
from anyint_resilience.backoff import giveup, wait  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.conformance.surfaces import Surface, Waits  # noqa: E402
from tests.real.test_resumed_sdks import HI, KEY, TEXT, WAYS, every_surface, sdk, text_of  # noqa: E402

SYNC = Surface("httpx2")
RAW = ["openai chat", "openai responses", "anthropic"]
DONE = "data: [DONE]\n\n"


def event(document: Any) -> str:
    """Return one event, named after its type."""
    name = f"event: {document['type']}\n" if "object" not in document and "type" in document else ""
    return f"{name}data: {json.dumps(document)}\n\n"


def answer(*events: Any) -> Fault:
    """Answer with these events, given as they are or as what is in them."""
    body = "".join(it if isinstance(it, str) else event(it) for it in events)
    return Fault(status=200, body=body, headers={"content-type": "text/event-stream"})


def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    made = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5", "choices": [made]}


# --- a response in the background is a paid create

RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "in_progress",
    "background": True,
    "created_at": 1,
    "model": "gpt-5",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
WHERE = {"item_id": "i", "output_index": 0, "content_index": 0}
CREATED = {"type": "response.created", "sequence_number": 0, "response": RESPONSE}
DELTA = {"type": "response.output_text.delta", "sequence_number": 1, **WHERE, "delta": "Hello", "logprobs": []}
OVERLOADED = {"type": "server_error", "code": "server_is_overloaded", "message": "overloaded"}
SERVER = {"type": "server_error", "code": "server_error", "message": "fell over"}
ERROR = {"type": "error", "sequence_number": 2, "error": OVERLOADED}
FAILED = {
    "type": "response.failed",
    "sequence_number": 2,
    "response": {**RESPONSE, "status": "failed", "error": {"code": "server_error", "message": "x"}},
}
ENDINGS = {
    "an error event": answer(CREATED, DELTA, ERROR),
    "an error event first": answer(CREATED, {**ERROR, "error": SERVER}),
    "an overload first": answer(CREATED, ERROR),
    "a failed response": answer(CREATED, DELTA, FAILED),
    "a cut": answer(CREATED, DELTA),
    "a cut before its content": answer(CREATED),
}
every_ending = pytest.mark.parametrize("ending", ENDINGS)


def ask(client: Any, *, background: bool) -> Any:
    more = {"background": True} if background else {}
    return client.responses.create(model="gpt-5", input="hi", stream=True, **more)


@every_ending
def test_a_paid_stream_is_not_asked_for_anew_by_a_decorator(ending: str, emu: Emulator) -> None:
    """``giveup`` says so, whatever the SDK raises; nothing says that it would be safe."""
    emu.script(*[ENDINGS[ending]] * 9)
    waits = Waits()
    with sdk(SYNC, emu, "openai responses") as (_, client):

        @backoff.on_exception(
            wait, Exception, giveup=giveup, max_tries=3, jitter=None, runtime=waits.runtime(random=lambda: 0.0)
        )
        def read() -> None:
            for _ in ask(client, background=True):
                pass

        with pytest.raises(Exception) as caught:  # the SDK's, or ours
            read()
    assert len(emu.seen) == 1
    assert not safe_to_repeat(caught.value)
    found = interruption_of(caught.value)
    assert found is not None
    assert found.safe_to_repeat is False


@every_ending
@pytest.mark.parametrize("thread", [False, True], ids=["here", "in a thread"])
def test_a_paid_stream_is_not_resumed(ending: str, thread: bool, emu: Emulator) -> None:
    """Also where the SDK's iterator runs elsewhere, so that what was raised there is all that is known."""
    emu.script(*[ENDINGS[ending]] * 9)
    with sdk(SYNC, emu, "openai responses") as (caller, client), ThreadPoolExecutor(1) as pool:
        resumed = resume_stream(lambda: source(client, pool if thread else None, True), anyint=caller.setup.anyint)
        with pytest.raises(Exception), resumed as items:  # noqa: B017
            list(items)
    assert len(emu.seen) == 1


@pytest.mark.parametrize("thread", [False, True], ids=["here", "in a thread"])
@pytest.mark.parametrize("ending", ["an error event", "a failed response", "a cut"])
def test_one_in_the_foreground_is(ending: str, thread: bool, emu: Emulator) -> None:
    """It is a generation, which keeps no state."""
    emu.script(ENDINGS[ending])
    with sdk(SYNC, emu, "openai responses") as (caller, client), ThreadPoolExecutor(1) as pool:
        resumed = resume_stream(lambda: source(client, pool if thread else None, False), anyint=caller.setup.anyint)
        with resumed as items:
            said = "".join(map(text_of, items))
    assert (said, len(emu.seen)) == ("Hello" + TEXT, 2)


def source(client: Any, pool: ThreadPoolExecutor | None, background: bool) -> Iterator[Any]:
    """Read a stream, each of its events in another thread if there is a pool."""
    stream = ask(client, background=background)
    events, over = iter(stream), object()
    while (item := next(events, over) if pool is None else pool.submit(next, events, over).result()) is not over:
        yield item


# --- what is known of an SDK's own exception for an error event

MIDDLE = Fault(cut_stream_after=6, error_event=True)
EVENTS = {"openai chat": MIDDLE, "openai responses": ENDINGS["an error event"], "anthropic": MIDDLE}
"""After some content; in a form of which the SDK makes an exception of its own."""


def raised(caller: Any, client: Any, way: str) -> tuple[Exception, str]:
    """Read a stream that is not whole: what the SDK raises, and the text it gave."""
    said: list[str] = []

    def read() -> None:
        said.extend(map(text_of, WAYS[way][1](client)))

    async def aread() -> None:
        async for item in await WAYS[way][1](client):
            said.append(text_of(item))

    with pytest.raises(Exception) as caught:
        caller.call(aread if caller.surface.is_async else read)
    return caught.value, "".join(said)


@every_surface
@pytest.mark.parametrize("way", RAW)
def test_what_an_sdk_made_of_an_error_event_leads_to_the_interruption(
    surface: Surface, way: str, emu: Emulator
) -> None:
    """Its reason, its text, how much came, and the report; though the SDK has raised an exception of its own."""
    emu.script(EVENTS[way])
    with sdk(surface, emu, way) as (caller, client):
        error, _ = raised(caller, client, way)
    assert type(error).__module__.startswith(WAYS[way][0])
    assert type(error) in (openai.APIError, anthropic.APIStatusError)
    assert error.__cause__ is None, "of its own"
    found = interruption_of(error)
    assert found is not None
    assert (found.why, found.events > 0, found.bytes > 0) == ("failed", True, True)
    assert found.text
    assert TEXT.startswith(found.text)
    assert safe_to_repeat(error)
    assert report(error) is found.anyint_report


@pytest.mark.parametrize(
    ("policy", "safe"),
    [(Policy(), True), (Policy.strict(), False), (Policy(repeat_generation=False), False)],
    ids=["default", "strict", "no generation"],
)
@pytest.mark.parametrize("way", RAW)
def test_an_sdk_and_a_bare_client_say_the_same(way: str, policy: Policy, safe: bool, emu: Emulator) -> None:
    """Whether it is safe to repeat is a matter of the policy, not of who raised."""
    emu.script(*[EVENTS[way]] * 2)
    with sdk(SYNC, emu, way, policy=policy) as (caller, client):
        error, _ = raised(caller, client, way)
        sent = emu.seen[0]
        headers = {"authorization": f"Bearer {KEY}", "x-api-key": KEY, "anthropic-version": "2023-06-01"}
        _, _, bare = caller.stream("POST", emu.url + sent.path, json=json.loads(sent.body), headers=headers)
    assert (safe_to_repeat(error), safe_to_repeat(bare)) == (safe, safe)
    found, plain = interruption_of(error), interruption_of(bare)
    assert found is not None
    assert plain is bare
    assert (found.why, found.text, found.certainty) == (plain.why, plain.text, plain.certainty)
    assert len(emu.seen) == 2


@pytest.mark.parametrize("way", RAW)
def test_an_sdk_without_us_is_not_safe(way: str, emu: Emulator) -> None:
    """Nothing is known of its streams, and nothing is guessed."""
    emu.script(EVENTS[way])
    sort, base = (anthropic.Anthropic, "/anthropic") if way == "anthropic" else (openai.OpenAI, "/openai/v1")
    with sort(api_key=KEY, base_url=emu.url + base, http_client=httpx2.Client(), max_retries=0) as client:
        with pytest.raises((openai.APIError, anthropic.APIStatusError)) as caught:
            for _ in WAYS[way][1](client):
                pass
    assert (safe_to_repeat(caught.value), giveup(caught.value)) == (False, True)
    assert (interruption_of(caught.value), report(caught.value)) == (None, None)


@pytest.mark.parametrize("fault", [MIDDLE, Fault(cut_stream_after=6, drop_terminator=True)], ids=["failed", "cut"])
def test_an_error_of_the_applications_handler_is_its_own(fault: Fault, emu: Emulator) -> None:
    """A ``KeyError`` raised while an SDK's error was handled is a bug of the application, not the stream's end."""
    emu.script(*[fault] * 9)
    with sdk(SYNC, emu, "openai chat") as (caller, client):

        def mine() -> Iterator[Any]:
            try:
                yield from WAYS["openai chat"][1](client)
            except openai.APIError:
                raise KeyError("a bug in the handler")  # noqa: B904

        with pytest.raises(KeyError) as caught, resume_stream(mine, anyint=caller.setup.anyint) as items:
            list(items)
    assert len(emu.seen) == 1
    assert isinstance(caught.value.__context__, openai.APIError)
    assert interruption_of(caught.value) is None
    assert not safe_to_repeat(caught.value)


# --- what ends as a good chat does, and is none

ROLE, SAYS = chunk({"role": "assistant", "content": ""}), chunk({"content": "Hello"})
FLAT = {"object": "error", "message": "engine died", "type": "InternalServerError", "param": None, "code": 500}
REASONS = ["error", "abort", "network_error", "insufficient_system_resource"]
CHATS: dict[str, tuple[Fault, str, str, int]] = {
    # what is sent, why it is an interruption, the text before it, requests
    **{it: (answer(ROLE, SAYS, chunk({}, it), DONE), "failed", "Hello", 1) for it in REASONS},
    **{f"{it}, no end": (answer(ROLE, SAYS, chunk({}, it)), "failed", "Hello", 1) for it in REASONS},
    **{f"{it}, no text": (answer(ROLE, chunk({}, it), DONE), "failed", "", 2) for it in REASONS[:1]},
    "an end alone": (answer(DONE), "cut", "", 3),
    "a role and an end": (answer(ROLE, DONE), "cut", "", 3),
    "a flat error and an end": (answer(FLAT, DONE), "failed", "", 3),
    "a flat error after a text": (answer(ROLE, SAYS, FLAT, DONE), "failed", "Hello", 1),
    "no reason yet": (answer(ROLE, SAYS, chunk({}, "null")), "cut", "Hello", 1),
}


@every_surface
@pytest.mark.parametrize("name", CHATS)
def test_no_chat_ends_in_silence(surface: Surface, name: str, emu: Emulator) -> None:
    """The SDK alone takes each for a good end; through us it is an exception, and what has no content is repeated."""
    fault, why, text, requests = CHATS[name]
    emu.script(*[fault] * 9)
    with sdk(surface, emu, "openai chat") as (caller, client):
        error, said = raised(caller, client, "openai chat")
    found = interruption_of(error)
    assert found is not None
    assert (found.why, found.text, said) == (why, text, text)
    assert len(emu.seen) == requests
    assert report(error) is not None
    assert safe_to_repeat(error)


@every_surface
@pytest.mark.parametrize("name", [it for it, row in CHATS.items() if row[3] > 1])
def test_what_has_no_content_is_repeated_unseen(surface: Surface, name: str, emu: Emulator) -> None:
    """Nobody has shown anything of it."""
    emu.script(CHATS[name][0])
    said: list[str] = []
    with sdk(surface, emu, "openai chat") as (caller, client):

        def read() -> None:
            said.extend(map(text_of, client.chat.completions.create(model="gpt-5", messages=HI, stream=True)))

        async def aread() -> None:
            async for item in await client.chat.completions.create(model="gpt-5", messages=HI, stream=True):
                said.append(text_of(item))

        caller.call(aread if surface.is_async else read)
    assert ("".join(said), len(emu.seen)) == (TEXT, 2)
