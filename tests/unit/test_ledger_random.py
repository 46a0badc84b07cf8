"""A ledger beside a store that is away, fails and forgets, in random order: what this process knows holds creates back.

Must not know how the ledger does it. The model is what anybody can count: creates on their way, unknown, made.
"""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from anyint_resilience import Certainty
from anyint_resilience.stores.protocol import StoreError
from tests.unit.books_kit import Desk

KEY = "create:i"
STEPS = ("begin", "settle", "withdraw", "_restored", "forget", "_known")
MADE = {"answer": {"status": 200, "type": "application/json", "document": {}}}


class Model:
    """One process, one intent, and all that may happen."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.desk = Desk(strict=chance.random() < 0.5)
        self.flying: set[str] = set()
        self.unknown: set[str] = set()
        self.made: set[str] = set()
        self.done: list[tuple[str, ...]] = []

    def enter(self) -> None:
        again = self.chance.choice(("", "replay"))
        try:
            kind = self.desk.enter(again=again)
        except StoreError:
            kind = "not recorded"  # a strict ledger's: nothing goes out
        self.done.append(("enter", again, kind, self.desk.last))
        if kind == "go":
            assert not self.unknown, self.done
            assert not (again and (self.flying or self.made)), self.done
            self.flying.add(self.desk.last)

    def leave(self, *, later: bool) -> None:
        if not self.flying:
            return
        ident = self.chance.choice(sorted(self.flying))
        certainty = self.chance.choice(list(Certainty))
        more = MADE if certainty is Certainty.COMMITTED else {}
        if later:
            self.desk.ledger.later(KEY, self.desk.left(certainty, ident=ident, **more))
        else:
            self.desk.leave(certainty, ident=ident, **more)
        self.flying.remove(ident)
        if certainty is Certainty.UNKNOWN:
            self.unknown.add(ident)
        if certainty is Certainty.COMMITTED:
            self.made.add(ident)
        self.done.append(("leave", str(certainty), ident, "later" if later else "at once"))

    def forget(self) -> None:
        with suppress(StoreError):
            self.desk.ledger.forget("i")
        self.unknown.clear()

    def happen(self, what: str) -> None:
        store = self.desk.elsewhere
        if what == "away":
            store.away = True
        elif what == "fails":
            store.fails = {self.chance.choice(STEPS)}
        elif what == "back":
            store.away, store.fails = False, set()
        elif what == "lose":
            store.lose()
        elif what == "beat":
            with suppress(StoreError):  # as its member does
                store.member.beat()
        elif not store.away:
            store.member.release()
        self.done.append((what,))

    def step(self) -> None:
        """One thing more."""
        what = self.chance.choices(
            ("enter", "leave", "later", "forget", "away", "fails", "back", "lose", "beat", "release"),
            (6, 4, 2, 1, 2, 2, 3, 1, 2, 2),
        )[0]
        if what == "enter":
            self.enter()
        elif what in ("leave", "later"):
            self.leave(later=what == "later")
        elif what == "forget":
            self.forget()
        else:
            self.happen(what)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_goes_out_that_this_process_knows_to_be_unknown_on_its_way_or_made(seed: int) -> None:
    """Found so: a store that lost all twice, one that was told late, one that was told what was so no longer."""
    for number in range(250):
        model = Model(random.Random(1000 * seed + number))
        for _ in range(24):
            model.step()
