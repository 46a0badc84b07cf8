"""The rules at their edges: what is needed to decide and what it defaults to, bounds, times, words, idle sockets."""

from __future__ import annotations

import time
from typing import Any

import pytest

from anyint_resilience.contract.words import Cause, Certainty, Operation
from anyint_resilience.policy.model import Action, Decision, Fault, FaultKind, Hint, Observation
from anyint_resilience.policy.rules import DEFAULT_TABLE, LONGEST_READ, Policy, is_unsafe
from anyint_resilience.policy.times import moment
from anyint_resilience.policy.user_words import user_message
from anyint_resilience.policy.verdicts import refusal

CHAT = "/openai/v1/chat/completions"
OTHER = "/openai/v1/elsewhere"
NOW = 1795737600.0  # 2026-11-27, midnight in Greenwich


# --- a policy's own bounds


@pytest.mark.parametrize(
    ("more", "paced", "idle", "first"),
    [
        ({}, False, None, None),
        ({"first_byte_timeout": 3.0}, True, None, 3.0),
        ({"stream_idle_timeout": 4.0}, True, 4.0, None),
        ({"content_idle_timeout": 5.0}, True, 5.0, None),
        ({"stream_idle_timeout": 4.0, "content_idle_timeout": 5.0}, True, 4.0, None),
        ({"stream_idle_timeout": 6.0, "content_idle_timeout": 5.0}, True, 5.0, None),
        ({"first_byte_timeout": 1e9, "content_idle_timeout": 1e9}, True, LONGEST_READ, LONGEST_READ),
        ({"stream_hold": 7.0, "hold": 1.0, "deadline": 9.0}, False, None, None),
    ],
)
def test_how_long_a_read_may_take(more: dict[str, Any], paced: bool, idle: float | None, first: float | None) -> None:
    """The shorter of two bounds, never more than a socket can be told; without one any time."""
    policy = Policy(**more)
    assert (policy.paced, policy.idle, policy.first_byte) == (paced, idle, first)


# --- what it takes to decide


def answered(policy: Policy, **more: Any) -> Decision:
    return policy.decide_response("POST", CHAT, 503, **more)


def failed(policy: Policy, **more: Any) -> Decision:
    return policy.decide_exception("POST", CHAT, "read_error", **more)


def felt(policy: Policy, **more: Any) -> Decision:
    """Decide as a client's call does, which says everything."""
    given: dict[str, Any] = {"method": "POST", "attempt": 1, "elapsed": 0.0, "now": None, "u": 1.0, **more}
    route = DEFAULT_TABLE.match("POST", CHAT)
    return policy.on_fault(route, Operation.GENERATE, Fault(FaultKind.READ_ERROR), **given)


@pytest.mark.parametrize("decide", [answered, failed, felt])
@pytest.mark.parametrize(
    ("more", "action", "delay"),
    [
        ({}, Action.BACKOFF, 0.4),  # the longest wait of a first attempt that began just now
        ({"u": 0.5}, Action.BACKOFF, 0.2),
        ({"u": 0.0}, Action.BACKOFF, 0.0),
        ({"elapsed": 0.6}, Action.BACKOFF, 0.4),
        ({"elapsed": 0.61}, Action.NO_RETRY, None),
        ({"attempt": 3, "u": 0.0}, Action.BACKOFF, 0.0),
        ({"attempt": 4, "u": 0.0}, Action.NO_RETRY, None),
    ],
)
def test_what_a_decision_is_made_of(decide: Any, more: dict[str, Any], action: Action, delay: float | None) -> None:
    """Whoever asks: the attempt, the time it took so far, the random number and the clock."""
    policy = Policy(attempts=4, retry_window=1.0, transient_base=0.4)
    decision = decide(policy, now=NOW, **more)
    assert (decision.action, decision.delay) == (action, delay)
    assert decision.retry_at == (None if delay is None else NOW + delay)
    assert decide(policy, **more).retry_at is None


