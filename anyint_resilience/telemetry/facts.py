"""What telemetry says of a request from its method and URL alone, made once for each plan. Must not know any client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..router import PORTS
from .safety import full_url
from .words import GEN_AI_OPERATIONS, METHODS, PROVIDERS

if TYPE_CHECKING:
    from ..contract.routes import Route
    from ..contract.words import Operation
    from ..router import Plan

__all__ = ["Facts", "Shape", "asked_facts", "facts_of", "sent_facts"]

_MOST = 64


class Shape(NamedTuple):
    """A call's span's name and first attributes, and an attempt's first attributes. Never changed."""

    name: str
    call: dict[str, Any]
    attempt: dict[str, Any]


class Facts(NamedTuple):
    """``name``: of an attempt's span. ``call``, ``attempt``: their first attributes. ``labels``: of a metric."""

    name: str
    target: bytes
    call: dict[str, Any]
    attempt: dict[str, Any]
    labels: dict[str, Any]
    shapes: dict[tuple[Operation, str | None], Shape]

    def shape(self, route: Route, operation: Operation, model: str | None) -> Shape:
        """Return how the spans of a call begin that does this, with this model; remembered, as they are mostly few."""
        key = (operation, model)
        try:
            return self.shapes[key]
        except KeyError:
            named = {} if model is None else {"gen_ai.request.model": model}
            call = {**self.call, "anyint.operation": operation.value, **named}
            made = Shape(f"{operation.value} {route.template}", call, {**self.attempt, **named})
            if len(self.shapes) >= _MOST:
                self.shapes.clear()
            self.shapes[key] = made
            return made


def facts_of(plan: Plan, source: Any, request: Any) -> Facts:
    """Return the facts of a request; those of a URL without a query are remembered on its plan."""
    place = source.place_of(request)
    memo: Any = plan.memo
    if memo is not None and memo[0] == place:
        held: Facts = memo[1]
        return held
    made = _made(plan, source.method_of(request).upper(), *place)
    if b"?" not in place[3]:
        plan.memo = (place, made)
    return made


def asked_facts(plan: Plan, source: Any, request: Any, target: bytes) -> Facts:
    """Return the facts of a query that goes out in a request's place, to the same server."""
    scheme, host, port, _ = source.place_of(request)
    return _made(plan, "GET", scheme, host, port, target)


def sent_facts(plan: Plan, source: Any, request: Any, to: Any) -> Facts:
    """Return the facts of a request that goes to a fallback: its model there, and its place where that is another."""
    scheme, host, port, target = source.place_of(request)
    if to.host:
        scheme, host, port, target = to.scheme, to.host, to.port, to.target
    made = _made(plan, source.method_of(request).upper(), scheme, host, port, target)
    return made._replace(attempt={**made.attempt, "gen_ai.request.model": to.model})


def _made(plan: Plan, method: str, scheme: str, host: str, port: int | None, target: bytes) -> Facts:
    route = plan.route
    known = method if method in METHODS else "_OTHER"
    labels: dict[str, Any] = {
        "http.request.method": known,
        "server.address": host,
        "server.port": PORTS.get(scheme, 0) if port is None else port,
        "url.template": route.template,
    }
    attempt = {**labels, "url.full": full_url(scheme, host, port, target)}
    if known != method:
        attempt["http.request.method_original"] = method[:32]
    call: dict[str, Any] = {"url.template": route.template}
    if route.family is not None:
        call["anyint.family"] = route.family.value
        attempt["gen_ai.provider.name"] = PROVIDERS[route.family]
        for ending, operation in GEN_AI_OPERATIONS:
            if route.template.endswith(ending):
                attempt["gen_ai.operation.name"] = operation
                break
    name = f"{'HTTP' if known == '_OTHER' else known} {route.template}"
    return Facts(name, target, call, attempt, labels, {})
