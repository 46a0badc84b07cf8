"""Method and path -> the row of the contract: a trie made of the rows, one dictionary look-up per path segment.

Must not know any row by name. No pattern is ever scanned.
"""

from __future__ import annotations

from functools import lru_cache

from .routes import BY_TASK, PREFIXES, ROUTES, SEEDANCE_ROUTES, Route
from .words import Family, Operation, Origin

__all__ = ["RouteTable", "route_table"]


class _Node:
    """One path segment of the trie."""

    __slots__ = ("children", "param", "routes", "verbs")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.param: _Node | None = None
        self.verbs: dict[str, _Node] = {}
        self.routes: dict[str, Route] = {}


class RouteTable:
    """The look-up made of the rows: ``match(method, path)`` in one step per path segment.

    Safe to share between threads: it is never changed after it was made.
    """

    def __init__(self, *, seedance: bool = False) -> None:
        self.routes = (*ROUTES, *SEEDANCE_ROUTES) if seedance else ROUTES
        self._root = _Node()
        for route in self.routes:
            self._add(route)
        prefixes = {**PREFIXES, "doubao": Family.SEEDANCE} if seedance else PREFIXES
        self._unlisted = {prefix: _unlisted(prefix, family) for prefix, family in prefixes.items()}
        self._unlisted_creates = {
            prefix: _unlisted(prefix, family, paid=True) for prefix, family in prefixes.items() if family in BY_TASK
        }
        self._unknown = Route(
            method="*",
            template="/{rest}",
            family=None,
            operation=Operation.OTHER,
            origin=Origin.ASSUMED,
            note="not an AnyInt route",
        )

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.template[1:].split("/"):
            if not segment.startswith("{"):
                node = node.children.setdefault(segment, _Node())
                continue
            _, _, verb = segment.partition("}:")
            if verb:
                node = node.verbs.setdefault(verb, _Node())
                continue
            if node.param is None:
                node.param = _Node()
            node = node.param
        node.routes[route.method] = route

    def match(self, method: str, path: str) -> Route:
        """Return the row for a method and a path (no query string); total: every input has a row.

        A path no row names gives its family's catch-all row, and one of no family a row whose
        ``family`` is None. One trailing slash and an upper- or lower-case method are the same.
        """
        segments = path.strip("/").split("/")
        node: _Node | None = self._root
        for segment in segments:
            node = _step(node, segment)
            if node is None:
                break
        else:
            routes = node.routes if node is not None else {}
            route = routes.get(method.upper()) or routes.get("*")
            if route is not None:
                return route
        if method.upper() == "POST" and segments[0] in self._unlisted_creates:
            return self._unlisted_creates[segments[0]]
        return self._unlisted.get(segments[0], self._unknown)


@lru_cache(maxsize=2)
def route_table(*, seedance: bool) -> RouteTable:
    """Return the look-up, which all share: it is made of hundreds of rows when it is first asked for."""
    return RouteTable(seedance=seedance)


def _unlisted(prefix: str, family: Family, *, paid: bool = False) -> Route:
    return Route(
        method="POST" if paid else "*",
        template=f"/{prefix}/{{rest}}",
        family=family,
        operation=Operation.CREATE if paid else Operation.OTHER,
        origin=Origin.ASSUMED,
        note="no row of the contract names this path" + (": taken for a paid create" if paid else ""),
    )


def _step(node: _Node | None, segment: str) -> _Node | None:
    if node is None or not segment:
        return None
    child = node.children.get(segment)
    if child is not None:
        return child
    if node.verbs:
        _, colon, verb = segment.rpartition(":")
        if colon and verb in node.verbs:
            return node.verbs[verb]
    return node.param
