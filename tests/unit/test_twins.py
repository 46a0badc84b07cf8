"""The Lua twins of the guards' steps: how a store finds and reads them, and what it tells other processes.

Must not know any of our stores.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from typing import Any

import pytest

from anyint_resilience.guards import breaker, budget, gate, twins
from anyint_resilience.guards.opening import Pace
from anyint_resilience.guards.twins import Twin
from tests.unit.twins_kit import START, Twins, alike, ask, hit, serving, tell

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


def test_every_file_is_part_of_the_text() -> None:
    """None is forgotten."""
    texts = [it.read_text("utf-8") for it in (files("anyint_resilience.guards") / "lua").iterdir()]
    assert len(texts) == 5
    assert all(text in twins.source() for text in texts)


@pytest.mark.parametrize(
    ("step", "twin"),
    [
        (gate.settle, Twin("gate.settle", {})),
        (breaker.settle, Twin("breaker.settle", {})),
        (partial(gate.settle), Twin("gate.settle", {})),
        (partial(partial(budget.earn, good=1), ratio=math.inf), Twin("budget.earn", {"good": 1, "ratio": 1e300})),
        (partial(gate.leave, ticket="a"), Twin("gate.leave", {"ticket": "a"})),
        (
            partial(gate.told, pace=Pace(1.0, 2.0, math.inf), began=-math.inf, hint=None, stays=True),
            Twin(
                "gate.told",
                {"pace": [1.0, 2.0, 1e300, 1.0, 0.0], "began": -1e300, "hint": None, "stays": True},
            ),
        ),
        (partial(gate.renew, tickets=("a", "b"), lease=60), Twin("gate.renew", {"tickets": ["a", "b"], "lease": 60})),
        (gate.ask, None),
        (partial(gate.leave, None, ticket="a"), None),
        (partial(gate.fresh, x=1), None),
        (lambda state, now: (state, now), None),
        (max, None),
    ],
)
def test_what_is_run_for_a_step(step: Any, twin: Twin | None) -> None:
    """Its name and its arguments, fit for JSON; anything else is run by whoever has it."""
    found = twins.twin_of(step)
    assert found == twin
    if found is not None:
        json.dumps(found.args, allow_nan=False)


@pytest.mark.parametrize(
    ("name", "raw", "verdict"),
    [
        ("gate.ask", '{"kind":"go","at":5,"why":"","ring":["b"]}', gate.Passage("go", 5.0, "", ("b",))),
        ("gate.ask", '{"kind":"refuse","at":1e+300,"why":"full","ring":{}}', gate.Passage("refuse", math.inf, "full")),
        ("gate.told", '{"shut":"rate","opened":false,"ring":{}}', gate.Told("rate")),
        ("gate.leave", '{"shut":"","opened":false,"ring":["a"]}', gate.Told(ring=("a",))),
        ("gate.settle", '{"shut":"","opened":true,"ring":[]}', gate.Told(opened=True)),
        ("gate.renew", "2", 2),
        ("breaker.ask", '{"go":false,"at":1.05e+300,"probe":false}', breaker.Passage(False, math.inf)),
        ("breaker.ask", '{"go":true,"at":0,"probe":true}', breaker.Passage(True, probe=True)),
        ("breaker.told", '"opened"', "opened"),
        ("breaker.leave", '""', ""),
        ("budget.earn", "1e+300", math.inf),
        ("budget.earn", "1.25", 1.25),
        ("budget.spend", "true", True),
        ("else", "[1, [2]]", (1, (2,))),
    ],
)
def test_what_a_verdict_is_in_python(name: str, raw: str, verdict: Any) -> None:
    """As the step itself would have given it."""
    found = twins.verdict_of(name, json.loads(raw))
    assert (found, type(found)) == (verdict, type(verdict))
    if isinstance(verdict, (gate.Passage, breaker.Passage)):
        assert type(found.at) is float


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


def brief_of(**how: Any) -> dict[str, Any]:
    there = {
        "cause": "",
        "until": 5.0,
        "shut": 1.0,
        "probe": 0.0,
        "named": False,
        "limited": False,
        "limit": None,
    }
    return {**there, **how}


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (None, None, False),
        (None, brief_of(), True),
        (brief_of(), None, True),
        (brief_of(), brief_of(), False),
        (brief_of(), brief_of(shut=2.0, named=True, bad=3), False),
        (brief_of(), brief_of(cause="rate"), True),
        (brief_of(), brief_of(limited=True), True),
        (brief_of(), brief_of(until=5.0009), False),
        (brief_of(), brief_of(until=4.9991), False),
        (brief_of(), brief_of(until=5.0011), True),
        (brief_of(), brief_of(until=4.9989), True),
        (brief_of(), brief_of(probe=0.0009), False),
        (brief_of(), brief_of(probe=0.0011), True),
        (None, {"open": 0.0}, True),
        ({"open": 0.0}, {"open": 0.0, "more": 2}, False),
        ({"open": 0.0}, {"open": 0.0001}, True),
    ],
)
def test_what_others_must_know_at_once(server: Twins, before: Any, after: Any, news: bool) -> None:
    """The same in both."""
    chunk = "local it = cjson.decode(ARGV[1]) return is_news(some(it[1]), some(it[2])) and 1 or 0"
    assert twins.is_news(before, after) is news
    assert server.evaluate(chunk, json.dumps([before, after])) == int(news)


@pytest.mark.parametrize(
    ("key", "step", "brief"),
    [
        (
            "gate:k",
            tell("rate", 0, hint=2.0, flying=10, u=0.5),
            brief_of(cause="rate", until=START + 2, shut=START, limited=True, limit=7.0),
        ),
        ("gate:k", ask("a", most=1), brief_of(until=0.0, shut=0.0)),
        ("gate:k", tell("down", 0, few=9), brief_of(until=0.0, shut=0.0)),
        ("gate:k", tell("quota", 0, hint=90.0), brief_of(cause="quota", until=START + 90, shut=START, named=True)),
        ("gate:k", gate.settle, None),
        ("breaker:k", hit(False, 0), {"open": 0.0}),
        ("breaker:k", hit(False, 0, least=1), {"open": START + 5.25}),
        ("budget:k", partial(budget.earn, good=1, reserve=2, ratio=1), None),
    ],
)
def test_what_others_are_told(server: Twins, key: str, step: Any, brief: Any) -> None:
    """The same in both; of a budget nothing."""
    if brief is not None and brief.get("cause") == "quota":
        brief["probe"] = START + 60
    assert alike(twins.brief(key, step(None, START)[0]), brief)
    found = server.run(step, None, START)
    assert alike(found.brief, brief)
    assert found.news is (brief is not None)


def test_nothing_else_is_told() -> None:
    """A task's state is its owner's."""
    assert twins.brief("task:k", {"open": 1.0, "probes": {}}) is None
