"""Whatever parses what a stranger wrote reads it safely: JSON, TOML, numbers, dates, URLs. Must not know any client."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from anyint_resilience.cli.doctor.clock import skew
from anyint_resilience.cli.doctor.sending import Ask, Reply
from anyint_resilience.configuring.files import FileProblem, parsed
from anyint_resilience.configuring.kinds import KINDS
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.reconcile import MARKS
from anyint_resilience.nearest import _names
from anyint_resilience.policy.answers import task_id_at
from anyint_resilience.policy.bodies import parse, slim
from anyint_resilience.policy.given import path_of, status_of
from anyint_resilience.policy.reading import read_response
from anyint_resilience.policy.request import operation_of, same_json
from anyint_resilience.policy.times import duration, moment, number, retry_text
from anyint_resilience.router import host_problem, is_loopback
from anyint_resilience.stores.redis.links import number_of, problem_of
from anyint_resilience.stores.redis.shots import state_of
from anyint_resilience.tasks.answers import given, kept
from anyint_resilience.tasks.callbacks import parse_callback
from anyint_resilience.tasks.handle import TaskHandle
from anyint_resilience.tasks.marks import mark_of, marked_body
from anyint_resilience.telemetry.safety import model_of
from tests.hostile.test_regexes import sources

TABLE = RouteTable(seedance=True)
RESPONSES = TABLE.match("POST", "/openai/v1/responses")
VIDEO = TABLE.match("POST", "/openai/v1/videos")


def documents() -> Iterator[bytes]:
    """Yield JSON that is deep, around the interpreter's own limit too, or has numbers that no number holds."""
    depths = (100, *range(sys.getrecursionlimit() - 120, sys.getrecursionlimit() + 10, 3), 5_000, 20_000, 200_000)
    for depth in depths:
        yield b"[" * depth + b"1" + b"]" * depth
        yield b'{"a":' * depth + b"1" + b"}" * depth
        yield b'{"error":' + b"[" * depth + b"]" * depth + b',"background":true,"model":"m","model":"n"}'
    for word in (
        b"9" * 5000,
        b"-" + b"9" * 100_000,
        b"1e999",
        b"-1e999",
        b"NaN",
        b"Infinity",
        b"1e" + b"9" * 5000,
        b"1." + b"0" * 9999,
    ):
        yield b'{"error":{"code":' + word + b',"message":' + word + b'},"id":' + word + b',"background":true}'
        yield b"[" + word + b"]"


def _reply(body: bytes) -> Any:
    return Reply(ask=Ask(method="GET", url="http://127.0.0.1", seconds=1.0), body=body).member


READERS: dict[str, Callable[[bytes], Any]] = {
    "policy/bodies parse": lambda body: parse(body, []),
    "policy/bodies slim": lambda body: slim(body + b" " * 70_000),
    "policy/reading": lambda body: [read_response(it, it.operation, 503, (), body) for it in TABLE.routes[::12]],
    "policy/request operation": lambda body: operation_of(RESPONSES, body),
    "policy/request same": same_json,
    "telemetry/safety": lambda body: model_of(RESPONSES, b"/openai/v1/responses", body),
    "tasks/answers": lambda body: given(kept(200, "application/json", body[:4000], body) or {}, body),
    "tasks/marks": lambda body: [marked_body(it, body, "mark") for it in MARKS.values()],
    "tasks/callbacks": parse_callback,
    "tasks/handle": TaskHandle.from_json,
    "stores/redis": state_of,
    "nearest": _names,
    "cli/doctor": _reply,
    "configuring/files": lambda body: parsed("a = " + body.decode(), name="x", project=False),
}
"""Who reads JSON (or TOML) that others wrote."""
REFUSE: dict[str, tuple[type[ValueError], ...]] = {"tasks/callbacks": (ValueError,), "tasks/handle": (ValueError,)}
"""Whose callers are told that it can't be read."""


@pytest.mark.parametrize("reader", READERS)
def test_deep_and_huge_json_is_read_safely(reader: str) -> None:
    """As what it is, as nothing, or as a ValueError: never a RecursionError, nor an OverflowError."""
    read = READERS[reader]
    for body in documents():
        with suppress(FileProblem, *REFUSE.get(reader, ())):
            read(body)


