"""With which words the guards' steps are asked and told, what counts as a failure, and where settings have bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anyint_resilience import Certainty, Guards, Policy
from anyint_resilience.contract.words import Cause
from anyint_resilience.guards import breaker, budget, gate
from anyint_resilience.guards.guarding import Guarding, kind_of
from anyint_resilience.guards.opening import Pace
from anyint_resilience.guards.shared import Shared
from anyint_resilience.guards.tally import Tally
from anyint_resilience.policy.fallback import Fallback
from anyint_resilience.policy.model import Hint
from anyint_resilience.stores.memory import MemoryStore
from tests.unit.fleet_kit import World

CHAT = "/openai/v1/chat/completions"
ROW = Fallback(workload="chat", route=CHAT, model="a", to="b")
POLICY = Policy(rate_base=4.0, factor=3.0, max_delay=30.0)
NOW = 1000.0


def guarding(*, fleet: bool = False, **how: Any) -> Guarding:
    shared = World(1).processes[0].shared if fleet else Shared(MemoryStore(lambda: 0.0))
    return Guarding(Guards(**how), shared, {})


def tally(*, out: int = 6, flew: int = 9, ago: float = 1.0) -> Tally:
    it = Tally()
    it.out, it.flew, it.last = out, flew, NOW - ago
    return it


def words(step: Any) -> tuple[Any, dict[str, Any]]:
    return step.func, step.keywords


def told(it: Guarding, kind: str = "down", hint: Hint | None = None, **how: Any) -> dict[str, Any]:
    """Return what the gate is told, and see that all of it is."""
    given: dict[str, Any] = {"began": 1.5, "policy": POLICY, "least": 0.25, "tally": tally(), "now": NOW, "u": 0.75}
    func, found = words(it.tell_gate("t", kind, hint=hint, **{**given, **how}))
    assert func is gate.told
    assert set(found) == set("ticket kind began flying hint pace few u stays".split())
    assert {name: found[name] for name in ("ticket", "kind", "began", "u")} == {
        "ticket": "t",
        "kind": kind,
        "began": 1.5,
        "u": 0.75,
    }
    return found


@pytest.mark.parametrize(
    ("kind", "hint", "pace", "named"),
    [
        ("rate", None, Pace(4.0, 3.0, 30.0, least=0.25), None),
        ("spent", None, Pace(4.0, 3.0, 30.0, least=0.25), None),
        ("down", None, gate.RATES, None),
        ("quota", None, gate.RATES, None),
        ("good", None, gate.RATES, None),
        ("rate", Hint(seconds=20.0, source="x"), Pace(4.0, 3.0, 30.0, least=0.25), 20.0),
        ("rate", Hint(seconds=20.0, source="x", at_most=True), Pace(4.0, 3.0, 20.0, least=0.25), None),
        ("spent", Hint(seconds=2.0, source="x", at_most=True), Pace(2.0, 3.0, 2.0, least=0.25), None),
        ("rate", Hint(seconds=99.0, source="x", at_most=True), Pace(4.0, 3.0, 30.0, least=0.25), None),
        ("quota", Hint(seconds=99.0, source="x"), gate.RATES, 99.0),
    ],
)
def test_how_long_a_gate_is_told_to_close(kind: str, hint: Hint | None, pace: Pace, named: float | None) -> None:
    """At the policy's pace; what a gateway says is at most so long bounds that, and is no moment."""
    found = told(guarding(), kind, hint)
    assert (found["pace"], found["hint"]) == (pace, named)


@pytest.mark.parametrize(
    ("fleet", "kind", "flying"), [(False, "down", 6), (False, "rate", 6), (True, "down", 8), (True, "rate", 6)]
)
def test_how_many_a_gate_is_told_were_out(fleet: bool, kind: str, flying: int) -> None:
    """Of a fleet that is down each says how many of its own were out beside the last that came back."""
    assert told(guarding(fleet=fleet), kind)["flying"] == flying


def test_nothing_has_come_back_yet_and_nothing_was_out_beside_it() -> None:
    it = guarding(fleet=True)
    assert [told(it, tally=tally(flew=flew))["flying"] for flew in (0, 1, 2)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("failures", "ago", "few"), [(3, 1.0, 3), (3, 60.0, 2), (2, 60.0, 1), (1, 1.0, 1), (1, 60.0, 1)]
)
def test_how_many_failures_close_a_gate(failures: int, ago: float, few: int) -> None:
    """One less where nothing has succeeded of late, and never none."""
    assert told(guarding(failures=failures), tally=tally(ago=ago))["few"] == few


def test_a_limit_may_stay() -> None:
    assert told(guarding())["stays"] is False
    assert told(guarding(), stays=True)["stays"] is True


def test_what_the_other_steps_are_told() -> None:
    """All of it, by name."""
    it = guarding(max_concurrency=3, budget_reserve=7.0, budget_ratio=0.5)
    asked = {"ticket": "t", "since": 1.0, "bound": 2.0, "most": 3, "u": 0.5}
    assert words(it.ask_gate("t", since=1.0, bound=2.0, u=0.5)) == (gate.ask, asked)
    bounds = {"window": 10.0, "failure_rate": 0.5, "least": 10, "cooldown": 5.0}
    hit = {"ticket": "t", "good": True, "began": 1.0, "u": 0.5, **bounds}
    assert words(it.tell_breaker("t", good=True, began=1.0, u=0.5)) == (breaker.told, hit)
    spent = {"good": 2, "reserve": 7.0, "ratio": 0.5, "cost": 1.0, "keep": 0.0}
    assert words(it.spend(2)) == (budget.spend, spent)


def test_a_fallback_need_not_have_a_key() -> None:
    assert (guarding().key_of(ROW), guarding().key_ids()) == (None, [])


@pytest.mark.parametrize("cause", [Cause.TRANSIENT, Cause.SERVER, Cause.UNKNOWN])
@pytest.mark.parametrize(
    ("status", "kind"), [(0, "down"), (399, "down"), (400, "other"), (409, "other"), (499, "other"), (500, "down")]
)
def test_a_refusal_with_a_4xx_is_no_failure_of_the_gateway(cause: Cause, status: int, kind: str) -> None:
    """Whatever was made of it."""
    seen = replace(Policy().decide_response("POST", CHAT, 503), cause=cause, certainty=Certainty.REJECTED)
    assert kind_of(seen, None, status) == kind


@pytest.mark.parametrize("cause", [Cause.RATE, Cause.QUOTA])
def test_a_limit_is_one_with_any_status(cause: Cause) -> None:
    seen = replace(Policy().decide_response("POST", CHAT, 503), cause=cause, certainty=Certainty.REJECTED)
    assert kind_of(seen, None, 403) == kind_of(seen, None, 0) != "other"


def test_guards_that_are_off_are_all_off() -> None:
    assert Guards.off() == Guards(budget=False, gate=False, breaker=False)


@pytest.mark.parametrize(
    "how", [{"failure_rate": 1}, {"failure_rate": 1.0}, {"window": 0.001}, {"cooldown": 0.001}, {"window": 1}]
)
def test_what_a_setting_may_be_at_the_most_or_least(how: dict[str, Any]) -> None:
    for name, value in how.items():
        assert getattr(Guards(**how), name) == value
