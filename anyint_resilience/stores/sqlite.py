"""The store of one machine: an SQLite file that the processes on it share, and that outlives them.

Must not know what the states mean. The clock is injected: Unix seconds, since rows outlive the process. The file must
be on a disk of this machine: neither locks nor SQLite's shared memory reach across a network.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from weakref import finalize

from ..runtime import Runtime
from . import owners
from .link import Link
from .protocol import State, Step, StoreError, kept_for, no_number

if TYPE_CHECKING:
    from .member import Member

__all__ = ["SqliteStore"]

_SLOTS = 1000  # tried for a name before giving up
_TIDY_ROWS = 1000  # expired ones forgotten at once

_GET = "SELECT state, expires FROM entries WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO entries (key, state, expires, keep) VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM entries WHERE key = ?"
_SCAN = "SELECT key, state, expires FROM entries WHERE key >= ? ORDER BY key"
_EXPIRE = "DELETE FROM entries WHERE turn IN (SELECT turn FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?)"
_COUNT = "SELECT count(*) FROM entries"
_EVICT = "DELETE FROM entries WHERE turn IN (SELECT turn FROM entries ORDER BY keep, turn LIMIT ?)"


class SqliteStore:
    """State in a file, at most about ``max_entries`` keys: each process may go over it by a hundredth.

    Each update is one transaction that is on the disk when it returns. It waits up to 5 s for another process's. Safe
    to use from many threads, after a fork, and pickled; all of them on one file share one state. With a ``runtime``
    they share the states of guards too, in a file ``<path>-guards`` that need not outlive the machine's running; a call
    waits for that for ``wait`` seconds. Opened at once: raises ValueError if ``path`` is no path of a file, StoreError
    if the file can't be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        clock: Callable[[], float],
        *,
        max_entries: int = 100_000,
        runtime: Runtime | None = None,
        wait: float = 0.05,
    ) -> None:
        name = os.fspath(path)
        if not isinstance(name, str) or not name or name.startswith((":memory:", "file:")) or "\0" in name:
            raise ValueError("path must be that of a file: a database in memory is shared with nobody")
        if max_entries < 1:
            raise ValueError("max_entries must be at least 1")
        self._path = os.path.realpath(name)
        self._clock = clock
        self._max_entries = max_entries
        self._pause = max(1, min(_TIDY_ROWS, max_entries // 100))  # updates from one tidying to the next
        self._left = 0  # of them; a process that makes but one must tidy too
        self._link = Link(self._path)
        self._passing = False
        finalize(self, self._link.abandon)
        with self._link:
            pass
        _ = self.owner
        self._shares = runtime is not None, wait
        self.member: Member | None = None
        if runtime is not None:
            from .machine import member_of  # late: it has a thread of its own

            self.member = member_of(self, self._path, runtime, wait)

    @classmethod
    def passing(cls, path: str, clock: Callable[[], float]) -> SqliteStore:
        """Return a store whose entries need not outlive the machine's running, and in which nobody has a name.

        An entry that can't be read is nothing there: it would keep away all who share the file.
        """
        store = cls.__new__(cls)
        store._passing = True
        store._path, store._clock, store._max_entries = os.path.realpath(path), clock, 100_000
        store._pause, store._left, store._shares, store.member = _TIDY_ROWS, 0, (False, 0.0), None
        store._link = Link(store._path, passing=True)
        finalize(store, store._link.abandon)
        return store

    def version(self) -> tuple[int, int]:
        """Return what is another when another process has changed anything, or may have. Raises StoreError."""
        with self._link as db, self._link.telling():
            number = int(db.execute("PRAGMA data_version").fetchone()[0])  # counted anew by each connection
            return self._link.opened, number

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled store is one on the same file."""
        shares, wait = self._shares
        return partial(_made, max_entries=self._max_entries, shares=shares, wait=wait), (self._path, self._clock)

    @property
    def owner(self) -> str:
        """This process's name: the same for all stores on this file, another one after a fork."""
        name = owners.known(self._path)
        if name is None:
            with self._link as db, self._link.telling():
                db.execute("BEGIN IMMEDIATE")  # before the names' lock, which a step that holds the file may ask for
                name = owners.claim(self._path, islice(_slots(db), _SLOTS), partial(db.execute, "COMMIT"))
        return name

    def gone(self, owner: str) -> bool:
        """Whether that process has ended; see :class:`~anyint_resilience.stores.protocol.Store`."""
        return owners.gone(self._path, owner)

    def update(self, key: str, step: Step, ttl: float) -> Any:
        """Run ``step`` in one transaction; see :class:`~anyint_resilience.stores.protocol.Store`."""
        with self._link as db:
            with self._link.telling():
                db.execute("BEGIN IMMEDIATE")
                row = db.execute(_GET, (key,)).fetchone()
            now = self._clock()
            new, verdict = step(None if row is None else self._read(row[0], row[1], now), now)
            if new is None and row is None:
                return verdict
            state = None if new is None else self._text_of(new)
            with self._link.telling():
                if new is None:
                    db.execute(_FORGET, (key,))
                else:
                    db.execute(_PUT, (key, state, now + kept_for(ttl, new), new.get("keep") is True))
                    self._tidy(db, now)
                db.execute("COMMIT")
            return verdict

    def scan(self, prefix: str) -> Iterator[tuple[str, State | None]]:
        """Yield a snapshot of the live entries under ``prefix``; None is the state of one that can't be read."""
        start = prefix.encode()
        rows: list[tuple[bytes, Any, Any]] = []
        with self._link as db, self._link.telling():
            for row in db.execute(_SCAN, (prefix,)):
                if not row[0].startswith(start):
                    break
                rows.append(row)
        now = self._clock()
        live = ((key, _state_of(state, expires)) for key, state, expires in rows if not _has_expired(expires, now))
        kept = [(key, state) for key, state in live if state is not None or not self._passing]
        return iter([(key.decode(errors="replace"), state) for key, state in kept])

    def close(self) -> None:
        """Close the connection; the name stays with the process."""
        if self.member is not None:
            self.member.close()
        with self._link.lock:
            self._link.drop()

    def _read(self, state: Any, expires: Any, now: float) -> State | None:
        """Return a row's state, None once it has expired.

        Raises StoreError, but of what need not last: unreadable is not the same as absent.
        """
        if _has_expired(expires, now):
            return None
        found = _state_of(state, expires)
        if found is None and not self._passing:
            raise StoreError(f"{self._path} holds an entry that is not as it was written; nothing was changed")
        return found

    def _text_of(self, state: State) -> str:
        """Return what is written of a state."""
        try:
            return json.dumps(state, allow_nan=False, separators=(",", ":"))
        except (ValueError, RecursionError) as error:  # it was in what stood there: 1e999 is read as a number
            raise StoreError(f"{self._path}: a state that JSON can't hold; nothing was changed") from error

    def _tidy(self, db: sqlite3.Connection, now: float) -> None:
        """Forget what has expired and what is too much, now and then: counting costs a look at every row."""
        self._left -= 1
        if self._left > 0:
            return
        self._left = self._pause
        db.execute(_EXPIRE, (now, _TIDY_ROWS))
        excess = db.execute(_COUNT).fetchone()[0] - self._max_entries
        if excess > 0:
            db.execute(_EVICT, (excess,))


def _has_expired(expires: Any, now: float) -> bool:
    return isinstance(expires, float) and expires <= now


def _state_of(state: Any, expires: Any) -> State | None:
    """Return the state that a row holds, None if it is not as it was written."""
    try:
        found = json.loads(state.decode(), parse_constant=no_number)
    except (AttributeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(expires, float) else None


def _made(path: str, clock: Callable[[], float], *, max_entries: int, shares: bool, wait: float) -> SqliteStore:
    """Make a store that was pickled: with the clocks of this process."""
    return SqliteStore(path, clock, max_entries=max_entries, runtime=Runtime() if shares else None, wait=wait)


def _slots(db: sqlite3.Connection) -> Iterator[int]:
    """Yield numbers that were never given out before."""
    while True:
        slot = db.execute("INSERT INTO owners DEFAULT VALUES").lastrowid
        db.execute("DELETE FROM owners")
        if slot is not None:
            yield slot
