"""The clock of this machine against the gateway's. A wrong one makes HTTP dates and ``retry_at`` wrong."""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Final

from .context import Context
from .finding import Finding, ok, skipped, warning
from .listing import listing

__all__ = ["check_clock", "skew"]

_MOST: Final = 5.0  # seconds


def skew(date: str, sent_at: float, began_at: float) -> float | None:
    """Return how many seconds this clock is ahead, by a Date header; None if it is none.

    The header has whole seconds and was written while the request was out: what can be explained by that is no skew.
    """
    try:
        stamp = parsedate_to_datetime(date)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    said = (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=timezone.utc)).timestamp()
    if sent_at > said + 1.0:
        return sent_at - (said + 1.0)
    return min(0.0, began_at - said)


def check_clock(ctx: Context) -> Finding:
    """Compare the Date header of the Models API with this clock."""
    reply = listing(ctx).reply
    if reply is None or not reply.status:
        return skipped("no answer came whose Date could be read")
    off = skew(reply.headers.get("date", ""), reply.sent_at, reply.began_at)
    if off is None:
        return skipped("the answer had no Date that can be read")
    if abs(off) <= _MOST:
        return ok(f"within {max(1.0, abs(off)):.0f} s of the gateway's")
    way = "ahead of" if off > 0 else "behind"
    return warning(
        f"this clock is {abs(off):.0f} s {way} the gateway's",
        "Set it (NTP): a Retry-After that is a date is waited for too short or too long, retry_at is wrong by as much, "
        "and certificates may seem expired.",
    )
