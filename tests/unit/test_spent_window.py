"""A good answer that says nothing is left of a window: for how long, and what says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.policy.hints import MAX_HINT, SPENT, TELLING, TELLING_BYTES, spends, spent_window

NOW = 1_800_000_000.0
DATE = "2027-01-15T08:00:30Z"  # 30 s later
REQUESTS = "x-ratelimit-remaining-requests"
RESET = "x-ratelimit-reset-requests"
TOKENS = "x-ratelimit-remaining-tokens"
TOKENS_RESET = "x-ratelimit-reset-tokens"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({REQUESTS: "1", RESET: "5s"}, None),
        ({REQUESTS: "0", RESET: "5s"}, 5.0),
        ({REQUESTS: " 0 ", RESET: "250ms"}, 0.25),
        ({REQUESTS.title(): "0", RESET.title(): "5s"}, 5.0),
        ({REQUESTS: "0"}, None),  # nobody knows for how long
        ({REQUESTS: "0", RESET: "0"}, None),  # over already
        ({REQUESTS: "0", RESET: "-5"}, None),
        ({REQUESTS: "0", RESET: "1e10"}, None),
        ({REQUESTS: "0", RESET: "10000000000"}, None),  # 10 ** 10 s is a mistake, or an attack
        ({REQUESTS: "0", RESET: "soon"}, None),
        ({REQUESTS: "0.0", RESET: "5s"}, None),
        ({REQUESTS: "none", RESET: "5s"}, None),
        ({REQUESTS: "0", RESET: "5s", TOKENS: "0", TOKENS_RESET: "7s"}, 7.0),  # all of them must open
        ({REQUESTS: "0", RESET: "5s", TOKENS: "9", TOKENS_RESET: "7s"}, 5.0),
        ({REQUESTS: "0", TOKENS_RESET: "7s"}, None),  # another window's
        ({"ratelimit-remaining": "0", "ratelimit-reset": "3"}, 3.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 9)}, 9.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) - 9)}, None),
        ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": DATE}, 30.0),
        ({"RateLimit": '"default";r=0;t=4'}, 4.0),
        ({"RateLimit": '"default";r=1;t=4'}, None),
        ({"RateLimit": '"default";r=0'}, None),
        ({"RateLimit": '"a";r=0;t=4, "b";r=0;t=6, "c";r=3;t=90'}, 6.0),
        ({"RateLimit": "limit=10, remaining=0, reset=4"}, 4.0),
        ({"RateLimit": "limit=10, remaining=5, reset=4"}, None),
        ({"RateLimit": "garbage=0;;;"}, None),
        ({"Retry-After": "5"}, None),  # on a good answer that is about something else
    ],
)  # fmt: skip
def test_how_long_nothing_is_left(headers: dict[str, str], seconds: float | None) -> None:
    """Only where a window says both that it is empty and when it fills."""
    hint = spent_window(headers, now=NOW)
    assert (None if hint is None else hint.seconds) == (None if seconds is None else pytest.approx(seconds))
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert spent_window(pairs, now=NOW) == hint, "headers come in many shapes"


def test_the_time_to_a_full_refill_is_the_most_and_not_the_least() -> None:
    """OpenAI's reset is when all is there again; one request is there sooner."""
    hint = spent_window({REQUESTS: "0", RESET: "60s"}, now=NOW)
    assert hint is not None
    assert hint.at_most


def test_without_a_clock_the_answers_own_date_is_the_clock() -> None:
    """A date needs one."""
    headers = {"anthropic-ratelimit-requests-remaining": "0",
               "anthropic-ratelimit-requests-reset": DATE}  # fmt: skip
    assert spent_window(headers) is None
    hint = spent_window({**headers, "Date": "Fri, 15 Jan 2027 08:00:00 GMT"})
    assert hint is not None
    assert hint.seconds == pytest.approx(30.0)


@pytest.mark.parametrize("name", sorted(SPENT))
def test_a_quick_look_misses_nothing(name: str) -> None:
    """What the fast lane looks at is enough: no header that says so is left out."""
    says = '"x";r=0;t=4' if name == "ratelimit" else "0"
    assert spends(name, says)
    assert spends(name.encode(), says.encode())
    assert name.encode() in TELLING_BYTES
    assert not spends(name, "12")
    assert not spends(name.encode(), b"12")


@pytest.mark.parametrize("kind", ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream"])
def test_a_stream_is_not_overlooked(kind: str) -> None:
    """Its headers take it off the fast lane, and those of a document do not."""
    assert {"content-type"} == TELLING - SPENT
    assert {name.encode() for name in TELLING} == TELLING_BYTES
    assert spends("content-type", kind)
    assert spends(b"content-type", kind.encode())
    for other in ("application/json", "text/plain", "0", ""):
        assert not spends("content-type", other)
        assert not spends(b"content-type", other.encode())


@given(
    headers=st.lists(
        st.tuples(
            st.one_of(st.sampled_from(sorted(SPENT)), st.sampled_from([RESET, "ratelimit-reset", "date"]), st.text()),
            st.one_of(st.sampled_from(["0", "5s", '"a";r=0;t=9', "remaining=0, reset=1"]), st.text(), st.integers()),
        ),
        max_size=6,
    ),
    now=st.one_of(st.none(), st.floats(0, 1e11)),
)  # fmt: skip
def test_it_is_total_and_bounded(headers: Any, now: float | None) -> None:
    """Whatever a gateway sends; and a hint means that a quick look would have seen it."""
    hint = spent_window(headers, now=now)
    if hint is not None:
        assert 0 < hint.seconds <= MAX_HINT
        named = [(name.strip().lower(), str(value)) for name, value in headers]
        assert any(name in SPENT and spends(name, value.strip()) for name, value in named)
