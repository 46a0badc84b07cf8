"""What holds of every store, whatever is behind it; and what a ``store=`` setting may be."""

from __future__ import annotations

import copy
import math
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.runtime import Runtime
from anyint_resilience.stores import StoreError, opening
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.opening import opened, store_problem
from anyint_resilience.stores.protocol import Spell
from tests.brief import BRIEF
from tests.redis_kit import redis_cluster, redis_server  # noqa: F401 - fixtures
from tests.unit.store_kit import EVERY, Clock, add, get, put


@pytest.fixture
def clock() -> Clock:
    return Clock()


PLAYED = [name for name in EVERY if not BRIEF or name in ("memory", "sqlite", "redis", "redis-asyncio")]


@pytest.fixture(params=PLAYED)
def make(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Callable[..., Any]]:
    behind, made = EVERY[request.param], list[Any]()
    place = request.getfixturevalue(behind.needs)

    def making(**options: Any) -> Any:
        made.append(behind.make(place, clock, **options))
        return made[-1]

    yield making
    for store in made:
        store.close()


@pytest.fixture
def store(make: Callable[..., Any]) -> Any:
    return make()


def test_a_step_sees_what_the_last_one_left(store: Any, clock: Clock) -> None:
    """The state, the time and the verdict go through; None forgets."""
    assert store.update("a", lambda state, now: ({"at": now}, ("first", state)), 60) == ("first", None)
    assert put(store, "a", None) == {"at": clock.now}
    assert put(store, "a", None) is None
    assert list(store.scan("")) == []


STATES = {
    "empty": {},
    "nested": {"a": [1, {"b": [None, True, False]}], "c": {}},
    "numbers": {"big": 2**70, "small": -1, "float": 0.1, "exact": 1_800_000_000.123457},
    "texts": {"": "", "ü\u2028": "\x00\"'\\", "emoji": "\U0001f600", "half": "\ud83d"},
    "keep": {"keep": True},
}


@pytest.mark.parametrize("name", list(STATES))
def test_a_state_comes_back_as_it_was(store: Any, name: str) -> None:
    """What JSON can hold, a store can."""
    put(store, "k", STATES[name])
    assert get(store, "k") == STATES[name]
    assert list(store.scan("k")) == [("k", STATES[name])]


def test_a_state_is_forgotten_after_its_time(store: Any, clock: Clock) -> None:
    """It lives for ``ttl`` seconds from its last update, and not a moment longer."""
    put(store, "a", {"n": 1}, ttl=10)
    clock.now += 9.5
    assert put(store, "a", {"n": 2}, ttl=10) == {"n": 1}
    clock.now += 9.5
    assert list(store.scan("a")) == [("a", {"n": 2})]
    clock.now += 0.5
    assert list(store.scan("a")) == []
    assert put(store, "a", None) is None


def test_a_state_with_nothing_under_way_may_be_kept_for_less(store: Any, clock: Clock) -> None:
    """A ``Spell`` has two lengths; a store that tells them apart takes the one that the new state says."""
    put(store, "busy", {"busy": [store.owner]}, ttl=Spell(100.0, idle=10.0))
    put(store, "idle", {"busy": []}, ttl=Spell(100.0, idle=10.0))
    put(store, "plain", {}, ttl=Spell(100.0, idle=10.0))
    clock.now += 9.5
    assert {key for key, _ in store.scan("")} == {"busy", "idle", "plain"}
    clock.now += 1.0
    assert {key for key, _ in store.scan("")} == {"busy"}
    clock.now += 90.0
    assert list(store.scan("")) == []


def test_memory_does_not_hold_what_nobody_can_read_any_more(clock: Clock) -> None:
    """What has expired goes, and not only when ten thousand others have come: a process grew for hours."""
    store = MemoryStore(clock)
    for number in range(3000):
        put(store, str(number), {"n": number}, ttl=10)
        clock.now += 1
    assert len(store._entries) < 150
    assert set(store._entries) == {*store._passing, *store._kept}


