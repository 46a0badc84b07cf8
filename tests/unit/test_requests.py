"""What is read of a request before it goes out: what it asks for, and whether it is the same one as another."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience import Resilience
from anyint_resilience.calls import Call
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Operation
from anyint_resilience.intents import OWN, attempt_before, name_of, paper_of
from anyint_resilience.policy.bodies import MAX_BODY, slim
from anyint_resilience.policy.request import may_switch, operation_of, same_json
from anyint_resilience.router import Plan, mount_before
from anyint_resilience.surface import SurfaceBase
from anyint_resilience.watched import Body, Place
from tests.unit.engine_kit import HOST
from tests.unit.task_kit import encoded

RESPONSES = RouteTable().match("POST", "/openai/v1/responses")
VIDEOS = RouteTable().match("POST", "/openai/v1/videos")

# --- a body that switches its route


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (b'{"background": true}', Operation.CREATE),
        (b'{"model": "m", "background":true, "stream": true}', Operation.CREATE),
        (b'{"stream": true}', Operation.STREAM),
        (b'{"background": false}', Operation.GENERATE),
        (b'{"background": "true"}', Operation.GENERATE),
        (b'{"input": "\\"background\\": true"}', Operation.GENERATE),
        (b'[{"background": true}]', Operation.GENERATE),
        (b'{"background": true', Operation.GENERATE),
        (b"{}", Operation.GENERATE),
    ],
)
def test_a_body_says_what_its_request_asks_for(pack: Any, body: bytes, operation: Operation) -> None:
    """Also one that its caller compressed: what runs in the background is paid for, whoever reads its answer."""
    assert operation_of(RESPONSES, pack(body)) is operation


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("order", [("input", "background"), ("background", "input")])
def test_a_switch_behind_a_picture_is_seen(pack: Any, order: Any) -> None:
    """However long the body is, and however it is packed: what is missed here may be paid for twice."""
    noise = "".join(f"{at * 2654435761 % 2**32:08x}" for at in range(40_000))
    fields: dict[str, Any] = {"input": noise, "background": True}
    body = pack(encoded({name: fields[name] for name in order}))
    assert len(body) > 65_536
    assert operation_of(RESPONSES, body) is Operation.CREATE


@pytest.mark.parametrize("body", [b"\x1f\x8b", b"\x1f\x8b\x08junk", gzip.compress(b'{"background": true}')[:-12]])
def test_what_cannot_be_unpacked_leaves_the_routes_operation(body: bytes) -> None:
    """It is no error of ours that it is broken; the gateway will say so."""
    assert operation_of(RESPONSES, body) is RESPONSES.operation


class Small(SurfaceBase[bytes, None]):
    """A surface whose requests are their bodies, all to one route."""

    def plan_of(self, request: bytes, /) -> Plan | None:
        return self.anyint.router.plan("https", HOST, None, "POST", b"/openai/v1/responses")

    def raw_of(self, request: bytes, /) -> Any:
        return ((b"authorization", b"Bearer sk-test"),)

    def in_order(self, request: bytes, style: Any, /) -> bool:
        return True

    def method_of(self, request: bytes) -> str:
        return "POST"

    def place_of(self, request: bytes) -> Place:
        return "https", HOST, None, b"/openai/v1/responses"

    def body_of(self, request: bytes) -> Body:
        return Body(request)

    def around(self, request: bytes) -> tuple[()]:
        return ()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_may_be_paid_for_leaves_the_fast_lane(pack: Any) -> None:
    """A body that is compressed may say anything: it is looked at, and is a create where it says so."""
    surface = Small(Resilience())
    ticket = surface.ticket(pack(b'{"background": true}'))
    assert isinstance(ticket, Call)
    assert ticket.operation is Operation.CREATE
    assert ticket.paid
    assert ticket.intent is not None
    quick = surface.ticket(pack(b'{"input": "hello"}'))
    assert isinstance(quick, Plan) is (pack is bytes)
    assert isinstance(quick, Plan) or (not quick.paid and quick.operation is Operation.GENERATE)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "may"),
    [
        (None, False),
        (b"", False),
        (b"{}", False),
        (b'{"background": 1}', True),
        (b"\x1f\x8b", True),
        (b"\x1f", False),
    ],
)
def test_where_a_body_is_looked_at(content: bytes | None, may: bool) -> None:
    """Where the word stands in it, or where nobody can tell; a stream is not read."""
    assert may_switch(b'"background"', content) is may


# --- the same JSON

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)


def turned(value: Any) -> Any:
    """Return a value with the keys of its objects the other way round."""
    if isinstance(value, dict):
        return {key: turned(it) for key, it in reversed(value.items())}
    return [turned(it) for it in value] if isinstance(value, list) else value


@given(document=OBJECTS, other=OBJECTS, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_json_is_the_same_however_it_is_written(
    document: Any, other: Any, indent: int | None, ascii_only: bool
) -> None:
    """Order of keys, spaces and escapes make no difference; any value does."""
    body = encoded(document)
    written = json.dumps(turned(document), indent=indent, ensure_ascii=ascii_only)
    assert same_json(f"  {written}\n".encode()) == same_json(body)
    assert json.loads(same_json(body)) == document
    assert same_json(same_json(body)) == same_json(body)
    if json.dumps(document, sort_keys=True) != json.dumps(other, sort_keys=True):
        assert same_json(encoded(other)) != same_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1, 2]",
        b'"text"',
        b"{",
        b'{"a": 1} x',
        b"{\xff}",
        b'{"a": ' * 5000,
        b'{"n": ' + b"9" * 5000 + b"}",
        b'{"a":  "' + b"x" * 65_536 + b'"}',
        b"--b\r\n\r\n{ }\r\n--b--",
    ],
    ids=lambda it: repr(it)[:20],
)
def test_what_is_no_small_json_object_stays_as_it_is(body: bytes) -> None:
    """It is told by its bytes."""
    assert same_json(body) == body


@pytest.mark.parametrize(("one", "two"), [(1, 1.0), (1, True), (0, False), ("1", 1), (None, ""), ([1], [1, 1])])
def test_values_of_other_kinds_are_not_the_same(one: Any, two: Any) -> None:
    """A gateway may take them for different ones, and then the first answer is no answer to the second."""
    assert same_json(encoded({"n": one})) != same_json(encoded({"n": two}))


# --- what a long body is looked at as


def test_a_short_body_is_looked_at_as_it_is() -> None:
    """Byte by byte, whatever it says."""
    body = b'{"a":   "' + b"x" * (MAX_BODY - 11) + b'"}'
    assert len(body) == MAX_BODY
    assert slim(body) is body
    assert len(slim(b" " + body)) < 1000


@pytest.mark.parametrize("known", [False, True])
def test_a_long_body_keeps_what_tells_how_a_task_stands(known: bool) -> None:
    """Its state and its ids, wherever they stand in it; long texts, lists and depths are cut."""
    deep: Any = {"state": "too deep"}
    for _ in range(9):
        deep = {"in": deep}
    document = {
        "prompt": "p" * MAX_BODY,
        "frames": ["f" * 999] * 100,
        "deep": deep,
        "data": {"task_id": "t1", "list": [{"url": "u"}] * 20, "ok": True, "n": 7, "none": None},
        "status": "failed",
    }
    body = encoded(document)
    shown = json.loads(slim(body, document if known else None))
    assert len(slim(body)) < MAX_BODY
    assert shown["status"] == "failed"
    assert shown["data"] == {**document["data"], "list": [{"url": "u"}] * 8}  # type: ignore[dict-item]
    assert shown["prompt"] == "p" * 256
    assert "too deep" not in json.dumps(shown)


@pytest.mark.parametrize(
    "body",
    [b"x" * 70_000, b"[" + b"1," * 40_000 + b"1]", b'{"a": "' + b"x" * 70_000, b'{"a":' * 20_000, b'"' + b"x" * 70_000],
    ids=lambda it: repr(it)[:12],
)
def test_a_long_body_that_is_no_object_stays_as_it_is(body: bytes) -> None:
    """What can be read of it is somebody else's affair."""
    assert slim(body) == body


