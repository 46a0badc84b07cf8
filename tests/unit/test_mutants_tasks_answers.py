"""Kept answers at their edges: how deep, how long, how spelled. Must not know any store, ledger or client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience.tasks.answers import given, kept

KIND = "application/json"
FOX, HARE = "a fox in the snow", "a hare on the hill"


def document_of(answer: Any, request: Any, *, spelled: Any = None) -> Any:
    """What of an answer is kept; ``spelled`` makes a body of the request's JSON."""
    sent = json.dumps(request)
    held = kept(200, KIND, json.dumps(answer).encode(), sent.encode() if spelled is None else spelled(sent))
    assert held is not None
    return held["document"]


def nested(kinds: str, leaf: Any) -> Any:
    """A leaf in objects and arrays: ``{[`` is an array in an object."""
    for kind in reversed(kinds):
        leaf = {"a": leaf} if kind == "{" else [leaf]
    return leaf


# --- how deep

FORMS = ["{{{{{{{{", "{[[[[[[[", "{[{[{[{[", "{{[[{{[["]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("leaf", [7, 1.5, True, None], ids=repr)
@pytest.mark.parametrize("request_body", [b"{}", b"no JSON"], ids=["JSON", "no-JSON"])
def test_an_answer_is_kept_to_its_eighth_level(form: str, leaf: Any, request_body: bytes) -> None:
    """What stands there in an object or array more is left out, the rest stays."""
    for kinds, end in ((form, leaf), (form + "{", None), (form + "[", None)):
        body = json.dumps({"b": [1], **nested(kinds, leaf)}).encode()
        held = kept(200, KIND, body, request_body)
        assert held is not None
        assert held["document"] == {"b": [1], **nested(form, end)}


@pytest.mark.parametrize("form", FORMS)
def test_a_kept_answer_is_read_to_its_sixteenth_level(form: str) -> None:
    """Twice as deep as one is kept: nothing of ours is cut, and somebody else's nesting ends."""
    for kinds, leaf, end in ((form + form, 7, 7), (form + form + "{", 7, None), (form + form + "[", 7, None)):
        body = given({"document": nested(kinds, leaf)}, None)[2]
        assert json.loads(body) == nested(kinds, end)


@pytest.mark.parametrize("form", FORMS)
def test_a_text_of_the_request_is_found_to_its_eighth_level(form: str) -> None:
    """One that stands deeper is known for an echo all the same, but nothing leads to it."""
    place = ["a" if kind == "{" else 0 for kind in form]
    for kinds, echo in ((form, {"$request": place}), (form + "{", None), (form + "[", None)):
        assert document_of({"echo": FOX}, nested(kinds, FOX)) == {"echo": echo}


def test_every_branch_of_the_request_is_looked_at() -> None:
    """Not only the one that is opened last."""
    answer = {"one": FOX, "two": HARE}
    request = {"a": {"p": FOX}, "b": [{"q": HARE}], "c": {}}
    echoes = {"one": {"$request": ["a", "p"]}, "two": {"$request": ["b", 0, "q"]}}
    assert document_of(answer, request) == echoes


# --- how long, how spelled


@pytest.mark.parametrize(
    ("answer", "request_", "document"),
    [
        pytest.param("x" * 16, "x" * 16, "x" * 16, id="a-name"),
        pytest.param("x" * 17, "x" * 17, {"$request": ["p"]}, id="no-name"),
        pytest.param("le 一只 y", "一只", None, id="two-characters-in-a-sentence"),
        pytest.param("the café is open", "é", "the café is open", id="one-character-is-no-prompt"),
        pytest.param("a fox in the snoX", FOX, "a fox in the snoX", id="another-end"),
        pytest.param("Xa fox in the", FOX, "Xa fox in the", id="another-beginning"),
        pytest.param('"été" à', 'dit "été" à lui', None, id="quoted-and-not-ASCII"),
        pytest.param("fox \ud800", "a fox \ud800 there", None, id="half-a-character"),
        pytest.param("cat \ud800", "a fox \ud800 there", "cat \ud800", id="half-a-character-of-its-own"),
    ],
)
def test_what_is_taken_for_an_echo(answer: str, request_: str, document: Any) -> None:
    """The request's long texts, pieces of them, and what has one in it; nothing that is only like it."""
    assert document_of({"m": answer}, {"p": request_}) == {"m": document}
    if "\ud800" not in request_:
        raw = json.dumps({"p": request_}, ensure_ascii=False).encode()
        assert document_of({"m": answer}, None, spelled=lambda _: raw) == {"m": document}


PROMPT = 'un renard a/b <été> "ici" in the snow'


