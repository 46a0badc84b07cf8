"""Every way a server says how long to wait, and every way it can lie about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from anyint_resilience.policy.hints import MAX_HINT, normal_headers, poll_hint, read_hint, should_retry

NOW = 1_792_584_000.0  # 2026-10-21T12:00:00Z
HTTP_NOW = "Wed, 21 Oct 2026 12:00:00 GMT"
HTTP_LATER = "Wed, 21 Oct 2026 12:00:30 GMT"


def hint_of(headers: Any, *, status: int = 429, document: object = None, now: float | None = NOW) -> Any:
    hint = read_hint(status, normal_headers(headers), document=document, now=now)
    return None if hint is None else (pytest.approx(hint.seconds), hint.source)


def google(*details: object, message: str = "") -> object:
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message, "details": list(details)}}


def retry_info(delay: object) -> object:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


@pytest.mark.parametrize(
    ("headers", "seconds", "source"),
    [
        ({"Retry-After": "2"}, 2.0, "retry-after"),
        ({"retry-after": "1.5"}, 1.5, "retry-after"),
        ({"RETRY-AFTER": HTTP_LATER}, 30.0, "retry-after"),
        ({"Retry-After": "Wednesday, 21-Oct-26 12:00:30 GMT"}, 30.0, "retry-after"),
        ({"Retry-After": "Wed Oct 21 12:00:30 2026"}, 30.0, "retry-after"),
        ({"Retry-After": "2026-10-21T12:00:30Z"}, 30.0, "retry-after"),
        ({"Retry-After": "2, 7"}, 7.0, "retry-after"),
        ([("Retry-After", "2"), ("Retry-After", "7")], 7.0, "retry-after"),
        ([(b"retry-after", b"3")], 3.0, "retry-after"),
        ({"Retry-After": ["4", "5"]}, 5.0, "retry-after"),
        ({"retry-after": 6}, 6.0, "retry-after"),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25, "retry-after-ms"),
        ({"Retry-After-Ms": "junk", "Retry-After": "9"}, 9.0, "retry-after"),
        ({"retry-after": str(int(MAX_HINT))}, MAX_HINT, "retry-after"),
    ],
)
def test_retry_after_forms(headers: Any, seconds: float, source: str) -> None:
    """Seconds, milliseconds and dates are read, in any case, as str or bytes; of several the longest counts."""
    assert hint_of(headers) == (seconds, source)


@pytest.mark.parametrize(
    "value",
    [
        "0", "-1", "nan", "inf", "-inf", "1e3", "", " ", "soon", "9999999999", "9" * 400, str(MAX_HINT + 1), "٣",
        "Tue, 20 Oct 2026 12:00:00 GMT", "0x10", "Wed, 99 Oct 2026 99:99:99 GMT",
        "2026-13-45T99:99:99Z",
        "2026-10-21T12:00:30", "Wed, 21 Oct 2026 12:00:00 +9999999999",
        "0001-01-01T00:00:00+23:59", "2026-10-21T12:00:30+99:99",
        "Wed, 21 Oct 9999 12:00:30 GMT", ",", "\x00", "(" * 60,
    ],
)  # fmt: skip
def test_unusable_retry_after_is_ignored(value: str) -> None:
    """Zero, negative, not finite, past, absurd or malformed values are as if nothing had been sent."""
    assert hint_of({"retry-after": value}) is None


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e3", "", "soon", "9999999999999", "9" * 400, HTTP_LATER])
def test_unusable_retry_after_ms_is_ignored(value: str) -> None:
    """Milliseconds have the same bounds, and are never a date."""
    assert hint_of({"retry-after-ms": value}) is None


def test_dates_need_a_clock() -> None:
    """Without a clock a date counts against the answer's own Date header, and without that not at all."""
    assert hint_of({"retry-after": HTTP_LATER, "date": HTTP_NOW}, now=None) == (30.0, "retry-after")
    assert hint_of({"retry-after": HTTP_LATER, "date": "yesterday"}, now=None) is None
    assert hint_of({"retry-after": HTTP_LATER}, now=None) is None


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("12ms", 0.012),
        ("1h2m3.5s", 3723.5),
        ("20", 20.0),
        (str(int(NOW) + 40), 40.0),
        (str((int(NOW) + 40) * 1000), 40.0),
        ("2026-10-21T12:01:00Z", 60.0),
        ("2026-10-21T14:01:00.5+02:00", 60.5),
    ],
)
@pytest.mark.parametrize(
    ("remaining", "name"),
    [
        ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
        ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
        ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
        ("ratelimit-remaining", "ratelimit-reset"),
    ],
)
def test_reset_counts_when_nothing_remains(remaining: str, name: str, reset: str, seconds: float) -> None:
    """A reset is an upper bound: it is a hint only where the matching window is used up, on 429 and 503."""
    assert hint_of({remaining: "0", name: reset}) == (seconds, name)
    assert hint_of({remaining: "0", name: reset}, status=503) == (seconds, name)
    assert hint_of({remaining: "0", name: reset}, status=500) is None
    for other in ("1", "-1", "", "none"):
        assert hint_of({remaining: other, name: reset}) is None
    assert hint_of({name: reset}) is None


