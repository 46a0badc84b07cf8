"""The nouns of the doctor: a check, and what it found. Must not know any check, nor how a finding is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from .context import Context

__all__ = ["Blocked", "Check", "Finding", "Status", "failed", "joined", "ok", "skipped", "warning"]

Status: TypeAlias = Literal["ok", "warning", "failed", "skipped"]

_WORST: Final[tuple[Status, ...]] = ("failed", "warning", "ok", "skipped")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it; ``advice`` is empty where there is nothing to do."""

    status: Status
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table of checks.

    ``step``: which of AnyInt's eight it belongs to, None for one of ours. ``tokens``: it has a model write a few, which
    is billed. ``client``: it looks at the client of ``--client``. ``seconds``: how long it may take.
    """

    id: str
    title: str
    run: Callable[[Context], Finding]
    step: int | None = None
    tokens: bool = False
    client: bool = False
    seconds: float = 25.0


class Blocked(Exception):
    """A check can't be made before another one is mended: ``by`` is that one's id, ``why`` what it found.

    ``advice``: what to do where that one finds nothing.
    """

    def __init__(self, by: str, why: str, advice: str = "") -> None:
        super().__init__(why)
        self.by = by
        self.why = why
        self.advice = advice


def ok(found: str, advice: str = "") -> Finding:
    """All is well."""
    return Finding("ok", found, advice)


def warning(found: str, advice: str) -> Finding:
    """It works, and may hurt later."""
    return Finding("warning", found, advice)


def failed(found: str, advice: str) -> Finding:
    """It does not work, or must not go on like this."""
    return Finding("failed", found, advice)


def skipped(found: str, advice: str = "") -> Finding:
    """It was not looked at."""
    return Finding("skipped", found, advice)


def joined(findings: Iterable[Finding], well: str) -> Finding:
    """Make one finding of several, as bad as the worst; ``well``: what is said where there are none."""
    rows = sorted(findings, key=lambda it: _WORST.index(it.status))
    if not rows:
        return ok(well)
    bad = [it for it in rows if it.status != "ok"] or rows
    advice = dict.fromkeys(it.advice for it in bad if it.advice)
    return Finding(rows[0].status, "; ".join(it.found for it in bad), " ".join(advice))