EXPLAINED = {
    "anyint_resilience.stores.redis.backend": "replies of our own scripts; what others wrote there fails the step",
}
"""Modules that parse JSON where nothing catches what that may raise, and why."""


def _catches(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether an error of a call is caught in its own function: a ValueError and a RecursionError, or any."""
    while node in parents and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        before, node = node, parents[node]
        if isinstance(node, ast.Try) and before in node.body:
            words = " ".join(ast.unparse(it.type) if it.type is not None else "Exception" for it in node.handlers)
            if "Exception" in words.split() or ("ValueError" in words and "RecursionError" in words):
                return True
        if isinstance(node, ast.With):
            words = " ".join(ast.unparse(it.context_expr) for it in node.items)
            if "suppress(Exception)" in words or ("ValueError" in words and "RecursionError" in words):
                return True
    return False


def test_no_json_is_parsed_without_a_net() -> None:
    """Each call of a parser, in all modules but the emulator's, which reads what its own tests send."""
    bare = []
    for name, path in sources():
        text = path.read_text(encoding="utf-8")
        if name.startswith("anyint_resilience.emulator") or ".load" not in text:
            continue
        module = ast.parse(text)
        parents = {child: node for node in ast.walk(module) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(module):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("json.loads", "tomllib.loads", "json.load") and not _catches(node, parents):
                bare.append(name)
    assert sorted(set(bare)) == sorted(EXPLAINED)


LONG = "9" * 5000  # no int() takes so many digits


@pytest.mark.parametrize(
    ("read", "text", "wanted"),
    [
        (status_of, LONG, 0),
        (number, LONG, None),
        (number, "1e999", None),
        (number, "٣", None),
        (duration, f"{LONG}s", None),
        (duration, "999999999999h" * 5, None),
        (retry_text, f"retry in {LONG} seconds", None),
        (moment, LONG, None),
        (number_of, f"redis://h/{LONG}", 0),
    ],
)
def test_numbers_without_end_are_none(read: Callable[[Any], Any], text: str, wanted: object) -> None:
    """Nothing raises, and nothing is counted out."""
    assert read(text) == wanted


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("text", [LONG, "1e999", "nan", "x" * 100_000, "٣", "1_000", "-0", "0x10"])
def test_a_variable_of_any_length_is_a_value_or_named_as_wrong(kind: str, text: str) -> None:
    """In words that do not hold all of it."""
    said = ""
    try:
        KINDS[kind].of_text(text)
    except ValueError as error:
        said = str(error)
    assert len(said) < 300


DATES = [
    "Mon, 99 Foo 99999 99:99:99 +9999",
    "Thu, 01 Jan 0000 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2400",
    "Fri, 31 Dec 9999 23:59:60 -9959",
    "1 1 1 1:1:1:1:1",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-02-31T00:00:00Z",
    "Mon, 01 Jan 2026 00:00:00 +" + "9" * 30,
    "(" * 60,
    "(" * 60_000,
    "," * 60_000,
    "Mon, " * 12_000,
    "\x00",
    "",
]


@pytest.mark.parametrize("text", DATES, ids=range(len(DATES)))
def test_dates_that_are_none(text: str) -> None:
    """A time, or nothing; email.utils raises many kinds on such."""
    for found in (moment(text), skew(text, 0.0, 1.0)):
        assert found is None or isinstance(found, float)


URLS = [
    "http://[::1",
    "http://h:99999",
    "http://h:x",
    "//[",
    "http://[v1.x]",
    "http://h:" + LONG,
    "http://\u2100.test",
    "http://h\x00/",
    "x" * 100_000,
    "http://" + "[" * 1000,
    "http://%zz:%zz@[/",
]


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_urls_that_are_none(url: str) -> None:
    """Each reading says that, in words or as nothing, and none of them raises."""
    assert isinstance(path_of(url), str)
    assert host_problem(url) is not None
    assert isinstance(problem_of(url), str)
    assert is_loopback(url) is False
    assert mark_of(url) is None


def test_an_id_of_very_many_digits_is_none() -> None:
    """JSON may have it as a number, which Python then can't print."""
    assert task_id_at({"id": 10**29}, (("id",),)) == "1" + "0" * 29
    assert task_id_at({"id": 10**30}, (("id",),)) is None
