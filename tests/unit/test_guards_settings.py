"""How much the guards let through: what can be configured, and what every outcome is to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anyint_resilience import Certainty, Guards, Policy, Resilience
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.words import Cause
from anyint_resilience.guards import breaker, budget, gate
from anyint_resilience.guards.guarding import Guarding, kind_of
from anyint_resilience.guards.shared import Shared
from anyint_resilience.policy.fallback import Fallback
from anyint_resilience.policy.model import Decision, Fault, FaultKind
from anyint_resilience.policy.rules import DEFAULT_TABLE
from anyint_resilience.stores.memory import MemoryStore

CHAT = "/openai/v1/chat/completions"
ROW = Fallback(workload="chat", route=CHAT, model="a", to="b")
OURS = (FaultKind.POOL_TIMEOUT, FaultKind.LOCAL_ERROR, FaultKind.TLS_CERTIFICATE)
KINDS = {
    None: "good",
    Cause.RATE: "rate",
    Cause.QUOTA: "quota",
    Cause.TRANSIENT: "down",
    Cause.SERVER: "down",
    Cause.UNKNOWN: "down",
}


def decision(cause: Cause | None, certainty: Certainty = Certainty.REJECTED) -> Decision:
    bare = Policy().decide_response("POST", CHAT, 503)
    return replace(bare, cause=cause, certainty=certainty)


@pytest.mark.parametrize("cause", [None, *Cause])
def test_what_an_outcome_is_to_the_guards(cause: Cause | None) -> None:
    """Failures that are the request's own count for nothing."""
    assert kind_of(decision(cause), None) == KINDS.get(cause, "other")


@pytest.mark.parametrize("cause", Cause)
def test_work_that_was_done_is_a_success(cause: Cause) -> None:
    """Whatever the answer says beside it."""
    assert kind_of(decision(cause, Certainty.COMMITTED), None) == "good"


@pytest.mark.parametrize("fault", FaultKind)
def test_a_fault_of_this_process_says_nothing_of_the_gateway(fault: FaultKind) -> None:
    """A full pool, a request that can't be put on the wire, a certificate that is not accepted."""
    made = Policy().decide_exception("POST", CHAT, fault)
    assert kind_of(made, Fault(fault)) == ("other" if fault in OURS else "down")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "good"),
        *((status, "other") for status in (400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 416, 417, 422)),
        (429, "rate"),
        *((status, "down") for status in (500, 502, 503, 504, 529)),
    ],
)
def test_a_refusal_of_the_callers_own_is_never_counted(status: int, kind: str) -> None:
    """A 4xx that the caller is to mend is no failure of the gateway."""
    assert kind_of(Policy().decide_response("POST", CHAT, status), None) == kind


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budget", 1),
        ("budget_reserve", -1),
        ("budget_reserve", float("inf")),
        ("budget_ratio", "0.1"),
        ("budget_ratio", float("nan")),
        ("gate", None),
        ("max_concurrency", 0),
        ("max_concurrency", 1.5),
        ("max_concurrency", True),
        ("failures", 0),
        ("breaker", "yes"),
        ("failure_rate", 0),
        ("failure_rate", 1.1),
        ("min_volume", 0),
        ("window", 0),
        ("cooldown", 0),
        ("cooldown", float("inf")),
        ("cooldown", 31 * 86_400 + 1),
        ("probes", 0),
    ],
)
def test_what_makes_no_sense_is_named(field: str, value: object) -> None:
    """At once, with the name of the setting."""
    with pytest.raises(ValueError, match=f"Guards: .*{field} must be"):
        Guards(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("failure_rate", 1.5, "failure_rate must be 1 at the most, not 1.5"),
        ("cooldown", 31 * 86_400 + 1, "cooldown must be 2678400 at the most, not 2678401"),
    ],
)
def test_what_is_too_much_is_said_with_its_bound(field: str, value: float, said: str) -> None:
    """And what was given."""
    with pytest.raises(ValueError, match=f"^Guards: {said}$"):
        Guards(**{field: value})  # type: ignore[arg-type]


def test_every_problem_is_named_at_once() -> None:
    """Nobody wants to hear of them one by one."""
    with pytest.raises(ValueError, match=r"failures.*window.*probes"):
        Guards(failures=0, window=-1, probes=0)


@pytest.mark.parametrize(
    ("guards", "watches"),
    [
        (Guards(), True),
        (Guards.off(), False),
        (Guards(budget=False, gate=False), True),  # a breaker where there is a fallback
        (Guards(budget=False, gate=False, breaker=True), True),
        (Guards(gate=False, breaker=False), True),
    ],
)
def test_who_watches_at_all(guards: Guards, watches: bool) -> None:
    """Where all are off nobody is told of anything."""
    assert guards.watches is watches


@pytest.mark.parametrize("own", [None, True, False])
@pytest.mark.parametrize("row", [None, ROW])
def test_where_a_breaker_stands(own: bool | None, row: Fallback | None) -> None:
    """By default where a fallback exists, else as configured."""
    guarding = Guarding(Guards(breaker=own), Shared(MemoryStore(lambda: 0.0)), {})
    assert guarding.breaks(row) is (row is not None if own is None else own)


def test_the_steps_carry_the_settings() -> None:
    """What is configured is what is asked and told."""
    guards = Guards(
        budget_reserve=7.0, budget_ratio=0.5, max_concurrency=3, failures=4,
        failure_rate=0.25, min_volume=6, window=8.0, cooldown=9.0, probes=5,
    )  # fmt: skip
    guarding = Guarding(guards, Shared(MemoryStore(lambda: 0.0)), {})
    asks: Any = guarding.ask_gate("t", since=1.0, bound=2.0, u=0.5)
    assert (asks.func, asks.keywords["most"], asks.keywords["ticket"]) == (gate.ask, 3, "t")
    probe: Any = guarding.ask_breaker("t")
    assert (probe.func, probe.keywords) == (breaker.ask, {"ticket": "t", "probes": 5})
    tells: Any = guarding.tell_breaker("t", good=True, began=1.0, u=0.5)
    assert tells.func is breaker.told
    told = {"window": 8.0, "failure_rate": 0.25, "least": 6, "cooldown": 9.0}
    assert told.items() <= tells.keywords.items()
    spends: Any = guarding.spend(2, cost=3.0, keep=0.5)
    assert spends.func is budget.spend
    assert {"good": 2, "reserve": 7.0, "ratio": 0.5, "cost": 3.0, "keep": 0.5}.items() <= spends.keywords.items()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"guards": "on"}, "guards must be a Guards"),
        ({"guards": {"budget": True}}, "guards must be a Guards"),
        ({"fallbacks": "a"}, "fallbacks must be an iterable of Fallback"),
        ({"fallbacks": 3}, "fallbacks must be an iterable of Fallback"),
        ({"fallbacks": [{"workload": "x"}]}, "must be a Fallback, not dict"),
        ({"fallbacks": [ROW, None]}, "must be a Fallback, not NoneType"),
    ],
)
def test_a_configuration_takes_nothing_else(given: dict[str, Any], words: str) -> None:
    """A mistake is told where it is made."""
    with pytest.raises(ValueError, match=words):
        Resilience(**given)


def test_a_route_table_is_what_fallbacks_are_named_by() -> None:
    """The rows are found by the route's name and the primary's model."""
    assert isinstance(DEFAULT_TABLE, RouteTable)
    guarding = Resilience(fallbacks=[ROW]).guarding
    assert dict(guarding.fallbacks) == {(f"POST {CHAT}", "a"): ROW}
