"""Configuration: validated once, every problem in one error, no secret in any repr."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Certainty, Policy, Resilience, StoreError
from anyint_resilience.keys import key_id
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.opening import opened, store_problem
from anyint_resilience.stores.sqlite import SqliteStore
from anyint_resilience.tasks.handle import CREATES
from anyint_resilience.tasks.timetable import shared_timetable


def test_all_problems_come_in_one_error() -> None:
    """Nobody fixes a configuration one exception at a time."""
    bad: dict[str, Any] = {
        "api_key": "two words",
        "base_url": "http://gateway.example",
        "hosts": ["nonsense"],
        "policy": "default",
        "seedance": "yes",
        "unknown_window": float("nan"),
        "runtime": None,
        "store": "valkey://user:hunter2@h.test/0",
        "dedupe": "body",
        "reconcile": "yes",
        "strict_ledger": 1,
    }
    with pytest.raises(ValueError, match="invalid Resilience configuration") as caught:
        Resilience(**bad)
    for word in bad:
        assert f"{word} " in str(caught.value)
    for secret in ("two words", "hunter2", "h.test"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("hosts", [7, "http://gateway.example", [None]])
def test_hosts_of_a_wrong_kind_are_a_named_problem(hosts: Any) -> None:
    """A number or a bare string does not crash; it is named."""
    with pytest.raises(ValueError, match="hosts"):
        Resilience(hosts=hosts)


def test_policy_names_all_its_problems() -> None:
    """The policy validates itself the same way."""
    with pytest.raises(ValueError, match=r"attempts.*retry_window.*deadline"):
        Policy(attempts=0, retry_window=-1, deadline=float("nan"))


def test_the_environment_is_read_and_keywords_win() -> None:
    """``from_env`` takes key and base URL; a keyword is stronger."""
    env = {"ANYINT_API_KEY": "from-env", "ANYINT_BASE_URL": "https://gateway.example/openai/v1"}
    anyint = Resilience.from_env(env, policy=Policy(attempts=1))
    assert (anyint.api_key, anyint.base_url) == ("from-env", "https://gateway.example/openai/v1")
    assert Resilience.from_env(env, api_key="mine").api_key == "mine"
    assert Resilience.from_env({}).api_key is None


def test_no_repr_shows_the_key() -> None:
    """A configuration can be logged."""
    assert "sk-secret" not in repr(Resilience(api_key="sk-secret"))


def test_overrides_nest_and_belong_to_one_configuration() -> None:
    """The innermost override of this configuration counts; another's does not."""
    ours, other = Resilience(), Resilience()
    one, two = Policy(attempts=1), Policy(attempts=2)
    with ours.override(one), other.override(two):
        assert (ours.overridden(), other.overridden()) == (one, two)
        assert ours.in_force() is one
        with ours.override(two):
            assert ours.overridden() is two
        assert ours.overridden() is one
    assert ours.overridden() is None
    assert ours.in_force() is ours.policy
    with pytest.raises(ValueError, match="Policy"), ours.override("off"):  # type: ignore[arg-type]
        pass


def test_a_store_is_bounded_forgets_and_scans() -> None:
    """The memory store drops what is old and what is too much, and shows only what lives."""
    now = [0.0]
    store = MemoryStore(lambda: now[0], max_entries=2)
    for key in ("create:a", "create:b", "create:c"):
        store.update(key, lambda state, at: ({"at": at}, None), 10)
    assert [key for key, _ in store.scan("create:")] == ["create:b", "create:c"]
    now[0] = 10
    assert list(store.scan("create:")) == []
    assert store.update("create:c", lambda state, at: (None, state), 10) is None
    store.close()


def test_the_default_runtime_is_the_real_world() -> None:
    """Clocks run and random numbers lie in [0, 1)."""
    runtime = Runtime()
    assert runtime.monotonic() <= runtime.monotonic()
    assert 0 <= runtime.random() < 1
    assert runtime.wall() > 1_700_000_000


def test_the_url_is_never_none() -> None:
    """Where the gateway is: what was configured, or the first host that AnyInt publishes."""
    assert Resilience().url == "https://gateway.api.anyint.ai"
    assert Resilience(base_url="https://gw.example/").url == "https://gw.example"


def test_forgetting_says_whether_there_was_something_to_forget() -> None:
    """An intent of another configuration's is noticed, not silently held back for the hour."""
    anyint = Resilience()
    ledger = anyint.ledger
    ledger.store.update(ledger.key("a"), ledger.leave(Certainty.UNKNOWN, ident=ledger.ident()), ledger.window)
    assert ledger.forget("a") is True
    assert ledger.forget("a") is False
    assert pickle.loads(pickle.dumps(anyint)).ledger.forget("a") is False


