"""What callers and files hand over, at its edges: made usable on the way of a call, named word for word in settings."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.words import Operation
from anyint_resilience.policy.fallback import GUIDE, Fallback, chain_problems
from anyint_resilience.policy.given import (
    Invalid,
    bytes_of,
    clock_of,
    count_of,
    kind_of,
    one_line,
    operation_of,
    path_of,
    seconds_of,
    shown,
    status_of,
    text_of,
    unit_of,
)
from anyint_resilience.policy.model import FaultKind
from anyint_resilience.policy.rules import Policy

HUGE = 10**400


class Url:
    """As a client's own class prints itself."""

    def __str__(self) -> str:
        return "https://x/y" + "z" * 9_000


class Mute:
    """Which does not."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a" * 9_000, "a" * 8_192),
        (b"\xe9" * 9_000, "é" * 8_192),
        (bytearray(b"\xe9"), "é"),
        (Url(), ("https://x/y" + "z" * 9_000)[:8_192]),
        (None, ""),
        (Mute(), ""),
        (7, "7"),
    ],
)
def test_text_is_bounded_whatever_it_was(value: object, text: str) -> None:
    """Latin-1, as headers are."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (" /a/b ", "/a/b"),
        ("/a?b=1", "/a"),
        ("/a#b?c", "/a"),
        ("/a?b#c", "/a"),
        ("https://host/a/b", "/a/b"),
        ("https://host", "/"),
        ("https://user:word@host:1/a//b", "/a//b"),
        ("//host/a/b", "/a/b"),
        ("//host", "/"),
        ("/a://b/c", "/a://b/c"),
        ("https://host/a://b/c", "/a://b/c"),
        ("///a/b", "/a/b"),
        ("/aXb", "/aXb"),
        ("http://[::1", "/"),
        ("a/b", "a/b"),
        (None, ""),
    ],
)
def test_the_path_of_any_url(url: object, path: str) -> None:
    """A scheme has no slash before it; a query and a fragment are no path."""
    assert path_of(url) == path


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (99, 0),
        (100, 100),
        (999, 999),
        (1000, 0),
        (" 503 ", 503),
        ("0503", 0),
        ("50", 0),
        ("5x3", 0),
        ("²²²", 0),
        ("٥٠٣", 0),
        (True, 0),
        (503.0, 0),
        (None, 0),
    ],
)
def test_a_status_has_three_digits(value: object, status: int) -> None:
    """ASCII ones; what is no status is 0."""
    assert status_of(value) == status


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("a\ud800", b"a?"),
        ("é" * 65_536, "é".encode() * 32_768),
        (b"x" * 70_000, b"x" * 65_536),
        (bytearray(b"xy"), b"xy"),
        (memoryview(b"xyz"), b"xyz"),
        (memoryview(b"abcd").cast("H"), b"abcd"),
        (memoryview(b"x" * 70_000), b"x" * 65_536),
        (memoryview(b"abcd")[::2], b""),
        (None, b""),
        (7, b""),
    ],
)
def test_a_body_is_at_most_64_kib_of_bytes(value: object, read: bytes) -> None:
    """Whatever it was."""
    assert bytes_of(value) == read


@pytest.mark.parametrize("value", ["no such word", [], None, 7])
def test_a_word_nobody_knows_becomes_the_harmless_one(value: Any) -> None:
    """Neither is ever an error."""
    assert kind_of(value) is FaultKind.UNKNOWN
    assert operation_of(value, Operation.CREATE) is Operation.CREATE
    assert (kind_of("read_error"), operation_of("query", Operation.CREATE)) == (FaultKind.READ_ERROR, Operation.QUERY)


