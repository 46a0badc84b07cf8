"""Reading bodies nobody promised: content codings, bombs, cuts, deep and odd JSON, wrong types."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Cause, Certainty, Operation
from anyint_resilience.policy.bodies import MAX_BODY, Legibility, parse
from anyint_resilience.policy.model import Observation
from anyint_resilience.policy.reading import read_response

TABLE = RouteTable(seedance=True)
CHAT = TABLE.match("POST", "/openai/v1/chat/completions")
VIDEO = TABLE.match("POST", "/openai/v1/videos")
GEMINI = TABLE.match("POST", "/gemini/v1beta/models/m:generateContent")
SONG_QUERY = TABLE.match("GET", "/suno/query/task")
KLING = TABLE.match("POST", "/transtreams/kling/v1/videos/text2video")
WAN_QUERY = TABLE.match("GET", "/dashscope/v1/tasks/t1")
FOREIGN = TABLE.match("POST", "/somewhere/else")


def read(route: Route, status: int, document: Any = None, headers: Any = (), **more: Any) -> Observation:
    body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
    return read_response(route, more.pop("operation", route.operation), status, headers, body, **more)


def openai_error(code: Any = None, kind: Any = None, message: str = "text", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, **more}}


QUOTA = json.dumps(openai_error("insufficient_quota")).encode()


@pytest.mark.parametrize(
    ("body", "coding", "wanted"),
    [
        (gzip.compress(QUOTA), "gzip", Cause.QUOTA),
        (gzip.compress(QUOTA), "X-GZIP", Cause.QUOTA),
        (zlib.compress(QUOTA), "deflate", Cause.QUOTA),
        (zlib.compress(QUOTA)[2:-4], "deflate", Cause.QUOTA),
        (gzip.compress(zlib.compress(QUOTA)), "deflate, gzip", Cause.QUOTA),
        (QUOTA, "gzip", Cause.QUOTA),  # decoded by the client already
        (QUOTA, "br", Cause.QUOTA),
        (gzip.compress(QUOTA)[:12], "gzip", Cause.RATE),
        (b"\x1f\x8b broken", "gzip", Cause.RATE),
        (b"\x28\xb5\x2f\xfd", "zstd", Cause.RATE),
        (gzip.compress(QUOTA), "gzip, gzip, gzip, gzip", Cause.RATE),
    ],
)
def test_content_codings(body: bytes, coding: str, wanted: Cause) -> None:
    """Codings gzip and deflate are undone, what is not read or broken leaves the status to decide."""
    assert read(CHAT, 429, body, {"Content-Encoding": coding}).cause is wanted


def test_a_coding_that_is_not_read_is_no_broken_answer() -> None:
    """A create answered in brotli is a good answer we cannot look into, not a lost one."""
    seen = read(VIDEO, 200, b"\x8b\x02\x80", {"Content-Encoding": "br"})
    assert (seen.cause, seen.certainty) == (None, Certainty.COMMITTED)


def test_a_gzip_bomb_is_opened_to_64_kib() -> None:
    """Decompression stops at the bound; the beginning still tells."""
    document = b'{"error":{"code":"insufficient_quota","message":"' + b" " * 20_000_000 + b'"}}'
    bomb = gzip.compress(document)
    assert len(bomb) < MAX_BODY
    body = parse(bomb, ["gzip"])
    assert body.legibility is Legibility.CUT
    assert read(CHAT, 429, bomb, {"content-encoding": "gzip"}).cause is Cause.QUOTA


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"error":' * 20_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"<html>" + b"x" * 10_000_000,
        b'{"error":{"code":' + b"9" * 50_000 + b"}}",
        b'{"error":{"message":"\\ud800","code":"\\udfff"}}',
        b'{"error":{"code":NaN,"type":Infinity,"message":1}}',
        b'{"error":[1,2],"code":{"a":1},"type":[],"title":{}}',
        b'{"error":{"code":true,"status":"INTERNAL"}}',
        b'[{"error":{"status":"X","code":1,"details":{"a":1}}}]',
        b'{"error":{"status":"X","code":429,"details":[1,null,{"violations":3,"reason":[]}]}}',
        b'{"code":1e999,"msg":null}',
        b'{"code":99999999999999999999999,"msg":[]}',
        b'{"data":{"status":{"a":1},"taskId":[1]},"code":200,"msg":{}}',
        b'{"output":[],"status":[],"id":{}}',
        b"\x00\x01\x02",
        b"\xef\xbb\xbf{}",
        b'{"a":1,,}',
    ],
    ids=range(18),
)
@pytest.mark.parametrize("status", [200, 400, 429, 500, 0, 999])
def test_hostile_bodies_are_read_safely(body: bytes, status: int) -> None:
    """Whatever a body holds, there is an observation with printable words of bounded length."""
    for route in (CHAT, VIDEO, SONG_QUERY, KLING, WAN_QUERY, GEMINI, FOREIGN):
        seen = read(route, status, body)
        assert len(seen.message) <= 2048
        assert all(word is None or word.isprintable() for word in (seen.message, seen.code, seen.type, seen.task_id))


def test_duplicate_and_odd_headers() -> None:
    """Duplicate, empty, bytes and foreign header values do no harm; the first id that is one wins."""
    pairs = [("x-request-id", ""), ("X-REQUEST-ID", b"one"), ("x-request-id", "two"), (None, 3), (b"\xff", b"\xff")]
    assert read(CHAT, 500, b"", pairs).request_id == "one"
    for headers in (None, 5, "text", [1, 2], {"retry-after": None}, [("a", object())]):
        assert read(CHAT, 500, b"", headers).cause is Cause.SERVER


@pytest.mark.parametrize("body", [None, 5, [], {}, object(), "text", bytearray(b"{}"), memoryview(b"{}")])
@pytest.mark.parametrize("status", [None, "429", "x", True, -5, 3.5, 10**30])
def test_wrong_types_everywhere(body: Any, status: Any) -> None:
    """Types nobody promised are taken for nothing at all."""
    assert isinstance(read_response(CHAT, Operation.GENERATE, status, (), body), Observation)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.sampled_from(
    "error code type message msg status data output task_id taskId id request_id details title successFlag response"
    " task_status errors choices candidates headers".split(" ")
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=20
)


@given(
    document=TREES, status=st.integers(100, 599), cut=st.integers(0, 400), index=st.integers(0, len(TABLE.routes) - 1)
)
def test_reading_is_total(document: Any, status: int, cut: int, index: int) -> None:
    """Any JSON under any status on any route, whole or cut, gives an observation."""
    route = TABLE.routes[index]
    body = json.dumps(document).encode()
    for sent in (body, body[:cut]):
        seen = read_response(route, route.operation, status, (), sent)
        assert seen.cause is not None or status < 400
