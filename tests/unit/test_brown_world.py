"""The simulation of ``benchmarks/brownout.py``: its arithmetic, and what it says of the shipped guards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Guards
from tests.brief import once

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

pytestmark = [
    once,
    pytest.mark.skipif(not BENCHMARKS.exists(), reason="the benchmarks are not beside these tests"),
]

SMALL = {"capacity": 200.0, "offered": 150.0, "begins": 4.0, "lasts": 4.0, "seconds": 20.0}


@pytest.fixture(scope="module")
def it() -> Iterator[Any]:
    """The module, imported as its script imports it."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import _brown_world as module

        yield module
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def runs(it: Any) -> dict[tuple[str, str], Any]:
    """Each side in each world, once."""
    from _sim_clients import Side, waits_of

    sides = {"none": Side("none", waits=waits_of(1, 0.5)), "sdk": Side("sdk", waits=waits_of(3, 0.5))}
    sides |= {"ours": Side("ours"), "off": Side("off", guards=Guards.off())}
    return {
        (world, name): it.World(it.WorldSpec(4, costs, **SMALL), side).play()
        for world, costs in it.COSTS.items()
        for name, side in sides.items()
    }


def back(it: Any, tally: Any) -> float:
    spec = it.WorldSpec(4, **SMALL)
    found = it.back(tally.good, spec.ends, spec.seconds, spec.offered)
    return float("inf") if found is None else found


@pytest.mark.parametrize("world", "abc")
def test_every_call_ends_once(runs: Any, world: str) -> None:
    """Each call offered succeeds or fails, and all sides were offered the same ones."""
    for side in ("none", "sdk", "ours", "off"):
        tally = runs[world, side]
        assert tally.offered == tally.succeeded + tally.failed == runs[world, "none"].offered
        assert len(tally.good) == len(tally.latency) == tally.succeeded
    assert len(runs[world, "none"].arrivals) == runs[world, "none"].offered


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_is_a_run(it: Any, seed: int) -> None:
    """The same seed gives the same run, to the last arrival; another one gives another."""
    from _sim_clients import Side

    spec = it.WorldSpec(4, **{**SMALL, "seconds": 10.0}, seed=seed)
    assert it.World(spec, Side("ours")).play() == it.World(spec, Side("ours")).play()
    other = it.WorldSpec(4, **{**SMALL, "seconds": 10.0}, seed=seed + 1)
    assert it.World(spec, Side("ours")).play() != it.World(other, Side("ours")).play()


@pytest.mark.parametrize("world", "abc")
def test_the_aims_are_met(it: Any, runs: Any, world: str) -> None:
    """Our defaults hardly add requests, fail fewer calls, and are back as soon as without retries.

    Or within one window: processes that call so seldom find out a little later.
    """
    ours, none = runs[world, "ours"], runs[world, "none"]
    assert len(ours.arrivals) <= 1.10 * ours.offered
    assert back(it, ours) <= max(back(it, none), it.WINDOW)
    assert ours.failed < none.failed / 2


def test_a_hang_is_for_ever_without_a_budget(it: Any, runs: Any) -> None:
    """Where time-outs are shorter than the queue, plain retries never recover, nor does our layer with guards off."""
    assert back(it, runs["c", "sdk"]) == back(it, runs["c", "off"]) == float("inf")
    assert back(it, runs["c", "none"]) < float("inf")


@pytest.mark.parametrize(
    ("good", "wanted"),
    [
        pytest.param([at / 10 for at in range(400)], 0.0, id="at once"),
        pytest.param([at / 10 for at in range(400) if not 100 <= at < 130], 3.0, id="after three seconds"),
        pytest.param([at / 10 for at in range(400) if at < 200], None, id="and gone again"),
        pytest.param([], None, id="never"),
    ],
)
def test_when_goodput_is_back(it: Any, good: list[float], wanted: float | None) -> None:
    """It is back in the first full window after which it is full on the average, too."""
    assert it.back(good, 10.0, 40.0, 10.0) == wanted


@pytest.mark.parametrize(
    ("arrivals", "wanted"),
    [([], 0.0), ([1.0, 1.1, 1.2, 1.6], 6.0), ([0.9, 2.0], 0.0)],
    ids=["none", "the fuller half second", "outside"],
)
def test_the_peak_is_of_the_outage(it: Any, arrivals: list[float], wanted: float) -> None:
    """It is counted in half seconds of the outage alone."""
    assert it.peak(arrivals, 1.0, 2.0) == wanted
