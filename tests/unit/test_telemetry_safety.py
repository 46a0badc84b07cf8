"""What may be shown: URLs, models, keys' names, request ids, headers of propagators, and labels that are bounded."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.telemetry import name_of_key
from anyint_resilience.telemetry.safety import Bounded, full_url, injected, model_of, request_ids

CHAT = RouteTable().match("POST", "/openai/v1/chat/completions")
KLING = RouteTable().match("POST", "/transtreams/kling/v1/videos/text2video")
GEMINI = RouteTable().match("POST", "/gemini/v1beta/models/g:generateContent")


# --- URLs


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/a/b", "/a/b"),
        (b"/a?alt=sse", "/a?alt=sse"),
        (b"/a?key=sk-secret", "/a?key=REDACTED"),
        (b"/a?alt=sse&key=sk-secret&limit=20", "/a?alt=sse&key=REDACTED&limit=20"),
        (b"/a?X-Goog-Signature=abc", "/a?X-Goog-Signature=REDACTED"),
        (b"/a?ALT=sse", "/a?ALT=REDACTED"),
        (b"/a?%6Bey=sk-secret", "/a?REDACTED"),
        (b"/a?sk-secret", "/a?REDACTED"),
        (b"/a?key=", "/a?REDACTED"),
        (b"/a?c2stc2VjcmV0==", "/a?REDACTED"),
        (b"/a?alt=sse;key=sk-secret", "/a?alt=REDACTED"),
        (b"/a?key=a=b&b", "/a?key=REDACTED&REDACTED"),
        (b"/a?alt=sse#sk-secret", "/a?alt=sse"),
        (b"/a?key=x?y=z", "/a?key=REDACTED"),
    ],
)
def test_a_url_shows_only_harmless_parts_of_its_query(target: bytes, shown: str) -> None:
    """Values stand only behind names known to be harmless; what has no name is not shown at all."""
    assert full_url("https", "api.anyint.ai", None, target) == f"https://api.anyint.ai{shown}"


def test_a_url_has_its_port_and_brackets() -> None:
    """A port that is given is shown, and a numeric IPv6 host can be read."""
    assert full_url("http", "127.0.0.1", 8080, b"/a") == "http://127.0.0.1:8080/a"
    assert full_url("http", "::1", 8080, b"/a") == "http://[::1]:8080/a"


def test_a_url_ends_somewhere() -> None:
    """However long the request's is."""
    assert len(full_url("https", "api.anyint.ai", None, b"/" + b"a" * 100_000)) < 3000


@given(st.binary(max_size=80))
def test_no_bytes_of_a_query_break_a_url(query: bytes) -> None:
    """Whatever stands there, a text comes out, and no value behind a secret's name."""
    assert "hush" not in full_url("https", "h", None, b"/a?" + query.replace(b"hush", b"") + b"&key=hush")


# --- models


def body(**members: Any) -> bytes:
    return json.dumps(members).encode()


PADDING = "x" * 70_000
MODELS: list[tuple[str, bytes | None, str | None]] = [
    ("first", body(model="gpt-5", messages=[]), "gpt-5"),
    ("last", body(messages=[{"role": "user", "content": "hi"}], model="gpt-5"), "gpt-5"),
    ("in the middle", body(messages=[{"content": "}"}], model="gpt-5", tools=[{"a": {}}]), "gpt-5"),
    ("compact", b'{"model":"gpt-5"}', "gpt-5"),
    ("spread out", b'{\n  "model" :\t"openai/gpt-5.1-mini:free"\n}', "openai/gpt-5.1-mini:free"),
    ("two, one of them nested", body(metadata={"model": "secret"}, model="gpt-5"), "gpt-5"),
    ("two, one of them nested, reversed", body(model="gpt-5", metadata={"model": "secret"}), "gpt-5"),
    ("a longer name beside it", body(model_settings={}, model="gpt-5"), "gpt-5"),
    ("nested alone", body(input={"model": "secret"}), None),
    ("nested in a list alone", body(input=[{"model": "secret"}]), None),
    ("JSON in a text", body(prompt='{"model": "secret"}'), None),
    ("JSON in a text, and its own", body(prompt='{"model": "secret"}', model="gpt-5"), "gpt-5"),
    ("no text", body(model={"id": "gpt-5"}), None),
    ("a number", body(model=5), None),
    ("a sentence", body(model="please draw a fox"), None),
    ("two lines", body(model="gpt\n5"), None),
    ("no letters of ours", body(model="модель"), None),
    ("too long", body(model="m" * 129), None),
    ("a URL with a query", body(model="https://host/?key=secret"), None),
    ("none", body(prompt="x"), None),
    ("a large body", body(model="gpt-5", pad=PADDING), "gpt-5"),
    ("a large body, last", body(messages=[{"content": PADDING}], model="gpt-5"), "gpt-5"),
    ("a large body with two", body(metadata={"model": "secret"}, pad=PADDING, model="gpt-5"), "gpt-5"),
    ("a large body whose model is in the middle", body(pad=PADDING, model="gpt-5", more=PADDING), None),
    ("a large body with none of its own", body(pad=PADDING, metadata={"model": "secret"}), None),
    ("a large body with one in a text", body(messages=[{"content": PADDING + '{"model": "secret"}'}]), None),
    ("no JSON", b'model=gpt-5&"model": 1', None),
    ("no JSON but like it", b'Content-Disposition: form-data\r\n\r\n{"model":"secret"}\r\n--x--', None),
    ("broken off", b'{"messages": [{"model": "secret"', None),
    ("no object", b'[{"model": "secret"}]', None),
    ("no end of depth", b'{"a":' * 9_000 + b'{"model":"x"}' + b"}" * 9_000, None),
    ("no end of depth, twice", b'{"model":"x","a":' * 3000, None),
    ("empty", b"", None),
    ("not in memory", None, None),
]


