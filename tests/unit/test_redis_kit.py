"""The tests' own Redis servers do what tests of ours take for granted. No code of ours runs here."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.sentinel

from tests.brief import once
from tests.redis_kit import Cluster, Sentinel, Server, TlsServer, needs_openssl, needs_redis
from tests.redis_kit import redis_cluster as redis_cluster  # fixtures
from tests.redis_kit import redis_server as redis_server

pytestmark = needs_redis


def test_a_killed_server_is_empty_when_it_is_back_at_its_port() -> None:
    """What it knew is gone, and its URL holds."""
    with Server() as server:
        before = server.url
        server.cli("SET", "key", "value")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            server.cli("PING")
        server.start()
        assert (server.url, server.cli("GET", "key")) == (before, None)


def test_a_stopped_server_answers_nothing_until_it_goes_on() -> None:
    """A command times out on its connection, and a later one is answered."""
    with Server() as server, redis.Redis.from_url(server.url, socket_timeout=0.2, decode_responses=True) as client:
        client.set("key", "value")
        server.stop()
        with pytest.raises(redis.TimeoutError):
            client.get("key")
        server.go_on()
        assert client.get("key") == "value"


def test_settings_are_those_of_the_server() -> None:
    """Memory runs out where it was told to, and a password is asked for and stands in the URL."""
    with Server(maxmemory=1, requirepass="open-sesame") as server:
        with pytest.raises(redis.OutOfMemoryError):
            server.cli("SET", "key", "value")
        with (
            redis.Redis.from_url(f"redis://127.0.0.1:{server.port}") as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()


@needs_openssl
def test_tls_is_spoken_and_the_certificate_checked() -> None:
    """The URL is enough for it, and without its certificate nobody is let in."""
    with TlsServer() as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        with (
            redis.Redis.from_url(server.url.partition("?")[0]) as stranger,
            pytest.raises(redis.ConnectionError, match="CERTIFICATE"),
        ):
            stranger.ping()


def test_a_server_that_cannot_start_says_why() -> None:
    """The end of its log stands in the error."""
    with pytest.raises(AssertionError, match="Bad directive"), Server(no_such_setting="1"):
        pass


def test_a_taken_port_is_another_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that finds its port taken goes to the next, and never counts a stranger's answer as its own."""
    with Server() as first:
        free = next(port for port in range(first.port + 1, 32_000) if port != first.port + 10_000)
        monkeypatch.setattr("random.SystemRandom.sample", lambda *_: [first.port, free])
        with Server() as second:
            assert (first.port, second.port) == (first.port, free)


@once
def test_a_cluster_answers_for_keys_of_all_its_nodes(redis_cluster: Cluster) -> None:
    """Each node holds what its slots are for, and one address is enough for all."""
    keys = [f"key-{number}" for number in range(20)]
    with redis.RedisCluster.from_url(redis_cluster.url, decode_responses=True) as client:
        for key in keys:
            client.set(key, key.upper())
        assert [client.get(key) for key in keys] == [key.upper() for key in keys]
    held = [set(node.cli("KEYS", "*")) for node in redis_cluster.nodes]
    assert all(held)
    assert [key in held[redis_cluster.nodes.index(redis_cluster.node_of(key))] for key in keys] == [True] * len(keys)


@pytest.mark.parametrize("left", ["with a key", "stopped", "dead"])
def test_every_test_gets_the_server_empty_and_going(left: str, request: pytest.FixtureRequest) -> None:
    """Whatever the test before has left it as."""
    server: Any = request.getfixturevalue("redis_server")
    assert server.cli("DBSIZE") == 0
    server.cli("SET", "key", left)
    {"with a key": lambda: None, "stopped": server.stop, "dead": server.kill}[left]()


def test_and_after_a_dead_one_too(redis_server: Server) -> None:
    """The last of the tests above killed it."""
    assert redis_server.cli("DBSIZE") == 0


@once
def test_sentinels_name_the_master_and_another_one_when_it_is_dead() -> None:
    """The client finds it by its name before and after, and what was written is there."""
    with Sentinel(down_after_ms=500) as fleet:
        first = fleet.master.port
        client = redis.sentinel.Sentinel(fleet.urls, decode_responses=True).master_for(fleet.name)
        client.set("key", "value")
        assert fleet.named() == [first]
        fleet.fail_over()
        assert fleet.named() == [fleet.master.port] != [first]
        assert client.get("key") == "value"
        client.close()
