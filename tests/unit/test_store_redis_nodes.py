"""How a cluster's client is closed, whatever redis-py's nodes are like. Must not need a server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("redis", reason="redis-py is not here: pip install redis")

from anyint_resilience.stores.redis import links


class Node:
    """As redis-py below 8 has them: equal by their name, so without a hash."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.closed = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node)

    async def disconnect(self) -> None:
        self.closed += 1


@pytest.mark.anyio
async def test_a_cluster_whose_nodes_have_no_hash_is_closed() -> None:
    """Each node is closed once, and the client after them; two that are equal are two."""
    one, two, ended = Node(), Node(), []

    async def aclose() -> None:
        ended.append(True)

    nodes = SimpleNamespace(nodes_cache={"a": one, "b": two}, startup_nodes={"a": one})
    await links.close(SimpleNamespace(nodes_manager=nodes, aclose=aclose))
    assert (one.closed, two.closed, ended) == (1, 1, [True])
