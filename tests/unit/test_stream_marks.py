"""What events and documents tell of one stream: content, its end, a failure, tokens used; and no JSON is too odd."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.streams import STREAMS, StreamEnds
from anyint_resilience.streams import marks as marking
from anyint_resilience.streams.frames import Event, event_of
from anyint_resilience.streams.marks import Marks, Verdict
from tests.unit.stream_kit import CHAT, CLAUDE, ENDS, FOX, GEMINI, QWEN, RESPONSES, text_of, told
from tests.unit.stream_stories import candidate, google
from tests.unit.stream_stories_openai import choice

WHOLE, SOFT, FAILED, CUT = Verdict.WHOLE, Verdict.SOFT, Verdict.FAILED, Verdict.CUT
DELTA = {"type": "response.output_text.delta", "delta": "a"}


def marks_of(dialect: str, *documents: Any) -> Marks:
    """Return the marks after these documents, each of which is one event without a name."""
    marks = Marks(ENDS[dialect])
    for document in documents:
        marks.take(Event("", text_of(document), None, ()))
    return marks


def choices(*found: Any, **more: Any) -> dict[str, Any]:
    return {"choices": list(found), **more}


def output(**more: Any) -> dict[str, Any]:
    return {"output": more}


CONTENT = [
    # dialect, document, whether it is content, the text it brings
    (CHAT, choices(choice({"role": "assistant"})), False, ""),
    (CHAT, choices(choice({"role": "assistant", "content": "", "refusal": None, "tool_calls": []})), False, ""),
    (CHAT, choices(choice({"role": "assistant", "content": "a"})), True, "a"),
    (CHAT, choices(choice({"content": " "})), True, " "),
    (CHAT, choices(choice({"reasoning_content": "a"})), True, ""),
    (CHAT, choices(choice({"content": "b"}, index=1), choice({"content": "a"})), True, "a"),
    (CHAT, choices(choice({"content": "b"}, index=1)), True, ""),
    (CHAT, choices({"delta": {"content": "a"}}), True, "a"),
    (CHAT, choices(choice({"content": ["a"]})), True, ""),
    (CHAT, choices(), False, ""),
    (CHAT, choices(usage={"total_tokens": 1}), False, ""),
    (CHAT, choices(choice({}, "stop")), False, ""),
    (CHAT, {"content": "a"}, False, ""),
    (RESPONSES, {"type": "response.created", "delta": "a"}, False, ""),
    (RESPONSES, {"type": "keepalive"}, False, ""),
    (RESPONSES, {"type": "response.output_item.added"}, False, ""),
    (RESPONSES, {"type": "response.output_text.done", "text": "a"}, False, ""),
    (RESPONSES, DELTA, True, "a"),
    (RESPONSES, {"type": "response.refusal.delta", "delta": "a"}, True, ""),
    (RESPONSES, {"type": "response.of_tomorrow"}, True, ""),
    (CLAUDE, {"type": "message_start", "message": {"id": "m"}}, False, ""),
    (CLAUDE, {"type": "content_block_start"}, False, ""),
    (CLAUDE, {"type": "content_block_stop"}, False, ""),
    (CLAUDE, {"type": "message_delta", "delta": {"text": "a"}}, False, ""),
    (CLAUDE, {"type": "ping"}, False, ""),
    (CLAUDE, {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}, True, "a"),
    (CLAUDE, {"type": "content_block_delta", "delta": {"partial_json": "a"}}, True, ""),
    (GEMINI, google(candidate("a")), True, "a"),
    (GEMINI, google(candidate("a", thought=True)), True, ""),
    (GEMINI, google(candidate("a", thought=False)), True, "a"),
    (GEMINI, google(candidate("b", index=1), candidate("a")), True, "a"),
    (GEMINI, google(candidate("")), False, ""),
    (GEMINI, google({"content": {"role": "model"}}), False, ""),
    (GEMINI, google({"content": {"parts": [{"inlineData": {"data": "aa"}}]}}), True, ""),
    (GEMINI, google(), False, ""),
    (QWEN, output(choices=[{"message": {"role": "assistant", "content": ""}}]), False, ""),
    (QWEN, output(choices=[{"message": {"role": "assistant", "content": "a"}}]), True, "a"),
    (QWEN, output(choices=[{"message": {"content": [{"text": "a"}]}}]), True, ""),
    (QWEN, output(text="a"), True, "a"),
    (QWEN, output(text=""), False, ""),
]


@pytest.mark.parametrize(("dialect", "document", "content", "text"), CONTENT)
def test_what_is_content(dialect: str, document: Any, content: bool, text: str) -> None:
    """A role, an empty delta, tokens used, what only says again are none; text is the first part's, thoughts none."""
    marks = marks_of(dialect, document)
    kept = bool(ENDS[dialect].text_paths)
    assert (marks.content, marks.text) == (content, text if kept else None)
    marks.read(document)
    assert (marks.content, marks.text, marks.malformed) == (2 * content, 2 * text if kept else None, 0)


