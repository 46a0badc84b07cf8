"""The guards in the engine: what a call asks of them, in which order, and what it ends with where they say no."""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import Action, Cause, Certainty, Policy
from anyint_resilience.admission import WHY
from tests.unit.admission_kit import CHAT, HINT, ONCE, POOL, QUOTA, RESET, Place, breakers, limited, row, words
from tests.unit.engine_kit import HOST, Answer

# --- the good path


def test_while_all_is_calm_nobody_is_asked() -> None:
    """Nothing stands between the call and the wire."""
    place = Place(row())
    assert place.play(200)[0] == ["send 1"]
    assert place.play(404)[0] == ["send 1"]


def test_without_guards_nobody_is_ever_asked() -> None:
    """Or where the policy is switched off for a call."""
    place = Place(budget=False, gate=False, breaker=False)
    assert place.play(503, 200)[0] == ["send 1", "discard", "sleep", "send 2"]
    assert Place().play(503, policy=Policy(enabled=False))[0] == ["send 1"]


@pytest.mark.parametrize(
    ("guards", "first", "order"),
    [
        ({}, 429, ["send 1", "gate", "discard", "sleep", "gate", "send 2", "gate"]),
        ({"gate": False}, 429, ["send 1", "budget", "discard", "sleep", "send 2"]),
        ({"budget": False}, 429, ["send 1", "gate", "discard", "sleep", "gate", "send 2", "gate"]),
        (
            {"breaker": True},
            429,
            ["send 1", "gate", "discard", "sleep", "gate", "breaker", "send 2", "gate", "breaker"],
        ),
        (
            {"breaker": True, "gate": False},
            503,
            ["send 1", "breaker", "budget", "discard", "sleep", "breaker", "send 2", "breaker"],
        ),
        (
            {"max_concurrency": 5},
            429,
            ["gate", "send 1", "gate", "discard", "sleep", "gate", "send 2", "gate"],
        ),
    ],
)
def test_the_order_in_which_guards_are_asked_and_told(guards: dict[str, Any], first: int, order: list[str]) -> None:
    """Budget before gate before breaker before the wire; told in the same order."""
    effects, result, _ = Place(**guards).play(limited() if first == 429 else first, 200)
    assert effects == order
    assert result.response.status == 200


# --- the gate


def test_a_limit_that_one_call_met_holds_the_next_one_until_it_is_over() -> None:
    """It waits in line and goes; the wait is on the report."""
    place = Place()
    place.play(limited(), policy=ONCE)
    effects, result, _ = place.play(200)
    assert effects == ["gate", "rest", "gate", "send 1", "gate"]
    assert HINT <= place.world.now <= HINT * 1.5
    assert result.report.held == result.report.waited == place.world.now
    assert result.response.status == 200


@pytest.mark.parametrize(
    ("call", "same"),
    [
        ({}, True),
        ({"body": b'{"model":"other"}'}, False),
        ({"key": "sk-other"}, False),
        ({"path": "/openai/v1/models", "method": "GET", "body": None}, False),
        ({"path": "/openai/v1/responses"}, True),
        ({"path": "/anthropic/v1/messages"}, False),
    ],
)
def test_a_gate_is_of_a_key_a_family_and_a_model(call: dict[str, Any], same: bool) -> None:
    """What is limited there is not limited elsewhere."""
    place = Place()
    place.play(limited(), policy=ONCE)
    assert ("rest" in place.play(Answer(200, b'{"id":"x"}'), **call)[0]) is same


@pytest.mark.parametrize(
    ("policy", "waits"),
    [
        (Policy(), True),
        (Policy(retry_window=HINT / 2), False),
        (Policy(deadline=HINT / 2), False),
        (Policy(hold=HINT / 2), False),
        (Policy(hold=HINT * 2), True),
        (Policy(hold=0.0), False),
    ],
)
def test_who_can_not_wait_so_long_is_refused_at_once(policy: Policy, waits: bool) -> None:
    """Nothing is sent; the refusal says why, and from when on it makes sense again."""
    place = Place()
    place.play(limited(), policy=ONCE)
    effects, result, script = place.play(200, policy=policy)
    if waits:
        assert effects[-2:] == ["send 1", "gate"]
        return
    assert not script.sent
    assert place.world.now == 0.0, "at once"
    assert result.closed is not None
    assert (result.closed.why, result.closed.retry_at) == ("rate", 1_000_000 + HINT)
    assert (result.response, result.error) == (None, None)
    decision = result.decision
    assert (decision.action, decision.cause, decision.certainty) == (Action.NO_RETRY, Cause.RATE, Certainty.NOT_SENT)
    assert decision.retry_at == 1_000_000 + HINT
    assert WHY["rate"][1] in decision.reason
    assert any(WHY["rate"][1] in note for note in result.report.notes)
    assert result.report.attempts == ()


