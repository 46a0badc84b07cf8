"""From a URL to a client of redis-py. Must not know what is sent over it.

``redis://``, ``rediss://`` and ``unix://`` are taken as redis-py takes them, options included; where a server of such a
URL is part of a cluster, it is spoken to as one. For sentinels, which redis-py has no URL for:
``redis+sentinel://[user:password@]host:port,host:port/service[/db][?options]`` (``rediss+sentinel://`` with TLS).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

__all__ = ["client_of", "close", "cluster_of", "elsewhere", "node_of", "number_of", "problem_of"]

_OURS = ("decode_responses", "max_connections", "retry", "retry_on_timeout", "single_connection_client")
_SENTINEL_PORT = 26379
_SENTINEL_SILENT = 0.5  # seconds, for there are others to be asked
_SILENT = 5.0  # seconds: whoever waits has given up long before


def _once() -> dict[str, Any]:
    """Return options of a client that sends everything once: whether to send again is not for the client to say."""
    return {
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "protocol": 2,
        "socket_timeout": _SILENT,
        "socket_connect_timeout": _SILENT,
    }


def problem_of(url: str) -> str | None:
    """Say what is wrong with a URL, without showing it; None if redis-py can take it. Connects to nothing."""
    try:
        problem = _oddity(urlsplit(url))
        if problem is None:
            client_of(url).connection_pool.make_connection()
    except Exception as error:
        return f"is no URL that redis-py takes: {type(error).__name__}"
    return problem


def _oddity(parts: SplitResult) -> str | None:
    """Say what redis-py would take for something else than was meant."""
    if parts.fragment or parts.netloc.count("@") > 1:
        return "has a '#' or a second '@' in it: percent-encode what stands in a user's name or password"
    number = parts.path.strip("/").rpartition("/")[2] if "+sentinel" in parts.scheme else parts.path.strip("/")
    if parts.scheme in ("redis", "rediss") and number and not number.isdecimal():
        return "must end with the number of a database, or without one"
    return None


def client_of(url: str) -> Any:
    """Make the client of a URL, which is not connected yet."""
    url = _without_ours(url)
    if "+sentinel://" not in url:
        return Redis.from_url(url, **_once())
    hosts, service, options, own = _sentinels(url)
    short = {"socket_timeout": _SENTINEL_SILENT, "socket_connect_timeout": _SENTINEL_SILENT}
    asked = Sentinel(hosts, sentinel_kwargs={**_once(), **short, **own})
    return asked.master_for(service, **{**_once(), **options})


def cluster_of(url: str) -> Any:
    """Make the client of the cluster that a URL's server is part of."""
    return RedisCluster.from_url(_without_ours(url), **_once())


def node_of(url: str, cluster: Any) -> Any:
    """Make a client of one node of a cluster: whatever one of them publishes, all do."""
    node, client = cluster.get_default_node(), client_of(url)
    client.connection_pool.connection_kwargs.update(host=node.host, port=node.port)
    return client


def number_of(url: str) -> int:
    """Return the number of the database that a URL names."""
    number: Any = client_of(url).connection_pool.connection_kwargs.get("db")
    return int(number) if number else 0


async def close(client: Any) -> None:
    """Close a client and, where it has some, its sentinels' connections, or those to nodes that it has given up."""
    nodes = getattr(client, "nodes_manager", None)
    known = () if nodes is None else (*nodes.nodes_cache.values(), *nodes.startup_nodes.values())
    for it in {id(it): it for it in known}.values():  # redis-py below 8 has no hash for them
        with suppress(Exception):  # one that can't be closed is gone; the others are not
            await it.disconnect()
    await client.aclose()
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for it in () if manager is None else manager.sentinels:
        await it.aclose()


def elsewhere(url: str, host: str, port: int) -> str:
    """Return a URL that is like this one, but of another node."""
    parts = urlsplit(url)
    users, at, _ = parts.netloc.rpartition("@")
    name = f"[{host}]" if ":" in host else host
    return parts._replace(netloc=f"{users}{at}{name}:{port}").geturl()


def _without_ours(url: str) -> str:
    """Return a URL without the options that are for us to say: how texts come, and how many connections there are."""
    front, mark, query = url.partition("?")
    kept = [it for it in query.split("&") if it.partition("=")[0] not in _OURS]
    return front + mark + "&".join(kept)


def _sentinels(url: str) -> tuple[list[tuple[str, int]], str, dict[str, Any], dict[str, Any]]:
    parts = urlsplit(url)
    users, _, hosts = parts.netloc.rpartition("@")
    service, _, number = parts.path.strip("/").partition("/")
    found = []
    for host in hosts.split(","):
        name, _, port = host.rpartition(":") if ":" in host and not host.endswith("]") else (host, "", "")
        if not name or (port and not port.isdecimal()):
            raise ValueError("a sentinel is host:port")
        found.append((name.strip("[]"), int(port) if port else _SENTINEL_PORT))
    if not service:
        raise ValueError("the name of the service is missing: redis+sentinel://host:port/service")
    # redis-py reads the options, of which only it knows the types
    like = "rediss" if parts.scheme.startswith("rediss") else "redis"
    query = f"?{parts.query}" if parts.query else ""
    pool = ConnectionPool.from_url(f"{like}://sentinel/{number}{query}")
    options = {name: it for name, it in pool.connection_kwargs.items() if name not in ("host", "port")}
    if like == "rediss":
        options["ssl"] = True
    own = {name: it for name, it in options.items() if name.startswith("ssl")}
    given = dict(parse_qsl(parts.query))
    for name in ("sentinel_username", "sentinel_password"):
        options.pop(name, None)
        if name in given:
            own[name.removeprefix("sentinel_")] = given[name]
    if users:
        user, _, password = users.partition(":")
        options.update({"username": unquote(user) or None, "password": unquote(password) or None})
    return found, unquote(service), options, own
