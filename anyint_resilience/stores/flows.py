"""Waiting for a store, from any thread and any event loop, and never for longer than was said. Must not know any store.

A flow is what waits for one thing after the other without knowing how one waits; two functions carry it out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from threading import Lock
from typing import Any, TypeAlias

from ..runtime import Bell
from .protocol import StoreError

__all__ = ["Flow", "Pending", "awaited", "waited"]


class Pending:
    """Something that is to be found out: a value, or what was raised. Waited for by one, at most once."""

    __slots__ = (
        "_bell",
        "_lock",
        "done",
        "error",
        "given_up",
        "lapsed",
        "late",
        "patience",
        "unwanted",
        "value",
        "where",
        "why",
    )

    def __init__(self, where: str, patience: float) -> None:
        self.where = where
        self.patience = patience
        self.done = self.given_up = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.unwanted = False
        """Nobody ever waits for it."""
        self.late: Callable[[Any], object] | None = None
        """What to do with a value that comes after the one who wanted it had gone, or that nobody waits for."""
        self.lapsed: Callable[[], object] | None = None
        """Whom to tell that it took too long."""
        self.why: Callable[[], str] | None = None
        """Says why, as far as that is known."""
        self._bell = Bell()
        self._lock = Lock()

    def tell(self, value: Any = None, error: BaseException | None = None) -> None:
        """Say what was found out; the first word counts."""
        with self._lock:
            if self.done:
                return
            self.value, self.error, self.done = value, error, True
            late = self.late if (self.given_up or self.unwanted) and error is None else None
        self._bell.ring()
        if late is not None:
            late(value)

    def drop(self) -> None:
        """Want it no more: it is not begun, if it was not yet."""
        self._give_up()

    def wait(self) -> Any:
        """Wait in this thread. Raises StoreError if it takes longer than ``patience``, else what was told."""
        try:
            if not self.done:
                self._bell.rest(self.patience)
            return self._outcome()
        finally:
            self._give_up()

    async def awaited(self) -> Any:
        """Do as :meth:`wait`, awaiting; on asyncio and trio."""
        try:
            if not self.done:
                await self._bell.arest(self.patience)
            return self._outcome()
        finally:
            self._give_up()

    def _outcome(self) -> Any:
        self._give_up()
        if not self.done:
            if self.lapsed is not None:
                self.lapsed()
            why = "" if self.why is None else self.why()
            said = f"did not answer within {self.patience:g} s{f': {why}' if why else ''}"
            raise StoreError(f"{self.where} {said}", why=said)
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # its traceback holds this frame
        return self.value

    def _give_up(self) -> None:
        with self._lock:
            self.given_up = self.given_up or not self.done


Flow: TypeAlias = "Generator[Pending, Any, Any]"
"""What waits for one thing after the other, and comes to a value in the end; it does not know how one waits."""


def waited(flow: Flow) -> Any:
    """Carry a flow out, waiting in this thread; return what it comes to."""
    what: Any = None
    error: BaseException | None = None
    while True:
        try:
            pending: Pending = flow.send(what) if error is None else flow.throw(error)
        except StopIteration as stop:
            return stop.value
        finally:
            what = error = None  # its traceback holds this frame
        try:
            what = pending.wait()
        except BaseException as raised:
            error = raised


async def awaited(flow: Flow) -> Any:
    """Do as :func:`waited`, awaiting; on asyncio and trio."""
    what: Any = None
    error: BaseException | None = None
    while True:
        try:
            pending: Pending = flow.send(what) if error is None else flow.throw(error)
        except StopIteration as stop:
            return stop.value
        finally:
            what = error = None
        try:
            what = await pending.awaited()
        except BaseException as raised:
            error = raised
