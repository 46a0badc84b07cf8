"""The soak's judge catches a leak: of memory, of sockets, of threads; and takes what is at rest for flat."""

from __future__ import annotations

import random

import pytest

from hostile.soak.judge import BOUNDS, LEAST, Bound, judge

EVERY, SECONDS, WARM = 4.0, 1800.0, 540.0


def series(value, *, seconds: float = SECONDS, noise: float = 0.0, seed: int = 1):
    """Sample what ``value`` returns of the seconds, with noise of this size."""
    chance = random.Random(seed)
    times = [EVERY * number for number in range(int(seconds / EVERY))]
    return [(at, value(at) + chance.uniform(-noise, noise)) for at in times]


REST = {"rss_mib": (90.0, 4.0), "blocks": (300_000.0, 2500.0), "sockets": (40.0, 9.0), "threads": (22.0, 2.0)}


@pytest.mark.parametrize("measure", REST)
@pytest.mark.parametrize("seed", range(5))
def test_what_is_at_rest_is_flat(measure: str, seed: int) -> None:
    """Noise as a load makes it is no growth."""
    level, noise = REST[measure]
    verdict = judge(series(lambda at: level, noise=noise, seed=seed), BOUNDS[measure], warm=WARM)
    assert verdict.flat, str(verdict)


@pytest.mark.parametrize(
    ("measure", "per_hour"), [("rss_mib", 40.0), ("blocks", 40_000.0), ("sockets", 60.0), ("threads", 20.0)]
)
@pytest.mark.parametrize("seed", range(5))
def test_a_planted_leak_is_caught(measure: str, per_hour: float, seed: int) -> None:
    """A leak of a hundredth of what half an hour's calls could leak is one too many."""
    level, noise = REST[measure]
    made = series(lambda at: level + per_hour * at / 3600, noise=noise, seed=seed)
    assert not judge(made, BOUNDS[measure], warm=WARM).flat


@pytest.mark.parametrize("measure", REST)
def test_a_step_in_the_middle_is_caught(measure: str) -> None:
    """What grows once and stays is growth: the slope alone would not say so."""
    level, noise = REST[measure]
    bound = BOUNDS[measure]
    high = 2 * bound.allows(level)
    made = series(lambda at: level + (high if at > 0.65 * SECONDS else 0.0), noise=noise)
    assert not judge(made, bound, warm=WARM).flat


def test_growth_before_the_warm_up_is_over_does_not_count() -> None:
    """Pools and caches fill first."""
    made = series(lambda at: 50.0 + min(at, WARM) / 4)
    assert judge(made, BOUNDS["rss_mib"], warm=WARM).flat
    assert not judge(made, BOUNDS["rss_mib"], warm=0.0).flat


def test_spikes_and_a_saw_are_flat() -> None:
    """A burst that goes again moves no median; a store that is tidied now and then comes back to where it was."""
    spikes = series(lambda at: 40.0 + (400.0 if at % 100 < EVERY else 0.0))
    saw = series(lambda at: 800.0 + (at % 30.0) * 4)
    assert judge(spikes, BOUNDS["sockets"], warm=WARM).flat
    assert judge(saw, BOUNDS["rows"], warm=WARM).flat


def test_what_shrinks_is_flat() -> None:
    """Less than before is no leak."""
    assert judge(series(lambda at: 90.0 - at / 100), BOUNDS["rss_mib"], warm=WARM).flat


def test_what_was_hardly_measured_is_not_flat() -> None:
    """Of nothing, and of a few samples, nobody can say that it does not grow."""
    bound = Bound(5.0, 0.1)
    few = series(lambda at: 1.0, seconds=EVERY * (LEAST - 1))
    enough = series(lambda at: 1.0, seconds=EVERY * LEAST)
    assert not judge([], bound, warm=0.0).flat
    assert not judge(few, bound, warm=0.0).flat
    assert judge(enough, bound, warm=0.0).flat


def test_a_bound_is_a_share_or_an_amount_whichever_is_more() -> None:
    """A small process may grow by some MiB, a big one by a share."""
    assert Bound(6.0, 0.05).allows(40.0) == 6.0
    assert Bound(6.0, 0.05).allows(400.0) == 20.0
