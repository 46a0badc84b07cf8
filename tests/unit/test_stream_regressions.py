"""What a review of streams found, one story each: ends that are none, failures that say little, events without end."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from anyint_resilience.effects import Peek
from anyint_resilience.following import Ended, Following
from anyint_resilience.peeking import Head
from anyint_resilience.streams import forms
from anyint_resilience.streams import watcher as watching
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import Marks, Verdict
from anyint_resilience.streams.watcher import Watcher
from tests.unit.stream_kit import CHAT, CLAUDE, DONE, ENDS, GEMINI, QWEN, RESPONSES, event, fed, text_of
from tests.unit.stream_stories import THROTTLED, candidate, google
from tests.unit.stream_stories_openai import ROLE, STOP, chat, choice
from tests.unit.test_following import Told, made
from tests.unit.test_following_times import Clock

WHOLE, SOFT, FAILED, CUT = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT
SAYS = chat(choice({"content": "Hello"}))
FLAT = {"object": "error", "message": "engine died", "type": "InternalServerError", "param": None, "code": 500}


def watched(dialect: str, *events: bytes) -> Watcher:
    return fed(watcher_for(ENDS[dialect]), events)


# --- a chat that ends as a good one does, and is none


def ends(reason: str, **delta: str) -> bytes:
    return chat(choice(delta, reason))


BAD = ("error", "abort", "network_error", "insufficient_system_resource")
CHATS: list[tuple[str, tuple[bytes, ...], Verdict]] = [
    *((f"{it}, alone", (SAYS, ends(it)), FAILED) for it in BAD),
    *((f"{it}, and its end", (SAYS, ends(it), DONE), FAILED) for it in BAD),
    *((f"{it}, with a text", (ROLE, ends(it, content="x"), DONE), FAILED) for it in BAD),
    ("a good reason after a bad one", (SAYS, ends("error"), STOP, DONE), FAILED),
    ("an end alone", (DONE,), CUT),
    ("a role and an end", (ROLE, DONE), CUT),
    ("a text and an end", (ROLE, SAYS, DONE), SOFT),
    ("no text, but a reason", (ROLE, STOP, DONE), WHOLE),
    ("a flat error and an end", (event(FLAT), DONE), FAILED),
    ("a flat error after a text", (SAYS, event(FLAT), DONE), FAILED),
    ("no reason yet", (SAYS, ends("null")), CUT),
    ("no reason yet, and then one", (SAYS, ends("null"), STOP), SOFT),
    ("no reason yet, and an end", (SAYS, ends("null"), DONE), SOFT),
    *((f"{it!r}, which is no reason", (SAYS, ends(it)), CUT) for it in ("", "null")),
    *((it, (SAYS, ends(it), DONE), WHOLE) for it in ("stop", "length", "tool_calls", "content_filter", "eos")),
]


@pytest.mark.parametrize(("events", "verdict"), [it[1:] for it in CHATS], ids=[it[0] for it in CHATS])
def test_how_a_chat_ends(events: tuple[bytes, ...], verdict: Verdict) -> None:
    """A reason may be a failure or none at all, and a [DONE] after nothing is the end of nothing."""
    assert watched(CHAT, *events).verdict is verdict
    assert watched(CHAT, b"".join(events)).verdict is verdict


@pytest.mark.parametrize("reason", BAD)
def test_what_a_bad_reason_says(reason: str) -> None:
    """It is in the envelope of an error, and still the reason for the end; what was said before it is kept."""
    marks = watched(CHAT, SAYS, ends(reason), DONE).marks
    assert marks.error == {"error": {"type": reason, "message": f"finish reason {reason}"}}
    assert (marks.finish, marks.text, marks.content) == (reason, "Hello", 1)


def test_bad_reasons_are_those_of_the_contract() -> None:
    """None is left out here, and none is one of another dialect's."""
    assert {name: row.failed_finishes for name, row in ENDS.items() if row.failed_finishes} == {CHAT: frozenset(BAD)}


@pytest.mark.parametrize("events", [it[1] for it in CHATS if it[2] in (FAILED, CUT) and DONE in it[1]])
def test_such_an_end_is_not_given(events: tuple[bytes, ...]) -> None:
    """SDKs would take it for a good one; all before it is."""
    it = Following(Told(), watcher_for(ENDS[CHAT]), make=made)
    assert it.feed is not None
    with pytest.raises(Ended) as caught:
        it.feed(b"".join(events))
    assert caught.value.before == b"".join(events[:-1])