def test_a_used_up_quota_refuses_all_others_and_one_probe_finds_out() -> None:
    """Nobody waits for it."""
    place = Place()
    assert place.play(QUOTA)[1].decision.cause is Cause.QUOTA
    _, result, script = place.play()
    assert not script.sent
    assert result.closed is not None
    assert result.closed.why == "quota"
    assert result.decision.cause is Cause.QUOTA
    place.world.now = result.closed.retry_at - 1_000_000
    effects, result, _ = place.play(200)
    assert effects == ["gate", "send 1", "gate"]
    assert place.play(200)[0] == ["send 1"], "calm again"


def test_a_call_that_may_not_be_sent_again_ends_with_its_last_real_answer() -> None:
    """The gate closed meanwhile, for longer than it can wait: its own answer, whole, and the reason."""
    place = Place()
    script = place.script(Answer(503, b'{"error":{"message":"mine"}}', (("X-Mine", "1"),)))
    perform = script.perform

    def meanwhile(effect: Any) -> Any:
        done = perform(effect)
        if script.effects[-1].startswith("sleep"):
            place.play(limited(1000), policy=ONCE)
        return done

    script.perform = meanwhile  # type: ignore[method-assign]
    result = script.play()
    assert words(script) == ["send 1", "gate", "budget", "discard", "sleep", "gate", "gate", "given"]
    response: Any = result.response
    assert (response.status, response.body) == (503, b'{"error":{"message":"mine"}}')
    assert dict(response.headers)["x-mine"] == "1"
    assert dict(response.headers)["content-length"] == str(len(response.body))
    assert result.closed is None
    assert result.decision is not None
    assert (result.decision.cause, result.decision.action) == (Cause.TRANSIENT, Action.NO_RETRY)
    assert WHY["rate"][1] in result.decision.reason
    assert result.decision.retry_at == pytest.approx(1_001_000, abs=10)


def test_a_call_that_may_not_be_sent_again_ends_with_its_own_error() -> None:
    """Where there was no answer it is the client's exception."""
    place = Place()
    script = place.script(RESET)
    perform = script.perform

    def meanwhile(effect: Any) -> Any:
        done = perform(effect)
        if script.effects[-1].startswith("sleep"):
            place.play(limited(1000), policy=ONCE)
        return done

    script.perform = meanwhile  # type: ignore[method-assign]
    result = script.play()
    assert isinstance(result.error, ConnectionError)
    assert result.closed is None


def test_max_concurrency_holds_a_call_until_another_is_back() -> None:
    """It is rung; no time passes."""
    place = Place(max_concurrency=1)
    inner: list[Any] = []
    outer = place.script(200)
    perform = outer.perform

    def while_it_is_out(effect: Any) -> Any:
        if type(effect).__name__ == "Send":
            waiting = place.script(200)
            inner.append(waiting)
            waiting.meanwhile.append(lambda: finish(effect))
            inner.append(waiting.play())
            return inner[-2].first
        return perform(effect)

    def finish(effect: Any) -> None:
        key, ticket = outer.call.course.gate_key(outer.call.key_id(), outer.call.operation), outer.call.course.ticket
        assert ticket is not None
        step = place.anyint.guarding.tell_gate(
            ticket, "good", began=0.0, policy=Policy(), hint=None, least=0.0,
            tally=outer.call.plan.tally, now=0.0, u=0.5,
        )  # fmt: skip
        place.anyint.guarding.shared.change(key, step)
        inner[0].first = perform(effect)

    outer.perform = while_it_is_out  # type: ignore[method-assign]
    outer.play()
    assert words(inner[0]) == ["gate", "rest", "gate", "send 1", "gate"]
    assert place.world.now == 0.0


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit()])
def test_a_call_that_is_cancelled_gives_its_permit_back(stop: BaseException) -> None:
    """At once, so that the next in line goes."""
    place = Place(max_concurrency=1)
    with pytest.raises(type(stop)):
        place.play(stop)
    assert place.play(200)[0] == ["gate", "send 1", "gate"]


def test_a_call_that_the_garbage_collector_ends_gives_its_permit_back_later() -> None:
    """Before the next step of anybody: it may have been in the middle of one."""
    place = Place(max_concurrency=1)
    script = place.script(GeneratorExit())
    with pytest.raises(GeneratorExit):
        script.play()
    assert words(script) == ["gate", "send 1"], "it asks for nothing any more"
    assert place.play(200)[0] == ["gate", "send 1", "gate"]


def test_a_call_that_is_cancelled_in_line_leaves_it() -> None:
    """Whoever is next is not held up by it."""
    place = Place()
    place.play(limited(), policy=ONCE)

    def cancel() -> None:
        raise KeyboardInterrupt

    script = place.script(200)
    script.meanwhile.append(cancel)
    with pytest.raises(KeyboardInterrupt):
        script.play()
    assert words(script) == ["gate", "rest", "gate"]
    states = [state for key, state in place.anyint.guarding.shared._store.scan("gate")]
    assert [state["line"] for state in states] == [[]]


