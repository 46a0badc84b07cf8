"""Which watcher an answer needs, by its route and headers. Pure.

Must not know any client.
"""

from __future__ import annotations

from ..contract.routes import Route
from ..contract.streams import StreamEnds, ends_of
from ..contract.words import Operation
from ..policy.hints import normal_headers
from ..policy.model import HeaderPairs
from .forms import ArrayWatcher, CodedWatcher
from .watcher import Watcher

__all__ = ["streams", "watcher_for", "watcher_from", "watcher_of"]

_SSE = "text/event-stream"


def streams(headers: HeaderPairs | None) -> bool:
    """Whether an answer's headers are those of a stream of events."""
    return normal_headers(headers).get("content-type", [""])[0].strip().lower().startswith(_SSE)


def watcher_of(route: Route, status: int, headers: HeaderPairs | None) -> Watcher | None:
    """Return what watches an answer, None where it is no stream of a dialect that is known."""
    return watcher_from(route, status, normal_headers(headers))


def watcher_from(route: Route, status: int, named: dict[str, list[str]]) -> Watcher | None:
    """Do as :func:`watcher_of` with headers from ``normal_headers``."""
    ends = ends_of(route.family, route.template)
    if ends is None or not 200 <= status < 300 or status == 204:
        return None
    kind = named.get("content-type", [""])[0].strip().lower()
    sse = kind.startswith(_SSE)
    if not sse and not (route.operation is Operation.STREAM and kind.startswith("application/json")):
        return None
    return watcher_for(ends, ",".join(named.get("content-encoding", [])), array=not sse)


def watcher_for(ends: StreamEnds, coding: str = "", *, array: bool = False) -> Watcher:
    """Return what watches a stream in this coding (as the header has it); ``array``: it is one of JSON documents."""
    coding = coding.strip().lower()
    inner = ArrayWatcher(ends) if array else Watcher(ends)
    return inner if coding in ("", "identity") else CodedWatcher(ends, inner, coding)
