"""What the ledger remembers of a paid create, as pure steps: (state or None, now) -> (state or None, verdict).

Must not know any store, client or clock. One state stands for one intent: all creates that are the same one by their
``Idempotency-Key``, or by method, route, body and key. Its fields, JSON values all:

``flights``  creates on their way, by the process that sent them: the mark of each ("" for none)
``lost``     marks of creates of unknown outcome, since ``at``
``found``    marks of creates that are on their way still, but whose tasks were found
``fate``     how the last one ended otherwise: ``rejected``, ``committed``, ``finished``, since ``done_at``
``tasks``    handles of the tasks made, the last one last; ``answer``: the answer that the last one had
``facts``    what is needed to make a handle; ``keep``: others are put aside before it when a store is full
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from ..contract.words import Certainty
from ..stores.protocol import State

__all__ = ["GO", "Verdict", "begin", "fate_of", "finish", "read", "resolve", "settle"]

_MOST_TASKS: Final = 8
_MOST_LOST: Final = 64
_NEVER: Final = 1e15  # seconds
_FATES: Final = ("rejected", "committed", "finished")

Gone = Callable[[str], bool]
"""Whether the process of that name has ended, so that what it had on its way will never be settled."""


class Verdict(NamedTuple):
    """What is to be done about a create.

    ``kind``: ``go`` (it was entered: send it), ``refuse`` (one like it is of unknown outcome, for ``since`` seconds),
    ``wait`` (the same one is on its way), ``replay`` or ``poll`` (it was made: ``answer``, ``task``).
    """

    kind: str
    since: float = 0.0
    marks: tuple[str, ...] = ()
    task: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None


GO: Final = Verdict("go")


def begin(
    state: State | None,
    now: float,
    *,
    window: float,
    owner: str,
    gone: Gone,
    again: str = "",
    mark: str = "",
    facts: Mapping[str, Any] | None = None,
) -> tuple[State, Verdict]:
    """Enter a create that is about to be sent, or say why it must not be.

    ``again``: what a repetition gets. ``replay``: the first answer (the same key); ``poll``: how its task stands; both
    wait for one on its way. ``retry``: the first answer, if there is one (an SDK's retry: what is on its way is another
    create with the same body, for its own has ended). "": the same body may well be asked for twice.
    """
    made = _swept(state, now, gone)
    if made["lost"] and now - made["at"] < window:
        return made, Verdict("refuse", max(0.0, now - made["at"]), tuple(made["lost"]))
    if again in ("replay", "poll") and made["flights"]:
        return made, Verdict("wait")
    if again and made["fate"] == "committed" and now - made["done_at"] < window:
        kind = "replay" if again == "retry" else again
        return made, Verdict(kind, now - made["done_at"], (), _last(made), made["answer"])
    flights = {**made["flights"], owner: [*made["flights"].get(owner, ()), mark]}
    new = {**made, "flights": flights, "lost": [], "fate": None, "answer": None, "facts": dict(facts or {})}
    return _kept(new), GO


def settle(
    state: State | None,
    now: float,
    *,
    owner: str,
    certainty: Certainty,
    mark: str = "",
    task: Mapping[str, Any] | None = None,
    answer: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> tuple[State, None]:
    """Record the fate of a create that was entered."""
    made = read(state, now)
    if facts and not made["facts"]:
        made["facts"] = dict(facts)
    found = mark in made["found"]
    if found:
        made["found"] = _without(made["found"], mark)
    elif mark in made["flights"].get(owner, ()):
        made["flights"] = _landed(made["flights"], owner, mark)
    elif mark:  # its process was taken for one that had ended
        made["lost"] = _without(made["lost"], mark)
    if certainty is Certainty.UNKNOWN and found:
        pass  # its task was found meanwhile
    elif certainty is Certainty.UNKNOWN:
        made.update(lost=[*made["lost"], mark][-_MOST_LOST:], at=now)
    elif certainty is Certainty.COMMITTED:
        made.update(fate="committed", done_at=now, answer=None if answer is None else dict(answer))
        made["tasks"] = _with(made["tasks"], task)
    else:
        made.update(fate="rejected", done_at=now, answer=None)
    return _kept(made), None


def resolve(
    state: State | None, now: float, *, mark: str, task: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
) -> tuple[State | None, bool]:
    """Record that a create of unknown outcome was found: it made this task. Verdict: whether it was unknown here.

    ``task`` makes its handle of the create's facts.
    """
    if state is None:
        return None, False
    state = read(state, now)
    if mark in state["lost"]:
        made = {**state, "lost": _without(state["lost"], mark), "fate": "committed", "done_at": now, "answer": None}
    else:
        owner = next((name for name, marks in state["flights"].items() if mark in marks), None)
        if owner is None:
            return state, False
        # Its answer may still come, and says the same: the entry is settled by it, or as made if it never does.
        made = {**state, "flights": _landed(state["flights"], owner, mark), "fate": "committed", "done_at": now}
        made["found"] = [*state["found"], mark][-_MOST_LOST:]
    made["tasks"] = _with(state["tasks"], task(state["facts"]))
    return _kept(made), True


def finish(state: State | None, now: float, *, task_id: str) -> tuple[State | None, None]:
    """Record that the last task has come to its end: the same create may be meant anew."""
    if state is None:
        return None, None
    state = read(state, now)
    last = _last(state)
    if last is None or last.get("task_id") != task_id or state["fate"] != "committed":
        return state, None
    return {**state, "fate": "finished", "answer": None}, None


def fate_of(state: State, now: float, *, window: float, gone: Gone) -> str:
    """Return ``unknown``, ``in_flight``, or how the last create ended."""
    made = _swept(state, now, gone)
    if made["lost"] and now - made["at"] < window:
        return "unknown"
    if made["flights"]:
        return "in_flight"
    fate = made["fate"]
    return "committed" if fate == "finished" else str(fate or "unknown")


def _are(kind: type, values: object) -> bool:
    return isinstance(values, list) and all(isinstance(it, kind) for it in values)


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) < _NEVER  # neither NaN, nor what no float can hold


_FIELDS: Final[tuple[tuple[str, Callable[[Any], bool]], ...]] = (
    ("flights", lambda it: isinstance(it, dict) and all(_are(str, marks) for marks in it.values())),
    ("lost", partial(_are, str)),
    ("found", partial(_are, str)),
    ("at", _is_time),
    ("fate", lambda it: it is None or (isinstance(it, str) and it in _FATES)),
    ("done_at", _is_time),
    ("tasks", partial(_are, dict)),
    ("answer", lambda it: it is None or isinstance(it, dict)),
    ("facts", lambda it: isinstance(it, dict)),
)


def read(state: State | None, now: float) -> State:
    """Return a state as the steps know it. One that can't be read says nothing good: its create may have been done."""
    blank: State = {"flights": {}, "lost": [], "found": [], "at": 0.0, "fate": None, "done_at": 0.0}
    blank.update(tasks=[], answer=None, facts={}, keep=True)
    if state is None:
        return blank
    whole = all(name in state and good(state[name]) for name, good in _FIELDS)
    return dict(state) if whole else {**blank, "lost": [""], "at": now}


