"""The Lua twins of the guards' steps on a server: which there are, and what it tells other processes.

Must not know any of our stores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from anyint_resilience.guards import breaker, budget, gate, twins
from anyint_resilience.guards.twins import Twin
from tests.unit.twins_kit import BRIEFS, NEWS, START, Twins, alike, serving

STEPS = {
    f"{room.__name__.rsplit('.', 1)[-1]}.{name}": getattr(room, name)
    for room in (gate, breaker, budget)
    for name in room.__all__
    if name.islower() and name != "inherit"  # which runs where there is no store
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with serving(tmp_path_factory.mktemp("redis")) as client:
        yield Twins(client)


def test_every_step_has_a_twin(server: Twins) -> None:
    """And nothing else is there."""
    names = server.evaluate("local names = {} for it in pairs(steps) do names[#names + 1] = it end return names")
    assert {it.decode() for it in names} == set(STEPS)
    for name, step in STEPS.items():
        assert twins.twin_of(partial(step, ticket="a")) == Twin(name, {"ticket": "a"})


LOOKS = ['","line":{},"', "line", "slots", '\\"line":{}', "line:{}", "a\nb", "\x00", "/"]


def test_a_ticket_may_look_like_anything(server: Twins) -> None:
    """An empty list is written as one, whatever stands in the text besides."""
    state = None
    for ticket in LOOKS:
        state = server.run(partial(gate.ask, ticket=ticket, since=1, bound=2, most=99), state, START).state
    assert state is not None
    assert list(state["out"]) != []
    assert set(state["out"]) == set(LOOKS)
    assert state["line"] == []


@pytest.mark.parametrize(("before", "after", "news"), NEWS)
def test_what_others_must_know_at_once(server: Twins, before: Any, after: Any, news: bool) -> None:
    """The same as in Python (``test_twins_python.py``)."""
    chunk = "local it = cjson.decode(ARGV[1]) return is_news(some(it[1]), some(it[2])) and 1 or 0"
    assert server.evaluate(chunk, json.dumps([before, after])) == int(news)


@pytest.mark.parametrize(("key", "step", "brief"), BRIEFS)
def test_what_others_are_told(server: Twins, key: str, step: Any, brief: Any) -> None:
    """The same as in Python (``test_twins_python.py``)."""
    found = server.run(step, None, START)
    assert alike(found.brief, brief)
    assert found.news is (brief is not None)
