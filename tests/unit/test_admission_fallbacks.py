"""Fallbacks in the engine: when one is taken, how it is marked, and whose answer is given where it fails too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import Cause, Certainty, Policy
from anyint_resilience.policy.model import FaultKind
from tests.unit.admission_kit import (
    BODY,
    CHAT,
    CONNECT,
    GEMINI,
    ONCE,
    OTHER,
    POOL,
    QUOTA,
    RESET,
    SILENT,
    VIDEOS,
    Place,
    breakers,
    limited,
    models,
    row,
)
from tests.unit.engine_kit import Answer, create

# --- fallbacks


@pytest.mark.parametrize("path", [CHAT, GEMINI])
def test_a_fallback_serves_and_is_marked(path: str) -> None:
    """After two tries at the primary; on the report, on the attempts and in the notes."""
    place = Place(row(route=path))
    effects, result, script = place.play(503, 503, 200, path=path)
    assert [it for it in effects if it.startswith(("send", "discard", "sleep", "budget"))] == [
        "send 1", "budget", "discard", "sleep", "send 2", "budget", "discard", "send 3",
    ]  # fmt: skip
    assert result.response.status == 200
    used = result.report.fallback
    assert (used.workload, used.origin, used.target, used.cause) == ("w", "a", "b", "transient")
    assert str(used) == "from=a, to=b, cause=transient"
    assert [it.to for it in result.report.attempts] == [None, None, "b"]
    assert [it.number for it in result.report.attempts] == [1, 2, 3]
    assert any("fallback of w" in note for note in result.report.notes)
    last = script.sent[-1]
    if path == CHAT:
        assert models(script) == ["a", "a", "b"]
        assert last.to is None
    else:
        assert last.to is not None
        assert last.to.target == path.replace("/a:", "/b:").encode()


def test_a_fallback_at_another_host() -> None:
    """With its own key, and nothing of the primary's."""
    place = Place(row(to=None, base_url=OTHER, api_key="sk-there"))
    headers = ((b"authorization", b"Bearer sk-test"),)
    _, result, script = place.play(RESET, RESET, 200, headers=headers)
    last = script.sent[-1]
    assert last.to is not None
    assert last.to.url == f"{OTHER}{CHAT}"
    assert last.edit is not None
    assert {name.lower(): value for name, value in last.edit.apply(headers)} == {b"authorization": b"Bearer sk-there"}
    assert result.report.fallback.target == "a@other.example"


@pytest.mark.parametrize(
    ("steps", "more", "sent"),
    [
        ([503, 503, 200], {}, 3),
        ([500, 500, 200], {}, 3),
        ([CONNECT, CONNECT, 200], {}, 3),
        ([SILENT, 200], {}, 2),  # a silent primary is not tried again
        ([FaultKind.CONNECT_TIMEOUT, 200], {}, 2),
        ([400], {}, 1),
        ([401], {}, 1),
        ([403], {}, 1),
        ([QUOTA], {}, 1),
        ([limited(1000)], {}, 1),
        ([limited(1000), 200], {"on_rate": True}, 2),
        ([QUOTA], {"on_rate": True}, 1),
        ([POOL, POOL, POOL], {}, 3),  # no fallback mends that, so none takes an attempt away
        ([503, 503, 503], {"silent_ok": False}, 3),
    ],
)
def test_what_falls_back_and_after_how_many_tries(steps: list[Any], more: dict[str, Any], sent: int) -> None:
    """Never for what is the caller's own to mend."""
    place = Place(row(**more), **breakers(min_volume=1000))
    _, result, script = place.play(*steps)
    assert len(script.sent) == sent
    assert (result.report.fallback is not None) is (steps[-1] == 200)


@pytest.mark.parametrize("error", [False, True])
def test_where_the_fallback_fails_too_the_primarys_own_answer_is_given(error: bool) -> None:
    """As it came: status, headers, body; or the client's own exception. No fallback is claimed."""
    mine, theirs = b'{"error":{"message":"mine"}}', b'{"error":{"message":"theirs"}}'
    first: Any = RESET if error else Answer(503, mine, (("X-Mine", "1"),))
    place = Place(row(), **breakers(min_volume=1000))
    effects, result, script = place.play(first, first, *[Answer(500, theirs)] * 5)
    assert models(script)[2:] == ["b"] * (len(script.sent) - 2)
    assert result.report.fallback is None
    assert place.world.now < 60
    if error:
        assert effects[-1] == "discard"
        assert isinstance(result.error, ConnectionError)
        assert result.response is None
    else:
        assert effects[-2:] == ["discard", "given"]
        assert (result.response.status, result.response.body) == (503, mine)
        assert dict(result.response.headers)["x-mine"] == "1"
    assert result.decision.cause is Cause.TRANSIENT
    assert "the fallback failed too" in result.report.notes[-1]


