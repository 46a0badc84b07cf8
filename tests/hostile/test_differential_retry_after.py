"""Our ``Retry-After`` against urllib3's: seconds, dates in all three forms of RFC 9110, and what is neither."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_tz
from typing import Any, Final
from unittest.mock import patch

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from anyint_resilience.policy.hints import MAX_HINT, normal_headers, read_hint
from tests.hostile.differences import Difference, named, values

if tuple(map(int, urllib3.__version__.split(".")[:3])) < (2, 6, 3):
    pytest.skip("the differences are to the Retry of urllib3 2.6.3 and later", allow_module_level=True)

NOW: Final = 1.8e9
INVALID: Final = "invalid"


def ours(text: str) -> float | None:
    """Return the seconds that we wait, None for no hint."""
    hint = read_hint(429, normal_headers([("Retry-After", text)]), now=NOW)
    return None if hint is None else hint.seconds


def theirs(text: str) -> Any:
    """Return what urllib3 makes of it at the same time, without the six hours after which it cuts every wait."""
    with patch("urllib3.util.retry.time.time", lambda: NOW):
        try:
            return Retry(retry_after_max=10**30).parse_retry_after(text)
        except InvalidHeader:
            return INVALID
        except (ValueError, OverflowError, TypeError, IndexError) as error:  # which it lets out to its caller
            return type(error).__name__


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_date(text: str) -> bool:
    return re.fullmatch(r"\s*[0-9]+\s*", text) is None


def is_moment(text: str) -> bool:
    """Whether a date as urllib3 reads it is one that there is."""
    found: Any = parsedate_tz(text)
    try:
        return bool(datetime(*found[:6], tzinfo=timezone(timedelta(seconds=found[9]))))
    except (ValueError, OverflowError):
        return False


RFC_3339 = re.compile(r"\s*\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d")
ROWS = (
    Difference(
        "nothing to wait for",
        "a moment that has come, or 0, is no hint: our own schedule is never undercut by one",
        "0",
        lambda text, us, them: us is None and is_number(them) and them <= 0,
    ),
    Difference(
        "longer than a month",
        "nobody means that: it is a mistake or an attack, and as if it had not been sent; urllib3 cuts it to six hours",
        "2678401",
        lambda text, us, them: us is None and is_number(them) and them > MAX_HINT,
    ),
    Difference(
        "it raises",
        "urllib3's parser lets an error out that its caller does not expect; a header is never a reason to fail",
        "Sun, 06 Nov 99999 08:49:37 GMT",
        lambda text, us, them: isinstance(them, str) and them != INVALID and (us is None or 0 < us <= MAX_HINT),
    ),
    Difference(
        "a decimal",
        "some gateways send 1.5; RFC 9110 has whole seconds only",
        "1.5",
        lambda text, us, them: them == INVALID and re.fullmatch(r"\s*([0-9]+\.[0-9]*|\.[0-9]+)\s*", text) is not None,
    ),
    Difference(
        "several in one",
        "clients join repeated headers with a comma: the longest of them counts",
        "2, 7",
        lambda text, us, them: (
            "," in text
            and us is not None
            and any(us == float(it) for it in re.findall(r"[0-9]+\.?[0-9]*|\.[0-9]+", text))
        ),
    ),
    Difference(
        "RFC 3339",
        "Anthropic's reset headers have it, and relays put the same into Retry-After",
        "2027-01-15T08:00:10Z",
        lambda text, us, them: RFC_3339.match(text) is not None,
    ),
    Difference(
        "too long for a time",
        "no form has more than 64 characters; the work is bounded before anything is read",
        "Fri, 15 Jan 2027 08:00:10 GMT" + " " * 60 + "x",
        lambda text, us, them: us is None and len(text.strip()) > 64,
    ),
    Difference(
        "no moment of any calendar",
        "urllib3 counts on from the last day of a month and the last second of a minute, and takes any zone",
        "Fri, 32 Jan 2027 08:00:10 GMT",
        lambda text, us, them: us is None and is_number(them) and is_date(text) and not is_moment(text),
    ),
)


def same(us: float | None, them: Any) -> bool:
    return (us is None and them == INVALID) or (us is not None and is_number(them) and abs(us - them) < 1e-6)


def compare(text: str) -> str:
    us, them = ours(text), theirs(text)
    return "" if same(us, them) else named(ROWS, text, us, them)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_each_difference_is_one(row: Difference) -> None:
    """Its example is read in two ways, and no row before it would explain that."""
    assert compare(row.example) == row.name


AT = datetime(2027, 1, 15, 8, 0, 10, tzinfo=timezone.utc)  # ten seconds after NOW
FORMS = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y", "%d %b %Y %H:%M:%S +0000")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seconds", [1, 59, 3600, 86_400, 2_678_390])
def test_every_form_of_a_date_is_read_the_same(form: str, seconds: int) -> None:
    """IMF-fixdate, RFC 850 and asctime; and the one of mail."""
    text = (AT + timedelta(seconds=seconds - 10)).strftime(form)
    assert ours(text) == theirs(text) == seconds
    assert compare(text) == ""


@given(st.integers(0, 10**18) | st.integers(1, 100))
def test_seconds_are_read_the_same(seconds: int) -> None:
    """With and without blanks and zeros before them."""
    for text in (str(seconds), f" {seconds} ", f"00{seconds}"):
        assert compare(text) in ("", "nothing to wait for", "longer than a month")


DATES = st.datetimes(datetime(2026, 12, 1), datetime(2027, 3, 1)).flatmap(  # noqa: DTZ001
    lambda when: st.sampled_from(FORMS).map(when.strftime)
)
WHOLE = ["Fri, 15 Jan 2027 08:00:10 GMT", "Friday, 15-Jan-27 08:00:10 GMT", "UTC", "EST", "+0100", "-9999"]
PIECES = st.sampled_from([*WHOLE, "-", ":", ",", " ", "0", "9", "60", "24", "99", "1.5", "Feb", "T", "Z", "."])
LIKE = st.from_regex(r"[0-9 ,.:GMT-]{0,40}", fullmatch=True)


@given(DATES, st.integers(0, 40), st.lists(PIECES, max_size=3).map("".join))
def test_dates_with_something_amiss_are_read_the_same_or_differ_by_name(text: str, at: int, piece: str) -> None:
    """A piece put in, or in the place of as much."""
    compare(text[:at] + piece + text[at:])
    compare(text[:at] + piece + text[at + len(piece) :])


@given(st.text(max_size=80) | st.lists(PIECES, max_size=8).map("".join) | LIKE)
def test_anything_else_is_read_the_same_or_differs_by_name(text: str) -> None:
    """Text of all kinds, and what looks like a date or a number."""
    compare(text)


def test_what_the_fuzzer_found_is_read_the_same_or_differs_by_name() -> None:
    """Every value of every header in its corpus."""
    found = [compare(text) for text in values()]
    assert len(found) > 50
