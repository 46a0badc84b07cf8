"""What the marks of a test say of its gateway: how it is made, and which faults wait there.

Must not know what serves, nor how.
"""

from __future__ import annotations

from typing import Any

import pytest

from ..emulator import Fault
from .faults import fault_of, unknown
from .gateway import OPTIONS, Gateway, Wire

__all__ = ["gateway_of"]


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
    if not problem:
        try:
            return Gateway(wire, **options), []
        except (TypeError, ValueError) as error:
            problem = str(error)
    return None, [f"mark anyint_gateway: {problem}"]


def _scripted(gateway: Gateway | None, faults: tuple[object, ...], options: dict[str, Any]) -> list[str]:
    """Script the faults of one mark; return what is wrong with them."""
    found: list[str] = []
    problem = unknown(options, ("match", "strict"), "option")
    match, strict = options.get("match"), options.get("strict")
    if problem:
        found.append(problem)
    if match is not None and not isinstance(match, str):
        found.append(f"match must be text such as 'POST /openai/v1/videos', not {match!r}")
    if not isinstance(strict, (bool, type(None))):
        found.append(f"strict must be True, False or None, not {strict!r}")
    good: list[Fault] = []
    for number, given in enumerate(faults, 1):
        try:
            good.append(fault_of(given))
        except ValueError as error:  # noqa: PERF203 - all that is wrong is said at once
            found.append(f"fault {number}: {error}")
    if gateway is not None and not found:
        gateway.script(*good, match=match)
        if strict is not None and gateway.strict is not True:
            gateway.strict = strict
    return [f"mark anyint_faults: {it}" for it in found]