@pytest.mark.parametrize("echo", ["renard a/b", "<été>", "b <été>", '> "ici" in', "in the snow"])
@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param(lambda text: text.replace("/", r"\/").encode(), id="slashes"),
        pytest.param(lambda text: text.replace("u00e9", "u00E9").encode(), id="upper-case-hex"),
        pytest.param(lambda text: text.replace("<", r"\u003c").replace(">", r"\u003E").encode(), id="for-HTML"),
        pytest.param(lambda text: text.replace("snow", r"sn\u006fw").replace(r"\u00e9t", "ét").encode(), id="mixed"),
        pytest.param(lambda text: text.encode("utf-16"), id="UTF-16"),
        pytest.param(lambda text: text.encode("utf-32-le"), id="UTF-32"),
    ],
)
def test_a_piece_of_a_prompt_is_not_kept_however_the_request_was_spelled(echo: str, spelled: Any) -> None:
    """Another writer of JSON than ours escapes other characters: what they say is the same."""
    assert document_of({"id": "t1", "echo": echo}, {"prompt": PROMPT}, spelled=spelled) == {"id": "t1", "echo": None}


def test_a_piece_of_the_body_itself_is_not_kept() -> None:
    """An error that quotes the JSON as it was sent, also of a name that stands there twice."""
    body = b'{"prompt":  "first words", "prompt": "other words"}'
    answer = {"near": '"prompt":  "first', "said": "first words", "own": "third words"}
    assert document_of(answer, None, spelled=lambda _: body) == {"near": None, "said": None, "own": "third words"}


@pytest.mark.parametrize(
    ("key", "with_json", "without"),
    [
        pytest.param(FOX, False, False, id="the-prompt"),
        pytest.param("fox in", False, False, id="a-piece"),
        pytest.param("https://cdn.test/1.mp4?sig=1", False, False, id="a-URL"),
        pytest.param("words of the gateway", True, False, id="its-own-words"),
        pytest.param("一只狐狸", True, False, id="no-ASCII"),
        pytest.param("completion_window_in_seconds", True, True, id="a-long-name"),
        pytest.param("x-request-id", True, True, id="a-short-name"),
    ],
)
def test_which_names_of_an_answers_fields_are_kept(key: str, with_json: bool, without: bool) -> None:
    """A prompt or a URL is kept as little in front of a colon as behind it; where nobody can tell, only a name is."""
    answer = {"id": "t1", "by": {key: 1}}
    assert document_of(answer, {"prompt": FOX}) == {"id": "t1", "by": {key: 1} if with_json else {}}
    form = b'--b\r\nname="prompt"\r\n\r\na fox in the snow\r\n--b--'
    assert document_of(answer, None, spelled=lambda _: form) == {"id": "t1", "by": {key: 1} if without else {}}


def test_a_request_too_deep_to_be_spelled_again_is_read_as_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python writes less deep than it reads; and at no depth does anything fail."""
    answer, body = b'{"id": "t1", "echo": "fox in"}', b'{"prompt": "a fox in the snow", "a": %s%s}'
    for depth in (500, 5_000, 100_000):
        held = kept(200, KIND, answer, body % (b"[" * depth, b"]" * depth))
        assert held is not None
        assert held["document"] == {"id": "t1", "echo": None}

    def too_deep(_: object) -> str:
        raise RecursionError

    monkeypatch.setattr(json, "dumps", too_deep)
    held = kept(200, KIND, b'{"id": "t1", "own": "by nobody"}', body % (b"[", b"]"))
    monkeypatch.undo()
    assert held == {"status": 200, "type": KIND, "document": {"id": "t1", "own": None}}


# --- what is made of it again


@pytest.mark.parametrize("place", ["p", {"p": 1}, 7], ids=repr)
def test_only_an_array_leads_anywhere(place: Any) -> None:
    """Another reference is none, whatever could be gone through."""
    body = given({"document": {"x": {"$request": place}}}, b'{"p": "said"}')[2]
    assert json.loads(body) == {"x": None}


@pytest.mark.parametrize(("status", "gives"), [(200, 200), (201, 201), (202, 202), (199, 200), (300, 200)])
def test_the_status_is_a_good_one(status: int, gives: int) -> None:
    """As it was, or the usual; and a type may be as short as one character."""
    assert given({"status": status, "type": "a", "document": {}}, None) == (gives, "a", b"{}")


def test_half_a_character_comes_back_as_a_question() -> None:
    """UTF-8 has no word for it: the answer can still be written."""
    held = kept(200, KIND, rb'{"n": "\ud800"}', b"{}")
    assert held is not None
    assert held["document"] == {"n": "\ud800"}
    assert given(held, b"{}")[2] == b'{"n":"?"}'
