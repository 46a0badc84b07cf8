"""What the fuzzer broke, each by its name. The inputs themselves are in its corpora."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.configuring import problems_in
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.words import AuthStyle, Certainty, Family
from anyint_resilience.credentials import Credentials
from anyint_resilience.guards import breaker, budget, gate
from anyint_resilience.guards.twins import verdict_of
from anyint_resilience.policy.named import features_in, with_model
from anyint_resilience.policy.reading import read_response
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.flows import Pending
from anyint_resilience.stores.machine import MachineBackend
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.stores.roles import Nobody, Op
from anyint_resilience.stores.sqlite import SqliteStore
from anyint_resilience.tasks import entries
from hostile.fuzz.stored import run

NOW = 1.8e9
TABLE = RouteTable(seedance=True)
CHAT = TABLE.match("POST", "/openai/v1/chat/completions")


def test_the_code_of_a_problem_is_printable() -> None:
    """A problem document's type is a URL of the server's making; a line break in it went into the code."""
    body = json.dumps({"type": "https://errors/a\nb\x1b[31m", "title": "t"}).encode()
    seen = read_response(CHAT, CHAT.operation, 400, (), body)
    assert seen.code is not None
    assert seen.code.isprintable()


class Quiet(Nobody):
    def seen(self, view: Any) -> None: ...


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[tuple[MachineBackend, sqlite3.Connection]]:
    """The file that a machine's processes share their guards in, and a way to write into it behind their backs."""
    path = str(tmp_path / "store.db")
    backend = MachineBackend(path, Runtime(monotonic=lambda: NOW, wall=lambda: NOW, random=lambda: 0.5))
    run(backend.beat())
    db = sqlite3.connect(f"{path}-guards", isolation_level=None)
    yield backend, db
    db.close()
    backend._store.close()


GATE, CIRCUIT, BUDGET = "gate:acct0001:host:m", "breaker:acct0001:host:POST /x:m", "budget:acct0001:host"
OPEN = {"slots": [[1, 0, 1]], "window": 10.0, "open": 0.0, "since": 0.0, "probes": {}, "at": NOW}
SHUT = gate.told(None, NOW, ticket="t.1", kind="rate", began=NOW, hint=5.0)[0]
assert SHUT is not None
STEPS: dict[str, Any] = {
    GATE: partial(gate.ask, ticket="me.1", since=NOW, bound=NOW + 9),
    CIRCUIT: partial(
        breaker.told, ticket="t", good=False, began=NOW, window=10.0, failure_rate=0.5, least=9, cooldown=5.0, u=0.5
    ),
    BUDGET: partial(budget.spend, good=1, reserve=3.0, ratio=0.1),
}
ROWS: list[tuple[str, Any, Any]] = [
    (CIRCUIT, {**OPEN, "window": 0}, breaker.settle),  # ZeroDivisionError
    (CIRCUIT, {**OPEN, "at": 10**400, "open": 1.0}, STEPS[CIRCUIT]),  # OverflowError
    (GATE, {**SHUT, "until": 10**400}, STEPS[GATE]),
    (GATE, {**SHUT, "goal": 1e200, "cause": "down"}, STEPS[GATE]),
    (GATE, {**SHUT, "line": [[1, 7, NOW + 5]]}, partial(gate.settle)),  # a ticket that is no text
    (GATE, {**SHUT, "spread": float("nan")}, STEPS[GATE]),  # what no store can write
    (CIRCUIT, {**OPEN, "line": ["x"]}, breaker.settle),  # IndexError: only a gate has a line
    (CIRCUIT, {**OPEN, "line": 5}, breaker.settle),
    (BUDGET, {"tokens": float("inf"), "good": 0.0, "at": NOW}, STEPS[BUDGET]),
    (BUDGET, {"tokens": "x", "good": 0.0, "at": NOW}, STEPS[BUDGET]),
]


@pytest.mark.parametrize(("key", "state", "step"), ROWS, ids=[f"{row[0][:7]}-{at}" for at, row in enumerate(ROWS)])
def test_a_guard_s_state_that_is_not_ours_is_nothing_to_every_step(
    machine: tuple[MachineBackend, sqlite3.Connection], key: str, state: Any, step: Any
) -> None:
    """It raised what no call expects of a guard, or gave a verdict that could not be used."""
    backend, db = machine
    row = (key, json.dumps(state), NOW + 60)
    db.execute("INSERT INTO entries (key, state, expires, keep) VALUES (?, ?, ?, 0)", row)
    pending = Pending("SQLite", 1.0)
    run(backend.run([Op(key, step, 60.0, pending)], Quiet()))
    assert pending.error is None
    assert all(isinstance(it, str) for it in getattr(pending.value, "ring", ()))
    run(backend.look(Quiet()))
    db.execute("UPDATE entries SET state = ?", row[1:2])
    backend.hear(Quiet())


@pytest.mark.parametrize("state", ["{}", '{"seen":5}', '{"seen":{"a":"b"}}', '{"seen":[1]}'])
def test_a_list_of_processes_that_is_not_ours_is_one_of_nobody(
    machine: tuple[MachineBackend, sqlite3.Connection], state: str
) -> None:
    """No process of the machine could say any more that it is there, and none shared its guards."""
    backend, db = machine
    assert db.execute("UPDATE entries SET state = ?", (state,)).rowcount == 1
    run(backend.beat())
    assert run(backend.look(Quiet())).peers == 1


