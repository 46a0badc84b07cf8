"""What is read of requests and what is put in their place, at the edges: switches, boundaries, models, fallbacks."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Cause, Certainty, Family, Operation, Origin
from anyint_resilience.policy import request
from anyint_resilience.policy.fallback import Fallback, chain_problems, trigger
from anyint_resilience.policy.named import with_model, with_path
from anyint_resilience.policy.request import glance, operation_of, operation_within, same_body, same_json
from anyint_resilience.policy.rules import DEFAULT_TABLE, Policy

CHAT = DEFAULT_TABLE.match("POST", "/openai/v1/chat/completions")
RESPONSES = DEFAULT_TABLE.match("POST", "/openai/v1/responses")
GEMINI = DEFAULT_TABLE.match("POST", "/gemini/v1beta/models/m:generateContent")
LARGE = 65_536


def filled(start: bytes, end: bytes, size: int) -> bytes:
    """Return a body of just so many bytes."""
    return start + b"x" * (size - len(start) - len(end)) + end


def between(switch: bytes, size: int) -> bytes:
    """Return a body with a switch in its middle, as far from either end."""
    half = b"x" * (size // 2 - len(switch))
    return filled(b'{"a": "' + half + b'", ' + switch + b', "b": "', b'"}', size)


# --- what a request asks for


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (between(b'"stream": true', LARGE), Operation.STREAM),
        (between(b'"stream": true', LARGE + 1), Operation.GENERATE),
        (filled(b'{"a": "', b'", "stream": true}', LARGE + 1), Operation.STREAM),
        (filled(b'{"stream": true, "a": "', b'"}', LARGE + 1), Operation.STREAM),
        (b'{"metadata": {"stream": true}}', Operation.GENERATE),
        (b"", Operation.GENERATE),
        (None, Operation.GENERATE),
    ],
    ids=["64 KiB", "a byte more", "its end", "its beginning", "deeper", "empty", "a stream"],
)
def test_a_look_at_a_body_reads_64_kib_as_they_are(body: bytes | None, operation: Operation) -> None:
    """And of more than that the two ends."""
    assert glance(CHAT, body) is operation


@pytest.mark.parametrize(
    ("watch", "switch", "operation"),
    [
        (b'"background"', b'"background": true', Operation.CREATE),  # paid for: it is looked for everywhere
        (b'"background"', b'"stream": true', Operation.GENERATE),
        (None, b'"background": true', Operation.GENERATE),
        (None, b'"stream": true', Operation.GENERATE),
    ],
)
def test_a_large_body_is_read_whole_where_it_may_be_paid_for(
    watch: bytes | None, switch: bytes, operation: Operation
) -> None:
    """And nowhere else."""
    body = between(switch, LARGE + 1)
    assert operation_within(RESPONSES, watch, body) is operation
    assert operation_within(RESPONSES, watch, b"{" + switch + b"}") is not Operation.GENERATE
    assert operation_within(RESPONSES, watch, None) is Operation.GENERATE


def test_a_body_is_unpacked_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes may say that they are gigabytes."""
    whole = filled(b'{"a": "', b'", "background": true}', 1_000)
    for most, operation in ((1_000, Operation.CREATE), (999, Operation.GENERATE)):
        monkeypatch.setattr(request, "_UNPACKED", most)
        assert operation_of(RESPONSES, gzip.compress(whole)) is operation


# --- whether it is the same one


@pytest.mark.parametrize(
    ("kind", "chunk", "rest"),
    [
        (b"multipart/form-data; boundary=b1", b'--b1\r\nA: "b1"\r\n\r\nx\r\n--b1--', b'--\r\nA: ""\r\n\r\nx\r\n----'),
        (b'multipart/form-data; Boundary="b1"; x=y', b"--b1\r\n\r\nx", b"--\r\n\r\nx"),
        (b"multipart/form-data", b"--b1\r\n\r\nx", b"--b1\r\n\r\nx"),
        (b"application/json", b"{}", b"{}"),
        (b"", b"b1", b"b1"),
    ],
)
def test_a_boundary_is_no_part_of_what_a_body_says(kind: bytes, chunk: bytes, rest: bytes) -> None:
    """It is new each time a body is built."""
    assert same_body(chunk, kind) == rest