VERDICTS = [
    (CHAT, [choices(choice({}, ""))], CUT),
    (CHAT, [choices(choice({}, "stop"))], SOFT),
    (CHAT, [choices(choice({}, "stop"), choice({}, index=1))], CUT),
    (CHAT, [choices(choice({}, "stop"), choice({}, "stop", index=1))], SOFT),
    (CHAT, [choices(choice({}, index=1)), choices(choice({}, "stop"))], CUT),
    (CHAT, [choices(choice({}, "stop")), choices(choice({}, index=1))], CUT),
    (CHAT, [choices(choice({}, "stop")), choices(choice({"content": "a"}))], SOFT),
    (CHAT, [choices(choice({}, "stop")), choices()], SOFT),
    (CHAT, [choices({"finish_reason": "stop"})], SOFT),
    (CHAT, [choices({"finish_reason": 7})], CUT),
    (CHAT, [["DONE"]], CUT),
    (CHAT, [choices(choice({}, "stop")), {"error": {"message": "no"}}], FAILED),
    (CHAT, [{"error": None}, {"error": {}}, {"error": ""}, {"error": {"message": None}}], CUT),
    (CHAT, [{"type": "error"}], FAILED),
    (RESPONSES, [{"type": "response.completed"}], WHOLE),
    (RESPONSES, [{"type": "response.incomplete"}], WHOLE),
    (RESPONSES, [{"type": "response.failed"}], FAILED),
    (RESPONSES, [{"type": "response.completed", "response": {"error": None}}], WHOLE),
    (RESPONSES, [DELTA, {"type": "response.output_item.done"}], CUT),
    (RESPONSES, [{"type": "response.in_progress", "response": {"error": {"code": "x"}}}], FAILED),
    (CLAUDE, [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}], CUT),
    (CLAUDE, [{"type": "message_stop"}], WHOLE),
    (CLAUDE, [{"type": "message_stop"}, {"type": "error"}], FAILED),
    (GEMINI, [google(candidate("a"))], CUT),
    (GEMINI, [google(candidate("a", "STOP"))], WHOLE),
    (GEMINI, [google(candidate("a", "STOP"), candidate("b", index=1))], CUT),
    (GEMINI, [google(candidate("a", "STOP")), google(candidate("b", index=1))], CUT),
    (GEMINI, [{"promptFeedback": {"blockReason": "SAFETY"}}], WHOLE),
    (GEMINI, [{"promptFeedback": {"blockReason": ""}}], CUT),
    (GEMINI, [{"promptFeedback": {"safetyRatings": []}}], CUT),
    (GEMINI, [google(candidate("a", "STOP")), {"error": {"code": 500}}], FAILED),
    (QWEN, [output(choices=[{"finish_reason": "null"}])], CUT),
    (QWEN, [output(choices=[{"finish_reason": None}])], CUT),
    (QWEN, [output(choices=[{"finish_reason": "stop"}])], WHOLE),
    (QWEN, [output(finish_reason="null")], CUT),
    (QWEN, [output(finish_reason="stop")], WHOLE),
    (QWEN, [{"code": "", "output": None}], CUT),
    (QWEN, [{"code": "Throttling"}], FAILED),
]


@pytest.mark.parametrize(("dialect", "documents", "verdict"), VERDICTS)
def test_what_ends_a_stream(dialect: str, documents: list[Any], verdict: Verdict) -> None:
    """All parts that were seen must have ended; an empty reason is none; a failure stands, whatever else was said."""
    assert marks_of(dialect, *documents).verdict is verdict