@pytest.mark.parametrize(("given_body", "model"), [it[1:] for it in MODELS], ids=[it[0] for it in MODELS])
def test_the_model_is_the_documents_own_or_none(given_body: bytes | None, model: str | None) -> None:
    """Wherever it stands among the members; never one from within, nor what does not look like a model's name."""
    assert model_of(CHAT, b"/openai/v1/chat/completions", given_body) == model


def test_kling_has_another_name_for_it() -> None:
    """``model_name`` counts, and ``model`` wins."""
    assert model_of(KLING, b"/", body(model_name="kling-v3", prompt="a fox")) == "kling-v3"
    assert model_of(KLING, b"/", body(model_name="kling-v3", model="another")) == "another"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (b"/gemini/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash"),
        (b"/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=secret", "gemini-2.5-flash"),
        (b"/gemini/v1beta/models/a%20b:generateContent", None),
        (b"/gemini/v1beta/models/:generateContent", None),
        (b"/gemini/v1beta/models/\xff\xfe:generateContent", None),
    ],
)
def test_geminis_model_is_in_its_path(path: bytes, model: str | None) -> None:
    """Its body is not looked at."""
    assert model_of(GEMINI, path, body(model="secret")) == model


@given(st.recursive(st.text(max_size=20), lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(), it)))
def test_no_document_shows_more_than_its_own_model(inner: Any) -> None:
    """Whatever is nested in it, a model is what JSON's own reader calls the document's model."""
    document = {"messages": inner, "model": "gpt-5"}
    assert model_of(CHAT, b"/", json.dumps(document).encode()) in ("gpt-5", None)
    assert model_of(CHAT, b"/", json.dumps({"messages": inner}, ensure_ascii=False).encode("utf-8", "replace")) is None


# --- keys, ids, headers


def test_a_key_has_a_name_that_does_not_give_it_away() -> None:
    """Short, the same each time and for text and bytes, another for another key; none for none."""
    name = name_of_key("sk-secret")
    assert name == name_of_key(b"sk-secret") != name_of_key("sk-secret2")
    assert name is not None
    assert len(name) == 16
    assert int(name, 16)
    assert name_of_key(None) is name_of_key("") is name_of_key(b"") is None


def ids(headers: Any) -> dict[str, list[str]]:
    return request_ids(headers, lambda text: "secret" in text)


def test_only_request_ids_are_shown_of_an_answers_headers() -> None:
    """By any spelling, as bytes or text, from pairs or a mapping; a cookie is not among them."""
    pairs = [(b"X-Request-Id", b"req_1"), (b"Set-Cookie", b"session=1"), (b"Authorization", b"Bearer x")]
    assert ids(pairs) == {"http.response.header.x-request-id": ["req_1"]}
    assert ids([(name.decode(), value.decode()) for name, value in pairs]) == ids(pairs)
    assert ids({"x-request-id": "req_1", "server": "x"}) == ids(pairs)
    assert ids(()) == ids({}) == {}


@pytest.mark.parametrize("value", [b"two words", b"x" * 200, b"https://host/?sig=1", b"req-secret", b"\xff", b""])
def test_a_request_id_that_is_none_is_not_shown(value: bytes) -> None:
    """A server may write anything there, a key that it was sent included."""
    assert ids([(b"x-request-id", value)]) == {}


def test_propagators_may_set_headers_of_their_own_only() -> None:
    """No key, no host, nothing that is no header."""
    carrier = {
        "traceparent": "00-1-2-01",
        "X-Custom": "a",
        "Authorization": "Bearer stolen",
        "x-api-key": "stolen",
        "X-Goog-Api-Key": "stolen",
        "Host": "elsewhere",
        "content-length": "0",
        "two words": "x",
        "": "x",
        "new\nline": "x",
        "bad-value": "a\r\nb: c",
        "no-text": 7,
        "naïve": "x",
        "value": "naïve",
        "long": "x" * 10_000,
        7: "x",
    }
    assert injected(carrier) == [(b"traceparent", b"00-1-2-01"), (b"x-custom", b"a")]


# --- labels


def test_a_label_takes_so_many_values() -> None:
    """What was there first stays, what comes later is ``other``, none stays none."""
    bounded = Bounded(2)
    assert [bounded(it) for it in ("a", "b", "c", "a", None, "d", "b")] == ["a", "b", "other", "a", None, "other", "b"]


def test_a_label_is_safe_between_threads() -> None:
    """However many come at once, there are not many more values than it takes."""
    bounded, found, start = Bounded(50), set[str | None](), threading.Barrier(8)

    def come(number: int) -> None:
        start.wait()
        found.update([bounded(f"{number}-{it}") for it in range(200)])

    threads = [threading.Thread(target=come, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) <= 50 + 1 + len(threads)


def test_every_route_has_a_template_without_secrets() -> None:
    """A route's template is what stands in span names and labels: it never has a part of a URL in it."""
    route: Route = RouteTable().match("GET", "/openai/v1/videos/video_secret_id")
    assert "secret" not in route.template
    assert "secret" not in RouteTable().match("GET", "/nothing/of/ours/secret").template
