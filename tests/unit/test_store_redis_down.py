"""A Redis in trouble: who asks is told in time, nobody who comes later waits for it, and all goes on by itself."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import anyio
import pytest

from anyint_resilience.guards import gate
from anyint_resilience.stores.protocol import StoreError
from tests.redis_kit import Cluster, Server, needs_redis
from tests.redis_kit import redis_cluster as redis_cluster  # fixtures
from tests.redis_kit import redis_server as redis_server
from tests.unit.store_kit import add, get, posix, put
from tests.waiting import until

pytest.importorskip("redis", reason="redis-py is not here: pip install redis")

from anyint_resilience.stores.redis import RedisStore

pytestmark = needs_redis

KEY = "create:acct0001:x"
GATE = "gate:acct0001:host:m"
PATIENT = 20.0  # seconds: far longer than anything here takes


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as own:
        yield own
        own.go_on()


@pytest.fixture
def store(server: Server) -> Iterator[RedisStore]:
    made = RedisStore(server.url)
    yield made
    made.close()


def settles(store: RedisStore) -> bool:
    """Whether a call is served by it, within the time that calls wait."""
    try:
        store.updating(GATE, partial(gate.settle), 60).wait()
        store.updating(KEY, add, 60).wait()
    except StoreError:
        return False
    return True


class Trouble(NamedTuple):
    """What happens to a server, and what ends it."""

    begins: Callable[[Server], object]
    ends: Callable[[Server], object]
    keeps: bool = True


TROUBLES = {
    "killed": Trouble(Server.kill, Server.start, keeps=False),
    "full": Trouble(
        lambda it: it.cli("CONFIG", "SET", "maxmemory", 1), lambda it: it.cli("CONFIG", "SET", "maxmemory", 0)
    ),
    "read only": Trouble(lambda it: it.cli("REPLICAOF", "127.0.0.1", 9), lambda it: it.cli("REPLICAOF", "NO", "ONE")),
    "stopped": Trouble(Server.stop, Server.go_on),
}


@pytest.mark.parametrize("name", [pytest.param(it, marks=[posix] if it == "stopped" else []) for it in TROUBLES])
def test_trouble_is_told_and_passes(store: RedisStore, server: Server, name: str) -> None:
    """A call hears of it in the time it waits, later ones at once; the patient wait, and are served when it is over."""
    trouble = TROUBLES[name]
    assert put(store, KEY, {"count": 1}) is None
    trouble.begins(server)
    with pytest.raises(StoreError, match="Redis"):
        store.updating(KEY, add, 60).wait()
    until(lambda: store.updating(KEY, add, 60).done)
    for _ in range(3):
        late = store.updating(KEY, add, 60)
        assert late.done
        with pytest.raises(StoreError, match="Redis is down"):
            late.wait()
    patient = store.updating("create:patient", add, 60, PATIENT)
    assert not patient.done
    trouble.ends(server)
    assert patient.wait() == 1
    until(lambda: settles(store))
    assert get(store, KEY)["count"] >= (2 if trouble.keeps else 1)


@posix
def test_a_server_that_hangs_for_long_is_joined_again(store: RedisStore, server: Server) -> None:
    """Connections to it are made, and not answered, until it goes on."""
    put(store, KEY, {"count": 1})
    server.stop()
    with pytest.raises(StoreError):
        store.updating(KEY, add, 60).wait()
    until(lambda: not store.member.up)
    server.go_on()
    until(lambda: store.member.up and settles(store))
    assert store.losses == 0


def test_a_server_may_come_later(server: Server) -> None:
    """It is not there when the first call is made: that one is told so; once it is, it is shared by itself."""
    server.kill()
    store = RedisStore(server.url)
    with pytest.raises(StoreError, match=r"is down: ConnectionError|did not answer"):
        store.updating(KEY, add, 60).wait()
    assert not store.member.up
    server.start()
    until(lambda: store.member.up)
    assert store.update(KEY, add, 60) == 1
    store.close()


@pytest.mark.parametrize("kind", ["normal", "pubsub"])
def test_a_lost_connection_is_opened_again(store: RedisStore, server: Server, kind: str) -> None:
    """The one by which updates go, and the one by which news come."""
    put(store, KEY, {"count": 1})
    assert server.cli("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes") > 0
    until(lambda: not store.member.up or settles(store))
    until(lambda: store.member.up and settles(store))
    until(lambda: "anyint:1:news" in server.cli("PUBSUB", "CHANNELS", "*"))
    assert store.losses == 0


def test_a_node_of_a_cluster_may_go_and_come(redis_cluster: Cluster) -> None:
    """Calls are served without it meanwhile, and shared again when it is back, empty; nothing is left open."""
    store = RedisStore(redis_cluster.url, wait=0.5)
    node = redis_cluster.node_of(f"anyint:1:{{acct0001}}:{KEY}")
    assert node is not redis_cluster.nodes[0], "whom the URL names"
    put(store, KEY, {"count": 1})
    node.kill()
    until(lambda: not settles(store))
    until(lambda: store.updating(KEY, add, 60).done)
    node.start()
    until(lambda: settles(store))
    store.close()
    gc.collect()


def test_an_emptied_server_is_noticed_once(store: RedisStore, server: Server) -> None:
    """The next update of an account that was known there tells it; those of others and later ones do not."""
    put(store, KEY, {"n": 1})
    assert store.losses == 0
    server.kill()
    server.start()
    until(lambda: store.member.up and settles(store))
    assert store.losses == 1
    put(store, "create:acct0002", {})
    put(store, KEY, {})
    assert store.losses == 1
    server.cli("FLUSHALL")
    assert put(store, KEY, {"n": 2}) is None
    assert store.losses == 2


LATE: dict[str, Any] = {"on the server": partial(gate.settle), "here": add}


@posix
@pytest.mark.parametrize("where", list(LATE))
def test_a_verdict_that_comes_too_late_is_not_lost(server: Server, where: str) -> None:
    """Whoever asked had gone: what is to be done with it then is done once, and not where there is none."""
    store = RedisStore(server.url, wait=0.6)
    key = GATE if where == "on the server" else KEY
    store.updating(key, LATE[where], 60, PATIENT).wait()
    seen: list[Any] = []
    in_time = store.updating(key, LATE[where], 60, PATIENT)
    in_time.late = lambda verdict: seen.append("not late")
    in_time.wait()
    server.stop()
    pending = store.updating(key, LATE[where], 60, 0.5)
    pending.late = seen.append
    with pytest.raises(StoreError, match=r"did not answer within 0\.5 s"):
        pending.wait()
    assert seen == []
    assert store.updating(key, LATE[where], 60, 0.5).done  # nobody else waits in vain
    server.go_on()
    until(lambda: bool(seen))
    assert seen == [gate.Told() if where == "on the server" else 3]
    until(lambda: settles(store))
    store.close()
    assert len(seen) == 1


@pytest.mark.anyio
async def test_a_caller_who_is_cancelled_leaves_all_as_it_was(redis_server: Server) -> None:
    """Others on the same thread and loop go on, and so does what it had asked for."""
    store = RedisStore(redis_server.url)
    inside, go = threading.Event(), threading.Event()
    seen = []

    def holding(state: Any, now: float) -> Any:
        inside.set()
        go.wait()
        return add(state, now)

    async def calling() -> None:
        try:
            await store.aupdate(KEY, holding, 60)
        finally:
            seen.append("left")

    async with anyio.create_task_group() as group:
        group.start_soon(calling)
        while not inside.is_set():
            await anyio.sleep(0.001)
        group.cancel_scope.cancel()
    assert seen == ["left"]
    go.set()
    assert await store.aupdate(KEY, add, 60) == 2
    assert get(store, KEY) == {"count": 2}
    store.close()


@posix
@pytest.mark.anyio
async def test_an_awaiting_caller_waits_no_longer_than_it_said(server: Server) -> None:
    """Its loop is free meanwhile."""
    store = RedisStore(server.url, wait=2.0)
    assert await store.aupdate(KEY, add, 60) == 1
    server.stop()
    turns = 0

    async def turning() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.001)
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(turning)
        with pytest.raises(StoreError, match=r"did not answer within 0\.2 s"):
            await store.updating(KEY, add, 60, 0.2).awaited()
        group.cancel_scope.cancel()
    assert turns > 3
    server.go_on()
    store.close()