def test_all_used_up_windows_must_open() -> None:
    """Of two windows that are used up, the later reset is the hint."""
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert hint_of(headers) == (360.0, "x-ratelimit-reset-tokens")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"RateLimit": '"default";r=0;t=30'}, (30.0, "ratelimit")),
        ({"RateLimit": '"default";r=50;t=30'}, (30.0, "ratelimit")),
        ({"RateLimit": '"burst";r=0;t=5,"daily";r=0;t=60'}, (60.0, "ratelimit")),
        ({"RateLimit": '"burst";r=0;t=5, "daily";r=900;t=86000'}, (5.0, "ratelimit")),
        ([("RateLimit", '"burst";r=0;t=5'), ("RateLimit", '"daily";r=9;t=600')], (5.0, "ratelimit")),
        ({"RateLimit": '"a,b;c\\"";r=0;t=7;pk=:cHVia2V5:'}, (7.0, "ratelimit")),
        ({"RateLimit": "default;r=0;t=8"}, None),
        ({"RateLimit": "limit=100, remaining=50, reset=30"}, (30.0, "ratelimit")),
        ({"RateLimit": '"p";r=0', "RateLimit-Policy": '"q";q=1;w=1, "p";q=100;w=60'}, (60.0, "ratelimit-policy")),
        ({"RateLimit": '"p";r=0;t=junk', "RateLimit-Policy": '"p";q=100;w=60'}, None),
        ({"RateLimit": '"burst";r=3;t=5,"daily";r=9;t=60'}, None),
        ({"RateLimit": '"open;r=0;t=30'}, None),
        ({"RateLimit": '"default";r=0;t=-30'}, None),
        ({"RateLimit": '"default";r=0;t=99999999'}, None),
        ({"RateLimit": ";;;,,,===" * 200}, None),
        ({"RateLimit": '"x";r=0;t=3,' * 1000}, None),
        ({"RateLimit": '"default";r=0;t=30', "Retry-After": "3"}, (3.0, "retry-after")),
        ({"RateLimit": '"d";r=0;t=30', "ratelimit-remaining": "0", "ratelimit-reset": "5"}, (30.0, "ratelimit")),
    ],
)
def test_ratelimit_fields(headers: Any, expected: object) -> None:
    """The IETF fields, new and old: used-up policies count, malformed or endless fields are ignored."""
    assert hint_of(headers) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (google(retry_info("36.429760048s")), (36.429760048, "RetryInfo")),
        ([google(retry_info("3s"))], (3.0, "RetryInfo")),
        (google({"@type": "x.ErrorInfo"}, retry_info("3s"), message="Please retry in 9s."), (3.0, "RetryInfo")),
        (google(message="Quota exceeded. Please retry in 36.4s."), (36.4, "error message")),
        (google(message="Please retry in 10h17m5.72s"), (37025.72, "error message")),
        (google(message="please retry in 900ms, thanks"), (0.9, "error message")),
        ({"error": {"message": "Rate limit. Please try again in 6m0s. See docs."}}, (360.0, "error message")),
        ({"error": {"message": "Please retry after 20 seconds."}}, (20.0, "error message")),
        ({"error": {"message": "try again in 5 minutes"}}, (300.0, "error message")),
        ({"code": 430, "msg": "busy, try again in 2s"}, (2.0, "error message")),
        ({"error": {"headers": {"Retry-After": "11"}}}, (11.0, "error.headers retry-after")),
        (google(retry_info("-3s")), None),
        (google(retry_info("0s")), None),
        (google(retry_info("99999999s")), None),
        (google(retry_info(3)), None),
        (google(retry_info(None), None, 3, [], "x"), None),
        ({"error": {"message": "retry in 5 attempts"}}, None),
        ({"error": {"message": "retry in 99999999999999s"}}, None),
        ({"error": {"message": ["retry in 5s"], "details": {"a": 1}, "headers": 7}}, None),
        ({"error": None}, None),
        ({"error": "retry in 5s"}, None),
        ("retry in 5s", None),
        ([], None),
        (None, None),
    ],
)
def test_body_hints(document: object, expected: object) -> None:
    """RetryInfo, the headers of a failed video, and sentences in a message are read, and nothing else."""
    assert hint_of({}, document=document) == expected