@pytest.mark.parametrize(("method", "unsafe"), [("GET", False), ("DELETE", False), ("POST", True), ("PATCH", True)])
def test_the_method_decides_where_no_row_does(method: str, unsafe: bool) -> None:
    """Also for a call that says itself what it does."""
    fault, route = Fault(FaultKind.READ_ERROR), DEFAULT_TABLE.match(method, OTHER)
    decisions = [
        Policy().decide_response(method, OTHER, 504),
        Policy().decide_exception(method, OTHER, "read_error"),
        Policy().on_fault(route, Operation.OTHER, fault, method=method, attempt=1, elapsed=0.0, now=None, u=1.0),
    ]
    assert {it.action for it in decisions} == {Action.NO_RETRY if unsafe else Action.BACKOFF}


@pytest.mark.parametrize(("spaces", "read"), [(29, True), (30, False)])
def test_a_method_has_32_characters(spaces: int, read: bool) -> None:
    """No more of it is looked at, however long a caller's is."""
    method = " " * spaces + "GET"
    for decision in (
        Policy().decide_response(method, OTHER, 504),
        Policy().decide_exception(method, OTHER, "read_error"),
    ):
        assert (decision.action is Action.BACKOFF) is read


def test_a_date_is_read_by_the_clock_that_was_given() -> None:
    """A hint that is a date is a wait only from now."""
    headers = {"retry-after": "Fri, 27 Nov 2026 00:00:09 GMT"}
    decision = answered(Policy(), headers=headers, now=NOW, u=0.0)
    assert (decision.delay, decision.retry_at) == (9.0, NOW + 9.0)
    assert answered(Policy(), headers=headers, u=0.0).delay == 0.0


# --- the bounds of a repetition


@pytest.mark.parametrize(
    ("policy", "more", "action"),
    [
        (Policy(hold=9.0), {"headers": {"retry-after": "9"}}, Action.BACKOFF),
        (Policy(hold=8.0), {"headers": {"retry-after": "9"}}, Action.NO_RETRY),
        (Policy(attempts=1), {"status": 409}, Action.NO_RETRY),  # one more would be reasonable
        (Policy(attempts=9), {"status": 409}, Action.BACKOFF),
        (Policy(attempts=9), {"status": 409, "attempt": 2}, Action.NO_RETRY),
    ],
)
def test_every_bound_of_a_repetition_holds(policy: Policy, more: dict[str, Any], action: Action) -> None:
    """A wait of just so long is within it; the fewest attempts that anybody allows are made."""
    status = more.pop("status", 429)
    assert policy.decide_response("POST", CHAT, status, **more).action is action


# --- when to try again


def observed(cause: Cause | None = Cause.RATE, certainty: Certainty = Certainty.REJECTED, **more: Any) -> Observation:
    return Observation(cause=cause, certainty=certainty, source="x", **more)


def decided(seen: Observation, attempts: int, attempt: int) -> Decision:
    route, more = DEFAULT_TABLE.match("POST", CHAT), {"elapsed": 0.0, "now": NOW, "u": 0.0}
    return Policy(attempts=attempts).on_response(route, route.operation, seen, method="POST", attempt=attempt, **more)


@pytest.mark.parametrize(("attempts", "action"), [(1, Action.NO_RETRY), (2, Action.BACKOFF)])
@pytest.mark.parametrize("cause", [Cause.SERVER, Cause.TRANSIENT])
def test_one_more_that_is_reasonable_is_none_too_many(cause: Cause, attempts: int, action: Action) -> None:
    """A policy that allows a single attempt has the last word."""
    assert decided(observed(cause, few=True), attempts, 1).action is action


HINT = Hint(seconds=7.0, source="retry-after")


