"""Music callbacks: what a body may claim, and what is refused."""

from __future__ import annotations

import json
import traceback
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anyint_resilience.tasks.callbacks import PHASES, Callback, parse_callback, phase_rank

SONG = {
    "id": "s1", "audio_url": "https://cdn.test/1.mp3", "stream_audio_url": "https://cdn.test/1",
    "image_url": "https://cdn.test/1.png", "title": "Rain", "tags": "slow", "duration": 120.5,
}  # fmt: skip
URLS = ("https://cdn.test/1.mp3", "https://cdn.test/1", "https://cdn.test/1.png")
FLAT = {"callbackType": "complete", "task_id": "t1", "data": [SONG]}
WRAPPED = {"code": 200, "msg": "All generated successfully.", "data": FLAT}
COVER = {"code": 200, "msg": "success", "data": {"taskId": "t1", "images": [URLS[2], "https://cdn.test/2.png"]}}
STEMS_INFO = {"instrumental_url": "https://cdn.test/i.mp3", "origin_url": "", "vocalUrl": "https://cdn.test/v.mp3"}
STEMS = {"code": 200, "msg": "done", "data": {"task_id": "t1", "vocal_removal_info": STEMS_INFO}}
SECRET = "sk-ai-0123456789-of-a-body"


def flat(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**FLAT, **changes}.items() if value is not ...}


def song(**urls: Any) -> dict[str, Any]:
    return flat(data=[urls])


@pytest.mark.parametrize(
    ("body", "phase", "results", "code", "message", "wrapped"),
    [
        (FLAT, "complete", URLS, None, "", False),
        (WRAPPED, "complete", URLS, "200", "All generated successfully.", True),
        (flat(callbackType="text", data=[]), "text", (), None, "", False),
        (flat(callbackType="FIRST"), "first", URLS, None, "", False),
        (flat(callbackType="Remastered "), "remastered", URLS, None, "", False),
        ({**WRAPPED, "data": flat(callbackType="error", data=None), "code": 501}, "error", (), "501",
         "All generated successfully.", True),
        (COVER, "complete", (URLS[2], "https://cdn.test/2.png"), "200", "success", True),
        (COVER["data"], "complete", (URLS[2], "https://cdn.test/2.png"), None, "", False),
        ({**COVER, "code": 501, "data": {"taskId": "t1", "images": None}}, "error", (), "501", "success", True),
        ({"code": 531, "msg": "refunded", "data": None, "taskId": "t1"}, "error", (), "531", "refunded", False),
        (STEMS, "complete", ("https://cdn.test/i.mp3", "https://cdn.test/v.mp3"), "200", "done", True),
        ({"code": 200, "data": {"task_id": "t1", "audioWavUrl": URLS[0]}}, "complete", URLS[:1], "200", "", True),
        ({"code": 200, "data": {"task_id": "t1", "video_url": URLS[0]}}, "complete", URLS[:1], "200", "", True),
        ({"code": "200", "callbackType": "first", "task_id": "t1", "data": {}}, "first", (), "200", "", True),
        (song(audioUrl=URLS[0], streamAudioUrl=URLS[1], imageUrl=URLS[2]), "complete", URLS, None, "", False),
    ],
)  # fmt: skip
def test_each_documented_form_is_read(
    body: Any, phase: str, results: Any, code: Any, message: str, wrapped: bool
) -> None:
    """Flat or wrapped, song, cover art, stems, wav or video: as a mapping, text or bytes each says the same."""
    text = json.dumps(body)
    for given_as in (body, text, text.encode(), bytearray(text.encode()), "\ufeff" + text, ("\ufeff" + text).encode()):
        seen = parse_callback(given_as)
        assert (seen.task_id, seen.phase, seen.results) == ("t1", phase, results)
        assert (seen.code, seen.message, seen.wrapped, seen.document) == (code, message, wrapped, body)


