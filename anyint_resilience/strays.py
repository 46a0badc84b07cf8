"""Requests to a gateway's address that are for somebody else by what stands on them: who sends one is told, once.

Must not know any client, nor decide which they are. Such a request goes out without AnyInt's key and unprotected, and
whoever has a name of their own before a gateway would see nothing but a 401.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

__all__ = ["CERTIFICATE", "HEADER", "MOST_PAIRS", "no_path", "tell"]

CERTIFICATE: Final = "the name that its certificate must have"
HEADER: Final = "its Host header"
MOST_PAIRS: Final = 256
"""Of a host and a name that are told of in a process; nobody reads more."""

_NAME: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?")
_LOST: Final = "it goes out without AnyInt's key, and nothing of it is repeated or held back"
_STRAY: Final = (
    "a request to {host} is for {name} by {by}, and so none of AnyInt's: {lost}. "
    'If that is another name of your gateway, put it in hosts: Resilience(hosts=["https://{shown}"])'
)
_NO_PATH: Final = (
    "a request to {host} has a target that is no path, and so is none of AnyInt's: {lost}. "
    "Begin the target with a slash"
)

_told: set[tuple[str, str, str]] = set()


def tell(host: str, name: str | bytes, by: str, *, secret: bool) -> None:
    """Warn that a request to a gateway's host is for this name; one that may be a secret, or is no name, stays out."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    read = None if secret else _NAME.fullmatch(text.strip())
    told, shown = ("somebody else", "name") if read is None else (read[1], read[1])
    _once(host, told, by, _STRAY.format(host=host, name=told, by=by, lost=_LOST, shown=shown))


def no_path(host: str) -> None:
    """Warn that a request to a gateway's host has a target that may lead to any other."""
    _once(host, "", "", _NO_PATH.format(host=host, lost=_LOST))


def _once(host: str, name: str, by: str, text: str) -> None:
    pair = (host, name, by)
    if pair in _told or len(_told) >= MOST_PAIRS:
        return
    _told.add(pair)
    warnings.warn(text, UserWarning, stacklevel=4)
