"""Following a task to its end: a generator that yields effects and is told what came of them.

Must not know any client, do any I/O, sleep or read a clock by itself. It asks and never creates: whatever happens to a
wait, the task goes on, and its handle is on every error.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..contract.tasks import NOT_YET
from ..contract.words import Cause, Certainty, Operation
from ..exceptions import QueryRefused, TaskFailed, TaskTimeout
from ..policy.echoes import word_of
from ..policy.model import Action, Decision, HeaderPairs, Observation
from ..policy.polling import LONGEST_POLL, first_wait, next_wait
from ..policy.rules import Policy
from .handle import TaskHandle
from .timetable import Timetable
from .updates import TaskUpdate, phase_of, progress_of, query_route, read_task, results_of, states_of

if TYPE_CHECKING:
    from ..runtime import Runtime

__all__ = ["LAST_LOOK", "Ask", "Flow", "Looked", "Rest", "Tell", "Wait", "follow"]

LAST_LOOK: Final = 10.0
"""Seconds by which the last query may come, or be answered, after the deadline; no more than the wait's own length."""

_SURE: Final = 2
"""Answers in a row that say there is no such task, before that is believed."""

_GONE: Final = (
    "the gateway knows no such task: it has expired and is forgotten, or it never was under this id. Look whether its "
    "result was saved before; a new task is a new paid job."
)
_ENDS: Final = frozenset({Cause.AUTH, Cause.PERMISSION})
"""Causes that end a wait: no later query with the same key will be answered."""


@dataclass(slots=True)
class Rest:
    """Wait for so many seconds, or until there is news of the task; told: whether there was."""

    seconds: float


@dataclass(slots=True)
class Ask:
    """Send the query; told: a :class:`Looked`. ``left``: seconds left of the wait."""

    url: str
    left: float


@dataclass(slots=True)
class Tell:
    """Hand an update on."""

    update: TaskUpdate


@dataclass(slots=True)
class Looked:
    """What a query came back with: an answer (``too_long``: nobody reads all of it), or what was decided of a fault."""

    status: int = 0
    headers: HeaderPairs = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    failed: Decision | None = None
    too_long: bool = False