def test_a_state_can_live_for_ever(store: Any, clock: Clock) -> None:
    """An infinite ``ttl`` is one."""
    put(store, "a", {"n": 1}, ttl=math.inf)
    clock.now += 1e12
    assert get(store, "a") == {"n": 1}


def test_a_scan_is_of_one_moment(store: Any) -> None:
    """What changes while it is read does not show, and what it yields is the reader's own."""
    for key in ("create:a", "create:b", "creator", "other", "create", "create:\U0010ffff\U0010ffff"):
        put(store, key, {"key": key})
    found = store.scan("create:")
    put(store, "create:b", None)
    put(store, "create:c", {})
    seen = dict(found)
    assert set(seen) == {"create:a", "create:b", "create:\U0010ffff\U0010ffff"}
    seen["create:a"]["key"] = "changed"
    assert get(store, "create:a") == {"key": "create:a"}


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (["a", "b", "c"], {"b", "c"}),
        (["a", "b", "a", "c"], {"a", "c"}),
        (["K", "b", "c"], {"K", "c"}),
        (["K", "L", "b"], {"K", "L"}),
        (["K", "L", "M"], {"L", "M"}),
        (["K", "L", "K", "M"], {"K", "M"}),
        (["b", "K", "L"], {"K", "L"}),
    ],
)
def test_a_full_store_forgets_what_is_worth_least(make: Callable[..., Any], written: list[str], left: set[str]) -> None:
    """First what is not to be kept, then the rest, the oldest update first. (Capitals are to be kept.)"""
    store = make(max_entries=2)
    for key in written:
        put(store, key, {"keep": True} if key.isupper() else {"keep": 1})
    assert {key for key, _ in store.scan("")} == left


def test_what_is_kept_can_be_let_go(make: Callable[..., Any]) -> None:
    """A state that is no longer marked goes like any other, and one that is forgotten leaves its place."""
    store = make(max_entries=2)
    put(store, "a", {"keep": True})
    put(store, "b", {"keep": True})
    put(store, "a", {})
    put(store, "c", {"keep": True})
    assert {key for key, _ in store.scan("")} == {"b", "c"}
    put(store, "b", None)
    put(store, "d", {})
    assert {key for key, _ in store.scan("")} == {"c", "d"}


def test_a_step_that_raises_changes_nothing(store: Any) -> None:
    """Its exception goes on as it is, even one that a store might take for its own; the next step works."""
    import sqlite3

    put(store, "a", {"n": 1})
    for error in (RuntimeError("mine"), sqlite3.OperationalError("mine"), KeyboardInterrupt("mine")):

        def broken(state: Any, now: float, error: BaseException = error) -> Any:
            raise error

        for key in ("a", "new"):
            with pytest.raises(type(error), match="mine"):
                store.update(key, broken, 60)
    assert list(store.scan("")) == [("a", {"n": 1})]
    assert put(store, "a", {"n": 2}) == {"n": 1}


