"""The store of a fleet: a Redis that all processes behind one key share. Must not know what the states mean.

Each process has one thread that speaks to it (``companion``), for all its stores on one URL: calls hand their updates
to that, from any thread and any event loop, and wait for no longer than was agreed. A process lives by a lease: one
that has ended seems to live for some seconds still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...runtime import Runtime
from ..flows import Pending
from ..member import Member, joined
from ..protocol import State, Step
from .backend import RedisBackend
from .links import problem_of
from .names import tag_of
from .shots import state_of

__all__ = ["RedisStore"]

WAIT = 0.05
"""Seconds that a call waits for the server, if nothing else is said."""

_YOUNG = 2.0  # seconds
_PATIENT = 5.0  # seconds that who asks by himself waits: an application, not a call


class RedisStore:
    """State on a Redis (6.2 or later) or Valkey: one server, one behind sentinels, or a cluster.

    Args:
        url: as ``redis.Redis.from_url`` takes it, or ``redis+sentinel://host:port,host:port/service/db``.
        wait: seconds that a call waits for the server; after that this process's memory serves it.
        max_entries: keys of one account, guards not counted; the least worth are forgotten first.
        clock: tells the time in the server's place, in seconds, for tests.
        runtime: clocks and random numbers of this process.

    Nothing is connected before it is needed. Safe to use from many threads, after a fork, and pickled.

    Raises:
        ValueError: if the URL can't be read, which is not shown: it may hold a password.
    """

    leased = True
    """Whether a process that has ended seems to live for a while."""

    def __init__(
        self,
        url: str,
        *,
        wait: float = WAIT,
        max_entries: int = 100_000,
        clock: Callable[[], float] | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        problem = problem_of(url)
        if problem is not None:
            raise ValueError(f"store {problem}")
        if max_entries < 1:
            raise ValueError("max_entries must be at least 1")
        given = None if runtime == Runtime() else runtime  # that of each process is its own, pickled or not
        self._given = (url, wait, max_entries, clock, given)
        self.member: Member = joined(self, self._given, lambda: _member(*self._given))

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled store is one on the same server."""
        return _made, self._given

    @property
    def _backend(self) -> RedisBackend:
        backend = self.member.backend
        assert isinstance(backend, RedisBackend)
        return backend

    @property
    def owner(self) -> str:
        """This process's name, another one after a fork."""
        return self._backend.owner

    @property
    def losses(self) -> int:
        """How often the server was found to have lost what it held."""
        return self.member.losses

    def young(self, key: str) -> bool:
        """Whether the store began just now, or lost what it held: those who know may not have entered it again yet."""
        born = self._backend.births.get(tag_of(key))
        return born is not None and 0.0 <= self._backend.now() - born < _YOUNG

    def gone(self, owner: str) -> bool:
        """Whether that process has given no sign of life for 15 s; see :class:`~.protocol.Store`."""
        firing = self._backend.firing
        if self.member.inside() and firing is not None:
            return firing.gone(owner, self.owner)
        if owner == self.owner:
            return False
        return not self.member.asking(lambda: self._backend.alive(owner), _PATIENT).wait()

    def updating(
        self, key: str, step: Step, ttl: float, patience: float | None = None, *, again: bool = False
    ) -> Pending:
        """Have an update made, for a call: return what its verdict will be told to, ``patience`` seconds from now.

        ``again``: it may be made twice, where it is not known whether it was.
        """
        return self.member.updating(key, step, ttl, patience, again=again)

    def update(self, key: str, step: Step, ttl: float) -> Any:
        """Run ``step`` on the state; see :class:`~anyint_resilience.stores.protocol.Store`. Waits up to 5 s."""
        return self._outside(key, step, ttl).wait()

    async def aupdate(self, key: str, step: Step, ttl: float) -> Any:
        """Do as :meth:`update`, awaiting, on asyncio and trio."""
        return await self._outside(key, step, ttl).awaited()

    def _outside(self, key: str, step: Step, ttl: float) -> Pending:
        if self.member.inside():
            raise RuntimeError("a step must not use the store it is a step of")
        return self.updating(key, step, ttl, _PATIENT)

    def scan(self, prefix: str) -> Iterator[tuple[str, State | None]]:
        """Yield the live entries under ``prefix``, those of one account as of one moment; None: it can't be read."""
        if self.member.inside():
            raise RuntimeError("a step must not use the store it is a step of")
        found = self.member.asking(lambda: self._backend.entries(prefix), _PATIENT).wait()
        return iter([(key, state_of(text)) for key, text in found])

    def close(self) -> None:
        """Let go of the connections, for all stores of this process on this server; the next use opens others."""
        self.member.close()


def _member(url: str, wait: float, most: int, clock: Callable[[], float] | None, given: Runtime | None) -> Member:
    runtime = Runtime() if given is None else given
    backend = RedisBackend(url, monotonic=runtime.monotonic, clock=clock, max_entries=most)
    return Member(backend, runtime, wait=wait)


def _made(url: str, wait: float, most: int, clock: Callable[[], float] | None, runtime: Runtime | None) -> RedisStore:
    return RedisStore(url, wait=wait, max_entries=most, clock=clock, runtime=runtime)
