"""What processes share on a real Redis: names, updates that nobody loses, and who of them still lives."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.stores.protocol import StoreError
from tests.redis_kit import Server, needs_redis
from tests.redis_kit import redis_server as redis_server  # a fixture
from tests.unit.store_kit import REDIS, WAIT, Other, add, forked, get, posix, put, shut
from tests.waiting import until

pytest.importorskip("redis", reason="redis-py is not here: pip install redis")

from anyint_resilience.stores.redis import RedisStore
from anyint_resilience.stores.redis.names import tag_of

pytestmark = needs_redis

STOP = "sys.stdin.readline()\n"
GATE = "gate:acct0001:host:m"
CREATE = "create:acct0001:x"
BUSY = f"put(store, {CREATE!r}, {{'busy': [store.owner]}}); say(store.owner)\n" + STOP


@pytest.fixture
def store(redis_server: Server) -> Iterator[RedisStore]:
    made = RedisStore(redis_server.url, wait=WAIT)
    yield made
    made.close()


BEFORE: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def others() -> None:
    """Note which threads other tests have left: their stores may wait for the garbage collector."""
    BEFORE.clear()
    BEFORE.update(threading.enumerate())


def threads() -> int:
    """How many threads speak to a store that was made in this test."""
    return sum(thread.name == "anyint-store" for thread in set(threading.enumerate()) - BEFORE)


# What stands on the server


@pytest.mark.parametrize(
    ("key", "tag"),
    [
        ("gate:0123456789abcdef:h:m", "01234567"),
        ("create:0123456789", "01234567"),
        ("callback:ab", "-"),
        ("clock:", "-"),
        ("gate:{odd}:h", "-"),
    ],
)
def test_an_account_has_one_tag_and_all_else_one_for_all(key: str, tag: str) -> None:
    """Else looking at everything would go through ever more of them."""
    assert tag_of(key) == tag


def test_keys_are_ours_and_end_by_themselves(store: RedisStore, redis_server: Server) -> None:
    """All begin with one prefix and version, those of one account stand in one slot, and each has its time."""
    put(store, CREATE, {"keep": True, "busy": [store.owner]})
    put(store, "create:acct0002:" + "long" * 200, {})
    put(store, "budget:acct0002:x", {}, ttl=0.0)
    shut(store, GATE)
    keys = redis_server.cli("KEYS", "*")
    assert {key[: key.index("}") + 1] for key in keys} == {
        "anyint:1:{acct0001}",
        "anyint:1:{acct0002}",
        "anyint:1:{tags}",
    }
    assert f"anyint:1:{{acct0001}}:{GATE}" in keys
    assert {key: redis_server.cli("PTTL", key) for key in keys if redis_server.cli("PTTL", key) in (0, -1)} == {}
    put(store, CREATE, {"keep": True}, ttl=math.inf)
    assert redis_server.cli("PTTL", f"anyint:1:{{acct0001}}:{CREATE}") == -1


def everything(server: Server) -> str:
    """All keys and all that stands under them."""
    found = []
    for key in server.cli("KEYS", "*"):
        kind = server.cli("TYPE", key)
        found.append((key, server.cli("GET", key) if kind == "string" else server.cli("ZRANGE", key, 0, -1)))
    return repr(found)


def test_no_secret_reaches_the_server(redis_server: Server) -> None:
    """Neither the API key nor what was asked for stands there after a limit and a create."""
    wrapped = pytest.importorskip("anyint_resilience_httpx")
    key, prompt = "sk-secret-of-an-account", "a cat that nobody may read of"
    with Emulator(keys=(key,)) as emu:
        # Another time to wait than other tests have: with that, another part in the store, which ends here.
        anyint = Resilience(api_key=key, base_url=emu.url, store=redis_server.url, store_wait=4.0)
        with wrapped.wrap(httpx.Client(base_url=emu.url), anyint) as client:
            emu.script(Fault(status=429, headers={"retry-after": "0.1"}))
            asked = {"model": "a-model", "prompt": prompt}
            assert client.post("/openai/v1/videos", json=asked).status_code == 200
        until(lambda: all(kind in everything(redis_server) for kind in ("create:", "gate:")))
        assert isinstance(anyint.ledger.store, RedisStore)
        anyint.ledger.store.close()
    seen = everything(redis_server)
    assert [word for word in (key, key[3:], key[-8:], prompt, "nobody") if word in seen] == []


def test_scripts_may_be_flushed_at_any_time(store: RedisStore, redis_server: Server) -> None:
    """Nobody notices."""
    for count in range(1, 4):
        assert store.update("create:n", add, 60) == count
        assert shut(store, GATE).shut in ("rate", "")
        assert redis_server.cli("SCRIPT", "FLUSH") == "OK"
    assert list(store.scan("create:")) == [("create:n", {"count": 3})]


# Updates at the same time


def test_processes_and_threads_lose_no_update(store: RedisStore, redis_server: Server) -> None:
    """What four processes of four threads count on one key adds up."""
    code = (
        "import threading\n"
        "def count():\n    for _ in range(25): store.update('create:n', add, 60)\n"
        "all = [threading.Thread(target=count) for _ in range(4)]\n"
        "say(store.owner)\n"
        + STOP
        + "for it in all: it.start()\nfor it in all: it.join()\nsay('done')\nstore.close()\n"
    )
    with ExitStack() as at_end:
        others = [at_end.enter_context(Other(redis_server.url, code, REDIS)) for _ in range(4)]
        assert len({other.hear() for other in others}) == 4
        for other in others:
            other.tell()
        assert [other.hear() for other in others] == ["done"] * 4
        assert [other.end() for other in others] == [0] * 4
    assert get(store, "create:n") == {"count": 400}


class Mine(Exception):
    """What a step raises."""


def spoils(state: Any, now: float) -> Any:
    state["list"].append("spoilt")
    raise Mine


BROKEN: dict[str, tuple[Callable[[Any, float], Any], type[BaseException]]] = {
    "raises": (spoils, Mine),
    "no dict": (lambda state, now: ([1], None), TypeError),
    "no pair": (lambda state, now: None, TypeError),
    "no JSON": (lambda state, now: ({"a": object()}, None), TypeError),
    "no number": (lambda state, now: ({"a": math.nan}, None), StoreError),
    "no end": (lambda state, now: ({"a": endless()}, None), StoreError),
}


def endless() -> list[Any]:
    """A list that is in itself."""
    it: list[Any] = []
    it.append(it)
    return it


@pytest.mark.parametrize("broken", list(BROKEN))
def test_a_broken_step_is_its_own_callers_trouble(store: RedisStore, redis_server: Server, broken: str) -> None:
    """Those that are on their way at the same time, on the same key too, see and lose nothing of it."""
    step, error = BROKEN[broken]
    put(store, CREATE, {"list": [1]}, ttl=1000)
    inside, go = threading.Event(), threading.Event()

    def holding(state: Any, now: float) -> Any:
        inside.set()
        go.wait()
        return None, "held"

    held = store.updating("create:other", holding, 60, 10)
    inside.wait()
    before = store.updating(CREATE, lambda state, now: ({"list": state["list"]}, state), 500, 10)
    worse = store.updating(CREATE, step, 1, 10)
    after = store.updating(CREATE, lambda state, now: (state, state), 500, 10)
    worst = store.updating(CREATE, step, 1, 10)
    go.set()
    assert (held.wait(), before.wait(), after.wait()) == ("held", {"list": [1]}, {"list": [1]})
    for pending in (worse, worst):
        with pytest.raises(error):
            pending.wait()
    assert store.member.up
    assert redis_server.cli("PTTL", f"anyint:1:{{acct0001}}:{CREATE}") > 400_000


def test_a_step_must_not_use_its_own_store(store: RedisStore) -> None:
    """It would wait for itself: that is an error at once."""
    for use in (lambda: put(store, "create:b", {}), lambda: list(store.scan(""))):
        with pytest.raises(RuntimeError, match="must not use the store"):
            store.update("create:a", lambda state, now, use=use: ({}, use()), 60)  # type: ignore[misc]
    assert list(store.scan("")) == []


@pytest.mark.parametrize("key", ["create:\ud83d", f"gate:acct0001:host:\ud83d{'x' * 500}", "", "create", "x:\0\n}"])
def test_any_text_is_a_key(store: RedisStore, key: str) -> None:
    """Names of models come from bodies that anybody wrote."""
    put(store, "create:a", {})
    assert put(store, key, {"n": 1}) is None
    assert get(store, key) == {"n": 1}
    assert store.member.up
    assert get(store, "create:a") == {}


# Who lives


def test_who_has_work_under_way_lives_by_a_lease(store: RedisStore, redis_server: Server) -> None:
    """One that has ended seems to live until its lease is over; a name that nobody has is of one who has ended."""

    def asked(name: str) -> tuple[bool, bool]:
        return store.gone(name), store.update(CREATE, lambda state, now: (state, store.gone(name)), 60)

    with Other(redis_server.url, BUSY, REDIS) as other:
        name = other.hear()
        assert asked(name) == (False, False)
        assert asked("nobody") == (True, True)
        assert asked(store.owner) == (False, False)
        other.kill()
        assert asked(name) == (False, False)
    (lease,) = redis_server.cli("KEYS", f"*alive:{name}")
    assert 0 < redis_server.cli("PTTL", lease) <= 15_000
    redis_server.cli("DEL", lease)
    assert asked(name) == (True, True)


@posix
def test_a_child_is_another_process(store: RedisStore) -> None:
    """It has a name and a thread of its own; its parent goes on with what it had."""
    put(store, CREATE, {"busy": [store.owner]})
    parent = store.owner

    def work() -> bool:
        alone = threads() == 0 and store.owner != parent
        seen = get(store, CREATE) == {"busy": [parent]} and store.gone(parent) is False
        put(store, "create:child", {"name": store.owner})
        return alone and seen and threads() == 1

    for _ in range(2):
        assert forked(work) == 0
        assert store.owner == parent
        assert get(store, "create:child")["name"] != parent
    assert threads() == 1


def test_a_copy_is_the_same_store(store: RedisStore, redis_server: Server) -> None:
    """Copied and pickled it has this process's name and its thread; unpickled elsewhere it is on the same server."""
    put(store, "create:a", {"n": 1})
    for twin in (copy.copy(store), copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        assert (twin.owner, twin.member) == (store.owner, store.member)
        assert get(twin, "create:a") == {"n": 1}
    assert threads() == 1
    code = f"import pickle\ntwin = pickle.loads({pickle.dumps(store)!r})\nsay(get(twin, 'create:a'), twin.owner)\n"
    with Other(redis_server.url, code, REDIS) as other:
        seen, _, name = other.hear().rpartition(" ")
        assert seen == "{'n': 1}"
        assert name != store.owner


def test_stores_on_one_server_share_a_thread(redis_server: Server) -> None:
    """It ends with close, or with the last of them; whoever comes next, at whatever moment, has one that works."""
    one, two = RedisStore(redis_server.url, wait=WAIT), RedisStore(redis_server.url, wait=WAIT)
    assert one.member is two.member
    assert threads() == 0
    put(one, "create:a", {})
    put(two, "create:a", {})
    assert threads() == 1
    one.close()
    until(lambda: threads() == 0)
    put(two, "create:a", {})
    del one
    gc.collect()
    assert threads() == 1
    del two
    gc.collect()
    until(lambda: threads() == 0)
    for count in range(1, 31):
        passing = RedisStore(redis_server.url, wait=WAIT)
        assert passing.update("create:n", add, 60) == count
        del passing
    gc.collect()
    until(lambda: threads() == 0)
