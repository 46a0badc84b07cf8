"""How long the next piece of a streamed answer may take, and that keep-alives are no content. The clock is ours."""

from __future__ import annotations

import pytest

from anyint_resilience.contract.words import Family
from anyint_resilience.exceptions import StreamInterrupted
from anyint_resilience.following import Following
from anyint_resilience.streams.choosing import watcher_for
from tests.unit.test_following import DONE, ERROR, HELLO, STOP, Told, dialect, following, watching

PING = b": still here\n\n"


class Clock:
    """One that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fed(it: Following, clock: Clock, *pieces: tuple[float, bytes]) -> None:
    """Feed pieces, each so many seconds after the one before."""
    for seconds, piece in pieces:
        clock.now += seconds
        assert it.feed is not None
        it.feed(piece)


def test_without_a_bound_any_time_will_do() -> None:
    """The way of every piece is no longer for what nobody has set; a chat's is only looked at for its [DONE]."""
    chat = following(watcher_for(dialect()), Told(), clock=Clock())
    assert chat.feed == chat.passed
    watcher = watcher_for(dialect(Family.ANTHROPIC, "/anthropic/v1/messages"))
    it = following(watcher, Told(), clock=Clock())
    assert it.feed == watcher.feed
    assert chat.patience() is it.patience() is None


def test_idle_is_the_time_of_each_piece() -> None:
    """It does not shrink."""
    clock = Clock()
    it = following(watcher_for(dialect()), Told(), clock=clock, idle=30.0)
    fed(it, clock, (29, PING), (29, PING), (29, HELLO))
    assert it.patience() == 30.0


def test_keep_alives_are_no_content() -> None:
    """What is left for content shrinks with them, content gives all of it back, and it is never nothing."""
    clock = Clock()
    it = following(watcher_for(dialect()), Told(), clock=clock, content_idle=10.0)
    assert it.patience() == 10.0
    fed(it, clock, (4, PING))
    assert it.patience() == pytest.approx(6.0)
    fed(it, clock, (4, HELLO), (3, PING))
    assert it.patience() == pytest.approx(7.0)
    clock.now += 99
    assert it.patience() == pytest.approx(0.001)


def test_content_of_the_opening_is_none_of_the_next_piece() -> None:
    """A stream whose opening was heard before it is followed has the same time for what comes next as any."""
    clock = Clock()
    it = following(watching(), Told(), clock=clock, content_idle=10.0)
    fed(it, clock, (4, PING))
    assert it.patience() == pytest.approx(6.0)


def test_the_shorter_bound_holds() -> None:
    """Of both."""
    clock = Clock()
    it = following(watcher_for(dialect()), Told(), clock=clock, idle=5.0, content_idle=8.0)
    assert it.patience() == 5.0
    fed(it, clock, (4, PING))
    assert it.patience() == pytest.approx(4.0)


def test_content_that_does_not_come_is_silence() -> None:
    """However often the stream says that it is alive; and that is raised as such."""
    clock, told = Clock(), Told()
    it = following(watcher_for(dialect()), told, clock=clock, content_idle=10.0)
    fed(it, clock, (9, HELLO), (9, PING))
    with pytest.raises(TimeoutError, match=r"content_idle_timeout of 10 s") as caught:
        fed(it, clock, (1, PING))
    raised = it.over(caught.value)
    assert isinstance(raised, StreamInterrupted)
    assert (raised.why, raised.__cause__) == ("idle", caught.value)
    assert told.ends == [("interrupted", "TimeoutError", "idle", False)]


@pytest.mark.parametrize("last", [DONE, STOP, ERROR])
def test_after_the_end_there_is_no_content_to_wait_for(last: bytes) -> None:
    """Whatever still comes."""
    clock = Clock()
    it = following(watcher_for(dialect()), Told(), clock=clock, content_idle=10.0)
    fed(it, clock, (9, HELLO), (9, last), (99, PING))