@given(document=OBJECTS)
def test_nothing_small_is_lost_of_a_long_body(document: Any) -> None:
    """Beside what makes it long, every field of the first levels stays what it was."""
    whole = {"long": "x" * MAX_BODY, **{f"f{at}": it for at, it in enumerate(document.values())}}
    shown = json.loads(slim(json.dumps(whole).encode()))
    assert {key: it for key, it in shown.items() if key != "long"} == {
        key: it for key, it in whole.items() if key != "long"
    }


# --- what makes it the same create


def place(path: bytes = b"/openai/v1/videos", host: str = HOST, port: int | None = None) -> Place:
    return "https", host, port, path


def name(body: bytes | None, *, headers: Any = (), paid: bool = True, used: bytes = b"k", **where: Any) -> str | None:
    return name_of("POST", place(**where), headers, Body(body), used, paid=paid)


def test_a_paid_create_is_told_by_what_it_says() -> None:
    """However its JSON is written; what is not paid for is told by its bytes, which costs less."""
    one, two = b'{"a": 1, "b": 2}', b'{"b":2,"a":1}'
    assert name(one) == name(two)
    assert name(one, paid=False) != name(two, paid=False)
    assert name(one) != name(b'{"a": 1}')
    assert name(None) is None


@pytest.mark.parametrize(
    "other",
    [{"used": b"k2"}, {"path": b"/openai/v1/videos/v/remix"}, {"host": "other.test"}, {"port": 8443, "host": "h.test"}],
)
def test_another_account_or_place_is_another_create(other: Any) -> None:
    """By its key as by its body."""
    keyed = ((b"Idempotency-Key", b"order-7"),)
    assert name(b"{}") != name(b"{}", **other)
    assert name(b"{}", headers=keyed) != name(b"{}", headers=keyed, **other)
    assert name(b"{}", host="api.anyint.ai") == name(b"{}")