def test_order_of_sources() -> None:
    """Retry-after-ms > retry-after > the body > RateLimit > a reset with nothing remaining."""
    headers = {
        "retry-after-ms": "1000",
        "retry-after": "2",
        "ratelimit": '"d";r=0;t=4',
        "ratelimit-remaining": "0",
        "ratelimit-reset": "5",
    }
    document = google(retry_info("3s"))
    seen: list[float] = []
    for name in (*list(headers)[:2], "body", *list(headers)[2:4]):
        hint = read_hint(429, normal_headers(headers), document=document, now=NOW)
        assert hint is not None
        seen.append(hint.seconds)
        if name == "body":
            document = None
        headers.pop(name, None)
    assert seen == [1.0, 2.0, 3.0, 4.0, 5.0][: len(seen)]


def test_google_rate_limit_message_is_found_late_but_not_without_end() -> None:
    """Only the first 4096 characters of a message are searched."""
    assert hint_of({}, document=google(message="x" * 3000 + " Please retry in 2s")) == (2.0, "error message")
    assert hint_of({}, document=google(message="x" * 5000 + " Please retry in 2s")) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"openai-poll-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "9"}, 9.0),
        ({"openai-poll-after-ms": "0", "retry-after": "4"}, 4.0),
        ({"retry-after": HTTP_LATER, "date": HTTP_NOW}, 30.0),
        ({}, None),
    ],
)
def test_poll_hint(headers: dict[str, str], seconds: float | None) -> None:
    """The poll header comes before retry-after."""
    hint = poll_hint(normal_headers(headers))
    assert (None if hint is None else hint.seconds) == seconds


@pytest.mark.parametrize(
    ("values", "said"),
    [(["true"], True), (["TRUE"], True), (["false"], False), (["true", "false"], False), (["yes"], None), ([], None)],
)
def test_should_retry(values: list[str], said: bool | None) -> None:
    """Only plain words count, and of two that differ the careful one."""
    assert should_retry({"x-should-retry": values}) is said


class Broken(Mapping[str, str]):
    """A mapping that fails in the middle."""

    def __getitem__(self, key: str) -> str:
        raise RuntimeError(key)

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[str]:
        yield "a"


def endless() -> Iterator[tuple[str, str]]:
    while True:
        yield "x", "y"


@pytest.mark.parametrize(
    ("headers", "normal"),
    [
        (None, {}),
        (7, {}),
        ("retry-after: 5", {}),
        (b"retry-after", {}),
        ([1, "ab", ("a",), ("a", "b", "c"), None], {}),
        ({1: "a", "b": None, "c": object(), "d": True, "e": 1.5}, {"1": ["a"], "e": ["1.5"]}),
        ({"a": float("nan"), "b": 10**5000, "c": float("inf")}, {}),
        ({" A ": " b "}, {"a": ["b"]}),
        ([("A", "1"), (b"a", bytearray(b"2"))], {"a": ["1", "2"]}),
        ([["a", "1"]], {"a": ["1"]}),
        (Broken(), {}),
    ],
)
def test_normal_headers_takes_anything(headers: Any, normal: dict[str, list[str]]) -> None:
    """Headers of any shape become lower-case names with lists of values, or nothing."""
    assert normal_headers(headers) == normal


def test_normal_headers_is_bounded() -> None:
    """Endless headers and endless values are cut."""
    assert len(normal_headers(endless())["x"]) == 512
    assert len(normal_headers({"a": "b" * 10**6})["a"][0]) == 4096
