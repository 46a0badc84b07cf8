"""What is remembered of each paid create: entered before it is sent, settled when its fate is known.

Must not know any client or clock. While the fate of one is unknown the same create is refused; what a create became is
kept for a while, so that who asks again gets the first answer, and a program that died finds its tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from os import urandom
from typing import Any

from ..policy.given import shown
from ..stores.flows import waited
from ..stores.protocol import State, Step, Store
from ..telemetry.logs import LOG
from .books import CREATES, Books, never
from .callbacks import Callback, parse_callback
from .entries import begin, counting, fate_among, finish, forget, resolve
from .handle import TaskHandle, read_handle
from .marks import mark_of
from .news import News, note_phase

__all__ = ["Entry", "Ledger", "intent_of"]

_ACCOUNT = 8  # characters of a key id
_CLOCK = "clock:"
_CALLBACK = "callback:"
_CALLBACK_TTL = 86_400.0  # seconds in which the same callback counts as told before
_LATEST = 1e11  # Unix seconds
_NAMED = 3  # intents that can't be read, in one line of the log


def intent_of(*parts: bytes, account: str = "") -> str:
    """Return the name of a create in the ledger: a hash of what makes it this create and no other.

    It begins like its ``account``, so that a store which is spread over machines has all of an account in one place.
    """
    from hashlib import blake2b  # late: most programs never need it, and it costs every one of them at import

    digest = blake2b(digest_size=16, person=b"anyint-intent")
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    begins = account[:_ACCOUNT]
    return begins + digest.hexdigest()[len(begins) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the ledger knows of one intent.

    ``fate`` is ``in_flight`` (on its way), ``rejected`` (not done), ``unknown`` (it may have been done, and the same
    create is refused) or ``committed`` (done). ``created_at``: when the last one went out, in Unix seconds.
    ``tasks``: handles of the tasks it made, the last one last.
    """

    intent: str
    fate: str
    route: str | None
    created_at: float | None = None
    tasks: tuple[TaskHandle, ...] = ()


