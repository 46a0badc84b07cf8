"""The engine, told outcomes and asked for effects: no clock, no client, no mock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import Action, Cause, Certainty, Policy
from anyint_resilience.policy.model import FaultKind
from tests.unit.engine_kit import Answer, Script, World

VIDEOS = "/openai/v1/videos"
QUOTA = json.dumps({"error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "no"}}).encode()
KEY_REFUSED = json.dumps({"error": {"type": "authentication_error", "code": "invalid_api_key"}}).encode()
CREATED = json.dumps({"id": "vid_1", "status": "queued"}).encode()
RESET, CONNECT = FaultKind.READ_ERROR, FaultKind.CONNECT_ERROR


@pytest.mark.parametrize(
    ("steps", "effects"),
    [
        ([200], ["send 1"]),
        ([404], ["send 1"]),
        ([503, 200], ["send 1", "discard", "sleep 0.05", "send 2"]),
        ([503, 503, 200], ["send 1", "discard", "sleep 0.05", "send 2", "discard", "sleep 0.1", "send 3"]),
        ([503, 503, 503], ["send 1", "discard", "sleep 0.05", "send 2", "discard", "sleep 0.1", "send 3"]),
        ([429, 200], ["send 1", "discard", "sleep 1", "send 2"]),
        ([Answer(429, QUOTA)], ["send 1"]),
        ([CONNECT, 200], ["send 1", "sleep 0.05", "send 2"]),
        ([RESET, 200], ["send 1", "sleep 0.05", "send 2"]),
        ([RESET, RESET, RESET], ["send 1", "sleep 0.05", "send 2", "sleep 0.1", "send 3"]),
    ],
)
def test_the_order_of_operations(steps: list[Any], effects: list[str]) -> None:
    """Every response that is not handed over is discarded before the wait, and attempts end at the policy's bound."""
    script = Script(World(), *steps)
    script.play()
    assert script.effects == effects


@pytest.mark.parametrize(
    ("steps", "effects", "certainty"),
    [
        ([Answer(200, CREATED)], ["ledger", "send 1", "ledger"], Certainty.COMMITTED),
        (
            [429, Answer(200, CREATED)],
            ["ledger", "send 1", "discard", "sleep 1", "send 2", "ledger"],
            Certainty.COMMITTED,
        ),
        ([CONNECT, Answer(200, CREATED)], ["ledger", "send 1", "sleep 0.05", "send 2", "ledger"], Certainty.COMMITTED),
        ([RESET], ["ledger", "send 1", "ledger"], Certainty.UNKNOWN),
        ([FaultKind.READ_TIMEOUT], ["ledger", "send 1", "ledger"], Certainty.UNKNOWN),
        ([502], ["ledger", "send 1", "ledger"], Certainty.UNKNOWN),
        ([Answer(200, ConnectionError())], ["ledger", "send 1", "discard", "ledger"], Certainty.UNKNOWN),
        ([400], ["ledger", "send 1", "ledger"], Certainty.REJECTED),
    ],
)
def test_a_paid_create_is_sent_again_only_if_it_surely_was_not_done(
    steps: list[Any], effects: list[str], certainty: Certainty
) -> None:
    """Certainty decides for creates; whatever happens, the ledger is entered before and settled after."""
    world = World()
    script = Script(world, *steps, path=VIDEOS, intent="i")
    result = script.play()
    assert script.effects == effects
    assert result.decision is not None
    assert result.decision.certainty is certainty
    assert world.ledger.unknown() == (("i",) if certainty is Certainty.UNKNOWN else ())


def test_the_same_create_is_refused_after_an_unknown_outcome_until_forgotten() -> None:
    """An outer retry layer does not get a create of unknown fate out again through us."""
    world = World()
    Script(world, RESET, path=VIDEOS, intent="i").play()
    again = Script(world, path=VIDEOS, intent="i")
    result = again.play()
    assert result.refused
    assert result.unknown
    assert again.effects == ["ledger"]
    world.ledger.forget("i")
    third = Script(world, Answer(200, CREATED), path=VIDEOS, intent="i")
    assert third.play().decision is not None
    assert "send 1" in third.effects


def test_a_refusal_ends_with_its_window() -> None:
    """A create of unknown fate is not refused for ever."""
    world = World()
    Script(world, RESET, path=VIDEOS, intent="i").play()
    world.now += 3601
    script = Script(world, Answer(200, CREATED), path=VIDEOS, intent="i")
    assert not script.play().refused


def test_two_creates_in_flight_do_not_refuse_each_other() -> None:
    """Asking twice for the same prompt at the same time is legitimate."""
    world = World()
    world.ledger.store.update(world.ledger.key("i"), world.ledger.enter(ident="x"), 3600)
    assert not Script(world, Answer(200, CREATED), path=VIDEOS, intent="i").play().refused


