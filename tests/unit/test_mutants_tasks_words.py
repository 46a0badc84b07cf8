"""What is read of callbacks, marks, kept answers and results, field by field and word for word, at their edges."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.reconcile import MARK_PARAMETER, Mark
from anyint_resilience.contract.tasks import TASKS
from anyint_resilience.contract.words import Origin
from anyint_resilience.tasks.answers import given, kept
from anyint_resilience.tasks.callbacks import Callback, is_web, parse_callback, phase_rank
from anyint_resilience.tasks.marks import mark_of, marked, marked_body
from anyint_resilience.tasks.updates import progress_of, results_of

A, B = "https://cdn.test/a.mp3", "http://cdn.test/b.mp3"


# --- callbacks


def wrapped(**data: Any) -> dict[str, Any]:
    return {"code": 200, "msg": "m", "data": {"task_id": "t", "callbackType": "complete", **data}}


def callback(document: Any, **fields: Any) -> Callback:
    return Callback(**{"task_id": "t", "phase": "complete", "document": document, **fields})


WRAPPED: dict[str, Any] = {"code": "200", "message": "m", "wrapped": True}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (wrapped(), WRAPPED),
        ({"task_id": "t", "callbackType": " First "}, {"phase": "first"}),
        ({"taskId": "t", "callback_type": "text", "message": "n"}, {"phase": "text", "message": "n"}),
        ({"task_id": 7, "taskId": "7", "callbackType": "x_1"}, {"task_id": "7", "phase": "x_1"}),
        ({"task_id": "t", "code": 500}, {"phase": "error", "code": "500"}),
        ({"task_id": "t", "code": "not a word"}, {"phase": "error", "code": "?"}),
        ({"task_id": "t", "code": "", "images": [A]}, {"results": (A,)}),
        (
            {"task_id": "t", "code": 200, "vocal_removal_info": {"vocal_url": A, "n": B, "drumsUrl": B}},
            {"code": "200", "results": (A, B)},
        ),
        ({"task_id": "t", "vocalRemovalInfo": {"vocalUrl": A}}, {"results": (A,)}),
        ({"task_id": "t", "audio_wav_url": A}, {"results": (A,)}),
        ({"task_id": "t", "audioWavUrl": A}, {"results": (A,)}),
        ({"task_id": "t", "video_url": A}, {"results": (A,)}),
        ({"task_id": "t", "videoUrl": A}, {"results": (A,)}),
        *(
            ({"task_id": "t", "callbackType": "complete", key: A}, {"results": (A,)})
            for key in ("audio_url", "audioUrl", "stream_audio_url", "streamAudioUrl", "image_url", "imageUrl")
        ),
        (wrapped(data=[{"audio_url": A, "image_url": B}, {"audio_url": A}]), {**WRAPPED, "results": (A, B)}),
        (wrapped(data={"audio_url": A}), {**WRAPPED, "results": (A,)}),
        (wrapped(images=["ftp://x", A, 7, "https://", "https://x/" + "y" * 4086]), {**WRAPPED, "results": (A,)}),
        (wrapped(images=["https://x/" + "y" * 4085]), {**WRAPPED, "results": ("https://x/" + "y" * 4085,)}),
        (
            wrapped(images=[f"{A}?{it}" for it in range(70)]),
            {**WRAPPED, "results": tuple(f"{A}?{it}" for it in range(64))},
        ),
        (
            {"task_id": "t", "callbackType": "error", "errorMessage": "e" * 300},
            {"phase": "error", "message": "e" * 256},
        ),
        (
            {"msg": "outer", "data": {"task_id": "t", "callbackType": "text", "msg": "inner"}},
            {"phase": "text", "message": "outer", "wrapped": True},
        ),
        ({"task_id": "t", "data": {"callbackType": "text"}}, {"phase": "text", "wrapped": True}),
        (
            {"callbackType": "text", "data": {"task_id": "t", "callbackType": "first"}},
            {"phase": "first", "wrapped": True},
        ),
        ({"task_id": "t" * 128, "callbackType": "text"}, {"task_id": "t" * 128, "phase": "text"}),
        ({"task_id": 10**127, "callbackType": "text"}, {"task_id": str(10**127), "phase": "text"}),
    ],
)
def test_all_that_a_callback_says(body: Any, fields: dict[str, Any]) -> None:
    """As a mapping, as text, as bytes with a mark of their order: it is the same."""
    text = json.dumps(body)
    expected = callback(body, **fields)
    assert parse_callback(body) == expected
    assert parse_callback("\ufeff" + text) == expected
    assert parse_callback(b"\xef\xbb\xbf" + text.encode()) == parse_callback(bytearray(text.encode())) == expected


BODY, ID = (
    "the callback's body ",
    "the callback's task id cannot be used: it must be 1 to 128 printable characters, no spaces",
)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (7, BODY + "is neither bytes, nor text, nor a mapping"),
        (b" " * 1_048_577, BODY + "is over 1 MiB"),
        ("é" * 524_289, BODY + "is over 1 MiB"),
        (b" " * 1_048_576, BODY + "is not JSON"),
        (b"[1]", BODY + "is no JSON object"),
        (b"[" * 100_000, BODY + "is nested too deeply"),
        (b"\xff", BODY + "is not JSON"),
        (b'{"task_id": "a", "task_id": "b"}', BODY + "names two task ids"),
        (b'{"callbackType": "text"}', "the callback names no task id"),
        (b'{"task_id": "a", "taskId": "b"}', "the callback names two task ids"),
        (b'{"task_id": "a", "data": {"taskId": "b"}}', "the callback names two task ids"),
        (b'{"task_id": " a"}', ID),
        (b'{"task_id": true}', ID),
        (b'{"task_id": -1}', ID),
        (b'{"task_id": "' + b"a" * 129 + b'"}', ID),
        (b'{"task_id": "a"}', "the callback names no phase"),
        (b'{"task_id": "a", "code": 200}', "the callback names no phase"),
        (b'{"task_id": "a", "callbackType": 7}', "the callback's phase is not a word"),
        (b'{"task_id": "a", "callbackType": "two words"}', "the callback's phase is not a word"),
    ],
)
def test_why_a_callback_is_refused_word_for_word(body: Any, problem: str) -> None:
    """And nothing of its body is in the error, nor behind it."""
    with pytest.raises(ValueError) as caught:
        parse_callback(body)
    assert str(caught.value) == problem
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("phase", "code", "wrap", "final", "failed"),
    [
        ("complete", "200", True, True, False),
        ("complete", None, True, True, False),
        ("complete", "500", True, True, True),
        ("complete", "500", False, True, False),
        ("error", None, False, True, True),
        ("first", "200", True, False, False),
        ("text", "451", True, False, True),
    ],
)
def test_what_a_callback_claims(phase: str, code: str | None, wrap: bool, final: bool, failed: bool) -> None:
    """The end, and whether it is a bad one."""
    it = callback({}, phase=phase, code=code, wrapped=wrap)
    assert (it.final, it.failed) == (final, failed)


def test_how_late_a_phase_is() -> None:
    """Whatever its letters."""
    assert [phase_rank(it) for it in ("Text", "FIRST", "complete", "error", "else")] == [1, 2, 3, 3, 0]


@pytest.mark.parametrize(
    ("url", "web"),
    [("HTTPS://x", True), ("http://x/a b", True), ("https:///x", False), ("https://?", False), ("https://#", False),
     ("https://\\x", False), ("ftp://x", False), (" https://x", False), ("https://x\n", False)],
)  # fmt: skip
def test_what_a_web_address_is(url: str, web: bool) -> None:
    """Two schemes, a host, and nothing unprintable."""
    assert is_web(url) is web


# --- marks

FIELD = Mark(field="mark", url=False, asked=True, origin=Origin.UPSTREAM)
URL = Mark(field="hook", url=True, asked=False, origin=Origin.ASSUMED)


@pytest.mark.parametrize(
    ("row", "body", "sent"),
    [
        (FIELD, b"{}", b'{"mark": "m-1"}'),
        (FIELD, b' {  "a": 1}', b' {"mark": "m-1", "a": 1}'),
        (FIELD, b'{"mark": null}', None),
        (FIELD, b"[]", None),
        (FIELD, b"{", None),
        (FIELD, b"\xff", None),
        (URL, b'{"hook": "https://x/y", "n": 1.5}', b'{"hook": "https://x/y?anyint_mark=m-1", "n": 1.5}'),
        (URL, b'{"n": 1}', None),
        (URL, b'{"hook": 7}', None),
        (URL, b'{"hook": "ftp://x"}', None),
        (URL, b'{"hook": "https://x", "n": NaN}', None),
        (URL, b'{"hook": "https://x", "n": 1e999}', None),
    ],
)
def test_a_body_with_a_mark(row: Mark, body: bytes, sent: bytes | None) -> None:
    """The rest stays as it was; where it could not, there is none."""
    expected = None if sent is None else sent.replace(b"anyint_mark", MARK_PARAMETER.encode())
    assert marked_body(row, body, "m-1") == expected


@pytest.mark.parametrize(
    ("url", "query"),
    [
        ("https://x", "?P=m"),
        ("https://x/y?a=1", "?a=1&P=m"),
        ("https://x/y?a=1&", "?a=1&P=m"),
        ("https://x/y?P=old&a=1&%s=older", "?a=1&P=m"),
        ("https://x/y?a=1#f", "?a=1&P=m#f"),
        ("https://x/y#f?g", "?P=m#f?g"),
    ],
)
def test_a_url_with_a_mark(url: str, query: str) -> None:
    """One mark, at the end of the query; and it can be read again, also of the query alone."""
    quoted = "".join(f"%{ord(char):02x}" for char in MARK_PARAMETER)
    made = marked(url.replace("P=", f"{MARK_PARAMETER}=").replace("%s", quoted), "m")
    assert made == url.partition("?")[0].partition("#")[0] + query.replace("P=", f"{MARK_PARAMETER}=")
    assert mark_of(made) == "m"
    assert mark_of(made.partition("?")[2].partition("#")[0]) == "m"
    address, sign, fragment = made.partition("#")
    assert mark_of(f"{address}&{MARK_PARAMETER}=n{sign}{fragment}") is None


@pytest.mark.parametrize(("length", "fits"), [(2048, True), (2049, False)])
def test_a_url_with_a_mark_has_an_end(length: int, fits: bool) -> None:
    """2048 characters with its mark."""
    url = "https://x/".ljust(length - len(f"?{MARK_PARAMETER}=m"), "y")
    assert (marked(url, "m") is not None) is fits
    assert marked("https://x/ y", "m") is None
    for mark in ("", "m" * 129, "m m", "m_m"):
        with pytest.raises(ValueError, match=r"^a mark is 1 to 128 ASCII letters, digits and hyphens$"):
            marked("https://x", mark)
    assert mark_of(marked("https://x", "m" * 128)) == "m" * 128


@pytest.mark.parametrize("url", [None, 7, "", "https://x", "a=1", "/p?b=c", "https://P=m/", "P=m/x", "/P=m"])
def test_where_no_mark_is(url: Any) -> None:
    """Neither in what is no query, nor where it is no mark."""
    assert mark_of(url.replace("P=m", f"{MARK_PARAMETER}=m") if isinstance(url, str) else url) is None


# --- kept answers

LONG = "a prompt that nobody is to keep"


@pytest.mark.parametrize(
    ("answer", "request_", "document"),
    [
        ({"id": "v", "n": 1}, {"prompt": LONG}, {"id": "v", "n": 1}),
        ({"echo": LONG}, {"prompt": LONG}, {"echo": {"$request": ["prompt"]}}),
        ({"echo": LONG}, {"in": [{"text": LONG}]}, {"echo": {"$request": ["in", 0, "text"]}}),
        ({"part": LONG[3:]}, {"prompt": LONG}, {"part": None}),
        ({"more": f"so: {LONG}!"}, {"prompt": LONG}, {"more": None}),
        ({"url": "https://x/y?key=secret and more"}, {"prompt": LONG}, {"url": None}),
        ({"own": "words of the gateway"}, {"prompt": LONG}, {"own": "words of the gateway"}),
        ({"tail": '"quoted" text here'}, {"prompt": 'a "quoted" text here'}, {"tail": None}),
        ({"tail": "grüne Wiesen hier"}, {"prompt": "viele grüne Wiesen hier"}, {"tail": None}),
        ({LONG: 1, "n": 2}, {"prompt": LONG}, {"n": 2}),
        (
            {"completion_window_of_a_batch_that_is_long": 1},
            {"completion_window_of_a_batch_that_is_long": "24h"},
            {"completion_window_of_a_batch_that_is_long": 1},
        ),
        (
            {"id": "v", "text": "x", "list": ["x", 1, {"status": "s"}]},
            None,
            {"id": "v", "text": None, "list": [1, {"status": "s"}]},
        ),
    ],
)
def test_what_is_kept_of_an_answer(answer: Any, request_: Any, document: Any) -> None:
    """References in the place of what the request said, nothing where it is only like it; and all of it comes back."""
    body = b"no JSON" if request_ is None else json.dumps(request_, ensure_ascii=False).encode()
    found = kept(200, "application/json; charset=" + "x" * 200, json.dumps(answer).encode(), body)
    assert found == {"status": 200, "type": ("application/json; charset=" + "x" * 200)[:128], "document": document}
    status, kind, given_body = given(found, body)
    assert (status, kind) == (200, found["type"])
    if "$request" in json.dumps(document):
        assert json.loads(given_body) == answer
    assert b": " not in given_body.replace(b"so: ", b"")


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"a": NaN}', b'{"a": 1e999}', b"", b"[" * 100_000])
def test_what_is_not_kept(body: bytes) -> None:
    """What no store could give back as it was."""
    assert kept(200, "", body, b"{}") is None


def test_only_where_the_request_was_json_can_the_gateways_own_words_be_told() -> None:
    """Without one any text may be the caller's."""
    body = b'{"a": "some long words of nobody"}'
    own = {"a": "some long words of nobody"}
    assert kept(201, "k", body, None) == {"status": 201, "type": "k", "document": {"a": None}}
    assert kept(201, "k", body, b"{}") == {"status": 201, "type": "k", "document": own}


