"""The twins of circuit breaker and budget go as those do: stories that reach what random events seldom do.

Must not know what the steps mean: whatever Python gives is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from anyint_resilience.guards import breaker, budget
from tests.unit.twins_kit import START, Twins, hit, probe, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with serving(tmp_path_factory.mktemp("redis")) as client:
        yield Twins(client)


OPEN = [(0, hit(False, 0)), (0, hit(False, 0))]

# Seconds after the start, and a step.
STORIES: dict[str, list[tuple[float, Any]]] = {
    "a circuit opens, and closes": [
        (0, hit(True, 0)),
        (0, hit(False, 0, more=5)),
        (1.5, hit(False, 0, more=1)),
        (9.9, hit(False, 0)),
        (10, hit(False, 0)),
        (11, hit(False, 0)),
        (11.5, probe("a")),
        (16, probe("a")),
        (17, probe("a")),
        (17, probe("b")),
        (17, probe("c")),
        (17, probe("a")),
        (18, hit(True, 3, "b")),
        (18, probe("c")),
        (19, hit(False, 18, "a")),
        (24.5, probe("d")),
        (25, hit(True, 24.5, "d")),
    ],
    "failures are forgotten": [
        (0, hit(False, 0)),
        (5, breaker.settle),
        (5, hit(True, 0)),
        (9.99, breaker.settle),
        (10, breaker.settle),
        (0, hit(False, 0)),
        (12, hit(True, 0)),
    ],
    "a probe lapses": [
        *OPEN,
        (6, probe("a", 1)),
        (65.9, probe("b", 1)),
        (65.9, breaker.settle),
        (66, probe("b", 1)),
        (67, partial(breaker.leave, ticket="a")),
        (67, partial(breaker.leave, ticket="b")),
        (67, breaker.settle),
    ],
    "a probe lapses to the moment": [*OPEN, (6, probe("a")), (65.9, breaker.settle), (66, breaker.settle)],
    "nobody asks for long": [*OPEN, (65.25, breaker.settle), (65.2501, breaker.settle)],
    "a circuit's clock goes back": [
        *((at + 50, step) for at, step in OPEN),
        (56, probe("a")),
        (30, partial(breaker.leave, ticket="b")),
        (20, probe("b")),
        (15, partial(breaker.leave, ticket="a")),
        (10, hit(True, -9)),
        (0, hit(True, 0)),
    ],
    "a slot's end": [(n / 100, hit(n % 7 == 0, 0, window=0.1, least=99)) for n in range(30)],
    "numbers near a slot's end": [
        (n * 0.03, hit(False, 0, window=window, least=99)) for n, window in enumerate((0.3, 0.7, 0.9, 0.3, 1.1, 0.3))
    ],
    "before the clock's zero": [(n / 4 - START - 2, hit(n % 3 == 0, 0, least=99)) for n in range(16)],
    "a budget": [
        *((0, partial(budget.spend, good=0, reserve=2.0, ratio=0.1)) for _ in range(3)),
        (30, partial(budget.earn, good=5, reserve=2.0, ratio=0.1)),
        (30, partial(budget.spend, good=40, reserve=2.0, ratio=0.1, cost=5.0)),
        (31, partial(budget.spend, good=40, reserve=2.0, ratio=0.1, cost=5.0, keep=1.0)),
        (20, partial(budget.spend, good=0, reserve=2.0, ratio=0.1, cost=0.1)),
        (90, partial(budget.spend, good=0, reserve=2.0, ratio=0.1, cost=2)),
        (90, partial(budget.spend, good=0, reserve=0.5, ratio=0.1, cost=0.5)),
        (91, partial(budget.earn, good=3, reserve=5, ratio=0.0)),
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_goes_as_in_python(server: Twins, name: str) -> None:
    """Each step of it, on the state that Python left."""
    server.follow(STORIES[name])
