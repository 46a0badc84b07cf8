"""One process's part in a store of many, for tests that carry flows out by hand. Must not know any test or process.

What is sent to the store is run at once, or held back, fails, or its reply is lost, as a test says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from anyint_resilience.stores.flows import Flow, Pending
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.stores.roles import View

__all__ = ["Member", "Running"]


class Place(Protocol):
    """The store that members share."""

    asked: list[tuple[str, str, str]]

    def time(self) -> float: ...
    def alive(self) -> list[Member]: ...
    def briefs(self) -> dict[str, Any]: ...
    def run(self, by: Member, key: str, step: Any, ttl: float) -> Any: ...


class Running:
    """A flow that goes on whenever what it waits for is there."""

    def __init__(self, flow: Flow) -> None:
        self.value: Any = None
        self.done = False
        self._flow: Any = flow
        self._pending: Pending | None = None
        self._next(partial(next, flow))

    def go_on(self) -> None:
        while not self.done and self._pending is not None and self._pending.done:
            error, value = self._pending.error, self._pending.value
            self._next(partial(self._flow.send, value) if error is None else partial(self._flow.throw, error))

    def give_up(self, error: BaseException) -> None:
        """Wait no longer: the time is over, or the call was cancelled."""
        assert self._pending is not None
        self._pending.given_up = True
        if isinstance(error, StoreError) and self._pending.lapsed is not None:
            self._pending.lapsed()
        self._next(partial(self._flow.throw, error))
        self.go_on()

    def _next(self, step: Callable[[], Pending]) -> None:
        try:
            self._pending = step()
        except StopIteration as stop:
            self.value, self.done = stop.value, True
        except BaseException:
            self.done = True
            raise
        else:
            if self._pending.done:
                self.go_on()


@dataclass
class Backend:
    """What a member says of its store."""

    world: Place
    owner: str
    where: str = "the store"
    error: float = 0.0
    """Seconds by which it is wrong about the store's clock, until a reply tells it."""

    def now(self) -> float:
        return self.world.time() + self.error


class Member:
    """One process's part in the store. ``how``: what becomes of a step of that name.

    It is run ``now``, ``held`` (sent, but on its way), ``queued`` (not sent yet, and never if nobody waits for it any
    more), or it ``fails``, or its reply is ``lost``, or it was ``cut`` off: that is made again later if it may be.
    """

    def __init__(self, world: Place, owner: str) -> None:
        self.world = world
        self.backend = Backend(world, owner)
        self.how: Callable[[str], str] = lambda name: "now"
        self.started = self.up = self.slow = False
        self.reachable = True
        self.down = ""
        self.ears: Any = None
        self.company: Any = None
        self.new = False
        self.peers = 2
        self.held: list[Callable[[], None]] = []
        self.posts: list[Callable[[], None]] = []
        self.meanwhile: Callable[[], object] = lambda: None
        """What calls do when they hear that the store answers again, before what was posted has gone."""
        self.flows: list[Running] = []
        self.regulars: list[Callable[[], object]] = []

    @property
    def serves(self) -> bool:
        return self.up and not self.slow

    @property
    def why(self) -> str:
        return self.down if self.down else "slow" if self.slow else ""

    def start(self) -> None:
        if not self.started:
            self.started = True
            self.turn(up=self.reachable)

    def turn(self, *, up: bool) -> None:
        """Be there, or be down."""
        self.reachable = up
        if up:
            self.look(anew=True)
        self.up, self.down, self.slow = up, "" if up else "gone", False
        self.ears.turned(up=up)
        if up:
            self._regularly()
            self.release()

    def lag(self) -> None:
        """Be slower than calls wait; :meth:`release` ends that."""
        if self.up and not self.slow:
            self.slow = True
            self.ears.turned(up=False)

    def look(self, *, anew: bool = False) -> None:
        self.ears.viewed(View(self.world.briefs(), self.world.time(), len(self.world.alive()), anew))

    def now_and_then(self, what: Callable[[], object]) -> None:
        self.regulars.append(what)

    def beat(self) -> None:
        """Do what a member does every few seconds."""
        self.ears.beat()
        self._regularly()

    def updating(
        self, key: str, step: Any, ttl: float, patience: float | None = None, *, again: bool = False
    ) -> Pending:
        pending, how = Pending(self.backend.where, 0.0), self.how(named(step)) if self.serves else "fails"
        pending.lapsed = self.lag
        if how == "fails":
            pending.tell(error=StoreError(f"{self.backend.where} is down: {self.why}"))
        return self._put(key, step, ttl, pending, how)

    def posting(
        self, key: str, step: Any, ttl: float, *, again: bool = False, late: Callable[[Any], object] | None = None
    ) -> Pending:
        pending, how = Pending(self.backend.where, 1e9), self.how(named(step)) if self.serves else "held"
        pending.unwanted, pending.late = True, late
        if how == "cut" and not again:
            pending.tell(error=StoreError("the connection broke off"))
            return pending
        return self._put(key, step, ttl, pending, "held" if how in ("fails", "cut") else how)

    def _regularly(self) -> None:
        for it in self.regulars:
            it()

    def _put(self, key: str, step: Any, ttl: float, pending: Pending, how: str) -> Pending:
        self.world.asked.append((self.backend.owner, named(step), how))
        if how in ("held", "queued"):
            (self.posts if pending.unwanted else self.held).append(
                partial(self._run, key, step, ttl, pending, queued=how == "queued")
            )
        elif how != "fails":
            self._run(key, step, ttl, pending, lost=how == "lost")
        return pending

    def spawn(self, flow: Flow) -> None:
        self.start()
        self.flows.append(Running(flow))

    def release(self) -> None:
        """Have all run that was held back; what was posted goes last."""
        while self.held:
            self.held.pop(0)()
        if self.slow:
            self.slow = False
            self.ears.turned(up=True)
            self._regularly()
            self.meanwhile()
        while self.held or self.posts:
            (self.held if self.held else self.posts).pop(0)()
        for flow in self.flows:
            flow.go_on()
        self.flows = [it for it in self.flows if not it.done]

    def _run(
        self, key: str, step: Any, ttl: float, pending: Pending, *, lost: bool = False, queued: bool = False
    ) -> None:
        if pending.given_up and (queued or pending.unwanted):
            return
        try:
            verdict = self.world.run(self, key, step, ttl)
            self.backend.error = 0.0
        except Exception as error:  # the step's own
            pending.tell(error=error)
        else:
            pending.tell(verdict, error=StoreError("the connection broke off") if lost else None)


def named(step: Any) -> str:
    """Return the name of a step, as ``gate.ask``."""
    return f"{step.func.__module__.rpartition('.')[2]}.{step.func.__name__}"