def test_json_is_told_by_its_shortest_form() -> None:
    """Its keys in order and no spaces, of at most 64 KiB."""
    assert same_json(b' { "b": [1, 2],\n "a": {"d": 1, "c": null} }') == b'{"a":{"c":null,"d":1},"b":[1,2]}'
    spaced = b'{"a":  "%s"}'
    for size, spaces in ((LARGE, b""), (LARGE + 1, b"  ")):
        text = b"x" * (size - len(spaced) + 2)
        assert same_json(spaced % text) == b'{"a":' + spaces + b'"' + text + b'"}'


# --- another model in it


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a",}',
        b'{"model":"a", }',
        b'{"model":"a",}\n',
        b'{"model"=1}',
        b'{"x"=1,"model":"a"}',
        b'{1:2,"model":"a"}',
        b'{null:2,"model":"a"}',
    ],
)
def test_what_only_looks_like_json_names_no_model(body: bytes) -> None:
    """Nothing that a gateway can't read is sent on as if it could."""
    assert with_model(body, Family.OPENAI, "z") is None


def row(template: str) -> Route:
    return Route(
        method="POST", template=template, family=Family.OPENAI, operation=Operation.GENERATE, origin=Origin.ASSUMED
    )


@pytest.mark.parametrize(
    ("route", "path", "changed"),
    [
        (GEMINI, "/gemini/v1beta/models/m:generateContent", "/gemini/v1beta/models/a%2FX:generateContent"),
        (GEMINI, "/gemini/v1beta/models/a:b:generateContent", "/gemini/v1beta/models/a%2FX:generateContent"),
        (
            GEMINI,
            "/gemini/v1beta/models/m:generateContent:generateContent",
            "/gemini/v1beta/models/a%2FX:generateContent",
        ),
        (
            GEMINI,
            "/models/p:generateContent/gemini/v1beta/models/m:generateContent",
            "/models/p:generateContent/gemini/v1beta/models/a%2FX:generateContent",
        ),
        (GEMINI, "/gemini/v1beta/models/:generateContent", None),
        (GEMINI, "/gemini/v1beta/models/m", None),
        (GEMINI, "/gemini/v1beta/tuned/m:generateContent", None),
        (GEMINI, "/m:generateContent", None),
        (CHAT, "/openai/v1/chat/completions/", None),
        (row("/models/{model}"), "/models/m?a=b", "/models/a%2FX?a=b"),
        (row("/v1/{project}/models/{model}:ask"), "/v1/p1/models/m:ask", "/v1/p1/models/a%2FX:ask"),
    ],
)
def test_where_a_path_names_its_model(route: Route, path: str, changed: str | None) -> None:
    """Between what the row has last before it and first behind it; the name is one segment, whatever is in it."""
    assert with_path(route, path, "a/X") == changed


# --- fallbacks


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/openai/v1/file", "/openai/v1/videos"),
        ("/openai/v1/batches/{batch_id}", "/openai/v1/batches"),
    ],
)
def test_only_what_a_model_serves_is_proposed(path: str, meant: str) -> None:
    """Nobody meant an upload, though it looks more like it."""
    made = Fallback(workload="w", route=path, model="m", to="n")
    problem = f"fallback 'w': {path} is no route that a model serves: did you mean {meant}?"
    assert chain_problems((made,), RouteTable()) == [problem]


@pytest.mark.parametrize(
    ("method", "certainty", "falls"),
    [
        ("GET", Certainty.UNKNOWN, True),
        ("POST", Certainty.UNKNOWN, False),
        ("POST", Certainty.REJECTED, True),
    ],
)
def test_where_no_row_says_what_it_does_its_method_does(method: str, certainty: Certainty, falls: bool) -> None:
    """What may have done new work falls back only where it surely did not."""
    bare: dict[str, Any] = {"operation": Operation.OTHER}
    decision = Policy().decide_exception(method, "/openai/v1/elsewhere", "read_error", **bare)
    if certainty is Certainty.REJECTED:
        decision = Policy().decide_response(method, "/openai/v1/elsewhere", 503, **bare)
    assert (decision.cause, decision.certainty) == (Cause.TRANSIENT, certainty)
    made = Fallback(workload="w", route="/openai/v1/elsewhere", model="m", to="n")
    assert trigger(made, decision, None, method=method) is falls