UNSAID = [
    ((google(candidate("a", "FINISH_REASON_UNSPECIFIED")),), CUT),
    ((google(candidate("a", "FINISH_REASON_UNSPECIFIED")), google(candidate("b", "STOP"))), WHOLE),
    (({"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}},), CUT),
    (({"promptFeedback": {"blockReason": "SAFETY"}},), WHOLE),
]


@pytest.mark.parametrize(("documents", "verdict"), UNSAID)
def test_a_reason_that_is_not_specified_is_none(documents: tuple[Any, ...], verdict: Verdict) -> None:
    """Gemini's word for it."""
    marks = watched(GEMINI, *map(event, documents)).marks
    assert marks.verdict is verdict
    assert marks.finish != "FINISH_REASON_UNSPECIFIED"


# --- DashScope says how it went in several places

ENDED = {"output": {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}}


@pytest.mark.parametrize("code", [None, "", 0, "0", 200, "200", "Success", "success", "SUCCESS", "OK", "ok"])
def test_a_code_of_success_is_no_error(code: Any) -> None:
    """Whatever it is written like."""
    assert watched(QWEN, event({"code": code, "message": "", **ENDED})).verdict is WHOLE


@pytest.mark.parametrize("code", ["Throttling", "500", 500, "201", "InternalError", "NotOK", "20", True])
def test_any_other_code_is_one(code: Any) -> None:
    """Also where it stands beside an answer."""
    assert watched(QWEN, event({"code": code, "message": "", **ENDED})).verdict is FAILED


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, WHOLE), (399, WHOLE), (400, FAILED), (429, FAILED), (503, FAILED)]
)
def test_the_status_counts_though_the_data_is_good(status: int, verdict: Verdict) -> None:
    """It is the answer's real one, and is kept."""
    marks = watched(QWEN, b"id:1\nevent:result\n:HTTP_STATUS/%d\ndata:" % status + text_of(ENDED) + b"\n\n").marks
    assert (marks.verdict, marks.status) == (verdict, status)


@pytest.mark.parametrize("between", [b"\n", b"\n\n"], ids=["one event", "two"])
def test_the_data_of_a_failure_says_more_than_its_status(between: bytes) -> None:
    """And then no later one counts."""
    marks = watched(QWEN, b":HTTP_STATUS/429" + between + b"data:" + text_of(THROTTLED) + b"\n\n").marks
    assert (marks.error, marks.status) == (THROTTLED, 429)
    marks.read({"code": "Later", "message": "x"})
    assert marks.error == THROTTLED


# --- one event that does not end is not looked at anew for each of its pieces

PIECES = 2_000
SIZE = 600
HEADS = {
    CHAT: b'data: {"choices":[{"index":0,"delta":{"content":"',
    RESPONSES: b'event: response.image\ndata: {"partial_image_b64":"',
    CLAUDE: b'event: content_block_delta\ndata: {"delta":{"text":"',
    GEMINI: b'data: {"candidates":[{"index":0,"content":{"parts":[{"text":"',
    QWEN: b'data:{"output":{"text":"',
}


class Counted:
    """Counts calls of a function, and the bytes or characters that it looked at."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.calls = self.size = 0

    def __call__(self, block: Any, *more: Any, **named: Any) -> Any:
        self.calls, self.size = self.calls + 1, self.size + len(block)
        return self.function(block, *more, **named)


@pytest.mark.parametrize("dialect", HEADS)
@pytest.mark.parametrize("idle", [None, 60.0], ids=["", "content_idle"])
def test_a_long_event_is_looked_at_a_few_times(
    dialect: str, idle: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many its pieces, and though it is asked after each: all that is looked at is a few times what came."""
    looked, parsed = Counted(watching.plain), Counted(json.loads)
    monkeypatch.setattr(watching, "plain", looked)
    monkeypatch.setattr("anyint_resilience.streams.marks.json", SimpleNamespace(loads=parsed))
    it = Following(Told(), watcher_for(ENDS[dialect]), make=made, clock=Clock(), content_idle=idle)
    assert it.watcher is not None
    assert it.feed is not None
    for piece in (HEADS[dialect], *[b"x" * SIZE] * PIECES):
        it.feed(piece)
        assert it.watcher.verdict is CUT
    assert (looked.size < 5 * PIECES * SIZE, looked.calls < 50, parsed.calls) == (True, True, 0)
    it.feed(b'"}\n\ndata: {"error":{"message":"no"},"code":"no"}\n\n')
    it.feed(b"event: error\ndata: {}\n\n")
    assert it.watcher.verdict is FAILED


