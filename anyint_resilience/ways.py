"""Where the attempts of a call go: its own way first, then that of a fallback. Part of the engine.

Must not know any client, nor when a call changes its way.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from .contract.routes import Route
from .credentials import Credentials, HeaderEdit, RawHeaders
from .effects import Target
from .policy.fallback import Fallback
from .policy.named import features_in, with_model, with_path
from .router import Plan, gateway_name
from .telemetry.safety import model_of

__all__ = ["NOWHERE", "Origin", "Way", "first_way", "way_of"]

_OF_HOST = frozenset((b"cookie",))
_QUERY_KEYS = frozenset(("key", "api_key", "apikey", "access_token"))


class Origin(NamedTuple):
    """Where a request goes by itself, and its body where that is in memory."""

    scheme: str
    host: str
    port: int | None
    target: bytes
    content: bytes | None = None
    proxied: bool = False
    """Whether its client has a proxy for plain http."""


NOWHERE = Origin("https", "", None, b"/")


class Way:
    """One way: the gateway and the model on it, and what of the request changes for it. Never changed itself.

    ``row``: the fallback that it belongs to, None for the call's own way. ``edit``: what puts its own key on, None: it
    has none. ``without``: headers that are for the primary's host alone.
    """

    __slots__ = ("body", "edit", "gateway", "model", "row", "target", "without")

    def __init__(
        self,
        gateway: str,
        model: str | None,
        row: Fallback | None = None,
        body: bytes | None = None,
        target: Target | None = None,
        edit: HeaderEdit | None = None,
        without: frozenset[bytes] = frozenset(),
    ) -> None:
        self.gateway = gateway
        self.model = model
        self.row = row
        self.body = body
        self.target = target
        self.edit = edit
        self.without = without

    def edited(self, edit: HeaderEdit | None) -> HeaderEdit | None:
        """Return what to change on the headers: ``edit`` is what the call's own key needs."""
        edit = edit if self.edit is None else self.edit
        if not self.without:
            return edit
        return HeaderEdit(self.without) if edit is None else HeaderEdit(edit.remove | self.without, edit.add)

    @property
    def name(self) -> str:
        """What to call it: its model, and its gateway where a fallback names one."""
        model = "the default model" if self.model is None else self.model
        return model if self.row is None or self.row.base_url is None else f"{model}@{self.gateway}"


def first_way(route: Route, origin: Origin) -> Way:
    """Return the way that a request takes by itself."""
    model = model_of(route, origin.target, origin.content)
    return Way(gateway_name(origin.scheme, origin.host, origin.port), model)


def way_of(row: Fallback, plan: Plan, origin: Origin, headers: RawHeaders, keys: Credentials | None) -> Way | str:
    """Return the way of a fallback, or why this request can't take it. ``keys``: the fallback's own key."""
    route, path = plan.route, origin.target.decode("latin-1")
    kept = features_in(origin.content, row.features)
    if kept is None:
        return "its body can't be read, and may have what only the primary honours"
    if kept:
        return f"the request has {', '.join(kept)}, which only the primary honours"
    body = origin.content
    if "{model}" in route.template:
        changed = with_path(route, path, row.target)
        if changed is None:
            return "its path names no model"
        path = changed
        if body is None:
            return "its body can be sent only once"
    else:
        body = with_model(origin.content, route.family, row.target)
        if body is None:
            return "its body is no JSON that can be rewritten"
    if row.base_url is not None or row.api_key is not None:
        path = _without_key(path)
    target, gateway = None, gateway_name(origin.scheme, origin.host, origin.port)
    if row.base_url is not None:
        parts = urlsplit(row.base_url)
        if parts.scheme != "https" and origin.proxied:
            return "it is asked over plain http, and by a proxy: no key goes there"
        gateway = gateway_name(parts.scheme, parts.hostname or "", parts.port)
        path = _mount_of(parts.path, route) + _bare(path, route)
        target = Target(parts.scheme, parts.hostname or "", parts.port, path.encode("latin-1"), row.target)
    elif "{model}" in route.template or row.api_key is not None:
        target = Target(origin.scheme, origin.host, origin.port, path.encode("latin-1"), row.target)
    edit = None if keys is None else keys.replacing(headers, route.family, plan.style)
    away = target is not None and (target.host, target.port) != (origin.host, origin.port)
    return Way(gateway, row.target, row, body, target, edit, _OF_HOST if away else frozenset())


def _bare(path: str, route: Route) -> str:
    """Return a path without what a base URL put before the contract's own; a query stays."""
    bare, mark, query = path.partition("?")
    segments = bare.strip("/").split("/")
    return "/" + "/".join(segments[-(route.template.count("/")) :]) + mark + query


def _without_key(path: str) -> str:
    """Return a path without a key in its query: that is for the primary's host."""
    bare, mark, query = path.partition("?")
    kept = [it for it in query.split("&") if it.partition("=")[0].lower() not in _QUERY_KEYS]
    return bare + (mark + "&".join(kept) if any(kept) else "")


def _mount_of(path: str, route: Route) -> str:
    """Return what of a base URL's path stands before the contract's own."""
    first = route.template.split("/")[1]
    segments = path.strip("/").split("/")
    kept = segments[: segments.index(first)] if first in segments else segments
    return "".join(f"/{it}" for it in kept if it)
