"""What stands in a store and was not written by us: entries of the ledger, states of guards, news, rows of a file.

Must not know how the fuzzer works. An input: ``KIND STEP NOW MODE EXPIRES``, headers that nobody reads, and the text
that stands there. ``KIND``: ``ledger``, ``gate``, ``breaker``, ``budget``, ``news`` or ``verdict``. ``MODE`` ``json``
makes a JSON document of any text, ``raw`` leaves it as it is. No server is needed: what a server runs is in other tests.
"""

from __future__ import annotations

import json
import math
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from anyint_resilience.contract.words import Certainty
from anyint_resilience.guards import breaker, budget, gate, twins
from anyint_resilience.guards.states import is_whole
from anyint_resilience.guards.view import Brief, View
from anyint_resilience.policy.times import MAX_HINT
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.flows import Pending
from anyint_resilience.stores.machine import MachineBackend
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.stores.redis.names import named, read_name, tag_of
from anyint_resilience.stores.redis.shots import Held, Shot, state_of
from anyint_resilience.stores.roles import Nobody, Op
from anyint_resilience.stores.sqlite import SqliteStore
from anyint_resilience.tasks import entries
from anyint_resilience.tasks.answers import given, kept
from anyint_resilience.tasks.handle import TaskHandle, read_handle
from anyint_resilience.tasks.ledger import Ledger

from .shapes import dumped, loose, message, number, pick, written

__all__ = ["check", "seeds", "words"]

NOW: Final = 1.8e9
_CREATE: Final = "create:acct0001:x"
_KEYS: Final = {
    "gate": "gate:acct0001:host:m",
    "breaker": "breaker:acct0001:host:POST /x:m",
    "budget": "budget:acct0001:host",
}
_KINDS: Final = ("ledger", "gate", "breaker", "budget", "news", "verdict")
_HELD: Final = frozenset(("go", "wait", "refuse", "replay", "poll", "mismatch"))


class Found(NamedTuple):
    """What stands there."""

    kind: str
    step: str
    now: float
    text: bytes
    expires: object


def check(data: bytes) -> None:
    """It is read as it was written, or as nothing, or it is trouble that is told; a create is never made twice by it."""
    said = message(data)
    kind = pick(_KINDS, said.word(0), {it: it for it in _KINDS})
    text = said.body if said.word(3) == "raw" else dumped(loose(said.body.decode("utf-8", "replace")))
    expires = {"": 1e300, "none": None, "text": "soon", "past": 1.0, "bytes": b"\xff", "whole": 5}.get(
        said.word(4), 1e300
    )
    found = Found(kind, said.word(1), NOW + number(said.word(2), 10**9), text, expires)
    if kind == "ledger":
        _ledger(found)
        _rows(found)
        _redis(found)
    elif kind in _KEYS:
        _guard(found)
    elif kind == "news":
        _news(found)
    else:
        _verdict(found)


# --- the ledger


def _gone(owner: str) -> bool:
    return owner == "dead"


def _ledger(found: Found) -> None:
    """Every step is total on any state, what it writes can be read, and what may be under way is not sent again."""
    state = state_of(found.text)
    if state is None:
        return
    now = found.now
    made = entries.creates_of(_copy(state), now)
    begin = partial(entries.begin, window=60.0, owner="me", gone=_gone, ident="new", again=_again(found), facts={})
    after, verdict = begin(_copy(state), now)
    assert verdict.kind in _HELD
    assert verdict.since >= 0
    lost = [it for it in made if it["fate"] == "unknown" and now - it["at"] < 60.0]
    assert verdict.kind == "refuse" or not lost
    held = state.get("creates")
    readable = isinstance(held, list) and len(made) == len(held) and all(entries._is_whole(it) for it in held)
    assert readable or verdict.kind == "refuse", "what can't be read may have been done"
    json.dumps(after, allow_nan=False, default=_not)
    for step in (
        partial(entries.settle, ident="new", certainty=Certainty.COMMITTED, task={"task_id": "t"}),
        partial(entries.settle, ident=made[0]["id"] if made else "", certainty=Certainty.UNKNOWN),
        partial(entries.resolve, mark=made[0]["mark"] if made else "m", task=lambda facts: {"task_id": "t", **facts}),
        partial(entries.withdraw, ident="new"),
        partial(entries.finish, task_id="t"),
        partial(entries.forget, gone=_gone),
    ):
        once, _ = step(_copy(state), now)
        assert once is None or len(entries.creates_of(once, now)) <= max(32, len(made))
        twice, _ = step(_copy(once), now)
        assert twice == once or _odd(once), step
    assert entries.fate_of(_copy(state), now, window=60.0, gone=_gone) in (
        "unknown",
        "in_flight",
        "committed",
        "rejected",
    )
    creates, since = entries.aged(_copy(state), now)
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
    """Whether a state has a number that is not equal to itself."""
    return "NaN" in json.dumps(state, default=str)


