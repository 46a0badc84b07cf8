"""The openai SDK with its default retries, on our transport: who retries, how often, and what is lost.

Must not know the SDK's inside but for one thing: how long it waits before a retry of its own, which is set to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("h11")
openai = pytest.importorskip("openai", reason="openai 3 stands on httpx2, which needs Python 3.11")

from anyint_resilience import Action, Cause, Policy, Resilience, report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.alone import ALONE  # noqa: E402
from tests.conformance.surfaces import Caller, Surface, Waits, calling  # noqa: E402
from tests.conformance.surfaces import every_httpx as every_surface  # noqa: E402
from tests.waiting import arrived  # noqa: E402

pytestmark = [
    # OpenAI ended its own Sora API; AnyInt's /openai/v1/videos is AnyInt's own and stays.
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
    # The SDK leaves a stream, and the client's generators under it, at [DONE] on every loop; trio alone tells.
    pytest.mark.filterwarnings("ignore:Async generator '(openai|httpcore|httpx|anyint_resilience):ResourceWarning"),
]

TEXT = "Hello from the AnyInt emulator."
MESSAGES: Any = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "gpt-5", "messages": MESSAGES}
LOST = Fault(reset="before_headers", process=True)
error = Fault.error

ANSWERS = {
    **{str(status): error(status) for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 425)},
    **{str(status): error(status) for status in (429, 500, 501, 502, 503, 504, 520, 524, 529)},
    "429 with Retry-After": error(429, retry_after=1),
    "429 with retry-after-ms": error(429, headers={"retry-after-ms": "20"}),
    "429 too far off": error(429, retry_after=90),
    "429 quota": error(429, code="insufficient_quota"),
    "403, x-should-retry": error(403, headers={"x-should-retry": "true"}),
    "503, x-should-retry": error(503, headers={"x-should-retry": "true"}),
    "500 of HTML": Fault(status=500, body="<html>" + "x" * 200_000),
}
every_answer = pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in ANSWERS.items()])


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the SDK's retries and take only its 0.5-8 s of backoff away."""
    base = openai._base_client.BaseClient
    assert callable(base._calculate_retry_timeout), "the SDK has moved it: these tests would wait for real"
    monkeypatch.setattr(base, "_calculate_retry_timeout", lambda *args, **kwargs: 0.0)


class Sdk:
    """The SDK on one of our transports, called and awaited alike."""

    def __init__(self, caller: Caller, client: Any) -> None:
        self.caller = caller
        self.client = client

    def call(self, path: str, **kwargs: Any) -> Any:
        """Call ``client.<path>``."""
        function = self.client
        for name in path.split("."):
            function = getattr(function, name)
        return self.caller.call(function, **kwargs)

    def error(self, path: str, **kwargs: Any) -> Any:
        """Call what must raise one of the SDK's own exceptions, and return that."""
        with pytest.raises(openai.OpenAIError) as caught:
            self.call(path, **kwargs)
        return caught.value


@contextmanager
def sdk(surface: Surface, emu: Emulator, *, waits: Waits | None = None, **more: Any) -> Iterator[Sdk]:
    """Open an SDK client with its default ``max_retries``."""
    config = {
        "api_key": "test-key",
        "base_url": emu.url,
        "runtime": (waits or Waits()).runtime(),
        "guards": ALONE,
        **more,
    }
    with calling(surface, Resilience(**config)) as caller:
        kind = openai.OpenAI if surface.backend is None else openai.AsyncOpenAI
        client = kind(api_key="test-key", base_url=f"{emu.url}/openai/v1", http_client=caller.client)
        assert client.max_retries == 2
        yield Sdk(caller, client)


def alone(surface: Surface, emu: Emulator, fault: Fault) -> int:
    """Count the attempts our policy makes with no SDK above it."""
    emu.script(*[fault] * 20)
    config = Resilience(api_key="test-key", base_url=emu.url, runtime=Waits().runtime(), guards=ALONE)
    with calling(surface, config, base_url=emu.url) as caller:
        caller.request("POST", "/openai/v1/chat/completions", json=CHAT)
    attempts = len(emu.seen)
    emu.reset()
    return attempts


# --- answered requests


