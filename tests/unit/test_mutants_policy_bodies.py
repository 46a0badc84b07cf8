"""The bytes of a body at their edges: codings that were undone or not, bounds, and what a cut document still says."""

from __future__ import annotations

import base64
import gzip
import json
import random
import sys
import zlib
from types import MappingProxyType
from typing import Any

import pytest

from anyint_resilience.policy.bodies import MAX_BODY, Body, Legibility, first, has_leaf, is_object, parse, plain, slim

EMPTY, OPAQUE, BROKEN, CUT, WHOLE = Legibility
SAID = {"a": 1}
JSON = b'{"a": 1}'
NOISE = base64.b64encode(random.Random(7).randbytes(30_000))  # 40,000 bytes that stay long when compressed


@pytest.mark.parametrize(
    ("body", "encodings", "read"),
    [
        (JSON, [], Body(WHOLE, SAID)),
        (" \t\r\n" + JSON.decode(), [], Body(WHOLE, SAID)),
        ('{"a": "\ud800"}', [], Body(WHOLE, {"a": "?"})),
        ("\u00a0{}", [], Body(BROKEN)),  # a space to a typesetter, none to JSON
        (b"[1]", ["br"], Body(WHOLE, [1])),
        (b"\xef\xbb\xbf" + JSON, ["br"], Body(WHOLE, SAID)),
        (b"\r\n" + JSON, ["br"], Body(WHOLE, SAID)),
        (b"X{}", ["br"], Body(OPAQUE)),
        (b"no JSON", [""], Body(BROKEN)),
        (b"no JSON", ["Identity"], Body(BROKEN)),
        (b"no JSON", ["br"], Body(OPAQUE)),
        (b"no JSON", ["identity, br"], Body(OPAQUE)),
        (None, [], Body(EMPTY)),
        (7, [], Body(EMPTY)),
        (b"{", [], Body(BROKEN)),
        (b'{"a":' + b"9" * 5_000 + b"}", [], Body(BROKEN)),  # more digits than Python makes a number of
    ],
)
def test_what_can_be_read_of_a_body(body: Any, encodings: list[str], read: Body) -> None:
    """What the client has decoded already is told by its first byte, whatever the header still says."""
    assert parse(body, encodings) == read


def squeezed(times: int) -> bytes:
    body = JSON
    for _ in range(times):
        body = gzip.compress(body)
    return body


@pytest.mark.parametrize(("times", "read"), [(1, WHOLE), (3, WHOLE), (4, OPAQUE)])
def test_at_most_three_codings_are_undone(times: int, read: Legibility) -> None:
    """More is nobody's answer."""
    assert parse(squeezed(times), [", ".join(["gzip"] * times)]).legibility is read


@pytest.mark.parametrize("window", [31, 15, -15], ids=["gzip", "zlib", "raw deflate"])
@pytest.mark.parametrize(("most", "length"), [(10_000, 10_000), (MAX_BODY, 40_000)])
def test_so_much_is_decompressed_and_no_byte_more(window: int, most: int, length: int) -> None:
    """The bound is on what comes out, in whatever pieces it goes in."""
    machine = zlib.compressobj(wbits=window)
    body = machine.compress(NOISE) + machine.flush()
    coding = "gzip" if window == 31 else "deflate"
    read = plain(body + b"and what no coding holds", [coding], most=max(most, len(body)))
    assert read == NOISE[: max(most, len(body))]
    assert plain(body, [coding], most=most) == NOISE[:length]


def test_the_last_byte_that_has_room_is_kept() -> None:
    """Wherever the pieces end that a body is decompressed in."""
    body = gzip.compress(NOISE)
    assert [plain(body, ["gzip"], most=most) == NOISE[:most] for most in range(2_500, 3_000)] == [True] * 500


def test_a_bomb_gives_no_more_than_was_asked_for() -> None:
    """Also where its first piece alone would fill the room."""
    assert plain(gzip.compress(bytes(10**6)), ["gzip"], most=5_000) == bytes(5_000)
    assert plain(b"x" * 2_000, [], most=1_000) == b"x" * 1_000


def test_what_came_before_a_fault_is_kept() -> None:
    """A body that broke on its way may still tell what happened."""
    body = bytearray(gzip.compress(NOISE))
    body[9_000:9_010] = b"\xff" * 10
    read = plain(bytes(body), ["gzip"])
    assert read is not None
    assert len(read) > 2_048
    assert NOISE.startswith(read[:2_048])


