"""When a task is asked for: the schedule of every vocabulary, its jitter, and hints that nobody comes before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.tasks import POLL_JITTER, TASKS
from anyint_resilience.policy.polling import SHORTEST_POLL, first_wait, interval, next_wait

ROWS = [None, *TASKS.values()]
CHANCE = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        (None, [5, 7.5, 11.25, 15, 15]),
        ("suno_song", [2, 3, 4.5, 6.75, 10.125, 15, 15]),
        ("suno_cover", [30, 30, 30]),
        ("kling", [5, 7.5, 11.25, 15, 15]),
        ("openai_batch", [60, 90, 135, 202.5, 300, 300]),
        ("openai_response", [2, 3, 4.5]),
    ],
)
def test_the_schedule(name: str | None, waits: list[float]) -> None:
    """Each wait is half as long again as the one before, up to the row's cap."""
    row = None if name is None else TASKS[name]
    assert [interval(row, polls) for polls in range(len(waits))] == waits
    assert interval(row, 10**6) == waits[-1] or name == "openai_response"
    assert [next_wait(row, polls, 0.5) for polls in range(1, len(waits))] == waits[1:]


@given(row=st.sampled_from(ROWS), polls=st.integers(0, 10**9), u=CHANCE)
def test_waits_are_spread_by_a_fifth_at_the_most(row: object, polls: int, u: float) -> None:
    """Many waiters do not ask together, and none asks much earlier or later than the schedule says."""
    base, wait = interval(row, polls), next_wait(row, polls, u)  # type: ignore[arg-type]
    assert base * (1 - POLL_JITTER) <= wait <= base * (1 + POLL_JITTER)
    assert next_wait(row, polls, 0.0) < next_wait(row, polls, 0.999)  # type: ignore[arg-type]


@given(row=st.sampled_from(ROWS), age=st.floats(), u=CHANCE)
def test_the_first_look_counts_from_the_create(row: object, age: float, u: float) -> None:
    """An old task is asked for at once; one whose clock is ahead is waited for no longer than a new one."""
    wait, fresh = first_wait(row, age, u), first_wait(row, 0.0, u)  # type: ignore[arg-type]
    assert 0 <= wait <= fresh
    if age >= fresh:
        assert wait == 0
    elif age >= 0:
        assert wait == fresh - age
    assert fresh == next_wait(row, 0, u)  # type: ignore[arg-type]


@given(row=st.sampled_from(ROWS), polls=st.integers(0, 99), hint=st.floats(0, 1e9), u=CHANCE)
def test_a_hint_is_never_undercut(row: object, polls: int, hint: float, u: float) -> None:
    """A server that says when is asked then or up to a second later; never in a loop, whatever it says."""
    wait = next_wait(row, polls, u, hint)  # type: ignore[arg-type]
    assert max(hint, SHORTEST_POLL) <= wait <= max(hint, SHORTEST_POLL) + 1