def _copy(state: Any) -> Any:
    return json.loads(json.dumps(state))


def _not(value: object) -> None:
    raise AssertionError(f"a state holds a {type(value).__name__}")


def _rows(found: Found) -> None:
    """In a file: what can't be read is a StoreError and is left as it is; the ledger serves, or says so."""
    store = _file().store
    _file().write(_CREATE, found.text, found.expires)
    before = _file().read(_CREATE)
    try:
        listed = dict(store.scan("create:"))
        step = partial(entries.begin, window=60.0, owner="me", gone=_gone, ident="new", again=_again(found), facts={})
        verdict = store.update(_CREATE, step, 60.0)
        assert verdict.kind in _HELD
        assert _CREATE in listed or verdict.kind == "go"
    except StoreError:
        assert _file().read(_CREATE) == before
    ledger = Ledger(store, spare=MemoryStore(lambda: NOW), window=60.0)
    try:
        for entry in ledger.entries():
            assert entry.fate in ("unknown", "in_flight", "committed", "rejected")
            assert entry.created_at is None or math.isfinite(entry.created_at)
        ledger.forget(_CREATE.removeprefix("create:"))
    except StoreError:
        pass


def _redis(found: Found) -> None:
    """What stands on a server: the steps run on it, or each is told why not and it stays."""
    pending = Pending("Redis", 1.0)
    step = partial(entries.begin, window=60.0, owner="me", gone=_gone, ident="new", facts={})
    shot = Shot(_CREATE, [Op(_CREATE, step, 60.0, pending)], Held(found.text))
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


# --- guards


def _guard(found: Found) -> None:
    """Through the file that a machine's processes share: every step gives a sound verdict, nobody stays away."""
    key = _KEYS[found.kind]
    store, backend = _file().guards, _file().backend
    _file().write(key, found.text, found.expires, guards=True)
    for step in _STEPS[found.kind]:
        pending = Pending("SQLite", 1.0)
        _run(backend.run([Op(key, step, 60.0, pending)], _NOBODY))
        assert pending.done
        assert pending.error is None, repr(pending.error)
        _sound(found.kind, pending.value)
        _run(backend.look(_NOBODY))
        held = dict(store.scan(key))
        assert all(is_whole(name, it) for name, it in held.items()), "a step wrote what it could not read"
    _file().write(key, found.text, found.expires, guards=True)
    view = _run(backend.look(_NOBODY))
    for name, said in view.briefs.items():
        assert twins.is_news(said, None)
        assert name != _KEYS["gate"] or Brief.of(said) is not None


def _steps() -> dict[str, tuple[Any, ...]]:
    ask = partial(gate.ask, ticket="me.1", since=NOW - 1, bound=NOW + 60, u=0.5, most=None)
    told = partial(gate.told, ticket="me.1", began=NOW - 1, flying=1, u=0.5)
    more: dict[str, Any] = {"window": 10.0, "failure_rate": 0.5, "least": 1, "cooldown": 5.0, "u": 0.5}
    outcome = partial(breaker.told, ticket="me.1", began=NOW - 1, **more)
    tokens: dict[str, Any] = {"good": 1, "reserve": 3.0, "ratio": 0.1}
    return {
        "gate": (
            *(ask, partial(gate.renew, tickets=("me.1",), lease=30.0)),
            *(partial(told, kind=kind, hint=hint, few=2) for kind in _OUTCOMES for hint in (None, 3.0)),
            *(partial(gate.leave, ticket="me.1"), ask, gate.settle),
        ),
        "breaker": (
            partial(breaker.ask, ticket="me.1", probes=1),
            partial(outcome, good=False),
            partial(outcome, good=True),
            partial(breaker.leave, ticket="me.1"),
            breaker.settle,
        ),
        "budget": (partial(budget.earn, **tokens), partial(budget.spend, **tokens)),
    }


