"""What the processes of one machine, or of a fleet, tell each other of their guards: real processes, a file or a Redis.

Must not know how a step works.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from anyint_resilience.guards import gate
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.stores.sqlite import SqliteStore
from tests.redis_kit import redis_cluster as redis_cluster  # fixtures
from tests.redis_kit import redis_server as redis_server
from tests.unit.store_kit import REDIS, Other, forked, posix, put, shut
from tests.waiting import until

GATE = "gate:acct0001:host:m"
WAIT = "sys.stdin.readline()\n"
ON_A_MACHINE = """
import time
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.sqlite import SqliteStore
store = SqliteStore({where!r}, time.time, runtime=Runtime(), wait=5.0)
"""
HEAD = """
from functools import partial
from anyint_resilience.guards import gate
from tests.unit.store_kit import shut
from tests.waiting import until
store.member.start()
until(lambda: store.member.up)
say(store.member.backend.owner)
"""


class Ears:
    """Takes down what a member hears."""

    def __init__(self) -> None:
        self.briefs: dict[str, Any] = {}
        self.rings: list[tuple[str, str]] = []
        self.turns: list[bool] = []

    def viewed(self, view: Any) -> None:
        self.briefs = dict(view.briefs)

    def told(self, key: str, brief: Any, at: float) -> None:
        self.briefs[key] = brief

    def rung(self, key: str, ticket: str) -> None:
        self.rings.append((key, ticket))

    def beat(self) -> None:
        """It is of no interest."""

    def turned(self, *, up: bool) -> None:
        self.turns.append(up)


class Shared(NamedTuple):
    """A store that processes share: this one's part, what it heard, and what makes another process's."""

    store: Any
    ears: Ears
    other: Callable[[str], Other]


def joined(store: Any) -> Ears:
    """Begin to hear."""
    store.member.ears = Ears()
    store.member.start()
    until(lambda: store.member.up)
    return store.member.ears  # type: ignore[no-any-return]


def on_a_machine(file: Path, wait: float = 5.0) -> SqliteStore:
    return SqliteStore(file, time.time, runtime=Runtime(), wait=wait)


@pytest.fixture(params=["sqlite", "redis", "redis-cluster"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    if request.param == "sqlite":
        where, made, store = str(tmp_path / "store.db"), ON_A_MACHINE, on_a_machine(tmp_path / "store.db")
    else:
        where = request.getfixturevalue("redis_server" if request.param == "redis" else "redis_cluster").url
        pytest.importorskip("redis", reason="redis-py is not here: pip install redis")
        from anyint_resilience.stores.redis import RedisStore

        made, store = REDIS, RedisStore(where, wait=5.0)  # type: ignore[assignment]
    yield Shared(store, joined(store), lambda code: Other(where, HEAD + code, made))
    store.close()


SHUT = WAIT + f"shut(store, {GATE!r})\nsay('shut')\n" + WAIT


def test_what_one_shuts_the_others_see(shared: Shared) -> None:
    """Those who are there are told, those who come later find it; and of its end both hear as well."""
    with shared.other(SHUT) as other:
        other.hear()
        assert shared.ears.briefs == {}
        other.tell()
        assert other.hear() == "shut"
        until(lambda: shared.ears.briefs.get(GATE) is not None)
        brief = shared.ears.briefs[GATE]
        assert (brief["cause"], brief["until"] > shared.store.member.backend.now()) == ("rate", True)
        code = f"say(store.member.backend.owner != '')\n{WAIT}"
        with shared.other(code) as late:
            late.hear()
            shared.store.member.close()
            again = joined(shared.store)
            until(lambda: again.briefs.get(GATE) == brief)


def test_a_turn_that_comes_rings_the_process_that_waits(shared: Shared) -> None:
    """It stands in line for what another process has out; when that leaves, the waiter is told, not just anybody."""
    member = shared.store.member

    def asking(ticket: str) -> Any:
        now = member.backend.now()
        step = partial(gate.ask, ticket=ticket, since=now, bound=now + 30, most=1)
        return member.updating(GATE, step, 60, 5.0).wait().kind

    code = (
        "now = store.member.backend.now()\nname = store.member.backend.owner\n"
        f"run = lambda step: store.member.updating({GATE!r}, step, 60, 5.0).wait()\n"
        "say(run(partial(gate.ask, ticket=name + '.1', since=now, bound=now + 30, most=1)).kind)\n"
        f"{WAIT}run(partial(gate.leave, ticket=name + '.1'))\nsay('left')\n{WAIT}"
    )
    with shared.other(code) as other:
        other.hear()
        assert other.hear() == "go"
        ticket = f"{member.backend.owner}.1"
        assert asking(ticket) == "wait"
        shared.ears.rings.clear()  # a file may have rung for nothing: another process said that it is there
        other.tell()
        assert other.hear() == "left"
        until(lambda: (GATE, ticket) in shared.ears.rings)
        assert asking(ticket) == "go"


def test_processes_are_counted(shared: Shared) -> None:
    """A limit of one means as much among many: what each has out, all have."""
    member = shared.store.member
    with shared.other(WAIT) as one, shared.other(WAIT) as two:
        assert len({one.hear(), two.hear(), member.backend.owner}) == 3
        member.close()
        joined(shared.store)
        for account in ("acct0001", "acct0002", "acct0003"):  # in a cluster they stand on three nodes
            until(partial(is_three, shared.store, account))  # one that has just hung up may count for a moment


def is_three(store: Any, account: str) -> bool:
    shut(store, f"gate:{account}:host:m")
    return bool(store.member.peers == 3)


# A file's own troubles


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    made = on_a_machine(file)
    yield made
    made.close()


def member_of(store: SqliteStore) -> Any:
    assert store.member is not None
    return store.member


def test_guards_stand_in_a_file_of_their_own(store: SqliteStore, file: Path) -> None:
    """What need not outlive the machine's running slows nobody who writes what must."""
    put(store, "create:acct0001:x", {"n": 1})
    shut(store, GATE)
    assert [key for key, _ in store.scan("")] == ["create:acct0001:x"]
    assert Path(f"{file}-guards").exists()


