"""The guards' steps in Lua, on a real server: what random events seldom reach, and what a store builds upon.

Must not know what the steps mean: whatever Python gives is right.
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
from anyint_resilience.policy.times import MAX_HINT
from tests.unit.twins_kit import START, Twins, alike, compare, in_python, serving

STEPS = {
    f"{room.__name__.rsplit('.', 1)[-1]}.{name}": getattr(room, name)
    for room in (gate, breaker, budget)
    for name in room.__all__
    if name.islower()
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with serving(tmp_path_factory.mktemp("redis")) as client:
        yield Twins(client)


# --- stories: (seconds after the start, step), one after the other on one state


def ask(ticket: str, since: float = 0.0, within: float = 100.0, **how: Any) -> Any:
    return partial(gate.ask, ticket=ticket, since=START + since, bound=START + within, **how)


def tell(kind: str, began: float, ticket: str = "", **how: Any) -> Any:
    return partial(gate.told, ticket=ticket, kind=kind, began=START + began, **how)


def leave(ticket: str) -> Any:
    return partial(gate.leave, ticket=ticket)


def renew(*tickets: str, lease: float = 50.0) -> Any:
    return partial(gate.renew, tickets=tickets, lease=lease)


BREAKER = {"window": 10.0, "failure_rate": 0.5, "least": 2, "cooldown": 5.0, "u": 0.5}


def hit(good: bool, began: float, ticket: str = "", **how: Any) -> Any:
    return partial(breaker.told, ticket=ticket, good=good, began=START + began, **{**BREAKER, **how})


def probe(ticket: str, probes: int = 2) -> Any:
    return partial(breaker.ask, ticket=ticket, probes=probes)


SHUT = [(0, tell("rate", 0, hint=2.0, flying=10, u=0.5))]
OUTAGE = [(0, tell("down", 0, flying=8, few=1, u=0.5))]
OPEN = [(0, hit(False, 0)), (0, hit(False, 0))]

STORIES: dict[str, list[tuple[float, Any]]] = {
    "a line is let go, a little apart": [
        *SHUT,
        *((0.5, ask(name, since, u=0.25)) for name, since in (("c", 0.3), ("a", 0.1), ("b", 0.2), ("d", 0.4))),
        (1, ask("b", 0.2, u=0.875)),
        *((at, ask(name, since, u=u)) for at in (2, 2.05, 2.2) for name, since, u in (("b", 0.2, 0.5), ("a", 0.1, 0))),
        (3, ask("b", 0.2, u=0.5)),
        (3, ask("c", 0.3, u=0.875)),
        (3.1, ask("e", 0.05, u=0.5)),
        *((4 + n, ask(name, 0.3, u=0.5)) for n, name in enumerate("cde")),
        (9, tell("good", 4, "c")),
    ],
    "those of one moment stand in the order of their bytes": [
        *SHUT,
        *((1, ask(it, 0)) for it in ("b", "B", "a", "10", "9", "é", "ab", "", "z", "ß", "Z", "\U0001f600", "\uffee")),
        *((2.5, ask(it, 0)) for it in ("", "10", "9", "B", "Z", "a", "ab", "b", "z", "ß", "é", "\uffee", "\U0001f600")),
    ],
    "who comes first is the head at once": [
        *SHUT,
        (0.5, ask("b", 0.5)),
        (3, ask("a", 0.1)),
        (3, ask("0", 0.0)),
        (3, ask("c", 0.4)),
    ],
    "a limit is full, and places lapse": [
        (0, ask("a", most=2)),
        (0, ask("b", most=2)),
        (0, ask("c", 0.1, most=2, keep=3.0)),
        (0, ask("d", 0.2, most=2, keep=1.0)),
        (0, ask("e", 0.3, within=0, most=2)),
        (1, ask("c", 0.1, most=2, keep=3.0)),
        (1.5, tell("good", 0, "a")),
        (1.5, ask("d", 0.2, most=2)),
        (4, ask("d", 0.2, most=2)),
        (4.0001, ask("d", 0.2, most=2)),
        (5, leave("b")),
        (5, leave("nobody")),
        (1205, gate.settle),
    ],
    "failures in a row": [
        *OUTAGE,
        (0, ask("a", 0, u=0.5)),
        (0, ask("b", 0.1, u=0.5)),
        *((at, ask(name, 0.1 * (name == "b"), u=0.875)) for at in (0.2, 0.3, 0.9, 2) for name in "ab"),
        (2, tell("other", 1, "a")),
        (2, ask("b", 0.1)),
        (2, tell("down", 1, "b", few=1)),
        (3, tell("rate", 2.5, hint=None, u=0.5)),
        (9, tell("good", 8.5)),
    ],
    "after an outage the limit doubles": [
        *OUTAGE,
        *((5, ask(name, 0.1, u=0.5)) for name in "abc"),
        *((5.5 + n / 10, tell("good", 5, name)) for n, name in enumerate("abcdefghij")),
        (6, ask("w", most=1)),
        (6, ask("v", most=1)),
        *((7 + n / 10, tell("good", 5)) for n in range(8)),
    ],
    "a limit reaches what flew before": [
        *OUTAGE,
        *((5 + n, ask(str(n), most=50, u=0.5)) for n in range(7)),
        (12, tell("good", 11, "0")),
        *((13 + n, tell("good", 12)) for n in range(8)),
    ],
    "one was out before the outage": [
        (0, tell("down", 0, flying=1, few=1, u=0.5)),
        (9, ask("a", u=0.5)),
        (20, tell("good", 9, "a")),
    ],
    "what flew before is forgotten while it is down": [
        (0, tell("rate", 0, hint=2.0, flying=100)),
        (55, tell("down", 55, few=1, u=0.5)),
        (61, tell("good", 50)),
        (62, ask("a", 62, u=0.5)),
        (63, tell("good", 62, "a")),
    ],
    "a limit amid failures": [*OUTAGE, (1, tell("rate", -1, hint=3.0)), (2, tell("rate", 0.5, hint=9.0))],
    "a late answer of before the outage": [*OUTAGE, (0.1, tell("good", -1)), (9, tell("good", -1))],
    "it opens to the moment": [*SHUT, (2, tell("good", 1)), (2, gate.settle)],
    "a first limit, by who is out": [
        *((0, ask(it, most=50)) for it in "abcdefgh"),
        (1, tell("good", 0, "a")),
        (1, tell("rate", 0, "b", u=0.5)),
        (30, tell("good", 29, "c")),
    ],
    "failures, by who is out": [
        *((0, ask(it, most=50)) for it in "abcdefgh"),
        (1, tell("down", 0, "a", few=2, u=0.5)),
        (1, tell("down", 0, "b", few=2, u=0.5)),
    ],
    "a limit grows once half of it is used": [
        (0, tell("rate", 0, hint=2.0, flying=20)),
        *((9, ask(it, most=50)) for it in "abcde"),
        (9, tell("good", 8)),
        (9, ask("f", most=50)),
        (9, tell("good", 8)),
        (9, tell("good", 8)),
    ],
    "one in line makes a limit grow": [
        *SHUT,
        (2, tell("rate", 2, hint=1.0, flying=40)),
        (2.5, ask("w", 2.5)),
        (4, tell("good", 3.5)),
    ],
    "a quota with a named moment": [
        (0, tell("quota", 0, hint=100.0)),
        (0, ask("a")),
        (60, ask("a", u=0.5)),
        (60, ask("b", u=0.5)),
        (119.9, ask("b", u=0.5)),
        (99, ask("b", u=0.5, most=1)),
        (100, ask("b", within=200, u=0.5)),
    ],
    "a quota without one": [
        (0, tell("quota", 0, u=0.5)),
        (4, ask("a", u=0.25)),
        (5, ask("a", u=0.25)),
        (5, ask("b", u=0.25)),
        (64.9, ask("b", u=0.25)),
        (65, ask("b", u=0.25)),
        (66, leave("b")),
        (67, leave("a")),
        (100, ask("c", u=0.25, most=1)),
        (300, ask("d", u=0.25, most=1)),
        (300, tell("good", 299, "c")),
    ],
    "a limit for long": [
        (0, tell("rate", 0, hint=300.0)),
        (1, ask("w", within=400)),
        (1, tell("rate", 0.5, hint=300.5)),
        (2, ask("a", within=400)),
        (61, ask("a", within=400, u=0.5)),
        (62, tell("rate", 61, "a", hint=4000.0)),
        (122, ask("b", within=9000, u=0.5)),
        (123, tell("good", 122, "b")),
    ],
    "it serves, only not so many": [
        (0, tell("rate", 0, u=0.5, flying=10)),
        (9, tell("good", 8)),
        (10, tell("rate", 9.5, u=0.5)),
        (10, ask("a")),
        (10, tell("rate", 9.9, u=0.5, pace=Pace(1.0, 2.0, 20.0, least=1.0))),
        (12, tell("rate", 11, u=0.5)),
    ],
    "the last one for now": [
        (0, tell("rate", 0, u=0.5, flying=10)),
        (9, tell("spent", 8, hint=4.0)),
        (9, tell("spent", 8, hint=400.0)),
        (9, tell("spent", 8)),
    ],
    "a limit that nobody reaches is dropped": [
        (0, tell("rate", 0, hint=2.0, flying=100)),
        (20, tell("good", 19)),
        (59.9, tell("good", 59)),
        (60, tell("good", 59)),
    ],
    "a limit has an upper end": [
        (0, tell("rate", 0, hint=1.0, flying=9000)),
        (2, ask("w", most=1)),
        (2, ask("v", most=1)),
        (3, tell("good", 2)),
    ],
    "the clock goes back": [
        (50, tell("rate", 50, hint=1000.0, flying=3)),
        (50, ask("a", 50)),
        (110, ask("a", 50, u=0.5)),
        (60, ask("b", 50, u=0.5)),
        (60, tell("good", 60, "a")),
        (60, tell("rate", 60, hint=2.0)),
        (61, ask("c", 60)),
        (61, ask("d", 61)),
        (31, ask("d", 31)),
        (31, ask("c", 60)),
        (40, ask("c", 60)),
        (20, gate.settle),
    ],
    "permits are renewed, or lapse": [
        *((0, ask(it, most=9, lease=10.0)) for it in "abc"),
        (5, tell("good", 0, "a", stays=True, lease=10.0)),
        (9, renew("a", "b", "x", "b", lease=10.0)),
        (10, renew()),
        (18.9, gate.settle),
        (19, gate.settle),
    ],
    "paces of all kinds": [
        (n * 70, tell("rate", n * 70, pace=pace, u=0.75, flying=2))
        for n, pace in enumerate(
            (Pace(0, 2, 9), Pace(3, 2, 2), Pace(1, 0.5, 9), Pace(1, 1e200, 20), Pace(1, 3, math.inf), gate.RATES)
        )
    ]
    + [(500 + n, tell("rate", 500 + n, pace=Pace(1, 1.5, 1e9, spread=0.0), u=0.5)) for n in range(3)],
    "an endless row": [(n * 0.25, tell("rate", n * 0.25, pace=Pace(1e-9, 2, 1e15), u=0.9)) for n in range(70)],
    "a call that waits for ever": [*SHUT, (1, ask("a", within=math.inf)), (1, ask("b", within=2 * MAX_HINT))],
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
    state: Any = None
    for after, step in STORIES[name]:
        now = START + after
        mine = in_python(step, state, now)
        compare(step, state, now, mine, server.run(step, state, now))
        state = mine.state


def test_leases_lapse_each_at_its_own_time(server: Twins) -> None:
    """A map has no order in Lua: a permit for long does not keep another one from lapsing."""
    state = None
    for ticket, lease in (("long", 100.0), ("short", 10.0), ("middle", 50.0)):
        state = server.run(ask(ticket, most=9, lease=lease), state, START).state
    for after, left in ((9.9, 3), (10, 2), (50, 1), (99, 1)):
        held = server.run(gate.settle, state, START + after).state
        assert held is not None
        assert len(held["out"]) == left


# --- what a store builds upon


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
    there = {"cause": "", "until": 5.0, "shut": 1.0, "probe": 0.0, "named": False, "bad": 0, "limited": False}
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
        (None, {"open": 0.0, "probing": 0}, True),
        ({"open": 0.0, "probing": 0}, {"open": 0.0, "probing": 2}, False),
        ({"open": 0.0, "probing": 0}, {"open": 0.0001, "probing": 0}, True),
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
        ("gate:k", SHUT[0][1], brief_of(cause="rate", until=START + 2, shut=START, limited=True)),
        ("gate:k", ask("a", most=1), brief_of(until=0.0, shut=0.0)),
        ("gate:k", tell("down", 0, few=9), brief_of(until=0.0, shut=0.0, bad=1)),
        ("gate:k", tell("quota", 0, hint=90.0), brief_of(cause="quota", until=START + 90, shut=START, named=True)),
        ("gate:k", gate.settle, None),
        ("breaker:k", hit(False, 0), {"open": 0.0, "probing": 0}),
        ("breaker:k", hit(False, 0, least=1), {"open": START + 5.25, "probing": 0}),
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
