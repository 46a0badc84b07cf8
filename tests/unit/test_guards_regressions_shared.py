"""What gates, circuits and lists that calls share once did wrong, by a clock that is a number.

Must not know any client, clock or mock.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from anyint_resilience import Policy
from anyint_resilience.effects import Send
from anyint_resilience.guards import gate
from anyint_resilience.guards.opening import CALM, LONG
from tests.unit.admission_kit import BODY, ONCE, QUOTA, Place, breakers, limited
from tests.unit.engine_kit import Answer, Script

MONTH = 30 * 86_400.0
NOW = 1000.0
SPENT = Answer(200, headers=(("ratelimit", f'"day";r=0;t={MONTH:.0f}'),))
UNKNOWN = Answer(404, b'{"error":{"code":"model_not_found","message":"no such model"}}')
MODEL = b'{"model":"gpt-55","messages":[]}'
LIST = Answer(200, json.dumps({"data": [{"id": "gpt-5"}]}).encode())
PLACES = "send 2 /openai/v1/models"


# --- limits for long

LONE: dict[str, Any] = {
    "a limit": partial(gate.told, kind="rate", hint=MONTH),
    "a quota": partial(gate.told, kind="quota"),
    "a quota with a moment": partial(gate.told, kind="quota", hint=MONTH),
}


def ask(state: Any, now: float, ticket: str) -> tuple[Any, gate.Passage]:
    return gate.ask(state, now, ticket=ticket, since=now, bound=now + 60.0, u=0.5)


@pytest.mark.parametrize("shut", LONE.values(), ids=LONE)
def test_what_is_for_long_is_found_out_by_one_call_at_a_time(shut: Any) -> None:
    """Nobody waits for a month; nor do two ask while the first one is out. What it comes back with is what holds."""
    state, _ = shut(None, NOW, ticket="", began=NOW - 1)
    later = NOW + CALM
    state, first = ask(state, later, "first")
    assert first.kind == "go"
    good, told = gate.told(state, later + 1.0, ticket="first", kind="good", began=later)
    assert (good, told.opened) == (None, True)
    for wait in (0.0, 1.0, gate.PROBE_LEASE - 1.0):
        state, second = ask(state, later + wait, "second")
        assert second.kind == "refuse"


@pytest.mark.parametrize("shut", LONE.values(), ids=LONE)
def test_a_call_that_does_not_come_back_is_waited_for_no_longer_than_its_lease(shut: Any) -> None:
    """Else nobody would ever find out."""
    state, _ = shut(None, NOW, ticket="", began=NOW - 1)
    later = NOW + CALM
    state, first = ask(state, later, "first")
    state, second = ask(state, later + gate.PROBE_LEASE, "second")
    assert (first.kind, second.kind) == ("go", "go")


@pytest.mark.parametrize("answer", [limited(MONTH), SPENT], ids=["429", "spent"])
def test_a_month_is_not_believed_for_a_month(answer: Answer) -> None:
    """Refused at first, if it was a refusal; who calls on is served again within minutes."""
    place = Place()
    place.play(answer, policy=ONCE)
    place.world.now += LONG + 1
    for _ in range(5):
        assert place.play(200, policy=ONCE)[1].response.status == 200
        place.world.now += 1
    assert place.anyint.guarding.shared.calm


# --- whose gate

FORMS = ("/openai/v1/audio/transcriptions", "/openai/v1/audio/translations")  # alike in all but their route


@pytest.mark.parametrize("body", [b"--x\r\ncontent-disposition: form-data\r\n", None], ids=["a form", "not known"])
def test_where_no_model_is_known_the_route_has_a_gate(body: bytes | None) -> None:
    """A quota of one route is none of another's, nor of calls that name a model."""
    place = Place()
    place.play(QUOTA, path=FORMS[0], body=body)
    assert place.play(path=FORMS[0], body=body)[1].closed.why == "quota"
    for path, other in ((FORMS[1], body), ("/openai/v1/chat/completions", BODY)):
        assert place.play(200, path=path, body=other)[1].response.status == 200


@pytest.mark.parametrize("answer", [limited(30.0), QUOTA, 503], ids=["rate", "quota", "down"])
def test_a_gate_that_is_off_stays_open(answer: Answer | int) -> None:
    """A limit of one's own counts, and is not cut; nothing else closes."""
    place = Place(gate=False, max_concurrency=8)
    for _ in range(3):
        place.play(answer, policy=ONCE)
    for number in range(8):
        words, result, _ = place.play(200, policy=Policy(attempts=1, hold=0))
        assert (result.response.status, words) == (200, ["gate", "send 1", "gate"]), number
    assert place.world.now == 0.0


# --- circuits


def test_an_open_circuit_that_nobody_asks_is_forgotten() -> None:
    """A model that was retired costs the calls of all others nothing for ever."""
    place = Place(**breakers(breaker=True))
    for _ in range(2):
        place.play(503, policy=ONCE)
    shared = place.anyint.guarding.shared
    assert not shared.calm
    for _ in range(10):
        place.world.now += 600
        place.play(200, body=b'{"model":"good"}')
    assert shared.calm
    assert list(shared._troubled) == []


# --- the list of models


class Meeting(Script):
    """A call while whose question for the models is out others are made: ``meanwhile``."""

    def perform(self, effect: Any) -> Any:
        if isinstance(effect, Send) and effect.ask is not None:
            for other in self.meanwhile:
                other()
        return super().perform(effect)


def test_a_list_that_could_not_be_had_is_asked_for_again() -> None:
    """After some seconds, not after as long as a list is good for."""
    place = Place()
    assert PLACES in place.play(UNKNOWN, 503, body=MODEL)[2].effects
    assert PLACES not in place.play(UNKNOWN, body=MODEL)[2].effects
    place.world.now += 15.0
    _, result, script = place.play(UNKNOWN, LIST, body=MODEL)
    assert PLACES in script.effects
    assert result.report.nearest_models == ("gpt-5",)


def test_many_who_miss_a_model_ask_once() -> None:
    """Whoever comes while the question is out goes without names."""
    place = Place()
    others: list[Script] = []

    def another() -> None:
        others.append(place.script(UNKNOWN, body=MODEL))
        assert others[-1].play().report.nearest_models == ()

    script = Meeting(place.world, UNKNOWN, LIST, anyint=place.anyint, body=MODEL)
    script.meanwhile = [another] * 20
    assert script.play().report.nearest_models == ("gpt-5",)
    assert [it for it in others if PLACES in it.effects] == []
    assert len(others) == 20
