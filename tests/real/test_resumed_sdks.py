"""``resume_stream`` over the openai and anthropic SDKs: raw streams and helpers, sync and async.

Must not know how the SDKs read a stream: only what they are called by, and what they raise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("h11")
openai = pytest.importorskip("openai", reason="openai 3 stands on httpx2, which needs Python 3.11")
anthropic = pytest.importorskip("anthropic", reason="anthropic 2 stands on httpx2, which needs Python 3.11")

from anyint_resilience import Guards, Policy, Resilience, Restarted, report, resume_stream  # noqa: E402
from anyint_resilience.backoff import safe_to_repeat  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from anyint_resilience.repeating import interruption_of  # noqa: E402
from tests.alone import ALONE  # noqa: E402
from tests.conformance.surfaces import Caller, Surface, Waits, calling  # noqa: E402

KEY = "test-key"
TEXT = "Hello from the AnyInt emulator."
HI: list[Any] = [{"role": "user", "content": "hi"}]
SURFACES = [Surface("httpx2"), Surface("httpx2", "asyncio")]
"""On trio the SDKs leave generators of their own to its collector, which warns of them, with us or without."""
every_surface = pytest.mark.parametrize("surface", SURFACES, ids=str)

Makes = Callable[[Any], Any]
WAYS: dict[str, tuple[str, Makes]] = {
    "openai chat": ("openai", lambda it: it.chat.completions.create(model="gpt-5", messages=HI, stream=True)),
    "openai chat helper": ("openai", lambda it: it.chat.completions.stream(model="gpt-5", messages=HI)),
    "openai responses": ("openai", lambda it: it.responses.create(model="gpt-5", input="hi", stream=True)),
    "openai responses helper": ("openai", lambda it: it.responses.stream(model="gpt-5", input="hi")),
    "anthropic": (
        "anthropic",
        lambda it: it.messages.create(model="claude", max_tokens=9, messages=HI, stream=True),
    ),
    "anthropic helper": ("anthropic", lambda it: it.messages.stream(model="claude", max_tokens=9, messages=HI)),
}
every_way = pytest.mark.parametrize("way", WAYS)


@contextmanager
def sdk(surface: Surface, emu: Emulator, way: str, **more: Any) -> Iterator[tuple[Caller, Any]]:
    """Open an SDK's client, without retries of its own, on a client of ours; its connections come back in the end."""
    settings = {"api_key": KEY, "base_url": emu.url, "runtime": Waits().runtime(), "guards": ALONE, **more}
    name = {"openai": "OpenAI", "anthropic": "Anthropic"}[WAYS[way][0]]
    kind = getattr(openai if name == "OpenAI" else anthropic, name if surface.backend is None else f"Async{name}")
    base = emu.url + ("/openai/v1" if name == "OpenAI" else "/anthropic")
    with calling(surface, Resilience(**settings), wrap=True) as caller:
        yield caller, kind(api_key=KEY, base_url=base, http_client=caller.client, max_retries=0)
        assert caller.in_use() == 0


class Seen:
    """The text of each run, what was told between them, and what was raised."""

    def __init__(self) -> None:
        self.texts: list[str] = [""]
        self.told: list[Restarted] = []
        self.error: Exception | None = None

    def take(self, item: Any) -> bool:
        """Take what is given; whether it had a text."""
        if isinstance(item, Restarted):
            self.told.append(item)
            self.texts.append("")
            return False
        more = text_of(item)
        self.texts[-1] += more
        return bool(more)


def text_of(item: Any) -> str:
    """Return the text of a chunk or an event."""
    if getattr(item, "choices", None):
        return item.choices[0].delta.content or ""
    kind, delta = getattr(item, "type", None), getattr(item, "delta", None)
    if kind in ("content.delta", "response.output_text.delta"):
        return str(delta)
    return str(delta.text) if kind == "content_block_delta" else ""


def play(caller: Caller, client: Any, way: str, *, leave: bool = False, **more: Any) -> Seen:
    """Read a resumed stream as an application does; ``leave`` it at its first text."""
    seen, made = Seen(), WAYS[way][1]
    resumed = resume_stream(lambda: made(client), anyint=more.pop("anyint", caller.setup.anyint), **more)

    def read() -> None:
        with resumed as items:
            for item in items:
                if seen.take(item) and leave:
                    break

    async def aread() -> None:
        async with resumed as items:
            async for item in items:
                if seen.take(item) and leave:
                    break

    try:
        caller.call(aread if caller.surface.is_async else read)
    except Exception as error:
        seen.error = error
    return seen


ENDS = {
    "broken": Fault(cut_stream_after=6),
    "cut": Fault(cut_stream_after=6, drop_terminator=True),
    "failed": Fault(cut_stream_after=6, error_event=True),
}


@every_surface
@every_way
@pytest.mark.parametrize("why", ENDS)
def test_a_stream_that_ends_too_early_is_asked_for_anew(surface: Surface, emu: Emulator, way: str, why: str) -> None:
    """Whatever the SDK makes of it: told, and then the whole text, once."""
    emu.script(ENDS[why])
    with sdk(surface, emu, way) as (caller, client):
        seen = play(caller, client, way)
    assert seen.error is None
    assert [(it.number, it.why, it.items > 0) for it in seen.told] == [(2, why, True)]
    assert TEXT.startswith(seen.texts[0])
    assert seen.texts[1:] == [TEXT]
    assert len(emu.seen) == 2