def test_threads_lose_no_update(store: Any) -> None:
    """Each update is whole: what many threads count adds up."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=lambda: [store.update("n", add, 60) for _ in range(50)], daemon=True)
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert get(store, "n") == {"count": 400}


def test_a_closed_store_can_be_used_again(store: Any) -> None:
    """Closing twice is no error, nor is an update after it."""
    put(store, "a", {"n": 1})
    store.close()
    store.close()
    put(store, "b", {"n": 2})
    assert get(store, "b") == {"n": 2}
    store.close()


def test_a_store_is_not_gone_for_itself(store: Any) -> None:
    """Whoever asks lives, in any copy, and its name is one it keeps."""
    assert isinstance(store.owner, str)
    twin = copy.copy(store)
    assert store.owner == twin.owner == store.owner
    assert store.gone(store.owner) is False
    assert twin.gone(store.owner) is False
    store.close()
    assert store.gone(store.owner) is False


def test_a_step_may_ask_who_is_gone(store: Any) -> None:
    """It knows who entered what it sees, and has to decide by it; two stores at it do not wait for each other."""
    name = store.owner
    asked = store.update("a", lambda state, now: ({}, (store.gone(name), store.owner == name)), 60)
    assert asked == (False, True)


# Where redis-py is not installed, that is what is wrong with each.
REDIS, BAD_REDIS = (None, "no URL that redis-py takes") if find_spec("redis") else ("needs redis-py",) * 2

SETTINGS: list[tuple[Any, str | None]] = [
    (None, None),
    ("sqlite:///state.db", None),
    ("sqlite:////var/lib/state.db", None),
    ("sqlite:///a%20b.db", None),
    ("sqlite:///", "in memory"),
    ("sqlite:///:memory:", "in memory"),
    ("sqlite:///file:x?mode=memory", "in memory"),
    ("sqlite:///  ", "in memory"),
    ("sqlite://", "sqlite:///relative/path.db"),
    ("sqlite://host/secret.db", "sqlite:///relative/path.db"),
    ("sqlite:///secret.db?timeout=5", "without anything after the path"),
    ("sqlite:///secret\0.db", "without anything after the path"),
    ("", "not another kind of URL"),
    ("/secret/path.db", "not another kind of URL"),
    ("redis://user:secret@host/0", REDIS),
    ("rediss://user:secret@host:6380/0?ssl_cert_reqs=none", REDIS),
    ("unix://user:secret@/var/run/redis.sock?db=1", REDIS),
    ("redis+sentinel://user:secret@host:26379,other/service/0", REDIS),
    ("redis://user:secret@host:port/0", BAD_REDIS),
    ("redis://user:secret@host/0?secret=1", BAD_REDIS),
    ("redis+sentinel://user:secret@host", BAD_REDIS),
    ("redis+cluster://user:secret@host", "not another kind of URL"),
    ("valkey://user:secret@host", "not another kind of URL"),
    (Path("secret.db"), "lacks update, scan, close"),
    (7, "lacks update, scan, close"),
    (EVERY, "lacks scan, close"),  # a dict has an update
    (Clock, "not the class"),
]


@pytest.mark.parametrize(("setting", "problem"), SETTINGS)
def test_a_setting_is_judged_unopened_and_unshown(
    setting: Any, problem: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is said in words, without the password in it; nothing appears on the disk."""
    monkeypatch.chdir(tmp_path)
    said = store_problem(setting)
    if problem is None:
        assert said is None
    else:
        assert said is not None
        assert problem in said
        assert "secret" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_a_setting(store: Any) -> None:
    """Each of ours can be given as it is."""
    assert store_problem(store) is None


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_a_url_opens_the_file_it_names(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes and a path from here, or four and one from the root; it stays that file when the folder changes."""
    monkeypatch.chdir(tmp_path)
    folder = "" if kind == "relative" else f"{tmp_path}/"
    store = opened(f"sqlite:///{folder}a b%20.db", runtime=Runtime(wall=Clock()), wait=0.05)
    monkeypatch.chdir("/")
    put(store, "a", {"n": 1})
    assert [path.name for path in tmp_path.glob("*.db")] == ["a b%20.db"]
    store.close()
    assert get(store, "a") == {"n": 1}


def test_a_bad_url_opens_nothing() -> None:
    """It is a wrong setting, and not shown."""
    with pytest.raises(ValueError, match="another kind of URL") as caught:
        opened("valkey+x://user:secret@host/0", runtime=Runtime(wall=Clock()), wait=0.05)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"])
def test_an_environment_without_redis_py_says_so(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is opened, with what to do about it, and without the URL."""
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    url = f"{scheme}://user:secret@host/service"
    assert store_problem(url) == "needs redis-py: pip install 'anyint-resilience[redis]'"
    with pytest.raises(ValueError, match="needs redis-py") as caught:
        opened(url, runtime=Runtime(wall=Clock()), wait=0.05)
    assert "secret" not in str(caught.value)


def test_a_python_without_sqlite_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are built without it."""
    monkeypatch.setitem(sys.modules, "anyint_resilience.stores.sqlite", None)
    with pytest.raises(StoreError, match="without sqlite3"):
        opening.opened("sqlite:///x.db", runtime=Runtime(wall=Clock()), wait=0.05)
