"""Which commands clients send to a Redis: MONITOR tells them from those that scripts call, INFO commandstats does not.

Must not know what sends them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import redis

__all__ = ["Monitor"]

_MARK = "fleet-mark"


class Monitor:
    """Counts while it is open: ``with Monitor(url) as seen``; ``seen.since()`` tells, and begins anew."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=None)
        self._counts: Counter[str] = Counter()
        self._marked = threading.Semaphore(0)
        self._own = 0

    def __enter__(self) -> Monitor:
        self._client.ping()
        self._monitor: Any = self._client.monitor()
        self._monitor.__enter__()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _listen(self) -> None:
        try:
            for told in self._monitor.listen():
                words = told["command"]
                if words == f"ECHO {_MARK}":
                    self._marked.release()
                elif told["client_type"] != "lua":
                    name, _, more = words.partition(" ")
                    pair = name.upper() in ("CLIENT", "SCRIPT", "PUBSUB")
                    self._counts[f"{name} {more.partition(' ')[0]}".upper() if pair else name.upper()] += 1
        except (redis.RedisError, OSError, ValueError, AttributeError):  # it was closed
            return

    def since(self, settle: float = 0.3) -> dict[str, int]:
        """Return how often each command was sent since the last time, after so many seconds for what is under way."""
        time.sleep(settle)
        self._client.echo(_MARK)
        if not self._marked.acquire(timeout=10.0):
            raise AssertionError("MONITOR does not tell")
        counts, self._counts = self._counts, Counter()
        return dict(counts)
