"""What makes a request the same one when it comes again, and what the ledger is told of a create.

Must not know any client: a request comes as its method, its place, its headers and its body.
"""

from __future__ import annotations

from contextvars import ContextVar

from .config import Resilience
from .contract.reconcile import MARKS
from .contract.routes import HOSTS, Route
from .credentials import RawHeaders
from .keys import NO_KEY, key_id
from .policy.request import same_body, same_json
from .router import PORTS, mount_before
from .tasks.ledger import intent_of
from .tasks.marks import marked_body
from .tasks.paper import Paper
from .watched import Body, Place

__all__ = ["OWN", "attempt_before", "name_of", "paper_of"]

_IDEMPOTENCY_KEY = b"idempotency-key"

OWN: ContextVar[tuple[str, str] | None] = ContextVar("anyint_resilience_own", default=None)
"""The create that ended last in this context: its intent, and its own name in the ledger."""


def attempt_before(name: str | None) -> str:
    """Return the name in the ledger of the create that ended last here, if it was the same one."""
    own = OWN.get()
    return own[1] if own is not None and own[0] == name else ""


def name_of(method: str, place: Place, raw: RawHeaders, body: Body, used: bytes | None, *, paid: bool) -> str | None:
    """Name a request, so that it is known when a layer above sends it anew; None where it can't be.

    By its ``Idempotency-Key`` where it has one, else by its body; in both cases also by method, URL and key. ``paid``:
    JSON is told by what it says, however it is written.
    """
    scheme, host, port, target = place
    values = {name.lower(): value for name, value in raw}
    # AnyInt's two hosts are one gateway; any other host is a gateway of its own, whichever client writes its port.
    number = PORTS.get(scheme, 0) if port is None else port
    gateway = b"" if host in HOSTS else f"{host}:{number}".encode()
    ident = key_id(used)
    what, account = (method.encode(), gateway, target, ident), ident.hex() or NO_KEY
    given, kind = values.get(_IDEMPOTENCY_KEY), values.get(b"content-type", b"")
    if given:
        return intent_of(b"given", *what, given, account=account)
    if body.content is not None:
        said = same_body(body.content, kind)
        return intent_of(b"body", *what, same_json(said) if paid else said, account=account)
    if body.chunks is not None:
        return intent_of(b"form", *what, *(same_body(chunk, kind) for chunk in body.chunks()), account=account)
    return None


def paper_of(
    anyint: Resilience,
    route: Route,
    place: Place,
    raw: RawHeaders,
    body: Body,
    intent: str,
    *,
    used: bytes | None,
    outer: int,
    before: str,
) -> Paper:
    """Return what the ledger is told of a paid create.

    ``used``: its key; ``outer``: how often a layer above says it has sent it; ``before``: the ledger's name of its
    attempt before.
    """
    scheme, host, port, target = place
    mount = mount_before(target, route)
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
    return Paper(
        ident=anyint.ledger.ident(),
        content=body.content,
        print=_print_of(raw, body) if keyed else "",
        before=before,
        facts=facts,
        mount=mount,
        again=again,
        mark=mark,
        body=marked,
    )


def _print_of(raw: RawHeaders, body: Body) -> str:
    """Return the hash of a body, whatever key it came with; an empty text where it can't be read twice."""
    kind = next((value for name, value in raw if name.lower() == b"content-type"), b"")
    if body.content is not None:
        return intent_of(same_json(same_body(body.content, kind)))
    return "" if body.chunks is None else intent_of(*(same_body(chunk, kind) for chunk in body.chunks()))


def _netloc(scheme: str, host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return name if port is None or port == PORTS.get(scheme) else f"{name}:{port}"


def _mark(anyint: Resilience, route: Route, body: Body, intent: str) -> tuple[str, bytes | None]:
    """Return the mark that a create carries, and the body that has it in it; none: an empty text."""
    row = None if route.family is None or not anyint.reconcile else MARKS.get(route.family)
    if row is None or not body.content:
        return "", None
    mark = f"{intent}-{int(anyint.runtime.random() * 2**32):08x}"
    changed = marked_body(row, body.content, mark)
    return ("", None) if changed is None else (mark, changed)
