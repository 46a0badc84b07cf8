"""Which of the processes that share a file still live: each holds a lock that the system lets go of when it ends.

Must not know what the file holds. A process holds one byte of the side file ``<path>-owners`` by a POSIX lock, which
outlives neither exit nor ``kill -9``. Such locks belong to the process and fall when it closes any descriptor of the
file, so there is one descriptor for each path here, never closed, and one name for all who ask. Where there are no such
locks (Windows), every other process counts as ended, which is the careful reading: what it has in flight is unknown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from threading import RLock

from ..forking import process
from .protocol import StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOCK", "claim", "gone", "known"]

LOCK = RLock()
"""Guards what is below. Whoever holds it waits for nobody: a step may ask :func:`gone` while it holds a database."""

_NAME = re.compile(r"([1-9][0-9]{0,17})-[0-9a-f]{16}", re.ASCII)  # more digits are no offset in a file


class _Side:
    """The side file of one path, as this process sees it."""

    def __init__(self, path: str) -> None:
        self.path = path + "-owners"
        self.fd = -1
        self.process = process()
        self.name: str | None = None
        self.names: set[str] = set()  # ours, former ones too
        self.slots: set[int] = set()

    def current(self) -> bool:
        """Whether our descriptor is of the file that stands under the path, which may have been made anew."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self.fd))
        except OSError:
            return False

    def refresh(self) -> None:
        """Bring this up to date after a fork, or when the file is another one. Raises StoreError."""
        if self.process != process():  # the child inherits the descriptor, which serves, but neither locks nor name
            self.process, self.name, self.names, self.slots = process(), None, set(), set()
        if fcntl is None or self.current():
            return
        try:
            # The former descriptor stays as it is: by now its number may be another file's.
            self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self.path} can't be opened: {error.strerror}; nothing was changed") from error
        self.name, self.slots = None, set()

    def lock(self, slot: int, *, shared: bool) -> bool:
        """Lock a byte without waiting; False if another process holds it. Raises StoreError."""
        if fcntl is None:
            return True
        try:
            fcntl.lockf(self.fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB, 1, slot)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as POSIX has it
            return False
        except OSError as error:
            raise StoreError(f"{self.path} can't be locked: {error.strerror}; nothing was changed") from error
        return True

    def unlock(self, slot: int) -> None:
        """Let go of a byte."""
        if fcntl is not None:
            fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, slot)


_sides: dict[str, _Side] = {}


def _side(path: str) -> _Side:
    side = _sides.get(path)
    if side is None:
        side = _sides[path] = _Side(path)
    side.refresh()
    return side


def known(path: str) -> str | None:
    """Return this process's name among those that share the file; None if it has not claimed one."""
    with LOCK:
        return _side(path).name


def claim(path: str, slots: Iterator[int], seal: Callable[[], object]) -> str:
    """Take the first of ``slots`` (above 0, never given out before) that is free, and return the name it makes.

    ``seal`` makes the claim last; the lock is held before, so that nobody sees a name whose holder seems to have ended.
    Another thread's claim serves too: then ``seal`` is not called. Raises StoreError if all slots are taken.
    """
    with LOCK:
        side = _side(path)
        if side.name is not None:
            return side.name
        for slot in slots:  # one may be taken: the file was made anew, and someone holds on to the former one
            if slot not in side.slots and side.lock(slot, shared=False):
                break
        else:
            raise StoreError(f"{side.path} has no free place: every one tried is locked; nothing was changed")
        try:
            seal()
        except BaseException:
            side.unlock(slot)
            raise
        side.slots.add(slot)
        side.name = f"{slot}-{os.urandom(8).hex()}"
        side.names.add(side.name)
        return side.name


def gone(path: str, owner: str) -> bool:
    """Whether the process of that name has ended. A name that nobody who lives can have counts as one who has."""
    with LOCK:
        side = _side(path)
        named = _NAME.fullmatch(owner)
        if owner in side.names:
            return False
        if named is None or fcntl is None:
            return True
        slot = int(named[1])
        if slot in side.slots:  # our own: to try it would be to let go of it
            return True
        # Shared, so that two who ask at once do not take each other for the one asked after.
        if not side.lock(slot, shared=True):
            return False
        side.unlock(slot)
        return True
