"""The retry budget as a pure step: a reserve, a share of what succeeded of late, and never more than that."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.guards import budget
from anyint_resilience.guards.settings import Guards

RESERVE, RATIO = Guards().budget_reserve, Guards().budget_ratio
NEARLY = 1e-6

moves = st.lists(
    st.tuples(st.floats(-100, 100), st.integers(0, 50), st.booleans()),  # seconds, successes, whether it spends
    max_size=60,
)


def spend(state: Any, now: float, good: int = 0, *, reserve: float = RESERVE, ratio: float = RATIO) -> Any:
    return budget.spend(state, now, good=good, reserve=reserve, ratio=ratio)


def drained(now: float = 0.0, *, reserve: float = RESERVE) -> Any:
    """Return a state with less than one token."""
    state, may = None, True
    while may:
        state, may = spend(state, now, reserve=reserve)
    return state


@pytest.mark.parametrize("reserve", [0.0, 0.5, 1.0, RESERVE, 5.0])
def test_a_process_begins_with_its_reserve(reserve: float) -> None:
    """As many sendings more as there are whole tokens, at one moment."""
    state, granted = None, 0
    for _ in range(10):
        state, may = spend(state, 0.0, reserve=reserve)
        granted += may
    assert granted == int(reserve)


@pytest.mark.parametrize(
    ("waits", "good", "may"),
    [
        (0.0, 0, False),
        (0.0, int(1 / RATIO) + 1, True),  # a share of what succeeded
        (budget.REFILL, 0, True),  # the reserve comes back
        (budget.REFILL * 0.1 / RESERVE, 0, False),  # but not at once
        (-1000.0, 0, False),  # a clock that went back gives nothing
    ],
)
def test_tokens_come_back_by_success_and_by_time(waits: float, good: int, may: bool) -> None:
    """By nothing else."""
    _, had = spend(drained(1000.0), 1000.0 + waits, good)
    assert had is may


def test_successes_fade() -> None:
    """What succeeded long ago says nothing about now: the reserve is all there is."""
    state, _ = budget.earn(None, 0.0, good=1000, reserve=RESERVE, ratio=RATIO)
    assert budget.earn(state, 0.0, good=0, reserve=RESERVE, ratio=RATIO)[1] == pytest.approx(RESERVE + RATIO * 1000)
    later = budget.RECENT * 40
    assert budget.earn(state, later, good=0, reserve=RESERVE, ratio=RATIO)[1] == pytest.approx(RESERVE)


def test_a_refusal_takes_nothing() -> None:
    """Asking in vain does not push the next token further away."""
    state = drained()
    for _ in range(100):
        state, may = spend(state, 0.0)
        assert not may
    assert spend(state, budget.REFILL)[1]


@given(moves=moves, reserve=st.floats(0, 20), ratio=st.floats(0, 1))
def test_never_more_than_reserve_and_share_and_time(
    moves: list[tuple[float, int, bool]], reserve: float, ratio: float
) -> None:
    """Whatever comes, and wherever the clock goes: tokens stay within their bounds, and so does all that is granted."""
    now, state, granted, good, forward = 1000.0, None, 0, 0, 0.0
    for seconds, more, spends in moves:
        now, forward, good = now + seconds, forward + max(0.0, seconds), good + more
        before = copy.deepcopy(state)
        if spends:
            new, may = spend(state, now, more, reserve=reserve, ratio=ratio)
            granted += may
        else:
            new, tokens = budget.earn(state, now, good=more, reserve=reserve, ratio=ratio)
            assert tokens == new["tokens"]
        assert state == before, "a step must not change the state that it is given"
        state = json.loads(json.dumps(new))
        assert state == new
        assert 0 <= new["tokens"] <= reserve + ratio * new["good"] + NEARLY
        assert new["good"] <= good + NEARLY
    assert granted <= reserve + ratio * good + forward * reserve / budget.REFILL + NEARLY