@pytest.mark.parametrize(
    ("seen", "at"),
    [
        (observed(hint=HINT), NOW + 7.0),
        (observed(), None),
        (observed(hint=Hint(seconds=7.0, source="x-ratelimit-reset-requests", at_most=True)), None),
        (observed(Cause.INVALID, hint=HINT), None),  # time does not heal it
        (observed(Cause.INVALID, hint=Hint(seconds=7.0, source="x", at_most=True)), None),
        (observed(certainty=Certainty.COMMITTED, hint=HINT), None),  # it was done
        (observed(None, certainty=Certainty.REJECTED, hint=HINT), None),
        (observed(None, certainty=Certainty.REJECTED, pending=True, hint=HINT), None),
    ],
)
def test_when_trying_again_makes_sense(seen: Observation, at: float | None) -> None:
    """After the last attempt only a server's own word says so, and never of what was done or is being done."""
    assert decided(seen, 3, 3).retry_at == at


# --- the table


@pytest.mark.parametrize(
    ("cause", "certainty", "unsafe", "more", "why"),
    [
        (Cause.UNKNOWN, Certainty.REJECTED, True, {"may_repeat": True}, None),
        (Cause.UNKNOWN, Certainty.REJECTED, True, {}, "nothing says that it would help"),
        (Cause.UNKNOWN, Certainty.REJECTED, False, {}, "nothing says that it would help"),
        (Cause.UNKNOWN, Certainty.NOT_SENT, True, {}, "nothing says that it would help"),
        (Cause.UNKNOWN, Certainty.UNKNOWN, True, {}, "it may have been done, so it is not sent twice"),
        (Cause.UNKNOWN, Certainty.UNKNOWN, False, {}, None),
    ],
)
def test_why_an_answer_nobody_documented_is_not_asked_for_again(
    cause: Cause, certainty: Certainty, unsafe: bool, more: dict[str, Any], why: str | None
) -> None:
    """Word for word, as logs have it."""
    assert refusal(observed(cause, certainty, **more), cause, unsafe=unsafe) == why


def test_a_generation_may_be_repeated_by_default() -> None:
    """It is billed but keeps no state; a policy may say no."""
    assert not is_unsafe(Operation.GENERATE, "POST")
    assert is_unsafe(Operation.GENERATE, "POST", repeat_generation=False)


# --- words


def test_a_decision_as_plain_values() -> None:
    """No class of ours is left in it, so that anything can write it down."""
    found = answered(Policy(), now=NOW).as_dict()
    assert {type(value) for value in found.values()} == {str, float}
    assert (found["action"], found["cause"], found["family"]) == ("backoff", "transient", "openai")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "Your request was completed."),
        (200, "Your request was completed."),
        (299, "Your request was completed."),
        (199, "The service gave an unexpected answer. Please contact support if this goes on."),
        (300, "The service gave an unexpected answer. Please contact support if this goes on."),
    ],
)
def test_what_is_a_result_for_a_user(status: int | None, words: str) -> None:
    """A 2xx, and nothing else that is no error."""
    seen = observed(None, Certainty.COMMITTED, status=status)
    assert user_message(Operation.GENERATE, seen, Action.DELIVER) == words


def test_nothing_is_called_lost_that_nobody_called_so() -> None:
    """Those words keep a user from asking again."""
    seen = observed(Cause.TRANSIENT, Certainty.REJECTED)
    words = user_message(Operation.GENERATE, seen, Action.NO_RETRY)
    assert words == "The service is temporarily unavailable. Please try again in a moment."
    assert user_message(Operation.GENERATE, seen, Action.NO_RETRY, lost=True).startswith("We could not confirm")


# --- times


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process can't be set")
@pytest.mark.parametrize("zone", ["XYZ-9", "XYZ5", "UTC0"])
def test_a_date_without_a_zone_is_in_utc_wherever_it_is_read(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110; ``-0000`` says that the zone is not known."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        found = moment("Fri, 27 Nov 2026 00:00:00 -0000"), moment("Fri, 27 Nov 2026 00:00:00 GMT")
    time.tzset()
    assert found == (NOW, NOW)