@every_surface
def test_a_good_call_is_one_request(surface: Surface, emu: Emulator) -> None:
    """Without faults nothing is added, plain and streamed."""
    with sdk(surface, emu) as ai:
        answer = ai.call("chat.completions.create", **CHAT)
        raw = ai.call("chat.completions.with_raw_response.create", **CHAT)
        stream = ai.call("chat.completions.create", **CHAT, stream=True)
        assert text_of(ai, stream) == TEXT
    assert answer.choices[0].message.content == TEXT
    assert report(raw).route == "POST /openai/v1/chat/completions"  # type: ignore[union-attr]
    assert len(emu.seen) == 3


def text_of(ai: Sdk, stream: Any) -> str:
    """Read a stream to its end."""
    pieces: list[str] = []

    def take(chunk: Any) -> None:
        pieces.extend(choice.delta.content or "" for choice in chunk.choices)

    def read() -> None:
        for chunk in stream:
            take(chunk)

    async def aread() -> None:
        async for chunk in stream:
            take(chunk)

    ai.caller.call(read if ai.caller.surface.backend is None else aread)
    return "".join(pieces)


@every_surface
@every_answer
def test_an_answer_is_retried_by_us_alone(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """However an answer fails, the wire sees the attempts of our policy, the user the SDK's exception with its body."""
    ours = alone(surface, emu, fault)
    assert ours <= Policy().attempts
    emu.script(*[fault] * 20)
    with sdk(surface, emu) as ai:
        raised = ai.error("chat.completions.create", **CHAT)
    assert [seen.answered for seen in emu.seen] == [fault.status] * ours
    assert isinstance(raised, openai.APIStatusError)
    assert raised.status_code == fault.status
    if isinstance(fault.body, dict):
        assert raised.body == fault.body["error"]
    else:
        assert raised.response.text == fault.body
    told = report(raised)
    assert told is not None
    assert (len(told.attempts), told.outer_retries) == (ours, 0)
    assert told.decision.action is Action.NO_RETRY  # type: ignore[union-attr]


@every_surface
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error(400), "BadRequestError"),
        (error(401), "AuthenticationError"),
        (error(403), "PermissionDeniedError"),
        (error(404), "NotFoundError"),
        (error(409), "ConflictError"),
        (error(422), "UnprocessableEntityError"),
        (error(429), "RateLimitError"),
        (error(429, code="insufficient_quota"), "RateLimitError"),
        (error(503), "InternalServerError"),
    ],
    ids=lambda it: it if isinstance(it, str) else it.name,
)
def test_the_sdk_raises_its_own_class(surface: Surface, fault: Fault, kind: str, emu: Emulator) -> None:
    """Each status keeps the exception class its users catch."""
    emu.script(*[fault] * 3)
    with sdk(surface, emu) as ai:
        assert type(ai.error("chat.completions.create", **CHAT)) is getattr(openai, kind)


@every_surface
def test_a_fault_that_passes_is_not_seen_by_the_sdk(surface: Surface, emu: Emulator) -> None:
    """What heals within our attempts reaches the user as a plain answer, after the waits the server asked for."""
    waits = Waits()
    emu.script(error(503), error(429, retry_after=1))
    with sdk(surface, emu, waits=waits) as ai:
        answer = ai.call("chat.completions.create", **CHAT)
    assert answer.choices[0].message.content == TEXT
    assert {seen.headers["x-stainless-retry-count"] for seen in emu.seen} == {"0"}
    assert waits.asked == pytest.approx([0.05, 1.1])


@every_surface
def test_a_stream_refused_before_it_began_is_retried(surface: Surface, emu: Emulator) -> None:
    """An error instead of a stream is retried like any other; one that lasts is the SDK's exception."""
    emu.script(error(503), Fault(reset="before_headers"))
    with sdk(surface, emu) as ai:
        assert text_of(ai, ai.call("chat.completions.create", **CHAT, stream=True)) == TEXT
        emu.script(*[error(503)] * 9)
        raised = ai.error("chat.completions.create", **CHAT, stream=True)
    assert isinstance(raised, openai.InternalServerError)
    assert len(emu.seen) == 6


# --- exceptions, which the SDK retries whatever the answer would have said


@every_surface
def test_retries_on_top_of_ours_are_seen_and_shared_out(surface: Surface, emu: Emulator) -> None:
    """After a transport error the SDK retries: the report tells it, and each time fewer attempts are left to us."""
    emu.script(*[Fault(reset="before_headers")] * 20)
    with sdk(surface, emu) as ai:
        raised = ai.error("chat.completions.create", **CHAT)
    assert isinstance(raised, openai.APIConnectionError)
    assert [seen.headers["x-stainless-retry-count"] for seen in emu.seen] == ["0", "0", "0", "1", "1", "2"]
    told = report(raised)
    assert told is not None
    assert told.outer_retries == 2
    assert any("retry layer above" in note for note in told.notes)


