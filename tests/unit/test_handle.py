"""``TaskHandle``: to JSON and back in any process, what it refuses, and that it shows neither key nor text."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience import TaskHandle
from anyint_resilience.contract.words import Family
from anyint_resilience.tasks.handle import CREATES
from anyint_resilience.tasks.updates import query_route

GATEWAY = "https://gateway.api.anyint.ai"
SONG: dict[str, Any] = {
    "family": "suno",
    "route": "POST /suno/generate",
    "task_id": "s1",
    "gateway": GATEWAY,
    "created_at": 1_700_000_000.5,
}
FULL = {**SONG, "request_id": "req 1", "key_id": "0a1b", "trace_id": "f" * 32, "span_id": "e" * 16}
SECRET = "sk-ai-0123456789"

IDS = st.text(min_size=1, max_size=256).filter(
    lambda it: it.isprintable() and " " not in it and it.strip(".") != ""
) | st.sampled_from(["a/b", "a?b=c&d", "é", "%2F", "a#b", "...a", "18446744073709551616"])
HANDLES = st.builds(
    lambda name, **more: TaskHandle(family=CREATES[name].family, route=name, **more),  # type: ignore[arg-type]
    st.sampled_from(sorted(CREATES)),
    task_id=IDS,
    gateway=st.sampled_from([GATEWAY, "http://127.0.0.1:8080", "https://[::1]:1/mount/a", "http://é.test"]),
    created_at=st.floats(0, 1e11) | st.integers(0, 10**11),
    request_id=st.none() | st.text(min_size=1, max_size=512).filter(str.isprintable),
    key_id=st.none() | st.from_regex(r"[0-9a-f]{1,64}", fullmatch=True),
    trace_id=st.none() | st.just("ab" * 16),
    span_id=st.none() | st.just("cd" * 8),
)


@given(handle=HANDLES)
def test_a_handle_comes_back_as_it_was(handle: TaskHandle) -> None:
    """As JSON text or bytes, as a dict, pickled or copied; the line is plain ASCII."""
    text = handle.to_json()
    assert text.isascii()
    assert "\n" not in text
    for again in (
        TaskHandle.from_json(text),
        TaskHandle.from_json(text.encode()),
        TaskHandle.from_dict(handle.as_dict()),
        pickle.loads(pickle.dumps(handle)),
        copy.deepcopy(handle),
    ):
        assert again == handle
        assert again.as_dict() == handle.as_dict()
        assert isinstance(again.family, Family)


@given(handle=HANDLES)
def test_an_id_stays_in_its_place(handle: TaskHandle) -> None:
    """Whatever it holds, the path is that of the family's query and gives the id back: no other thing is asked for."""
    before, after = str(CREATES[handle.route].query).split("{id}")
    assert handle.path.startswith(before)
    quoted = handle.path.removeprefix(before).removesuffix(after)
    assert unquote(quoted) == handle.task_id
    assert not set(quoted) & set("/?#& ")
    assert handle.url == handle.gateway + handle.path
    assert query_route(handle).method == "GET"


@pytest.mark.parametrize(
    ("route", "task_id", "path"),
    [
        ("POST /suno/generate", "a/b&c", "/suno/query/task?taskId=a%2Fb%26c"),
        ("POST /openai/v1/videos", "../x", "/openai/v1/videos/..%2Fx"),
        ("POST /openai/v1/videos", "v?é", "/openai/v1/videos/v%3F%C3%A9"),
        ("POST /transtreams/kling/v1/videos/omni-video", "1", "/transtreams/kling/v1/videos/omni-video/1"),
    ],
)
def test_how_a_task_is_asked_for(route: str, task_id: str, path: str) -> None:
    """A slash in an id is quoted, and so is all that would begin a query."""
    handle = TaskHandle.from_dict({**SONG, "family": CREATES[route].family, "route": route, "task_id": task_id})
    assert handle.path == path


def short(value: object) -> str:
    return repr(value)[:30]


WRONG: dict[str, list[Any]] = {
    "family": [None, "kling", "music", 3, []],
    "route": [None, "", "POST /suno/style-generate", "GET /suno/query/task", "generate", 3, ["POST /suno/generate"]],
    "task_id": [None, "", ".", "..", "a\n", "a b", " a", "a" * 257, 17, 10**400, "\ud800", ["a"]],
    "gateway": [
        *(None, "", 3, "gateway.api.anyint.ai", "ftp://h.test", "HTTPS://h.test", "https://", "https:///path"),
        *("https://:443", f"https://user:{SECRET}@h.test", f"https://h.test/?key={SECRET}", "https://h.test/#a"),
        *("https://h.test/a b", "https://h.test\\a", "https://h.test/" + "a" * 500, "https://h\n.test"),
    ],
    "created_at": [None, "now", True, -1, float("nan"), float("inf"), 10**400, 2e11, []],
    "request_id": ["", 3, "a\n", "a" * 513],
    "key_id": ["", 3, "xyz", SECRET, "AB", "a" * 65],
    "trace_id": ["", 3, "g"],
    "span_id": ["", 3, "é"],
}