def test_a_long_document_of_an_array_is_looked_at_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there yet is not parsed for each of its pieces; the whole one is."""
    decoded = Counted(json.JSONDecoder().raw_decode)
    decoder = SimpleNamespace(raw_decode=decoded)
    monkeypatch.setattr(forms, "json", SimpleNamespace(JSONDecoder=lambda: decoder))
    watcher = watcher_for(ENDS[GEMINI], array=True)
    for piece in (b"[" + HEADS[GEMINI][6:], *[b"x" * SIZE] * PIECES):
        watcher.feed(piece)
        assert watcher.verdict is CUT
    assert (decoded.size < 5 * PIECES * SIZE, decoded.calls < 50) == (True, True)
    assert fed(watcher, [b'"}]},"finishReason":"STOP"}]}', b"]"]).verdict is WHOLE
    assert watcher.marks.content == 1


@pytest.mark.parametrize(
    "end", [(b"\n\n",), (b"\n", b"\n"), (b"\r\n\r\n",), (b"\r\n", b"\r\n"), (b"\r", b"\r"), (b"\r", b"\n\r\n")]
)
def test_the_end_of_a_long_event_is_seen_at_once(end: tuple[bytes, ...]) -> None:
    """In whatever pieces it comes, though most of the event was not looked at."""
    watcher = watcher_for(ENDS[CHAT])
    for piece in (b'data: {"error":{"message":"', *[b"x" * SIZE] * 100, b'"}}', *end[:-1]):
        watcher.feed(piece)
        assert watcher.verdict is CUT
    watcher.feed(end[-1] + b": and more")
    assert watcher.verdict is FAILED


# --- several parts, some only counted


def test_a_part_that_ended_where_it_was_only_counted_is_not_waited_for() -> None:
    """Of two choices one after the other, the first one's end need not have been read."""
    first, second = chat(choice({"content": "a" * 60})), chat(choice({"content": "b" * 60}, index=1))
    watcher = watched(CHAT, ROLE, first)
    assert watcher.verdict is CUT
    fed(watcher, [*[first] * 1000, STOP, *[second] * 1000, chat(choice({}, "stop", index=1))])
    assert watcher.marks.text is None, "it was only counted"
    assert watcher.verdict is SOFT
    assert fed(watcher, [DONE]).verdict is WHOLE


def test_a_part_that_goes_on_after_what_was_only_counted_is() -> None:
    """It is seen again."""
    marks = Marks(ENDS[CHAT])
    marks.read({"choices": [choice({"content": "a"})]})
    marks.skipped(3, None)
    marks.read({"choices": [choice({}, "stop", index=1)]})
    assert marks.verdict is SOFT
    marks.read({"choices": [choice({"content": "a"})]})
    assert marks.verdict is CUT


@pytest.mark.parametrize("size", [2_500, 9_000, 50_000])
def test_a_reason_near_the_end_does_not_hide_a_part_before_it(size: int) -> None:
    """Where a dialect has no last event, what comes before a reason is read, not counted: another may be open."""
    said, other = event(google(candidate("a" * 200))), event(google(candidate("b", index=1)))
    watcher = watched(GEMINI, said)
    assert watcher.verdict is CUT
    fed(watcher, [other + said * (size // len(said)) + event(google(candidate("a", "STOP")))])
    assert watcher.verdict is CUT
    assert watcher.marks.text == "a" * 200 * (1 + size // len(said)) + "a"
    assert fed(watcher, [event(google(candidate("b", "STOP", index=1)))]).verdict is WHOLE


# --- how long the first piece may take, and the next ones


TIMES = [
    # first, idle, content_idle; then patience before the first piece, after it, and 4 s later
    (None, None, None, [None, None, None]),
    (None, 5.0, None, [None, 5.0, 5.0]),
    (None, None, 9.0, [None, 9.0, 5.0]),
    (None, 6.0, 9.0, [None, 6.0, 5.0]),
    (30.0, None, None, [30.0, None, None]),
    (30.0, 5.0, None, [30.0, 5.0, 5.0]),
    (2.0, 5.0, 9.0, [2.0, 5.0, 5.0]),
]


@pytest.mark.parametrize(("first", "idle", "content_idle", "expected"), TIMES)
def test_only_the_first_byte_time_out_bounds_the_first_piece(
    first: float | None, idle: float | None, content_idle: float | None, expected: list[float | None]
) -> None:
    """What may pass between pieces, or without content, begins with the first one, however late that was."""
    clock, paced = Clock(), list[Any]()
    bounds: dict[str, Any] = {"first": first, "idle": idle, "content_idle": content_idle, "pace": paced.append}
    head = Head(Peek(None, 9_999, 1e9, watcher=watcher_for(ENDS[CHAT]), **bounds), clock)
    head.paced()
    found = [head.patience]
    clock.now += 1_000
    assert found == [head.patience], "nothing has come"
    changed = head.begun()
    assert not head.feed(b": keep-alive\n\n")
    found.append(head.patience)
    clock.now += 4
    assert not head.begun(), "only once"
    assert not head.feed(b": keep-alive\n\n")
    assert [*found, head.patience] == expected
    if content_idle is None:  # a client whose reads are bounded one by one is told where that has changed
        assert changed is (first != idle)
        assert paced == [first, idle][: 1 + changed]


def test_without_content_for_too_long_after_the_first_piece() -> None:
    """Keep-alives are none."""
    clock = Clock()
    head = Head(Peek(None, 9_999, 1e9, watcher=watcher_for(ENDS[CHAT]), content_idle=9.0), clock)
    clock.now += 1_000
    head.begun()
    assert not head.feed(b": keep-alive\n\n")
    clock.now += 8.9
    assert not head.feed(b": keep-alive\n\n")
    clock.now += 0.2
    with pytest.raises(TimeoutError, match="content_idle_timeout"):
        head.feed(b": keep-alive\n\n")