@pytest.mark.parametrize(
    ("body", "final", "failed"),
    [
        (FLAT, True, False),
        (WRAPPED, True, False),
        (flat(callbackType="text"), False, False),
        (flat(callbackType="first"), False, False),
        (flat(callbackType="completed"), False, False),  # a word nobody documented
        (flat(callbackType="success"), False, False),
        (flat(callbackType="error"), True, True),
        ({**WRAPPED, "code": 400}, True, True),
        ({**WRAPPED, "code": 0}, True, True),
        ({**WRAPPED, "code": [SECRET]}, True, True),
        ({**WRAPPED, "code": True}, True, True),
        ({**WRAPPED, "code": None}, True, False),
        ({**WRAPPED, "data": flat(callbackType="text"), "code": 500}, False, True),
        (flat(code=0), True, False),  # only upstream's form has codes
    ],
)
def test_what_a_callback_claims_of_the_end(body: Any, final: bool, failed: bool) -> None:
    """Complete and error are final and no other word is; error, or a wrapped code that is not 200, has failed."""
    seen = parse_callback(body)
    assert (seen.final, seen.failed) == (final, failed)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"task_id":' + b"9" * 5000 + b"}", "task id|not JSON"),  # Python 3.10 before 3.10.7 reads any number
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b" " * 1_048_577, "1 MiB"),
        ("\u20ac" * 400_000, "1 MiB"),
        (b"[" * 1_000_000, "too deeply"),
        (b'{"a":' * 200_000, "too deeply"),
        (None, "neither"),
        (7, "neither"),
        (["task_id"], "neither"),
        (flat(task_id=...), "no task id"),
        (flat(task_id=None), "no task id"),
        ({"code": 200, "msg": "ok", "data": None}, "no task id"),
        (flat(task_id=""), "cannot be used"),
        (flat(task_id="t" * 129), "cannot be used"),
        (flat(task_id="t 1"), "cannot be used"),
        (flat(task_id="t1\n"), "cannot be used"),
        (flat(task_id="t\u00a01"), "cannot be used"),
        (flat(task_id="\ud800"), "cannot be used"),
        (flat(task_id="."), "cannot be used"),
        (flat(task_id=".."), "cannot be used"),
        (flat(task_id=" t1"), "cannot be used"),
        (flat(task_id=-1), "cannot be used"),
        (flat(task_id=True), "cannot be used"),
        (flat(task_id=1.5), "cannot be used"),
        (flat(task_id=10**128), "cannot be used"),
        (flat(task_id=["t1"]), "cannot be used"),
        (flat(taskId=""), "cannot be used"),
        (flat(taskId="t2"), "two task ids"),
        ({**WRAPPED, "task_id": "t2"}, "two task ids"),
        (b'{"task_id":"t1","task_id":"t2","callbackType":"complete"}', "two task ids"),
        (flat(callbackType=...), "no phase"),
        (flat(callbackType=None), "no phase"),
        ({"code": 200, "msg": "success", "data": {"taskId": "t1"}}, "no phase"),  # the answer to a create
        ({**COVER, "data": {"taskId": "t1", "images": None}}, "no phase"),
        (flat(callbackType=""), "not a word"),
        (flat(callbackType=3), "not a word"),
        (flat(callbackType=["complete"]), "not a word"),
        (flat(callbackType="complete: " + SECRET), "not a word"),
        (flat(callbackType=SECRET), "not a word"),  # nor shown
        (flat(callbackType="c" * 65), "not a word"),
    ],
)
def test_what_is_refused(body: Any, text: str) -> None:
    """A body that is none, names no usable task or no phase is a ValueError that says which."""
    with pytest.raises(ValueError, match=text):
        parse_callback(body)


@pytest.mark.parametrize(
    "body",
    [
        SECRET.encode(),
        b"\xff" + SECRET.encode(),
        json.dumps([SECRET]),
        flat(task_id=SECRET + " "),
        flat(taskId=SECRET),
        flat(callbackType=SECRET + "!"),
        json.dumps({"task_id": SECRET})[:-1] + ', "task_id": "t"}',
    ],
)
def test_a_refusal_quotes_nothing(body: Any) -> None:
    """Neither the error nor what hangs on it holds any of the body: no text, no context with the decoder's copy."""
    with pytest.raises(ValueError) as caught:
        parse_callback(body)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert SECRET not in "".join(traceback.format_exception_only(type(caught.value), caught.value))


def test_what_is_shown_of_a_callback() -> None:
    """URLs, message, document and a code that is none stay out of the repr."""
    body = {"code": SECRET, "msg": SECRET, "data": song(audio_url="https://cdn.test/?sig=" + SECRET)}
    seen = parse_callback(body)
    assert SECRET in seen.results[0]
    assert seen.message == SECRET
    assert repr(seen) == "Callback(task_id='t1', phase='complete', code='?', wrapped=True)"


def test_a_callback_is_a_value() -> None:
    """Two of the same body are equal and one in a set, nothing can be set, and there are no positions to mix up."""
    one, two = parse_callback(FLAT), parse_callback(json.dumps(FLAT))
    assert (one == two, len({one, two}), hasattr(one, "__dict__")) == (True, 1, False)
    with pytest.raises(FrozenInstanceError):
        one.phase = "text"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Callback("t1", "complete")  # type: ignore[call-arg]
    assert "query" in str(Callback.__doc__)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [(17, "17"), (2**64, "18446744073709551616"), (0, "0"), ("t" * 128, "t" * 128), ("a/b:c", "a/b:c"), ("é", "é")],
)
def test_ids_that_can_be_used(said: Any, wanted: str) -> None:
    """A number becomes text; said again under another name it is the same id, in the envelope or in a repetition."""
    assert parse_callback(flat(task_id=said, taskId=None)).task_id == wanted
    assert parse_callback({**WRAPPED, "taskId": wanted, "data": flat(task_id=said)}).task_id == wanted
    twice = json.dumps({"taskId": said})[1:-1]
    assert parse_callback(f'{{{twice},{twice},"callbackType":"text"}}').task_id == wanted