def test_the_attempt_before_is_known_in_its_own_context() -> None:
    """And only by the same create's."""
    token = OWN.set(None)
    try:
        assert attempt_before("i") == ""
        OWN.set(("i", "create-1"))
        assert (attempt_before("i"), attempt_before("j"), attempt_before(None)) == ("create-1", "", "")
    finally:
        OWN.reset(token)


def paper(body: bytes, path: bytes = b"/openai/v1/videos", *, dedupe: Any = None, **more: Any) -> Any:
    known: dict[str, Any] = {"headers": (), "outer": 0, "before": "", **more}
    headers = known.pop("headers")
    return paper_of(Resilience(dedupe=dedupe), VIDEOS, place(path), headers, Body(body), "i", used=b"k", **known)


@pytest.mark.parametrize(
    ("given_", "again"),
    [
        ({}, ""),
        ({"outer": 1}, "retry"),
        ({"dedupe": "fingerprint"}, "poll"),
        ({"dedupe": "fingerprint", "outer": 1}, "poll"),
        ({"headers": ((b"idempotency-key", b"o"),), "outer": 1, "dedupe": "fingerprint"}, "replay"),
        ({"headers": ((b"Idempotency-Key", b""),)}, ""),
    ],
)
def test_what_a_repetition_gets(given_: Any, again: str) -> None:
    """A key is the caller's own word that it is the same one; only then is its body's hash on record."""
    held = paper(b'{"a": 1, "b": 2}', before="c0", **given_)
    assert (held.again, held.before, bool(held.print)) == (again, "c0", again == "replay")
    assert held.print == paper(b'{"b":2,"a":1}', **given_).print
    assert held.ident != paper(b"{}", **given_).ident
    if again == "replay":
        assert held.print != paper(b"{}", **given_).print


@pytest.mark.parametrize(
    ("target", "template", "mount"),
    [
        (b"/openai/v1/videos", "/openai/v1/videos", b""),
        (b"/openai/v1/videos/", "/openai/v1/videos", b""),
        (b"/openai/v1/videos?x=/a/b", "/openai/v1/videos", b""),
        (b"/anyint/openai/v1/videos", "/openai/v1/videos", b"/anyint"),
        (b"/a/b/openai/v1/videos/?x", "/openai/v1/videos", b"/a/b"),
        (b"/openai/v1/videos/openai/v1/videos/v1/remix", "/openai/v1/videos/{video_id}/remix", b"/openai/v1/videos"),
        (b"/p/openai/v1/videos/v1/remix", "/openai/v1/videos/{video_id}/remix", b"/p"),
        (b"/p/suno/generate", "/suno/generate", b"/p"),
    ],
)
def test_what_stands_before_the_contracts_own_path(target: bytes, template: str, mount: bytes) -> None:
    """The task is asked for at the same gateway, behind the same proxy."""
    route = next(it for it in RouteTable(seedance=True).routes if it.template == template and it.method == "POST")
    assert isinstance(route, Route)
    assert mount_before(target, route) == mount
    assert paper(b"{}", b"/p/openai/v1/videos/").facts["gateway"] == f"https://{HOST}/p"
