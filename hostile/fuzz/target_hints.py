"""What a server says about time, in every header and field that may say it -> seconds, or nothing.

Must not know how the fuzzer works. An input: ``STATUS NOW FIELD``, headers, and a body of which a JSON document is
made. ``FIELD`` is a header that takes the whole body as its value, so that a value is not bound to be one line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from anyint_resilience.policy.hints import (
    MAX_HINT,
    SPENT,
    normal_headers,
    poll_hint,
    read_hint,
    should_retry,
    spends,
    spent_window,
)
from anyint_resilience.policy.times import bounded, duration, moment, number, retry_text

from .shapes import loose, message, pick, written
from .sound import sound_hint

__all__ = ["check", "seeds", "words"]

_STATUSES: Final = (200, 400, 429, 500, 503)
_CLOCKS: Final = (None, 0.0, 1.0e9, 1.8e9, 4.1e9)
_SOURCES: Final = frozenset(
    (
        *("retry-after", "retry-after-ms", "openai-poll-after-ms", "ratelimit", "ratelimit-policy", "RetryInfo"),
        *("error message", "error.headers retry-after", "error.headers retry-after-ms"),
    )
)
_RESETS: Final = ("ratelimit-reset", "x-ratelimit-reset", "anthropic-ratelimit-")
_FIELDS: Final = ("retry-after", "retry-after-ms", "ratelimit", "ratelimit-policy", "x-ratelimit-reset-tokens", "date")


def check(data: bytes) -> None:
    """Every hint is finite, above zero and at most a month; the same in any form; what is said is never undercut."""
    said = message(data)
    status = pick(_STATUSES, said.word(0), {str(it): it for it in range(100, 600)})
    now = pick(_CLOCKS, said.word(1), {str(it): it for it in _CLOCKS})
    text = said.body.decode("utf-8", "replace")
    headers = said.headers + ([(said.word(2), text)] if said.word(2) else [])
    named = normal_headers(headers)
    assert normal_headers(named) == named
    hint = read_hint(status, named, document=loose(text), now=now)
    for it in (hint, poll_hint(named, now=now), spent_window(headers, now=now)):
        sound_hint(it)
        assert it is None or it.source in _SOURCES or it.source.startswith(_RESETS), it.source
    assert read_hint(status, named, document=loose(text), now=now) == hint
    assert should_retry(named) in (None, True, False)
    _quick_look_misses_nothing(headers, now)
    _longest_wins(named, now)
    for value in (text, *(value for _, value in headers)):
        _one_value(value)


def _quick_look_misses_nothing(headers: list[tuple[str, str]], now: float | None) -> None:
    """What takes an answer off the fast lane sees every answer that says that a window is spent."""
    named = normal_headers(headers)
    quick = any(spends(name, value) for name in SPENT & named.keys() for value in named[name])
    raw = any(
        spends(name.encode(), it.encode("latin-1", "replace")) for name in SPENT & named.keys() for it in named[name]
    )
    assert quick == raw or any(not value.isascii() for values in named.values() for value in values)
    assert quick or spent_window(headers, now=now) is None


def _longest_wins(named: dict[str, list[str]], now: float | None) -> None:
    """Of several values of one header none is undercut, as long as it is one that can be believed."""
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        plain = [number(value) for value in named.get(name, ())]
        waits = [it / divisor for it in plain if it is not None and bounded(it / divisor) is not None]
        if waits:
            hint = read_hint(429, named, now=now)
            assert hint is not None
            assert hint.seconds >= max(waits)
            return


def _one_value(value: str) -> None:
    """Each way to write a time gives a number that is not negative, or None."""
    for read in (number, duration, retry_text):
        found = read(value)
        assert found is None or (math.isfinite(found) and found >= 0), (read, value)
    at = moment(value)
    assert at is None or math.isfinite(at)
    plain = number(value)
    if plain is not None:
        assert plain == float(value.strip()[:64])
    held = bounded(plain)
    assert held is None or 0 < held <= MAX_HINT


# --- where the fuzzer begins


def words() -> Iterator[str]:
    """Names of headers, and pieces of values."""
    yield from (f"\n{name}: " for name in sorted(SPENT))
    yield from (f"\n{name.replace('remaining', 'reset')}: 1" for name in sorted(SPENT) if "remaining" in name)
    yield from ("\nRetry-After: ", "\nretry-after-ms: ", "\nRateLimit-Policy: ", "\nDate: ", "\nx-should-retry: true")
    yield from (";r=0;t=", ";w=", ";q=", ', "b"', "1h2m3.5s", "36.42s", "12ms", " GMT", "Sun, 06 Nov 1994 08:49:37 GMT")
    yield from ("2026-01-02T03:04:05Z", "+01:00", "google.rpc.RetryInfo", '"@type"', '"retryDelay"', '"details"')
    yield from ("try again after ", "retry in ", " seconds", '"message"', '"error"', '"headers"', "1e9", "nan", "inf")


def seeds() -> Iterator[bytes]:
    """Each form of the contract's section 4, and what servers make of it."""
    dates = ("Sun, 06 Nov 2033 08:49:37 GMT", "Sunday, 06-Nov-33 08:49:37 GMT", "Sun Nov  6 08:49:37 2033")
    for value in ("0", "120", "1.5", "2, 7", "-1", "1e9", "nan", "99999999999", "٣", *dates):
        yield written([429, 1.8e9], {"Retry-After": value})
        yield written([429, 1.8e9, "retry-after"], {"Date": dates[0]}, value)
    for value in ("1500", "0.5", "9" * 15):
        yield written([503, None], {"retry-after-ms": value})
    for value in (
        '"default";r=0;t=30',
        '"a";r=0;t=3, "b";r=5',
        "a;r=0",
        "limit=1, remaining=0, reset=5",
        '"q";r=0;pk=:YQ==:',
    ):
        yield written([429, None], {"RateLimit": value, "RateLimit-Policy": '"default";q=100;w=60, "q";q=1;w=9'})
        yield written([200, None, "ratelimit"], {}, value)
    for remaining in sorted(SPENT - {"ratelimit"}):
        for value in ("1m30s", "12ms", "59", "1893456000", "1893456000000", "2030-01-01T00:00:00Z"):
            yield written([429, 1.8e9], {remaining: "0", remaining.replace("remaining", "reset"): value})
    for body in (
        '{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"36.42s"}]}}',
        '{"error":{"headers":{"Retry-After":"7"},"code":"rate_limit"}}',
        '[{"error":{"message":"Please retry in 10h17m5.72s"}}]',
        '{"message":"try again after 20 seconds"}',
        '{"msg":"Please retry in 900ms."}',
    ):
        yield written([429, 1.8e9], {}, body)
