"""How far an attempt had come, by the time-outs that were looked up."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from anyint_resilience._httpx.phases import Phases

TIMES = {"connect": 1.0, "read": 2.0, "write": None, "pool": 4.0}


@pytest.mark.parametrize(
    ("asked", "unsent"),
    [
        ([], None),
        (["pool"], "PoolTimeout"),
        (["pool", "connect"], "ConnectTimeout"),
        (["pool", "connect", "connect"], "ConnectTimeout"),
        (["pool", "connect", "write"], None),
        (["pool", "write"], None),
        (["read"], None),
        (["pool", "connect", "write", "read", "pool", "connect"], None),
        (["connect", "another"], None),
    ],
)
@pytest.mark.parametrize("by", ["get", "[]"])
def test_what_was_asked_for_last_says_how_far_it_had_come(asked: list[str], unsent: str | None, by: str) -> None:
    """Once it may have begun to send it stays so, whatever comes after."""
    times = Phases({**TIMES, "another": None})
    for phase in asked:
        assert (times.get(phase) if by == "get" else times[phase]) == TIMES.get(phase)
    assert times.unsent == unsent


@pytest.mark.parametrize(
    "read",
    [
        dict,
        lambda times: {**times},
        lambda times: times | {},
        lambda times: dict(zip(times, times.values(), strict=True)),
        lambda times: dict(times.items()),
        lambda times: {name: times.get(name) for name in times.keys()},  # noqa: SIM118
        copy.copy,
        pickle.dumps,
        lambda times: times.copy(),
    ],
)
def test_who_reads_all_of_them_may_have_sent(read: Callable[[Any], Any]) -> None:
    """Another layer may take its time-outs at once, and never come back for more."""
    times = Phases(TIMES)
    assert times.get("connect") == 1.0
    found = read(times)
    assert times.unsent is None
    if isinstance(found, bytes):
        found = pickle.loads(found)
    assert found == TIMES


def test_what_nobody_set_is_none() -> None:
    """As a client asks for it."""
    assert Phases({}).get("write", None) is None