def test_a_locked_file_holds_nobody_up(store: SqliteStore, file: Path) -> None:
    """A call is told when the time it waits is over, later ones at once; it is shared again by itself."""
    impatient = on_a_machine(file, wait=0.2)
    ears = joined(impatient)
    shut(impatient, GATE)
    member = member_of(impatient)
    db = sqlite3.connect(f"{file}-guards", isolation_level=None)
    try:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="SQLite"):
            member.updating(GATE, partial(gate.settle), 60).wait()
        until(lambda: member.updating(GATE, partial(gate.settle), 60).done)
        put(impatient, "create:acct0001:x", {"n": 1})
        db.execute("ROLLBACK")
    finally:
        db.close()
    until(lambda: member.up and member.serves)
    assert shut(impatient, GATE).shut in ("rate", "")
    assert ears.turns[-1] is True
    impatient.close()


def test_a_deleted_file_is_made_anew(store: SqliteStore, file: Path) -> None:
    """All who share it find each other in the new one."""
    ears = joined(store)
    shut(store, GATE)
    with Other(file, HEAD + SHUT, ON_A_MACHINE) as other:
        other.hear()
        for end in ("", "-wal", "-shm"):
            Path(f"{file}-guards{end}").unlink(missing_ok=True)
        until(lambda: ears.briefs.get(GATE) is None)
        other.tell()
        assert other.hear() == "shut"
        until(lambda: ears.briefs.get(GATE) is not None)
    assert Path(f"{file}-guards").exists()


def test_what_others_wrote_there_keeps_nobody_away(store: SqliteStore, file: Path) -> None:
    """A file that is none of SQLite's is trouble that is told; whoever removes it has all go on."""
    shut(store, GATE)
    member_of(store).close()
    for end in ("-wal", "-shm"):
        Path(f"{file}-guards{end}").unlink(missing_ok=True)
    Path(f"{file}-guards").write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError):
        member_of(store).updating(GATE, partial(gate.settle), 60, 0.3).wait()
    put(store, "create:acct0001:x", {"n": 1})
    Path(f"{file}-guards").unlink()
    until(lambda: bool(member_of(store).up))
    assert shut(store, GATE).shut == "rate"


@pytest.mark.parametrize("state", ['{"cause":1}', "[]", "garbage", "{}"])
def test_a_row_that_is_not_ours_keeps_nobody_away(store: SqliteStore, file: Path, state: str) -> None:
    """It is read as nothing by who joins and by who looks for news; its own gate may be in trouble, others are not."""
    other_gate = "gate:acct0002:host:m"
    shut(store, GATE)
    db = sqlite3.connect(f"{file}-guards", isolation_level=None)
    try:
        assert db.execute("UPDATE entries SET state = ? WHERE key = ?", (state.encode(), GATE)).rowcount == 1
    finally:
        db.close()
    shut(store, other_gate)
    member_of(store).close()
    ears = joined(store)
    assert ears.briefs.get(other_gate) is not None


@posix
def test_a_child_is_another_member(store: SqliteStore, file: Path) -> None:
    """It has a name of its own, tells its parent, and hears of it."""
    ears = joined(store)
    member, parent = member_of(store), member_of(store).backend.owner

    def work() -> bool:
        heard = joined(store)
        name = member.backend.owner
        shut(store, GATE)
        os.write(up[1], name.encode() or b"-")
        until(lambda: heard.briefs.get("gate:acct0002:host:m") is not None)
        return name not in ("", parent) and member.peers == 2

    up = os.pipe()
    try:
        from threading import Thread

        def answering() -> None:
            os.read(up[0], 100)
            until(lambda: ears.briefs.get(GATE) is not None)
            shut(store, "gate:acct0002:host:m")

        thread = Thread(target=answering, daemon=True)
        thread.start()
        assert forked(work) == 0
        thread.join()
    finally:
        for end in up:
            os.close(end)
    assert member.backend.owner == parent
    assert member.up
