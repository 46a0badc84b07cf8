"""What an exception says about asking anew: read off its attributes, whatever they are. Must not know any client."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from anyint_resilience import (
    Cause,
    CircuitOpen,
    DeadlineExceeded,
    GateClosed,
    NotRecorded,
    OutcomeUnknown,
    Policy,
    StreamInterrupted,
    report,
)
from anyint_resilience.repeating import INTERRUPTED, Repeat, delay_before, interruption_of, repeat_of
from anyint_resilience.reports import attach
from tests.unit.resuming_kit import CHAT, NOW, broken, reported

HOST = "https://gateway.api.anyint.ai"
CLAUDE, RESPONSES, VIDEOS = "/anthropic/v1/messages", "/openai/v1/responses", "/openai/v1/videos"
KLING = "/transtreams/kling/v1/videos/text2video"


class SdkError(Exception):
    """An SDK's exception with the attributes that theirs have."""


def of_event(body: Any, path: str = CHAT, *, of: Any = None, **more: Any) -> Exception:
    """Make what an SDK raises for an error event in a stream; ``of``: the interruption that its request holds."""
    made = SdkError("told by an event")
    request = SimpleNamespace(method="POST", url=HOST + path, **({} if of is None else {INTERRUPTED: of}))
    given = {"body": body, "request": request, **more}
    for name, it in given.items():
        setattr(made, name, it)
    return made


def behind(error: BaseException, *outer: BaseException, context: bool = False) -> BaseException:
    """Put exceptions around one, each the cause (or the context) of the next."""
    for it in outer:
        if context:
            it.__context__ = error
        else:
            it.__cause__ = error
        error = it
    return error


def by_sdk(status: int | None, path: str = CHAT) -> Exception:
    """Make an SDK's exception whose call ended with this status; None: whose report has no decision."""
    made, told = SdkError("by an SDK"), report(reported(status or 200, path))
    assert told is not None
    attach(made, told if status is not None else replace(told, decision=None))
    return made


def closed(kind: type[GateClosed] = GateClosed) -> GateClosed:
    made = kind("not sent")
    made.retry_at = NOW + 9.0
    return made


SERVER = {"type": "server_error", "message": "fell over"}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
REFUSED = {"type": "invalid_request_error", "code": "content_policy_violation", "message": "no"}
QUOTA = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "used up"}

TABLE: list[tuple[str, Callable[[], BaseException], bool]] = [
    ("a stream that broke off", broken, True),
    ("a stream that may not be repeated", lambda: broken(safe=False), False),
    ("what an SDK made of a stream", lambda: behind(broken(), RuntimeError("Connection error.")), True),
    ("what an SDK made of it by context", lambda: behind(broken(), SdkError(), context=True), True),
    ("what Python raised while it was handled", lambda: behind(broken(), KeyError("mine"), context=True), False),
    ("what was made of that", lambda: behind(behind(broken(), KeyError(), context=True), SdkError()), False),
    ("what two layers made of it", lambda: behind(broken(), RuntimeError(), RuntimeError()), True),
    ("an unsafe one behind an SDK's", lambda: behind(broken(safe=False), RuntimeError()), False),
    ("an error event", lambda: of_event(SERVER, of=broken("failed")), True),
    ("an error event, enveloped", lambda: of_event(OVERLOADED, CLAUDE, of=broken("failed"), status_code=200), True),
    ("an error event of the Responses API", lambda: of_event(SERVER, RESPONSES, of=broken("failed")), True),
    ("what was made of an error event", lambda: behind(of_event(SERVER, of=broken("failed")), RuntimeError()), True),
    ("an event that says nothing", lambda: of_event({}, of=broken("failed")), True),
    ("a refused content", lambda: of_event(REFUSED, of=broken("failed", safe=False)), False),
    ("a paid create's error event", lambda: of_event(SERVER, RESPONSES, of=broken("failed", safe=False)), False),
    ("a lost create behind one", lambda: behind(OutcomeUnknown("lost"), of_event(SERVER, of=broken())), False),
    ("an error event of none of ours", lambda: of_event(SERVER), False),
    ("one enveloped, of none of ours", lambda: of_event(OVERLOADED, CLAUDE, status_code=200), False),
    ("a used-up quota of none of ours", lambda: of_event(QUOTA), False),
    ("a request that holds something else", lambda: of_event(SERVER, of="broken"), False),
    ("no request", lambda: of_event(SERVER, request=None), False),
    ("a paid create of unknown outcome", lambda: OutcomeUnknown("lost"), False),
    ("one behind an SDK's", lambda: behind(OutcomeUnknown("lost"), RuntimeError()), False),
    ("one behind a stream", lambda: behind(OutcomeUnknown("lost"), broken()), False),
    ("a stream behind one", lambda: behind(broken(), OutcomeUnknown("lost")), False),
    ("a create not recorded", lambda: NotRecorded("store"), False),
    ("one after a stream", lambda: behind(broken(), NotRecorded("store"), context=True), False),
    ("a gate", closed, True),
    ("a circuit", lambda: closed(CircuitOpen), True),
    ("a gate behind an SDK's", lambda: behind(closed(), RuntimeError()), True),
    ("a final 503", lambda: reported(503), True),
    ("a final 503 behind an SDK's", lambda: behind(reported(503), RuntimeError()), True),
    ("a final 429", lambda: reported(429), True),
    ("a final 504 of a generation", lambda: reported(504), True),
    ("a final 504 of a paid create", lambda: reported(504, VIDEOS), False),
    ("a wrong key", lambda: reported(401), False),
    ("a wrong request", lambda: reported(400), False),
    ("no right", lambda: reported(403), False),
    ("a good answer", lambda: reported(200), False),
    ("our deadline", lambda: DeadlineExceeded("late"), False),
    ("a lost connection of others", lambda: ConnectionResetError("reset"), False),
    ("anything", lambda: ValueError("mine"), False),
    ("an interrupt", lambda: KeyboardInterrupt(), False),
    # an error that was raised while another was handled is what it is itself
    ("a wrong key, met on the way out", lambda: behind(broken(), by_sdk(401), context=True), False),
    ("a lost create, met on the way out", lambda: behind(broken(), by_sdk(504, VIDEOS), context=True), False),
    ("a wrong key behind a gate", lambda: behind(closed(), by_sdk(401), context=True), False),
    ("a good answer not understood, met there", lambda: behind(broken(), by_sdk(200), context=True), False),
    ("a report without a decision, met there", lambda: behind(broken(), by_sdk(None), context=True), False),
    ("a good answer, made of a stream", lambda: behind(broken(), by_sdk(200)), False),
    # an SDK that could not make sense of a good answer: the work was done
    ("a paid create's answer", lambda: of_event({"id": "v1", "status": "queued"}, VIDEOS, status_code=200), False),
    ("another's", lambda: of_event({"data": {"task_id": "t"}}, KLING, status_code=200), False),
    ("a good answer not understood", lambda: of_event({"id": "c", "choices": []}, status_code=200), False),
]


