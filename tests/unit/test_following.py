"""A streamed answer followed to its end: what each way to end is for who reads, and for who looks on, told once."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from anyint_resilience import DeadlineExceeded
from anyint_resilience.contract.streams import StreamEnds, ends_of
from anyint_resilience.contract.words import Family
from anyint_resilience.exceptions import StreamInterrupted
from anyint_resilience.following import FAILED, Ended, Following
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import Verdict
from anyint_resilience.streams.watcher import Watcher

CHAT, RESPONSES = "/openai/v1/chat/completions", "/openai/v1/responses"


def dialect(family: Family = Family.OPENAI, template: str = CHAT) -> StreamEnds:
    ends = ends_of(family, template)
    assert ends is not None
    return ends


HELLO = b'data: {"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"overloaded"}}\n\n'
PIECES = {
    Verdict.CUT: (HELLO,),
    Verdict.SOFT: (HELLO, STOP),
    Verdict.WHOLE: (HELLO, STOP, DONE),
    Verdict.FAILED: (HELLO, ERROR),
    Verdict.UNKNOWN: (b"\x00 in a coding that nobody reads here",),
}


class Told:
    """Stands for a call's watch, and for what is told the outcome."""

    def __init__(self) -> None:
        self.ends: list[Any] = []
        self.then: list[tuple[str, bool]] = []

    def stream_over(self, outcome: str, error: str | None, *, why: str, soft: str) -> None:
        self.ends.append((outcome, error, why, bool(soft)))

    def dropped(self, outcome: str, error: str | None) -> None:
        self.ends.append((outcome, error, "dropped", False))

    def outcome(self, outcome: str, *, later: bool) -> None:
        self.then.append((outcome, later))


def made(why: str, watcher: Watcher, error: Exception | None) -> StreamInterrupted:
    """Make an exception that says all it was made of."""
    it = StreamInterrupted(f"{why} {watcher.size}")
    it.why, it.__cause__ = why, error
    return it


def watching(verdict: Verdict = Verdict.CUT) -> Watcher:
    """Return what watches a chat of this verdict, which has come."""
    watcher = watcher_for(dialect(), "br" if verdict is Verdict.UNKNOWN else "")
    for piece in PIECES[verdict]:
        watcher.feed(piece)
    assert watcher.verdict is verdict
    return watcher


def following(watcher: Watcher | None, told: Any, **more: Any) -> Following:
    given = {"then": told.outcome, "make": made, "timeouts": (TimeoutError,), **more}
    return Following(told, watcher, **given)


# --- verdict x how it ended

BREAK, SILENCE, LATE = ConnectionResetError("https://host/?key=secret"), TimeoutError("30 s"), DeadlineExceeded("late")
OVER: dict[str, Exception | None] = {"the end": None, "a break": BREAK, "silence": SILENCE, "the deadline": LATE}
ENDED: list[tuple[Verdict, str, str, str | None]] = [
    # what it is,      how it ended,   outcome,       why it raises ("": it ends well, None: what it broke with)
    (Verdict.WHOLE, "the end", "success", ""),
    (Verdict.WHOLE, "a break", "success", ""),
    (Verdict.WHOLE, "silence", "success", ""),
    (Verdict.WHOLE, "the deadline", "late", None),
    (Verdict.SOFT, "the end", "success", ""),
    (Verdict.SOFT, "a break", "success", ""),
    (Verdict.SOFT, "silence", "success", ""),
    (Verdict.SOFT, "the deadline", "late", None),
    (Verdict.UNKNOWN, "the end", "success", ""),
    (Verdict.UNKNOWN, "a break", "interrupted", "broken"),
    (Verdict.UNKNOWN, "silence", "interrupted", "idle"),
    (Verdict.UNKNOWN, "the deadline", "late", None),
    (Verdict.FAILED, "the end", "failed", "failed"),
    (Verdict.FAILED, "a break", "failed", "failed"),
    (Verdict.FAILED, "silence", "failed", "failed"),
    (Verdict.FAILED, "the deadline", "late", None),
    (Verdict.CUT, "the end", "interrupted", "cut"),
    (Verdict.CUT, "a break", "interrupted", "broken"),
    (Verdict.CUT, "silence", "interrupted", "idle"),
    (Verdict.CUT, "the deadline", "late", None),
]  # fmt: skip