@pytest.mark.parametrize("row", STREAMS, ids=lambda row: row.name)
def test_the_name_of_an_event_says_what_it_is(row: StreamEnds) -> None:
    """By its line or by the type in its data, the line first; a keep-alive is not looked into; an odd one is data."""
    for name in row.done_events - row.failed_events:
        for it in (Event(name, b"{}", None, ()), Event("", text_of({"type": name}), None, ())):
            marks = Marks(row)
            marks.take(it)
            assert (marks.verdict, marks.content) == (WHOLE, 0)
    for name in row.failed_events:
        for data in (b"{}", b"oh no \xff", b"", b'{"type":"message_stop"}', b"[]"):
            marks = Marks(row)
            marks.take(Event(name, data, None, ()))
            assert marks.verdict is FAILED
            assert marks.done is (name in row.done_events and data.startswith(b"{"))
    for name in row.ignored_events:
        marks = Marks(row)
        marks.take(Event(name, b'{"type":"message_stop","usage":{"a":1}}', "7", ()))
        assert (marks.verdict, marks.content, marks.usage, marks.last_id) == (CUT, 0, None, "7")
    marks = Marks(row)
    marks.take(Event("message", b'{"type":7}', None, ()))
    marks.take(Event("message_stop", None, None, ()))  # without data it is no event
    assert marks.verdict is CUT


ENVELOPES = [
    (CHAT, {"error": {"message": "m", "code": "c"}, "id": "x"}, {"error": {"message": "m", "code": "c"}}),
    (CHAT, {"error": "no"}, {"error": {"message": "no"}}),
    (CHAT, {"error": ["no"]}, {"error": {"message": "['no']"}}),
    (CHAT, {"error": "n" * 5000}, {"error": {"message": "n" * 1024}}),
    (
        RESPONSES,
        {"type": "error", "code": "c", "message": "m", "param": None, "sequence_number": 3},
        {"error": {"code": "c", "message": "m", "type": "c"}},
    ),
    (RESPONSES, {"type": "error", "message": "m"}, {"error": {"message": "m", "type": None}}),
    (RESPONSES, {"type": "error", "error": {"code": "c"}}, {"error": {"code": "c"}}),
    (RESPONSES, {"type": "response.failed", "response": {"error": {"code": "c"}}}, {"error": {"code": "c"}}),
    (RESPONSES, {"type": "error", "error": {"code": "c"}, "response": {"error": None}}, {"error": {"code": "c"}}),
    (
        RESPONSES,
        {"type": "response.failed", "error": None, "response": {"error": {"code": "c"}}},
        {"error": {"code": "c"}},
    ),
    (
        CLAUDE,
        {"type": "error", "error": {"type": "overloaded_error"}, "request_id": "q"},
        {"type": "error", "error": {"type": "overloaded_error"}, "request_id": "q"},
    ),
    (CLAUDE, {"type": "error", "error": "no"}, {"error": {"message": "no"}}),
    (GEMINI, {"error": {"code": 503, "status": "UNAVAILABLE"}}, {"error": {"code": 503, "status": "UNAVAILABLE"}}),
    (QWEN, {"code": "c", "message": "m", "request_id": "q"}, {"code": "c", "message": "m", "request_id": "q"}),
]


@pytest.mark.parametrize(("dialect", "document", "envelope"), ENVELOPES)
def test_what_a_failure_says(dialect: str, document: Any, envelope: Any) -> None:
    """It is given in the envelope of the family's errors, and the first failure is the one that counts."""
    marks = marks_of(dialect, document)
    assert marks.error == envelope
    marks.read({"error": {"message": "later"}, "code": "later"})
    assert marks.error == envelope


