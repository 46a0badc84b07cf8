"""Fallback routes: another model, or another host, that may serve where the first can't. Same family, same shape.

Must not know any client, key or guard. AnyInt's guide to model fallbacks: for each workload one primary and one
fallback of the same compatibility family and request shape; only after failures that may pass; never silently.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..contract.matching import RouteTable
from ..contract.routes import Route
from ..contract.words import Cause, Certainty, Operation
from .given import Invalid, flag_problem
from .model import Decision, Fault, FaultKind
from .verdicts import is_unsafe

__all__ = ["GUIDE", "OWN_FAULTS", "Fallback", "chain_problems", "rows_by_model", "trigger"]

GUIDE: Final = (
    "AnyInt's guide to model fallbacks: one primary and one fallback of the same compatibility family and request shape"
)
_CAUSES: Final = frozenset({Cause.TRANSIENT, Cause.SERVER, Cause.UNKNOWN})
OWN_FAULTS: Final = frozenset({FaultKind.POOL_TIMEOUT, FaultKind.LOCAL_ERROR, FaultKind.TLS_CERTIFICATE})
"""Faults of this process, which another model does not mend."""
_SERVED: Final = frozenset({Operation.GENERATE, Operation.STREAM, Operation.COUNT, Operation.CREATE})
_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Where requests of one workload go while the primary fails.

    Args:
        workload: what to call it in logs, metrics and reports.
        route: the path of the primary, such as ``/openai/v1/chat/completions``; ``POST`` may stand before it, as in
            logs and reports. The fallback's is the same.
        model: the primary's model, exactly as requests name it.
        to: the model that serves instead; None: the same one, at ``base_url``.
        base_url: another gateway that serves instead, one of AnyInt's hosts or of the configuration's; None: the same.
        api_key: the key for that; None: the configuration's own.
        to_route: the fallback's path, for a configuration to say so; one of another family or shape is refused.
        on_rate: also fall back where the primary is rate limited. AnyInt does not list that among the triggers.
        silent_ok: False: never without the user's word, as where a tier was paid for; the report says so.
        features: members of the JSON body that only the primary honours; a request with one of them stays with it.

    Triggered by transient, server and unknown failures, an open circuit and a first byte that does not come in time
    (``Policy.first_byte_timeout``); never by auth, permission, invalid, quota or policy. A paid create falls back only
    where it surely was not done. Chains are rows whose ``model`` is another row's ``to``.

    Raises:
        ValueError: naming every problem at once.
    """

    workload: str
    route: str
    model: str
    to: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    to_route: str | None = None
    on_rate: bool = False
    silent_ok: bool = True
    features: Iterable[str] = ()

    def __post_init__(self) -> None:
        if isinstance(self.route, str):
            object.__setattr__(self, "route", self.route.removeprefix("POST "))
        problems = [_text_problem(name, getattr(self, name)) for name in ("workload", "route", "model")]
        problems += [
            None if value is None else _text_problem(name, value)
            for name, value in (("to", self.to), ("base_url", self.base_url), ("to_route", self.to_route))
        ]
        problems += [flag_problem("on_rate", self.on_rate), flag_problem("silent_ok", self.silent_ok)]
        if isinstance(self.features, (str, bytes)) or not isinstance(self.features, Iterable):
            problems.append(f"features must be names of members of the body, not {type(self.features).__name__}")
        else:
            object.__setattr__(self, "features", tuple(self.features))
            problems += [_text_problem("features", name) for name in self.features]
        if self.to is None and self.base_url is None:
            problems.append("to or base_url must say where to fall back to")
        if self.to is not None and self.to == self.model and self.base_url is None:
            problems.append(f"to is the primary itself, {self.model!r}")
        if any(problems):
            raise Invalid("Fallback", [it for it in problems if it is not None])

    @property
    def target(self) -> str:
        """The model that serves."""
        return self.model if self.to is None else self.to


def _text_problem(name: str, value: object) -> str | None:
    good = isinstance(value, str) and 0 < len(value) <= _NAME and value.isprintable() and value.strip() == value
    return None if good else f"{name} must be a text of 1 to {_NAME} printable characters"


def chain_problems(rows: tuple[Fallback, ...], table: RouteTable) -> list[str]:
    """Return what is wrong with fallbacks together: routes nobody knows, other families or shapes, loops."""
    problems: list[str] = []
    seen: set[tuple[str, str]] = set()
    for row in rows:
        route = table.match("POST", row.route)
        if route.family is None or route.operation not in _SERVED:
            like = _like(row, table)
            problems.append(f"fallback {row.workload!r}: {row.route} is no route that a model serves{like}")
        if row.to_route is not None:
            problems += _shape_problems(row, route, table.match("POST", row.to_route))
        if (route.name, row.model) in seen:
            problems.append(f"fallback {row.workload!r}: {row.model!r} on {row.route} has one already; {GUIDE}")
        seen.add((route.name, row.model))
        if _loops(row, rows_by_model(rows, table), route.name):
            problems.append(f"fallback {row.workload!r}: its chain comes back to {row.model!r}: a loop serves nobody")
    return problems


def _like(row: Fallback, table: RouteTable) -> str:
    from difflib import get_close_matches  # late: only a mistake needs it

    served = [it.template for it in table.routes if it.method == "POST" and it.operation in _SERVED]
    near = get_close_matches(row.route, served, n=1)
    return f": did you mean {near[0]}?" if near else ""


def _shape_problems(row: Fallback, route: Route, other: Route) -> list[str]:
    if other.family is not route.family:
        names = [str(it.family.value if it.family is not None else "no family") for it in (route, other)]
        return [f"fallback {row.workload!r}: from {names[0]} to {names[1]}: {GUIDE}"]
    if other.template != route.template:
        return [f"fallback {row.workload!r}: from {route.template} to {other.template}: {GUIDE}"]
    return []


def _loops(row: Fallback, by_model: dict[tuple[str, str], Fallback], route: str) -> bool:
    """Whether a chain that begins with this row comes back to its own model."""
    at = row
    for _ in range(len(by_model) + 1):
        if at.to is None:
            return False
        if at.target == row.model:
            return True
        following = by_model.get((route, at.target))
        if following is None:
            return False
        at = following
    return True


def rows_by_model(rows: Iterable[Fallback], table: RouteTable) -> dict[tuple[str, str], Fallback]:
    """Return the fallbacks by the name of their route and their primary's model."""
    return {(table.match("POST", row.route).name, row.model): row for row in rows}


def trigger(
    row: Fallback, decision: Decision, fault: Fault | None, *, method: str, repeat_generation: bool = True
) -> bool:
    """Whether what became of an attempt is a reason to fall back."""
    cause, fate = decision.cause, decision.certainty
    if cause is None or fate is Certainty.COMMITTED or (fault is not None and fault.kind in OWN_FAULTS):
        return False
    if is_unsafe(decision.operation, method, repeat_generation=repeat_generation) and fate is Certainty.UNKNOWN:
        return False
    return cause in _CAUSES or (cause is Cause.RATE and row.on_rate)