@pytest.mark.parametrize("stop", [KeyboardInterrupt, GeneratorExit("cancelled elsewhere"), SystemExit])
def test_a_create_cancelled_while_it_is_out_is_unknown(stop: BaseException) -> None:
    """Cancellation passes at once, and what was in flight is remembered as unknown."""
    world = World()
    kind = stop if isinstance(stop, type) else type(stop)
    script = Script(world, stop if isinstance(stop, BaseException) else stop(), path=VIDEOS, intent="i")
    with pytest.raises(kind):
        script.play()
    if kind is not GeneratorExit:  # which may be the garbage collector's: told before the next look
        assert script.effects[-1] == "ledger", "other processes must know at once"
    assert world.ledger.unknown() == ("i",)


def test_a_body_that_cannot_be_replayed_is_sent_once() -> None:
    """Lesson M3: the 503 is handed over, not an error about a consumed stream."""
    script = Script(World(), 503, replayable=False)
    result = script.play()
    assert script.effects == ["send 1"]
    assert result.response is not None
    assert result.decision is not None
    assert "only once" in result.decision.reason


def test_a_hint_past_the_retry_window_ends_the_call_at_once() -> None:
    """Nobody waits for an hour: the answer comes back now, and says when to try again."""
    script = Script(World(), Answer(429, headers=(("Retry-After", "3600"),)))
    result = script.play()
    assert script.effects == ["send 1"]
    assert result.decision is not None
    assert result.decision.retry_at == 1_000_000 + 3600


def test_no_new_attempt_starts_after_the_retry_window_and_a_running_one_is_not_cut() -> None:
    """A generation may take minutes; after it failed late, no new one starts."""
    script = Script(World(), Answer(503, takes=61))
    result = script.play()
    assert script.effects == ["send 1"]
    assert script.sent[0].remaining is None
    assert result.decision is not None
    assert result.decision.action is Action.NO_RETRY


def test_a_deadline_shrinks_each_attempt_to_what_is_left() -> None:
    """Attempts and waits count against the deadline the user set."""
    script = Script(World(), Answer(503, takes=2), Answer(503, takes=2), 200, policy=Policy(deadline=10))
    script.play()
    assert [send.remaining for send in script.sent] == [10, pytest.approx(7.95), pytest.approx(5.85)]


def test_a_retry_layer_above_gets_fewer_attempts_and_is_reported() -> None:
    """Two layers of three attempts make nine requests elsewhere (lesson M20); the report names the layer above."""
    script = Script(World(), 503, outer_retries=2)
    result = script.play()
    assert script.effects == ["send 1"]
    assert result.report.outer_retries == 2
    assert any("layer above" in note for note in result.report.notes)


def test_a_changed_key_gets_one_more_attempt() -> None:
    """A callable key source is asked once after a 401, and its new key goes out."""
    keys = iter(["old", "new"])
    script = Script(World(), Answer(401, KEY_REFUSED), 200, key=lambda: next(keys))
    script.play()
    assert script.effects == ["ask", "send 1", "ask", "discard", "send 2"]
    assert script.sent[1].edit is not None
    assert (b"Authorization", b"Bearer new") in script.sent[1].edit.add


def test_the_same_key_gets_no_other_attempt_and_is_asked_for_once() -> None:
    """A key source that has nothing new ends the call with the 401."""
    script = Script(World(), Answer(401, KEY_REFUSED), key=lambda: "old")
    result = script.play()
    assert script.effects == ["ask", "send 1", "ask"]
    assert result.decision is not None
    assert result.decision.cause is Cause.AUTH


def test_a_key_source_that_fails_after_a_401_does_not_hide_it() -> None:
    """The 401 is the answer; the report names the failure by its class only."""
    asked: list[int] = []

    def source() -> str:
        asked.append(1)
        if len(asked) > 1:
            raise OSError("vault at secret.example is down")
        return "old"

    result = Script(World(), Answer(401, KEY_REFUSED), key=source).play()
    assert result.response is not None
    assert any("OSError" in note for note in result.report.notes)
    assert "secret" not in str(result.report)


def test_a_switched_off_policy_sends_once_and_decides_nothing() -> None:
    """Opting out leaves the answer as it is; only the header is seen to."""
    script = Script(World(), 503, policy=Policy(enabled=False))
    result = script.play()
    assert script.effects == ["send 1"]
    assert result.decision is None
    assert script.sent[0].edit is not None


def test_the_report_tells_the_whole_call() -> None:
    """Attempts, waits and decisions are all there, in order."""
    result = Script(World(), Answer(503, takes=1.5), 200).play()
    first, second = result.report.attempts
    assert (first.status, first.duration, first.waited) == (503, 1.5, 0.05)
    assert (second.number, second.status, second.started) == (2, 200, pytest.approx(1.55))
    assert result.report.waited == 0.05
    assert "503 -> backoff" in result.report.timeline()
