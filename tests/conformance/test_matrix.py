"""The conformance matrix: every scenario on every client, against a real gateway on a real socket.

``python -m tests.conformance.matrix`` runs this module and prints the matrix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brief import BRIEF, GATE, one_each
from tests.conformance.emitted import Emitted
from tests.conformance.lessons import ELSEWHERE, LESSONS
from tests.conformance.playing import Places, places, play
from tests.conformance.scenario import Scenario
from tests.conformance.scenarios import TOPICS, case
from tests.conformance.surfaces import EVERY, Surface
from tests.conformance.telemetry import check

TESTS = Path(__file__).parent.parent
SCENARIOS = [scenario for held in TOPICS.values() for scenario in held]
CASES = [
    pytest.param(scenario, surface, id=case(topic, scenario, surface), marks=surface.param().marks)
    for topic, held in TOPICS.items()
    for scenario in held
    for surface in EVERY
]


STOOD_FOR = [it for it in CASES if one_each(it.values[1])]
OBSERVED = STOOD_FOR[:: 5 if BRIEF else 1]  # another client each time
ALONE = STOOD_FOR
if GATE:  # each case once: of each scenario half of the clients are looked on at, of the next one the other half
    OBSERVED, ALONE = ([it for at, it in enumerate(CASES) if (at + at // len(EVERY)) % 2 == half] for half in (0, 1))


@pytest.fixture(scope="module")
def at() -> Iterator[Places]:
    with places() as hosts:
        yield hosts


@pytest.mark.parametrize(("scenario", "surface"), ALONE)
def test_scenario(scenario: Scenario, surface: Surface, at: Places) -> None:
    """All that a scenario's row says is so on this client."""
    why = scenario.why_not(surface)
    if why is not None:
        pytest.skip(f"{surface} cannot: {why}")
    play(scenario, surface, at)


@pytest.mark.parametrize(("scenario", "surface"), OBSERVED)
def test_observed(scenario: Scenario, surface: Surface, at: Places) -> None:
    """It is so when somebody looks on, too, and spans, metrics, events and log say what the report says."""
    why = scenario.why_not(surface)
    if why is not None:
        pytest.skip(f"{surface} cannot: {why}")
    with Emitted() as emitted:
        check(play(scenario, surface, at, emitted), at, emitted)


def test_every_lesson_is_kept() -> None:
    """Each row of the lessons has a scenario, or a place elsewhere that is there, or a reason."""
    covered = {row for scenario in SCENARIOS for row in scenario.lessons}
    assert covered | set(ELSEWHERE) == set(LESSONS)
    assert covered & set(ELSEWHERE) == set()
    named = {place for where in ELSEWHERE.values() for place in re.findall(r"tests/([\w/]+\.py)", where)}
    assert [place for place in sorted(named) if not (TESTS / place).is_file()] == []


def test_the_table_is_in_order() -> None:
    """No scenario has another's name or is another's twin, and what a client cannot is said of a client there is."""
    assert len(SCENARIOS) >= 60
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert len({repr((it.asks, it.faults, it.anyint, it.client, it.check)) for it in SCENARIOS}) == len(SCENARIOS)
    known = {name for surface in EVERY for name in (str(surface), surface.library)}
    assert {name for scenario in SCENARIOS for name in scenario.cannot} <= known
