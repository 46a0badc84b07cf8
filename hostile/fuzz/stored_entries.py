"""What must hold where an entry of the ledger stands that we did not write: in memory, in a file, on a server.

Must not know how the fuzzer works, nor any guard.
"""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Any, Final, NamedTuple

from anyint_resilience.contract.words import Certainty
from anyint_resilience.stores.flows import Pending
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.stores.redis.names import named, read_name, tag_of
from anyint_resilience.stores.redis.shots import Held, Shot, state_of
from anyint_resilience.stores.roles import Op
from anyint_resilience.tasks import entries, recorded
from anyint_resilience.tasks.answers import given, kept
from anyint_resilience.tasks.handle import TaskHandle, read_handle
from anyint_resilience.tasks.ledger import Ledger

from .stored import NOW, file

__all__ = ["Found", "copied", "gone", "ledger", "on_redis", "rows"]

CREATE: Final = "create:acct0001:x"
_HELD: Final = frozenset(("go", "wait", "refuse", "replay", "poll", "mismatch"))


class Found(NamedTuple):
    """What stands there."""

    kind: str
    step: str
    now: float
    text: bytes
    expires: object


def gone(owner: str) -> bool:
    """Whether a process has ended, among those of the seeds."""
    return owner == "dead"


def ledger(found: Found) -> None:
    """Every step is total on any state, what it writes can be read, and what may be under way is not sent again."""
    state = state_of(found.text)
    if state is None:
        return
    now = found.now
    made = entries.creates_of(copied(state), now)
    begin = partial(entries.begin, window=60.0, owner="me", gone=gone, ident="new", again=_again(found), facts={})
    after, verdict = begin(copied(state), now)
    assert verdict.kind in _HELD
    assert verdict.since >= 0
    lost = [it for it in made if it["fate"] == "unknown" and now - it["at"] < 60.0]
    assert verdict.kind == "refuse" or not lost
    held = state.get("creates")
    readable = isinstance(held, list) and len(made) == len(held) and all(recorded._is_whole(it) for it in held)
    assert readable or verdict.kind == "refuse", "what can't be read may have been done"
    json.dumps(after, allow_nan=_odd(state), default=_not)
    for step in (
        partial(entries.settle, ident="new", certainty=Certainty.COMMITTED, task={"task_id": "t"}),
        partial(entries.settle, ident=made[0]["id"] if made else "", certainty=Certainty.UNKNOWN),
        partial(entries.resolve, mark=made[0]["mark"] if made else "m", task=lambda facts: {"task_id": "t", **facts}),
        partial(entries.withdraw, ident="new"),
        partial(entries.finish, task_id="t"),
        partial(entries.forget, gone=gone),
    ):
        once, _ = step(copied(state), now)
        assert once is None or len(entries.creates_of(once, now)) <= max(32, len(made))
        twice, _ = step(copied(once), now)
        assert twice == once or _odd(once), step
    counting = entries.counting(copied(state), now, window=60.0, gone=gone)
    assert entries.fate_among(counting) in ("unknown", "in_flight", "committed", "rejected")
    creates, since = entries.aged(copied(state), now)
    again, _ = entries.restore(None, now, creates=creates, since=since)
    assert again is None or len(again["creates"]) <= 32
    _facts_are_read(made, found)


def _facts_are_read(made: list[dict[str, Any]], found: Found) -> None:
    """A handle of a state is whole or none; an answer is given with the same request put back into it."""
    for it in made[:4]:
        handle = read_handle(it["task"])
        assert handle is None or TaskHandle.from_json(handle.to_json()) == handle
        status, kind, body = given(it["answer"] or {}, found.text)
        assert 200 <= status < 300
        assert kind.isprintable()
        assert isinstance(body, bytes)
    answer = kept(200, "application/json", found.text, b'{"prompt":"a fox in the snow, at night"}')
    if answer is not None:
        json.dumps(answer, allow_nan=False)
        assert b"a fox in the snow" not in json.dumps(answer).encode()


def _again(found: Found) -> str:
    return found.step if found.step in ("replay", "poll", "retry") else ""


def _odd(state: Any) -> bool:
    """Whether a state has a number in it that JSON has no word for: 1e999 is read as one."""
    said = json.dumps(state, default=str)
    return "NaN" in said or "Infinity" in said


def copied(state: Any) -> Any:
    """Return a state as a store would give it: none that a step may change behind our back."""
    return json.loads(json.dumps(state))


def _not(value: object) -> None:
    raise AssertionError(f"a state holds a {type(value).__name__}")


def rows(found: Found) -> None:
    """In a file: what can't be read is a StoreError and is left as it is; the ledger serves, or says so."""
    store = file().store
    file().write(CREATE, found.text, found.expires)
    before = file().read(CREATE)
    try:
        listed = dict(store.scan("create:"))
        step = partial(entries.begin, window=60.0, owner="me", gone=gone, ident="new", again=_again(found), facts={})
        verdict = store.update(CREATE, step, 60.0)
        assert verdict.kind in _HELD
        assert CREATE in listed or verdict.kind == "go"
    except StoreError:
        assert file().read(CREATE) == before
    ledger = Ledger(store, spare=MemoryStore(lambda: NOW), window=60.0)
    try:
        for entry in ledger.entries():
            assert entry.fate in ("unknown", "in_flight", "committed", "rejected")
            assert entry.created_at is None or math.isfinite(entry.created_at)
        ledger.forget(CREATE.removeprefix("create:"))
    except StoreError:
        pass


def on_redis(found: Found) -> None:
    """What stands on a server: the steps run on it, or each is told why not and it stays."""
    pending = Pending("Redis", 1.0)
    step = partial(entries.begin, window=60.0, owner="me", gone=gone, ident="new", facts={})
    shot = Shot(CREATE, [Op(CREATE, step, 60.0, pending)], Held(found.text))
    assert shot.fire(found.now)
    assert isinstance(shot.text, bytes)
    assert all(isinstance(it, str) for it in shot.busy)
    shot.settle()
    assert pending.done
    if pending.error is not None:
        assert isinstance(pending.error, StoreError)
        assert shot.text == b"="
    shot.dead = frozenset()
    assert shot.gone("nobody", "me") in (True, False)
    name = found.text.decode("utf-8", "surrogateescape")
    assert len(named(name)) <= 420
    read_name(found.text)
    assert tag_of(name).isascii()
