"""Our ``RateLimit`` and ``RateLimit-Policy`` against http-sf, which reads any structured field (RFC 9651)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.policy.hints import _members
from anyint_resilience.policy.times import number
from tests.hostile.differences import Difference, named, values

KEYS: Final = ("r", "t", "q", "w")
Read = list[tuple[str, tuple[float | None, ...]]]
"""Members of a list: a policy's name, and its numbers, of which a negative one is none."""


def ours(text: str) -> Read:
    return [(name, tuple(number(says.get(key)) for key in KEYS)) for name, says in _members([text])]


def theirs(text: str) -> Read | None:
    """Return what http-sf reads; None where that is no list of RFC 9651."""
    try:
        found: Any = http_sf.parse(text.encode("utf-8"), tltype="list")
    except (http_sf.StructuredFieldError, ValueError, OverflowError):
        return None
    read: Read = []
    for item, says in found:
        name = item if type(item) is str else f"({type(item).__name__})"
        read.append((name, tuple(plain(says.get(key)) for key in KEYS)))
    return read


def plain(value: object) -> float | None:
    known = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    return float(value) if known and value >= 0 else None  # type: ignore[arg-type, operator]


def can_be_said(read: Read) -> bool:
    """Whether what was read of a malformed field is what a whole one would say; but for signs that no name has."""
    said = [";".join([f'"{plainly(name)}"', *filter(None, map(said_as, KEYS, it))]) for name, it in read]
    return theirs(", ".join(said)) == [(plainly(name), it) for name, it in read]


def plainly(name: str) -> str:
    return "".join(it for it in name if " " <= it <= "~" and it not in '"\\')


def said_as(key: str, value: float | None) -> str:
    return "" if value is None else f"{key}={Decimal(value).quantize(Decimal('0.001')) if value % 1 else int(value)}"


def strings(text: str) -> bool:
    """Whether every member is a string of RFC 9651."""
    found: Any = http_sf.parse(text.encode("utf-8"), tltype="list")
    return all(type(item) is str for item, _ in found)


ROWS = (
    Difference(
        "the older form",
        "draft -07 of the same field is a dictionary: limit=1, remaining=0, reset=5; its remaining and reset are read",
        "limit=10, remaining=0, reset=5",
        lambda text, us, them: us[:1] == [("", us[0][1])] if us else False,
    ),
    Difference(
        "no list of RFC 9651",
        "what is malformed there is forgiven where it can be meant in one way only: blanks, capitals, an empty member",
        '"a" ; R = 0',
        lambda text, us, them: them is None and can_be_said(us),
    ),
    Difference(
        "a name that is no string",
        "the draft has strings alone: the whole field is as if it had not been sent",
        "a;r=0;t=5",
        lambda text, us, them: us == [] and them is not None and not strings(text),
    ),
    Difference(
        "too long",
        "a field of more than 2048 characters is not read",
        ", ".join(f'"{at}";r=1;t=1' for at in range(200)),
        lambda text, us, them: us == [] and len(text) > 2048,
    ),
    Difference(
        "a name with a quote or a backslash in it",
        "names are only compared with each other, as they are written",
        '"a\\"b";r=0;t=5',
        lambda text, us, them: "\\" in text and [it[1] for it in us] == [it[1] for it in them],
    ),
)


def compare(text: str) -> str:
    us, them = ours(text), theirs(text)
    return "" if us == them else named(ROWS, text, us, them)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_each_difference_is_one(row: Difference) -> None:
    """Its example is read in two ways, and no row before it would explain that."""
    assert compare(row.example) == row.name


NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=8)
NUMBERS = st.integers(0, 10**15 - 1).map(str) | st.decimals(0, 10**6, places=3).map(str)
PARAMETERS = st.tuples(st.sampled_from((*KEYS, "pk", "qu", "a-b", "x*")), NUMBERS).map("=".join)
SAID = st.lists(PARAMETERS, max_size=4).map(lambda it: "".join(f";{one}" for one in it))
MEMBERS = st.tuples(NAMES.map('"{}"'.format), SAID).map("".join)
FIELDS = st.lists(MEMBERS, min_size=1, max_size=4).map(", ".join)


@given(FIELDS)
def test_what_the_draft_describes_is_read_the_same(text: str) -> None:
    """Names that are strings, parameters that are whole numbers and decimals, some of them unknown."""
    assert compare(text) == ""
    assert theirs(text) is not None


SIGNS = ['"', "\\", ";", ",", "=", " ", "\t", "(", ")", "é", "*"]
PIECES = st.sampled_from([*SIGNS, "r", "t", "R", "-1", "1.", ".5", "?1", ":YQ==:", "@5", "tok", '"a"', '"t=5"'])


@given(FIELDS, st.integers(0, 60), st.lists(PIECES, min_size=1, max_size=3).map("".join))
def test_a_field_with_something_amiss_is_read_the_same_or_differs_by_name(text: str, at: int, piece: str) -> None:
    """A piece put in, or in the place of as much."""
    compare(text[:at] + piece + text[at:])
    compare(text[:at] + piece + text[at + len(piece) :])


@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=60))
def test_anything_else_is_read_the_same_or_differs_by_name(text: str) -> None:
    """Text of all kinds, and pieces of such a field in any order."""
    compare(text)


def test_what_the_fuzzer_found_is_read_the_same_or_differs_by_name() -> None:
    """Every value of every header in its corpus."""
    found = [compare(text) for text in values()]
    assert len(found) > 50


def test_a_string_s_type_is_what_tells_it() -> None:
    """http-sf tells a token from a string by its class: the comparison above stands on that."""
    assert re.fullmatch(r"\(\w+\)", theirs("tok;r=1")[0][0])  # type: ignore[index]
