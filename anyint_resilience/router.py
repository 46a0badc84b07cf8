"""Which requests are ours: trusted hosts, and a cached plan for each URL.

Must not know any client. A request to a host that is not AnyInt's has no plan and passes untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, final

from .contract.matching import route_table
from .contract.routes import AUTH_STYLE, HOSTS, PREFIXES, Route
from .contract.words import AuthStyle, Family, Operation
from .forking import after_fork
from .guards.tally import Tally
from .policy.verdicts import PAID

__all__ = [
    "HOST_FORM",
    "MAX_CACHED",
    "PORTS",
    "Plan",
    "Router",
    "gateway_name",
    "gateway_url",
    "host_problem",
    "is_loopback",
    "mount_before",
]

_IN_BODY_CODES = frozenset((Family.SUNO, Family.KLING, Family.DASHSCOPE))
MAX_CACHED = 2048
PORTS = {"https": 443, "http": 80}


_HOST_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
_CLIMBS: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)
HOST_FORM: Final = "must begin with https:// (or http:// for a loopback address)"


@final
class Plan:
    """What is known of a request from its method and URL alone. Shared by all calls to that URL; never changed.

    ``fast``: a good answer may be handed over unread, and nothing is asked before sending. ``watch`` is a
    piece of the body (``"background"``) whose presence takes the call off the fast lane; ``bare``: there is none.
    A route of streams is never fast: they are watched to their end.
    ``secure``: a key may travel here; ``local``: though on plain http, since it is this machine, and so by no proxy.
    ``memo`` is telemetry's own; ``tally`` counts what its host answers.
    """

    __slots__ = ("bare", "fast", "local", "memo", "route", "secure", "style", "tally", "watch")

    def __init__(self, route: Route, *, secure: bool, tally: Tally | None = None, local: bool = False) -> None:
        self.route = route
        self.secure = secure
        self.local = local
        self.tally = Tally() if tally is None else tally
        self.style = AuthStyle.BEARER if route.family is None else AUTH_STYLE[route.family]
        in_body = route.family in _IN_BODY_CODES and route.operation is not Operation.DOWNLOAD
        in_body = in_body or (route.operation is Operation.QUERY and route.tasks is not None)
        self.fast = secure and route.operation not in PAID and route.operation is not Operation.STREAM and not in_body
        paid = [key for key, operation in route.body_switch if operation in PAID]
        self.watch: bytes | None = f'"{paid[0]}"'.encode() if paid else None
        self.bare = self.fast and self.watch is None
        self.memo: object = None

    def exposed(self) -> Plan:
        """Return the plan of the same request where somebody on its way reads it: no key may travel."""
        return Plan(self.route, secure=False, tally=self.tally)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine (the only place plain http may carry a key)."""
    if host in {"localhost", "::1", "[::1]"}:
        return True
    numbers = host.split(".") if host.startswith("127.") and host.isascii() else ()
    return len(numbers) == 4 and all(len(it) <= 3 and it.isdigit() and int(it) < 256 for it in numbers)


def host_problem(url: object) -> str | None:
    """Say what is wrong with a base URL or host the user adds; None if it can be used."""
    if not isinstance(url, str) or not url.strip():
        return "must be a URL such as https://gateway.api.anyint.ai"
    from urllib.parse import urlsplit  # late: most programs never need it, and it costs every one of them at import

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # whose text may hold what was taken for a port
        return "is not a URL that can be read"
    del port
    if parts.scheme not in PORTS or not host:
        return HOST_FORM
    if any(it.isspace() or not it.isprintable() for it in url):
        return "must not hold blanks"
    if not url.isascii():
        return "must be ASCII: a name in other letters is written as its xn-- form"
    if not host.strip(".") or not _HOST_CHARACTERS.issuperset(host if ":" not in host else host.replace(":", "")):
        return "must name one host"
    if parts.scheme == "http" and not is_loopback(host):
        return "must be https: a key never travels over plain http, except to a loopback address"
    if parts.username or parts.password:
        return "must not hold a user name or password"
    if parts.query or parts.fragment:
        return "must not hold a query or a fragment"
    if "\\" in url or "//" in parts.path or _CLIMBS.search(parts.path):
        return "must not hold a backslash, or a path that is written another way when it is asked for (//, /../)"
    return None


