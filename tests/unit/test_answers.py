"""The first answer to a create as it is kept: what comes back is what came, and nothing the request said is held."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, example
from hypothesis import given as forall
from hypothesis import strategies as st

from anyint_resilience.tasks.answers import given, kept

PROMPT = 'a "fox"\nin the snow, très tôt'
KIND = "application/json"


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=30) | st.just(PROMPT)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.text(max_size=6), TREES, max_size=4)


def deep(document: Any) -> int:
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return 1 + max(map(deep, inner), default=0)


def leaves(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return [leaf for key, value in document.items() for leaf in (key, *leaves(value))]
    return [leaf for value in document for leaf in leaves(value)] if isinstance(document, list) else [document]


@forall(answer=OBJECTS, status=st.integers(200, 299))
def test_an_answer_comes_back_as_it_came(answer: Any, status: int) -> None:
    """Any JSON object, to the eighth level, where the request said nothing of it."""
    assume(deep(answer) <= 8)
    assume(len(encoded(answer)) <= 4096)
    assume("$request" not in leaves(answer))
    held = kept(status, "application/json; charset=utf-8", encoded(answer), b"{}")
    assert held is not None
    assert json.loads(json.dumps(held, allow_nan=False)) == held
    code, kind, body = given(held, b"{}")
    assert (code, kind, json.loads(body)) == (status, "application/json; charset=utf-8", answer)


@forall(request=OBJECTS, place=st.integers(0, 5), spelled=st.booleans())
@example(request={"a": [[[[[[[[[[PROMPT]]]]]]]]]]}, place=0, spelled=True)
def test_what_the_request_said_is_not_kept_and_is_put_back(request: Any, place: int, spelled: bool) -> None:
    """A prompt is in no kept answer, wherever the gateway wrote it; the same create has it in its own body."""
    request = {**request, "prompt": PROMPT}
    sent = json.dumps(request, ensure_ascii=spelled).encode()
    answer = {"id": "t1", "echo": [PROMPT, {"p": PROMPT}][place % 2], "more": [{"x": [PROMPT]}, f"Draw: {PROMPT}!"]}
    held = kept(200, KIND, encoded(answer), sent)
    assert held is not None
    assert all(PROMPT not in str(leaf) for leaf in leaves(held))
    back = json.loads(given(held, sent)[2])
    assert (back["id"], back["echo"], back["more"]) == ("t1", answer["echo"], [{"x": [PROMPT]}, None])
    assert PROMPT not in json.loads(given(held, b"{}")[2])["more"][0]["x"]


@pytest.mark.parametrize(
    ("said", "echo"),
    [
        ("a fox in the snow", "a fox in the snow"),
        ("a fox in the snow", "fox in"),
        ("a fox in the snow", "Draw a fox in the snow!"),
        ("https://h.test/hook?secret=1", "https://h.test/hook?secret=1"),
        ("一只狐狸", "一只狐狸"),
        ("一只狐狸在雪地里", "一只狐狸"),
        ("un été", "un été"),
        ('say "hi" to\nher', '"hi" to\nher'),
        ("x" * 17, "x" * 17),
    ],
)
@pytest.mark.parametrize("spelled", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda said: {"input": {"prompt": said}},
        lambda said: {"a": [[[[[[[[[said]]]]]]]]]},
        lambda said: {"a": [*map(str, range(600)), said]},
    ],
    ids=["near", "deep", "late"],
)
def test_no_piece_of_a_prompt_is_kept(said: str, echo: str, spelled: bool, wrap: Any) -> None:
    """Whole, cut, or in a sentence, however the request spelled it and wherever it stood there."""
    request = json.dumps(wrap(said), ensure_ascii=spelled).encode()
    if len(echo) > len(said) and wrap(said).keys() != {"input"}:
        request = json.dumps({**wrap(said), "prompt": said}).encode()  # that it is in a sentence, only its text shows
    held = kept(200, KIND, encoded({"id": "t1", "echo": echo, "all": [echo], "by": {echo: 1}}), request)
    assert held is not None
    assert all(echo not in str(leaf) for leaf in leaves(held))
    assert held["document"]["id"] == "t1"


def test_names_and_sizes_are_kept_whoever_said_them() -> None:
    """Short words without a space are no prompt: a model, a size, a state; nor is a single character."""
    answer = {"id": "t1", "model": "kling-v3", "size": "1280x720", "status": "queued", "message": "it is queued"}
    held = kept(200, KIND, encoded(answer), encoded({"model": "kling-v3", "size": "1280x720", "sep": " "}))
    assert held is not None
    assert held["document"] == answer


FORM = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na fox in the snow\r\n--b--\r\n'
OWN = {"id": "t1", "task_id": "task one", "request_id": "r" * 40, "status": "it is queued", "model": "sora two"}


@pytest.mark.parametrize("request_body", [FORM, b"[]", b'"a fox"', b"{", b"\xff", b"\x1f\x8b\x08", b"", None])
def test_of_an_answer_to_no_json_only_the_gateways_own_is_kept(request_body: bytes | None) -> None:
    """A form, a stream, a compressed body: what the answer says of it can't be told, and so no other text is kept."""
    answer = {
        **OWN,
        "prompt": "a fox in the snow",
        "short": "fox",
        "url": "https://h.test/?sig=1",
        "tags": ["fox", {"id": "i2", "said": "fox"}, 3, [True, "fox"]],
        "data": {"id": "i3", "seed": 7, "said": "fox", "none": None},
    }
    held = kept(200, KIND, encoded(answer), request_body)
    assert held is not None
    assert "fox" not in json.dumps(held)
    assert "://" not in json.dumps(held)
    assert json.loads(given(held, request_body)[2]) == {
        **OWN,
        "prompt": None,
        "short": None,
        "url": None,
        "tags": [{"id": "i2", "said": None}, 3, [True]],
        "data": {"id": "i3", "seed": 7, "said": None, "none": None},
    }


