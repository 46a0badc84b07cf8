"""What the ledger remembers of a paid create, as pure steps: (state or None, now) -> (state or None, verdict).

Must not know any store, client or clock. One state stands for one intent: all creates that are the same one by their
``Idempotency-Key``, or by method, route, body and key. It is ``{"creates": [...], "keep": bool, "busy": [owner]}``;
each create has

``id``      its own name, ``owner``: the process that sent it
``fate``    ``in_flight``, ``unknown``, ``rejected``, ``committed``, or ``finished`` (committed, and its task is over)
``at``      since when
``mark``    what it carries to be found by, ``""`` for none; ``body``: the hash of its body, ``""`` where not known
``facts``   what a handle of its task is made of
``task``    that handle, ``answer``: the answer it had, as it is kept; None where there is none
``found``   True on one that was found by its mark, and not settled by its own call
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from ..contract.words import Certainty
from ..stores.protocol import State
from .recorded import FATES, Create, creates_of

__all__ = [
    "GO",
    "Verdict",
    "aged",
    "begin",
    "counting",
    "creates_of",
    "fate_among",
    "finish",
    "forget",
    "resolve",
    "restore",
    "settle",
    "withdraw",
]

_MOST: Final = 32
"""Creates remembered of one intent; those that are over are left out first, rejected ones before the others."""
_OPEN: Final = ("in_flight", "unknown")

Gone: TypeAlias = Callable[[str], bool]
"""Whether the process of that name has ended, so that what it had on its way will never be settled."""


class Verdict(NamedTuple):
    """What is to be done about a create.

    ``kind``: ``go`` (it was entered: send it), ``refuse`` (one like it is of unknown outcome, for ``since`` seconds),
    ``wait`` (the same one is on its way), ``replay`` or ``poll`` (it was made: ``answer``, ``task``), ``mismatch`` (its
    ``Idempotency-Key`` belongs to a create with another body).
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
    ident: str,
    again: str = "",
    before: str = "",
    mark: str = "",
    body: str = "",
    facts: Mapping[str, Any] | None = None,
    wary: bool = False,
) -> tuple[State, Verdict]:
    """Enter a create that is about to be sent, or say why it must not be.

    ``again``: what a repetition gets. ``replay``: the first answer (the same key); ``poll``: how its task stands; both
    wait for one on its way. ``retry``: the answer of the attempt before, whose id is ``before`` where that is known (an
    SDK's retry: what is on its way is another create with the same body). "": the same body may be asked for twice.
    ``wary``: a process that has ended seems to live for a while, so that what others have on its way is waited for.
    """
    made = _swept(creates_of(state, now), now, window, gone)
    own = next((it for it in made if ident and it["id"] == ident), None)
    if own is not None and own["fate"] != "in_flight":
        return _state(made), GO  # this very create, settled meanwhile: its entering comes once more, and says nothing
    made = [it for it in made if it is not own]
    lost = [it for it in made if it["fate"] == "unknown"]
    if lost:
        since = now - max(it["at"] for it in lost)
        return _state(made), Verdict("refuse", since, tuple(it["mark"] for it in lost if it["mark"]))
    facts = {} if facts is None else dict(facts)
    flying = [it for it in made if it["fate"] == "in_flight"]
    if flying and (again in ("replay", "poll") or (wary and any(it["owner"] != owner for it in flying))):
        return _state(made), Verdict("wait")
    done = _done(made, again, before, facts.get("key_id"))
    if done is not None and again == "replay" and body and done["body"] and body != done["body"]:
        return _state(made), Verdict("mismatch", now - done["at"], (), done["task"])
    if done is not None:
        kind = "replay" if again == "retry" else again
        return _state(made), Verdict(kind, now - done["at"], (), done["task"], done["answer"])
    entered = {"id": ident, "owner": owner, "fate": "in_flight", "at": now, "mark": mark, "body": body, "facts": facts}
    return _state([*made, {**entered, "task": None, "answer": None}]), GO


def settle(
    state: State | None,
    now: float,
    *,
    ident: str,
    certainty: Certainty,
    owner: str = "",
    mark: str = "",
    body: str = "",
    facts: Mapping[str, Any] | None = None,
    task: Mapping[str, Any] | None = None,
    answer: Mapping[str, Any] | None = None,
) -> tuple[State, None]:
    """Record the fate of a create, also of one that is not there (any more): what is known is never lost."""
    made = creates_of(state, now)
    fate = "rejected"
    if certainty is Certainty.UNKNOWN:
        fate = "unknown"
    elif certainty is Certainty.COMMITTED:
        fate = "committed"
    held = next((it for it in made if it["id"] == ident), None)
    if held is not None and held["fate"] == "committed" and fate != "committed" and held.get("found") is True:
        return _state(made), None  # its task was found meanwhile; else it is its own call, interrupted as it settled
    known = {"id": ident, "owner": owner, "mark": mark, "body": body, "facts": dict(facts or {})}
    new = {
        **(known if held is None else held),
        "fate": fate,
        "at": now,
        "task": None if task is None else dict(task),
        "answer": None if answer is None else dict(answer),
    }
    return _state([*(it for it in made if it["id"] != ident), new]), None