@pytest.mark.parametrize(("make", "safe"), [it[1:] for it in TABLE], ids=[it[0] for it in TABLE])
def test_what_is_safe(make: Callable[[], BaseException], safe: bool) -> None:
    """Only what is known not to be paid for twice, and may go better."""
    assert repeat_of(make()).safe is safe


def test_a_policy_may_repeat_no_generation() -> None:
    """An error event mid-stream, and a generation that may have been done, are then not safe; what was not done is."""
    strict = Policy.strict()
    for error in (broken(status=504), of_event(SERVER, of=broken("failed", status=504))):
        assert repeat_of(error).safe
        assert not repeat_of(error, strict).safe
    assert repeat_of(of_event(SERVER, of=broken("failed", status=429)), strict).safe
    assert not repeat_of(reported(504), strict).safe
    assert repeat_of(reported(429), strict).safe
    assert repeat_of(closed(), strict).safe


@pytest.mark.parametrize(
    ("make", "cause", "retry_at"),
    [
        (lambda: broken(retry_at=NOW + 3), Cause.TRANSIENT, NOW + 3),
        (lambda: behind(broken(status=429), RuntimeError()), Cause.RATE, None),
        (lambda: closed(), None, NOW + 9),
        (lambda: of_event(OVERLOADED, CLAUDE, of=broken("failed", retry_at=NOW + 4)), Cause.TRANSIENT, NOW + 4),
        (lambda: of_event(OVERLOADED, CLAUDE), None, None),
        (lambda: reported(429, retry_at=NOW + 8), Cause.RATE, NOW + 8),
        (lambda: reported(401), Cause.AUTH, None),
    ],
)
def test_why_and_when(make: Callable[[], BaseException], cause: Cause | None, retry_at: float | None) -> None:
    """The cause and the server's hint, from wherever they are known."""
    found = repeat_of(make())
    assert (found.cause, found.retry_at) == (cause, retry_at)


def test_the_interrupted_stream_is_found() -> None:
    """Itself, or behind what an SDK raised; the nearest one."""
    inner, outer = broken(), broken()
    assert interruption_of(inner) is inner
    assert interruption_of(behind(inner, RuntimeError())) is inner
    assert interruption_of(behind(inner, outer, RuntimeError())) is outer
    assert interruption_of(of_event(SERVER, of=inner)) is inner
    assert interruption_of(behind(of_event(SERVER, of=inner), RuntimeError())) is inner
    assert interruption_of(behind(inner, KeyError(), context=True)) is None
    assert interruption_of(of_event(SERVER, of=RuntimeError())) is None
    assert interruption_of(RuntimeError()) is None
    assert repeat_of(behind(inner, RuntimeError())).interrupted is inner


def test_a_context_that_was_suppressed_is_no_reason() -> None:
    """``raise ... from None`` says so."""
    error = behind(broken(), SdkError(), context=True)
    assert repeat_of(error).safe
    error.__suppress_context__ = True
    assert not repeat_of(error).safe


