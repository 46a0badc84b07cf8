"""Keys: what can be one, what stands for one, and which AnyInt's hosts have seen. Must not know any header or host."""

from __future__ import annotations

from threading import Lock
from typing import Final

from .forking import after_fork

__all__ = ["MAX_SEEN", "NO_KEY", "Seen", "key_id", "key_problem"]

MAX_SEEN: Final = 1024
_SHORT: Final = 8  # characters: a shorter key is no secret, and stands in many a word by chance


def key_problem(key: object) -> str | None:
    """Say what is wrong with a key, without showing it; None if it can go into a header."""
    if not isinstance(key, str):
        return f"must be a string, not {type(key).__name__}"
    if not key.strip():
        return "must not be empty"
    if not key.isascii() or not key.isprintable() or " " in key:
        return "must be printable ASCII without spaces"
    return None


class Seen:
    """The keys that went to AnyInt, the last thousand of them at any time. Shared between threads."""

    __slots__ = ("__weakref__", "_lock", "_now", "_past")

    def __init__(self) -> None:
        self._now: set[bytes] = set()
        self._past: set[bytes] = set()
        after_fork(self, Seen._forked)
        self._lock = Lock()

    def _forked(self) -> None:
        self._lock = Lock()

    def __contains__(self, key: bytes) -> bool:
        return key in self._now or key in self._past

    def add(self, key: bytes) -> bool:
        """Remember a key; True: there were too many, and those met longest ago are forgotten."""
        if key in self._now:
            return False
        with self._lock:
            full = len(self._now) >= MAX_SEEN
            if full:
                self._past, self._now = self._now, set()  # one met a moment ago may be on its way with a redirect
            self._now.add(key)
        return full

    def stand_in(self, text: str, own: bytes | None) -> bool:
        """Whether one of them, or this one, stands in a text."""
        raw = text.encode("utf-8", "replace")
        known = (*self._now, *self._past, *(() if own is None else (own,)))  # a copy: other threads add to it
        return any(key in raw if len(key) >= _SHORT else key == raw for key in known)


NO_KEY: Final = "0" * 16
"""What stands for the key of those who have none, where shared states are named."""


def key_id(key: bytes | None) -> bytes:
    """Return what stands for a key where it must be told from others and may not be shown."""
    from hashlib import blake2b  # late: most programs never need it, and it costs every one of them at import

    return b"" if key is None else blake2b(key, digest_size=8, person=b"anyint-key-id").digest()
