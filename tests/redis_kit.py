"""Real Redis for tests: servers, clusters and sentinels, and fixtures of them; knows nothing of what is tested on it.

A fixture's server serves all tests of a process. A test that kills or stops one takes its own: ``with Server() as it``.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.redis_server import HOST, Server, TlsServer, missing, until

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Cluster",
    "Sentinel",
    "Server",
    "TlsServer",
    "needs_openssl",
    "needs_redis",
    "redis_cluster",
    "redis_server",
]

SLOTS = 16384
# Where CI=true nothing is skipped: there a server that cannot be started is an error.
IN_CI = os.environ.get("CI") == "true"
needs_redis = pytest.mark.skipif(bool(missing()) and not IN_CI, reason=missing())
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None and not IN_CI, reason="no openssl on PATH")


class Group:
    """Servers that are started, joined and killed together."""

    def servers(self) -> list[Server]:
        """All of them."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start those that are not alive, and wait until they serve as one."""
        raise NotImplementedError

    def close(self) -> None:
        """Kill all and remove their folders."""
        for server in self.servers():
            server.close()

    def log(self) -> str:
        """The end of every log."""
        return "\n".join(f"{server.port}:\n{server.log}" for server in self.servers())

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()


class Cluster(Group):
    """Masters without replicas that share the slots; a node that is started again has its slots and no keys."""

    def __init__(self, nodes: int = 3, **settings: object) -> None:
        cluster = {"cluster_enabled": "yes", "cluster_config_file": "nodes.conf", "cluster_node_timeout": 5000}
        self.nodes = [Server(**{**cluster, **settings}) for _ in range(nodes)]
        self._joined = False

    @property
    def url(self) -> str:
        """Where one of the nodes is; it names the others."""
        return self.nodes[0].url

    def servers(self) -> list[Server]:
        return self.nodes

    def start(self) -> Self:
        for node in self.nodes:
            node.start()
        for number, node in enumerate(self.nodes if not self._joined else []):
            slots = range(SLOTS * number // len(self.nodes), SLOTS * (number + 1) // len(self.nodes))
            node.cli("CLUSTER", "ADDSLOTS", *slots)
            node.cli("CLUSTER", "SET-CONFIG-EPOCH", number + 1)  # or they would have to quarrel about it
            node.cli("CLUSTER", "MEET", HOST, self.nodes[0].port)
        self._joined = True
        self.until_ok()
        return self

    def until_ok(self) -> None:
        """Wait until every node says that all slots are served: two seconds after a start, Redis has it so."""
        until(lambda: all(map(self._ok, self.nodes)), "a cluster", self.log)

    def _ok(self, node: Server) -> bool:
        words = node.cli("CLUSTER", "INFO").split()
        return {"cluster_state:ok", f"cluster_known_nodes:{len(self.nodes)}", f"cluster_slots_ok:{SLOTS}"} <= set(words)

    def node_of(self, key: str) -> Server:
        """The node that has a key's slot."""
        slot = self.nodes[0].cli("CLUSTER", "KEYSLOT", key)
        return self.nodes[next(n for n in range(len(self.nodes)) if slot < SLOTS * (n + 1) // len(self.nodes))]


class Watcher(Server):
    """One ``redis-server --sentinel``, for which a master is down when so many of them (the quorum: one) say so."""

    def __init__(self, name: str, master: Server, down_after_ms: int) -> None:
        super().__init__()
        self.name, self.master, self.down_after_ms = name, master, down_after_ms

    def command(self) -> list[str]:
        path = self.folder / "sentinel.conf"
        if not path.exists():  # what it learns stands there as well
            path.write_text(
                f"sentinel monitor {self.name} {HOST} {self.master.port} 1\n"
                f"sentinel down-after-milliseconds {self.name} {self.down_after_ms}\n"
                f"sentinel failover-timeout {self.name} 5000\n"
            )
        return ["redis-server", str(path), "--sentinel", "--bind", HOST, "--port", str(self.port)]

    def told(self, *words: str) -> dict[str, str]:
        """A table of ``SENTINEL``, or the first of several; empty where there is none."""
        answer: Any = self.cli("SENTINEL", *words, self.name)
        flat = answer[0] if answer and isinstance(answer[0], list) else answer
        return dict(zip(flat[::2], flat[1::2], strict=True))


class Sentinel(Group):
    """One master, one replica of it, and sentinels that watch both."""

    def __init__(self, sentinels: int = 1, name: str = "fleet", down_after_ms: int = 1000, **settings: object) -> None:
        self.name = name
        self.master, self.replica = Server(**settings), Server(**settings)
        self.sentinels = [Watcher(name, self.master, down_after_ms) for _ in range(sentinels)]

    @property
    def urls(self) -> list[tuple[str, int]]:
        """Host and port of each sentinel, as ``redis.sentinel.Sentinel`` takes them."""
        return [(HOST, sentinel.port) for sentinel in self.sentinels]

    def servers(self) -> list[Server]:
        return [self.master, self.replica, *self.sentinels]

    def start(self) -> Self:
        self.master.start()
        self.replica.start().cli("REPLICAOF", HOST, self.master.port)
        until(lambda: "state=online" in self.master.info("replication", "slave0"), "a replica", self.log)
        for sentinel in self.sentinels:
            sentinel.start()
        until(lambda: all(map(self._knows_all, self.sentinels)), "sentinels", self.log)
        return self

    def _knows_all(self, sentinel: Watcher) -> bool:
        replica, others = sentinel.told("REPLICAS"), sentinel.told("MASTER")["num-other-sentinels"]
        return replica.get("master-link-status") == "ok" and others == str(len(self.sentinels) - 1)

    def _caught_up(self) -> bool:
        offset = self.master.info("replication", "master_repl_offset")
        return self.replica.info("replication", "slave_repl_offset") == offset

    def _has_moved(self, sentinel: Watcher) -> bool:
        """Whether it has done with the dead one; it names the other a little sooner, which redis-py does not go by."""
        now = sentinel.told("MASTER")
        return (now["port"], now["flags"]) == (str(self.master.port), "master")

    def named(self) -> list[int]:
        """The port of the master that each sentinel names."""
        return [int(one.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)[1]) for one in self.sentinels]

    def fail_over(self) -> None:
        """Kill the master, once its replica has all it has, and wait until that one is the master to all.

        ``master`` and ``replica`` change places. The dead one may be started again: ten seconds later the sentinels
        make a replica of it.
        """
        until(self._caught_up, "a replica that has it all", self.log)
        self.master.kill()
        self.master, self.replica = self.replica, self.master
        until(lambda: all(map(self._has_moved, self.sentinels)), "another master", self.log)
        until(lambda: self.master.info("replication", "role") == "master", "a promotion", self.log)


Kind = TypeVar("Kind", Server, Cluster)
_shared: dict[type, Any] = {}  # one of each for all tests of a process, from the first test that asks


def _fresh(request: pytest.FixtureRequest, kind: type[Kind]) -> Kind:
    """The process's server or cluster: alive, going on, and without keys or scripts."""
    if missing() and not IN_CI:
        pytest.skip(missing())
    if kind not in _shared:
        _shared[kind] = kind()
        request.config.add_cleanup(_shared[kind].close)
    shared: Kind = _shared[kind]
    servers = shared.servers() if isinstance(shared, Cluster) else [shared]
    for server in servers:
        server.go_on()
    shared.start()
    for server in servers:
        server.cli("FLUSHALL")
        server.cli("SCRIPT", "FLUSH")
    return shared


@pytest.fixture
def redis_server(request: pytest.FixtureRequest) -> Server:
    """An empty server; it starts with the first test that asks and is killed after the last."""
    return _fresh(request, Server)


@pytest.fixture
def redis_cluster(request: pytest.FixtureRequest) -> Cluster:
    """A cluster of three nodes, all empty; it starts with the first test that asks and is killed after the last."""
    return _fresh(request, Cluster)
