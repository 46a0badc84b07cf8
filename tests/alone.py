"""Guards for tests of one call. Must not know any test."""

from __future__ import annotations

from anyint_resilience import Guards

__all__ = ["ALONE"]

ALONE = Guards(budget_reserve=1000.0, failures=1000)
"""However often a call fails, that is its own affair. What a guard makes of an outage has tests of its own."""