NOTES = [
    (CHAT, [choices(usage={"a": 1}), choices(usage=None), choices(usage=7)], {"a": 1}, None),
    (CHAT, [choices(usage={"a": 1}), choices(usage={"a": 2, "b": 3})], {"a": 2, "b": 3}, None),
    (CHAT, [choices(choice({}, "stop")), choices(choice({}, "")), choices(choice({}, None))], None, "stop"),
    (CHAT, [choices(choice({}, "x" * 100))], None, "x" * 64),
    (CHAT, [choices(choice({}, 7)), choices(choice({}, ["stop"]))], None, None),
    (CHAT, [choices(choice({}, "stop")), choices(choice({}, "length", index=1))], None, "length"),
    (CHAT, [choices(choice({}, "stop"), choice({}, "length", index=1))], None, "stop"),
    (RESPONSES, [{"type": "response.created", "response": {"status": "in_progress", "usage": None}}], None, None),
    (RESPONSES, [{"type": "response.created", "response": {"status": "queued"}}], None, None),
    (
        RESPONSES,
        [{"type": "response.completed", "response": {"status": "completed", "usage": {"a": 1}}}],
        {"a": 1},
        "completed",
    ),
    (
        RESPONSES,
        [{"response": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}}],
        None,
        "content_filter",
    ),
    (
        CLAUDE,
        [{"type": "message_start", "message": {"usage": {"a": 1, "b": 1}}}, {"usage": {"b": 5}}],
        {"a": 1, "b": 5},
        None,
    ),
    (CLAUDE, [{"type": "message_delta", "delta": {"stop_reason": "refusal"}}], None, "refusal"),
    (CLAUDE, [{"type": "ping", "usage": {"a": 1}}], {"a": 1}, None),
    (GEMINI, [google(candidate(None, "STOP"), usageMetadata={"a": 1})], {"a": 1}, "STOP"),
    (GEMINI, [{"promptFeedback": {"blockReason": "SAFETY"}}], None, "SAFETY"),
    (QWEN, [output(choices=[{"finish_reason": "null"}])], None, None),
    (QWEN, [output(choices=[{"finish_reason": "stop"}]) | {"usage": {"a": 1}}], {"a": 1}, "stop"),
]


@pytest.mark.parametrize(("dialect", "documents", "usage", "finish"), NOTES)
def test_tokens_used_and_the_reason_for_the_end(dialect: str, documents: list[Any], usage: Any, finish: Any) -> None:
    """The last word counts, of each number too; what is empty, of another kind, or says not yet is none."""
    marks = marks_of(dialect, *documents)
    assert (marks.usage, marks.finish) == (usage, finish)


@pytest.mark.parametrize(
    ("dialect", "line", "status", "verdict"),
    [
        (QWEN, b":HTTP_STATUS/200", 200, CUT),
        (QWEN, b":HTTP_STATUS/429 Too Many", 429, FAILED),
        (QWEN, b":HTTP_STATUS/399", 399, CUT),
        (QWEN, b":HTTP_STATUS/400", 400, FAILED),
        (QWEN, b":HTTP_STATUS/503", 503, FAILED),
        (QWEN, b":HTTP_STATUS/", None, CUT),
        (QWEN, b":HTTP_STATUS/4x9", None, CUT),
        (QWEN, b":HTTP_STATUS/\xb2\xb2\xb2", None, CUT),  # digits to Python, and no number
        (QWEN, b":http/200", None, CUT),
        (QWEN, b": keep-alive", None, CUT),
        (QWEN, b":200", None, CUT),
        (CHAT, b":HTTP_STATUS/200", None, CUT),
        (CHAT, b":HTTP_STATUS/503", None, CUT),
    ],
)
def test_the_status_in_a_comment(dialect: str, line: bytes, status: int | None, verdict: Verdict) -> None:
    """Only where the dialect has it, only a number; a failure from 400 on; a later comment without one is nothing."""
    marks = Marks(ENDS[dialect])
    for raw in (line, b": keep-alive"):
        event = event_of(raw)
        assert event is not None
        marks.take(event)
    assert (marks.status, marks.verdict) == (status, verdict)


@pytest.mark.parametrize(
    ("data", "done", "malformed"),
    [
        (b"[DONE]", True, 0),
        (b" [DONE] ", True, 0),
        (b"[DONE", False, 1),
        (b"[done]", False, 1),
        (b'"[DONE]"', False, 1),
        (b"", False, 1),
        (b"null", False, 1),
        (b"{}", False, 0),
        (b"[" * 100_000, False, 1),
        (b'{"a":' * 100_000, False, 1),
        (b'{"a":' + b"9" * 5000 + b"}", False, None),  # a number that some Pythons refuse
        (b'{"a":NaN}', False, 0),
        (b'\xff\xfe{\x00}\x00"', False, 1),
        (b'{"a":"\xff"}', False, 1),
    ],
)
def test_data_of_any_kind(data: bytes, done: bool, malformed: int | None) -> None:
    """What is no object is malformed, and no more than that; the last word must be it."""
    marks = Marks(ENDS[CHAT])
    marks.take(Event("", data, None, ()))
    assert (marks.done, marks.content, marks.error) == (done, 0, None)
    assert malformed is None or marks.malformed == malformed


