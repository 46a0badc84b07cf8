"""What a test's calls did, told in words when it fails: calls, waits for tasks, and what the gateway saw.

Must not know pytest. It holds no key, no header and no body, and tells of paths only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..calls import Call
from ..raising import RaisingSurface
from ..reports import report
from ..surface import SurfaceBase
from ..telemetry.tasks import WaitWatch

__all__ = ["Records", "told_of"]

_CALLS: Final = 20
_REQUESTS: Final = 50
_WIDTH: Final = 300
_LENGTH: Final = 16_000

Patch = Callable[[type[Any], str, Callable[..., Any]], object]


class Records:
    """The last calls and waits of a test, each as a text. A good first answer has nothing to tell, and is not here."""

    def __init__(self) -> None:
        self.count = 0
        self.last: deque[Callable[[], str]] = deque(maxlen=_CALLS)

    def hear(self, patch: Patch) -> None:
        """Be told of every call: ``patch(owner, name, function)`` puts a function in a method's place."""
        ended, cut, making, waited = SurfaceBase.ended, Call.cut, RaisingSurface.making, WaitWatch.ended

        def on_ended(surface: Any, call: Any, result: Any) -> None:
            self._add(_timeline(call.report(result.decision) if result.report is None else result.report))
            ended(surface, call, result)

        def on_cut(call: Any, error: BaseException) -> None:
            self._add(_timeline(call.report(), f"cut off by {type(error).__name__}"))
            cut(call, error)

        def on_made(surface: Any, *given: Any, **more: Any) -> Any:
            made = making(surface, *given, **more)
            self._add(_timeline(report(made), "raised while its stream was read"))
            return made

        def on_waited(watch: Any, error: BaseException | None) -> None:
            end = "done" if error is None else type(error).__name__
            self._add(lambda: f"wait for {watch.handle}: {end} after {watch.polls} queries")
            waited(watch, error)

        for owner, name, function in (
            (SurfaceBase, "ended", on_ended),
            (Call, "cut", on_cut),
            (RaisingSurface, "making", on_made),
            (WaitWatch, "ended", on_waited),
        ):
            patch(owner, name, function)

    def _add(self, text: Callable[[], str]) -> None:
        self.count += 1
        self.last.append(text)


def _timeline(found: Any, more: str = "") -> Callable[[], str]:
    return lambda: f"{found}\n  {more}" if more else str(found)


def told_of(records: Records, waits: Iterable[float], gateway: Any) -> str:
    """Return all of it: at most so many calls and requests, and in all so many characters."""
    shown = _only(len(records.last), records.count)
    parts = [f"{records.count} call(s) and waits{shown}; calls whose first answer was good are not among them"]
    parts += [made() for made in records.last]
    waited = list(waits)
    if waited:
        shown = ", ".join(f"{seconds:.2f}" for seconds in waited[-_REQUESTS:])
        parts.append(f"waits that took no time{_only(_REQUESTS, len(waited))}: {shown} s")
    if gateway is not None:
        parts.append(_seen_by(gateway))
    text = "\n".join(parts)
    return text if len(text) <= _LENGTH else f"...\n{text[-_LENGTH:]}"


def _seen_by(gateway: Any) -> str:
    seen = gateway.seen
    lines = [f"the gateway saw {len(seen)} request(s)" + _only(_REQUESTS, len(seen))]
    if not seen:
        lines = [f"the gateway at {gateway.url} saw no request: does the code under test use ANYINT_BASE_URL?"]
    for number, it in list(enumerate(seen, 1))[-_REQUESTS:]:
        end = "no answer" if it.answered is None else str(it.answered)
        met = "" if it.fault is None else f", met: {it.fault}"
        lines.append(f"  {number}. {f'{it.method} {it.path}'[:_WIDTH]} -> {end}{met}")
    lines += [f"  nobody met: {name}" for name in gateway.unmet_names()]
    lines += [f"  error of its own: {error!r}" for error in gateway.internal_errors]
    return "\n".join(lines)


def _only(shown: int, count: int) -> str:
    return f" (the last {shown})" if count > shown else ""