@pytest.mark.parametrize(
    ("status", "kind", "gives"),
    [
        (200, "a/b", (200, "a/b")),
        (299, "a/b", (299, "a/b")),
        (199, "a/b", (200, "a/b")),
        (300, "a/b", (200, "a/b")),
        ("201", "", (200, "application/json")),
        (201, "x" * 128, (201, "x" * 128)),
        (201, "x" * 129, (201, "application/json")),
        (201, "a\nb", (201, "application/json")),
        (201, "é", (201, "application/json")),
        (201, None, (201, "application/json")),
    ],
)
def test_a_store_may_hold_anything(status: Any, kind: Any, gives: tuple[int, str]) -> None:
    """What makes no sense of it becomes the usual."""
    document = {"a": {"$request": ["p", 0]}, "b": {"$request": ["p"]}, "c": {"$request": 7}, "d": ["é"]}
    found = given({"status": status, "type": kind, "document": document}, b'{"p": ["x"]}')
    assert found == (*gives, '{"a":"x","b":null,"c":null,"d":["é"]}'.encode())


# --- what a task made


@pytest.mark.parametrize(
    ("progress", "told"),
    [(0, 0.0), (100, 100.0), (55.5, 55.5), (-1, None), (101, None), (True, None), ("50", None), (None, None)],
)
def test_how_far_a_task_is(progress: Any, told: float | None) -> None:
    """From 0 to 100, or nobody knows."""
    assert progress_of({"progress": progress}) == told


def test_what_a_song_made() -> None:
    """Each URL once, of both schemes, in lists of lists; at most 64."""
    row = TASKS["suno_cover"]
    document = {"data": {"response": {"images": [A, A, [B, [A + "1", [A + "2", [A + "3"]]]], "ftp://x", 7]}}}
    handle: Any = None
    assert results_of(handle, row, document) == (A, B, A + "1")
    many = {"data": {"response": {"images": [f"{A}{it}" for it in range(70)]}}}
    assert results_of(handle, row, many) == tuple(f"{A}{it}" for it in range(64))
    assert RouteTable().match("GET", "/suno/query/cover").tasks == row.name