@pytest.mark.parametrize("state", [b"garbage", b"[]", b"\xff", b'{"cause":1}', b'{"open":NaN}'])
@pytest.mark.parametrize("expires", [NOW + 60, "soon"])
def test_a_row_that_can_t_be_read_keeps_nobody_from_sharing_guards(
    machine: tuple[MachineBackend, sqlite3.Connection], state: bytes, expires: Any
) -> None:
    """One such row in the guards' file kept every process of the machine away from it for as long as it stood there."""
    backend, db = machine
    db.execute("INSERT INTO entries (key, state, expires, keep) VALUES (?, ?, ?, 0)", (GATE, state, expires))
    assert run(backend.look(Quiet())).briefs == {}
    pending = Pending("SQLite", 1.0)
    step = partial(gate.told, ticket="me.1", kind="rate", began=NOW, hint=5.0)
    run(backend.run([Op(GATE, step, 60.0, pending)], Quiet()))
    assert pending.value.shut == "rate"
    assert run(backend.look(Quiet())).briefs.keys() == {GATE}


def test_an_entry_with_no_number_of_json_s_is_trouble_that_is_told(tmp_path: Path) -> None:
    """Python's JSON reads ``NaN``; written anew it was a ValueError that nobody expects of a store."""
    path = str(tmp_path / "store.db")
    store = SqliteStore(path, lambda: NOW)
    db = sqlite3.connect(path, isolation_level=None)
    row = ("create:x", '{"creates":[],"at":NaN}', NOW + 60)
    db.execute("INSERT INTO entries (key, state, expires, keep) VALUES (?, ?, ?, 0)", row)
    db.close()
    with pytest.raises(StoreError, match="nothing was changed"):
        store.update("create:x", lambda state, now: (state, None), 60.0)
    store.close()


def test_a_ticket_of_a_verdict_is_a_text_whatever_stands_on_the_server() -> None:
    """A number in a gate's line became a ticket; who looked whose it is broke the call."""
    raw = {"kind": "wait", "at": 1.0, "why": "full", "ring": [7]}
    assert verdict_of("gate.ask", raw).ring == ("7",)


def test_a_create_of_a_clock_that_was_ahead_is_held_back_for_one_window() -> None:
    """It was held back until the clock had come to where it once was, which may take years."""
    more: Any = {"window": 60.0, "owner": "me", "gone": lambda owner: False}
    ahead, _ = entries.begin(None, NOW + 1e7, ident="one", **more)
    lost, _ = entries.settle(ahead, NOW + 1e7, ident="one", certainty=Certainty.UNKNOWN)
    held, verdict = entries.begin(lost, NOW, ident="two", **more)
    assert (verdict.kind, verdict.since) == ("refuse", 0.0)
    assert entries.begin(held, NOW + 61, ident="two", **more)[1].kind == "go"


def test_how_long_ago_a_create_was_made_is_never_less_than_no_time() -> None:
    """Its answer was said to be of some seconds from now."""
    more: Any = {"window": 60.0, "owner": "me", "gone": lambda owner: False}
    ahead, _ = entries.begin(None, NOW + 9, ident="one", **more)
    made, _ = entries.settle(ahead, NOW + 9, ident="one", certainty=Certainty.COMMITTED)
    verdict = entries.begin(made, NOW, ident="two", again="replay", **more)[1]
    assert (verdict.kind, verdict.since) == ("replay", 0.0)


def test_a_configuration_with_a_byte_order_mark_can_be_checked() -> None:
    """The file could be used, and its text alone was no TOML."""
    assert problems_in("\ufeffseedance = true\r\n") == []


@pytest.mark.parametrize("name", [b"Authorization", b"x-api-key", b"X-Goog-Api-Key"])
@pytest.mark.parametrize("secure", [True, False])
def test_an_empty_header_hides_no_key_in_another_of_its_name(name: bytes, secure: bool) -> None:
    """The last of two headers was taken for both: an empty one left a key on, on plain http too."""
    headers = [(name, b"Bearer sk-0123456789" if name == b"Authorization" else b"sk-0123456789"), (name, b" ")]
    edit = Credentials("sk-own-0123456789").edit(headers, Family.GEMINI, AuthStyle.BEARER, secure=secure)
    assert edit is not None
    left = [value for _, value in edit.apply(headers)]
    own = b"Bearer sk-0123456789" if name == b"Authorization" else b"Bearer sk-own-0123456789"
    assert left == ([own] if secure else [])


def test_a_number_that_no_float_holds_is_trouble_that_is_told(tmp_path: Path) -> None:
    """``1e999`` is read as infinity, and written anew it was a ValueError that nobody expects of a store."""
    path = str(tmp_path / "store.db")
    store = SqliteStore(path, lambda: NOW)
    db = sqlite3.connect(path, isolation_level=None)
    row = ("create:x", '{"creates":[],"at":1e999}', NOW + 60)
    db.execute("INSERT INTO entries (key, state, expires, keep) VALUES (?, ?, ?, 0)", row)
    with pytest.raises(StoreError, match="nothing was changed"):
        store.update("create:x", lambda state, now: (state, None), 60.0)
    assert db.execute("SELECT state FROM entries").fetchone() == (row[1],)
    db.close()
    store.close()


@pytest.mark.parametrize("body", [b'{"model":"m",}', b'{"model":"m"} {}', b'{"model":"m"}\x00'])
def test_a_body_that_is_no_json_has_no_model_to_replace(body: bytes) -> None:
    """A comma too many, or more behind it: another model was put into what the gateway can only refuse."""
    assert with_model(body, Family.OPENAI, "n") is None
    assert features_in(body, ("tools",)) is None
