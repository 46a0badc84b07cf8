"""``resume_stream``: what is raised as it came, and whose exception it is. Must not know any client."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from anyint_resilience import DeadlineExceeded, NotRecorded, OutcomeUnknown, StreamInterrupted, resume_stream
from anyint_resilience.following import FAILED, Following
from anyint_resilience.streams.marks import Verdict
from tests.unit.resuming_kit import NOW, World, broken, reported
from tests.unit.resuming_sources import WAYS, Source, every_way, play, resumed

# --- what is raised as it came


def on_the_way_out(error: BaseException) -> BaseException:
    """Make it one that was raised while an interrupted stream was handled."""
    error.__context__ = broken()
    return error


FOREIGN: list[tuple[str, Callable[[], BaseException]]] = [
    ("not safe", lambda: broken(safe=False)),
    ("unknown", lambda: OutcomeUnknown("lost")),
    ("not recorded", lambda: NotRecorded("store")),
    ("late", lambda: DeadlineExceeded("late")),
    ("the application's", lambda: ValueError("mine")),
    ("the stream's of others", lambda: ConnectionResetError("other")),
    ("a wrong key", lambda: reported(401)),
    ("a wrong request", lambda: reported(400)),
    ("a paid create", lambda: reported(504, "/openai/v1/videos")),
    ("an interrupt", lambda: KeyboardInterrupt()),
    ("an exit", lambda: SystemExit(3)),
    ("an interrupt on the way out", lambda: on_the_way_out(KeyboardInterrupt())),
]


@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("make", [it[1] for it in FOREIGN], ids=[it[0] for it in FOREIGN])
@pytest.mark.parametrize("items", [0, 2])
def test_what_is_not_safe_is_raised_as_it_came(way: str, make: Callable[[], BaseException], items: int) -> None:
    """The same object, and the stream is closed."""
    error, world = make(), World()
    source = Source([*"ab"[:items], error], ["a"])
    seen = play(resumed(source, world, way), way)
    assert seen.error is error
    assert (seen.restarts, source.made, len(source.closed), world.slept) == ([], 1, 1, [])


@every_way
def test_a_call_that_failed_before_anything_came_is_not_made_again(way: str) -> None:
    """It has had all its attempts; once something came it is a stream that ended too early."""
    error = reported(503)
    source = Source([error], ["a"])
    seen = play(resumed(source, World(), way), way)
    assert (seen.error, source.made) == (error, 1)
    source = Source(["a", error], ["a"])
    seen = play(resumed(source, World(), way), way)
    assert (seen.error, seen.plain, seen.restarts[0].why) == (None, ["a", "again", "a"], "failed")


@every_way
def test_a_request_that_can_not_be_made_is_raised(way: str) -> None:
    """``make_request`` itself may raise, also in a later run."""
    error, source = LookupError("no such prompt"), Source(["a", broken()])

    def make() -> Any:
        if source.made:
            raise error
        return source.of(way)()

    seen = play(resume_stream(make, anyint=World().anyint()), way)
    assert (seen.error, seen.plain) == (error, ["a", "again"])


# --- a stream that says itself that it failed, of which the SDK makes an exception of its own


def heard(error: Exception, failure: StreamInterrupted) -> Callable[[], Any]:
    """Let a stream say that it failed, as its close does while the SDK's exception is on its way."""
    watcher: Any = SimpleNamespace(verdict=Verdict.FAILED)

    def fails() -> Any:
        try:
            raise error
        finally:
            Following(None, watcher, make=lambda *known: failure).closed()

    return fails


@every_way
def test_an_sdks_own_exception_for_a_failed_stream_is_known(way: str) -> None:
    """By what was heard of the stream: its hint, its budget, why; and it is the SDK's exception that is told of."""
    error, tokens, world = RuntimeError("the SDK's"), [], World()
    failure = broken("failed", retry_at=NOW + 3.0, spend=lambda: tokens.append(1) or True)
    source = Source(["a", heard(error, failure)], ["a"])
    seen = play(resumed(source, world, way), way)
    (again,) = seen.restarts
    assert (again.error, again.why, world.slept, tokens) == (error, "failed", [3.0], [1])


@every_way
@pytest.mark.parametrize("of", [{"safe": False}, {"spend": lambda: False}], ids=["not safe", "no budget"])
def test_an_sdks_own_exception_is_raised_as_it_came(way: str, of: dict[str, Any]) -> None:
    """Where its stream can't be asked for anew."""
    error = RuntimeError("the SDK's")
    source = Source(["a", heard(error, broken("failed", **of))], ["a"])
    seen = play(resumed(source, World(), way), way)
    assert (seen.error, source.made) == (error, 1)


@every_way
def test_what_was_heard_of_one_run_says_nothing_of_the_next(way: str) -> None:
    """Else any exception after it would be taken for a failed stream."""
    mine = ValueError("mine")
    source = Source(["a", heard(RuntimeError("the SDK's"), broken("failed"))], ["a", mine], ["a"])
    seen = play(resumed(source, World(), way), way)
    assert (seen.error, seen.plain) == (mine, ["a", "again", "a"])


@every_way
def test_the_application_does_not_listen(way: str) -> None:
    """What it does between two items, also with other streams, is not heard by this one."""
    listening = []
    source = Source(["a", broken()], ["a"])
    play(resumed(source, World(), way), way, lambda item: listening.append(FAILED.get()))
    assert listening == [None] * 3


LATER: list[tuple[str, Callable[[], Exception]]] = [
    ("unknown", lambda: OutcomeUnknown("lost")),
    ("a wrong key", lambda: reported(401)),
    ("the application's", lambda: ValueError("mine")),
]


@pytest.mark.parametrize("make", [it[1] for it in LATER], ids=[it[0] for it in LATER])
def test_an_exception_after_a_failed_stream_that_was_survived_is_its_own(make: Callable[[], Exception]) -> None:
    """A generator may catch the SDK's exception and go on: what ends it then is not the stream."""
    error, fails = make(), heard(RuntimeError("the SDK's"), broken("failed"))

    def survives() -> Any:
        with contextlib.suppress(RuntimeError):
            fails()
        raise error

    source = Source(["a", survives], ["a"])
    seen = play(resumed(source, World(), "sync"), "sync")
    assert seen.error is error
    assert source.made == 1