@pytest.mark.parametrize("body", [b"as it is", b"\x1f and no more"])
def test_what_is_called_gzip_and_is_none_stays_as_it_is(body: bytes) -> None:
    """The client undid it, and left the header."""
    assert plain(body, ["gzip"]) == body


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "b": "x', {"a": 1}),
        ('{"a": 1, "b": 2, "c": 34', {"a": 1, "b": 2}),  # 34 may be the beginning of 345
        ('{"a": "x", "b": tru', {"a": "x"}),
        ('{"a" : [1, 2, {"b": 3}, "c', {"a": [1, 2, {"b": 3}]}),
        ("[1, 2, 3", [1, 2]),
        ('[[1], ["x", 2', [[1], ["x"]]),
        ('[{"a": 1}, {"b": "', [{"a": 1}, {}]),
        ('{"a" \n:\t\r {"b": 1 \n, "c": 2 , "d"', {"a": {"b": 1, "c": 2}}),
        ('{"a": 1,, "b": 2, ', {"a": 1}),
        ('{"a":: 1, "b": 2', None),
        ('{"a": 1}}', {"a": 1}),
        ('{  "a"  :  [ 1  ,\n\n 2 ]  ,\r\n\t "b"\t\t:\r\n [  3  , \t 4  ,  ', {"a": [1, 2], "b": [3, 4]}),
    ],
)
def test_what_a_cut_document_says_before_its_end(text: str, says: Any) -> None:
    """Whole members and items are kept; a value that may go on is dropped, a number too."""
    assert parse(text, []) == (Body(BROKEN) if says is None else Body(CUT, says))


@pytest.mark.parametrize(("opened", "kind"), [('{"k": 1, "a": ', dict), ("[1, ", list)])
def test_a_cut_document_is_read_eight_levels_deep(opened: str, kind: type) -> None:
    """Below them its text is let go."""
    document: Any = parse(opened * 20, []).document
    levels = 0
    while isinstance(document, kind) and document:
        levels += 1
        document = document.get("a") if isinstance(document, dict) else (document[1:] or [None])[0]
    assert levels == 8


def test_what_is_nested_too_deep_to_be_read_is_broken() -> None:
    """At whichever depth the interpreter gives up: a cut document is looked at from a few levels further down."""
    bound = sys.getrecursionlimit()
    assert {parse("[" * depth, []).legibility for depth in range(bound - 300, bound, 4)} <= {BROKEN, CUT}


def nested(depth: int, *, array: bool) -> Any:
    """Containers in containers, with a number in the last."""
    value: Any = 7
    for _ in range(depth):
        value = [value] if array else {"a": value}
    return value


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize(("depth", "kept"), [(5, 5), (6, 6), (7, 6)])
def test_a_slim_body_is_six_levels_deep(array: bool, depth: int, kept: int) -> None:
    """What stands below is dropped, the container stays."""
    inner = nested(depth - 1, array=array)
    left: Any = json.loads(slim(b"x" * (MAX_BODY + 1), {"root": inner}))["root"]
    if depth == kept:
        assert left == inner
    else:
        assert json.dumps(left) == json.dumps(inner).replace("[7]" if array else '{"a": 7}', "[]" if array else "{}")


def test_a_slim_body_is_short_in_every_direction() -> None:
    """64 members, 8 items, 256 characters."""
    long = {**{str(index): index for index in range(100)}, "text": "lost"}
    document = {"many": long, "row": list(range(20)), "text": "x" * 300, "none": None, "yes": True}
    body = json.dumps({**document, "padding": "p" * MAX_BODY}).encode()
    left = json.loads(slim(body))
    assert left["many"] == {str(index): index for index in range(64)}
    assert left["row"] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert (left["text"], left["none"], left["yes"]) == ("x" * 256, None, True)


@pytest.mark.parametrize("body", [b"[" + b"1," * MAX_BODY + b"1]", b"{" * (MAX_BODY + 1), b"n" * (MAX_BODY + 1)])
def test_what_is_no_whole_object_stays_as_it_is(body: bytes) -> None:
    """There is nothing in it that could be told from the rest."""
    assert slim(body) is body


def test_a_body_that_is_short_enough_is_not_touched() -> None:
    """64 KiB are looked at anyway."""
    exact = b"{" + b" " * (MAX_BODY - 2) + b"}"
    assert slim(exact) is exact


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, False),
        ("", False),
        (False, False),
        ({}, False),
        ([], False),
        ([[{"a": None}], {"b": [""]}, False], False),
        (0, True),
        (True, True),
        ("x", True),
        ([[], {"a": [{"b": 0}]}], True),
        ([{}] * 998, False),
        ([{}] * 999, True),  # nobody goes through all of that: what is so long is something
    ],
)
def test_whether_anything_stands_in_a_value(value: object, says: bool) -> None:
    """Containers of nothing are nothing, a zero is something."""
    assert has_leaf(value) is says


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"a": " x "}, "x"),
        ({"a": "x" * 257}, "x" * 256),
        ({"a": "  ", "b": "y"}, "y"),
        ({"a": True, "b": "y"}, "y"),
        ({"a": 0}, "0"),
        ({"a": 10**18 - 1}, "9" * 18),
        ({"a": 10**18, "b": "y"}, "y"),
        ({"a": -(10**18), "b": "y"}, "y"),
        ({"a": 1.5, "b": [1]}, None),
    ],
)
def test_the_first_text_or_whole_number(document: object, found: str | None) -> None:
    """What is too long is cut, what is no code is passed over."""
    assert first(document, (("a",), ("b",))) == found


@pytest.mark.parametrize(("value", "says"), [({}, True), (MappingProxyType({}), True), ([], False), ("{}", False)])
def test_what_is_an_object(value: object, says: bool) -> None:
    """Any mapping: a client may hand over its own."""
    assert is_object(value) is says
