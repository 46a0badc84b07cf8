"""What is remembered of each paid create: entered before it is sent, settled when its fate is known.

Must not know any client or clock. While the fate of one is unknown the same create is refused; what a create became is
kept for a while, so that who asks again gets the first answer, and a program that died finds its tasks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Protocol

from ..contract.words import Certainty
from ..stores.protocol import State, Step, Store
from .callbacks import PHASES, Callback, parse_callback
from .entries import Verdict, begin, fate_of, finish, read, resolve, settle
from .handle import TaskHandle
from .marks import mark_of

__all__ = ["Entry", "Ledger", "intent_of"]

_PREFIX = "create:"
_CLOCK = "clock:"
_CALLBACK = "callback:"
_CALLBACK_TTL = 86_400.0  # seconds in which the same callback counts as told before

_MOST_WORDS = 16  # phases kept of one task; one that is documented is kept beside any number of others


def intent_of(*parts: bytes) -> str:
    """Return the name of a create in the ledger: a hash of what makes it this create and no other."""
    from hashlib import blake2b  # late: most programs never need it, and it costs every one of them at import

    digest = blake2b(digest_size=16, person=b"anyint-intent")
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the ledger knows of one intent.

    ``fate`` is ``in_flight`` (on its way), ``rejected`` (not done), ``unknown`` (it may have been done, and the same
    create is refused) or ``committed`` (done). ``tasks``: handles of the tasks it made, the last one last.
    """

    intent: str
    fate: str
    route: str | None
    tasks: tuple[TaskHandle, ...] = ()


class Change(Protocol):
    """A step to run on the store; ``enters``: a create must not go out without it."""

    @property
    def key(self) -> str: ...
    @property
    def step(self) -> Step: ...
    @property
    def ttl(self) -> float: ...
    @property
    def enters(self) -> bool: ...


