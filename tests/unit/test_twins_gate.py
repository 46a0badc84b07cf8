"""The gate's twin goes as the gate does: stories that reach what random events seldom do.

Must not know what the steps mean: whatever Python gives is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from anyint_resilience.guards import gate
from anyint_resilience.guards.opening import Pace
from anyint_resilience.policy.times import MAX_HINT
from tests.unit.twins_kit import START, Twins, ask, leave, renew, serving, tell


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with serving(tmp_path_factory.mktemp("redis")) as client:
        yield Twins(client)


SHUT = [(0, tell("rate", 0, hint=2.0, flying=10, u=0.5))]
OUTAGE = [(0, tell("down", 0, flying=8, few=1, u=0.5))]

# Seconds after the start, and a step.
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
        (1, gate.settle),
        *((2.5, ask(it, 0)) for it in ("", "10", "9", "B", "Z", "a", "ab", "b", "z", "ß", "é", "\uffee", "\U0001f600")),
    ],
    "two go one after the other": [
        (0, tell("rate", 0, hint=5.0, flying=50)),
        (1, ask("b", 0.2)),
        (1, ask("c", 0.3)),
        (5.125, ask("b", 0.2, u=0.5)),
        (5.25, ask("c", 0.3, u=0.5)),
        (5.375, ask("a", 0.1, u=0.875)),
        (5.5, ask("c", 0.3, u=0.875)),
        (5.75, ask("c", 0.3, u=0.875)),
    ],
    "it can wait until it opens, and no longer": [
        *SHUT,
        (1, ask("a", within=2)),
        (1, ask("b", within=1.999)),
        (1, ask("c", within=1)),
        (2, ask("a", within=2, u=0.5)),
    ],
    "a place lapses behind the head, and the clock goes back": [
        *SHUT,
        (1, ask("a", 0, keep=90.0, within=1000)),
        (1, ask("b", 0.1, keep=9.0, within=1000)),
        (1, ask("c", 0.2, keep=90.0, within=1000)),
        (1, tell("rate", 1, hint=200.0)),
        (50, leave("a")),
        (30, gate.settle),
    ],
    "a limit does not hold up the probes": [
        (0, tell("rate", 0, hint=2.0, flying=2)),
        (3, tell("down", 3, few=1, u=0.5)),
        *((9 + 9 * n, ask(str(n), 9, u=0.5)) for n in range(3)),
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
        (2, ask("w", within=400)),
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
}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_goes_as_in_python(server: Twins, name: str) -> None:
    """Each step of it, on the state that Python left."""
    server.follow(STORIES[name])


def test_leases_lapse_each_at_its_own_time(server: Twins) -> None:
    """A map has no order in Lua: a permit for long does not keep another one from lapsing."""
    state = None
    for ticket, lease in (("long", 100.0), ("short", 10.0), ("middle", 50.0)):
        state = server.run(ask(ticket, most=9, lease=lease), state, START).state
    for after, left in ((9.9, 3), (10, 2), (50, 1), (99, 1)):
        held = server.run(gate.settle, state, START + after).state
        assert held is not None
        assert len(held["out"]) == left
