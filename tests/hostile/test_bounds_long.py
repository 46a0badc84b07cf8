"""What lives long takes no more than a short one: the longest report, a wait of many queries, a stream of many events.

Must not measure time: bytes are counted. Tables and texts: test_bounds_tables.py.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from anyint_resilience import Policy
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.streams import ends_of
from anyint_resilience.policy.given import MOST_ATTEMPTS
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import MAX_TEXT
from anyint_resilience.streams.watcher import MAX_HELD
from anyint_resilience.tasks.timetable import Timetable
from anyint_resilience.tasks.waiting import Ask, Looked, Rest, Tell, Wait, follow
from tests.unit.engine_kit import Script, World
from tests.unit.task_kit import answer, encoded, handle_of

CHAT = RouteTable().match("POST", "/openai/v1/chat/completions")


def held(call: Callable[[], object]) -> int:
    """Return what memory a call leaves behind, and what it returned is still there."""
    tracemalloc.start()
    try:
        kept = call()
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    del kept
    return size


def test_the_longest_report_there_can_be() -> None:
    """As many attempts as a policy may have, each with its decision."""
    world = World()
    script = Script(world, *([503] * MOST_ATTEMPTS), policy=Policy(attempts=MOST_ATTEMPTS, retry_window=float("inf")))
    result = script.play()
    assert result.report is not None
    assert (len(result.report.attempts), len(result.report.decisions)) == (MOST_ATTEMPTS, MOST_ATTEMPTS)
    assert len(result.report.notes) < 5
    assert len(result.report.timeline()) < 400 * MOST_ATTEMPTS


def test_a_wait_of_thousands_of_queries_keeps_one_of_them() -> None:
    """The last update; of the others nothing is left."""
    clock = World()
    body = encoded(answer("openai_video", "in_progress", padding="x" * 2048))

    def waited(queries: int) -> object:
        wait = Wait(
            handle=handle_of("openai_video"),
            deadline=1e9,
            runtime=clock.runtime,
            timetable=Timetable(),
            policy=Policy(),
        )
        flow = follow(wait)
        effect: Any = next(flow)
        while queries:
            reply: Any = None
            if isinstance(effect, Rest):
                clock.now += effect.seconds
            elif isinstance(effect, Ask):
                queries -= 1
                reply = Looked(200, (), body)
            else:
                assert isinstance(effect, Tell)
            effect = flow.send(reply)
        return flow

    waited(10)
    few, many = held(lambda: waited(50)), held(lambda: waited(400))
    assert many < few + 32 * 1024


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("asked", [False, True], ids=["followed", "asked for"])
def test_a_stream_of_a_hundred_thousand_events_is_followed_with_what_one_takes(array: bool, asked: bool) -> None:
    """Nothing of it is kept but the end, and the text up to its bound."""
    ends = ends_of(CHAT.family, CHAT.template)
    assert ends is not None
    watcher, document = watcher_for(ends, array=array), b'{"choices":[{"index":0,"delta":{"content":"word "}}]}'
    event = b"," + document if array else b"data: " + document + b"\n\n"
    watcher.feed(b"[" + document if array else event)
    most = 0
    for _ in range(100_000 if not array else 10_000):
        watcher.feed(event)
        most = max(most, watcher._size)
    if asked:
        assert watcher.marks.content > 9_000
    assert most <= MAX_HELD + len(event)
    text = watcher._marks.text
    assert text is None or len(text) <= MAX_TEXT
    assert len(watcher._marks._open) + len(watcher._marks._closed) <= 1
    assert sys.getsizeof(watcher._held) < 64 * 1024
