"""What guards and fallbacks once did wrong, as the engine plays it. Must not know any client, clock or mock."""

from __future__ import annotations

import gzip
import json
from functools import partial
from typing import Any

import pytest

from anyint_resilience import Guards, Policy, Resilience
from anyint_resilience.contract.words import Operation
from anyint_resilience.effects import Answer as Given
from anyint_resilience.effects import GuardCall, Sleep
from anyint_resilience.guards import gate
from anyint_resilience.guards.shared import Shared
from anyint_resilience.stores.memory import MemoryStore
from tests.unit.admission_kit import (
    BODY,
    GEMINI,
    ONCE,
    OTHER,
    SILENT,
    VIDEOS,
    Place,
    breakers,
    models,
    row,
)
from tests.unit.engine_kit import Answer, Script

BUSY = Answer(503, b'{"error":{"code":"upstream_unavailable","message":"the primary"}}')


class Meddled(Script):
    """A call during whose effects something else happens: ``after`` is told of each one that was carried out."""

    after: Any = staticmethod(lambda effect: None)

    def perform(self, effect: Any) -> Any:
        reply = super().perform(effect)
        self.after(effect)
        return reply


def meddled(place: Place, after: Any, *steps: Any, **call: Any) -> Meddled:
    script = Meddled(place.world, *steps, anyint=place.anyint, **{"body": BODY, **call})
    script.after = after
    return script


def gates(place: Place) -> dict[str, Any]:
    return dict(place.anyint.guarding.shared._store.scan("gate:"))


# --- configurations

ELSEWHERE: dict[str, dict[str, Any]] = {
    "another host": {"base_url": OTHER},
    "another key": {"api_key": "sk-other"},
    "both": {"base_url": OTHER, "api_key": "sk-other"},
}
PAID: dict[str, str] = {"video": VIDEOS, "kling": "/transtreams/kling/v1/videos/text2video", "song": "/suno/generate"}
TURN = "/gemini/v1beta/models/{}:generateContent"


