"""The list of all scenarios, by topic. Must not know how one is played."""

from __future__ import annotations

from tests.conformance import (
    scenarios_bodies,
    scenarios_failures,
    scenarios_guards,
    scenarios_keys,
    scenarios_limits,
    scenarios_lost,
    scenarios_policy,
    scenarios_streams,
    scenarios_tasks,
)
from tests.conformance.scenario import Scenario

TOPICS: dict[str, list[Scenario]] = {
    **scenarios_limits.TOPICS,
    **scenarios_failures.TOPICS,
    **scenarios_lost.TOPICS,
    **scenarios_tasks.TOPICS,
    **scenarios_bodies.TOPICS,
    **scenarios_keys.TOPICS,
    **scenarios_policy.TOPICS,
    **scenarios_guards.TOPICS,
    **scenarios_streams.TOPICS,
}
"""Every scenario, in the order of the printed matrix."""


def case(topic: str, scenario: Scenario, surface: object) -> str:
    """Return the name of one cell of the matrix, by which a test is found again."""
    return f"{topic}: {scenario.name} on {surface}"
