"""What a forked child must begin anew: locks that threads of its parent hold. Must not know what they guard.

A fork copies locks as they are, and of the threads only its own: one that another thread held is never let go of in the
child. So whoever has a lock says here how it is made anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import ref

__all__ = ["Known", "after_fork", "generation", "known_to", "process"]

T = TypeVar("T")


class Known:
    """Objects, held weakly. It may be gone through while others come and go, on a Python without a GIL too."""

    def __init__(self) -> None:
        self._refs: dict[int, ref[Any]] = {}

    def add(self, it: object) -> None:
        """Know one more."""
        number, refs = id(it), self._refs
        refs[number] = ref(it, lambda gone: refs.pop(number, None))

    def alive(self) -> list[Any]:
        """Return all that are there still."""
        return [it for it in (known() for known in list(self._refs.values())) if it is not None]


_renewing: dict[Callable[[Any], object], Known] = {}
_generation = 0


def after_fork(it: T, renew: Callable[[T], object]) -> None:
    """Have ``renew(it)`` called in each child of this process, for as long as ``it`` is there.

    ``renew`` is a function of a module or a class: there is one registry for each.
    """
    known = _renewing.get(renew)
    if known is None:
        known = _renewing.setdefault(renew, Known())
    known.add(it)


def known_to(renew: Callable[[Any], object]) -> list[Any]:
    """Return all that are there still of what ``renew`` makes anew."""
    known = _renewing.get(renew)
    return [] if known is None else known.alive()


def generation() -> int:
    """Return how many forks lie between this process and the one that loaded this."""
    return _generation


def process() -> tuple[int, int]:
    """Return what is this process's alone among its ancestors: a number that is free is given to another process."""
    return os.getpid(), _generation


def _forked() -> None:
    global _generation  # noqa: PLW0603 - it is the process's
    _generation += 1
    for renew in list(_renewing):
        for it in known_to(renew):
            renew(it)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
