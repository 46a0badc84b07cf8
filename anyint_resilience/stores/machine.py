"""What the processes of one machine share of their guards: an SQLite file, looked at for news many times a second.

Must not know how a step works. It runs on the companion's loop; time is the machine's clock, in Unix seconds.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import Any

from ..guards.states import is_whole
from ..guards.twins import brief, is_news
from ..runtime import Runtime
from .member import Member, joined
from .protocol import State, Step, StoreError
from .roles import Hears, Op, View
from .sqlite import SqliteStore

__all__ = ["MachineBackend", "member_of"]

_LOOK = 0.05  # seconds from one look for news to the next,
_SOON = 0.01  # and while a call of this process stands in line
_MEMBERS = "members:"
_NEVER = (0, 0)
_PRESENT = 15.0  # seconds for which a process counts after it has said that it is there
_GUARDS = ("gate:", "breaker:")


class MachineBackend:
    """One process's connection to the file that the processes of a machine share."""

    where = "SQLite"

    def __init__(self, path: str, runtime: Runtime) -> None:
        self._runtime = runtime
        self._store = SqliteStore.passing(path + "-guards", runtime.wall)
        self.owner = os.urandom(8).hex()
        self._known: dict[str, dict[str, Any] | None] = {}
        self._version = _NEVER
        self._peers = 1
        self._waits = False

    def now(self) -> float:
        """Return the time."""
        return self._runtime.wall()

    async def open(self, hears: Hears) -> None:
        """Open the file, and say that this process is there."""
        await self.beat()
        hears.peered(self._peers)

    async def look(self, hears: Hears) -> View:
        """Look at all states of guards."""
        self._version = self._store.version()
        self._known = {key: brief(key, state) for key, state in self._states()}
        return View(dict(self._known), self.now(), self._peers)

    async def run(self, ops: list[Op], hears: Hears) -> None:
        """Make updates, one after the other."""
        for op in ops:
            noted = _Noted(op.key, _for_many(op.step, self._peers))
            try:
                verdict = self._store.update(op.key, noted, op.ttl)
            except StoreError:
                raise
            except Exception as error:  # the step's own
                op.pending.tell(error=error)
                continue
            if op.key.startswith(_GUARDS):
                said = brief(op.key, noted.state)
                self._note(op.key, said)
                self._waits = self._stands(op.key, noted.state)
                hears.told(op.key, said, noted.now)
            op.pending.tell(verdict)

    async def listen(self, hears: Hears) -> None:
        """Look for what others have changed, and hand it on."""
        while True:
            await asyncio.sleep(_SOON if self._waits else _LOOK)
            self.hear(hears)

    def hear(self, hears: Hears) -> None:
        """Look once for what others have changed, and hand it on."""
        version = self._store.version()
        if version == self._version:
            return
        self._version, now, states = version, self.now(), dict(self._states())
        self._waits = any(self._stands(key, state) for key, state in states.items())
        for key in self._known.keys() - states.keys():
            hears.told(key, None, now)
        for key, state in states.items():
            said = brief(key, state)
            if is_news(self._known.get(key), said):
                hears.told(key, said, now)
            for ticket in _line(key, state)[:1]:
                if ticket.startswith(self.owner + "."):
                    hears.rung(key, ticket)
        self._known = {key: brief(key, state) for key, state in states.items()}

    async def beat(self) -> None:
        """Say that this process is there, and see how many are."""
        step = partial(_present, name=self.owner)
        self._peers = self._store.update(_MEMBERS, step, 2 * _PRESENT)

    async def close(self) -> None:
        """Close the file."""
        self._store.close()

    def forked(self) -> None:
        """Begin anew in a child; the connection was closed for the fork."""
        self._known, self._version, self.owner = {}, _NEVER, os.urandom(8).hex()

    def _states(self) -> list[tuple[str, State]]:
        """Return what stands there of guards; what another version wrote, or nobody, is nothing."""
        found = (it for prefix in _GUARDS for it in self._store.scan(prefix))
        return [(key, it) for key, it in found if it is not None and is_whole(key, it)]

    def _stands(self, key: str, state: State | None) -> bool:
        """Whether a call of this process stands in a gate's line."""
        return any(ticket.startswith(self.owner + ".") for ticket in _line(key, state))

    def _note(self, key: str, said: dict[str, Any] | None) -> None:
        if said is None:
            self._known.pop(key, None)
        else:
            self._known[key] = said


class _Noted:
    """A step that remembers what it made, and when. What stands there and is no state of ours is nothing to it."""

    def __init__(self, key: str, step: Step) -> None:
        self._key = key
        self._step = step
        self.state: State | None = None
        self.now = 0.0

    def __call__(self, state: State | None, now: float) -> tuple[State | None, Any]:
        held = state if state is None or is_whole(self._key, state) else None
        self.state, verdict = self._step(held, now)
        self.now = now
        return self.state, verdict


def _line(key: str, state: State | None) -> list[str]:
    """Return the tickets of those who stand in line, where a gate's state that is whole stands under the key."""
    return [str(it[1]) for it in state["line"]] if state is not None and key.startswith("gate:") else []


def _for_many(step: Any, peers: int) -> Step:
    """Return a step as it is meant among so many: what this process has out, all have; few say that it is down."""
    words = getattr(step, "keywords", {})
    if "flying" not in words:
        told: Step = step
        return told
    return partial(step.func, **{**words, "flying": (words["flying"] + 1) * peers, "few": min(words["few"], peers)})


def _present(state: State | None, now: float, *, name: str) -> tuple[State, int]:
    """Note that a process is there. Verdict: how many are."""
    seen = state["seen"] if state is not None and is_whole(_MEMBERS, state) else {}
    there = {it: at for it, at in seen.items() if now - _PRESENT < at <= now + _PRESENT} | {name: now}
    return {"seen": there}, len(there)


def member_of(user: object, path: str, runtime: Runtime, wait: float) -> Member:
    """Return this process's part in what the processes share that have a file open."""
    return joined(user, (path, wait, runtime), lambda: Member(MachineBackend(path, runtime), runtime, wait=wait))