def test_text_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is kept up to a number of characters; beyond that none is, for good."""
    monkeypatch.setattr(marking, "MAX_TEXT", len(FOX) + 1)
    marks = marks_of(CHAT, choices(choice({"content": FOX})), choices(choice({"content": "!"})))
    assert marks.text == FOX + "!"
    for expected in (4, 5):
        marks.read(choices(choice({"content": "?"})))
        marks.read(choices(choice({"content": ""})))
        assert (marks.text, marks.content) == (None, expected - 1)


def test_events_that_were_only_counted() -> None:
    """They are content; their id is the last if they had one; and the text is not all there any more."""
    marks = marks_of(CHAT, choices(choice({"content": "a"})))
    marks.skipped(3, "7")
    marks.skipped(2, None)
    marks.read(choices(choice({"content": "b"})))
    assert (marks.content, marks.last_id, marks.text, marks.verdict) == (7, "7", None, CUT)


# --- anything at all

PATHS = {
    row.name: sorted({
        ("type",), ("error",), ("error", "message"), ("response", "error"), ("choices", "[]", "index"),
        *row.done_paths, *row.soft_paths, *row.error_paths, *row.content_paths, *row.text_paths,
        *row.usage_paths, *row.finish_paths,
    })
    for row in STREAMS
}  # fmt: skip
ODD: list[Any] = [None, True, False, 0, 7, -1.5, 10**400, float("inf"), "", "x", "stop", "\ud800", [], [[]], [None]]
ODD += [["x", 7], {}, {"a": None}, {"": ""}, {"index": []}, {"index": {}}, [{"index": "0"}], [{"index": None}]]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
VALUES = st.recursive(
    LEAVES, lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(max_size=4), it, max_size=3)
)


def placed(path: tuple[str, ...], value: Any) -> Any:
    """Return a document with a value at a path."""
    for step in reversed(path):
        value = [value] if step == "[]" else {step: value}
    return value


@pytest.mark.parametrize("dialect", PATHS)
def test_any_value_at_any_path(dialect: str) -> None:
    """Whatever stands where something is looked for, and above it, nothing is raised, and no end is invented."""
    row = ENDS[dialect]
    for path, value in product(PATHS[dialect], ODD):
        for length in range(1, len(path) + 1):
            marks = Marks(row)
            marks.read(placed(path[:length], value))
            assert isinstance(told(marks), dict)
            if path[:length] not in (*row.done_paths, *row.soft_paths) or not isinstance(value, str) or not value:
                assert marks.verdict in (CUT, FAILED), (path[:length], value)


@given(
    dialect=st.sampled_from(sorted(PATHS)),
    name=st.sampled_from(["", "error", "ping", "message_stop", "response.failed", "x"]),
    data=st.data(),
)
def test_any_json(dialect: str, name: str, data: Any) -> None:
    """Documents of any JSON, several values at paths at once, raise nothing and keep the marks' kinds."""
    marks, count = Marks(ENDS[dialect]), data.draw(st.integers(1, 4))
    for _ in range(count):
        document: dict[str, Any] = {}
        for path in data.draw(st.lists(st.sampled_from(PATHS[dialect]), max_size=4)):
            document.update(placed(path, data.draw(VALUES | st.sampled_from(ODD))))
        marks.take(Event(name, json.dumps(document).encode(), None, ()))
    assert 0 <= marks.content <= count
    assert marks.usage is None or isinstance(marks.usage, dict)
    assert marks.finish is None or (isinstance(marks.finish, str) and 0 < len(marks.finish) <= 64)
    assert marks.error is None or isinstance(marks.error, dict)
    assert marks.malformed <= count
    assert isinstance(marks.text, str) is bool(ENDS[dialect].text_paths)