@every_surface
@every_way
@pytest.mark.parametrize("why", ENDS)
def test_no_more_requests_than_attempts(surface: Surface, emu: Emulator, way: str, why: str) -> None:
    """Then what the SDK raises without us, with the report; and who decorates with ``backoff`` may ask anew."""
    emu.script(*[ENDS[why]] * 9)
    with sdk(surface, emu, way) as (caller, client):
        seen = play(caller, client, way, policy=Policy(attempts=2))
        told = seen.told
        assert (len(emu.seen), len(told)) == (2, 1)
        assert seen.error is not None
        assert type(seen.error) is type(told[0].error)
        assert seen.error is not told[0].error
        assert safe_to_repeat(seen.error)
        if why != "failed":
            assert interruption_of(seen.error) is not None
            assert report(seen.error) is not None


@every_surface
@every_way
def test_a_spent_budget_refuses_the_second_restart(surface: Surface, emu: Emulator, way: str) -> None:
    """The token is that of the stream, also where the SDK raised its own for the stream's own word."""
    guards = Guards(budget_reserve=1, budget_ratio=0, failures=1000)
    emu.script(*[ENDS["failed"]] * 9)
    with sdk(surface, emu, way, guards=guards) as (caller, client):
        seen = play(caller, client, way, policy=Policy(attempts=9))
    assert (len(emu.seen), len(seen.told)) == (2, 1)
    assert seen.error is not None


@every_surface
@every_way
def test_a_policy_that_repeats_no_generation(surface: Surface, emu: Emulator, way: str) -> None:
    """The SDK's exception, after one request."""
    for why in ENDS:
        emu.reset()
        emu.script(ENDS[why])
        with sdk(surface, emu, way, policy=Policy.strict()) as (caller, client):
            seen = play(caller, client, way)
        assert seen.error is not None
        assert (seen.told, len(emu.seen)) == ([], 1), why


@every_surface
@every_way
def test_a_refusal_mid_stream_is_raised_as_the_sdk_raised_it(surface: Surface, emu: Emulator, way: str) -> None:
    """Content that is refused once is refused again."""
    with sdk(surface, emu, way) as (caller, client):
        play(caller, client, way)
        emu.reset()
        emu.script(refusal(way))
        seen = play(caller, client, way)
    assert seen.error is not None
    assert (seen.told, len(emu.seen)) == ([], 1)
    assert not safe_to_repeat(seen.error)


def refusal(way: str) -> Fault:
    """Begin an answer, then refuse to go on."""
    said = {"type": "invalid_request_error", "code": "content_policy_violation", "message": "no"}
    if way.startswith("openai chat"):
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
        delta = {"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}
        events: list[Any] = [{**head, "choices": [delta]}, {"error": said}]
    elif way.startswith("openai"):
        answer = {"id": "r", "object": "response", "created_at": 1, "model": "gpt-5", "status": "in_progress"}
        part = {"type": "output_text", "text": "", "annotations": []}
        item = {"id": "m", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        where = {"item_id": "m", "output_index": 0, "content_index": 0, "sequence_number": 2}
        events = [
            {"type": "response.created", "sequence_number": 0, "response": {**answer, "output": []}},
            {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item},
            {"type": "response.content_part.added", **where, "part": part},
            {"type": "response.output_text.delta", **where, "delta": "Hello", "logprobs": []},
            {"type": "error", "error": said},
        ]
    else:
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": usage}
        more = {"stop_reason": None, "stop_sequence": None}
        events = [
            {"type": "message_start", "message": {**message, **more}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
            {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}},
        ]
    body = "".join((f"event: {it['type']}\n" if "type" in it else "") + f"data: {json.dumps(it)}\n\n" for it in events)
    return Fault(status=200, body=body, headers={"content-type": "text/event-stream"})


@every_surface
@every_way
@pytest.mark.parametrize("fault", [Fault.error(503), Fault(error_event=True)], ids=["503", "an error event first"])
def test_what_failed_before_its_content_is_not_asked_for_once_more(
    surface: Surface, emu: Emulator, way: str, fault: Fault
) -> None:
    """The transport has made all the attempts there are."""
    emu.script(*[fault] * 40)
    with sdk(surface, emu, way) as (caller, client):
        seen = play(caller, client, way)
    assert seen.error is not None
    assert (seen.told, len(emu.seen)) == ([], Policy().attempts)


@every_surface
@every_way
def test_left_in_the_middle_it_gives_its_permit_back(surface: Surface, emu: Emulator, way: str) -> None:
    """One permit serves one stream after the other; ``sdk`` looks at the connections."""
    guards = Guards(max_concurrency=1, budget_reserve=1000.0, failures=1000)
    with sdk(surface, emu, way, guards=guards, policy=Policy(hold=0)) as (caller, client):
        for _ in range(3):
            seen = play(caller, client, way, leave=True)
            assert seen.error is None
            assert seen.texts[0]
            assert caller.in_use() == 0


def test_an_answer_that_an_sdk_does_not_understand_is_not_asked_for_anew(emu: Emulator) -> None:
    """A paid create was made: that its answer is not what the SDK expects changes nothing."""
    surface = Surface("httpx2")
    anyint = Resilience(api_key=KEY, base_url=emu.url, runtime=Waits().runtime(), guards=ALONE)
    emu.script(Fault(status=200, body={"id": 7, "status": "queued"}))
    with calling(surface, anyint, wrap=True) as caller:
        strict = openai.OpenAI(
            api_key=KEY, base_url=f"{emu.url}/openai/v1", http_client=caller.client, _strict_response_validation=True
        )
        with pytest.raises(openai.APIResponseValidationError) as caught:
            strict.post("/videos", cast_to=openai.types.Video, body={"model": "sora-2", "prompt": "a fox"})
    assert not safe_to_repeat(caught.value)
