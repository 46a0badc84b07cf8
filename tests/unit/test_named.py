"""The model that a request names, and the same request with another in its place: nothing else changes, not a byte."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.routes import ROUTES, Route
from anyint_resilience.contract.words import Family
from anyint_resilience.policy.named import features_in, with_model, with_path
from anyint_resilience.policy.rules import DEFAULT_TABLE

OPENAI = Family.OPENAI

names = st.one_of(st.sampled_from(["model", "model_name", "messages", "Model", ""]), st.text(max_size=8))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)
gaps = st.text(alphabet=" \t\r\n", max_size=3)
models = st.one_of(
    st.sampled_from(["gpt-5", 'with "quotes"', "日本", "a\\b", "\u2028"]), st.text(min_size=1, max_size=20)
)


@st.composite
def documents(draw: Any) -> tuple[list[tuple[str, str, str]], bytes]:
    """Draw a JSON object as it may be written: (name, value's text, text before it) and the bytes around them."""
    members = draw(st.lists(st.tuples(names, values), max_size=6))
    raw = draw(st.booleans())
    parts, said = [], []
    for name, value in members:
        text = json.dumps(value, ensure_ascii=raw, indent=draw(st.sampled_from([None, 1])))
        before = draw(gaps) + json.dumps(name, ensure_ascii=raw) + draw(gaps) + ":" + draw(gaps)
        parts.append((name, text, before))
        said.append(before + text + draw(gaps))
    whole = draw(gaps) + "{" + (",".join(said) if said else draw(gaps)) + "}" + draw(gaps)
    return parts, whole.encode("utf-8", "surrogatepass")


def readable(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@given(document=documents(), model=models)
def test_only_the_model_changes_in_a_body(document: tuple[list[tuple[str, str, str]], bytes], model: str) -> None:
    """Whitespace, order, escapes, nested and duplicate members: every other byte is the same, and it reads the same."""
    parts, body = document
    if not readable(body):
        assert with_model(body, OPENAI, model) is None
        return
    changed = with_model(body, OPENAI, model)
    if all(name != "model" for name, _, _ in parts):
        assert changed is None
        return
    assert changed is not None
    rest = body.decode()
    expected = ""
    for name, text, before in parts:
        head, _, rest = rest.partition(before + text)
        expected += head + before + (json.dumps(model) if name == "model" else text)
    assert changed.decode() == expected + rest
    before_it, after_it = json.loads(body), json.loads(changed)
    assert after_it.pop("model") == model
    before_it.pop("model")
    assert after_it == before_it


@given(document=documents(), model=models)
def test_what_was_put_in_is_read_again(document: tuple[list[tuple[str, str, str]], bytes], model: str) -> None:
    """And of duplicate members the last one is read, as servers do."""
    _, body = document
    changed = with_model(body, OPENAI, model)
    if changed is not None:
        assert json.loads(changed)["model"] == model


@given(body=st.one_of(st.none(), st.binary(), st.text().map(str.encode)))
def test_it_is_total(body: bytes | None) -> None:
    """Whatever a body is, nothing raises."""
    for family in (None, *Family):
        with_model(body, family, "m")
    features_in(body, ["a"])


@pytest.mark.parametrize(
    "body",
    [
        None, b"", b"[]", b"null", b'"model"', b"{", b'{"model"', b'{"model":', b'{"model":"a"', b'{"model" "a"}',
        b'{"model":"a"]', b"{1:2}", b'{"other": {"model": "a"}}', b'{"Model": "a"}', b"\xff{}", b'{"a":1,,"model":"b"}',
        b'{"a":' + b"[" * 5000 + b'],"model":"a"}',
    ],
)  # fmt: skip
def test_a_body_that_names_no_model_is_left_alone(body: bytes | None) -> None:
    """No JSON object, a broken one, or one whose model stands deeper."""
    assert with_model(body, OPENAI, "b") is None


@pytest.mark.parametrize(
    ("body", "family", "changed"),
    [
        (b'{"model": "a"}', OPENAI, b'{"model": "z"}'),
        (b'{"model_name": "a", "model": "b"}', Family.KLING, b'{"model_name": "z", "model": "b"}'),
        (b'{"model": "a"}', Family.KLING, None),
        (b'{"model": null}', OPENAI, b'{"model": "z"}'),
        (b'{"model": "a", "model": 3}', OPENAI, b'{"model": "z", "model": "z"}'),
        (b'{"\\u006dodel": "a"}', OPENAI, b'{"\\u006dodel": "z"}'),
    ],
)
def test_where_the_model_is_named(body: bytes, family: Family, changed: bytes | None) -> None:
    """At the top level, by the family's own word, as often as it stands there."""
    assert with_model(body, family, "z") == changed


@pytest.mark.parametrize(
    ("body", "wanted", "found"),
    [
        (b'{"model": "a", "tools": [], "seed": 1}', ("seed", "tools", "x"), ("tools", "seed")),
        (b'{"tools": null}', ("tools",), ()),
        (b'{"deep": {"tools": 1}}', ("tools",), ()),
        (b'{"tools": 1}', (), ()),
        (b"no json", ("tools",), None),  # who knows what is in it
        (None, ("tools",), None),
        (None, (), ()),
        (b'{"tools": false}', ("tools",), ("tools",)),
    ],
)
def test_the_features_of_a_body(body: bytes | None, wanted: tuple[str, ...], found: Any) -> None:
    """Members at the top level that are not null."""
    assert features_in(body, wanted) == found


# --- paths

NAMED = [row for row in ROUTES if "{model}" in row.template]


def route(path: str) -> Route:
    return DEFAULT_TABLE.match("POST", path)


@pytest.mark.parametrize("mount", ["", "/proxy", "/a/b"])
@pytest.mark.parametrize("query", ["", "?alt=sse", "?x=/models/y:z"])
@pytest.mark.parametrize("row", NAMED, ids=lambda row: row.name)
def test_only_the_model_changes_in_a_path(row: Route, query: str, mount: str) -> None:
    """Whatever stands before and after it."""
    path = mount + row.template.replace("{model}", "gemini-2.5-pro") + query
    assert with_path(row, path, "other") == path.replace("gemini-2.5-pro", "other", 1)


@given(model=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_model_in_a_path_is_quoted(model: str) -> None:
    """So that it can't change what the path means."""
    row = NAMED[0]
    changed = with_path(row, row.template.replace("{model}", "m") + "?q=1", model)
    assert changed is not None
    assert changed.endswith("?q=1")
    assert unquote(changed.partition(":")[0].rpartition("/")[2]) == model
    assert changed.count("/") == row.template.count("/")
    assert DEFAULT_TABLE.match(row.method, changed.partition("?")[0]).name == row.name


@pytest.mark.parametrize("path", ["", "/", "/openai/v1/chat/completions", "/gemini/v1beta/models/"])
def test_a_path_that_names_no_model(path: str) -> None:
    """Is left alone."""
    for row in (NAMED[0], route("/openai/v1/chat/completions")):
        assert with_path(row, path, "m") is None
