"""What a server says about time, at its edges: which source wins, where a value stops to be one, and what a date is."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from anyint_resilience.policy.hints import normal_headers, poll_hint, read_hint, should_retry, spends, spent_window
from anyint_resilience.policy.model import Hint
from anyint_resilience.policy.times import MAX_HINT, bounded, duration, moment, number, retry_text

NOW = 1795737600.0  # 2026-11-27, midnight in Greenwich
DATE, LATER = "Fri, 27 Nov 2026 00:00:00 GMT", "Fri, 27 Nov 2026 00:00:30 GMT"
DAY = 86_400.0


def hint(seconds: float | None, source: str = "", *, at_most: bool = False) -> Hint | None:
    return None if seconds is None else Hint(seconds=seconds, source=source, at_most=at_most)


# --- headers


class Broken:
    """A mapping that fails in the middle."""

    def __iter__(self) -> Any:
        yield ("A", "1")
        raise RuntimeError


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({" Retry-After ": " 7 "}, {"retry-after": ["7"]}),
        (MappingProxyType({"A": "1"}), {"a": ["1"]}),
        ([("A", "1"), ("a", "2")], {"a": ["1", "2"]}),
        ([["A", ["1", "2"]]], {"a": ["1", "2"]}),
        ([("A", [])], {}),
        ([(b"A", b"\xe9"), (bytearray(b"B"), 7)], {"a": ["é"], "b": ["7"]}),
        ([(None, "x"), ("A", "1")], {"a": ["1"]}),
        ([("A", 1.5), ("B", True), ("C", None), (None, "x"), ("D", 10**18), ("E", float("nan"))], {"a": ["1.5"]}),
        ([("A",), ("A", "1", "2"), "AB", 7, ("B", "1")], {"b": ["1"]}),
        ("text", {}),
        (b"text", {}),
        (7, {}),
        (None, {}),
        (Broken(), {"a": ["1"]}),
        ([("A", "x" * 5_000)], {"a": ["x" * 4_096]}),
        ([("A", b"x" * 5_000)], {"a": ["x" * 4_096]}),
        ([("A", [str(it) for it in range(600)])], {"a": [str(it) for it in range(512)]}),
    ],
)
def test_headers_in_any_form(headers: Any, read: dict[str, list[str]]) -> None:
    """Names in lower case, all values as text; what is neither is left out, what stands before a fault stays."""
    assert normal_headers(headers) == read


def test_so_many_headers_and_no_more() -> None:
    """512."""
    assert len(normal_headers([(f"h{index}", "1") for index in range(600)])) == 512


# --- which source wins

RETRY_INFO = {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}]}


@pytest.mark.parametrize(
    ("status", "headers", "document", "found"),
    [
        (429, {"retry-after-ms": "1500", "retry-after": "9"}, {"error": RETRY_INFO}, hint(1.5, "retry-after-ms")),
        (429, {"retry-after-ms": "x", "retry-after": "9"}, {"error": RETRY_INFO}, hint(9, "retry-after")),
        (429, {"retry-after": "0"}, {"error": RETRY_INFO}, hint(12, "RetryInfo")),
        (429, {"retry-after": ["2", "7", "x"]}, None, hint(7, "retry-after")),
        (429, {"retry-after": "2, 7"}, None, hint(7, "retry-after")),
        (429, {"retry-after": "2, x, 7"}, None, hint(7, "retry-after")),
        (429, {"retry-after": "1,1,1,1,1,1,1,1,9"}, None, hint(1, "retry-after")),
        (429, {"retry-after": "1,1,1,1,1,1,1,9"}, None, hint(9, "retry-after")),
        (400, {"retry-after": "5"}, None, hint(5, "retry-after")),
        (200, {"retry-after": str(MAX_HINT)}, None, hint(MAX_HINT, "retry-after")),
        (200, {"retry-after": "2678401"}, None, None),
        # dates: on the clock that is given, else on the answer's own
        (429, {"retry-after": LATER}, None, None),
        (429, {"retry-after": LATER, "date": DATE}, None, hint(30, "retry-after")),
        (429, {"retry-after": DATE, "date": LATER}, None, None),
        # the body
        (429, {}, [{"error": RETRY_INFO}], hint(12, "RetryInfo")),
        (429, {}, RETRY_INFO, hint(12, "RetryInfo")),
        (
            429,
            {},
            {"error": {"details": [{"@type": "other", "retryDelay": "1s"}, *RETRY_INFO["details"]]}},
            hint(12, "RetryInfo"),
        ),
        (429, {}, {"error": {"details": [{}] * 31 + RETRY_INFO["details"]}}, hint(12, "RetryInfo")),
        (429, {}, {"error": {"details": [{}] * 32 + RETRY_INFO["details"]}}, None),
        (429, {}, {"error": {"details": [{"@type": 7}, {"@type": "google.rpc.RetryInfo", "retryDelay": 3}]}}, None),
        (400, {}, {"error": {"headers": {"Retry-After": "3"}}}, hint(3, "error.headers retry-after")),
        (400, {"date": DATE}, {"error": {"headers": {"Retry-After": LATER}}}, hint(30, "error.headers retry-after")),
        (
            400,
            {},
            {"error": {"message": "retry in 4s", "headers": {"Retry-After": "3"}}},
            hint(3, "error.headers retry-after"),
        ),
        (400, {}, {"error": {"message": "Please retry in 4s."}}, hint(4, "error message")),
        (400, {}, {"msg": "try again after 20 seconds"}, hint(20, "error message")),
        (400, {}, {"error": {"message": "no word", "msg": "retry in 5s"}}, hint(5, "error message")),
        # RateLimit, where it explains the answer
        (429, {"ratelimit": '"p";r=0;t=8'}, None, hint(8, "ratelimit")),
        (503, {"ratelimit": '"p";r=0;t=8'}, None, hint(8, "ratelimit")),
        (500, {"ratelimit": '"p";r=0;t=8'}, None, None),
        (429, {"ratelimit": '"p";r=5;t=8'}, None, hint(8, "ratelimit")),  # alone, it is the one that refused
        (429, {"ratelimit": '"p";r=5;t=8, "q";r=0;t=3'}, None, hint(3, "ratelimit")),
        (429, {"ratelimit": '"p";r=0;t=8, "q";r=0;t=9, "s";r=0;t=7'}, None, hint(9, "ratelimit")),
        (429, {"ratelimit": ['"p";r=0;t=8', '"q";r=0;t=9']}, None, hint(9, "ratelimit")),
        (
            429,
            {"ratelimit": '"p";r=0', "ratelimit-policy": '"q";w=5, "p";q=9;w=60'},
            None,
            hint(60, "ratelimit-policy"),
        ),
        (429, {"ratelimit": '"p";r=0;t=5=5', "ratelimit-policy": '"p";w=60'}, None, None),
        (429, {"ratelimit": '"p";r=1', "ratelimit-policy": '"p";w=60'}, None, None),
        (429, {"ratelimit": '"p";r=0'}, None, None),  # no window is named
        (429, {"ratelimit": '"Xp";r=0', "ratelimit-policy": '"p";w=60'}, None, None),  # another policy's
        (429, {"ratelimit": '"p";r=0;t=60, "q";r=0', "ratelimit-policy": '"q";w=60'}, None, hint(60, "ratelimit")),
        (429, {"ratelimit": '"p";t=8'}, None, None),  # what remains is required
        (429, {"ratelimit": "p;r=0;t=8"}, None, None),  # a name is a string
        (429, {"ratelimit": '";r=0;t=8'}, None, None),
        (429, {"ratelimit": 'p"q";r=0;t=8'}, None, None),  # nor half of one
        (429, {"ratelimit": '"q"p;r=0;t=8'}, None, None),
        (429, {"ratelimit": '"p";r=0;t=8;x="'}, None, None),  # a quote that never closes
        (429, {"ratelimit": '"limit=1";r=0;t=8'}, None, hint(8, "ratelimit")),
        (429, {"ratelimit": '"";r=0;t=8'}, None, hint(8, "ratelimit")),
        (429, {"ratelimit": '"a,b;c\\"d";R = 0 ; T = 8'}, None, hint(8, "ratelimit")),
        (429, {"ratelimit": '"p";r=0;t=8'.ljust(2_048)}, None, hint(8, "ratelimit")),
        (429, {"ratelimit": '"p";r=0;t=8'.ljust(2_049)}, None, None),
        (429, {"ratelimit": "limit=10, remaining=0, reset=6"}, None, hint(6, "ratelimit")),
        (429, {"ratelimit": "limit=10, reset=6"}, None, None),
        (429, {"ratelimit": '"p";r=0;t=8, remaining=0, reset=9'}, None, hint(8, "ratelimit")),  # today's form is there
        # older windows: only those that are used up, and of them the last to open
        (429, {"ratelimit-remaining": "0", "ratelimit-reset": "11"}, None, hint(11, "ratelimit-reset")),
        (429, {"ratelimit-remaining": "1", "ratelimit-reset": "11"}, None, None),
        (500, {"ratelimit-remaining": "0", "ratelimit-reset": "11"}, None, None),
        (
            429,
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"},
            None,
            hint(360, "x-ratelimit-reset-requests", at_most=True),
        ),
        (
            429,
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "6s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "7s",
            },
            None,
            hint(7, "x-ratelimit-reset-tokens", at_most=True),
        ),
        (  # as long as each other: the first that says so
            429,
            {
                "ratelimit-remaining": "0",
                "ratelimit-reset": "7",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "7s",
            },
            None,
            hint(7, "ratelimit-reset"),
        ),
        (
            429,
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "12"},
            None,
            hint(12, "x-ratelimit-reset", at_most=True),
        ),
        *(
            (
                429,
                {
                    f"anthropic-ratelimit-{it}-remaining": "0",
                    f"anthropic-ratelimit-{it}-reset": "2026-11-27T00:00:45Z",
                    "date": DATE,
                },
                None,
                hint(45, f"anthropic-ratelimit-{it}-reset"),
            )
            for it in ("requests", "tokens", "input-tokens", "output-tokens")
        ),
    ],
)
def test_the_first_source_that_says_so(status: int, headers: dict[str, Any], document: Any, found: Hint | None) -> None:
    """Headers of today, the body, RateLimit, older windows; the longest of several values, never a malformed one."""
    named = {name: value if isinstance(value, list) else [value] for name, value in headers.items()}
    assert read_hint(status, named, document=document) == found


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("999999999", None),  # seconds, of more than a month
        ("1795737660", 60.0),  # Unix seconds
        ("1795737660000", 60.0),  # and milliseconds
        ("99999999999", None),  # Unix seconds of the year 5138
        ("100000000000", None),  # milliseconds of 1973
        ("1m30s", 90.0),
        (LATER, 30.0),
        ("2026-11-27T00:01:00+00:00", 60.0),
        ("soon", None),
    ],
)
def test_what_a_reset_may_be(reset: str, seconds: float | None) -> None:
    """A duration, seconds, a Unix time of either size, a date."""
    headers = {"ratelimit-remaining": ["0"], "ratelimit-reset": [reset]}
    assert read_hint(429, headers, now=NOW) == hint(seconds, "ratelimit-reset")


def test_the_clock_that_is_given_wins_over_the_answers() -> None:
    """For a hint, a spent window and a poll."""
    headers = {"retry-after": [LATER], "date": ["Fri, 27 Nov 2026 00:00:20 GMT"]}
    assert (read_hint(429, headers, now=NOW), read_hint(429, headers)) == (
        hint(30, "retry-after"),
        hint(10, "retry-after"),
    )
    assert (poll_hint(headers, now=NOW), poll_hint(headers)) == (hint(30, "retry-after"), hint(10, "retry-after"))
    spent = {"ratelimit-remaining": "0", "ratelimit-reset": LATER, "date": "Fri, 27 Nov 2026 00:00:20 GMT"}
    assert spent_window(spent, now=NOW) == hint(30, "ratelimit-reset")
    assert spent_window(spent) == hint(10, "ratelimit-reset")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"ratelimit": '"p";r=0;t=8, "q";r=0;t=9, "s";r=1;t=99'}, hint(9, "ratelimit")),
        (
            {"ratelimit": '"p";r=0;t=8', "ratelimit-remaining": "0", "ratelimit-reset": "11"},
            hint(11, "ratelimit-reset"),
        ),
        ({"ratelimit": '"p";r=0;t=18', "ratelimit-remaining": "0", "ratelimit-reset": "11"}, hint(18, "ratelimit")),
        ({"ratelimit": '"p";r=1;t=8'}, None),
        ({"ratelimit": '"p";r=0'}, None),
        ({"ratelimit-remaining": " 0 ", "ratelimit-reset": "11"}, hint(11, "ratelimit-reset")),
        ({"ratelimit-remaining": "00", "ratelimit-reset": "11"}, None),
        ({"ratelimit-reset": "11"}, None),
    ],
)
def test_when_a_good_answer_was_the_last_for_now(headers: dict[str, str], found: Hint | None) -> None:
    """Nothing is left of a window, and it says when it opens: the longest of them."""
    assert spent_window(headers) == found


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"openai-poll-after-ms": "2500", "retry-after": "9"}, hint(2.5, "openai-poll-after-ms")),
        ({"openai-poll-after-ms": "0", "retry-after": "9"}, hint(9, "retry-after")),
        ({"ratelimit": '"p";r=0;t=8'}, None),
    ],
)
def test_when_to_look_at_a_task_again(headers: dict[str, str], found: Hint | None) -> None:
    """Its own header, then those that ask to wait."""
    assert poll_hint({name: [value] for name, value in headers.items()}) == found


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ratelimit-remaining", " 0 ", True),
        ("ratelimit-remaining", "10", False),
        ("ratelimit-remaining", "r=0", False),
        ("ratelimit", '"p";r=0', True),
        ("ratelimit", '"p";r=10', False),
        (b"ratelimit", b'"p";r=0', True),
        (b"ratelimit", b"\xff", False),
        ("content-type", "Text/Event-Stream; charset=utf-8", True),
        (b"content-type", b"text/event-stream", True),
        ("content-type", "text/event-strea", False),
        ("content-type", "0", False),
    ],
)
def test_a_quick_look_at_one_header(name: Any, value: Any, says: bool) -> None:
    """Whether it may say that nothing is left, or that a stream begins."""
    assert spends(name, value) is says


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["TRUE"], True),
        (["false"], False),
        (["true", "false"], False),
        (["yes"], None),
        (["true", "yes"], None),
        ([], None),
    ],
)
def test_what_a_server_says_of_another_try(values: list[str], says: bool | None) -> None:
    """A no among several is a no; what is not plain is nothing."""
    assert should_retry({"x-should-retry": values}) is says


# --- one value


@pytest.mark.parametrize(
    ("seconds", "believed"),
    [(0, None), (1e-9, 1e-9), (MAX_HINT, MAX_HINT), (MAX_HINT + 1, None), (None, None), (-1, None)],
)
def test_a_wait_that_can_be_believed(seconds: float | None, believed: float | None) -> None:
    """Above nothing, and up to a month."""
    assert bounded(seconds) == believed
    assert bounded(float("nan")) is bounded(float("inf")) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 12.5 ", 12.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("9" * 15, 999_999_999_999_999.0),
        ("9" * 16, None),
        ("1e3", None),
        ("-1", None),
        ("٣", None),
        (7, None),
    ],
)
def test_a_plain_number(text: object, value: float | None) -> None:
    """Digits and a point, no sign, no exponent."""
    assert number(text) == (pytest.approx(value) if value is not None else None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6m0s", 360.0),
        (" 1h2m3.5s ", 3723.5),
        ("12ms", 0.012),
        ("5us", 5e-6),
        ("5µs", 5e-6),
        ("5μs", 5e-6),
        ("5ns", 5e-9),
        ("1s" * 32, 32.0),
        ("1s" * 32 + "1", None),
        ("1d", None),
        ("5", None),
        ("", None),
        (5, None),
    ],
)
def test_a_duration(text: object, value: float | None) -> None:
    """As Go and protobuf write it, in at most 64 characters."""
    assert duration(text) == (pytest.approx(value) if value is not None else None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-27T00:00:00Z", NOW),
        (" 2026-11-27 00:00:00.25z ", NOW + 0.25),
        ("2026-11-27t02:30:00+02:30", NOW),
        ("2026-11-26T21:30:00-02:30", NOW),
        ("2026-11-26T23:59:60Z", NOW - 1),  # a leap second
        ("2026-13-27T00:00:00Z", None),
        ("2026-11-27T00:00:00", None),
        (DATE, NOW),
        ("Fri, 27 Nov 2026 00:00:00", NOW),
        ("Fri, 27 Nov 2026 02:00:00 +0200", NOW),
        ("Friday, 27-Nov-26 00:00:00 GMT", NOW),
        (DATE + " " * 35, NOW),
        (DATE + " " * 36, None),
        ("tomorrow", None),
        (None, None),
    ],
)
def test_a_moment(text: object, value: float | None) -> None:
    """RFC 3339 or an HTTP date; without a zone it is in Greenwich."""
    assert moment(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Please retry in 10h17m5.72s.", 37_025.72),
        ("retry in 900ms", 0.9),
        ("TRY AGAIN IN 20S", 20.0),
        ("try again after 20 seconds", 20.0),
        ("retry after 1.5 minutes, please", 90.0),
        ("retry in 2 hours", 7_200.0),
        ("retry in 500 milliseconds", 0.5),
        ("retry in 1 second", 1.0),
        ("retry in 20", None),
        ("retry in 1.2.3 seconds", None),
        ("retry soon", None),
        ("x" * 4_081 + " retry in 2 s...", None),
        ("x" * 4_080 + " retry in 4s", 4.0),
        (7, None),
    ],
)
def test_a_time_in_words(text: object, value: float | None) -> None:
    """With a unit, as one word or two."""
    assert retry_text(text) == (pytest.approx(value) if value is not None else None)
