"""Putting our transport around the ones a client already has: default, proxies and mounts.

Must not import either client.
"""

from __future__ import annotations

from typing import Any

from ..config import Resilience
from .shapes import Kit
from .surface import Base

__all__ = ["wrap_client"]


def wrap_client(client: Any, anyint: Resilience | None, kit: Kit, sync: type, awaiting: type) -> None:
    """Wrap every transport of a client in place; http2, verify, proxies, limits and mounts stay as they are.

    Idempotent: a transport that is wrapped already is wrapped anew around its own inner one, never twice.
    Neither client has a public way to its transports, hence the two private attributes.

    Raises:
        TypeError: if this is no client of the library, or keeps its transports elsewhere.
    """
    make: Any = awaiting if isinstance(client, kit.module.AsyncClient) else sync
    if not isinstance(client, (kit.module.Client, kit.module.AsyncClient)):
        name = kit.module.__name__
        raise TypeError(f"wrap takes an {name}.Client or {name}.AsyncClient, not {type(client).__name__}")
    if not hasattr(client, "_transport") or not isinstance(getattr(client, "_mounts", None), dict):
        raise TypeError(f"{type(client).__name__} keeps its transports where we do not know them: pass transport=")
    settled = Resilience.from_env() if anyint is None else anyint

    def wrapped(transport: Any) -> Any:
        if transport is None:  # a mount of None means: the default transport
            return None
        return make(settled, transport=transport.inner if isinstance(transport, Base) else transport)

    client._transport = wrapped(client._transport)
    client._mounts = {pattern: wrapped(transport) for pattern, transport in client._mounts.items()}