Flow: TypeAlias = "Generator[Rest | Ask | Tell, Any, TaskUpdate]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One wait: for which task, until when (seconds after it begins), and what it shares with others.

    ``other_key``: it asks with another key than the one that made the task, which may not see it.
    """

    handle: TaskHandle
    deadline: float
    runtime: Runtime
    timetable: Timetable
    policy: Policy
    other_key: bool = False

    @property
    def kind(self) -> str:
        """What it shares its pace with: all waits for one family with one key at one gateway."""
        return f"{self.handle.gateway} {self.handle.family} {self.handle.key_id}"


class _State:
    """How far a wait has come."""

    __slots__ = ("last", "missing", "polls", "rank", "started")

    def __init__(self, started: float, handle: TaskHandle) -> None:
        self.started = started
        self.polls = self.missing = 0
        self.last = TaskUpdate(handle=handle, phase="pending")
        self.rank = 0


def follow(wait: Wait) -> Flow:
    """Follow a task; the value is the update that it ended with in success.

    Raises:
        TaskFailed, QueryRefused, TaskTimeout: all with the handle.
    """
    states, runtime = states_of(wait.handle), wait.runtime
    now = _State(runtime.monotonic(), wait.handle)
    delay = first_wait(states, runtime.wall() - wait.handle.created_at, runtime.random())
    while True:
        left = wait.deadline - (runtime.monotonic() - now.started)
        yield Rest(max(0.0, min(delay, left)))  # what comes later could not be waited for: one look at the deadline
        yield from _turn(wait, now, states.query_rate)
        looked: Looked = yield Ask(wait.handle.url, wait.deadline - (runtime.monotonic() - now.started))
        now.polls += 1
        try:
            update, hint = _read(wait, now, looked)
        except TaskFailed as failed:
            if failed.update is not None:
                yield Tell(failed.update)
            raise
        now.last = update
        yield Tell(update)
        if update.done:
            return update
        if runtime.monotonic() - now.started >= wait.deadline:
            raise _timeout(wait, now)
        delay = next_wait(states, now.polls, runtime.random(), hint)


def _turn(wait: Wait, now: _State, rate: float) -> Generator[Rest, Any, None]:
    """Wait for the turn among all waits of the family; one that goes away gives its slot back."""
    began = wait.runtime.monotonic()
    slot = wait.timetable.take(wait.kind, began, rate)
    try:
        if slot - now.started > wait.deadline + min(LAST_LOOK, wait.deadline):
            raise _timeout(wait, now, turn=True)
        while (left := slot - wait.runtime.monotonic()) > 0:
            yield Rest(left)  # news of the task is no reason to come before the others
    except BaseException:
        wait.timetable.give_back(wait.kind, slot)
        raise


def _read(wait: Wait, now: _State, looked: Looked) -> tuple[TaskUpdate, float | None]:
    """Return how the task stands after a query, and the seconds that the server asked to be left alone."""
    elapsed = wait.runtime.monotonic() - now.started
    now.last = replace(now.last, polls=now.polls, elapsed=elapsed)
    if looked.failed is not None:
        return replace(now.last, problem=looked.failed, note="the query failed"), None
    if looked.too_long:
        text = (
            f"{wait.handle}: the answer to its query is too long to be read here; the task goes on, or is done: read it"
        )
        raise QueryRefused(f"{text} at handle.url", handle=wait.handle, update=now.last)
    wall = wait.runtime.wall()
    seen, document = read_task(wait.handle, looked.status, looked.headers, looked.body, now=wall)
    decision = _decision(wait, now, seen, wall)
    hint = None if seen.hint is None else min(seen.hint.seconds, LONGEST_POLL) if seen.pending else seen.hint.seconds
    told = seen.certainty is Certainty.COMMITTED and (seen.cause is None or seen.task_state is not None)
    if told and not document:  # cut off: what it seems to say of the task, without its results, is not the end
        problem = replace(decision, reason="the answer is no JSON object: it was left out", action=Action.POLL)
        return replace(now.last, problem=problem, note="the answer could not be read"), hint
    if told and seen.task_id not in (None, wait.handle.task_id):
        problem = replace(decision, reason="the answer is about another task: it was left out", action=Action.POLL)
        return replace(now.last, problem=problem, note="the answer was about another task"), hint
    if not told:
        return _not_told(wait, now, seen, decision), hint
    now.missing = 0
    return _told(wait, now, seen, document, decision), hint


def _told(wait: Wait, now: _State, seen: Observation, document: dict[str, Any], decision: Decision) -> TaskUpdate:
    """Return how a task stands whose query was answered."""
    handle, states = wait.handle, states_of(wait.handle)
    update = replace(
        now.last,
        state=seen.task_state,
        document=document,
        progress=progress_of(document),
        problem=None,
        note=seen.note,
    )
    if seen.cause is not None:
        # DashScope has one word for what it forgot and what it does not know yet.
        if states.gone and (seen.task_state or "").lower() in states.expired and _young(wait):
            return replace(now.last, problem=decision, note="no such task yet")
        failed = replace(update, phase="failed", reason=seen.message)
        raise TaskFailed(f"{handle}: {decision.guidance}", handle=handle, update=failed, decision=decision)
    if not seen.pending:
        return replace(update, phase="success", results=results_of(handle, states, document))
    phase = phase_of(states, seen)
    note = update.note
    rank = ("pending", "running", "partial").index(phase)
    if rank < now.rank and not note:
        note = f"the state went back to {word_of(seen.task_state)}"
    now.rank = rank
    partly = results_of(handle, states, document) if phase == "partial" else ()
    return replace(update, phase=phase, note=note, results=partly)


def _not_told(wait: Wait, now: _State, seen: Observation, decision: Decision) -> TaskUpdate:
    """Return how a task stands whose query was refused or failed: as before, unless no query can ever be answered."""
    handle = wait.handle
    if seen.cause in _ENDS:
        text = f"{handle}: its query is refused, the task itself may go on. {decision.guidance}"
        raise QueryRefused(text, handle=handle, update=now.last, decision=decision)
    # Said by the gateway itself, and twice: a proxy on the way has its own idea of what is not found.
    now.missing = now.missing + 1 if seen.cause is Cause.INVALID and seen.envelope is not None else 0
    if now.missing >= _SURE and not _young(wait):
        text = f"{handle}: {decision.guidance}"
        if wait.other_key:
            text = f"{handle}: not to be seen with this key; another one made it. The task itself may go on."
        elif _not_found(seen):
            text = f"{handle}: {_GONE}"
            raise TaskFailed(text, handle=handle, update=replace(now.last, phase="failed"), decision=decision)
        raise QueryRefused(text, handle=handle, update=now.last, decision=decision)
    note = "no such task yet" if seen.cause is Cause.INVALID and _young(wait) else "the query failed"
    return replace(now.last, problem=decision, note=note)


def _young(wait: Wait) -> bool:
    """Whether a task was created so short a time ago that it may not show yet."""
    return wait.runtime.wall() - wait.handle.created_at < NOT_YET


def _not_found(seen: Observation) -> bool:
    return seen.status in (404, 410) or seen.code in ("404", "410")


def _decision(wait: Wait, now: _State, seen: Observation, wall: float) -> Decision:
    elapsed = wait.runtime.monotonic() - now.started
    route = query_route(wait.handle)
    return wait.policy.on_response(
        route, Operation.QUERY, seen, method="GET", attempt=max(1, now.polls), elapsed=elapsed, now=wall, u=1.0
    )


def _timeout(wait: Wait, now: _State, *, turn: bool = False) -> TaskTimeout:
    state = word_of(now.last.state) or "not finished"
    when = f"after {wait.deadline:g} s of waiting"
    if turn:
        when = f"when last seen, and its next turn among all waits is past the deadline of {wait.deadline:g} s"
    said = (
        f"{wait.handle}: {state} {when}. The task goes on: wait for it again with this handle, do not create it again."
    )
    return TaskTimeout(said, handle=wait.handle, update=now.last)
