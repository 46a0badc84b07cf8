"""instructor, which asks the openai SDK again until an answer fits a model.

Must not know the inside of either but for one thing: how long the openai SDK waits before a retry of its own, which is
set to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

instructor = pytest.importorskip("instructor", reason="instructor is not installed")
openai = pytest.importorskip("openai")

import tenacity  # noqa: E402
from instructor.core import InstructorRetryException  # noqa: E402
from pydantic import BaseModel  # noqa: E402

from anyint_resilience import report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.sdks import canary, kit  # noqa: E402
from tests.sdks.kit import ATTEMPTS, HI, KEY, LOST, Figures, Sdk, Surface, Waits  # noqa: E402

figures = kit.figures

PACKAGE = "instructor"


class User(BaseModel):
    """What the model is asked for."""

    name: str
    age: int


GOOD = kit.chat_answer(kit.tool_call("User", '{"name": "Bo", "age": 3}'))
WRONG = kit.chat_answer(kit.tool_call("User", '{"name": "Bo"}'))
ASK: dict[str, Any] = {"model": "gpt-5", "messages": HI, "response_model": User}

every_surface = kit.on(kit.native(openai))


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    kit.without_waits(monkeypatch, openai)


def loop(surface: Surface, turns: int) -> Any:
    """Return a loop of the user's own, without waits: it sends again whatever was raised."""
    kind = tenacity.Retrying if surface.backend is None else tenacity.AsyncRetrying
    return kind(stop=tenacity.stop_after_attempt(turns))


@contextmanager
def patched(
    surface: Surface, emu: Emulator, *, waits: Waits | None = None, mode: Any = None, **options: Any
) -> Iterator[Sdk]:
    with kit.layered(surface, emu, waits=waits) as caller:
        kind = openai.OpenAI if surface.backend is None else openai.AsyncOpenAI
        sdk = kind(api_key=KEY, base_url=f"{emu.url}/openai/v1", http_client=caller.client, **options)
        client = instructor.from_openai(sdk, **({} if mode is None else {"mode": mode}))
        yield Sdk(caller, client, InstructorRetryException)


# --- what goes well


@every_surface
def test_an_answer_that_fits_is_one_request(surface: Surface, emu: Emulator) -> None:
    """A good answer is one request, and the fault before it is not seen."""
    waits = Waits()
    emu.script(GOOD, Fault.error(503), Fault.error(429, retry_after=1), GOOD)
    with patched(surface, emu, waits=waits) as ai:
        assert ai.call("chat.completions.create", **ASK).age == 3
        assert len(emu.seen) == 1
        assert ai.call("chat.completions.create", **ASK).age == 3
    assert kit.retry_counts(emu) == ["0"] * 4
    assert waits.asked == pytest.approx([0.05, 1.1])