@pytest.mark.parametrize(
    ("value", "seconds", "clock", "unit", "count"),
    [
        (0, 0.0, 0.0, 0.0, 1),
        (0.5, 0.5, 0.5, 0.5, 1),
        (1, 1.0, 1.0, 1.0, 1),
        (2, 2.0, 2.0, 1.0, 2),
        (-1, 0.0, None, 0.0, 1),
        (1_000_001, 1_000_001.0, 1_000_001.0, 1.0, 1_000_000),
        (1e11, 1e11, 1e11, 1.0, 1),
        (1e11 + 1, 1e11 + 1, None, 1.0, 1),
        (math.inf, math.inf, None, 1.0, 1),
        (-math.inf, 0.0, None, 0.0, 1),
        (HUGE, math.inf, None, 1.0, 1_000_000),
        (-HUGE, 0.0, None, 0.0, 1),
        (math.nan, 0.0, None, 1.0, 1),
        (True, 0.0, None, 1.0, 1),
        ("2", 0.0, None, 1.0, 1),
        (None, 0.0, None, 1.0, 1),
    ],
)
def test_numbers_are_read_as_the_harmless_ones(
    value: Any, seconds: float, clock: float | None, unit: float, count: int
) -> None:
    """A span, a Unix time, a random number (none: the longest wait), the number of an attempt."""
    assert (seconds_of(value), clock_of(value), unit_of(value), count_of(value)) == (seconds, clock, unit, count)


@pytest.mark.parametrize(
    ("text", "line"), [("a\nb\x00c", "a?b?c"), ("x" * 81, "x" * 80), ("é", "é"), ("", ""), (None, "")]
)
def test_a_word_for_a_log_is_one_line(text: str | None, line: str) -> None:
    """Printable and short."""
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("value", "looks"),
    [
        ("x" * 78, repr("x" * 78)),  # 80 characters with its quotes
        ("x" * 79, repr("x" * 79)[:80] + "..."),
        (Mute(), "a Mute"),
        (HUGE, "1" + "0" * 79 + "..."),
    ],
)
def test_how_a_value_is_shown(value: object, looks: str) -> None:
    """Bounded, whatever a file holds."""
    assert shown(value) == looks


ABOVE, COUNT = "must be a finite number above 0, not ", "must be a whole number from 1 to 1000, not "
MORE, ANY, FLAG = (
    "must be a finite number of 0 or more, not ",
    "must be a number of 0 or more, not ",
    "must be True or False, not ",
)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("attempts", 0, COUNT + "0"),
        ("attempts", 1001, COUNT + "1001"),
        ("attempts", True, COUNT + "True"),
        ("retry_window", -1, ANY + "-1"),
        ("retry_window", HUGE, ANY + "1" + "0" * 79 + "..."),
        ("deadline", 0, "must be a number above 0, not 0"),
        ("transient_base", math.inf, MORE + "inf"),
        ("rate_base", "1", MORE + "'1'"),
        ("factor", 0.5, "must be a finite number of 1 or more, not 0.5"),
        ("max_delay", math.nan, MORE + "nan"),
        ("repeat_generation", 1, FLAG + "1"),
        ("hold", -0.5, ANY + "-0.5"),
        ("first_byte_timeout", 0.0, ABOVE + "0.0"),
        ("stream_hold", None, MORE + "None"),
        ("stream_idle_timeout", 0, ABOVE + "0"),
        ("content_idle_timeout", math.inf, ABOVE + "inf"),
        ("enabled", "yes", FLAG + "'yes'"),
    ],
)
def test_what_is_wrong_with_a_policy_word_for_word(field: str, value: Any, problem: str) -> None:
    """The field, what it must be, what it is; and the error can be sent to another process."""
    with pytest.raises(Invalid) as caught:
        Policy(**{field: value})
    assert str(caught.value) == f"Policy: {field} {problem}"
    assert (caught.value.kind, caught.value.problems) == ("Policy", (f"{field} {problem}",))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.kind, again.problems) == (Invalid, "Policy", (f"{field} {problem}",))


@pytest.mark.parametrize(
    "more",
    [
        {"attempts": 1},
        {"attempts": 1000},
        {"retry_window": 0},
        {"retry_window": math.inf, "deadline": math.inf, "hold": math.inf},
        {"factor": 1, "max_delay": 0, "stream_hold": 0, "hold": 0},
        {"first_byte_timeout": 0.001, "stream_idle_timeout": 1, "content_idle_timeout": 1},
    ],
)
def test_what_is_just_right_for_a_policy(more: dict[str, Any]) -> None:
    """The bounds themselves."""
    policy = Policy(**more)
    assert {name: getattr(policy, name) for name in more} == more


