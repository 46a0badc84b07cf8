"""A store that lives elsewhere, as a ledger sees it, in memory: leases, losses, youth and a member.

Must not know any test, nor what a state means. What was asked of it is noted; what fails is said by the steps' names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from anyint_resilience.stores.flows import Flow, Pending, waited
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.tasks.ledger import Ledger
from tests.unit.store_kit import Clock
from tests.unit.test_ledger import WINDOW, Books, Shaky

__all__ = ["Asked", "Desk", "Elsewhere", "Noted", "noted"]


class Asked(NamedTuple):
    """One update, as the store or its member was asked for it."""

    key: str
    step: Any
    ttl: float
    patience: float | None
    again: bool

    @property
    def name(self) -> str:
        return str(getattr(self.step, "func", self.step).__name__)


class Member:
    """A process's part in it: what is posted waits until a test lets it go."""

    def __init__(self, store: Elsewhere) -> None:
        self._store = store
        self.posts: list[Asked] = []
        self.spawned = 0
        self._regulars: list[Callable[[], object]] = []

    def posting(self, key: str, step: Any, ttl: float, *, again: bool = False) -> None:
        self.posts.append(Asked(key, step, ttl, None, again))

    def now_and_then(self, what: Callable[[], object]) -> None:
        self._regulars.append(what)

    def spawn(self, flow: Flow) -> None:
        self.spawned += 1
        waited(flow)

    def beat(self) -> None:
        """Do what a member does every few seconds, but for what was posted."""
        for it in self._regulars:
            it()

    def release(self) -> list[str]:
        """Have all run that was posted; return the names of the steps."""
        posts, self.posts = self.posts, []
        for it in posts:
            self._store.held.update(it.key, it.step, it.ttl)
        return [it.name for it in posts]


class Elsewhere:
    """The store. ``away``: nothing is answered; ``fails``: names of steps that are not."""

    leased = True
    owner = "p"

    def __init__(self, clock: Clock, *, losses: int = 0) -> None:
        self.held = MemoryStore(clock)
        self.member = Member(self)
        self.losses = losses
        self.young_keys: set[str] = set()
        self.away = False
        self.fails: set[str] = set()
        self.asked: list[Asked] = []

    def lose(self) -> None:
        """Begin anew, empty."""
        self.held.close()
        self.losses += 1

    def young(self, key: str) -> bool:
        return key in self.young_keys

    def gone(self, owner: str) -> bool:
        return False

    def updating(
        self, key: str, step: Any, ttl: float, patience: float | None = None, *, again: bool = False
    ) -> Pending:
        asked, pending = Asked(key, step, ttl, patience, again), Pending("elsewhere", 0.0)
        self.asked.append(asked)
        if self.away or asked.name in self.fails:
            pending.tell(error=StoreError("away"))
        else:
            pending.tell(self.held.update(key, step, ttl))
        return pending

    def update(self, key: str, step: Any, ttl: float) -> Any:
        return self.updating(key, step, ttl, 5.0).wait()

    def scan(self, prefix: str) -> Any:
        return self.held.scan(prefix)

    def close(self) -> None: ...


class Noted(MemoryStore):
    """A process's own memory, which notes what it is asked for."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.asked: list[tuple[str, float]] = []

    def update(self, key: str, step: Any, ttl: float) -> Any:
        self.asked.append((key, ttl))
        return super().update(key, step, ttl)

    def fates(self) -> dict[str, list[str]]:
        """Return what became of the creates it knows, by intent."""
        return {
            key.removeprefix("create:"): [it["fate"] for it in state["creates"]] for key, state in self.scan("create:")
        }


class Desk(Books):
    """A ledger on a store that lives elsewhere, and what was told of its failures."""

    def __init__(self, *, losses: int = 0, **more: Any) -> None:
        super().__init__()
        self.elsewhere = Elsewhere(self.clock, losses=losses)
        self.store = Shaky(self.elsewhere.held)
        self.own = self.spare = Noted(self.clock)
        self.ledger = Ledger(self.elsewhere, spare=self.own, window=WINDOW, **more)

    def names(self) -> list[str]:
        """Return the steps that the store was asked to run, and begin anew."""
        names, self.elsewhere.asked = [it.name for it in self.elsewhere.asked], []
        return names


def noted(**more: Any) -> tuple[Books, Noted]:
    """Return a ledger on a store of this machine, and its spare memory, which notes what it is asked for."""
    books = Books()
    own = books.spare = Noted(books.clock)
    books.ledger = Ledger(books.store, spare=own, window=WINDOW, **more)
    return books, own
