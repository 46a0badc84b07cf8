"""The schedule, the jitter and the deadline arithmetic, row by row."""

from __future__ import annotations

import math

import pytest

from anyint_resilience.policy.backoff import above_hint, broken_limit, ceilings, remaining, scheduled


@pytest.mark.parametrize(
    ("base", "factor", "cap", "first"),
    [
        (1.0, 2.0, 20.0, (1.0, 2.0, 4.0, 8.0, 16.0, 20.0)),
        (0.05, 2.0, 0.3, (0.05, 0.1, 0.2, 0.3)),
        (30.0, 2.0, 20.0, (20.0,)),
        (0.0, 2.0, 20.0, (0.0,)),
        (1.0, 2.0, 0.0, (0.0,)),
    ],
)
def test_ceilings_grow_to_the_cap(base: float, factor: float, cap: float, first: tuple[float, ...]) -> None:
    """Ceilings are base * factor ** n, cut at the cap, where the schedule ends."""
    assert ceilings(base, factor, cap) == pytest.approx(first)


def test_ceilings_of_factor_one_stay_level() -> None:
    """A factor of 1 is a constant schedule, kept to a bounded length."""
    steps = ceilings(1.0, 1.0, 20.0)
    assert set(steps) == {1.0}
    assert len(steps) <= 64


def test_ceilings_survive_a_factor_that_leaves_the_floats() -> None:
    """A power too large for a float ends the schedule at the cap."""
    assert ceilings(1e-300, 1e200, 20.0)[-1] == 20.0


def test_ceilings_are_kept() -> None:
    """The same schedule is made once."""
    assert ceilings(1.0, 3.0, 9.5) is ceilings(1.0, 3.0, 9.5)


@pytest.mark.parametrize(
    ("attempt", "u", "wait"),
    [(1, 1.0, 1.0), (1, 0.0, 0.0), (2, 0.5, 1.0), (3, 1.0, 4.0), (50, 1.0, 20.0), (0, 1.0, 1.0), (-3, 1.0, 1.0)],
)
def test_schedule_is_full_jitter(attempt: int, u: float, wait: float) -> None:
    """The wait is the random number's share of the attempt's ceiling; odd attempt numbers have one too."""
    assert scheduled(1.0, 2.0, 20.0, attempt=attempt, u=u) == wait


@pytest.mark.parametrize(
    ("hint", "u", "wait"),
    [(2.0, 0.0, 2.0), (2.0, 0.5, 2.1), (2.0, 1.0, 2.2), (600.0, 1.0, 601.0), (600.0, 0.25, 600.25)],
)
def test_jitter_above_a_hint_is_small_and_positive(hint: float, u: float, wait: float) -> None:
    """At most 10 % and at most a second are added to what the server asked for."""
    assert above_hint(hint, u) == pytest.approx(wait)
    assert above_hint(hint, u) >= hint


@pytest.mark.parametrize(
    ("delay", "elapsed", "window", "deadline", "limit"),
    [
        (10.0, 0.0, 60.0, None, None),
        (10.0, 50.0, 60.0, None, None),
        (10.0, 50.1, 60.0, None, "retry_window"),
        (10.0, 0.0, 60.0, 10.0, "deadline"),
        (9.0, 0.0, 60.0, 10.0, None),
        (1e9, 1e9, math.inf, None, None),
        (70.0, 0.0, 60.0, 65.0, "deadline"),
        (0.0, math.inf, 60.0, None, "retry_window"),
    ],
)
def test_limits(delay: float, elapsed: float, window: float, deadline: float | None, limit: str | None) -> None:
    """An attempt may start at the end of the window but not at the deadline; the deadline is named first."""
    assert broken_limit(delay, elapsed=elapsed, retry_window=window, deadline=deadline) == limit


@pytest.mark.parametrize(("elapsed", "deadline", "left"), [(1.0, 5.0, 4.0), (9.0, 5.0, 0.0), (9.0, None, None)])
def test_remaining_is_never_negative(elapsed: float, deadline: float | None, left: float | None) -> None:
    """What is left until the deadline, or None without one."""
    assert remaining(elapsed, deadline) == left
