"""The requests that the explorer has to choose from: each route with a method, and what a body makes of it.

Must not know outcomes or decisions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Family, Operation
from anyint_resilience.policy.verdicts import PAID, is_unsafe

__all__ = ["TABLE", "Request", "requests_of"]

TABLE = RouteTable(seedance=True)

_ORDER = (
    *(Operation.GENERATE, Operation.STREAM, Operation.CREATE, Operation.UPLOAD, Operation.QUERY),
    *(Operation.LIST, Operation.COUNT, Operation.DOWNLOAD, Operation.OTHER),
)
_NOBODYS = "any-other-path"
_PREFIXES = {
    Family.OPENAI: "openai/v1",
    Family.ANTHROPIC: "anthropic/v1",
    Family.GEMINI: "gemini/v1beta",
    Family.DASHSCOPE: "dashscope/v1",
    Family.KLING: "transtreams/kling/v1",
    Family.SUNO: "suno",
    Family.SEEDANCE: "doubao",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A method and a path, and the operation that they are; ``switch`` names what its body has to say for that."""

    route: Route
    method: str
    path: str
    operation: Operation
    switch: str = ""

    @property
    def name(self) -> str:
        """What to call it; no two of a family have the same."""
        return f"{self.method} {self.path}" + (f" with {self.switch}: true" if self.switch else "")

    @property
    def paid(self) -> bool:
        """Whether what it makes is billed once more if it is made once more."""
        return self.operation in PAID

    @property
    def unsafe(self) -> bool:
        """Whether it may not be repeated when nobody knows what became of it."""
        return is_unsafe(self.operation, self.method)

    @property
    def kind(self) -> tuple[object, ...]:
        """What decides about its errors: requests of one kind are decided alike, word for word."""
        template = self.route.template if self.operation is Operation.UPLOAD else ""
        plain = replace(self.route, method="", template=template, note="", body_switch=())
        return plain, self.operation, self.unsafe


def requests_of(family: Family) -> list[Request]:
    """Return a family's requests, by operation."""
    found = [it for route in TABLE.routes if route.family is family for it in _requests(route)]
    for method in ("GET", "POST"):
        path = f"/{_PREFIXES[family]}/{_NOBODYS}"
        route = TABLE.match(method, path)
        found.append(Request(route=route, method=method, path=path, operation=route.operation))
    return sorted(found, key=lambda it: (_ORDER.index(it.operation), it.path.endswith(_NOBODYS)))


def _requests(route: Route) -> list[Request]:
    path = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), route.template)
    methods = ("GET", "POST") if route.method == "*" else (route.method,)
    asked = "?taskId=TASK_ID" if route.operation is Operation.QUERY and "{" not in route.template else ""
    return [
        Request(route=route, method=method, path=path + asked, operation=operation, switch=switch)
        for method in methods
        for switch, operation in (("", route.operation), *route.body_switch)
    ]