def test_a_pickled_configuration_is_the_same_one() -> None:
    """All that was given is, the key too; what was learnt stays behind, and no key is shown."""
    given = Resilience(api_key="k" * 20, base_url="https://gw.example", policy=Policy(attempts=2), unknown_window=9)
    twin = pickle.loads(pickle.dumps(given))
    assert (twin.api_key, twin.base_url, twin.policy, twin.unknown_window) == (
        given.api_key,
        given.base_url,
        given.policy,
        given.unknown_window,
    )
    assert "k" * 20 not in repr(twin)


# --- the store


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("", "another kind of URL"),
        ("store.db", "another kind of URL"),
        ("valkey://user:hunter2@h.test/0", "another kind of URL"),
        ("sqlite://user:hunter2@h.test/a.db", "another kind of URL"),
        ("SQLITE:///hunter2.db", "another kind of URL"),
        ("sqlite:///", "must name a file"),
        ("sqlite:///  ", "must name a file"),
        ("sqlite:///:memory:", "shared with nobody"),
        ("sqlite:///file:hunter2?mode=memory", "shared with nobody"),
        ("sqlite:///a.db?password=hunter2", "without anything after the path"),
        ("sqlite:///a.db#hunter2", "without anything after the path"),
        ("sqlite:///a\0hunter2", "without anything after the path"),
        (MemoryStore, "not the class of one"),
        (b"sqlite:///hunter2.db", "lacks update, scan, close, gone, owner"),
        (Path("hunter2.db"), "lacks update, scan, close, gone"),
        (7, "lacks update"),
        ({"update": "hunter2"}, "lacks scan, close, gone, owner"),
    ],
    ids=lambda it: repr(it)[:24],
)
def test_what_is_no_store(store: Any, said: str) -> None:
    """It is named by what is wrong with it, and not shown: it may hold a password."""
    with pytest.raises(ValueError, match="invalid Resilience configuration: store must") as caught:
        Resilience(store=store)
    assert "hunter2" not in str(caught.value)
    assert said in str(caught.value)
    if isinstance(store, str):
        with pytest.raises(ValueError, match="store must") as caught:
            opened(store, runtime=Runtime(), wait=0.05)
        assert "hunter2" not in str(caught.value)


class Own:
    """A store of somebody's own, whose name can't be had just now."""

    @property
    def owner(self) -> str:
        raise StoreError("down")

    def gone(self, owner: str) -> bool:
        return False

    def update(self, key: str, step: Any, ttl: float) -> Any:
        return step(None, 0.0)[1]

    def scan(self, prefix: str) -> Any:
        return iter(())

    def close(self) -> None: ...


def test_a_store_of_ones_own_is_not_asked_anything() -> None:
    """What it has is looked at, so that one that is down is still a store; without a name it is none."""
    assert store_problem(Own()) is None
    assert isinstance(Resilience(store=Own()).ledger.store, Own)  # type: ignore[arg-type]

    class Nameless:
        update = scan = close = gone = lambda self: None

    assert store_problem(Nameless()) == (
        "must be sqlite:///relative/path.db or sqlite:////absolute/path.db, "
        "or an object with update, scan, close, gone and owner; this one lacks owner"
    )


def enter(anyint: Resilience, intent: str = "a") -> None:
    ledger = anyint.ledger
    ledger.store.update(ledger.key(intent), ledger.leave(Certainty.UNKNOWN, ident=ledger.ident()), ledger.window)


def test_a_url_opens_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes and a path that is relative, four for one that is absolute; two configurations share one file."""
    monkeypatch.chdir(tmp_path)
    one, two = Resilience(store="sqlite:///s.db"), Resilience(store=f"sqlite:///{tmp_path}/s.db")
    assert isinstance(one.store, SqliteStore)
    enter(one)
    assert two.ledger.unknown() == ("a",)
    assert two.ledger.forget("a") is True
    assert one.ledger.unknown() == ()


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_goes_on_with_the_same_file(tmp_path: Path, how: Any) -> None:
    """A copied client, a worker process that gets a pickle: all hold back what one of them lost."""
    one = Resilience(
        api_key="k" * 20, store=f"sqlite:///{tmp_path}/s.db", dedupe="fingerprint", reconcile=True, strict_ledger=True
    )
    enter(one)
    two = how(one)
    assert two.ledger.unknown() == ("a",)
    assert (two.dedupe, two.reconcile, two.strict_ledger, two.ledger.strict) == ("fingerprint", True, True, True)
    assert str(tmp_path) not in repr(two)
    assert "k" * 20 not in repr(two)


@pytest.mark.parametrize("kind", ["directory", "no directory", "no database", "owners"])
def test_a_file_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    """It is told at once, not by the first paid create."""
    path = tmp_path / "s.db"
    if kind == "directory":
        path.mkdir()
    elif kind == "no directory":
        path = tmp_path / "nowhere" / "s.db"
    elif kind == "no database":
        path.write_bytes(b"something else altogether" * 100)
    else:
        (tmp_path / "s.db-owners").mkdir()
    with pytest.raises(StoreError, match=r"s\.db"):
        Resilience(store=f"sqlite:///{path}")


def test_a_python_without_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are built without it: that is said in words."""
    monkeypatch.delitem(sys.modules, "anyint_resilience.stores.sqlite")
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    monkeypatch.delitem(sys.modules, "anyint_resilience.stores.link")
    with pytest.raises(StoreError, match="built without sqlite3"):
        Resilience(store="sqlite:///s.db")


