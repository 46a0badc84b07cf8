"""The anthropic SDK with its default retries, on our transport: its key, its retries, its exceptions.

Must not know the SDK's inside but for one thing: how long it waits before a retry of its own, which is set to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("h11")
anthropic = pytest.importorskip("anthropic", reason="anthropic 2 stands on httpx2, which needs Python 3.11")

from anyint_resilience import Action, Policy, Resilience, report  # noqa: E402
from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from tests.alone import ALONE  # noqa: E402
from tests.conformance.surfaces import Caller, Surface, Waits, calling  # noqa: E402

TEXT = "Hello from the AnyInt emulator."
MESSAGE: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
SURFACES = [Surface("httpx2", backend) for backend in (None, "asyncio", "trio")]  # it takes no client of httpx
every_surface = pytest.mark.parametrize("surface", SURFACES, ids=str)


def error(status: int, **more: Any) -> Fault:
    return Fault.error(status, family="anthropic", **more)


ANSWERS = {
    **{str(status): error(status) for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 425)},
    **{str(status): error(status) for status in (429, 500, 501, 502, 503, 504, 520, 524, 529)},
    "429 with Retry-After": error(429, retry_after=1),
    "429 with retry-after-ms": error(429, headers={"retry-after-ms": "20"}),
    "429 a day off": error(429, retry_after=86_400),
    "429 spend limit": error(429, code="enforced_spend_limit_reached"),
    "429, AnyInt's envelope": Fault.error(429),
    "403, x-should-retry": error(403, headers={"x-should-retry": "true"}),
    "529, x-should-retry": error(529, headers={"x-should-retry": "true"}),
    "500 of HTML": Fault(status=500, body="<html>" + "x" * 200_000),
}


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the SDK's retries and take only its waits away (a day, where the server says so)."""
    base = anthropic._base_client.BaseClient
    assert callable(base._calculate_retry_timeout), "the SDK has moved it: these tests would wait for real"
    monkeypatch.setattr(base, "_calculate_retry_timeout", lambda *args, **kwargs: 0.0)


class Sdk:
    """The SDK on one of our transports, called and awaited alike."""

    def __init__(self, caller: Caller, client: Any) -> None:
        self.caller = caller
        self.client = client

    def message(self, **more: Any) -> Any:
        """Make a message."""
        return self.caller.call(self.client.messages.create, **MESSAGE, **more)

    def error(self, **more: Any) -> Any:
        """Make a message that must raise one of the SDK's own exceptions, and return that."""
        with pytest.raises(anthropic.AnthropicError) as caught:
            self.message(**more)
        return caught.value

    def streamed(self) -> Any:
        """Read a stream through the SDK's helper and return the message it puts together."""

        def read() -> Any:
            with self.client.messages.stream(**MESSAGE) as stream:
                return stream.get_final_message()

        async def aread() -> Any:
            async with self.client.messages.stream(**MESSAGE) as stream:
                return await stream.get_final_message()

        return self.caller.call(read if self.caller.surface.backend is None else aread)


@contextmanager
def sdk(surface: Surface, emu: Emulator, *, waits: Waits | None = None, **more: Any) -> Iterator[Sdk]:
    """Open an SDK client with its default ``max_retries``, its own Bearer header and its own version."""
    config = {
        "api_key": "test-key",
        "base_url": emu.url,
        "runtime": (waits or Waits()).runtime(),
        "guards": ALONE,
        **more,
    }
    with calling(surface, Resilience(**config)) as caller:
        kind = anthropic.Anthropic if surface.backend is None else anthropic.AsyncAnthropic
        client = kind(api_key="test-key", base_url=f"{emu.url}/anthropic", http_client=caller.client)
        assert client.max_retries == 2
        yield Sdk(caller, client)


def alone(surface: Surface, emu: Emulator, fault: Fault) -> int:
    """Count the attempts our policy makes with no SDK above it."""
    emu.script(*[fault] * 20)
    config = Resilience(api_key="test-key", base_url=emu.url, runtime=Waits().runtime(), guards=ALONE)
    with calling(surface, config, base_url=emu.url) as caller:
        caller.request("POST", "/anthropic/v1/messages", json=MESSAGE)
    attempts = len(emu.seen)
    emu.reset()
    return attempts


@every_surface
def test_the_key_goes_where_the_route_wants_it(surface: Surface, emu: Emulator) -> None:
    """The SDK's Bearer header, which AnyInt does not document here, becomes x-api-key, with our key or its own."""
    for key in ("test-key", None):
        with sdk(surface, emu, api_key=key) as ai:
            assert ai.message().content[0].text == TEXT
    for seen in emu.seen:
        assert "authorization" not in seen.headers
        assert seen.headers["x-api-key"] == "test-key"
        assert seen.headers["anthropic-version"]