def _swept(state: State | None, now: float, gone: Gone) -> State:
    """Return a state in which what ended processes had on its way is of unknown outcome."""
    state = read(state, now)
    dead = [owner for owner in state["flights"] if gone(owner)]
    if not dead:
        return state
    lost = [mark for owner in dead for mark in state["flights"][owner]]
    flights = {owner: marks for owner, marks in state["flights"].items() if owner not in dead}
    return {**state, "flights": flights, "lost": [*state["lost"], *lost][-_MOST_LOST:], "at": now}


def _landed(flights: Mapping[str, list[str]], owner: str, mark: str) -> dict[str, list[str]]:
    """Return the flights without one of this owner and mark."""
    marks = _without(flights.get(owner, []), mark)
    rest = {name: list(it) for name, it in flights.items() if name != owner}
    return {**rest, owner: marks} if marks else rest


def _without(marks: list[str], mark: str) -> list[str]:
    """Return the marks without one of these."""
    left = list(marks)
    if mark in left:
        left.remove(mark)
    return left


def _with(tasks: list[Any], task: Mapping[str, Any] | None) -> list[Any]:
    if task is None or any(it.get("task_id") == task.get("task_id") for it in tasks):
        return tasks
    return [*tasks, dict(task)][-_MOST_TASKS:]


def _last(state: State) -> Mapping[str, Any] | None:
    return state["tasks"][-1] if state["tasks"] else None


def _kept(state: State) -> State:
    return {**state, "keep": bool(state["flights"] or state["lost"])}
