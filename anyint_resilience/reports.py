"""``report(x)``: read what happened to a call off whatever the application got from it.

Must not know any client: it looks for the attributes that clients' responses and exceptions have.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .callreport import CallReport
from .policy.model import Attempt
from .router import Plan

__all__ = ["LIVE_KEY", "REPORT_KEY", "attach", "report"]

REPORT_KEY = "anyint_resilience"
"""Where the extensions of a response hold its report (a plan after a clean first attempt)."""

LIVE_KEY = "anyint_resilience_live"
"""Where they hold, weakly, what follows a stream that is still read."""

_MOST = 32  # objects looked at


def report(x: object) -> CallReport | None:
    """Return the report of the call that ended with this response or exception, or None if there is none.

    Takes any client's response, an SDK's raw response, our exceptions and the client's, and an SDK's
    exceptions (through ``.response``, ``.http_response``, aiohttp's ``.request_info``, and what lay behind them).
    """
    waiting, seen = [x], 0
    while waiting and seen < _MOST:
        x = waiting.pop(0)
        seen += 1
        held = getattr(x, "anyint_report", None)
        if held is None:
            extensions = getattr(x, "extensions", None)
            held = extensions.get(REPORT_KEY) if isinstance(extensions, Mapping) else None
            live = extensions.get(LIVE_KEY) if isinstance(extensions, Mapping) else None
            held = held if live is None else _now(live, held)
        if isinstance(held, CallReport):
            return held
        if isinstance(held, Plan):
            return _clean(held, getattr(x, "status_code", getattr(x, "status", None)))
        waiting += _next(x)
    return None


def attach(x: object, found: CallReport | Plan) -> None:
    """Put a report (or the plan to make one of) on an exception or a response, where it takes one."""
    try:
        x.anyint_report = found  # type: ignore[attr-defined]
    except AttributeError:  # a class with slots: the exception itself matters more
        return


def _now(live: Any, held: object) -> object:
    """Return the report as it is now: a stream may have said that it failed, and an SDK not have closed it yet."""
    following = live()
    found = None if following is None else following.now()
    return held if found is None else found


def _next(x: object) -> list[object]:
    """Return what a response or an exception was made of, nearest first."""
    found: list[object] = []
    for name in ("response", "http_response", "response_stream", "_response", "request_info", "__cause__", "request"):
        with suppress(RuntimeError):  # httpx: a property that was never set
            found.append(getattr(x, name, None))
    if isinstance(x, BaseException) and not x.__suppress_context__:
        found.append(x.__context__)  # a framework that raised its own while it handled ours
    return [it for it in found if it is not None]


def _clean(plan: Plan, status: int | None) -> CallReport:
    """Make the report of a call whose first answer was good: nothing was recorded while it ran."""
    first = Attempt(number=1, started=0.0, duration=0.0, status=status, fault=None, decision=None)
    return CallReport(
        route=plan.route.name, family=plan.route.family, operation=plan.route.operation, attempts=(first,)
    )
