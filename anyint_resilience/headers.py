"""The few headers of a request that keys have to do with, how they are read, and how they are changed.

Must not know any key of ours, nor which host may see one. Headers are pairs of bytes as they go on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "AUTH_NAMES",
    "HOST",
    "NAMES",
    "RETRIES",
    "VERSION",
    "HeaderEdit",
    "LoweredHeaders",
    "RawHeaders",
    "caller_key",
    "looked_at",
    "outer_retries",
    "telling",
    "token",
]

RawHeaders: TypeAlias = "Sequence[tuple[bytes, bytes]]"

LoweredHeaders: TypeAlias = "Iterable[tuple[bytes, bytes, bytes]]"
"""Name as sent, lower-case name, value."""

AUTH_NAMES = frozenset((b"authorization", b"x-api-key", b"x-goog-api-key"))
VERSION = b"anthropic-version"
HOST = b"host"
RETRIES = b"x-stainless-retry-count"
NAMES = frozenset((*AUTH_NAMES, VERSION, RETRIES, HOST))
"""All that is looked at before a request goes out."""


@dataclass(frozen=True, slots=True)
class HeaderEdit:
    """What to change on a request's headers: lower-case names to take off, pairs to put on."""

    remove: frozenset[bytes] = frozenset()
    add: tuple[tuple[bytes, bytes], ...] = ()

    def apply(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the edited headers; the order of the others stays."""
        return [(name, value) for name, value in headers if name.lower() not in self.remove] + list(self.add)

    def __repr__(self) -> str:
        return f"HeaderEdit(remove={sorted(self.remove)}, add={[name for name, _ in self.add]})"


def telling(headers: RawHeaders) -> RawHeaders:
    """Return those that anything here looks at: one pass over all that a request has, for several over a few."""
    return [(name, value) for name, value in headers if name.lower() in NAMES]


def outer_retries(headers: RawHeaders) -> int:
    """Return how often a layer above has already retried (``x-stainless-retry-count``), 0 if none says so."""
    for name, value in headers:
        if name.lower() == RETRIES and value.isdigit() and len(value) <= 6:
            return int(value)
    return 0


def token(value: bytes) -> bytes:
    """Return the token of an ``Authorization: Bearer`` value, or nothing."""
    return value[7:].strip() if value[:7].lower() == b"bearer " else b""


def caller_key(found: dict[bytes, bytes]) -> bytes:
    """Return the key that stands in any of these headers, nothing without one."""
    return (
        token(found.get(b"authorization", b""))
        or found.get(b"x-api-key", b"").strip()
        or found.get(b"x-goog-api-key", b"").strip()
    )


def looked_at(headers: RawHeaders) -> tuple[dict[bytes, bytes], set[bytes], bytes]:
    """Return the headers that a key may stand in, and do; those that are there at all; and the API's version."""
    found: dict[bytes, bytes] = {}
    there: set[bytes] = set()
    version = b""
    for name, value in headers:
        low = name.lower()
        if low == VERSION:
            there.add(low)
            version = value.strip()
        elif low in AUTH_NAMES:
            there.add(low)
            if bare := value.strip():  # an empty one hides no other
                found[low] = bare
    return found, there, version
