"""What the keys on the server are called. Must not know what stands under them.

``anyint:1:{tag}:<key>``: a prefix, the version of what is written, a tag, and the key that the library uses inside. All
keys of one account have one tag, so that in a cluster they stand in one slot, where one script reaches them all. The
tag is the beginning of the account's key id, which is a hash of its key.
"""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["NEWS", "RING", "TAGS", "named", "news_of", "place_of", "read_name", "tag_of"]

_BASE = "anyint:1:"
_TAG = 8  # characters: an intent begins with as many of its key id
_LONGEST = 400
_OF_ACCOUNTS = ("gate", "budget", "breaker", "create")

TAGS = _BASE + "{tags}"
"""A sorted set: the tags in use, by when they were last."""

NEWS = _BASE + "news"
"""The channel on which others are told of a state."""

RING = _BASE + "ring:"
"""The beginning of a process's own channel, on which it is told whose turn it is."""


def news_of(number: int) -> str:
    """Return the channel on which those who use the database of this number are told of a state."""
    return NEWS if number == 0 else f"{NEWS}:{number}"


def tag_of(key: str) -> str:
    """Return the tag of a key: ``kind:account...`` has that of its account, what is of no account has one for all."""
    kind, _, rest = key.partition(":")
    account = rest[:_TAG] if kind in _OF_ACCOUNTS else ""
    return account if account and account.isalnum() and account.isascii() else "-"


def place_of(tag: str) -> str:
    """Return what all keys of a tag begin with."""
    return f"{_BASE}{{{tag}}}:"


def named(key: str) -> bytes:
    """Return a key as it stands on the server: one with a long name in it is cut, and told from others by a hash."""
    whole = key.encode(errors="surrogatepass")  # a model's name comes from a body, where half a character can stand
    if len(whole) <= _LONGEST:
        return whole
    return whole[:_LONGEST] + b"~" + blake2b(whole, digest_size=8).hexdigest().encode()


def read_name(name: bytes) -> str:
    """Return a key that stands on the server."""
    return name.decode(errors="surrogatepass" if _is_fit(name) else "replace")


def _is_fit(name: bytes) -> bool:
    try:
        name.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return False
    return True