_OUTCOMES: Final = ("good", "rate", "quota", "down", "other", "spent")
_STEPS: Final = _steps()


def _sound(kind: str, verdict: Any) -> None:
    if isinstance(verdict, gate.Passage):
        assert verdict.kind in ("go", "wait", "refuse")
        assert not math.isnan(verdict.at)
        assert verdict.kind == "go" or verdict.at <= NOW + 10**9 + 3 * MAX_HINT or verdict.why == "full"
        assert isinstance(verdict.why, str)
    elif isinstance(verdict, breaker.Passage):
        assert isinstance(verdict.go, bool)
        assert not math.isnan(verdict.at)
    elif kind == "budget":
        assert isinstance(verdict, (bool, float, int))
        assert math.isfinite(verdict)
    assert all(isinstance(it, str) for it in getattr(verdict, "ring", ()))


def _news(found: Found) -> None:
    """What others say on a channel is news if it can be, else nothing: no gate is shut for longer than a month."""
    try:
        said = json.loads(found.text)
    except (ValueError, RecursionError):
        return
    told = said if isinstance(said, dict) else None
    view = View()
    for key in _KEYS.values():
        view.note(key, told, found.now)
        brief = view.gate(key)
        passage = None if brief is None else brief.refuses(found.now, found.now + 1.0)
        assert passage is None or found.now < passage.at < math.inf
        assert passage is None or isinstance(passage.why, str)
        assert brief is None or brief.free in (True, False)
        way = view.circuit(key, found.now)
        assert way is None or way.go or found.now < way.at
        if brief is not None:
            words = {name: getattr(brief, name) for name in ("cause", "until", "shut", "probe", "named", "limit")}
            state, _ = gate.inherit(None, found.now, **words)
            _still_whole(_KEYS["gate"], state, found.now)
        if way is not None and not way.go:
            state, _ = breaker.inherit(None, found.now, until=way.at, window=10.0)
            assert state is None or breaker.ask(state, found.now, ticket="t", probes=1)
        assert view.knows(key) == (told is not None)


def _still_whole(key: str, state: Any, now: float) -> None:
    if state is None:
        return
    for kind in _OUTCOMES:
        gate.told(_copy(state), now, ticket="t", kind=kind, began=now - 1, u=0.5)
    assert gate.ask(_copy(state), now, ticket="t", since=now, bound=now + 1)[1].kind in ("go", "wait", "refuse")


def _verdict(found: Found) -> None:
    """What a script on a server says of garbage that stands there: a verdict, or what is told as trouble."""
    try:
        raw = json.loads(found.text)
    except (ValueError, RecursionError):
        return
    for name in ("gate.ask", "gate.told", "breaker.ask", "budget.spend"):
        try:
            verdict = twins.verdict_of(name, raw)
        except (LookupError, TypeError, ValueError):
            continue
        assert all(isinstance(it, str) for it in getattr(verdict, "ring", ()))


# --- a file that is one for all inputs


class File:
    """A store's file and its guards' file, and a way to write into them behind the store's back."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")  # noqa: S108  # a disk would be all that is measured
        self._folder = tempfile.TemporaryDirectory(prefix="anyint-fuzz-", dir=memory if memory.is_dir() else None)
        path = f"{self._folder.name}/store.db"
        runtime = Runtime(monotonic=lambda: NOW, wall=lambda: NOW, random=lambda: 0.5)
        self.store = SqliteStore(path, runtime.wall)
        self.backend = MachineBackend(path, runtime)
        self.guards = self.backend._store
        _run(self.backend.beat())
        self._behind = sqlite3.connect(path, isolation_level=None)
        self._guards_behind = sqlite3.connect(f"{path}-guards", isolation_level=None)
        for it in (self._behind, self._guards_behind):
            it.execute("PRAGMA synchronous = OFF")

    def write(self, key: str, text: bytes, expires: object, *, guards: bool = False) -> None:
        """Put a row there as the file's owner would, or nobody."""
        state: object = text
        try:
            state = text.decode()
        except UnicodeDecodeError:
            pass  # it stands there as bytes
        db = self._guards_behind if guards else self._behind
        db.execute("DELETE FROM entries")
        if expires is None:
            expires = b""
        db.execute("INSERT INTO entries (key, state, expires, keep) VALUES (?, ?, ?, 0)", (key, state, expires))

    def read(self, key: str) -> Any:
        """Return what stands there."""
        return self._behind.execute("SELECT state, expires FROM entries WHERE key = ?", (key,)).fetchone()


