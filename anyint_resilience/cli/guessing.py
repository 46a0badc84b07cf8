"""Which request was meant: the method of a path, and what to say of one that no row of the contract names.

Must not know any route by name.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Final

from ..contract.matching import RouteTable, route_table
from ..contract.routes import HOSTS
from ..policy.given import path_of
from .terminal import clean

__all__ = ["doubts", "method_for"]

_LIKE: Final = 0.75
_MOST: Final = 2
_SHORTEST: Final = 5


def method_for(table: RouteTable, url: str) -> str:
    """Return the method a path is likely to be called with: POST if it has one, else the contract's first."""
    methods = _methods(table, path_of(url))
    return methods[0] if methods and "POST" not in methods else "POST"


def doubts(table: RouteTable, method: str, url: str) -> list[str]:
    """Return what is odd about a request: a path or a method the contract has not, a host that is not AnyInt's."""
    path = path_of(url)
    methods = _methods(table, path)
    said: list[str] = []
    if not methods:
        known = list(dict.fromkeys(it.template for it in table.routes))
        whole = [
            it for it in known if len(path) >= _SHORTEST and it.endswith("/" + path.lstrip("/"))
        ]  # no family before it
        like = whole[:_MOST] or get_close_matches(path, known, n=_MOST, cutoff=_LIKE)
        near = f"; near it: {', '.join(like)}" if like else "; 'anyint-resilience routes' lists what there is"
        said.append(f"the contract has no path {clean(path)[:100]!r}{near}")
        if not table.match("GET", path).family and route_table(seedance=True).match("GET", path).family:
            said.append("it is a /doubao path, which is known with --seedance only")
    elif method.upper() not in methods:
        said.append(f"the contract has this path with {' and '.join(methods)} only")
    host = _host(url)
    if host and host not in (*HOSTS, _host(os.environ.get("ANYINT_BASE_URL", ""))):
        said.append(
            f"{host} is no host of AnyInt: a client sends such a request as it is, unless base_url or hosts names it"
        )
    return said


def _methods(table: RouteTable, path: str) -> list[str]:
    """Return the methods with which the contract lists a path, in its order."""
    known = dict.fromkeys(route.method for route in table.routes)
    listed = {id(route) for route in table.routes}
    return [it for it in known if it != "*" and id(table.match(it, path)) in listed]


def _host(url: str) -> str:
    """Return a URL's host, or nothing for a bare path; what stands before an @ is a secret."""
    _, slashes, rest = url.strip().partition("://")
    return clean(rest.partition("/")[0].rpartition("@")[2].partition(":")[0].lower())[:100] if slashes else ""
