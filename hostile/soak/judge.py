"""Whether a measured series is flat: pure, over numbers; must not know what was measured, nor how.

After the warm-up, the last third is held against the first: by their medians, which a spike does not move, and by the
median of all slopes (Theil and Sen), which sees what grows all the time. Either may grow by the bound and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

__all__ = ["BOUNDS", "LEAST", "Bound", "Verdict", "judge"]

Series = Sequence[tuple[float, float]]
"""Pairs of seconds and a value, in the order of time."""

LEAST: Final = 9
"""Samples after the warm-up that it takes to say anything."""
_MOST: Final = 240
"""Samples that slopes are taken of: of more, every so-many-th."""


@dataclass(frozen=True)
class Bound:
    """How much a series may grow from its first third to its last: so much, or such a share, whichever is more."""

    absolute: float
    share: float

    def allows(self, first: float) -> float:
        """Return how much may be added to this."""
        return max(self.absolute, self.share * abs(first))


BOUNDS: Final[dict[str, Bound]] = {
    "rss_mib": Bound(6.0, 0.05),
    "traced_mib": Bound(0.75, 0.03),
    "blocks": Bound(6000, 0.02),
    "sockets": Bound(5, 0.15),
    "fds": Bound(5, 0.15),
    "threads": Bound(3, 0.1),
    "tasks": Bound(5, 0.15),
    "count": Bound(2, 0.0),
    "rows": Bound(150, 0.2),
    "keys": Bound(150, 0.2),
    "file_mib": Bound(1.5, 0.15),
    "memory_mib": Bound(1.5, 0.15),
    "clients": Bound(4, 0.15),
}
"""By what is measured: resident and traced memory in MiB, allocated blocks, sockets, what a store holds, and so on."""


@dataclass(frozen=True)
class Verdict:
    """What was found: the medians of the first and the last third, the growth by medians and by slope, what may be."""

    first: float
    last: float
    grew: float
    sloped: float
    allowed: float
    samples: int

    @property
    def flat(self) -> bool:
        """Whether it did not grow by more than it may; what was hardly measured is not flat."""
        return self.samples >= LEAST and max(self.grew, self.sloped) <= self.allowed

    def __str__(self) -> str:
        told = f"{self.first:.1f} -> {self.last:.1f} (grew {self.grew:+.1f}, by slope {self.sloped:+.1f}, may "
        return told + f"{self.allowed:.1f}; {self.samples} samples)"


def judge(series: Series, bound: Bound, *, warm: float) -> Verdict:
    """Judge a series after ``warm`` seconds from its first sample. Total: of no samples the verdict is not flat."""
    start = series[0][0] if series else 0.0
    left = [it for it in series if it[0] - start >= warm]
    if len(left) < LEAST:
        return Verdict(0.0, 0.0, 0.0, 0.0, 0.0, len(left))
    third = len(left) // 3
    first, last = (median(value for _, value in part) for part in (left[:third], left[-third:]))
    span = median(at for at, _ in left[-third:]) - median(at for at, _ in left[:third])
    return Verdict(first, last, last - first, _slope(left) * span, bound.allows(first), len(left))


def _slope(series: Series) -> float:
    """Return the median of the slopes between any two samples."""
    thinned = series[:: max(1, len(series) // _MOST)]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(thinned, 2) if b[0] > a[0]]
    return median(slopes) if slopes else 0.0