def resolve(
    state: State | None, now: float, *, mark: str, task: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
) -> tuple[State | None, bool]:
    """Record that a create was found by its mark: it made this task. Verdict: whether that was not known.

    ``task`` makes its handle of the create's facts.
    """
    made = creates_of(state, now)
    held = next((it for it in made if mark and it["mark"] == mark and it["fate"] in _OPEN), None)
    if held is None:
        return state, False
    found = {**held, "fate": "committed", "found": True, "at": now, "task": task(held["facts"]), "answer": None}
    return _state([found if it is held else it for it in made]), True


def withdraw(state: State | None, now: float, *, ident: str) -> tuple[State | None, None]:
    """Take back a create that was entered and not sent, as if it had never been there."""
    made = [it for it in creates_of(state, now) if it["id"] != ident or it["fate"] != "in_flight"]
    return (_state(made) if made else None), None


def restore(
    state: State | None,
    now: float,
    *,
    creates: Sequence[Create],
    since: Sequence[float],
) -> tuple[State | None, None]:
    """Enter creates again that a store has lost, each so many seconds old; those it knows are left as they are."""
    made = creates_of(state, now)
    known = {it["id"] for it in made}
    aged = zip(creates, since, strict=True)
    made = [*({**it, "at": now - age} for it, age in aged if it["id"] not in known), *made]
    return (_state(made) if made else None), None


def aged(state: State | None, now: float) -> tuple[list[Create], list[float]]:
    """Return the creates of a state for :func:`restore`, but for those that came to nothing."""
    made = [it for it in creates_of(state, now) if it["fate"] != "rejected"]
    return made, [now - it["at"] for it in made]


def finish(state: State | None, now: float, *, task_id: str) -> tuple[State | None, None]:
    """Record that a create's task has come to its end: the same create may be meant anew."""
    if state is None:
        return None, None
    made = creates_of(state, now)
    for it in made:
        if it["fate"] == "committed" and it["task"] is not None and it["task"].get("task_id") == task_id:
            it.update(fate="finished", answer=None)
    return _state(made), None


def forget(state: State | None, now: float, *, gone: Gone) -> tuple[State | None, bool]:
    """Forget the creates of unknown outcome, and no others. Verdict: whether there were any."""
    made = creates_of(state, now)
    left = [it for it in made if it["fate"] != "unknown" and not (it["fate"] == "in_flight" and gone(it["owner"]))]
    return (_state(left) if left else None), len(left) < len(made)


def counting(state: State, now: float, *, window: float, gone: Gone) -> list[Create]:
    """Return the creates of a state that count still, as they stand now; none once all are older than the window."""
    return _swept(creates_of(state, now), now, window, gone)


def fate_among(made: Sequence[Create]) -> str:
    """Return ``unknown`` if any of these creates is, else ``in_flight`` if any is, else how the last one ended."""
    fates = [it["fate"] for it in made]
    for fate in ("unknown", "in_flight"):
        if fate in fates:
            return fate
    last = fates[-1] if fates else "rejected"
    return "committed" if last == "finished" else str(last)


def _swept(made: list[Create], now: float, window: float, gone: Gone) -> list[Create]:
    """Return the creates that count still; what an ended process had on its way is of unknown outcome from now on."""
    swept: list[Create] = []
    for it in made:
        if it["fate"] == "in_flight":
            swept.append({**it, "fate": "unknown", "at": now} if gone(it["owner"]) else it)
        elif now - it["at"] < window:
            swept.append(it)
    return swept


def _done(made: list[Create], again: str, before: str, key_id: object) -> Create | None:
    """Return the create whose answer a repetition gets, None if there is none."""
    if not again:
        return None
    own = next((it for it in made if before and it["id"] == before), None)
    if again == "retry" and own is not None:  # how the attempt before ended is known, whatever others did
        return own if own["fate"] == "committed" else None
    # Another key is another account, or may be: its answers are not this one's.
    known = (it for it in reversed(made) if it["fate"] == "committed")
    return next((it for it in known if key_id is None or it["facts"].get("key_id") in (None, key_id)), None)


def _state(made: list[Create]) -> State:
    """Return the state of these creates, of so many at most."""
    if len(made) > _MOST:
        ranked = sorted(range(len(made)), key=lambda at: (FATES.index(made[at]["fate"]), at))
        left = sorted(ranked[len(made) - _MOST :])
        made = [made[at] for at in left]
    busy = sorted({it["owner"] for it in made if it["fate"] == "in_flight"})
    return {"creates": made, "keep": any(it["fate"] in _OPEN for it in made), "busy": busy}