# --- paid creates

CREATES: dict[str, tuple[str, dict[str, Any], str]] = {
    "video": ("videos.create", {"model": "sora-2", "prompt": "a cat"}, "/openai/v1/videos"),
    "video from a picture": (
        "videos.create",
        {"model": "sora-2", "prompt": "a cat", "input_reference": ("cat.png", b"\x89PNG", "image/png")},
        "/openai/v1/videos",
    ),
    "background response": (
        "responses.create",
        {"model": "gpt-5", "input": "hi", "background": True},
        "/openai/v1/responses",
    ),
    "batch": (
        "batches.create",
        {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        "/openai/v1/batches",
    ),
    "file": ("files.create", {"file": ("a.jsonl", b"{}"), "purpose": "batch"}, "/openai/v1/files"),
}
every_create = pytest.mark.parametrize("create", CREATES.values(), ids=CREATES)

LOSSES = {
    "reset before the answer": LOST,
    "reset after the headers": Fault(reset="after_headers", process=True),
    "reset in the body": Fault(reset="mid_body", process=True),
    "connection closed": Fault(half_close=True, process=True),
    "no answer in time": Fault(stall="before_headers", process=True),
    "body stalls": Fault(stall="mid_body"),
    "body cut": Fault(truncate=5),
    "not HTTP": Fault(garbage="not_http", process=True),
}
UNSURE = {
    **{str(status): error(status, process=True) for status in (500, 502, 504, 408, 524)},
    "broken JSON": Fault(status=200, body='{"object": "vid', process=True),
    "empty 200": Fault(status=200, body=b"", process=True),
}


@every_surface
@every_create
def test_a_lost_create_reaches_the_gateway_once(
    surface: Surface, create: tuple[str, dict[str, Any], str], emu: Emulator
) -> None:
    """A paid create whose answer is lost is sent once, although the SDK retries and the application asks again."""
    path, arguments, url = create
    emu.script(LOST)
    with sdk(surface, emu) as ai:
        first = ai.error(path, **arguments)
        assert len(emu.requests("POST", url)) == 1, "the SDK's retries reached the gateway"
        again = ai.error(path, **arguments)
    assert len(emu.seen) == 1
    for raised in (first, again):
        assert isinstance(raised, openai.APIConnectionError)
        assert isinstance(raised.__cause__, surface.adapter.OutcomeUnknown)
        told = report(raised)
        assert told is not None
        assert told.outer_retries == 2
        assert any("not sent: the same create" in note for note in told.notes)


@every_surface
@pytest.mark.parametrize("fault", LOSSES.values(), ids=LOSSES)
def test_however_it_is_lost_there_is_one_task(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """No way to lose an answer makes a second task, time-outs included."""
    emu.script(*[fault] * 20)
    timeout = openai.Timeout(30, read=0.15 if fault.stall else 30)
    with sdk(surface, emu) as ai:
        raised = ai.error("videos.create", model="sora-2", prompt="a cat", timeout=timeout)
    assert isinstance(raised, openai.APIConnectionError)
    assert arrived(emu, 1)
    assert len(emu.tasks) == 1


@every_surface
@pytest.mark.parametrize("fault", UNSURE.values(), ids=UNSURE)
def test_an_unsure_answer_makes_no_second_task(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """An answer that does not tell whether the task was made is handed over, and the create never sent again."""
    emu.script(*[fault] * 20)
    with sdk(surface, emu) as ai:
        answer = handed_over(ai)
        assert len(emu.seen) == len(emu.tasks) == 1
        decision = report(answer).decision if report(answer) is not None else None  # type: ignore[union-attr]
        assert decision is None or (decision.action is Action.NO_RETRY and "Do not send it again" in decision.guidance)
        handed_over(ai)
    assert len(emu.seen) == len(emu.tasks) == 1


def handed_over(ai: Sdk) -> Any:
    """Create a video; return the answer or whatever the SDK makes of it (a bare ValueError for broken JSON)."""
    try:
        return ai.call("videos.create", model="sora-2", prompt="a cat")
    except (openai.OpenAIError, ValueError) as raised:
        return raised


@every_surface
def test_a_broken_answer_that_names_its_task_is_one_task(surface: Surface, emu: Emulator) -> None:
    """An id that stands in the readable part of a broken body is enough: one request, and no retry of the SDK's."""
    emu.script(*[Fault(status=200, body='{"id": "video_1", "status": "que', process=True)] * 20)
    with sdk(surface, emu) as ai:
        handed_over(ai)
    assert len(emu.seen) == len(emu.tasks) == 1


@every_surface
def test_create_and_poll_makes_one_task(surface: Surface, emu: Emulator) -> None:
    """The helper that creates and polls cannot multiply a lost task either."""
    emu.script(LOST, match="POST")
    with sdk(surface, emu) as ai:
        raised = ai.error("videos.create_and_poll", model="sora-2", prompt="a cat")
    assert isinstance(raised, openai.APIConnectionError)
    assert len(emu.requests("POST")) == len(emu.tasks) == 1


@every_surface
def test_a_refused_create_is_made_in_the_end(surface: Surface, emu: Emulator) -> None:
    """A create that was surely not carried out is retried, by us, into exactly one task."""
    emu.script(error(503), error(429, retry_after=1))
    with sdk(surface, emu) as ai:
        video = ai.call("videos.create", model="sora-2", prompt="a cat")
    assert video.status == "queued"
    assert (len(emu.seen), len(emu.tasks)) == (3, 1)


@every_surface
def test_the_application_may_decide_to_create_again(surface: Surface, emu: Emulator) -> None:
    """Another Idempotency-Key, or another prompt, is another create; the same key is refused."""
    emu.script(LOST)
    video: dict[str, Any] = {"model": "sora-2", "prompt": "a cat"}
    with sdk(surface, emu) as ai:
        ai.error("videos.create", **video, extra_headers={"Idempotency-Key": "one"})
        ai.error("videos.create", **video, extra_headers={"Idempotency-Key": "one"})
        assert len(emu.seen) == 1
        ai.call("videos.create", **video, extra_headers={"Idempotency-Key": "two"})
    assert len(emu.seen) == len(emu.tasks) == 2


@every_surface
def test_a_pending_task_says_poll(surface: Surface, emu: Emulator) -> None:
    """A create that went well carries the decision to poll, readable through the SDK's raw answer."""
    with sdk(surface, emu) as ai:
        raw = ai.call("videos.with_raw_response.create", model="sora-2", prompt="a cat")
    decision = report(raw).decision  # type: ignore[union-attr]
    assert (decision.action, decision.cause) == (Action.POLL, None)  # type: ignore[union-attr]


@every_surface
def test_the_policy_of_one_configuration_holds(surface: Surface, emu: Emulator) -> None:
    """With one attempt allowed, an answered fault is one request, SDK retries or not."""
    emu.script(*[error(503)] * 9)
    with sdk(surface, emu, policy=Policy(attempts=1)) as ai:
        raised = ai.error("chat.completions.create", **CHAT)
    assert len(emu.seen) == 1
    assert report(raised).decision.cause is Cause.TRANSIENT  # type: ignore[union-attr]


@every_surface
def test_the_sdks_own_video_can_be_waited_for(surface: Surface, emu: Emulator) -> None:
    """It hides the answer that it was made of: its id is enough to make the handle of its task."""
    waits = Waits(moves=emu.clock.advance)
    anyint = Resilience(api_key="test-key", base_url=emu.url, runtime=waits.runtime(monotonic=emu.clock.now))
    with calling(surface, anyint) as caller:
        kind = openai.OpenAI if surface.backend is None else openai.AsyncOpenAI
        client = kind(api_key="test-key", base_url=f"{emu.url}/openai/v1", http_client=caller.client)
        video = caller.call(client.videos.create, model="sora-2", prompt="a cat")
        with pytest.raises(ValueError, match="names no task"):
            caller.call(surface.adapter.wait_for_task, caller.client, video)
        handle = anyint.task("/openai/v1/videos", video.id)
        raw = caller.call(client.videos.with_raw_response.create, model="sora-2", prompt="a dog")
        assert report(raw).task.url.rpartition("/")[0] == handle.url.rpartition("/")[0]  # type: ignore[union-attr]
        found = caller.call(surface.adapter.wait_for_task, caller.client, handle)
    assert (found.phase, found.handle.task_id) == ("success", video.id)
    assert len(emu.tasks) == 2
