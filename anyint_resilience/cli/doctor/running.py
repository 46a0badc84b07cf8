"""Checks run one after another, each within its time: what hangs is left behind, and told.

Must not know any check, nor how a finding is shown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ..bounded import Late, within
from .context import Context
from .finding import Blocked, Check, Finding, failed, skipped

__all__ = ["Done", "run_all"]

_LEAST: Final = 0.01
_GRACE: Final = 0.5  # seconds in which a check that is late may still say why


@dataclass(frozen=True, slots=True)
class Done:
    """A check that was made: what it found and how long it took, in seconds."""

    check: Check
    finding: Finding
    seconds: float

    def as_dict(self, mask: Callable[[str], str]) -> dict[str, object]:
        """Return it as plain JSON values."""
        return {
            "id": self.check.id,
            "title": self.check.title,
            "status": self.finding.status,
            "found": mask(self.finding.found),
            "advice": mask(self.finding.advice),
            "seconds": round(self.seconds, 3),
        }


def run_all(
    checks: Iterable[Check], ctx: Context, begins: Callable[[Check], object] = lambda _: None
) -> Iterator[Done]:
    """Yield each check as it is done. ``begins`` is called before each."""
    told: dict[str, str] = {}
    clock = ctx.runtime.monotonic
    end = clock() + ctx.options.timeout
    for check in checks:
        begins(check)
        began = clock()
        left = end - began
        if left < _LEAST:
            advice = "Give it more time: --timeout SECONDS, or fewer checks: --only, --skip."
            yield Done(check, failed("not reached: the time of the whole run was over", advice), 0.0)
            continue
        finding = _within(check, ctx, min(left * _share(check), check.seconds * ctx.options.patience), told)
        if finding.status == "failed":
            told.setdefault(check.id, check.id)
        yield Done(check, finding, clock() - began)


def _share(check: Check) -> float:
    """Return how much of what is left a check may take: one that hangs must leave the others their time."""
    return 0.9 if check.seconds == float("inf") else 0.6


def _within(check: Check, ctx: Context, seconds: float, told: dict[str, str]) -> Finding:
    """Run a check in a thread, which is left to itself where it does not end."""
    ctx.until, ctx.running = ctx.runtime.monotonic() + seconds, check.id
    most = min(seconds + min(_GRACE, seconds / 4), threading.TIMEOUT_MAX)
    try:
        return within(most, lambda: _found(check, ctx, told), name=check.id)
    except Late:
        advice = "Something hangs: the gateway, a proxy, a name server, a module, a store. Look there."
        return failed(f"it did not end within {seconds:.1f} s", advice)


def _found(check: Check, ctx: Context, told: dict[str, str]) -> Finding:
    try:
        return check.run(ctx)
    except Blocked as blocked:
        return _blocked(check, blocked, told)
    except SystemExit:
        return failed("something in it ended the program", "Look at what the module of --client does when imported.")
    except BaseException as error:  # a doctor must not die of what he finds; Ctrl-C comes to the main thread
        return failed(
            f"the check itself failed: {ctx.mask.foreign(f'{type(error).__name__}: {error}')}", "Please report it."
        )


def _blocked(check: Check, blocked: Blocked, told: dict[str, str]) -> Finding:
    """Skip a check only where another one has said why: what nobody tells of must not pass for well.

    ``told``: which check has told of what stands in the way, by the id of the check that should.
    """
    if blocked.by in told:
        return skipped(f"not before {told[blocked.by]} is mended")
    told[blocked.by] = check.id
    return failed(blocked.why, blocked.advice or f"Mend that first: anyint-resilience doctor --only {blocked.by}")