@forall(answer=OBJECTS)
def test_no_text_beside_the_gateways_own_is_kept_of_an_answer_to_no_json(answer: Any) -> None:
    """Whatever it is, and however deep."""

    def texts(value: Any, name: str = "") -> list[str]:
        if isinstance(value, dict):
            return [text for key, it in value.items() for text in texts(it, key)]
        if isinstance(value, list):
            return [text for it in value for text in texts(it)]
        return [name] if isinstance(value, str) else []

    held = kept(200, KIND, encoded({"id": "t1", "of": answer}), FORM)
    if held is not None:
        assert set(texts(held["document"])) <= {"id", "model", "type", "code", "size", "object", "status", "seconds"}


@pytest.mark.parametrize("url", ["https://cdn.test/1.mp4?sig=abc", "s3://bucket/a.mp4", "see http://h.test/a b"])
def test_a_url_is_never_kept(url: str) -> None:
    """It may be signed. One that the request itself gave is put back from there."""
    answer = {"id": "t1", "url": url, "all": [url, {"more": url}]}
    held = kept(200, KIND, encoded(answer), encoded({"prompt": "a fox in the snow"}))
    assert held is not None
    assert "://" not in json.dumps(held)
    assert json.loads(given(held, b"{}")[2]) == {"id": "t1", "url": None, "all": [None, {"more": None}]}
    said = encoded({"callBackUrl": url})
    own = kept(200, KIND, encoded(answer), said)
    assert own is not None
    assert "://" not in json.dumps(own)
    assert json.loads(given(own, said)[2]) == answer


@pytest.mark.parametrize(
    ("body", "is_kept"),
    [
        (encoded({"a": "x" * (4096 - 9)}), True),
        (encoded({"a": "x" * (4096 - 8)}), False),
        (b"[]", False),
        (b'"text"', False),
        (b"", False),
        (b"{", False),
        (b"\xff", False),
        (b"[" * 4096, False),
        (b'{"n": NaN}', False),
        (b'{"n": -Infinity}', False),
        (b'{"n": 1e999}', False),
        (b'{"n": 1.5e3}', True),
        (b'{"n": "\\ud800"}', True),
    ],
    ids=lambda it: repr(it)[:20],
)
def test_what_is_kept_at_all(body: bytes, is_kept: bool) -> None:
    """A JSON object of at most 4096 bytes that every store can hold."""
    held = kept(200, KIND, body, None)
    assert (held is not None) is is_kept
    if held is not None:
        json.dumps(held, allow_nan=False).encode()
        given(held, None)


def test_what_stands_too_deep_is_left_out() -> None:
    """Beyond the eighth level only numbers and words are kept."""
    document: Any = {"leaf": 1}
    for _ in range(12):
        document = {"a": document}
    held = kept(200, KIND, encoded(document), None)
    assert held is not None
    assert deep(held["document"]) <= 9


def test_a_long_content_type_is_cut() -> None:
    """It comes from a server too."""
    held = kept(200, "a" * 500, b"{}", None)
    assert held is not None
    assert held["type"] == "a" * 128


ANY = st.recursive(
    LEAVES | st.floats() | st.just("$request"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["$request", "document", "status", "type", "a"]), inner, max_size=4)
    ),
)


@forall(
    answer=st.fixed_dictionaries({}, optional={"document": ANY, "status": ANY, "type": ANY}),
    request=st.none() | st.binary(max_size=20) | OBJECTS.map(encoded),
)
@example(answer={"document": {"$request": [10**400]}, "status": True, "type": "x\r\ny: z"}, request=b'{"a": "b"}')
@example(answer={"document": {"$request": {"a": 1}}, "status": 10**400, "type": "é"}, request=b'{"a": "b"}')
def test_no_kept_answer_makes_it_fail(answer: Any, request: bytes | None) -> None:
    """Whatever stands in a store, an answer is made of it: with a good status, and a type that fits on a header."""
    status, kind, body = given(answer, request)
    assert 200 <= status < 300
    assert 0 < len(kind) <= 128
    assert kind.isascii()
    assert kind.isprintable()
    json.loads(body)


@pytest.mark.parametrize("place", [["a", 0], ["a", "x"], [], [["a"]], "a", None, ["b"], [-1], ["a", 10**30]])
def test_a_reference_leads_to_a_text_of_the_request_or_nowhere(place: Any) -> None:
    """To no list, no number, and nothing beside the request."""
    held = {"document": {"x": {"$request": place}}}
    assert json.loads(given(held, encoded({"a": ["said"], "b": 3}))[2]) == {"x": "said" if place == ["a", 0] else None}


def test_nesting_of_a_kept_answer_ends() -> None:
    """Somebody else's nesting is cut, not followed."""
    document: Any = 1
    for _ in range(500):
        document = [document]
    assert deep(json.loads(given({"document": document}, None)[2])) < 20
