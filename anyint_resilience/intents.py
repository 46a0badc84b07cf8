"""What makes a request the same one when it comes again, and what the ledger is told of a create.

Must not know any client: a request comes as its method, its place, its headers and its body.
"""

from __future__ import annotations

from .calls import Paper
from .config import Resilience
from .contract.reconcile import MARKS
from .contract.routes import HOSTS, Route
from .credentials import RawHeaders, key_id
from .policy.request import same_body
from .router import PORTS
from .tasks.ledger import intent_of
from .tasks.marks import marked_body, own_mark
from .watched import Body, Place

__all__ = ["name_of", "paper_of"]

_IDEMPOTENCY_KEY = b"idempotency-key"


def name_of(method: str, place: Place, raw: RawHeaders, body: Body, used: bytes | None) -> str | None:
    """Name a request, so that it is known when a layer above sends it anew; None where it can't be.

    By its ``Idempotency-Key`` where it has one, else by its body; in both cases also by method, URL and key.
    """
    scheme, host, port, target = place
    values = {name.lower(): value for name, value in raw}
    # AnyInt's two hosts are one gateway; any other host is a gateway of its own, whichever client writes its port.
    number = PORTS.get(scheme, 0) if port is None else port
    gateway = b"" if host in HOSTS else f"{host}:{number}".encode()
    what = (method.encode(), gateway, target, key_id(used))
    given, kind = values.get(_IDEMPOTENCY_KEY), values.get(b"content-type", b"")
    if given:
        return intent_of(b"given", *what, given)
    if body.content is not None:
        return intent_of(b"body", *what, same_body(body.content, kind))
    if body.chunks is not None:
        return intent_of(b"form", *what, *(same_body(chunk, kind) for chunk in body.chunks()))
    return None


def paper_of(
    anyint: Resilience,
    route: Route,
    place: Place,
    raw: RawHeaders,
    body: Body,
    intent: str,
    used: bytes | None,
    outer: int,
) -> Paper:
    """Return what the ledger is told of a paid create."""
    scheme, host, port, target = place
    mount = _mount(target, route)
    keyed = any(name.lower() == _IDEMPOTENCY_KEY and value for name, value in raw)
    facts = {
        "family": None if route.family is None else route.family.value,
        "route": route.name,
        "gateway": f"{scheme}://{_netloc(scheme, host, port)}{mount.decode('latin-1')}",
        "created_at": anyint.runtime.wall(),
        "key_id": key_id(used).hex() or None,
    }
    again = "replay" if keyed else "poll" if anyint.dedupe == "fingerprint" else "retry" if outer else ""
    mark, marked = _mark(anyint, route, body, intent)
    return Paper(content=body.content, facts=facts, mount=mount, again=again, mark=mark, body=marked)


def _mount(target: bytes, route: Route) -> bytes:
    """Return what stands before the contract's own path: as many segments are the row's as its template has."""
    segments = target.partition(b"?")[0].strip(b"/").split(b"/")
    before = segments[: -(route.template.count("/"))]
    return b"".join(b"/" + it for it in before)


def _netloc(scheme: str, host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return name if port is None or port == PORTS.get(scheme) else f"{name}:{port}"


def _mark(anyint: Resilience, route: Route, body: Body, intent: str) -> tuple[str, bytes | None]:
    """Return the mark that a create carries, and the body that has it in it; none: an empty text."""
    row = None if route.family is None or not anyint.reconcile else MARKS.get(route.family)
    if row is None or not body.content:
        return "", None
    own = own_mark(row, body.content)
    if own is not None:
        return own, None
    mark = f"{intent}-{int(anyint.runtime.random() * 2**32):08x}"
    changed = marked_body(row, body.content, mark)
    return ("", None) if changed is None else (mark, changed)
