"""This process's one connection to a store's file: opened when needed, used by one thread at a time.

Must not know what is read and written. SQLite keeps its locks per process and notes them per connection, so one that is
open across a fork makes the child believe in locks it does not hold, and loses what it commits. Therefore all of them
are closed for a fork, and parent and child each open their own when they next need one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock, RLock
from weakref import WeakSet

from . import owners, schema
from .protocol import StoreError

__all__ = ["Link"]


class Link:
    """The connection to the database under a path, and the lock that guards it.

    ``passing``: what is in it need not outlive the machine's running, and nobody waits long for it.
    """

    def __init__(self, path: str, *, passing: bool = False) -> None:
        self.path = path
        self._passing = passing
        self.opened = 0
        """How often a connection was."""
        self.lock = RLock()
        self._db: sqlite3.Connection | None = None
        self._pid = 0
        self._file = (0, 0)
        with _registering:
            _links.add(self)

    def __enter__(self) -> sqlite3.Connection:
        """Take the lock and give the open connection. Raises StoreError; RuntimeError from within a step."""
        if self._db is not None and self._pid != os.getpid():  # before the lock: its holder is not in this process
            raise StoreError(
                f"{self.path} was open while something other than Python's os.fork made this process;"
                " make the store in the new process; nothing was changed"
            )
        self.lock.acquire()
        try:
            if self._db is not None and self._db.in_transaction:
                raise RuntimeError("a step must not use the store it is a step of")
            return self._opened()
        except BaseException:
            self.lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        """Undo what is not committed, and let go of the lock."""
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self.drop()
        finally:
            self.lock.release()

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and self._file != self._under_path():
            self.drop()  # the file was deleted or replaced: what is written to the former one, nobody else sees
        if self._db is None:
            db = schema.connect(self.path, passing=self._passing)
            self.opened += 1
            self._db, self._pid, self._file = db, os.getpid(), self._under_path()
        return self._db

    def _under_path(self) -> tuple[int, int]:
        try:
            found = os.stat(self.path)
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    @contextmanager
    def telling(self) -> Generator[None, None, None]:
        """Turn what SQLite raises into a StoreError, and give the connection up: the next looks at the file anew."""
        try:
            with schema.in_words(self.path):
                yield
        except StoreError:
            self.drop()
            raise

    def drop(self) -> None:
        """Close the connection, if it is this process's. The next use opens another one."""
        if self._db is None or self._pid != os.getpid():
            return
        db, self._db = self._db, None
        try:
            db.close()
        except sqlite3.Error:
            pass  # what was committed is in the file already

    def abandon(self) -> None:
        """Close the connection of a store that nobody holds any more; at exit, unless a thread is still at it."""
        if self.lock.acquire(blocking=False):
            try:
                self.drop()
            finally:
                self.lock.release()

    def stand_still(self) -> None:
        """Be closed for a fork; but a transaction of the very thread that forks goes on, in the parent alone."""
        if self._db is not None and not self._db.in_transaction:
            self.drop()


_registering = Lock()
_links: WeakSet[Link] = WeakSet()
_still: list[Link] = []


def _before_fork() -> None:
    _registering.acquire()
    for link in list(_links):
        link.lock.acquire()
        _still.append(link)
    owners.LOCK.acquire()
    for link in _still:
        link.stand_still()


def _after_fork() -> None:
    owners.LOCK.release()
    while _still:
        _still.pop().lock.release()
    _registering.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
