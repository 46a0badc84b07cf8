"""What counts as a guard's state in a store that others write to: each field, its bounds, and its neighbours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience.guards import breaker, budget, gate
from anyint_resilience.guards.opening import Pace
from anyint_resilience.guards.states import is_whole
from anyint_resilience.policy.times import MAX_HINT

NOW = 1000.0
NAN, INF = float("nan"), float("inf")
KEYS = {"gate": "gate:key:a model", "breaker": "breaker:host:route:m", "budget": "budget:key", "members": "members:"}
HIT: dict[str, Any] = {"window": 10.0, "failure_rate": 0.5, "least": 1, "cooldown": 5.0, "u": 0.5}


def written(kind: str) -> dict[str, Any]:
    """Return a state with something in each field, as the steps write it and a file gives it back."""
    state: Any = None
    if kind == "gate":
        for ticket in "abc":
            state, _ = gate.ask(state, NOW, ticket=ticket, since=NOW, bound=NOW + 60, most=2)
        pace = Pace(1.0, 2.0, 20.0)
        state, _ = gate.told(state, NOW, ticket="a", kind="rate", began=NOW, hint=5.0, pace=pace, u=0.5)
    elif kind == "breaker":
        state, _ = breaker.told(None, NOW, ticket="", good=False, began=NOW, **HIT)
        state, _ = breaker.ask(state, NOW + 9, ticket="a", probes=1)
    elif kind == "budget":
        state, _ = budget.spend(None, NOW, good=2, reserve=2.0, ratio=0.1)
    else:
        state = {"seen": {"one": NOW}}
    found: dict[str, Any] = json.loads(json.dumps(state))
    return found


GOOD_NUMBERS = (0, 0.5, -1.0, 1e300, -1e300)
NO_NUMBERS: tuple[Any, ...] = (1.1e300, -INF, INF, NAN, True, False, "5", None, [], {})
NO_FLAGS: tuple[Any, ...] = (0, 1, None, "", "yes", [])
GOOD_LEASES: tuple[Any, ...] = ({}, {"a": 1.0}, {"a": 1.0, "b": 0})
NO_LEASES: tuple[Any, ...] = ([], [1.0], None, "a", {"a": None}, {"a": True}, {"a": 1.0, "b": "2"}, {"a": 2e300})

# Of which kind, which fields, what they may be and what not.
FIELDS: list[tuple[str, str, tuple[Any, ...], tuple[Any, ...]]] = [
    ("gate", "shut won probed spread gap spaced after queued cut heard", GOOD_NUMBERS, NO_NUMBERS),
    ("gate", "until probe", (0, 0.5, -1.0, -1e300), (*NO_NUMBERS, 1e300)),  # no gate is closed for so long
    ("gate", "at", (0, 0.5, 1e300), NO_NUMBERS),
    ("gate", "streak bad", (0, 1, 10**9), (-1, 10**9 + 1, 1.0, True, False, "1", None)),
    ("gate", "limit goal", (None, 0.5, 1, 1e9), (0, 0.0, -1, 1e9 + 1, INF, NAN, True, "1", [])),
    ("gate", "counts named", (True, False), NO_FLAGS),
    ("gate", "cause", ("", "rate", "quota", "down", "full"), ("other", "RATE", None, 5, [])),
    ("gate", "prober", ("", "a"), (None, 1, ["a"])),
    ("gate", "out", GOOD_LEASES, NO_LEASES),
    (
        "gate",
        "line",
        ([], [[1.0, "a", 2.0]], [[1, "a", 2], [3, "", 4]]),
        (
            *({}, None, "abc", [None], ["abc"], [{"1": 1, "a": 2, "2": 3}], [[]], [[1.0, "a"]], [[1.0, "a", 2.0, 3.0]]),
            *([["1", "a", 2.0]], [[1.0, 1, 2.0]], [[1.0, "a", "2"]], [[None, "a", 2.0]], [[1.0, "a", None]]),
            *([[1.0, "a", 2.0], [1.0, "b"]], [[1.0, None, 2.0], [1.0, "b", 2.0]]),
        ),
    ),
    ("breaker", "open", (0, 0.5, -1.0, -1e300), (*NO_NUMBERS, 1e300)),
    ("breaker", "since", GOOD_NUMBERS, NO_NUMBERS),
    ("breaker", "at", (0, 0.5, 1e300), NO_NUMBERS),
    ("breaker", "window", (0.001, 0.5, 1, 1e300), (0, 0.0, -1.0, *NO_NUMBERS)),
    (
        "breaker",
        "slots",
        ([], [[1, 2, 3]], [[1.0, 2, 3], [4, 5, 6]]),
        (
            *({}, None, "abc", [None], ["abc"], [[]], [[1, 2]], [[1, 2, 3, 4]], [[1, 2, None]], [[True, 2, 3]]),
            *([[1, 2, 3], [1, 2]], [[1, "2", 3], [1, 2, 3]], [{"1": 1, "2": 2, "3": 3}]),
        ),
    ),
    ("breaker", "probes", GOOD_LEASES, NO_LEASES),
    ("budget", "tokens good at", GOOD_NUMBERS, NO_NUMBERS),
    ("members", "seen", GOOD_LEASES, NO_LEASES),
]
ROWS = [
    (kind, field, value, whole)
    for kind, fields, good, bad in FIELDS
    for field in fields.split()
    for whole, values in ((True, good), (False, bad))
    for value in values
]


@pytest.mark.parametrize(("kind", "field", "value", "whole"), ROWS)
def test_what_may_stand_in_a_field(kind: str, field: str, value: Any, whole: bool) -> None:
    """All else is as a step left it."""
    state = {**written(kind), field: value}
    if kind == "gate" and field == "at":
        state.update(until=0.0, probe=0.0)
    assert is_whole(KEYS[kind], state) is whole


@pytest.mark.parametrize("kind", KEYS)
def test_a_state_has_all_its_fields(kind: str) -> None:
    """It is whole as a step left it, and with more than that, but with none less."""
    state = written(kind)
    known = {field for it, fields, *_ in FIELDS if it == kind for field in fields.split()}
    assert set(state) == known
    assert is_whole(KEYS[kind], state)
    assert is_whole(kind, state)
    assert is_whole(KEYS[kind], {**state, "more": None})
    for field in known:
        rest = {name: it for name, it in state.items() if name != field}
        assert not is_whole(KEYS[kind], rest), field


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("other", KEYS)
def test_what_is_one_kind_of_state_is_no_other(kind: str, other: str) -> None:
    assert is_whole(KEYS[kind], written(other)) is (kind == other)


@pytest.mark.parametrize("key", ["task:gate:a", "ledger:1", "", "gates:a", "GATE:a", ":gate:a"])
def test_what_no_guard_has_is_its_owners(key: str) -> None:
    """Whatever it is."""
    assert is_whole(key, {})
    assert is_whole(key, {"until": "x", "at": None})


@pytest.mark.parametrize(("kind", "field"), [("gate", "until"), ("gate", "probe"), ("breaker", "open")])
@pytest.mark.parametrize(
    ("at", "until", "whole"),
    [
        (NOW, NOW + 2 * MAX_HINT, True),
        (NOW, NOW + 2 * MAX_HINT + 0.5, False),
        (0.5, 2 * MAX_HINT + 0.5, True),
        (0.5, 2 * MAX_HINT + 0.75, False),
        (-5.0, 2 * MAX_HINT, True),  # a clock of long ago says nothing of how long
        (-5.0, 2 * MAX_HINT + 0.5, False),
    ],
)
def test_nothing_is_closed_for_ever(kind: str, field: str, at: float, until: float, whole: bool) -> None:
    """Twice the longest hint is what anybody could mean."""
    state = {**written(kind), **dict.fromkeys(("until", "probe", "open"), 0.0), "at": at, field: until}
    assert is_whole(f"{kind}:a", state) is whole
