"""Connections that stand in a pool for good, though no request has them: found, and taken out.

httpcore (1.0.9) and httpcore2 (2.16.2) forget some: one that a request was given, or has just made, when it was
cancelled; that of a proxy's tunnel in which TLS failed. Each costs a place, until the pool has none left. They can be
told by nothing public, so their own lists are read, where they are what we know.

Must not import either client, nor wait.
"""

from __future__ import annotations

from typing import Any

__all__ = ["taken_out"]


def taken_out(inner: Any) -> list[Any]:
    """Take the orphans out of a transport's pool, and give their places to who waits; return what is to be closed.

    A connection that is neither idle nor closed is one that a request has, or an orphan: a request gives its own up
    only once that is either.
    """
    pool: Any = getattr(inner, "_pool", None)
    try:
        lock, assign = pool._optional_thread_lock, pool._assign_requests_to_connections
        with lock:
            busy = [it for it in pool._connections if not (it.is_idle() or it.is_closed())]
            if not busy:
                return []
            had = {id(it.connection) for it in pool._requests}
            orphans = [it for it in busy if id(it) not in had]
            if not orphans:
                return []
            for it in orphans:
                pool._connections.remove(it)
            return [*orphans, *assign()]
    except (AttributeError, TypeError, ValueError):  # another pool than we know
        return []
