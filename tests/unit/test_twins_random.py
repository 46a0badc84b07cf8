"""The guards' steps and their Lua twins, on a real server: any order of events gives the same, one after the other.

Must not know what the steps mean: whatever Python gives is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyint_resilience.guards import breaker, budget, gate
from anyint_resilience.guards.opening import CALM, Pace
from anyint_resilience.policy.times import MAX_HINT
from tests.brief import examples
from tests.unit.twins_kit import START, Result, Twins, compare, in_python, serving

TICKETS = ("a", "B", "c", "10", "9", "é", "a b")
PACES = (
    gate.RATES,
    Pace(1.0, 2.0, 20.0, least=0.5),
    Pace(0.0, 2.0, 20.0),
    Pace(400.0, 2.0, 800.0),
    Pace(8.0, 0.5, 9.0),  # it sinks
    Pace(30.0, 2.0, 20.0),
    Pace(1.0, 3.0, math.inf),
    Pace(1.0, 1e200, 50.0),  # it leaves the floats
)
KINDS = ("good", "good", "good", "rate", "rate", "spent", "down", "down", "down", "quota", "other")

units = st.sampled_from((0.0, 0.25, 0.5, 0.875, 0.999))
moves = st.sampled_from((0.0, 0.0, 0.25, 1.0, 3.0, 20.0, 61.0, 400.0, -0.5, -30.0))
agos = st.sampled_from((0.0, 0.0, 0.5, 2.0, 30.0, -1.0))


def edges(state: dict[str, Any] | None) -> list[float]:
    """Return the moments at which something about a state changes."""
    if state is None:
        return []
    if "line" in state:
        named = [state["until"], state["probe"], state["after"], state["probed"] + gate.PROBE_LEASE]
        ends = [*state["out"].values(), *(it[2] for it in state["line"]), state["shut"], state["at"]]
        return [*named, *ends, state["cut"] + CALM, state["heard"] + CALM]
    if "slots" in state:
        span = state["window"] / breaker.SLOTS
        slots = [(it[0] + off) * span for it in state["slots"] for off in (0, 1, 9, 10, 11)]
        return [state["open"], state["open"] + breaker.LEASE, *state["probes"].values(), *slots]
    return []


class Play:
    """A sequence of steps on one state, with a clock that moves by itself or to where something changes."""

    def __init__(self, draw: Any, *, exact: bool) -> None:
        self.draw, self.exact = draw, exact
        self.now, self.state = START, None
        self.steps: list[tuple[Any, Any, float]] = []
        self.results: list[Result] = []

    def of(self, strategy: Any) -> Any:
        return self.draw(strategy)

    def among(self, *these: Any) -> Any:
        return self.draw(st.sampled_from(these))

    def advance(self) -> None:
        there = [it for it in edges(self.state) if self.now - 100 < it < self.now + 5000]
        if there and not self.exact and self.of(st.integers(0, 2)) == 0:
            self.now = self.of(st.sampled_from(there))
        else:
            self.now = max(1.0, self.now + self.of(moves))

    def run(self, step: Any) -> None:
        result = in_python(step, self.state, self.now)
        self.steps.append((step, self.state, self.now))
        self.results.append(result)
        self.state = result.state


class GatePlay(Play):
    """One lease for all permits: Python takes them to lapse in the order in which they were given."""

    def __init__(self, draw: Any, *, exact: bool) -> None:
        super().__init__(draw, exact=exact)
        self.lease = self.among({}, {"lease": 5.0}, {"lease": 90.0})
        self.most = self.among(None, None, 1, 3)
        self.sinces: dict[str, float] = {}

    def one(self) -> None:
        self.advance()
        which = self.of(st.integers(0, 11))
        (*(self.ask, self.tell) * 4, self.ask, self.leave, self.renew, self.settle)[which]()

    def began(self) -> float:
        shut = START if self.state is None else self.state["shut"]
        return self.among(self.now, self.now, self.now - 0.5, shut, shut - 1.0)

    def ask(self) -> None:
        held = set() if self.state is None else set(gate.fresh(self.state, self.now)["out"])
        ticket = self.among(*(it for it in TICKETS if it not in held), "z")
        if ticket in held:
            return
        since = self.sinces.setdefault(ticket, math.floor(self.now) - self.of(agos))
        how = {"u": self.of(units)} if self.of(st.booleans()) else {}
        keep = self.among({}, {"keep": None}, {"keep": 2.0}, {"keep": 40.0})
        bound = self.now + self.among(0.0, 1.0, 10.0, 60.0, 3000.0, -1.0, math.inf)
        step = partial(gate.ask, ticket=ticket, since=since, bound=bound, most=self.most)
        self.run(partial(step, **how, **keep, **self.lease))
        if self.of(st.integers(0, 7)) == 0:
            self.sinces.pop(ticket)

    def tell(self) -> None:
        held = () if self.state is None else tuple(self.state["out"])
        ticket = self.among(*held, *held, "fast")
        how = {
            "pace": self.among(*PACES),
            "few": self.among(1, 2, 3),
            "u": self.of(units),
            "flying": self.among(0, 3, 40, 5000),
            "stays": self.of(st.booleans()),
            "hint": self.among(None, None, None, 0.5, 2.0, 30.0, 300.0, 400.0, MAX_HINT),
        }
        given = {name: it for name, it in how.items() if self.of(st.integers(0, 3))}
        step = partial(gate.told, ticket=ticket, kind=self.among(*KINDS), began=self.began(), **given, **self.lease)
        for _ in range(self.among(1, 1, 1, 3)):
            self.run(step)

    def leave(self) -> None:
        there = () if self.state is None else (*self.state["out"], *(it[1] for it in self.state["line"]))
        self.run(partial(gate.leave, ticket=self.among(*there, "nobody")))

    def renew(self) -> None:
        there = () if self.state is None else tuple(self.state["out"])
        lease = self.lease.get("lease", gate.LEASE)
        self.run(partial(gate.renew, tickets=(*there[:2], "nobody", *there[:1]), lease=lease))

    def settle(self) -> None:
        self.run(self.among(gate.settle, partial(gate.settle)))


class BreakerPlay(Play):
    def __init__(self, draw: Any, *, exact: bool) -> None:
        super().__init__(draw, exact=exact)
        self.how = {
            "window": self.among(10.0, 10.0, 0.5, 60),
            "failure_rate": self.among(0.5, 0.5, 1, 0.01),
            "least": self.among(2, 4),
            "cooldown": self.among(5.0, 100.0),
        }

    def one(self) -> None:
        self.advance()
        ticket = self.among(*TICKETS[:4])
        which = self.of(st.integers(0, 9))
        if which < 5:
            since = START if self.state is None else self.state["since"]
            began = self.among(self.now, self.now, since, since - 1.0)
            more = self.among({}, {"more": 1}, {"more": 7})
            good, u = self.among(True, False, False), self.of(units)
            self.run(partial(breaker.told, ticket=ticket, good=good, began=began, u=u, **self.how, **more))
        elif which < 8:
            self.run(partial(breaker.ask, ticket=ticket, probes=self.among(1, 2)))
        elif which == 8:
            self.run(partial(breaker.leave, ticket=ticket))
        else:
            self.run(breaker.settle)


class BudgetPlay(Play):
    def __init__(self, draw: Any, *, exact: bool) -> None:
        super().__init__(draw, exact=exact)
        self.how = {"reserve": self.among(2.0, 0.0, 5), "ratio": self.among(0.1, 0.0, 2)}

    def one(self) -> None:
        self.advance()
        good = self.among(0, 1, 30)
        if self.of(st.booleans()):
            self.run(partial(budget.earn, good=good, **self.how))
        else:
            extra = self.among({}, {"cost": 5.0}, {"cost": 0.1}, {"keep": 1.0}, {"cost": 2, "keep": 0.5})
            self.run(partial(budget.spend, good=good, **self.how, **extra))


PLAYS = {"gate": (GatePlay, 150), "breaker": (BreakerPlay, 60), "budget": (BudgetPlay, 25)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with serving(tmp_path_factory.mktemp("redis")) as client:
        yield Twins(client)


def played(play: type[Play], data: Any, *, exact: bool) -> Play:
    it = play(data.draw, exact=exact)
    for _ in range(data.draw(st.integers(1, 40))):
        it.one()
    return it


@pytest.mark.parametrize("name", PLAYS)
def test_a_twin_gives_what_the_step_gives(server: Twins, name: str) -> None:
    """New state, verdict, brief and news: each on the state that Python left, at moments where something changes."""
    play, many = PLAYS[name]

    @settings(max_examples=examples(many))
    @given(st.data())
    def holds(data: Any) -> None:
        it = played(play, data, exact=False)
        for step, mine, its in zip(it.steps, it.results, server.run_all(it.steps), strict=True):
            compare(*step, mine, its)

    holds()


@pytest.mark.parametrize("name", PLAYS)
def test_twins_go_on_from_what_they_wrote(server: Twins, name: str) -> None:
    """The states that a server has written itself lead to the same verdicts as those of Python."""
    play, many = PLAYS[name]

    @settings(max_examples=examples(many // 4))
    @given(st.data())
    def holds(data: Any) -> None:
        it, own = played(play, data, exact=True), None
        for (step, state, now), mine in zip(it.steps, it.results, strict=True):
            its = server.run(step, own, now)
            compare(step, state, now, mine, its)
            own = its.state

    holds()