def test_a_fallback_that_is_itself_limited_gives_the_primarys_answer() -> None:
    """It does not wait for the limit of the other for ever."""
    place = Place(row(), **breakers(gate=True, min_volume=1000))
    place.play(limited(1000), body=BODY.replace(b'"a"', b'"b"'), policy=ONCE)
    _, result, script = place.play(Answer(503, b"{}"), Answer(503, b"{}"))
    assert models(script) == ["a", "a"]
    assert result.response.status == 503
    assert result.report.fallback is None


@pytest.mark.parametrize(
    ("more", "call", "why"),
    [
        ({"silent_ok": False}, {}, "silent_ok is off"),
        ({"features": ["messages"]}, {}, "the request has messages, which only the primary honours"),
        ({}, {"policy": Policy(deadline=0.06)}, "no time is left"),
        ({"route": GEMINI}, {"path": GEMINI, "body": None}, "its body can be sent only once"),
    ],
)
def test_where_a_request_does_not_take_its_fallback_it_is_said_why(
    more: dict[str, Any], call: dict[str, Any], why: str
) -> None:
    """And the primary's answer stands."""
    place = Place(row(**more), **breakers(min_volume=1000))
    first = Answer(503, takes=0.07) if "policy" in call else 503
    _, result, script = place.play(first, 503, 503, **call)
    assert all(it.body in (None, BODY) and it.to is None for it in script.sent)
    assert result.report.fallback is None
    assert any(why in note for note in script.call.notes)
    assert result.response.status == 503


def test_without_a_token_there_is_no_fallback() -> None:
    """It is one sending more, as a retry is."""
    place = Place(row(), **breakers(min_volume=1000, budget_reserve=0.0))
    effects, result, script = place.play(503)
    assert models(script) == ["a"]
    assert result.report.fallback is None
    assert effects.count("budget") == 2  # neither for the primary once more nor for the fallback
    assert "budget" in result.decision.reason


def test_an_open_circuit_goes_to_the_fallback_at_once() -> None:
    """Nothing is sent to the primary, and no token is needed for what replaces a sending."""
    place = Place(row(), **breakers(budget_reserve=0.0, budget_ratio=0.0))
    place.opened()
    effects, result, script = place.play(200)
    assert effects == ["breaker", "send 1"]
    assert models(script) == ["b"]
    assert result.report.fallback.cause == "circuit"


def test_an_open_circuit_whose_fallback_fails_ends_with_the_fallbacks_answer() -> None:
    """The primary has none of its own to give."""
    place = Place(row(), **breakers())
    place.opened()
    _, result, script = place.play(400)
    assert models(script) == ["b"]
    assert result.response.status == 400
    assert result.report.fallback is not None


# --- paid creates

CREATED = Answer(200, b'{"id":"v1","status":"queued"}')
VIDEO = b'{"model":"a","prompt":"p"}'


@pytest.mark.parametrize(
    ("steps", "served"),
    [
        ([CONNECT, CONNECT, CREATED], ["a", "a", "b"]),
        ([503, 503, CREATED], ["a", "a", "b"]),
        ([RESET], ["a"]),
        ([SILENT], ["a"]),
        ([502], ["a"]),
        ([500], ["a"]),
        ([CREATED], ["a"]),
    ],
)
def test_a_paid_create_falls_back_only_where_it_surely_was_not_done(steps: list[Any], served: list[str]) -> None:
    """Never after an outcome that nobody knows."""
    place = Place(row(route=VIDEOS), **breakers(min_volume=1000))
    known = create(place.world, VIDEOS, VIDEO)
    _, result, script = place.play(*steps, body=VIDEO, **known)
    assert [json.loads(VIDEO if it.body is None else it.body)["model"] for it in script.sent] == served
    assert (result.report.fallback is not None) is ("b" in served)
    if steps[-1] is CREATED:
        assert result.decision.certainty is Certainty.COMMITTED
        assert result.report.task.task_id == "v1"


def test_a_fallback_that_may_have_made_a_task_is_not_hidden() -> None:
    """The primary's answer would say that nothing was done."""
    place = Place(row(route=VIDEOS), **breakers(min_volume=1000))
    known = create(place.world, VIDEOS, VIDEO)
    _, result, _ = place.play(503, 503, RESET, body=VIDEO, **known)
    assert result.unknown
    assert result.decision.certainty is Certainty.UNKNOWN
    assert isinstance(result.error, ConnectionError)
