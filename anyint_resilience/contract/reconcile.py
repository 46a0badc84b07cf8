"""Where a create can carry a mark of ours, by which it is found when nobody knows what became of it.

Must not know what is done about it. Origin: contract section 6. Kling's field is upstream's, and whether AnyInt's query
route takes it is not confirmed; that a Suno callback comes to the URL as it was given is assumed. Both are off by
default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .words import Family, Origin

__all__ = ["EXISTING", "MARKS", "MARK_PARAMETER", "Mark"]

MARK_PARAMETER: Final = "anyint_create"
"""The parameter that stands in the query of a marked callback URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The field of a JSON body that carries a mark.

    ``url``: the field is a URL, and the mark stands in its query; else it is the mark itself, where the caller set
    none. ``asked``: the query route takes the mark in the place of the task's id.
    """

    field: str
    url: bool
    asked: bool
    origin: Origin


EXISTING: Final[dict[str, str]] = {"POST /suno/generate-cover": "400", "POST /suno/wav-generate": "409"}
"""Creates there can be one of for each source, and the code of the second, which names the first's task (upstream)."""

MARKS: Final[dict[Family, Mark]] = {
    Family.KLING: Mark(field="external_task_id", url=False, asked=True, origin=Origin.UPSTREAM),
    Family.SUNO: Mark(field="callBackUrl", url=True, asked=False, origin=Origin.ASSUMED),
}
"""By family; the others have no such place."""
