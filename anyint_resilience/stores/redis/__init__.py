"""The store of a fleet, on Redis: the only place where redis-py is known. Must not know what the states mean."""

from __future__ import annotations

from .store import RedisStore

__all__ = ["RedisStore"]
