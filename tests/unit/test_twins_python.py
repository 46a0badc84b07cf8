"""The Lua twins of the guards' steps, seen from Python: what is run for a step, and how its verdict is read.

Must not need a server: what the twins themselves do is ``test_twins.py``'s.
"""

from __future__ import annotations

import json
import math
from functools import partial
from importlib.resources import files
from typing import Any

import pytest

from anyint_resilience.guards import breaker, budget, gate, twins
from anyint_resilience.guards.opening import Pace
from anyint_resilience.guards.twins import Twin
from tests.unit.twins_kit import BRIEFS, NEWS, START, alike


def test_every_file_is_part_of_the_text() -> None:
    """None is forgotten, and nothing else is there."""
    texts = [it.read_text("utf-8") for it in (files("anyint_resilience.guards") / "lua").iterdir()]
    assert len(texts) == 5
    left = twins.source()
    for text in texts:
        assert text.isascii()  # so it is the same in whatever coding it is read and sent
        assert left.count(text) == 1
        left = left.replace(text, "")
    assert left.strip() == ""


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
        (partial(gate.fresh, now=1.0), None),
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
        ("budget.earn", "1e+299", math.inf),
        ("budget.earn", "9.9e+298", 9.9e298),
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


@pytest.mark.parametrize(("before", "after", "news"), NEWS)
def test_what_others_must_know_at_once(before: Any, after: Any, news: bool) -> None:
    """What closed it, whether it is limited, and until when; the rest can wait."""
    assert twins.is_news(before, after) is news


@pytest.mark.parametrize(("key", "step", "brief"), BRIEFS)
def test_what_others_are_told(key: str, step: Any, brief: Any) -> None:
    """Of a budget nothing."""
    assert alike(twins.brief(key, step(None, START)[0]), brief)


def test_nothing_else_is_told() -> None:
    """A task's state is its owner's."""
    assert twins.brief("task:k", {"open": 1.0, "probes": {}}) is None