@pytest.mark.parametrize(
    ("setting", "bad"),
    [
        *(("dedupe", it) for it in (True, "", "key", 1, ["fingerprint"])),
        *((name, it) for name in ("reconcile", "strict_ledger") for it in (None, 1, "yes")),
        *(("unknown_window", it) for it in (0, -1, True, "1", None, float("inf"))),
    ],
)
def test_settings_of_the_ledger_are_checked(setting: str, bad: Any) -> None:
    """A word that is almost right would pay twice in silence."""
    with pytest.raises(ValueError, match=f"{setting} must be"):
        Resilience(**{setting: bad})


def test_settings_reach_the_ledger() -> None:
    """Its window and its strictness; off by default."""
    plain = Resilience()
    assert (plain.dedupe, plain.reconcile, plain.strict_ledger, plain.ledger.strict) == (None, False, False, False)
    ledger = Resilience(unknown_window=9, strict_ledger=True).ledger
    assert (ledger.window, ledger.strict) == (9.0, True)
    assert ledger.spare is not ledger.store


# --- a handle of an id alone


@pytest.mark.parametrize("name", CREATES)
@pytest.mark.parametrize("spelled", ["path", "name"])
def test_a_handle_is_made_of_an_id(name: str, spelled: str) -> None:
    """For each create of the contract, by its path or its name; it is the one that the create's own answer gives."""
    anyint = Resilience(api_key="sk-test", runtime=Runtime(wall=lambda: 1_000_000.0))
    task = anyint.task(name if spelled == "name" else name.partition(" ")[2], "t1")
    assert (task.route, task.task_id, task.family) == (name, "t1", CREATES[name].family)
    assert (task.gateway, task.created_at) == ("https://gateway.api.anyint.ai", 1_000_000.0)
    assert task.key_id == anyint.credentials.key_id() == key_id(b"sk-test").hex()
    assert "sk-test" not in task.to_json()
    assert type(task).from_json(task.to_json()) == task


def test_a_handle_is_of_the_configured_gateway() -> None:
    """Behind its proxy; when it was made can be said; a key that each request brings is not known."""
    anyint = Resilience(base_url="https://gw.example:8443/p/openai/v1/")
    task = anyint.task("/openai/v1/videos", "t/1", created_at=5.0)
    assert (task.gateway, task.created_at, task.key_id) == ("https://gw.example:8443/p", 5.0, None)
    assert task.url == "https://gw.example:8443/p/openai/v1/videos/t%2F1"
    assert Resilience(api_key=lambda: "k").task("/suno/generate", "t").key_id is None


@pytest.mark.parametrize(
    ("route", "task_id"),
    [
        ("/openai/v1/chat/completions", "t1"),
        ("GET /openai/v1/videos", "t1"),
        ("/openai/v1/videos/", "t1"),
        ("openai/v1/videos", "t1"),
        ("", "t1"),
        ("/openai/v1/videos", ""),
        ("/openai/v1/videos", "two words"),
        ("/openai/v1/videos", None),
    ],
)
def test_what_no_handle_can_be_made_of(route: str, task_id: Any) -> None:
    """A path that makes no task, or an id that no gateway gives."""
    with pytest.raises(ValueError, match=r"route must be the path of a create, such as /|task_id must be an id"):
        Resilience().task(route, task_id)


# --- one pace for one process


def test_configurations_with_the_real_clock_share_one_timetable() -> None:
    """A gateway counts queries by account, not by configuration; a clock of one's own has a pace of its own."""
    one, two = Resilience(), Resilience(api_key="k" * 20)
    assert one.timetable is two.timetable is copy.copy(one).timetable is shared_timetable()
    assert pickle.loads(pickle.dumps(one)).timetable is shared_timetable()
    assert pickle.loads(pickle.dumps(one)).runtime == Runtime()  # chance too: a copy of it would give the same again
    tests = [Resilience(runtime=Runtime(random=lambda: 0.5)) for _ in range(2)]
    assert len({id(it.timetable) for it in (*tests, one)}) == 3


@pytest.mark.parametrize("given", ["https://gw.example", "https://gw.example/", "https://gw.example/openai/v1"])
def test_the_url_is_the_gateway_s_whatever_path_was_given(given: str) -> None:
    """An SDK's base URL in the place of the gateway's does not double the path of each request."""
    assert Resilience(base_url=given).url == "https://gw.example"