def test_the_table_has_every_verdict_and_every_end() -> None:
    """None is left out."""
    assert {(verdict, how) for verdict, how, *_ in ENDED} == {(verdict, how) for verdict in Verdict for how in OVER}
    assert len(ENDED) == len(Verdict) * len(OVER)


@pytest.mark.parametrize(("verdict", "how", "outcome", "why"), ENDED)
def test_how_a_body_ended_is_told_and_raised(verdict: Verdict, how: str, outcome: str, why: str | None) -> None:
    """A whole stream ends well however its connection does, and no other does; a break is told by its class alone."""
    told, error, watcher = Told(), OVER[how], watching(verdict)
    raised = following(watcher, told).over(error)
    if why:
        assert isinstance(raised, StreamInterrupted)
        assert (raised.why, raised.__cause__, str(raised)) == (why, error, f"{why} {watcher.size}")
    else:
        assert raised is (error if why is None else None)
    name = None if error is None or why == "" else type(error).__name__
    assert told.ends == [(outcome, name, why or "", verdict is Verdict.SOFT and outcome == "success")]
    assert told.then == [(outcome, False)]


@pytest.mark.parametrize(("verdict", "how", "outcome", "why"), ENDED)
def test_for_who_only_looks_on_nothing_changes(verdict: Verdict, how: str, outcome: str, why: str | None) -> None:
    """Without anybody to make exceptions of ours, who reads gets what the client gave; the outcome is the same."""
    told, error = Told(), OVER[how]
    assert following(watching(verdict), told, make=None).over(error) is error
    assert [end[0] for end in told.ends] == [outcome]


@pytest.mark.parametrize(
    ("error", "outcome"), [(None, "success"), (BREAK, "interrupted"), (SILENCE, "interrupted"), (LATE, "late")]
)
def test_without_a_watcher_nothing_is_known_of_what_came(error: Exception | None, outcome: str) -> None:
    """The transport says whether this was all, and what it says is handed on."""
    told = Told()
    it = following(None, told)
    assert it.feed is None
    assert it.over(error) is error
    assert [end[0] for end in told.ends] == [outcome]


SO_FAR = {
    Verdict.WHOLE: "success",
    Verdict.SOFT: "success",
    Verdict.FAILED: "failed",
    Verdict.CUT: "abandoned",
    Verdict.UNKNOWN: "abandoned",
}


@pytest.mark.parametrize(("verdict", "outcome"), SO_FAR.items())
def test_closed_by_who_reads(verdict: Verdict, outcome: str) -> None:
    """SDKs stop reading at the last event; before it nobody wanted the rest."""
    told = Told()
    following(watching(verdict), told).closed()
    assert (told.ends, told.then) == ([(outcome, None, "", verdict is Verdict.SOFT)], [(outcome, False)])


@pytest.mark.parametrize(("verdict", "outcome"), SO_FAR.items())
def test_what_is_let_go_of_is_told_as_dropped(verdict: Verdict, outcome: str) -> None:
    """It is for the watch and the guards to say when; nothing is told within the garbage collector."""
    told = Told()
    it = following(watching(verdict), told)
    del it
    assert (told.ends, told.then) == ([(outcome, None, "dropped", False)], [(outcome, True)])


def test_dropped_with_an_error_is_interrupted() -> None:
    """That error is why."""
    told = Told()
    following(watching(), told).dropped(BREAK)
    assert told.ends == [("interrupted", "ConnectionResetError", "dropped", False)]
    assert told.then == [("interrupted", True)]


@pytest.mark.parametrize("first", ["over", "broken", "closed", "dropped"])
def test_only_the_first_end_counts(first: str) -> None:
    """Clients close a body after its end, and again, and let it go."""
    told = Told()
    it = following(watching(), told)
    ends = {
        "over": partial(it.over, None),
        "broken": partial(it.over, BREAK),
        "closed": it.closed,
        "dropped": it.dropped,
    }
    ends.pop(first)()
    heard = (list(told.ends), list(told.then))
    assert [len(each) for each in heard] == [1, 1]
    assert it.over(None) is None
    assert it.over(BREAK) is BREAK, "raised as ours once: this is another break"
    it.closed()
    it.dropped(BREAK)
    ends.clear()
    del it
    assert (told.ends, told.then) == heard


