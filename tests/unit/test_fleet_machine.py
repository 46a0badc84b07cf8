"""A fleet at one gate under any order of events: permits are conserved, and nobody who waits is forgotten.

Must not know how a fleet does it: only what its calls are told, and what stands at the store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from anyint_resilience.guards import sharing
from tests.brief import examples
from tests.unit.fleet_kit import Caller, World

PROCESSES = 3
PATIENCE = 40.0

which = st.integers(0, 30)
spans = st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 15))
ages = st.floats(0, 5)


class Fleet(RuleBasedStateMachine):
    """Calls of several processes ask, wait, go, come back and leave; processes end without a word; time passes."""

    @initialize(most=st.integers(1, 3), ahead=st.sampled_from((0.0, 1e6, -4000.0)))
    def begin(self, most: int, ahead: float) -> None:
        self.world = World(PROCESSES, ahead=ahead)
        self.most = most
        self.dead: dict[str, float] = {}  # what processes that have ended left behind, and until when it may be there

    def those(self, kind: str) -> list[Caller]:
        return [it for process in self.world.processes for it in process.callers if it.kind == kind]

    def some(self, kind: str, number: int) -> Caller:
        found = self.those(kind)
        return found[number % len(found)]

    # what happens

    @rule(process=which, ago=ages, patience=st.floats(0, PATIENCE), u=st.floats(0, 0.99))
    def ask(self, process: int, ago: float, patience: float, u: float) -> None:
        """A call comes by."""
        caller = self.world[process % len(self.world.processes)].caller(ago=ago, patience=patience, most=self.most)
        caller.u = u
        caller.look()

    @precondition(lambda self: self.those("wait"))
    @rule(number=which)
    def look_again(self, number: int) -> None:
        """One wakes up for no reason."""
        self.some("wait", number).look()

    @precondition(lambda self: self.those("go"))
    @rule(number=which, kind=st.sampled_from(("good", "good", "good", "other", "down", "rate")))
    def tell(self, number: int, kind: str) -> None:
        """One comes back."""
        self.some("go", number).told(kind, hint=0.5 if kind == "rate" else None)

    @precondition(lambda self: self.those("go") or self.those("wait"))
    @rule(number=which, kind=st.sampled_from(("go", "wait")))
    def leave(self, number: int, kind: str) -> None:
        """One is cancelled, in line or while it is out."""
        if self.those(kind):
            self.some(kind, number).leave()

    @precondition(lambda self: len(self.world.processes) > 1)
    @rule(number=which)
    def die(self, number: int) -> None:
        """A process ends without a word."""
        process = self.world[number % len(self.world.processes)]
        until = self.world.now + sharing.LEASE
        self.dead.update((it.ticket, until) for it in process.callers)
        process.die()

    @rule(seconds=spans)
    def advance(self, seconds: float) -> None:
        """Time passes; whoever is rung, or said that it would look again, does."""
        self.world.advance(seconds)

    def teardown(self) -> None:
        """Once those who are out come back, everybody goes or is refused, and nothing is left."""
        if not hasattr(self, "world"):
            return
        self.calm_down()
        for _ in range(100):
            for caller in self.those("go"):
                caller.told("good")
            if not self.those("wait"):
                break
            self.world.advance(1.0)
        assert not self.those("wait"), "somebody waits still"
        self.world.advance(sharing.LEASE + 200.0)
        for process in self.world.processes:
            process.shared.come(process.said.append)
            process.shared.sweep(process.clock())
        assert self.world.state() is None
        for process in self.world.processes:
            assert process.shared.calm
            assert not process.fleet.sharing.outs
            assert not process.fleet.gates.asked

    def calm_down(self) -> None:
        """End what troubles the store."""

    # what always holds

    @invariant()
    def nobody_waits_longer_than_it_can(self) -> None:
        """Whoever is in line goes, or is refused by its bound."""
        for caller in self.those("wait") if hasattr(self, "world") else []:
            assert caller.bound + 1e-3 > caller.process.clock()


class Sound(Fleet):
    """While the store answers no more are out than may be, and a permit that is free is somebody's at once."""

    @invariant()
    def permits_are_those_of_calls_that_are_out(self) -> None:
        """Those of a process that has ended lapse; those of one that lives do not."""
        if not hasattr(self, "world"):
            return
        state = self.world.state()
        out = set() if state is None else {name for name, end in state["out"].items() if end > self.world.time()}
        mine = {it.ticket for it in self.those("go")}
        assert mine <= out, "a permit was lost"
        assert all(self.dead.get(it, 0.0) + 1.0 > self.world.now for it in out - mine), "one is nobody's"
        assert len(out) <= self.most, "there are too many"
        assert len(mine) <= self.most

    @invariant()
    def no_permit_lies_idle(self) -> None:
        """Where one is free and nothing closed, nobody waits."""
        if not hasattr(self, "world"):
            return
        self.world.advance(0.0)
        state, now = self.world.state(), self.world.time()
        if not self.those("wait"):
            return
        assert state is not None
        vanished = {it[1] for it in state["line"]} & self.dead.keys()
        if state["cause"] or now < state["until"] or state["after"] > now or vanished:
            return
        room = self.most if state["limit"] is None else min(self.most, max(1.0, state["limit"]))
        assert len(state["out"]) + 1 > room


class Troubled(Fleet):
    """The store is away, slow, or loses what it says to others, now and then, for one process or another."""

    @rule(number=which, up=st.booleans())
    def turn(self, number: int, up: bool) -> None:
        """The way to the store is cut, or mended."""
        self.world[number % len(self.world.processes)].member.turn(up=up)

    @rule(number=which)
    def lag(self, number: int) -> None:
        """It is slower than calls wait, for a moment."""
        self.world[number % len(self.world.processes)].member.lag()

    @rule(number=which)
    def catch_up(self, number: int) -> None:
        """What was on its way arrives."""
        self.world[number % len(self.world.processes)].member.release()

    @rule(number=which, name=st.sampled_from(("gate.ask", "gate.told", "")), how=st.sampled_from(("fails", "lost")))
    def fail(self, number: int, name: str, how: str) -> None:
        """One kind of update fails, or its reply is lost, until further notice."""
        failing: Callable[[str], str] = lambda it: how if it == name else "now"  # noqa: E731
        self.world[number % len(self.world.processes)].member.how = failing

    @rule(seconds=st.floats(-0.2, 0.2))
    def shift(self, seconds: float) -> None:
        """The store's clock is set right."""
        self.world.ahead += seconds

    @rule(deaf=st.booleans())
    def news(self, deaf: bool) -> None:
        """Nobody hears what others did."""
        self.world.deaf = deaf

    def calm_down(self) -> None:
        self.world.deaf = False
        for process in self.world.processes:
            process.member.how = lambda it: "now"
            process.member.turn(up=True)


def case(machine: Any) -> Any:
    """Make a test of a machine."""
    made = machine.TestCase
    made.settings = settings(max_examples=examples(120), stateful_step_count=40)
    return made


TestSound = case(Sound)
TestTroubled = case(Troubled)