def test_a_chain_that_is_a_ring_comes_to_an_end() -> None:
    """Nothing forbids one, and one is as good as what is in it."""
    one, two = RuntimeError("one"), RuntimeError("two")
    one.__cause__, two.__cause__ = two, one
    assert repeat_of(one) == Repeat(safe=False)
    held = broken()
    held.__cause__ = one
    assert repeat_of(held).safe
    two.__cause__ = held
    assert repeat_of(one).safe


# --- hostile attributes


class Raising:
    """Raises, whatever is asked of it."""

    def __init__(self, kind: type[Exception]) -> None:
        self.__dict__["kind"] = kind

    def __getattr__(self, name: str) -> Any:
        raise self.__dict__["kind"](name)


class BadMapping(Mapping[str, Any]):
    """A body that can't be read."""

    def __getitem__(self, key: str) -> Any:
        raise OSError("unread")

    def __iter__(self) -> Iterator[str]:
        raise OSError("unread")

    def __len__(self) -> int:
        return 1


def property_of(name: str, error: Exception) -> Exception:
    """Make an exception with a property that raises, as httpx's ``request`` does where it was never set."""

    def raises(self: object) -> Any:
        raise error

    return type("Strange", (Exception,), {name: property(raises)})("strange")  # type: ignore[no-any-return]


RING: dict[str, Any] = {"message": "ring"}
RING["error"] = RING
HOSTILE: list[tuple[str, Callable[[], Exception]]] = [
    *((f"{name} raises", lambda name=name: property_of(name, RuntimeError("unset")))
      for name in ("body", "request", "status_code", "response", "anyint_report", "extensions")),
    *((f"{name} raises anything", lambda name=name: property_of(name, ValueError("unset")))
      for name in ("body", "request", "status_code")),
    *((f"a request whose word raises {kind.__name__}", lambda kind=kind: of_event(SERVER, request=Raising(kind)))
      for kind in (RuntimeError, AttributeError, ValueError)),
]  # fmt: skip


@pytest.mark.parametrize("make", [it[1] for it in HOSTILE], ids=[it[0] for it in HOSTILE])
def test_strange_attributes_are_not_safe_and_nothing_is_raised(make: Callable[[], Exception]) -> None:
    """Who asks has an exception to handle, and must not get another one instead."""
    assert repeat_of(make()).safe is False


BODIES = [
    None,
    "server_error",
    BadMapping(),
    RING,
    {"message": object()},
    {(1, 2): 3},
    {**SERVER, "x": "x" * 5_000_000},
]


@pytest.mark.parametrize("body", [*BODIES, json.loads('{"a":' * 900 + "1" + "}" * 900)], ids=range(len(BODIES) + 1))
@pytest.mark.parametrize("of", [None, broken(status=429)], ids=["of none of ours", "of ours"])
def test_a_body_changes_nothing(body: Any, of: Any) -> None:
    """What is known of its stream counts, however odd or long what an SDK made of the event is."""
    found = repeat_of(of_event(body, of=of))
    assert (found.safe, found.cause, found.interrupted) == (of is not None, of and Cause.RATE, of)


# --- how long


DELAYS: list[tuple[str, Repeat, int, float]] = [
    ("the server's", Repeat(True, Cause.RATE, NOW + 7.5), 1, 7.5),
    ("the server's, however often", Repeat(True, Cause.TRANSIENT, NOW + 700.0), 9, 700.0),
    ("the server's, over", Repeat(True, None, NOW - 1), 1, 0.0),
    ("the schedule", Repeat(True, Cause.TRANSIENT), 1, 0.025),
    ("the schedule, later", Repeat(True, Cause.SERVER), 3, 0.1),
    ("the schedule, of nothing known", Repeat(True), 2, 0.05),
    ("a limit's", Repeat(True, Cause.RATE), 2, 1.0),
    ("at the longest", Repeat(True, Cause.RATE), 99, 10.0),
]


@pytest.mark.parametrize(("repeat", "number", "seconds"), [it[1:] for it in DELAYS], ids=[it[0] for it in DELAYS])
def test_the_wait_before_it(repeat: Repeat, number: int, seconds: float) -> None:
    """A hint to the letter and never earlier; else half of the ceiling for a chance of one half."""
    assert delay_before(repeat, number=number, now=NOW, policy=Policy(), u=0.5) == pytest.approx(seconds)


# --- kept and sent elsewhere


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_an_interrupted_stream_can_be_copied_and_pickled(again: Callable[[Any], Any]) -> None:
    """With all that it carries but for the budget, which belongs to the process that made the call."""
    error = broken("idle", retry_at=NOW, spend=lambda: False)
    error.events, error.bytes, error.text, error.last_event_id = 3, 99, "so far", "7"
    error.usage, error.finish_reason = {"total_tokens": 3}, "stop"
    twin = again(error)
    assert type(twin) is StreamInterrupted
    assert (twin.spend, twin.args) == (None, error.args)
    names = "why events bytes text last_event_id usage finish_reason safe_to_repeat decision cause certainty".split()
    assert [getattr(twin, name) for name in names] == [getattr(error, name) for name in names]
    assert report(twin) == report(error)
    assert repeat_of(twin).safe
    assert error.spend is not None
