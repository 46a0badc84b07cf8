"""The mark a create carries: put on a callback URL or into a body, read back, and put nowhere it does not belong."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.reconcile import MARKS as ROWS
from anyint_resilience.contract.words import Family
from anyint_resilience.tasks.marks import mark_of, marked, marked_body

KLING, SUNO = ROWS[Family.KLING], ROWS[Family.SUNO]

MARK = "3f2a-1"
MARKS = st.from_regex(r"[A-Za-z0-9-]{1,128}", fullmatch=True)
PIECES = st.text("abc012=&%.;/?:@+_~-é", max_size=20) | st.sampled_from(["anyint_create=old", "a=1&anyint%5Fcreate=x"])
CALLBACK_URLS = st.builds(
    lambda scheme, path, query, fragment: f"{scheme}://h.test:8080{path}{query}{fragment}",
    st.sampled_from(["https", "http", "HTTPS"]),
    st.text("abc/=&%.;:@-é", max_size=20).map(lambda path: "/" + path) | st.just(""),
    st.lists(PIECES, min_size=1, max_size=4).map(lambda parts: "?" + "&".join(parts)) | st.just(""),
    st.text("abc/?&=#", max_size=10).map(lambda text: "#" + text) | st.just(""),
)


@given(url=CALLBACK_URLS, mark=MARKS, other=MARKS)
def test_a_mark_is_read_back_and_leaves_the_rest_alone(url: str, mark: str, other: str) -> None:
    """What was put on is read from the URL, its path and query, or its query; nothing else of the URL has changed."""
    made = marked(url, mark)
    assert made is not None
    before, after = urlsplit(url), urlsplit(made)
    assert mark_of(made) == mark_of(f"{after.path or '/'}?{after.query}") == mark_of(f"?{after.query}") == mark
    if not after.query.startswith("/") and "://" not in after.query:
        assert mark_of(after.query) == mark
    assert (before[:3], before.fragment) == (after[:3], after.fragment)
    kept = [pair for pair in parse_qsl(before.query, keep_blank_values=True) if pair[0] != "anyint_create"]
    assert parse_qsl(after.query, keep_blank_values=True) == [*kept, ("anyint_create", mark)]
    assert marked(made, other) == marked(url, other)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://h.test/hook", "https://h.test/hook?anyint_create=3f2a-1"),
        ("https://h.test", "https://h.test?anyint_create=3f2a-1"),
        ("https://h.test/hook?", "https://h.test/hook?anyint_create=3f2a-1"),
        ("https://h.test/hook?a=1&", "https://h.test/hook?a=1&anyint_create=3f2a-1"),
        ("https://u:p@h.test/hook?b=%20+&a#part?x", "https://u:p@h.test/hook?b=%20+&a&anyint_create=3f2a-1#part?x"),
        ("https://h.test/?anyint_create=old&a=1&anyint_create", "https://h.test/?a=1&anyint_create=3f2a-1"),
        ("http://[::1]:80/hook", "http://[::1]:80/hook?anyint_create=3f2a-1"),
        ("ftp://h.test/", None),
        ("h.test/hook", None),
        ("/hook", None),
        ("https:///hook", None),
        ("https://?a=1", None),
        ("https://h.test/a b", None),
        ("https://h.test/\r\nX: y", None),
        ("", None),
        ("https://h.test/" + "a" * 2012, "https://h.test/" + "a" * 2012 + "?anyint_create=3f2a-1"),
        ("https://h.test/" + "a" * 2013, None),
    ],
)
def test_how_a_url_is_marked(url: str, wanted: str | None) -> None:
    """Query and fragment stay, an old mark goes; what is no web URL, or would exceed 2048 characters, has no mark."""
    assert marked(url, MARK) == wanted


@pytest.mark.parametrize("mark", ["", "a" * 129, "a b", "a&b=c", "a_b", "é", "a\n"])
def test_a_mark_that_is_none(mark: str) -> None:
    """No mark of another shape is put on a URL, and none is read from one."""
    with pytest.raises(ValueError, match="a mark is"):
        marked("https://h.test/", mark)
    assert mark_of(f"https://h.test/?anyint_create={quote(mark)}") is None


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (None, None),
        ("", None),
        (7, None),
        ("/hook", None),
        ("/hook?a=1", None),
        ("/hook?anyint_create", None),
        ("/anyint_create=m1", None),
        ("/a&anyint_create=m1", None),
        ("https://h.test/a&anyint_create=m1", None),
        ("/hook#?anyint_create=m1", None),
        ("/hook?xanyint_create=m1", None),
        ("/hook?anyint_create=m1&anyint_create=m2", None),
        ("/hook?anyint_create=m%zz", None),
        ("/hook?anyint_create=m+1", None),
        ("/hook?anyint_create=m1&anyint_create=m1", "m1"),
        ("/hook?a=/b?c&anyint_create=m1", "m1"),
        ("/a=b?anyint_create=m1", "m1"),
        ("hook?anyint_create=m1", "m1"),
        ("anyint_create=m1&next=/a?b=1", "m1"),
        ("a&anyint_create=m1", "m1"),
        ("/hook?anyint%5Fcreate=m%2D1", "m-1"),
        ("https://[broken?anyint_create=m1", "m1"),
    ],
)
def test_where_a_mark_is_read(url: Any, wanted: str | None) -> None:
    """A mark is the one value of its parameter in the query; in a path, a fragment, or with a rival it is none."""
    assert mark_of(url) == wanted


# --- in bodies

HOOK = "https://h.test/hook"
HOOKED = f"{HOOK}?anyint_create={MARK}"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"{}", b'{"external_task_id": "3f2a-1"}'),
        (b'{"prompt":"a"}', b'{"external_task_id": "3f2a-1", "prompt":"a"}'),
        (
            b' \n{ "n": 1e400, "prompt": "\\ud800 {" }',
            b' \n{"external_task_id": "3f2a-1", "n": 1e400, "prompt": "\\ud800 {" }',
        ),
        ('{"prompt":"\u00e9"}'.encode(), '{"external_task_id": "3f2a-1", "prompt":"\u00e9"}'.encode()),
        (b'{"external_task_id": "mine"}', None),
        (b'{"external_task_id": null}', None),
        (b'{"external_task_id": ""}', None),
        ('{"prompt":"a"}'.encode("utf-16"), None),
        ('{"prompt":"a"}'.encode("utf-16-le"), None),
        (b'\xef\xbb\xbf{"prompt":"a"}', None),
        (b"[]", None),
        (b"{", None),
        (b"", None),
        (b"\xff", None),
        (b'{"a":' * 100_000, None),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\n{}\r\n--b--", None),
    ],
)
def test_where_a_field_is_added(body: bytes, wanted: bytes | None) -> None:
    """In front of the rest, which stays as the caller wrote it; where there is one, or no UTF-8 object, nothing is."""
    assert marked_body(KLING, body, MARK) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            {"callBackUrl": HOOK, "prompt": "\u00e9 \U0001f600"},
            {"callBackUrl": HOOKED, "prompt": "\u00e9 \U0001f600"},
        ),
        ({"callBackUrl": HOOK, "prompt": "\ud800"}, {"callBackUrl": HOOKED, "prompt": "\ud800"}),
        ({"callBackUrl": HOOK, "n": 10**30}, {"callBackUrl": HOOKED, "n": 10**30}),
        ({"callBackUrl": HOOK, "n": float("inf")}, None),
        ({"callBackUrl": "hook"}, None),
        ({"callBackUrl": None}, None),
        ({"callBackUrl": [HOOK]}, None),
        ({"prompt": "a"}, None),
    ],
)
def test_where_a_callback_url_is_marked(body: Any, wanted: Any) -> None:
    """Any other value of the body is as it was; a body that could not be written again goes without a mark."""
    made = marked_body(SUNO, json.dumps(body).encode(), MARK)
    assert (None if made is None else json.loads(made)) == wanted


def test_a_number_no_float_holds_is_left_to_the_caller() -> None:
    """It would come out as no JSON: the create goes without a mark."""
    assert marked_body(SUNO, f'{{"callBackUrl": "{HOOK}", "n": 1e999}}'.encode(), MARK) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(body=st.dictionaries(st.text(max_size=12), VALUES, max_size=4), mark=MARKS, ascii_only=st.booleans())
def test_a_marked_body_says_the_same_and_the_mark(body: Any, mark: str, ascii_only: bool) -> None:
    """For any JSON object, in either spelling."""
    for row, field, put in ((KLING, {}, mark), (SUNO, {"callBackUrl": HOOK}, f"{HOOK}?anyint_create={mark}")):
        given_body = {**{key: it for key, it in body.items() if key != row.field}, **field}
        made = marked_body(row, json.dumps(given_body, ensure_ascii=ascii_only).encode(), mark)
        assert made is not None
        assert json.loads(made) == {**given_body, row.field: put}
        again = marked_body(row, made, "other-1")
        assert (again is None) is (not row.url)  # a field that is there is somebody's: it is left alone


@given(body=st.binary(max_size=40) | VALUES.map(lambda it: json.dumps(it).encode()))
def test_no_body_makes_it_fail(body: bytes) -> None:
    """Any bytes at all are a body."""
    for row in ROWS.values():
        marked_body(row, body, MARK)