@pytest.mark.parametrize("more", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("path", PAID.values(), ids=PAID)
def test_a_paid_create_is_configured_for_no_other_host_or_key(path: str, more: dict[str, Any]) -> None:
    """Its task could not be asked for there, and would be made again."""
    with pytest.raises(ValueError, match="a paid create stays with the host and key"):
        Place(row(route=path, **more))


def test_a_loop_is_seen_where_the_model_stands_in_the_path() -> None:
    """Two texts are one route there. A chain that ends is none."""
    rows = [row(workload=a + b, route=TURN.format(a), model=a, to=b) for a, b in ("ab", "bc", "ca")]
    with pytest.raises(ValueError, match="comes back to 'a'"):
        Place(*rows)
    Place(*rows[:2])


@pytest.mark.parametrize("window", [5e-324, 1e-320, 1e-9])
def test_a_window_too_small_to_be_cut_into_pieces(window: float) -> None:
    """The division by it failed in the middle of a call, and its answer was lost."""
    with pytest.raises(ValueError, match="window"):
        Guards(window=window)


def test_the_primarys_own_gateway_is_no_fallback() -> None:
    """The same model, host and key once more is a retry beyond the policy's."""
    with pytest.raises(ValueError, match="own gateway"):
        Resilience(api_key="sk-test", base_url=OTHER, fallbacks=[row(to=None, base_url=OTHER)])


# --- ways


@pytest.mark.parametrize("more", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize(("extra", "paid"), [({"background": True}, True), ({}, False)], ids=["background", "plain"])
def test_a_create_made_by_its_body_stays_too(extra: dict[str, Any], paid: bool, more: dict[str, Any]) -> None:
    """The route alone does not tell: a background response is a task, another one is none."""
    path, body = "/openai/v1/responses", json.dumps({"model": "a", "input": "x", **extra}).encode()
    place = Place(row(route=path, **more))
    operation = Operation.CREATE if paid else None
    _, result, script = place.play(503, 200, path=path, body=body, operation=operation, policy=ONCE)
    assert result.response.status == (503 if paid else 200)
    assert len(script.sent) == (1 if paid else 2)
    assert any("a paid create stays" in it for it in result.report.notes) is paid


FEATURED = {"contents": [{"parts": []}], "cachedContent": "c/1"}
UNREAD: dict[str, bytes] = {
    "plain": json.dumps(FEATURED).encode(),
    "gzip": gzip.compress(json.dumps(FEATURED).encode(), mtime=0),
    "with a mark": b"\xef\xbb\xbf" + json.dumps(FEATURED).encode(),
    "utf-16": json.dumps(FEATURED).encode("utf-16"),
}


@pytest.mark.parametrize("body", UNREAD.values(), ids=UNREAD)
@pytest.mark.parametrize("features", [["cachedContent"], []], ids=["listed", "none"])
def test_a_body_that_cant_be_read_may_have_a_feature(body: bytes, features: list[str]) -> None:
    """Where the model stands in the URL nothing else had to be read; without such a list it need not be."""
    place = Place(row(route=GEMINI, features=features))
    _, result, script = place.play(503, 200, path=GEMINI, body=body, policy=ONCE)
    assert result.response.status == (503 if features else 200)
    assert len(script.sent) == (1 if features else 2)


def test_a_chain_goes_to_its_end() -> None:
    """The last one is asked too, not only where a circuit is open; what is told begins at the primary."""
    _, result, script = Place(row(), row(workload="v", model="b", to="c")).play(503, 503, 200, policy=ONCE)
    assert models(script) == ["a", "b", "c"]
    assert str(result.report.fallback) == "from=a, to=c, cause=transient"


def test_a_silent_primary_has_its_fallback_with_the_guards_as_they_come() -> None:
    """What a retry after a time-out costs is more than a reserve holds: a fallback costs less."""
    place = Place(row(), budget_reserve=Guards().budget_reserve)
    _, result, script = place.play(SILENT, 200, policy=Policy(first_byte_timeout=1.0))
    assert models(script) == ["a", "b"]
    assert result.response.status == 200


def test_two_open_circuits_end_a_call_at_once() -> None:
    """It does not go to and fro between a host and the other until its time is over."""
    place = Place(row(to=None, base_url=OTHER), **breakers(breaker=True))
    place.opened()
    script = place.script(policy=Policy(attempts=1, retry_window=3.0))
    result = script.play()
    assert (script.sent, result.closed.why) == ([], "circuit")
    assert len(script.effects) < 10


# --- what a call is given


def coded() -> Answer:
    return Answer(503, b"\x0b\x02\x80hello\x03", (("content-encoding", "br"), ("content-type", "text/html")))


def test_a_kept_answer_in_a_coding_that_is_not_read_here() -> None:
    """It comes back as it came, and says so still."""
    seen: list[Given] = []
    after = lambda effect: seen.append(effect) if isinstance(effect, Given) else None  # noqa: E731
    result = meddled(Place(row()), after, coded(), 500, policy=ONCE).play()
    assert (result.response.status, result.response.body) == (503, coded().body)
    (given,) = seen
    assert dict(given.headers) == {
        "content-encoding": "br", "content-type": "text/html", "content-length": str(len(coded().body)),
    }  # fmt: skip


def test_an_answer_outlives_a_deadline_that_came_in_line() -> None:
    """A 503 was had, and its retry stood in line until the end: the 503 is what there is to tell."""
    place = Place(max_concurrency=1, failures=50)

    def takes(effect: Any) -> None:  # others do, while it waits for its next attempt
        if isinstance(effect, Sleep):
            key = script.call.course.gate_key(script.call.key_id(), script.call.operation)
            step = partial(gate.ask, ticket="other", since=-1.0, bound=99.0, most=1)
            assert place.anyint.guarding.shared.change(key, step).kind == "go"

    script = meddled(place, takes, BUSY, policy=Policy(deadline=1.0, transient_base=0.5))
    result = script.play()
    assert place.world.now >= 1.0
    assert (result.late, result.closed) == (False, None)
    assert (result.response.status, result.response.body) == (503, BUSY.body)


# --- permits


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_while_the_gate_is_told_loses_no_permit(error: type[BaseException]) -> None:
    """One permit in all: the next call would wait for a lease of 20 minutes."""
    place = Place(max_concurrency=1)

    class Interrupted(Script):
        def perform(self, effect: Any) -> Any:
            if isinstance(effect, GuardCall) and self.effects[-1:] == ["send 1"]:
                self.effects.append("interrupted")
                raise error
            return super().perform(effect)

    with pytest.raises(error):
        Interrupted(place.world, 200, anyint=place.anyint, body=BODY).play()
    assert place.play(200)[1].response.status == 200
    assert gates(place) == {}


def test_a_permit_that_comes_free_right_after_the_question_is_not_missed() -> None:
    """The bell is there before the gate is asked, so that whoever leaves meanwhile rings it."""
    place, left = Place(max_concurrency=1), []
    shared = place.anyint.guarding.shared

    def leaves(effect: Any) -> None:
        if isinstance(effect, GuardCall) and not left:
            left.append(shared.change(key, partial(gate.leave, ticket="first")))

    script = meddled(place, leaves, 200)
    script.call.put_key_on()
    key = script.call.course.gate_key(script.call.key_id(), script.call.operation)
    shared.change(key, partial(gate.ask, ticket="first", since=-1.0, bound=99.0, most=1))
    script.play()
    assert [it.partition(" ")[0] for it in script.effects] == ["gate", "rest", "gate", "send", "gate"]
    assert place.world.now == 0.0


def test_calls_that_vanished_give_all_their_permits_back() -> None:
    """However many were out when an event loop died."""
    many = 2000
    shared = Shared(MemoryStore(lambda: 0.0))
    for number in range(many):
        shared.change("gate:a", partial(gate.ask, ticket=str(number), since=0.0, bound=9.0, most=many))
    for number in range(many):
        shared.later("gate:a", partial(gate.leave, ticket=str(number)))
    shared.change("gate:b", lambda state, now: (None, None))
    assert list(shared._store.scan("gate:")) == []
    assert shared.calm


class Deaf:
    """A bell whose waiter is gone."""

    def ring(self) -> bool:
        return False


def test_a_line_of_waiters_who_are_gone_is_walked_through() -> None:
    """One after the other: not one within the other, which has an end."""
    many = 3000
    shared = Shared(MemoryStore(lambda: 0.0))
    ask = partial(gate.ask, bound=9.0, most=1)
    shared.change("gate:a", partial(ask, ticket="holder", since=0.0))
    for number in range(many):
        shared.change("gate:a", partial(ask, ticket=f"{number:05}", since=1.0 + number))
        shared._bells[f"{number:05}"] = Deaf()  # type: ignore[assignment]
    shared.change("gate:a", partial(gate.leave, ticket="holder"))
    assert list(shared._store.scan("gate:")) == []
    assert shared._bells == {}