# --- what the last event is

FED = [
    ("in two pieces", dialect(), (b"data: [DO", b"NE]\n\n"), "success"),
    ("its end by itself", dialect(), (b"data: [DONE]", b"\n\n"), "success"),
    ("behind much else", dialect(), (b": x" + b"x" * 9000 + b"\n\ndata: [DONE]\n\n",), "success"),
    ("before much else", dialect(), (DONE + b": x" + b"x" * 9000 + b"\n\n",), "success"),
    ("a text about it", dialect(),
     (b'data: {"choices":[{"delta":{"content":"write [DONE] or data: [DONE]"}}]}\n\n',), "abandoned"),
    ("a text about Anthropic's", dialect(Family.ANTHROPIC, "/anthropic/v1/messages"),
     (b'data: {"delta":{"text":"\\"type\\":\\"message_stop\\" event: message_stop"}}\n\n',), "abandoned"),
    ("a text about a response's", dialect(Family.OPENAI, RESPONSES),
     (b'data: {"type":"response.output_text.delta","delta":"response.completed"}\n\n',), "abandoned"),
    ("a failure", dialect(), (ERROR,), "failed"),
    ("a response's failure", dialect(Family.OPENAI, RESPONSES),
     (b'event: response.failed\ndata: {"type":"response.failed"}\n\n',), "failed"),
    ("Anthropic's failure", dialect(Family.ANTHROPIC, "/anthropic/v1/messages"),
     (b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',), "failed"),
]  # fmt: skip


@pytest.mark.parametrize(("ends", "pieces", "outcome"), [it[1:] for it in FED], ids=[it[0] for it in FED])
def test_pieces_are_fed_as_they_come(ends: StreamEnds, pieces: tuple[bytes, ...], outcome: str) -> None:
    """What is told of is what came off the wire; what a model writes can say anything."""
    told = Told()
    it = following(watcher_for(ends), told)
    assert it.feed is not None
    for piece in (HELLO, *pieces):
        it.feed(piece)
    it.closed()
    assert [end[0] for end in told.ends] == [outcome]


STOPS = [
    # what comes, what of its last piece is given, what is then known of it
    ("a failure, and then its end", (HELLO, ERROR + DONE), ERROR, Verdict.FAILED),
    ("the same in pieces", (HELLO, ERROR, DONE), b"", Verdict.FAILED),
    ("behind an end", (HELLO, STOP + ERROR, DONE), b"", Verdict.FAILED),
    ("nothing but its end", (DONE,), b"", Verdict.CUT),
    ("a role and its end", (ROLE + DONE,), ROLE, Verdict.CUT),
]


@pytest.mark.parametrize(("pieces", "before", "verdict"), [it[1:] for it in STOPS], ids=[it[0] for it in STOPS])
def test_a_last_event_of_what_is_not_whole_is_not_given(
    pieces: tuple[bytes, ...], before: bytes, verdict: Verdict
) -> None:
    """SDKs read no further than a ``[DONE]``, and would take it for a good end; what stands before it they get."""
    it = following(watcher_for(dialect()), Told())
    assert it.feed is not None
    for piece in pieces[:-1]:
        it.feed(piece)
    with pytest.raises(Ended) as caught:
        it.feed(pieces[-1])
    assert it.watcher is not None
    assert (caught.value.before, it.watcher.verdict) == (before, verdict)


def test_who_listens_hears_of_a_stream_that_failed_and_was_closed() -> None:
    """An SDK closes it and raises its own exception: ours is heard of once, and of no other end."""
    heard: list[Any] = []
    token = FAILED.set(heard)
    try:
        for verdict in Verdict:
            it = following(watching(verdict), Told())
            it.closed()
            it.closed()
        following(watching(Verdict.FAILED), Told(), make=None).closed()
    finally:
        FAILED.reset(token)
    assert [(it.why, why) for it, why in heard] == [("failed", None)]
