"""Whether a key may go where a configuration file says. One that nobody named, but that lay about, may be a stranger's.

Must not know what is asked there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ..configuring import Loaded
from ..configuring.settings import CONFIG
from ..contract.routes import HOSTS
from ..router import is_loopback

__all__ = ["stranger"]

_PLACES: Final = ("base_url", "hosts")


def stranger(found: Loaded, url: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that alone says that this URL's host may see a key, and that nobody named.

    None: it is AnyInt's or this machine, the environment says so too, or the file was named.
    """
    host, file = _host(url), found.file
    if file is None or environ.get(CONFIG) or host in HOSTS or is_loopback(host):
        return None
    said_by = {found.origins.get(name) for name in _PLACES if host in _hosts(found.arguments.get(name))}
    return file if said_by == {file.name} else None


def _hosts(value: object) -> list[str]:
    if isinstance(value, str):
        return [_host(value)]
    return [_host(it) for it in value if isinstance(it, str)] if isinstance(value, Iterable) else []


def _host(url: str) -> str:
    try:
        return (urlsplit(url if "://" in url else f"//{url}").hostname or "").lower().rstrip(".")
    except ValueError:
        return ""