@every_surface
def test_a_stream_is_read_to_its_end(surface: Surface, emu: Emulator) -> None:
    """A partial answer grows with the stream, which came after a 503."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "User", "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"name": "Bo"', ', "age": 3}')]
    deltas = [{"tool_calls": [call]} for call in (first, *rest)]
    pieces = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    emu.script(Fault.error(503), kit.events(*pieces))
    with patched(surface, emu) as ai:

        def opened() -> Any:
            return ai.client.chat.completions.create_partial(**ASK)

        users = ai.listed(opened())
    assert (users[0].name, users[-1].name, users[-1].age) == (None, "Bo", 3)
    assert kit.retry_counts(emu) == ["0"] * 2


# --- what fails


@every_surface
@pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [
        (400, "BadRequestError", 1),
        (401, "AuthenticationError", 1),
        (429, "RateLimitError", ATTEMPTS),
        (503, "InternalServerError", ATTEMPTS),
    ],
)
def test_an_error_wraps_openais(surface: Surface, status: int, kind: str, attempts: int, emu: Emulator) -> None:
    """instructor's exception has openai's as its cause, with the body, and our report can be read off it."""
    fault = Fault.error(status)
    emu.script(*[fault] * 20)
    with patched(surface, emu) as ai:
        raised = ai.error("chat.completions.create", **ASK)
    assert type(raised.__cause__) is getattr(openai, kind)
    assert raised.__cause__.body == fault.body["error"]  # type: ignore[index]
    assert len(emu.seen) == len(report(raised).attempts) == attempts  # type: ignore[union-attr]


@every_surface
@pytest.mark.parametrize("tries", [None, 0, 1, 5], ids=lambda it: f"max_retries {it}")
@kit.retried_or_not
def test_a_503_that_lasts_is_three_attempts(
    surface: Surface, tries: int | None, retries: dict[str, int], emu: Emulator, figures: Figures
) -> None:
    """Retries by number, instructor's own or the SDK's, are not for errors: the wire sees our attempts alone."""
    kit.unavailable(emu)
    with patched(surface, emu, **retries) as ai:
        ai.error("chat.completions.create", **ASK, **({} if tries is None else {"max_retries": tries}))
    column = "no retries" if retries or tries == 0 else "default retries"
    assert figures.note(column, surface, len(emu.seen)) == ATTEMPTS
    assert not kit.sdk_retried(emu)


@every_surface
@pytest.mark.parametrize(("tries", "requests"), [(None, 4), (0, 1), (1, 2), (3, 4)])
def test_an_answer_that_does_not_fit_is_asked_for_again(
    surface: Surface, tries: int | None, requests: int, emu: Emulator
) -> None:
    """A wrong answer is asked for again with what was wrong: another request, and another answer to pay for."""
    emu.script(*[WRONG] * 20)
    with patched(surface, emu) as ai:
        raised = ai.error("chat.completions.create", **ASK, **({} if tries is None else {"max_retries": tries}))
    bodies = [seen.body for seen in emu.seen]
    assert len(bodies) == len(set(bodies)) == raised.n_attempts == requests


@every_surface
def test_each_question_has_its_own_attempts(surface: Surface, emu: Emulator) -> None:
    """A question asked anew after a wrong answer is another call: three turns can be nine requests."""
    bad = Fault.error(503)
    emu.script(bad, bad, WRONG, bad, bad, WRONG, bad, bad, GOOD)
    with patched(surface, emu) as ai:
        assert ai.call("chat.completions.create", **ASK).age == 3
    assert kit.retry_counts(emu) == ["0"] * 3 * ATTEMPTS


@every_surface
def test_a_loop_of_the_users_multiplies(surface: Surface, emu: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """``max_retries=Retrying(...)`` is a loop that says nothing: each turn gets our attempts anew; we name it."""
    kit.unavailable(emu)
    with patched(surface, emu) as ai:
        raised = ai.error("chat.completions.create", **ASK, max_retries=loop(surface, 3))
    assert kit.retry_counts(emu) == ["0"] * 3 * ATTEMPTS
    told = report(raised)
    assert told is not None
    assert (told.outer_retries, told.repeats, kit.named(caplog)) == (0, 2, True)


# --- paid creates


@every_surface
@kit.retried_or_not
@pytest.mark.parametrize("looped", [False, True], ids=["plain", "in a loop"])
def test_a_lost_background_response_is_one_task(
    surface: Surface, retries: dict[str, int], looped: bool, emu: Emulator, figures: Figures
) -> None:
    """A background response without an answer reaches the gateway once, whichever loop above us sends it again."""
    emu.script(LOST)
    with patched(surface, emu, mode=instructor.Mode.RESPONSES_TOOLS, **retries) as ai:
        more = {"max_retries": loop(surface, 3)} if looped else {}
        raised = ai.error("chat.completions.create", **ASK, background=True, **more)
    assert len(emu.seen) == 1
    assert figures.note("duplicates", surface, len(emu.tasks) - 1) == 0
    assert report(raised).intent is not None  # type: ignore[union-attr]


# --- what is said of it


@every_surface
def test_nothing_that_is_planted_is_emitted(surface: Surface) -> None:
    """Keys, prompts and URLs given to instructor, and said back by the server, are in nothing that we emit."""
    system, user = {"role": "system", "content": canary.SYSTEM}, {"role": "user", "content": canary.PROMPT}
    asked = {**ASK, "messages": [system, user]}
    function = {"name": "User", "arguments": json.dumps({"name": canary.PROMPT, "age": 3})}
    delta = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    with canary.under(surface) as it:
        kind = openai.OpenAI if surface.backend is None else openai.AsyncOpenAI
        at = {"base_url": f"{it.emu.url}/openai/v1", "http_client": it.caller.client}
        sdk = kind(api_key=it.key, default_headers=it.headers, default_query=it.query, **at)
        ai = Sdk(it.caller, instructor.from_openai(sdk), InstructorRetryException)
        it.sings(
            lambda: ai.call("chat.completions.create", **asked),
            lambda: ai.listed(ai.client.chat.completions.create_partial(**asked)),
            good=kit.chat_answer(kit.tool_call("User", function["arguments"])),
            events=kit.events({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}),
        )