@pytest.mark.parametrize(
    ("field", "wrong"), [(name, wrong) for name, values in WRONG.items() for wrong in values], ids=short
)
def test_what_is_no_handle(field: str, wrong: Any) -> None:
    """The field is named, and what stood in it is not quoted."""
    with pytest.raises(ValueError, match=f"invalid TaskHandle: .*{field} ") as caught:
        TaskHandle.from_dict({**FULL, field: wrong})
    assert SECRET not in str(caught.value)


def test_every_problem_is_named_at_once() -> None:
    """Also what is missing beside what is wrong."""
    bad = {name: values[-1] for name, values in WRONG.items() if name != "family"}
    with pytest.raises(ValueError, match="invalid TaskHandle") as caught:
        TaskHandle(**{"family": "suno", **bad})
    for name in bad:
        assert f"{name} " in str(caught.value)
    with pytest.raises(ValueError, match=r"family, gateway missing; task_id must .*; created_at must ") as caught:
        TaskHandle.from_dict({"route": SONG["route"], "task_id": "", "created_at": "x"})
    with pytest.raises(ValueError, match=r"family must be suno"):
        TaskHandle.from_dict({**SONG, "family": "kling"})


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", SECRET, f'{{"task_id": "{SECRET}"', "[" * 9000, "[" * 8000, b"\xff\xfe", b"\xff" + SECRET.encode()),
        *("[]", "null", "7", '"text"', "{}", " " * 8193, None, 7, SONG),
        '{"created_at":' + "9" * 5000 + "}",
        json.dumps({**SONG, "created_at": 10**400}),
        json.dumps(SONG) + " " * 8192,
    ],
    ids=short,
)
def test_a_text_that_is_no_handle_is_not_quoted(text: Any) -> None:
    """Neither in the error nor in what hangs on it: somebody may have pasted a key."""
    with pytest.raises(ValueError, match="invalid TaskHandle") as caught:
        TaskHandle.from_json(text)
    assert caught.value.__context__ is None
    assert SECRET not in "".join(traceback.format_exception_only(type(caught.value), caught.value))


@pytest.mark.parametrize("document", [None, [], "x", 3, [SONG]])
def test_a_document_that_is_no_object(document: Any) -> None:
    """It is named by its type."""
    with pytest.raises(ValueError, match=f"JSON object is needed, not {type(document).__name__}"):
        TaskHandle.from_dict(document)


def test_a_newer_versions_fields_are_left_out() -> None:
    """A handle written tomorrow is read today."""
    assert TaskHandle.from_dict({**FULL, "newer": {"a": 1}}) == TaskHandle.from_dict(FULL)
    assert TaskHandle.from_dict(FULL).as_dict() == FULL
    assert TaskHandle.from_dict(SONG).as_dict() == SONG


def test_a_handle_is_a_value_wherever_it_was_traced() -> None:
    """Two of the same task are equal, whichever span made them; nothing of it can be set."""
    one, other = TaskHandle.from_dict(FULL), TaskHandle.from_dict({**FULL, "trace_id": "a", "span_id": "b"})
    assert (one == other, len({one, other})) == (True, 1)
    assert one != TaskHandle.from_dict({**FULL, "task_id": "s2"})
    with pytest.raises(AttributeError):
        one.task_id = "s2"  # type: ignore[misc]


def test_what_is_shown_of_a_handle() -> None:
    """Its text tells the task, and nothing that stands for a key."""
    assert str(TaskHandle.from_dict(FULL)) == "suno task s1 of POST /suno/generate"


def test_every_route_with_a_query_makes_a_handle() -> None:
    """The table of creates is the contract's: each has a query that names the id, and a row for the answer."""
    assert {name.partition(" ")[0] for name in CREATES} == {"POST"}
    assert len(CREATES) >= 24
    for name, row in CREATES.items():
        assert str(row.query).count("{id}") == 1
        handle = TaskHandle.from_dict({**SONG, "family": row.family, "route": name})
        assert query_route(handle).tasks == row.tasks
        assert query_route(handle).family is row.family