class Router:
    """Looks a request up by (scheme, host, port, method, path): None for a foreign host.

    Shared between threads; the cache is bounded and holds no query string.
    """

    def __init__(
        self,
        *,
        urls: Iterable[str] = (),
        seedance: bool = False,
        tally: Callable[[str], Tally] | None = None,
    ) -> None:
        self.table = route_table(seedance=seedance)
        self._tally = tally
        self._origins: dict[tuple[str, str, int], str] = {
            (scheme, host, port): "" for host in HOSTS for scheme, port in PORTS.items()
        }
        for url in urls:
            from urllib.parse import urlsplit

            parts = urlsplit(url)
            host = (parts.hostname or "").lower().removesuffix(".")
            port = parts.port if parts.port is not None else PORTS[parts.scheme]
            self._origins[parts.scheme, host, port] = _mount(parts.path)
        self._names = frozenset(host.encode() for _, host, _ in self._origins)
        self._plans: dict[tuple[str, str, int | None, str, bytes], Plan | None] = {}
        after_fork(self, Router._forked)

    def _forked(self) -> None:
        self._plans.clear()  # they count what their host answers, and its parent's requests are not a child's

    def knows(self, host: bytes) -> bool:
        """Whether a ``Host`` header, perhaps with a port, names a host of AnyInt's, the user's, or this machine."""
        name = host.strip().lower()
        before, _, port = name.rpartition(b":")
        if (port.isdigit() or not port) and (b":" not in before or before.endswith(b"]")):
            name = before
        name = name.removesuffix(b".").strip(b"[]")
        return name in self._names or is_loopback(name.decode("latin-1"))

    def plan(self, scheme: str, host: str, port: int | None, method: str, target: bytes) -> Plan | None:
        """Return the plan of a request, None for a foreign host. ``target`` is the path, perhaps with a query."""
        key = (scheme, host, port, method, target)
        try:
            return self._plans[key]
        except KeyError:
            pass
        if b"?" in target:
            return self.plan(scheme, host, port, method, target.partition(b"?")[0])
        plan = self._make(scheme, host, port, method, target)
        if len(self._plans) >= MAX_CACHED:
            self._plans.clear()
        self._plans[key] = plan
        return plan

    def _make(self, scheme: str, host: str, port: int | None, method: str, target: bytes) -> Plan | None:
        host = host.lower().removesuffix(".")
        mount = self._origins.get((scheme, host, port if port is not None else PORTS.get(scheme, 0)))
        if mount is None:
            return None
        path = target.decode("latin-1")
        if mount and path.startswith(mount + "/"):
            path = path[len(mount) :]
        tally = None if self._tally is None else self._tally(gateway_name(scheme, host, port))
        secure = scheme == "https" or is_loopback(host)
        return Plan(self.table.match(method, path), secure=secure, tally=tally, local=secure and scheme != "https")


def gateway_name(scheme: str, host: str, port: int | None) -> str:
    """Return what guards call a gateway: its host, and its port where that is not the scheme's own."""
    own = port is None or port == PORTS.get(scheme)
    return host.lower() if own else f"{host.lower()}:{port}"


def gateway_url(url: str) -> str:
    """Return where a gateway is, of a URL that is one of a configuration's: without the contract's own path."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{_mount(parts.path)}"


def mount_before(target: bytes, route: Route) -> bytes:
    """Return what stands before the contract's own path: as many segments are the row's as its template has."""
    segments = target.partition(b"?")[0].strip(b"/").split(b"/")
    before = segments[: -(route.template.count("/"))]
    return b"".join(b"/" + it for it in before)


def _mount(path: str) -> str:
    """Return the part of a base URL's path that stands before the contract's own paths, without a final slash."""
    segments = path.strip("/").split("/")
    for index, segment in enumerate(segments):
        if segment in PREFIXES:
            segments = segments[:index]
            break
    return "/" + "/".join(segments) if any(segments) else ""