def test_an_outage_is_waited_out_where_no_breaker_stands() -> None:
    """Calls that can wait are held, not sent away."""
    place = Place()
    for _ in range(place.anyint.guards.failures):
        place.play(503, policy=ONCE)
        place.world.now += 0.01
    effects, result, _ = place.play(200)
    assert effects == ["gate", "rest", "gate", "send 1", "gate"]
    assert result.response.status == 200


def test_a_good_answer_that_says_it_was_the_last_one_closes_the_gate() -> None:
    """``remaining: 0`` with a reset."""
    place = Place()
    place.play(Answer(200, headers=(("ratelimit-remaining", "0"), ("ratelimit-reset", "3"))))
    effects, _, _ = place.play(200)
    assert effects == ["gate", "rest", "gate", "send 1", "gate"]
    assert place.world.now >= 3


def test_a_fault_of_this_process_closes_nothing() -> None:
    """A full pool says nothing of the gateway."""
    place = Place(breaker=True, min_volume=1)
    for _ in range(10):
        place.play(POOL, policy=ONCE)
    assert place.anyint.guarding.shared.calm


# --- the budget


@pytest.mark.parametrize("first", [503, RESET])
def test_without_a_token_the_first_answer_is_delivered_at_once(first: Any) -> None:
    """With the reason."""
    place = Place(budget_reserve=0.0)
    effects, result, _ = place.play(first)
    assert effects == ["send 1", "gate", "budget"]
    assert "the retry budget of this key and host is spent" in result.decision.reason
    assert result.decision.action is Action.NO_RETRY
    assert "next in" not in result.decision.reason
    assert place.world.now == 0.0


def test_a_rate_limit_that_the_gate_paces_costs_no_token() -> None:
    """A script that meets a limit with every call is served, each time when the server said; without a gate it pays."""
    place = Place(budget_reserve=0.0, budget_ratio=0.0)
    for _ in range(20):
        assert place.play(limited(), 200)[1].response.status == 200
    assert Place(budget_reserve=0.0, gate=False).play(limited())[1].response.status == 429
    assert place.play(503)[1].response.status == 503


def test_successes_earn_tokens() -> None:
    """Those of the host, also where nobody asked a guard for them."""
    place = Place(budget_reserve=0.0, budget_ratio=0.5)
    for _ in range(2):
        place.play(200)
    assert place.play(503, 200)[0][-2:] == ["send 2", "gate"]
    assert place.play(503)[1].response.status == 503


def test_a_budget_is_of_a_key_and_a_host() -> None:
    """Another key has its own."""
    place = Place(budget_reserve=1.0, gate=False)
    assert len(place.play(503, 200)[2].sent) == 2
    assert len(place.play(503)[2].sent) == 1
    assert len(place.play(503, 200, key="sk-other")[2].sent) == 2


def test_no_token_is_taken_for_what_is_not_sent_again() -> None:
    """A refusal of the request's own costs nothing."""
    assert "budget" not in Place().play(400)[0]
    assert "budget" not in Place().play(503, policy=ONCE)[0]
    assert "budget" not in Place().play(503, replayable=False)[0]


# --- the circuit breaker


def test_an_open_circuit_sends_nothing_and_says_when() -> None:
    """Where there is no fallback the call fails at once."""
    place = Place(**breakers(breaker=True))
    place.opened()
    effects, result, script = place.play()
    assert effects == ["breaker"]
    assert not script.sent
    assert result.closed is not None
    assert result.closed.why == "circuit"
    assert result.closed.retry_at is not None
    assert result.decision.cause is Cause.TRANSIENT
    assert result.decision.certainty is Certainty.NOT_SENT
    place.world.now = result.closed.retry_at - 1_000_000
    assert place.play(200)[0] == ["breaker", "send 1", "breaker"]
    assert place.play(200)[0] == ["send 1"], "closed, and calm"


def test_probes_that_are_cancelled_are_given_back() -> None:
    """They keep nobody out."""
    place = Place(**breakers(breaker=True, probes=1))
    place.opened()
    place.world.now += 20
    with pytest.raises(KeyboardInterrupt):
        place.play(KeyboardInterrupt())
    assert place.play(200)[0] == ["breaker", "send 1", "breaker"]


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429])
def test_what_the_caller_did_never_opens_a_circuit(status: int) -> None:
    """Whoever sends nonsense does not shut others out."""
    place = Place(**breakers(breaker=True))
    for _ in range(50):
        place.play(status, policy=ONCE)
    assert "breaker" not in place.play(200)[0][:1]


def test_a_breaker_stands_where_there_is_a_fallback_only() -> None:
    """By default."""
    for rows, asked in (((), False), ((row(),), True)):
        place = Place(*rows, **breakers())
        effects = place.play(503, 200, policy=ONCE)[0]
        assert ("breaker" in effects) is asked


def test_the_host_of_the_kit_is_anyints() -> None:
    """Else nothing here was guarded."""
    assert Place().anyint.router.plan("https", HOST, None, "POST", CHAT.encode()) is not None