@every_surface
def test_a_good_call_is_one_request(surface: Surface, emu: Emulator) -> None:
    """Without faults nothing is added, plain, raw and streamed."""
    with sdk(surface, emu) as ai:
        assert ai.message().stop_reason == "end_turn"
        raw = ai.caller.call(ai.client.messages.with_raw_response.create, **MESSAGE)
        assert ai.streamed().content[0].text == TEXT
    assert report(raw).route == "POST /anthropic/v1/messages"  # type: ignore[union-attr]
    assert len(emu.seen) == 3


@every_surface
@pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in ANSWERS.items()])
def test_an_answer_is_retried_by_us_alone(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """However an answer fails, the wire sees the attempts of our policy, the user the SDK's exception with its body."""
    ours = alone(surface, emu, fault)
    assert ours <= Policy().attempts
    emu.script(*[fault] * 20)
    with sdk(surface, emu) as ai:
        raised = ai.error()
    assert [seen.answered for seen in emu.seen] == [fault.status] * ours
    assert isinstance(raised, anthropic.APIStatusError)
    assert raised.status_code == fault.status
    assert (raised.body if isinstance(fault.body, dict) else raised.response.text) == fault.body
    told = report(raised)
    assert told is not None
    assert (len(told.attempts), told.outer_retries) == (ours, 0)
    assert told.decision.action is Action.NO_RETRY  # type: ignore[union-attr]


@every_surface
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (413, "RequestTooLargeError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (503, "ServiceUnavailableError"),
        (504, "DeadlineExceededError"),
        (529, "OverloadedError"),
        (500, "InternalServerError"),
    ],
)
def test_the_sdk_raises_its_own_class(surface: Surface, status: int, kind: str, emu: Emulator) -> None:
    """Each status keeps the exception class its users catch."""
    emu.script(*[error(status)] * 3)
    named = getattr(anthropic, kind, None) or getattr(anthropic._exceptions, kind)
    with sdk(surface, emu) as ai:
        assert type(ai.error()) is named


@every_surface
def test_a_fault_that_passes_is_not_seen_by_the_sdk(surface: Surface, emu: Emulator) -> None:
    """What heals within our attempts reaches the user as a plain message, after the waits the server asked for."""
    waits = Waits()
    emu.script(error(529), error(429, retry_after=1))
    with sdk(surface, emu, waits=waits) as ai:
        assert ai.message().content[0].text == TEXT
    assert {seen.headers["x-stainless-retry-count"] for seen in emu.seen} == {"0"}
    assert waits.asked == pytest.approx([0.05, 1.1])


@every_surface
def test_a_stream_refused_before_it_began_is_retried(surface: Surface, emu: Emulator) -> None:
    """An error instead of a stream is retried like any other; one that lasts is the SDK's exception."""
    emu.script(error(529), Fault(reset="before_headers"))
    with sdk(surface, emu) as ai:
        assert ai.streamed().stop_reason == "end_turn"
        emu.script(*[error(529)] * 9)
        with pytest.raises(anthropic.APIStatusError) as caught:
            ai.streamed()
    assert caught.value.status_code == 529
    assert len(emu.seen) == 6


@every_surface
@pytest.mark.parametrize(
    "fault",
    [Fault(reset="before_headers"), Fault(half_close=True), Fault(garbage="not_http")],
    ids=lambda fault: fault.name,
)
def test_retries_on_top_of_ours_are_seen_and_shared_out(surface: Surface, fault: Fault, emu: Emulator) -> None:
    """After a transport error the SDK retries: the report tells it, and each time fewer attempts are left to us."""
    emu.script(*[fault] * 20)
    with sdk(surface, emu) as ai:
        raised = ai.error()
    assert isinstance(raised, anthropic.APIConnectionError)
    assert [seen.headers["x-stainless-retry-count"] for seen in emu.seen] == ["0", "0", "0", "1", "1", "2"]
    told = report(raised)
    assert told is not None
    assert told.outer_retries == 2
    assert any("retry layer above" in note for note in told.notes)


@every_surface
def test_a_generation_may_be_billed_once_only(surface: Surface, emu: Emulator) -> None:
    """With ``repeat_generation=False`` a message of unknown outcome is not sent again by us (the SDK still may)."""
    emu.script(error(500, process=True), error(500, process=True))
    with sdk(surface, emu, policy=Policy(repeat_generation=False)) as ai:
        raised = ai.error()
    assert isinstance(raised, anthropic.InternalServerError)
    assert len(emu.seen) == 1


@every_surface
def test_a_missing_model_points_to_the_models_api(surface: Surface, emu: Emulator) -> None:
    """An unknown model is asked for once; the list of models is, too, and the guidance says where that is."""
    with sdk(surface, emu) as ai:
        raised = ai.error(extra_body={"model": "missing-claude"})
    assert isinstance(raised, anthropic.NotFoundError)
    assert "/anthropic/v1/models" in report(raised).decision.guidance  # type: ignore[union-attr]
    assert [(it.method, it.path) for it in emu.seen] == [
        ("POST", "/anthropic/v1/messages"),
        ("GET", "/anthropic/v1/models"),
    ]