class Ledger:
    """The ledger of one :class:`~anyint_resilience.Resilience`.

    ``window`` is for how long, in seconds, a create of unknown outcome is refused and one that was made is remembered.
    ``spare`` is this process's memory: it serves while ``store`` fails, unless the ledger is ``strict``.
    """

    def __init__(self, store: Store, *, spare: Store, window: float, strict: bool = False) -> None:
        self.store = store
        self.spare = spare
        self.window = window
        self.strict = strict
        self._spared = False
        self._waiting: dict[str, list[Callable[[], object]]] = {}
        self._lock = Lock()
        self._dropped: deque[tuple[str, Step]] = deque()

    # what the engine asks for

    def key(self, intent: str) -> str:
        """Return the store's key of an intent."""
        return _PREFIX + intent

    def enter(self, *, again: str = "", mark: str = "", facts: Mapping[str, Any] | None = None) -> Step:
        """Return the step that enters a create; see :func:`~anyint_resilience.tasks.entries.begin`."""
        owner, gone = self._owner(), self._gone
        return partial(begin, window=self.window, owner=owner, gone=gone, again=again, mark=mark, facts=facts)

    def leave(self, certainty: Certainty, **known: Any) -> Step:
        """Return the step that settles a create; see :func:`~anyint_resilience.tasks.entries.settle`."""
        return partial(settle, owner=self._owner(), certainty=certainty, **known)

    def ended(self, task_id: str) -> Step:
        """Return the step that notes the end of a create's task."""
        return partial(finish, task_id=task_id)

    def was_found(self, mark: str, task: Mapping[str, Any]) -> Step:
        """Return the step that settles a create of unknown outcome, which carries this mark, by its task."""
        return partial(resolve, mark=mark, task=lambda _: task)

    def change(self, change: Change, failed: Callable[[Exception], object]) -> Any:
        """Run a step on the store; one that fails must not be a new way for calls to fail, nor to pay twice.

        While it fails this process's memory serves; what was entered there counts for as long as it is remembered.

        Raises:
            Exception: what the store raised, where a strict ledger could not enter a create.
        """
        self._catch_up()
        key, step, ttl = change.key, change.step, change.ttl
        try:
            verdict = self.store.update(key, step, ttl)
        except Exception as error:
            failed(error)
            if self.strict and change.enters:
                raise
            self._spared = True
            return self.spare.update(key, _here(step), ttl)
        if self._spared and self._held(key) and not _holds_back(verdict):
            held = self.spare.update(key, _here(step), ttl)
            if _holds_back(held):
                try:
                    self.store.update(key, self.leave(Certainty.REJECTED, mark=_mark_of(step)), ttl)
                except Exception as error:
                    failed(error)
                return held
        return verdict

    def later(self, key: str, step: Step) -> None:
        """Settle a create before the next look at the ledger: it was given up within the garbage collector.

        That runs anywhere, in the middle of a store's own work too.
        """
        self._dropped.append((key, step))

    def _catch_up(self) -> None:
        while self._dropped:
            with suppress(IndexError):  # another thread was faster
                key, step = self._dropped.popleft()
                try:
                    self.store.update(key, step, self.window)
                    spared = self._spared and self._held(key)
                except Exception:
                    spared = self._spared = True
                if spared:
                    self.spare.update(key, step, self.window)

    def _held(self, key: str) -> bool:
        return bool(self.spare.update(key, lambda state, now: (state, state is not None), self.window))

    def _owner(self) -> str:
        try:
            return self.store.owner
        except Exception:  # the step will fail too, and then this process's memory serves
            return ""

    def _gone(self, owner: str) -> bool:
        return self.store.gone(owner)

    # what an application asks for

    def forget(self, intent: str) -> bool:
        """Let a create of unknown outcome be sent again: the application has looked, and decided.

        ``intent`` is ``OutcomeUnknown.intent``. Returns whether it was known here; one that is not is no error, but
        may be another configuration's, which goes on holding it back.
        """
        return self._both(intent, _nothing)

    def unknown(self) -> tuple[str, ...]:
        """Return the intents whose outcome is unknown now."""
        return tuple(entry.intent for entry in self.entries() if entry.fate == "unknown")

    def entries(self) -> tuple[Entry, ...]:
        """Return what is known of every intent, also of those that a process left behind when it died.

        Their handles are for going on with: ``wait_for_task(client, entry.tasks[-1])``.
        """
        self._catch_up()
        fates: dict[str, Entry] = {}
        for store in (self.store, self.spare):
            for entry in self._entries(store, self._gone if store is self.store else _never):
                if entry.intent not in fates or entry.fate == "unknown":
                    fates[entry.intent] = entry
        return tuple(fates.values())

    def _entries(self, store: Store, gone: Callable[[str], bool]) -> Iterator[Entry]:
        now: float = store.update(_CLOCK, _what_time, 1.0)
        for key, held in store.scan(_PREFIX):
            state = read(held, now)
            handles, route = (_handle(it) for it in state["tasks"]), state["facts"].get("route")
            yield Entry(
                intent=key[len(_PREFIX) :],
                fate=fate_of(state, now, window=self.window, gone=gone),
                route=route if isinstance(route, str) else None,
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
        new = bool(self.store.update(_CALLBACK + told.task_id, partial(_phase, phase=told.phase), _CALLBACK_TTL))
        mark = mark_of(url)
        if mark is not None:
            self.found(mark, told.task_id)
        self.wake(told.task_id)
        return new

    def found(self, mark: str, task_id: str) -> bool:
        """Settle a create of unknown outcome, named by the mark that it carries, by the task that it made."""
        intent, dash, _ = mark.partition("-")
        if not dash:
            return False
        step = partial(resolve, mark=mark, task=partial(_made, task_id=task_id))
        return self._both(intent, step)

    def _both(self, intent: str, step: Step) -> bool:
        self._catch_up()
        verdicts = [store.update(self.key(intent), step, self.window) for store in (self.store, self.spare)]
        return any(verdicts)

    # waits for tasks, in this process

    def wake(self, task_id: str) -> None:
        """Let whoever waits for a task look at it now."""
        with self._lock:
            rings = list(self._waiting.get(task_id, ()))
        for ring in rings:
            ring()

    def listen(self, task_id: str, ring: Callable[[], object]) -> Callable[[], object]:
        """Have something called when there is news of a task; return what ends that."""
        with self._lock:
            self._waiting.setdefault(task_id, []).append(ring)

        def end() -> None:
            with self._lock:
                held = self._waiting.get(task_id, [])
                if ring in held:
                    held.remove(ring)
                if not held:
                    self._waiting.pop(task_id, None)

        return end


def _here(step: Step) -> Step:
    """Return a step as it is run on this process's own memory: whoever entered a create there lives."""
    held: Any = step
    return partial(held, gone=_never) if "gone" in getattr(step, "keywords", ()) else step


def _mark_of(step: Step) -> str:
    return str(getattr(step, "keywords", {}).get("mark", ""))


def _holds_back(verdict: object) -> bool:
    return isinstance(verdict, Verdict) and verdict.kind != "go"


def _handle(document: object) -> TaskHandle | None:
    try:
        return TaskHandle.from_dict(document)
    except ValueError:  # made by a route without a query, or written by somebody else
        return None


def _made(facts: Mapping[str, Any], *, task_id: str) -> Mapping[str, Any] | None:
    handle = _handle({**facts, "task_id": task_id})
    return None if handle is None else handle.as_dict()


def _phase(state: State | None, now: float, *, phase: str) -> tuple[State, bool]:
    known = {} if state is None else dict(state)
    if phase in known or (len(known) >= _MOST_WORDS and phase not in PHASES):
        return known, False
    return {**known, phase: now}, True


def _nothing(state: State | None, now: float) -> tuple[None, bool]:
    return None, state is not None


def _what_time(state: State | None, now: float) -> tuple[None, float]:
    return None, now


def _never(owner: str) -> bool:
    return False
