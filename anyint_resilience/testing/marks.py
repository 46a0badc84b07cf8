"""What the marks of a test say of its gateway: how it is made, and which faults wait there.

Must not know what serves, nor how.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pytest

from ..emulator import Fault
from ..emulator.desk import matching
from .faults import fault_of, unknown
from .gateway import OPTIONS, Gateway, Wire

__all__ = ["gateway_of"]

_KINDS: Final[dict[str, tuple[type | tuple[type, ...], str]]] = {
    "callbacks": (bool, "True or False"),
    "query_limit": ((int, type(None)), "a whole number or None"),
    "seed": (int, "a whole number"),
}
"""What options must be that an emulator takes at their word."""


def gateway_of(item: pytest.Item, wire: Wire) -> Gateway:
    """Make the gateway that a test's marks ask for; where they are wrong the test fails, and says all that is."""
    made, problems = _made(item, wire)
    for mark in item.iter_markers("anyint_faults"):
        problems += _scripted(made, mark.args, dict(mark.kwargs))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    assert made is not None
    return made


def _made(item: pytest.Item, wire: Wire) -> tuple[Gateway | None, list[str]]:
    mark = item.get_closest_marker("anyint_gateway")
    options: dict[str, Any] = {} if mark is None else dict(mark.kwargs)
    problem = unknown(options, OPTIONS, "option")
    if mark is not None and mark.args:
        problem = "its options are keywords"
    found = [problem] if problem else [*_of_other_kinds(options)]
    if not found:
        try:
            return Gateway(wire, **options), []
        except (TypeError, ValueError) as error:
            found = [str(error)]
    return None, [f"mark anyint_gateway: {it}" for it in found]


def _of_other_kinds(options: dict[str, Any]) -> Iterable[str]:
    for name, (kind, wanted) in _KINDS.items():
        if name in options and not isinstance(options[name], kind):
            yield f"{name} must be {wanted}, not {options[name]!r}"


def _scripted(gateway: Gateway | None, faults: tuple[object, ...], options: dict[str, Any]) -> list[str]:
    """Script the faults of one mark; return what is wrong with them."""
    found: list[str] = []
    problem = unknown(options, ("match", "strict"), "option")
    match, strict = options.get("match"), options.get("strict")
    if problem:
        found.append(problem)
    try:
        matching(match)
    except ValueError as error:
        found.append(str(error))
    if not isinstance(strict, (bool, type(None))):
        found.append(f"strict must be True, False or None, not {strict!r}")
    good: list[Fault] = []
    listed = [one for given in faults for one in (given if isinstance(given, (list, tuple)) else [given])]
    for number, given in enumerate(listed, 1):
        try:
            good.append(fault_of(given))
        except ValueError as error:  # noqa: PERF203 - all that is wrong is said at once
            found.append(f"fault {number}: {error}")
    if gateway is not None and not found:
        gateway.script(*good, match=match)
        if strict is not None and gateway.strict is not True:
            gateway.strict = strict
    return [f"mark anyint_faults: {it}" for it in found]
