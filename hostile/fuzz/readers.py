"""How each client reads a URL: the place that an adapter tells the router, and where the client connects to.

Must not know any host, nor what is done about one. A client that is not here has no reader.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Place", "Reader", "readers"]

Place = tuple[str, str, "int | None", bytes]
"""Scheme, host, port and target, as an adapter tells them."""
Reader = Callable[[str], "tuple[Place, tuple[str, str, int | None]] | None"]


@lru_cache(maxsize=1)
def readers() -> tuple[Reader, ...]:
    """Return a reader for each client that is here."""
    found: list[Reader] = [_by_urlsplit]
    for name, made in (("httpx", _by_httpx), ("httpx2", _by_httpx), ("requests", _by_requests), ("aiohttp", _by_yarl)):
        try:
            module = import_module(name)
            ours = import_module(f"anyint_resilience_{name}")
        except ImportError:
            continue
        found.append(made(module, ours))
    return tuple(found)


def _by_urlsplit(url: str) -> tuple[Place, tuple[str, str, int | None]] | None:
    try:
        parts = urlsplit(url)
        place = parts.scheme, parts.hostname or "", parts.port, (parts.path or "/").encode("utf-8", "replace")
    except ValueError:
        return None
    return place, place[:3]


def _by_httpx(module: Any, ours: Any) -> Reader:
    from anyint_resilience._httpx.surface import Base

    place_of: Any = Base.place_of

    def read(url: str) -> tuple[Place, tuple[str, str, int | None]] | None:
        try:
            request = module.Request("GET", url)
        except Exception:  # the client's own, whatever it is
            return None
        where = request.url
        return place_of(None, request), (where.raw_scheme.decode(), where.raw_host.decode("latin-1"), where.port)

    return read


def _by_requests(module: Any, ours: Any) -> Reader:
    place_of: Any = import_module("anyint_resilience_requests._surface").Surface.place_of
    parse: Any = import_module("urllib3.util").parse_url

    def read(url: str) -> tuple[Place, tuple[str, str, int | None]] | None:
        try:
            request = module.PreparedRequest()
            request.prepare_url(url, None)
            goes = parse(request.url)
        except Exception:
            return None
        if not request.url.lower().startswith(("http://", "https://")):  # for which requests has no adapter
            return None
        try:
            place = place_of(None, SimpleNamespace(request=request))
        except ValueError:  # which the adapter takes for a foreign host
            return None
        return place, (goes.scheme or "", goes.host or "", goes.port)

    return read


def _by_yarl(module: Any, ours: Any) -> Reader:
    place_of: Any = import_module("anyint_resilience_aiohttp._surface").Surface.place_of
    made: Any = import_module("yarl").URL

    def read(url: str) -> tuple[Place, tuple[str, str, int | None]] | None:
        try:
            where = made(url)
            assert where.host
        except Exception:
            return None
        hop = SimpleNamespace(request=SimpleNamespace(url=where, method="GET"))
        return place_of(None, hop), (where.scheme, where.raw_host or "", where.explicit_port)

    return read
