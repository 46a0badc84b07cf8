"""Which URLs name a Redis, what is said of those that don't, and that a password is shown nowhere."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.redis_kit import Cluster, Sentinel, Server, TlsServer, needs_openssl, needs_redis
from tests.redis_kit import redis_cluster as redis_cluster  # fixtures
from tests.redis_kit import redis_server as redis_server
from tests.unit.store_kit import get, posix, put
from tests.waiting import until

pytest.importorskip("redis", reason="redis-py is not here: pip install redis")

from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.opening import opened, store_problem
from anyint_resilience.stores.protocol import StoreError
from anyint_resilience.stores.redis import RedisStore

pytestmark = needs_redis

Opens = Callable[..., RedisStore]
SECRET = "s3cret-of-the-url"
DEAD = "127.0.0.1:9"  # nobody listens there


@pytest.fixture
def opens() -> Iterator[Opens]:
    """What opens a store, which is closed at the end."""
    with ExitStack() as at_end:

        def opening(url: str, **options: Any) -> RedisStore:
            store = RedisStore(url, **options)
            at_end.callback(store.close)
            return store

        yield opening


def works(store: RedisStore) -> bool:
    """Whether what is written there is read again."""
    put(store, "create:someones", {"n": 1})
    return bool(get(store, "create:someones") == {"n": 1})


OPTIONS = ["", "?protocol=3", "?socket_timeout=2&client_name=x", "?decode_responses=true", "?max_connections=1"]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_plain_url(redis_server: Server, opens: Opens, options: str) -> None:
    """Options of redis-py are taken, and those that would change how we speak to it do no harm."""
    assert works(opens(redis_server.url + options))


def test_a_url_names_a_database(redis_server: Server, opens: Opens) -> None:
    """What is in one database is not in another."""
    put(opens(redis_server.url), "create:a", {"n": 1})
    other = opens(redis_server.url.removesuffix("/0") + "/3")
    assert get(other, "create:a") is None


@needs_openssl
def test_tls(opens: Opens) -> None:
    """With the certificate that the URL names."""
    with TlsServer() as server:
        assert works(opens(server.url))
        stranger = opens(server.url.partition("?")[0])
        with pytest.raises(StoreError):
            stranger.updating("create:a", lambda state, now: (state, None), 60, 0.3).wait()


@posix
def test_a_unix_socket(opens: Opens) -> None:
    """It has a path instead of a host, the database is an option, and a password goes in front."""
    with Server(requirepass=SECRET, unixsocket="socket") as server:
        assert works(opens(f"unix://:{SECRET}@{server.folder}/socket?db=1"))


def test_a_cluster_is_known_by_itself(redis_cluster: Cluster, opens: Opens) -> None:
    """A plain URL of any node will do; accounts spread over all of them, and each account's keys stand on one."""
    store = opens(redis_cluster.nodes[1].url)
    for account in "abcdefgh":
        put(store, f"create:{account}", {})
        put(store, f"job:{account}:x", {})
    assert len(list(store.scan("create:"))) == 8
    keys = [(node, key) for node in redis_cluster.nodes for key in node.cli("KEYS", "*")]
    tags = {tag: {node.port for node, key in keys if f"{{{tag}}}" in key} for tag in "abcdefgh"}
    assert all(len(ports) == 1 for ports in tags.values())
    assert len(set.union(*tags.values())) > 1


def test_sentinels_say_who_is_the_master(opens: Opens) -> None:
    """The first of them may be dead; when another server takes over, the store goes on there by itself."""
    with Sentinel(down_after_ms=200) as group:
        host, port = group.urls[0]
        store = opens(f"redis+sentinel://{DEAD},{host}:{port}/{group.name}/0")
        assert works(store)
        group.fail_over()

        def goes_on() -> bool:
            try:
                return bool(store.updating("create:someones", lambda s, now: (s, s), 60, 1.0).wait() == {"n": 1})
            except StoreError:
                return False

        until(goes_on)
        assert group.master.cli("KEYS", "*:create:someones") != []


def test_a_sentinels_password_is_not_the_servers() -> None:
    """Each gets its own, and nobody another's."""
    from anyint_resilience.stores.redis.links import client_of

    for url, of_server, of_sentinel in (
        ("redis+sentinel://h/s?sentinel_username=u&sentinel_password=p", (None, None), ("u", "p")),
        ("redis+sentinel://u:p@h/s", ("u", "p"), (None, None)),
        ("redis+sentinel://u%40:p%2F@h/s?sentinel_password=q", ("u@", "p/"), (None, "q")),
        ("redis+sentinel://:p@h/s/2", (None, "p"), (None, None)),
    ):
        pool = client_of(url).connection_pool
        theirs = pool.sentinel_manager.sentinels[0].connection_pool.connection_kwargs
        assert named(pool.connection_kwargs) == of_server, url
        assert named(theirs) == of_sentinel, url
        assert theirs["port"] == 26379


def named(options: dict[str, Any]) -> tuple[Any, Any]:
    return options.get("username"), options.get("password")


BAD = {
    f"redis://u:{SECRET}@host:port": "ValueError",
    f"redis://u:{SECRET}@host:99999": "ValueError",
    f"redis://u:{SECRET}@host/0?foo=1": "TypeError",
    f"redis://u:{SECRET}@host/0?db=x": "ValueError",
    f"redis://u:{SECRET}@host/0?socket_timeout=soon": "ValueError",
    f"redis://u:{SECRET}@[::1/0": "ValueError",
    f"redis+sentinel://u:{SECRET}@host": "ValueError",
    f"redis+sentinel://u:{SECRET}@host:port/service": "ValueError",
    f"redis+sentinel://u:{SECRET}@host:1,:2/service": "ValueError",
    f"redis+sentinel://host/service?sentinel_password={SECRET}&foo=1": "TypeError",
}


@pytest.mark.parametrize("url", list(BAD))
def test_a_malformed_url_is_said_so_and_not_shown(url: str) -> None:
    """A setting is judged before it is used; the words are ours."""
    assert store_problem(url) == f"is no URL that redis-py takes: {BAD[url]}"
    with pytest.raises(ValueError, match="no URL that redis-py takes") as caught:
        RedisStore(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


GOOD = [
    "redis://host",
    "rediss://host:1/2?ssl_cert_reqs=none",
    "unix:///path/of.sock?db=2",
    "redis://user:pass%2Fword@[::1]:6379/0",
    "redis+sentinel://host,other:1/service",
    "redis+sentinel://user:pass@[::1]:1,host/service/2?socket_timeout=1&sentinel_password=x",
    "rediss+sentinel://host/service?ssl_ca_certs=/x.pem",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_is_a_setting(url: str) -> None:
    """Nothing is connected before it is needed."""
    assert store_problem(url) is None
    store = opened(url, runtime=Runtime(), wait=0.05)
    assert isinstance(store, RedisStore)
    assert not store.member.started
    store.close()


def test_a_wrong_password_is_told_without_it(opens: Opens) -> None:
    """A store error within the patience; neither its text nor a traceback nor the store shows what was tried."""
    with Server(requirepass="right") as server:
        store = opens(re.sub(r"right(?=@)", SECRET, server.url))
        store.member.start()
        for patience in (0.2, None):
            until(lambda: bool(store.member.down))
            with pytest.raises(StoreError, match=r"did not answer|AuthenticationError") as caught:
                store.updating("create:a", lambda state, now: ({}, None), 60, patience).wait()
            assert SECRET not in "".join(traceback.format_exception(caught.value))
        assert SECRET not in repr(store) + str(store) + store.member.down
        assert server.cli("KEYS", "*") == []