@pytest.mark.parametrize(
    "url", ["", "ftp://cdn.test/1", "javascript:alert(1)", "//cdn.test/1", "https:///1", "https://", "https://c\n.test",
            "https://cdn.test/" + "x" * 4079, 7, None, ["https://cdn.test/1"], {"url": "https://cdn.test/1"}],
)  # fmt: skip
def test_what_is_no_result(url: Any) -> None:
    """Only http and https texts under 4096 characters are results, wherever they stand."""
    longest = "HTTPS://cdn.test/" + "x" * 4078
    body = {**song(audio_url=url, image_url=longest), "images": [url, longest], "vocal_removal_info": {"a_url": url}}
    assert parse_callback(body).results == (longest,)


def test_results_are_bounded_and_each_is_named_once() -> None:
    """However many URLs a body claims, 64 are kept, and one that is claimed twice counts once."""
    songs = [{"audio_url": f"https://cdn.test/{n}", "image_url": f"https://cdn.test/{n}"} for n in range(60)]
    assert len(parse_callback(flat(data=songs)).results) == 60
    stems = {f"{n}_url": f"https://cdn.test/stem/{n}" for n in range(500)}
    seen = parse_callback(flat(data=songs, vocal_removal_info={**stems, "note": "https://cdn.test/note"}))
    assert len(seen.results) == 64
    assert seen.results[60:] == tuple(f"https://cdn.test/stem/{n}" for n in range(4))
    one = parse_callback(
        flat(data=[], vocalRemovalInfo={"note": "https://cdn.test/n", "vocalUrl": "https://cdn.test/v"})
    )
    assert one.results == ("https://cdn.test/v",)


def test_another_name_may_stand_twice() -> None:
    """Only ids must not be given twice with two values; of any other name the last one counts, as everywhere."""
    assert parse_callback('{"task_id":"t1","callbackType":"text","callbackType":"complete"}').phase == "complete"


def test_a_message_is_bounded() -> None:
    """A message is one printable line of at most 256 characters, whatever was sent for it."""
    assert parse_callback({**WRAPPED, "msg": "a\nb" + "x" * 5000}).message == "a b" + "x" * 253
    assert parse_callback({**WRAPPED, "msg": {"a": 1}, "message": "the other"}).message == "the other"
    assert parse_callback({**WRAPPED, "msg": ["a"]}).message == ""


def test_the_later_phase_stands() -> None:
    """Out of order or not, complete and error beat what comes before them, and an unknown word beats nothing."""
    assert sorted(["complete", "text", "remastered", "first"], key=phase_rank) == [
        "remastered", "text", "first", "complete"
    ]  # fmt: skip
    assert phase_rank("error") == phase_rank("complete") == max(map(phase_rank, PHASES))
    assert PHASES == ("text", "first", "complete", "error")
    assert phase_rank("COMPLETE") == phase_rank("complete")


# --- whatever is posted

WORDS = st.sampled_from(
    "callbackType task_id taskId data code msg images vocal_removal_info audio_url audioWavUrl x_url".split(" ")
)
TELLING = st.sampled_from(["t1", "complete", "error", "https://cdn.test/1", "\ud800", ".", 200, 501, 10**400])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | TELLING
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6), max_leaves=15
)
BODIES = st.dictionaries(WORDS, TREES, max_size=8) | st.builds(
    lambda more, inside: {**more, "data": {"task_id": "t1", "callbackType": "text", **inside}},
    st.dictionaries(WORDS, TREES, max_size=3),
    st.dictionaries(WORDS, TREES, max_size=4),
)


@given(body=BODIES, cut=st.integers(0, 300), anything=st.binary() | st.text() | TREES)
@example(body={**FLAT, "task_id": "\ud800"}, cut=0, anything=b"")
def test_reading_is_total(body: Any, cut: int, anything: Any) -> None:
    """Any body, whole, cut or of any type, is a callback within its bounds or a ValueError, and nothing else."""
    text = json.dumps(body)
    for sent in (body, text, text.encode(), text[:cut], anything):
        try:
            seen = parse_callback(sent)
        except ValueError:
            continue
        assert 0 < len(seen.task_id) <= 128
        assert len(seen.results) <= 64
        assert all(url.lower().startswith(("http://", "https://")) for url in seen.results)
        assert len(seen.message) <= 256
        assert repr(seen).isprintable()
        assert phase_rank(seen.phase) == 3 if seen.final else 0 <= phase_rank(seen.phase) < 3