@lru_cache(maxsize=1)
def _file() -> File:
    return File()


class _Quiet(Nobody):
    def seen(self, view: Any) -> None:
        """Nobody looks."""

    def peered(self, peers: int) -> None:
        """Nobody counts."""

    def reborn(self) -> None:
        """Nobody mourns."""


_NOBODY: Final = _Quiet()


def _run(what: Any) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        what.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


# --- where the fuzzer begins


def words() -> Iterator[str]:
    """Names of fields and fates, and numbers that are none."""
    yield from sorted(
        {f'"{name}":' for name in (*gate._OPEN, "out", "line", "cut", "heard", "at", "slots", "window", "open")}
    )
    yield from sorted(
        {f'"{name}":' for name in ("since", "probes", "tokens", "good", "seen", "creates", "keep", "busy")}
    )
    yield from sorted({f'"{name}":' for name, _ in entries._FIELDS})
    yield from (
        *entries._ORDER,
        "dead",
        "me.1",
        '"$request":["prompt"]',
        '"document":',
        '"status":',
        '"type":',
        '"task_id":',
    )
    yield from ("NaN", "1e999", "-1e999", "1e308", "9" * 400, "null", "true", "1800000000.0", "1e300\n", "raw", "json")
    yield from (*_KINDS, "replay", "poll", "retry", "past", "text", "bytes", "whole")


def seeds() -> Iterator[bytes]:
    """States as steps make them, one of each kind and fate, and each with something amiss."""
    for kind, states in _made().items():
        for state in states:
            for step in ("", "replay", "poll") if kind == "ledger" else ("",):
                yield written([kind, step, 1, "json"], body=json.dumps(state))
        for text in (*_GARBAGE, json.dumps(states[0])[:60], json.dumps(states[0]).replace(":", ":1e999", 1)):
            for expires in ("", "text", "past"):
                yield written([kind, "", 1, "raw", expires], body=text)
    yield written(
        ["verdict", "", 1, "json"], body='{"kind":"go","at":1,"why":"","ring":["a.1"],"go":true,"probe":false}'
    )
    yield written(["verdict", "", 1, "json"], body='{"shut":"rate","opened":false,"ring":[7],"at":1e300}')
    for said in ({"open": NOW + 9}, _brief(NOW + 5), _brief(1e300), {**_brief(NOW), "probe": NOW + 9, "limit": 2}):
        yield written(["news", "", 1, "json"], body=json.dumps(said))


_GARBAGE: Final = ("", "garbage", "[]", "7", "null", '"x"', "{}", '{"open":NaN}', "[" * 300, '{"a":' + "9" * 400 + "}")


def _brief(until: float) -> dict[str, Any]:
    return {"cause": "rate", "until": until, "shut": NOW, "probe": 0.0, "named": False, "limited": True, "limit": 1}


def _made() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"gate": [], "breaker": [], "budget": [], "ledger": []}
    for kind, steps in _STEPS.items():
        state: Any = None
        for step in steps:
            state = step(state, NOW)[0]
            if state is not None and state not in found[kind]:
                found[kind].append(_copy(state))
    begin: Callable[..., Any] = entries.begin
    state, _ = begin(None, NOW, window=60.0, owner="dead", gone=_gone, ident="one", mark="acct-1", body="b", facts={})
    found["ledger"].append(_copy(state))
    task = TaskHandle(family="suno", route="POST /suno/generate", task_id="t", gateway="https://h", created_at=1.0)  # type: ignore[arg-type]
    for certainty in Certainty:
        more: dict[str, Any] = {"task": task.as_dict()} if certainty is Certainty.COMMITTED else {}
        answer = {
            "status": 200,
            "type": "application/json",
            "document": {"id": "t", "prompt": {"$request": ["prompt"]}},
        }
        made, _ = entries.settle(_copy(state), NOW, ident="one", certainty=certainty, answer=answer, **more)
        found["ledger"].append(made)
    return found
