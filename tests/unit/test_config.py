"""Configuration: validated once, every problem in one error, no secret in any repr."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from anyint_resilience import Certainty, Policy, Resilience
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.memory import MemoryStore


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
    }
    with pytest.raises(ValueError, match="invalid Resilience configuration") as caught:
        Resilience(**bad)
    for word in ("api_key", "base_url", "hosts", "policy", "seedance", "unknown_window", "runtime"):
        assert word in str(caught.value)
    assert "two words" not in str(caught.value)


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
        with ours.override(two):
            assert ours.overridden() is two
        assert ours.overridden() is one
    assert ours.overridden() is None
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
    ledger.store.update(ledger.key("a"), ledger.leave(Certainty.UNKNOWN), ledger.window)
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