class Ledger(Books):
    """The ledger of one :class:`~anyint_resilience.Resilience`: what the engine and an application ask of its books."""

    def __init__(self, store: Store, **more: Any) -> None:
        super().__init__(store, **more)
        self.news = News()

    # what the engine asks for

    def key(self, intent: str) -> str:
        """Return the store's key of an intent."""
        return CREATES + intent

    def ident(self) -> str:
        """Return a name for one create, unlike all others."""
        return urandom(12).hex()  # of the system, which gives a fork others than its parent

    def enter(self, *, ident: str, **known: Any) -> Step:
        """Return the step that enters a create; see :func:`~anyint_resilience.tasks.entries.begin`."""
        return partial(
            begin, window=self.window, owner=self._owner(), gone=self._gone, ident=ident, wary=self._leased, **known
        )

    def ended(self, task_id: str) -> Step:
        """Return the step that notes the end of a create's task."""
        return partial(finish, task_id=task_id)

    def was_found(self, mark: str, task: Mapping[str, Any]) -> Step:
        """Return the step that settles a create of unknown outcome, which carries this mark, by its task."""
        return partial(resolve, mark=mark, task=lambda _: task)

    # what an application asks for

    def forget(self, intent: str) -> bool:
        """Let a create of unknown outcome be sent again: the application has looked, and decided.

        ``intent`` is ``OutcomeUnknown.intent``, and :meth:`unknown` lists it. Returns whether it was known here; one
        that is not is no error, but may be another configuration's, which goes on holding it back. One that is on its
        way, or was made, is not forgotten.
        """
        return self._both(intent, partial(forget, gone=self._gone))

    def unknown(self) -> tuple[str, ...]:
        """Return the intents whose outcome is unknown now."""
        return tuple(entry.intent for entry in self.entries() if entry.fate == "unknown")

    def entries(self) -> tuple[Entry, ...]:
        """Return what is known of every intent, also of those that a process left behind when it died.

        The oldest come first, none is older than ``unknown_window``, and tasks that are done are among them. Their
        handles are for going on with: ``wait_for_task(client, entry.tasks[-1])``. What can't be read is left out, and
        the log says so.
        """
        with suppress(Exception):  # a store that fails says so below
            waited(self._catching_up())
        fates: dict[str, Entry] = {}
        garbled: list[str] = []
        for store in (self.store, self.spare):
            for entry in self._entries(store, self._gone if store is self.store else never, garbled):
                if entry.intent not in fates or entry.fate == "unknown":
                    fates[entry.intent] = entry
        self._tell_of([it for it in garbled if it not in fates])
        return tuple(sorted(fates.values(), key=lambda it: it.created_at or 0.0))

    def _tell_of(self, garbled: list[str]) -> None:
        """Say which intents are not listed, since nobody can read what stands there."""
        if not garbled:
            return
        many = f"{len(garbled)} entries" if len(garbled) > 1 else "1 entry"
        named = ", ".join(shown(it) for it in garbled[:_NAMED]) + (", ..." if len(garbled) > _NAMED else "")
        with suppress(Exception):  # a handler of the application's
            LOG.warning("%s of %s can't be read, and not listed: %s", many, type(self.store).__name__, named)

    def _entries(self, store: Store, gone: Callable[[str], bool], garbled: list[str]) -> Iterator[Entry]:
        """Yield what a store knows; intents of which it can't be read are put beside."""
        now: float = store.update(_CLOCK, _what_time, 1.0)
        for key, held in store.scan(CREATES):
            if held is None:
                garbled.append(key[len(CREATES) :])
                continue
            creates = counting(held, now, window=self.window, gone=gone)
            if not creates:  # older than the window: it stays where it is until its store forgets it
                continue
            facts = [it["facts"] for it in reversed(creates)]
            routes, times = (it.get("route") for it in facts), (it.get("created_at") for it in facts)
            handles = (read_handle(it["task"]) for it in creates if it["task"] is not None)
            yield Entry(
                intent=key[len(CREATES) :],
                fate=fate_among(creates),
                route=next((it for it in routes if isinstance(it, str)), None),
                created_at=next((float(it) for it in times if type(it) in (int, float) and abs(it) < _LATEST), None),
                tasks=tuple(it for it in handles if it is not None),
            )

    def accept_callback(
        self, callback: Callback | Mapping[str, object] | bytes | str, *, url: str | None = None
    ) -> bool:
        """Take note of a music callback; return whether its (task, phase) is new, so that it is handled once.

        ``url``: what it was posted to (path and query are enough). Where it carries the mark that ``reconcile=True``
        puts on a ``callBackUrl``, a create of unknown outcome is settled by it. Waits for the task, in this process,
        look at once. Nothing in a callback is believed but that there is something to ask for: no signature is
        documented, so a task is done when its query says so. Safe from any thread.

        Raises:
            ValueError: if it is no callback that can be read.
        """
        told = callback if isinstance(callback, Callback) else parse_callback(callback)
        shelf = _CALLBACK + intent_of(told.task_id.encode())[:2]
        new = bool(self.noting(shelf, partial(note_phase, task=told.task_id, phase=told.phase), _CALLBACK_TTL))
        mark = mark_of(url)
        if mark is not None:
            self.found(mark, told.task_id)
        if new:
            self.news.ring(told.task_id)
        return new

    def found(self, mark: str, task_id: str) -> bool:
        """Settle a create of unknown outcome, named by the mark that it carries, by the task that it made."""
        intent, dash, _ = mark.partition("-")
        if not dash:
            return False
        step = partial(resolve, mark=mark, task=partial(_made, task_id=task_id))
        return self._both(intent, step)

    def _both(self, intent: str, step: Step) -> bool:
        waited(self._catching_up(self.key(intent)))
        # This process's memory first: what it has forgotten is not entered in the store again.
        verdicts = [store.update(self.key(intent), step, self.longest) for store in (self.spare, self.store)]
        return any(verdicts)


def _made(facts: Mapping[str, Any], *, task_id: str) -> Mapping[str, Any] | None:
    handle = read_handle({**facts, "task_id": task_id})
    return None if handle is None else handle.as_dict()


def _what_time(state: State | None, now: float) -> tuple[None, float]:
    return None, now