TEXT = "must be a text of 1 to 200 printable characters"
GOOD: dict[str, Any] = {"workload": "w", "route": "/openai/v1/chat/completions", "model": "m", "to": "n"}


@pytest.mark.parametrize(
    ("more", "problems"),
    [
        ({"workload": ""}, [f"workload {TEXT}"]),
        ({"workload": "w" * 201}, [f"workload {TEXT}"]),
        ({"model": " m"}, [f"model {TEXT}"]),
        ({"model": "a\nb"}, [f"model {TEXT}"]),
        ({"route": 7}, [f"route {TEXT}"]),
        ({"to": ""}, [f"to {TEXT}"]),
        ({"base_url": ""}, [f"base_url {TEXT}"]),
        ({"to_route": ""}, [f"to_route {TEXT}"]),
        ({"on_rate": 1}, ["on_rate must be True or False, not 1"]),
        ({"silent_ok": None}, ["silent_ok must be True or False, not None"]),
        ({"features": "tools"}, ["features must be names of members of the body, not str"]),
        ({"features": 7}, ["features must be names of members of the body, not int"]),
        ({"features": ("tools", "")}, [f"features {TEXT}"]),
        ({"to": None}, ["to or base_url must say where to fall back to"]),
        ({"to": "m"}, ["to is the primary itself, 'm'"]),
        ({"to": "m", "base_url": "https://x"}, None),
        ({"to": None, "base_url": "https://x"}, None),
        ({"workload": "w" * 200}, None),
        ({"features": iter(["a", "b"])}, None),
        ({"workload": "", "to": None}, [f"workload {TEXT}", "to or base_url must say where to fall back to"]),
    ],
)
def test_what_is_wrong_with_a_fallback_word_for_word(more: dict[str, Any], problems: list[str] | None) -> None:
    """Every problem, in the order of the fields."""
    if problems is None:
        assert Fallback(**{**GOOD, **more}).target == (more.get("to", "n") or "m")
        return
    with pytest.raises(Invalid) as caught:
        Fallback(**{**GOOD, **more})
    assert str(caught.value) == "Fallback: " + "; ".join(problems)


CHAT = "/openai/v1/chat/completions"


@pytest.mark.parametrize(
    ("rows", "problems"),
    [
        ([{"model": "m", "to": "n"}, {"model": "n", "to": "o"}], []),
        (
            [{"route": "/openai/v1/chat/completion"}, {"route": "/nowhere/at/all"}],
            [
                f"fallback 'w': /openai/v1/chat/completion is no route that a model serves: did you mean {CHAT}?",
                "fallback 'w': /nowhere/at/all is no route that a model serves",
            ],
        ),
        (
            [{"route": "/openai/v1/models", "to_route": "/anthropic/v1/messages"}],
            [
                "fallback 'w': /openai/v1/models is no route that a model serves: did you mean /openai/v1/videos?",
                f"fallback 'w': from openai to anthropic: {GUIDE}",
            ],
        ),
        (
            [{"to_route": "/openai/v1/embeddings"}],
            [f"fallback 'w': from {CHAT} to /openai/v1/embeddings: {GUIDE}"],
        ),
        ([{"to_route": "/nowhere"}], [f"fallback 'w': from openai to no family: {GUIDE}"]),
        ([{"to_route": CHAT}], []),
        ([{}, {"to": "o"}], [f"fallback 'w': 'm' on {CHAT} has one already; {GUIDE}"]),
        (
            [{"model": "a", "to": "b"}, {"model": "b", "to": "c"}, {"model": "c", "to": "a"}],
            [f"fallback 'w': its chain comes back to {it!r}: a loop serves nobody" for it in "abc"],
        ),
        ([{"model": "a", "to": "b"}, {"model": "b", "to": None, "base_url": "https://x"}], []),
    ],
)
def test_what_is_wrong_with_fallbacks_together_word_for_word(rows: list[dict[str, Any]], problems: list[str]) -> None:
    """All of it, row by row."""
    assert chain_problems(tuple(Fallback(**{**GOOD, **row}) for row in rows), RouteTable()) == problems
